//! The language of patterns: words, in which `*` stands for any text.
//!
//! - A pattern is compared from the command's first word on; what follows behind its last word is free. So `shutdown`
//!   names `shutdown -h now`.
//! - `*` as a word of its own is any number of words, inside a word any characters.
//! - Options may stand anywhere, and letters of one dash in any order: `rm -rf` names `rm -v -f -r`.
//! - `!word` is: this word must not be there. `DELETE !WHERE` is a DELETE without WHERE.
//! - `wr[ite]` is a word that may be cut short, down to `wr`.

use crate::limits;
use super::split::{TooMuch, is_transparent};

/// How a pattern is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As a rule: options count wherever they stand.
    Loose,
    /// As a planned command: word by word.
    Strict,
}

/// A pattern that was read.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
    options: Vec<Piece>,
    without: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Any number of words.
    Any,
    /// A word, with `*` for any characters.
    Word(String),
    /// A word that may be cut short: what must be there, and the whole.
    Short(String, String),
}

/// Bytes that are looked through for the price of one comparison.
const BYTES_A_STEP: usize = 64;

/// What one line may cost, in comparisons.
pub(super) struct Purse(usize);

impl Purse {
    pub(super) fn new() -> Self {
        Self(limits::COMMAND_STEPS)
    }

    fn pay(&mut self) -> Result<(), TooMuch> {
        self.pay_for(0)
    }

    /// Looking through so many bytes costs more than one comparison.
    fn pay_for(&mut self, bytes: usize) -> Result<(), TooMuch> {
        self.0 = self.0.checked_sub(1 + bytes / BYTES_A_STEP).ok_or(TooMuch)?;
        Ok(())
    }
}

impl Pattern {
    /// Reads a pattern, in small letters already if case does not count.
    pub(super) fn read(text: &str, manner: Manner) -> Self {
        let mut pattern = Self { pieces: Vec::new(), options: Vec::new(), without: Vec::new() };
        for word in text.split_whitespace() {
            match word.strip_prefix('!') {
                Some(without) if manner == Manner::Loose && !without.is_empty() => pattern.without.push(Piece::read(without)),
                _ if manner == Manner::Loose && word.starts_with('-') && word.len() > 1 => pattern.options.push(Piece::read(word)),
                _ => pattern.pieces.push(Piece::read(word)),
            }
        }
        pattern
    }

