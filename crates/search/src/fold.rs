//! What counts as the same character.

use std::ops::Range;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// A character as it is compared, and the bytes of the text that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folded {
    pub(crate) char: char,
    pub(crate) place: Range<usize>,
}

/// Whether a character belongs to the one before it: accents, and the voicing marks of half-width kana.
fn joins(char: char) -> bool {
    is_combining_mark(char) || matches!(char, '\u{ff9e}' | '\u{ff9f}')
}

/// A text as it is compared: compatibility forms (NFKC), lower case, every run of blanks and controls as one blank, none
/// at its ends.
///
/// Each cluster is folded by itself, so that the place of what was found in the text as it stands is known.
pub(crate) fn fold(text: &str) -> Vec<Folded> {
    let mut folded: Vec<Folded> = Vec::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((from, first)) = chars.next() {
        let mut until = from + first.len_utf8();
        while let Some((at, next)) = chars.next_if(|(_, next)| joins(*next)) {
            until = at + next.len_utf8();
        }
        let place = from..until;
        if first.is_ascii() && until == from + 1 {
            push(&mut folded, first.to_ascii_lowercase(), place);
            continue;
        }
        for char in text.get(place.clone()).unwrap_or_default().nfkc().flat_map(char::to_lowercase) {
            push(&mut folded, char, place.clone());
        }
    }
    if folded.last().is_some_and(|last| last.char == ' ') {
        folded.pop();
    }
    folded
}

fn push(folded: &mut Vec<Folded>, char: char, place: Range<usize>) {
    let blank = char.is_whitespace() || char.is_control();
    match folded.last() {
        None if blank => {}
        Some(last) if blank && last.char == ' ' => {}
        _ => folded.push(Folded { char: if blank { ' ' } else { char }, place }),
    }
}

/// The same, characters only.
pub(crate) fn fold_chars(text: &str) -> Vec<char> {
    fold(text).into_iter().map(|folded| folded.char).collect()
}

/// Cuts a text into pairs of neighbours. The last character stands alone, so that a query of one character, which asks
/// for every pair that begins with it, finds it there too.
#[derive(Clone)]
pub(crate) struct Pairs;

/// See [`Pairs`].
pub(crate) struct PairStream {
    folded: Vec<Folded>,
    next: usize,
    token: tantivy::tokenizer::Token,
}

impl tantivy::tokenizer::Tokenizer for Pairs {
    type TokenStream<'a> = PairStream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> PairStream {
        PairStream { folded: fold(text), next: 0, token: tantivy::tokenizer::Token::default() }
    }
}

impl tantivy::tokenizer::TokenStream for PairStream {
    fn advance(&mut self) -> bool {
        let Some(first) = self.folded.get(self.next) else { return false };
        let token = &mut self.token;
        token.text.clear();
        token.text.push(first.char);
        token.offset_from = first.place.start;
        token.offset_to = first.place.end;
        if let Some(second) = self.folded.get(self.next + 1) {
            token.text.push(second.char);
            token.offset_to = second.place.end;
        }
        token.position = self.next;
        self.next += 1;
        true
    }

    fn token(&self) -> &tantivy::tokenizer::Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut tantivy::tokenizer::Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_text(text: &str) -> String {
        fold_chars(text).into_iter().collect()
    }

    #[test]
    fn full_and_half_width_upper_and_lower_case_meet() {
        for (one, other) in [("ＰＡＴＩＥＮＴＳ", "patients"), ("ｶﾞｿﾘﾝ", "ガソリン"), ("サーバ①", "サーバ1"), ("㈱関所", "(株)関所"), ("か\u{3099}", "が")] {
            assert_eq!(as_text(one), as_text(other));
        }
        assert_ne!(as_text("カ"), as_text("ガ"));
    }

    #[test]
    fn blanks_are_one_blank_and_none_at_the_ends() {
        assert_eq!(as_text("\t drop\r\n  table\u{3000}x \u{7}"), "drop table x");
        assert_eq!(as_text(" \n "), "");
    }

    #[test]
    fn a_place_is_that_of_the_text_as_it_stands() {
        let text = "x ｶﾞ㈱";
        let folded = fold(text);
        let at = |char| folded.iter().find(|folded| folded.char == char).map(|folded| &text[folded.place.clone()]);
        assert_eq!(at('ガ'), Some("ｶﾞ"));
        assert_eq!(at('株'), Some("㈱"));
    }
}
