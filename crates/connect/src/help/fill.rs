//! Line breaks in Japanese. Clap breaks at blanks and counts each character as one column; Japanese has no blanks, and its
//! characters take two. So each of them gets a companion that makes up the second column, with a blank behind it where a
//! line may break. What clap has laid out loses them again.

/// Makes up a column. For private use (Unicode 23.5), so no text has it.
const COLUMN: char = '\u{e001}';
/// The same, with a blank behind it at which the line may break.
const BREAK: char = '\u{e002}';

/// Stands for a blank at which the line may not break.
pub(super) const GAP: char = '\u{e003}';

/// Whether a character takes two columns (Unicode annex 11).
fn is_wide(letter: char) -> bool {
    matches!(letter as u32, 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe4f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x20000..=0x3fffd)
}

/// Columns that a text takes in a terminal.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.chars().map(|letter| if is_wide(letter) { 2 } else { 1 }).sum()
}

/// Whether a line may begin with a character (JIS X 4051, 4.3).
pub(super) fn may_begin(letter: char) -> bool {
    !"、。,.)」』】!?:;・ー々/]〉》っゃゅょぁぃぅぇぉッャュョァィゥェォ".contains(letter)
}

fn may_end(letter: char) -> bool {
    !"「『【〈《([".contains(letter)
}

/// Whether a phrase ends between two characters: after a mark, before a bracket, and where kana that end phrases are followed by something else.
fn is_seam(before: char, after: char) -> bool {
    // その他 is one word.
    if !may_end(before) || !may_begin(after) || after.is_whitespace() || (before, after) == ('の', '他') {
        return false;
    }
    let hiragana = |letter: char| ('ぁ'..='ゖ').contains(&letter);
    "、。)」』】・".contains(before) || "「『【(".contains(after) || ("をにはがでともへやてのたるいくすらなばうずか".contains(before) && !hiragana(after))
}

/// Text in which clap may break lines.
pub(super) fn breakable(text: &str) -> String {
    filled(text, true)
}

/// Text that stays in one piece.
pub(super) fn whole(text: &str) -> String {
    filled(text, false)
}

fn filled(text: &str, breaks: bool) -> String {
    let mut letters = text.chars().peekable();
    let mut filled = String::with_capacity(text.len() * 2);
    while let Some(letter) = letters.next() {
        filled.push(letter);
        if !is_wide(letter) {
            continue;
        }
        match letters.peek() {
            Some(after) if breaks && is_seam(letter, *after) => filled.extend([BREAK, ' ']),
            _ => filled.push(COLUMN),
        }
    }
    filled
}

/// The text without its companions.
pub(super) fn bare(text: &str) -> String {
    text.replace("\u{e002} ", "").replace([COLUMN, BREAK], "").replace(GAP, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_is_the_same_text_again_and_clap_counts_its_columns() {
        for text in ["接続先の一覧を表示する", "ログイン名(a-z、0-9)", "ssh の設定", "", "abc"] {
            assert_eq!(bare(&breakable(text)), text);
            assert_eq!(bare(&whole(text)), text);
            assert_eq!(whole(text).chars().count(), columns(text));
            assert!(breakable(text).chars().count() >= columns(text));
        }
    }

    #[test]
    fn lines_break_between_phrases_and_before_no_mark() {
        assert_eq!(breakable("端末を登録する。").replace(COLUMN, "").replace("\u{e002} ", "|"), "端末を|登録する。");
        assert_eq!(breakable("保守事業者、作業者(全員)の一覧").replace(COLUMN, "").replace("\u{e002} ", "|"), "保守事業者、|作業者|(全員)の|一覧");
    }
}
