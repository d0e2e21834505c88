//! One message in the form of RFC 5424.

use sekisho_core::limits;
use sekisho_core::time::Timestamp;

/// From which part a message comes (RFC 5424 section 6.2.1). Those that a program of this kind may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// 4: security and authorization messages.
    Auth,
    /// 10: the same, of a kind that not everybody may read.
    AuthPrivate,
    /// 13: log audit.
    Audit,
    /// 14: log alert.
    Alert,
    /// 16: local use 0.
    Local0,
}

impl Facility {
    fn number(self) -> u8 {
        match self {
            Self::Auth => 4,
            Self::AuthPrivate => 10,
            Self::Audit => 13,
            Self::Alert => 14,
            Self::Local0 => 16,
        }
    }
}

/// How grave a message is (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// 1: action must be taken at once.
    Alert = 1,
    /// 2: critical.
    Critical = 2,
    /// 3: an error.
    Error = 3,
    /// 4: a warning.
    Warning = 4,
    /// 5: normal and significant.
    Notice = 5,
    /// 6: informational.
    Informational = 6,
}

/// An element of structured data: a name, and parameters whose values may be text of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its SD-ID, such as `sekisho@32473`. One of ours, never text of others.
    pub id: &'static str,
    /// Names, which are ours, and values, which may be anybody's.
    pub params: Vec<(&'static str, String)>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// From which part.
    pub facility: Facility,
    /// How grave.
    pub severity: Severity,
    /// When it happened.
    pub at: Timestamp,
    /// The name of this box.
    pub host: String,
    /// The program, such as `sekisho`.
    pub app: String,
    /// The kind of message, such as `checkpoint`.
    pub msgid: String,
    /// Structured data.
    pub data: Vec<Element>,
    /// The words, in UTF-8.
    pub text: String,
}

/// The name of an SD-ID of one's own needs a private enterprise number; 32473 is the one of RFC 5612 for examples.
pub const ELEMENT: &str = "sekisho@32473";
/// The parameter by which a message is marked that went out in clear.
const MARK: &str = "clearTextNetwork";

impl Message {
    /// The bytes of the message. `clear` is the name of the legacy network, if it goes out without TLS: it is marked with it.
    #[must_use]
    pub fn written(&self, clear: Option<&str>) -> Vec<u8> {
        let priority = u16::from(self.facility.number()) * 8 + self.severity as u16;
        let mut text = format!(
            "<{priority}>1 {} {} {} - {} ",
            self.at.rfc3339(),
            header(&self.host, 255),
            header(&self.app, 48),
            header(&self.msgid, 32)
        );
        let mark = clear.map(|network| Element { id: "sekishoClear@32473", params: vec![(MARK, network.to_owned())] });
        let mut any = false;
        for element in self.data.iter().chain(mark.as_ref()) {
            any = true;
            text.push('[');
            text.push_str(&sd_name(element.id));
            for (name, value) in &element.params {
                text.push(' ');
                text.push_str(&sd_name(name));
                text.push_str("=\"");
                text.push_str(&param(value));
                text.push('"');
            }
            text.push(']');
        }
        if !any {
            text.push('-');
        }
        // The mark of UTF-8 before the words (section 6.4).
        text.push_str(" \u{feff}");
        text.push_str(&words(&self.text));
        cut(text, limits::SYSLOG_MESSAGE_BYTES).into_bytes()
    }
}

/// A field of the header: printable US-ASCII without spaces, `-` for none (section 6).
fn header(text: &str, most: usize) -> String {
    let plain: String = text.chars().take(most).map(|letter| if letter.is_ascii_graphic() { letter } else { '_' }).collect();
    if plain.is_empty() { "-".into() } else { plain }
}

/// A name in structured data: at most 32 of printable US-ASCII, without `=`, space, `]` and `"` (section 6.3.2).
fn sd_name(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_graphic() && !matches!(letter, '=' | ']' | '"')).take(32).collect()
}

