//! Plain tables for the terminal, aligned for Japanese text too.

/// Renders rows under a heading; says so if there are none.
#[must_use]
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "(該当なし / none)".to_owned();
    }
    let mut widths: Vec<usize> = heading.iter().map(|cell| width(cell)).collect();
    for row in rows {
        for (slot, cell) in widths.iter_mut().zip(row) {
            *slot = (*slot).max(width(cell));
        }
    }
    let mut out = line(heading.iter().copied(), &widths);
    for row in rows {
        out.push_str(&line(row.iter().map(String::as_str), &widths));
    }
    out
}

/// Renders names and values, one pair a line.
#[must_use]
pub fn pairs(pairs: &[(&str, String)]) -> String {
    let widest = pairs.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    pairs.iter().map(|(name, value)| format!("{name}{}  {}\n", " ".repeat(widest - width(name)), visible(value))).collect()
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let mut out = String::new();
    for (cell, slot) in cells.zip(widths) {
        let cell = visible(cell);
        out.push_str(&cell);
        out.push_str(&" ".repeat(slot.saturating_sub(width(&cell)) + 2));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// Text from outside cannot move the cursor or turn the direction of this terminal.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') { '\u{fffd}' } else { c }).collect()
}

/// Columns that a text takes: East Asian wide characters take two.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match c as u32 {
            0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe4f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_and_latin_cells_line_up() {
        let text = table(&["login", "name"], &[vec!["sato".into(), "佐藤 健".into()], vec!["tanaka".into(), "田中".into()]]);
        assert_eq!(text, "login   name\nsato    佐藤 健\ntanaka  田中\n");
    }

    #[test]
    fn escapes_from_outside_lose_their_power() {
        assert!(!pairs(&[("title", "\u{1b}[2Jgone".into())]).contains('\u{1b}'));
    }
}
