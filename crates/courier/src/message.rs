//! A letter in the form of RFC 5322: plain text in UTF-8, subject and names encoded by RFC 2047.

use crate::CourierSettings;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use sekisho_core::letter::{Parcel, one_line};
use std::time::{Duration, UNIX_EPOCH};

/// RFC 3834: written by a program, so that no absence assistant answers.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

/// Sender, recipient and the bytes of a letter.
///
/// # Errors
/// In words, why it cannot be written.
pub(crate) fn written(settings: &CourierSettings, parcel: &Parcel) -> Result<(lettre::Address, lettre::Address, Vec<u8>), String> {
    let address = |text: &str| text.parse::<lettre::Address>().map_err(|error| error.to_string());
    let (from, to) = (address(settings.from.as_str())?, address(parcel.to.as_str())?);
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(parcel.at.0).unwrap_or(0));
    let message = Message::builder()
        .from(Mailbox::new(Some(one_line(&settings.from_name)), from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(one_line(&parcel.subject))
        .date(at)
        // The same at every try: who gets a letter twice can tell.
        .message_id(Some(format!("<{}@{}>", parcel.id, settings.from.domain())))
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN)
        .body(parcel.body.expose().to_owned())
        .map_err(|error| error.to_string())?;
    Ok((from, to, message.formatted()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protection;
    use sekisho_core::ids::MailId;
    use sekisho_core::letter::Address;
    use sekisho_core::secret::Secret;
    use sekisho_core::time::Timestamp;

    #[test]
    fn a_letter_is_seven_bit_with_short_lines_and_no_foreign_header() {
        let settings = CourierSettings {
            server: "mail.aoba.example".into(),
            port: 465,
            protection: Protection::Implicit,
            authorities: None,
            account: None,
            from: Address::parse("sekisho@aoba.example").unwrap(),
            from_name: "青葉病院\r\nBcc: x@evil.example".into(),
        };
        let parcel = Parcel {
            id: MailId::from_random([7; 10]),
            to: Address::parse("sato@vendor.example").unwrap(),
            subject: "【青葉病院 関所】アカウント登録のご案内\r\nBcc: x@evil.example".into(),
            body: Secret::new(format!("山田 様\n.\n{}\n", "あ".repeat(400))),
            at: Timestamp(1_800_000_000_000),
        };
        let (_, to, bytes) = written(&settings, &parcel).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(to.to_string(), "sato@vendor.example");
        assert!(text.is_ascii(), "{text}");
        assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])), "{text}");
        let names: Vec<&str> = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
        assert!(!names.iter().any(|name| name.eq_ignore_ascii_case("bcc")), "{head}");
        assert!(head.contains("Message-ID: <mai-"), "{head}");
        assert!(head.contains("Auto-Submitted: auto-generated") && head.contains("Subject: =?utf-8?"), "{head}");
    }
}