/// A value in structured data: `"`, `\` and `]` behind a backslash (section 6.3.3). What controls a terminal or turns the
/// direction of text is made visible, so that it does neither at whoever reads it.
fn param(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars().take(limits::SYSLOG_PARAM_CHARS) {
        match letter {
            '"' | '\\' | ']' => {
                text.push('\\');
                text.push(letter);
            }
            _ => push_visible(&mut text, letter),
        }
    }
    text
}

/// The words: one line, whatever was in them.
fn words(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars().take(limits::SYSLOG_TEXT_CHARS) {
        push_visible(&mut text, letter);
    }
    text
}

/// Pushes a letter, or the sign for it if it would act instead of being read.
fn push_visible(text: &mut String, letter: char) {
    match letter {
        // The pictures of controls stand in their order from U+2400 on.
        '\0'..='\u{1f}' => text.push(char::from_u32(0x2400 + u32::from(letter)).unwrap_or('\u{fffd}')),
        '\u{7f}' => text.push('\u{2421}'),
        _ if letter.is_control() || is_unseen(letter) => text.push('\u{fffd}'),
        _ => text.push(letter),
    }
}

/// Characters that end a line, turn its direction or cannot be seen without being controls.
fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Cuts at a border of letters.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            facility: Facility::Audit,
            severity: Severity::Notice,
            at: Timestamp(1_795_000_000_123),
            host: "gate.aoba.example".into(),
            app: "sekisho".into(),
            msgid: "checkpoint".into(),
            data: vec![Element { id: ELEMENT, params: vec![("size", "42".into())] }],
            text: "台帳のチェックポイント".into(),
        }
    }

    #[test]
    fn a_message_has_the_form_of_the_rfc() {
        let bytes = message().written(None);
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "<109>1 2026-11-18T20:06:40.123+09:00 gate.aoba.example sekisho - checkpoint [sekisho@32473 size=\"42\"] \u{feff}台帳のチェックポイント"
        );
        let bare = Message { data: Vec::new(), host: String::new(), ..message() };
        assert!(String::from_utf8(bare.written(None)).unwrap().starts_with("<109>1 2026-11-18T20:06:40.123+09:00 - sekisho - checkpoint - \u{feff}"));
    }

    #[test]
    fn what_goes_out_in_clear_says_so() {
        let text = String::from_utf8(message().written(Some("旧館"))).unwrap();
        assert!(text.contains("[sekisho@32473 size=\"42\"][sekishoClear@32473 clearTextNetwork=\"旧館\"]"), "{text}");
    }

    #[test]
    fn text_of_others_stays_in_its_place() {
        let evil = "a\"] [x y=\"1\"]\\\n<0>1 - - - - - - forged\u{1b}[31m\u{202e}";
        let hostile = Message {
            host: format!("{evil} b"),
            msgid: evil.into(),
            data: vec![Element { id: ELEMENT, params: vec![("name", evil.into())] }],
            text: evil.into(),
            ..message()
        };
        let text = String::from_utf8(hostile.written(None)).unwrap();
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(!text.contains('\u{202e}'));
        assert!(text.contains("name=\"a\\\"\\] [x y=\\\"1\\\"\\]\\\\␊<0>1"), "{text}");
        // Header fields end where they should: five spaces before the structured data.
        assert_eq!(text.split(' ').nth(6), Some("[sekisho@32473"), "{text}");
    }

    #[test]
    fn a_long_message_is_cut_between_letters() {
        let long = Message { text: "あ".repeat(200_000), data: vec![Element { id: ELEMENT, params: vec![("name", "\\".repeat(200_000))] }], ..message() };
        let bytes = long.written(None);
        assert!(bytes.len() <= limits::SYSLOG_MESSAGE_BYTES);
        assert!(String::from_utf8(bytes).unwrap().ends_with('あ'));
    }
}