    /// True if it says nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.options.is_empty() && self.without.is_empty()
    }

    /// Whether it names a command of these words.
    pub(super) fn names(&self, words: &[String], manner: Manner, purse: &mut Purse) -> Result<bool, TooMuch> {
        if self.is_empty() || !self.begins(words, manner, purse)? {
            return Ok(false);
        }
        for option in &self.options {
            if !option.is_among(words, purse)? {
                return Ok(false);
            }
        }
        for without in &self.without {
            for word in words {
                if without.is(word, purse)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether some command may be named by both. It says yes where it is not sure.
    pub(super) fn meets(&self, other: &Self) -> bool {
        if self.wraps() || other.wraps() {
            return true;
        }
        if self.excludes(other) || other.excludes(self) {
            return false;
        }
        // Each place in the table: whether what is left of both from there on can stand in one command.
        let wide = other.pieces.len() + 1;
        let mut can = vec![true; (self.pieces.len() + 1) * wide];
        let at = |row: usize, column: usize| row * wide + column;
        for row in (0..self.pieces.len()).rev() {
            for column in (0..other.pieces.len()).rev() {
                let (one, two) = (self.pieces.get(row), other.pieces.get(column));
                let (Some(one), Some(two)) = (one, two) else { continue };
                let holds = |place: usize| can.get(place).copied().unwrap_or(true);
                let either = holds(at(row + 1, column)) || holds(at(row, column + 1));
                let both = holds(at(row + 1, column + 1));
                // A word that may be an option may also be passed over.
                let is_open = |piece: &Piece| match piece {
                    Piece::Any => true,
                    Piece::Word(word) => word.starts_with('*'),
                    Piece::Short(..) => false,
                };
                let open = is_open(one) || is_open(two);
                let meets = if open { either || both } else { both && one.meets(two) };
                if let Some(place) = can.get_mut(at(row, column)) {
                    *place = meets;
                }
            }
        }
        can.first().copied().unwrap_or(true)
    }

    /// It names a wrapper, so what stands behind may be any command.
    fn wraps(&self) -> bool {
        matches!(self.pieces.first(), Some(Piece::Word(name)) if is_transparent(name.rsplit('/').next().unwrap_or(name)))
    }

    /// A word that must not be there is one that the other demands.
    fn excludes(&self, other: &Self) -> bool {
        let demanded = other.pieces.iter().chain(&other.options);
        let literal = |piece: &Piece| matches!(piece, Piece::Word(word) if !word.contains('*')).then(|| piece.clone());
        let demanded: Vec<Piece> = demanded.filter_map(literal).collect();
        self.without.iter().any(|without| demanded.iter().any(|word| without.meets(word)))
    }

    /// Compares the pieces with the beginning of the words. The last `*` is enough to go back to.
    fn begins(&self, words: &[String], manner: Manner, purse: &mut Purse) -> Result<bool, TooMuch> {
        let (mut piece, mut word) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        loop {
            purse.pay()?;
            match (self.pieces.get(piece), words.get(word)) {
                (None, _) => return Ok(true),
                (Some(Piece::Any), _) => {
                    piece += 1;
                    star = Some((piece, word));
                }
                (Some(_), None) => return Ok(false),
                (Some(one), Some(text)) => {
                    if one.is(text, purse)? {
                        (piece, word) = (piece + 1, word + 1);
                    } else if manner == Manner::Loose && text.starts_with('-') && word > 0 {
                        word += 1;
                    } else if let Some((after, from)) = star {
                        star = Some((after, from + 1));
                        (piece, word) = (after, from + 1);
                    } else {
                        return Ok(false);
                    }
                }
            }
        }
    }
}

impl Piece {
    fn read(word: &str) -> Self {
        if word.bytes().all(|byte| byte == b'*') {
            return Self::Any;
        }
        let short = word.strip_suffix(']').and_then(|word| word.split_once('['));
        match short {
            Some((must, may)) if !must.is_empty() && !may.contains('[') => Self::Short(must.to_owned(), format!("{must}{may}")),
            _ => Self::Word(word.to_owned()),
        }
    }

    /// Whether some word may be both.
    fn meets(&self, other: &Self) -> bool {
        let of = |literal: &str, piece: &Self| piece.is(literal, &mut Purse::new()).unwrap_or(true);
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Word(word), piece) | (piece, Self::Word(word)) if !word.contains('*') => of(word, piece) || self == other,
            (Self::Short(must, whole), piece) | (piece, Self::Short(must, whole)) => match piece {
                Self::Short(other_must, other_whole) => whole.starts_with(other_must.as_str()) && other_whole.starts_with(must.as_str()),
                // Every length that the word may have.
                _ => (must.len()..=whole.len()).filter_map(|end| whole.get(..end)).any(|word| of(word, piece)),
            },
            (Self::Word(one), Self::Word(two)) => {
                let ends = |text: &str| (text.split('*').next().unwrap_or_default().to_owned(), text.rsplit('*').next().unwrap_or_default().to_owned());
                let ((one_head, one_tail), (two_head, two_tail)) = (ends(one), ends(two));
                (one_head.starts_with(&two_head) || two_head.starts_with(&one_head)) && (one_tail.ends_with(&two_tail) || two_tail.ends_with(&one_tail))
            }
        }
    }

    fn is(&self, word: &str, purse: &mut Purse) -> Result<bool, TooMuch> {
        Ok(match self {
            Self::Any => true,
            Self::Short(must, whole) => word.starts_with(must.as_str()) && whole.starts_with(word),
            Self::Word(glob) if !glob.contains('*') => glob == word || (glob == "/" && is_root(word)),
            Self::Word(glob) => is_like(glob, word, purse)?,
        })
    }

    /// Whether the option stands among the words: as it is, or its letters in whatever bundles.
    fn is_among(&self, words: &[String], purse: &mut Purse) -> Result<bool, TooMuch> {
        for word in words {
            if self.is(word, purse)? {
                return Ok(true);
            }
        }
        let letters = match self {
            Self::Word(option) => option.strip_prefix('-').filter(|letters| letters.bytes().all(|byte| byte.is_ascii_alphanumeric())),
            Self::Any | Self::Short(..) => None,
        };
        let Some(letters) = letters else { return Ok(false) };
        for letter in letters.chars() {
            purse.pay()?;
            let bundle = |word: &String| word.strip_prefix('-').is_some_and(|rest| !rest.starts_with('-') && rest.contains(letter));
            if !words.iter().any(bundle) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// `/`, `//`, `/.` and `/*`: each of them is everything.
fn is_root(word: &str) -> bool {
    word.starts_with('/') && word.bytes().all(|byte| matches!(byte, b'/' | b'.' | b'*'))
}

/// Compares with `*` for any characters: each part between stars is looked for behind the one before.
fn is_like(glob: &str, word: &str, purse: &mut Purse) -> Result<bool, TooMuch> {
    purse.pay_for(word.len())?;
    let mut parts = glob.split('*');
    let Some(mut rest) = parts.next().and_then(|first| word.strip_prefix(first)) else { return Ok(false) };
    let Some(last) = parts.next_back() else { return Ok(rest.is_empty()) };
    for part in parts {
        purse.pay_for(rest.len())?;
        let Some(at) = rest.find(part) else { return Ok(false) };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    Ok(rest.ends_with(last))
}
