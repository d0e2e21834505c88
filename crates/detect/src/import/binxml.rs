//! The binary XML of a Windows event: templates with places for values, and the values. Only names and texts are taken out of it.
//!
//! The form is the one that Microsoft describes in [MS-EVEN6] section 2.2.12, with the offsets of names and templates that its
//! files have in the place of their texts.

use super::Bytes;
use std::collections::BTreeMap;

/// Elements within each other.
const DEPTH: usize = 32;
/// Values that are events within the event.
const NESTED: usize = 4;
/// Values of one template.
const VALUES: usize = 1_024;
/// Characters of one value.
const CHARS: usize = 1_024;
/// Names of one event.
const NAMES: usize = 256;

/// What an event says: names of elements, or of `Data` by its attribute `Name`, and their texts. The first of a name counts: what
/// the system itself writes stands before what a program adds.
#[derive(Debug, Default)]
pub struct Said(pub BTreeMap<String, String>);

/// Why an event cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// The part of the file in which places count, and how much work is left for it.
pub struct Reader<'a> {
    chunk: Bytes<'a>,
    left: usize,
}

/// One value of a template.
#[derive(Clone, Copy)]
struct Value<'a> {
    kind: u8,
    bytes: &'a [u8],
    /// Where it stands in the chunk.
    at: usize,
}

/// Where in the event the reader stands.
#[derive(Default)]
struct Path {
    elements: Vec<Element>,
}

#[derive(Default)]
struct Element {
    name: String,
    /// The value of its attribute `Name`.
    called: String,
    text: String,
    /// Characters of the text.
    chars: usize,
}

/// What the smallest step costs; every byte that it reads or writes costs one more.
const STEP: usize = 8;

impl<'a> Reader<'a> {
    /// Over a chunk; `work` is what reading its events may cost: in bytes, so that long texts are dearer than short ones.
    pub fn new(chunk: &'a [u8], work: usize) -> Self {
        Self { chunk: Bytes(chunk), left: work }
    }

