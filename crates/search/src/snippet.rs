//! What is shown of a text that was found.

use crate::limits::{SNIPPET_AFTER, SNIPPET_BEFORE};
use crate::query::Words;
use std::collections::BTreeSet;

/// A part of a snippet. It is text of others and nothing else: whoever shows it escapes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The characters.
    pub text: String,
    /// It is what was asked for.
    pub hit: bool,
}

/// The line of a text in which most of the words stand, as pieces, and which line that is, from 0.
///
/// A word can reach over the end of a line; then the line in which it begins counts.
pub(crate) fn snippet(text: &str, words: &Words) -> (Vec<Piece>, usize) {
    let places = words.places(text);
    let mut from = 0;
    let mut best = (0, 0, 0, 0);
    for (number, line) in text.split('\n').enumerate() {
        let until = from + line.len();
        let found: BTreeSet<usize> = places.iter().filter(|(_, place)| (from..=until).contains(&place.start)).map(|(word, _)| *word).collect();
        if found.len() > best.0 || number == 0 {
            best = (found.len(), number, from, until);
        }
        from = until + 1;
    }
    let (_, number, from, until) = best;
    let first = places.iter().map(|(_, place)| place.start).find(|start| (from..=until).contains(start)).unwrap_or(from);
    let start = back(text, first, SNIPPET_BEFORE).max(from);
    // A word that reaches over the end of the line is shown whole.
    let reach = places.iter().filter(|(_, place)| (from..=until).contains(&place.start)).map(|(_, place)| place.end).max().unwrap_or(until).max(until);
    let end = forth(text, first, SNIPPET_AFTER).min(reach);
    let mut pieces = Vec::new();
    let mut at = start;
    if start > from {
        put(&mut pieces, "…", false);
    }
    for (_, place) in places {
        let (hit_from, hit_until) = (place.start.max(at), place.end.min(end));
        if hit_from < hit_until {
            put(&mut pieces, text.get(at..hit_from).unwrap_or_default(), false);
            put(&mut pieces, text.get(hit_from..hit_until).unwrap_or_default(), true);
            at = hit_until;
        }
    }
    put(&mut pieces, text.get(at..end).unwrap_or_default(), false);
    if end < until {
        put(&mut pieces, "…", false);
    }
    (pieces, number)
}

fn put(pieces: &mut Vec<Piece>, text: &str, hit: bool) {
    if text.is_empty() {
        return;
    }
    let text = text.replace('\n', " ");
    match pieces.last_mut() {
        Some(last) if last.hit == hit => last.text.push_str(&text),
        _ => pieces.push(Piece { text, hit }),
    }
}

fn back(text: &str, from: usize, chars: usize) -> usize {
    let before = text.get(..from).unwrap_or_default();
    before.char_indices().rev().take(chars).last().map_or(from, |(at, _)| at)
}

fn forth(text: &str, from: usize, chars: usize) -> usize {
    let after = text.get(from..).unwrap_or_default();
    after.char_indices().nth(chars).map_or(text.len(), |(at, _)| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, query: &str) -> (String, usize) {
        let (pieces, line) = snippet(text, &Words::parse(query).unwrap());
        (pieces.into_iter().map(|piece| if piece.hit { format!("[{}]", piece.text) } else { piece.text }).collect(), line)
    }

    #[test]
    fn the_line_with_most_of_the_words_is_shown_with_them_marked() {
        let text = "table of contents\npsql -c 'DROP TABLE patients'\nbye";
        assert_eq!(shown(text, "drop table"), ("psql -c '[DROP] [TABLE] patients'".into(), 1));
        assert_eq!(shown("ｶﾞｽ漏れ", "ガス"), ("[ｶﾞｽ]漏れ".into(), 0));
    }

    #[test]
    fn a_long_line_is_cut_around_what_was_found() {
        let text = format!("{}needle{}", "録".repeat(500), "画".repeat(500));
        let (shown, _) = shown(&text, "needle");
        assert!(shown.contains("録[needle]画") && shown.starts_with('…') && shown.ends_with('…'));
        assert!(shown.chars().count() < SNIPPET_BEFORE + SNIPPET_AFTER + 10);
    }

    #[test]
    fn a_word_over_the_end_of_a_line_is_shown_whole() {
        assert_eq!(shown("a drop\ntable b", "\"drop table\""), ("a [drop table]".into(), 0));
    }
}
