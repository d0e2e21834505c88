//! What a person types into the search field.

use crate::fold::{Folded, fold, fold_chars};
use crate::limits;

/// A query that is not searched for. The person reads which bound it crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// There is no word in it.
    Empty,
    /// Longer than [`limits::QUERY_CHARS`].
    TooLong,
    /// More words than [`limits::QUERY_WORDS`].
    TooManyWords,
}

/// The words of a query, folded. All of them must be in a text; each is found as a part of it, blanks included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(pub(crate) Vec<Vec<char>>);

/// Quotation marks that hold words together; a person's keyboard or text processor chooses which.
fn is_quote(char: char) -> bool {
    matches!(char, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ff02}' | '「' | '」')
}

impl Words {
    /// Reads a query: words are parted by blanks; what stands in quotation marks is one word. An opening mark without
    /// a closing one holds to the end. There is no other syntax, so every other character is searched for as it is.
    ///
    /// # Errors
    /// A [`Breach`].
    pub fn parse(text: &str) -> Result<Self, Breach> {
        if text.chars().count() > limits::QUERY_CHARS {
            return Err(Breach::TooLong);
        }
        let mut words: Vec<Vec<char>> = Vec::new();
        let mut word = String::new();
        let mut quoted = false;
        let mut keep = |word: &mut String| {
            let folded = fold_chars(word);
            word.clear();
            if !folded.is_empty() && !words.contains(&folded) {
                words.push(folded);
            }
        };
        for char in text.chars() {
            if is_quote(char) {
                keep(&mut word);
                quoted = !quoted;
            } else if char.is_whitespace() && !quoted {
                keep(&mut word);
            } else {
                word.push(char);
            }
        }
        keep(&mut word);
        if words.is_empty() {
            return Err(Breach::Empty);
        }
        if words.len() > limits::QUERY_WORDS {
            return Err(Breach::TooManyWords);
        }
        Ok(Self(words))
    }

    /// Where the words stand in a text, as bytes of it, the first to the last.
    pub(crate) fn places(&self, text: &str) -> Vec<(usize, std::ops::Range<usize>)> {
        let folded = fold(text);
        let mut places: Vec<_> = self.0.iter().enumerate().flat_map(|(number, word)| find_all(&folded, word).map(move |place| (number, place))).collect();
        places.sort_by_key(|(_, place)| (place.start, place.end));
        places
    }
}

fn find_all<'a>(folded: &'a [Folded], word: &'a [char]) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
    let same = move |window: &[Folded]| window.iter().map(|folded| folded.char).eq(word.iter().copied());
    let range = |window: &[Folded]| Some(window.first()?.place.start..window.last()?.place.end);
    folded.windows(word.len().max(1)).filter(move |window| same(window)).filter_map(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Words::parse(text).unwrap().0.into_iter().map(|word| word.into_iter().collect()).collect()
    }

    #[test]
    fn blanks_part_words_and_quotes_hold_them() {
        assert_eq!(words("drop table patients"), ["drop", "table", "patients"]);
        assert_eq!(words("\"DROP  table\" 「電源 断」"), ["drop table", "電源 断"]);
        assert_eq!(words("保守　電源"), ["保守", "電源"]);
        assert_eq!(words("/var/lib/pgsql/data"), ["/var/lib/pgsql/data"]);
        assert_eq!(words("\"open to the end"), ["open to the end"]);
        // Nothing is an operator.
        assert_eq!(words("a:b* -rf (x) OR ~ \\"), ["a:b*", "-rf", "(x)", "or", "~", "\\"]);
        assert_eq!(words("x X ｘ"), ["x"]);
    }

    #[test]
    fn a_query_beyond_its_bounds_says_which() {
        assert_eq!(Words::parse(" \"\" \u{3000}"), Err(Breach::Empty));
        assert_eq!(Words::parse(&"x".repeat(limits::QUERY_CHARS + 1)), Err(Breach::TooLong));
        let many: Vec<String> = (0..=limits::QUERY_WORDS).map(|n| n.to_string()).collect();
        assert_eq!(Words::parse(&many.join(" ")), Err(Breach::TooManyWords));
    }
}