    /// True once the work is used up.
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// The work that is left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Reads the event that lies at this place of the chunk.
    pub fn event(&mut self, at: usize, end: usize) -> Result<Said, Broken> {
        let (mut said, mut path) = (Said::default(), Path::default());
        self.tokens(at, end, &[], 0, &mut path, &mut said)?;
        Ok(said)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Broken> {
        self.left = self.left.saturating_sub(STEP.saturating_add(bytes));
        if self.left == 0 { Err(Broken) } else { Ok(()) }
    }

    /// A text of so many bytes is read; what is cut off is not.
    fn spend_text(&mut self, bytes: usize) -> Result<(), Broken> {
        self.spend(bytes.min(CHARS * 4))
    }

    /// A value in letters.
    fn written(&mut self, value: Option<Value<'_>>) -> Result<String, Broken> {
        let Some(value) = value else { return Ok(String::new()) };
        self.spend_text(value.bytes.len())?;
        Ok(written(value))
    }

    /// A name: at its place, or right here where it stands for the first time. Gives it, and what it takes here.
    fn name(&mut self, at: usize, here: usize) -> Result<(String, usize), Broken> {
        let length = usize::from(self.chunk.u16(at + 6).ok_or(Broken)?);
        self.spend_text(length * 2)?;
        let bytes = self.chunk.slice(at + 8, length * 2).ok_or(Broken)?;
        Ok((utf16(bytes), if at == here { 8 + length * 2 + 2 } else { 0 }))
    }

    /// Reads tokens from one place to another.
    fn tokens(&mut self, mut at: usize, end: usize, values: &[Value<'a>], nested: usize, path: &mut Path, said: &mut Said) -> Result<usize, Broken> {
        let floor = path.elements.len();
        while at < end {
            self.spend(0)?;
            let token = *self.chunk.slice(at, 1).and_then(<[u8]>::first).ok_or(Broken)?;
            match token {
                0x00 => return Ok(at + 1),
                // The beginning of a fragment.
                0x0f => at += 4,
                // An element, with attributes or without: a number, a length, the place of its name.
                0x01 | 0x41 => {
                    if path.elements.len() >= DEPTH {
                        return Err(Broken);
                    }
                    let place = self.chunk.place(at + 7).ok_or(Broken)?;
                    let (name, taken) = self.name(place, at + 11)?;
                    path.elements.push(Element { name, ..Element::default() });
                    at += 11 + taken + if token == 0x41 { 4 } else { 0 };
                }
                // The end of its beginning.
                0x02 => at += 1,
                // Its end: empty, or after what was in it.
                0x03 | 0x04 => {
                    if path.elements.len() <= floor {
                        return Err(Broken);
                    }
                    path.close(said);
                    at += 1;
                }
                // An attribute; its value follows.
                0x06 | 0x46 => {
                    let place = self.chunk.place(at + 1).ok_or(Broken)?;
                    let (name, taken) = self.name(place, at + 5)?;
                    let (text, next) = self.text(at + 5 + taken, values)?;
                    path.attribute(&name, text, said);
                    at = next;
                }
                0x05 | 0x45 | 0x07 | 0x47 | 0x08 | 0x48 | 0x09 | 0x49 => {
                    let (text, next) = self.text(at, values)?;
                    path.text(&text);
                    at = next;
                }
                // An instruction to a program: its name, and its text.
                0x0a => {
                    let place = self.chunk.place(at + 1).ok_or(Broken)?;
                    at += 5 + self.name(place, at + 5)?.1;
                }
                0x0b => at += 3 + usize::from(self.chunk.u16(at + 1).ok_or(Broken)?) * 2,
                0x0d | 0x0e => {
                    let value = values.get(usize::from(self.chunk.u16(at + 1).ok_or(Broken)?)).copied();
                    match value {
                        Some(value) if value.kind == 0x21 => {
                            if nested >= NESTED {
                                return Err(Broken);
                            }
                            self.tokens(value.at, value.at + value.bytes.len(), &[], nested + 1, path, said)?;
                        }
                        value => path.text(&self.written(value)?),
                    }
                    at += 4;
                }
                0x0c => at = self.template(at, nested, path, said)?,
                _ => return Err(Broken),
            }
        }
        Ok(at)
    }

    /// A template and its values: one byte, its number, its place; where it stands for the first time, itself; then the values.
    fn template(&mut self, at: usize, nested: usize, path: &mut Path, said: &mut Said) -> Result<usize, Broken> {
        if nested > NESTED {
            return Err(Broken);
        }
        let place = self.chunk.place(at + 6).ok_or(Broken)?;
        let length = self.chunk.place(place.checked_add(20).ok_or(Broken)?).ok_or(Broken)?;
        let body = place.checked_add(24).ok_or(Broken)?;
        let body_end = body.checked_add(length).filter(|end| *end <= self.chunk.0.len()).ok_or(Broken)?;
        let mut at = if place == at + 10 { body_end } else { at + 10 };
        let count = self.chunk.place(at).filter(|count| *count <= VALUES).ok_or(Broken)?;
        self.spend(count * size_of::<Value<'_>>())?;
        let (mut values, mut value_at) = (Vec::with_capacity(count), at + 4 + count * 4);
        for nth in 0..count {
            let head = at + 4 + nth * 4;
            let (length, kind) = (usize::from(self.chunk.u16(head).ok_or(Broken)?), *self.chunk.slice(head + 2, 1).and_then(<[u8]>::first).ok_or(Broken)?);
            values.push(Value { kind, bytes: self.chunk.slice(value_at, length).ok_or(Broken)?, at: value_at });
            value_at += length;
        }
        at = value_at;
        self.tokens(body, body_end, &values, nested + 1, path, said)?;
        Ok(at)
    }

    /// A text at this place, and the place behind it.
    fn text(&mut self, at: usize, values: &[Value<'a>]) -> Result<(String, usize), Broken> {
        self.spend(0)?;
        let token = *self.chunk.slice(at, 1).and_then(<[u8]>::first).ok_or(Broken)?;
        let mut counted = |from: usize| -> Result<(String, usize), Broken> {
            let length = usize::from(self.chunk.u16(from).ok_or(Broken)?) * 2;
            self.spend_text(length)?;
            Ok((utf16(self.chunk.slice(from + 2, length).ok_or(Broken)?), from + 2 + length))
        };
        match token {
            // A text in the template itself; of other kinds there is none.
            0x05 | 0x45 => counted(at + 2),
            0x07 | 0x47 => counted(at + 1),
            0x08 | 0x48 => {
                let letter = self.chunk.u16(at + 1).ok_or(Broken)?;
                Ok((char::from_u32(u32::from(letter)).map(String::from).unwrap_or_default(), at + 3))
            }
            0x09 | 0x49 => {
                let place = self.chunk.place(at + 1).ok_or(Broken)?;
                let (name, taken) = self.name(place, at + 5)?;
                let letter = match name.as_str() {
                    "lt" => "<",
                    "gt" => ">",
                    "amp" => "&",
                    "quot" => "\"",
                    "apos" => "'",
                    _ => "",
                };
                Ok((letter.to_owned(), at + 5 + taken))
            }
            0x0d | 0x0e => {
                let value = values.get(usize::from(self.chunk.u16(at + 1).ok_or(Broken)?)).copied();
                Ok((self.written(value)?, at + 4))
            }
            _ => Err(Broken),
        }
    }
}

impl Path {
    fn text(&mut self, text: &str) {
        if let Some(element) = self.elements.last_mut() {
            for letter in text.chars().take(CHARS.saturating_sub(element.chars)) {
                element.text.push(letter);
                element.chars += 1;
            }
        }
    }

    fn attribute(&mut self, name: &str, value: String, said: &mut Said) {
        let Some(element) = self.elements.last_mut() else { return };
        match (element.name.as_str(), name) {
            ("Provider", "Name") => said.put("SourceName", &value),
            ("TimeCreated", "SystemTime") => said.put("EventTime", &value),
            ("Data", "Name") => element.called = value,
            _ => {}
        }
    }

    fn close(&mut self, said: &mut Said) {
        let Some(element) = self.elements.pop() else { return };
        let name = if element.called.is_empty() { &element.name } else { &element.called };
        if !element.text.is_empty() && name != "Data" {
            said.put(name, &element.text);
        }
    }
}

impl Said {
    fn put(&mut self, name: &str, value: &str) {
        if self.0.len() < NAMES && name.chars().count() <= 128 {
            self.0.entry(name.to_owned()).or_insert_with(|| value.chars().take(CHARS).collect());
        }
    }
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)]));
    char::decode_utf16(units.take(CHARS)).map(|letter| letter.unwrap_or('\u{fffd}')).take_while(|letter| *letter != '\0').collect()
}

/// A value in letters; empty for kinds that tell nothing of logins.
fn written(value: Value<'_>) -> String {
    let bytes = Bytes(value.bytes);
    let narrow = |at: Option<[u8; 1]>| at.map(|[byte]| byte);
    match value.kind {
        0x01 => utf16(value.bytes),
        0x02 => String::from_utf8_lossy(value.bytes).trim_end_matches('\0').chars().take(CHARS).collect(),
        0x03 => narrow(bytes.array(0)).map(|byte| byte.cast_signed().to_string()).unwrap_or_default(),
        0x04 => narrow(bytes.array(0)).map(|byte| byte.to_string()).unwrap_or_default(),
        0x05 => bytes.u16(0).map(|number| number.cast_signed().to_string()).unwrap_or_default(),
        0x06 => bytes.u16(0).map(|number| number.to_string()).unwrap_or_default(),
        0x07 => bytes.u32(0).map(|number| number.cast_signed().to_string()).unwrap_or_default(),
        0x08 => bytes.u32(0).map(|number| number.to_string()).unwrap_or_default(),
        0x09 => bytes.u64(0).map(|number| number.cast_signed().to_string()).unwrap_or_default(),
        0x0a | 0x10 => bytes.u64(0).or_else(|| bytes.u32(0).map(u64::from)).map(|number| number.to_string()).unwrap_or_default(),
        0x11 => bytes.u64(0).map(|time| super::evtx::moment(time).rfc3339()).unwrap_or_default(),
        0x14 => bytes.u32(0).map(|number| format!("{number:#x}")).unwrap_or_default(),
        0x15 => bytes.u64(0).map(|number| format!("{number:#x}")).unwrap_or_default(),
        _ => String::new(),
    }
}
