//! The text of a request to view recordings that nobody opens alone: a signed note of the log's key, which goes to whoever has to agree.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{is_recipient_key, is_session_id};
use crate::checkpoint::{PublicKey, SigningKey, note_signed_by, sign_note};
use crate::digest::Digest;
use crate::limits::{MAX_HEADER_NAME_BYTES, MAX_REQUEST_BYTES, MAX_REQUEST_LINE_BYTES, MAX_REQUEST_RECORDINGS, MAX_SESSION_ID_BYTES, MAX_WRAPPED_KEY_BYTES};

/// First line of the text.
const FIRST: &str = "sekisho-viewing-request/v1";
/// What stands before the key for which an agreement is made.
const TO: &str = "to ";
/// What stands before a recording.
const RECORDING: &str = "recording ";

/// A text is no request to view, or not signed as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestBreach {
    /// Longer than a request may be.
    #[error("the request is too long")]
    TooLong,
    /// Not the lines of a request.
    #[error("the text is no request to view recordings")]
    Form,
    /// Not signed by the key, or the signature is wrong.
    #[error("the request is not signed by the expected key")]
    Signature,
}

/// One recording of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Session of the recording.
    pub session: String,
    /// Its H_0.
    pub header: Digest,
    /// The share that the holder opens, as the header has it.
    pub wrapped_share: Vec<u8>,
}

/// What a request to view says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestText {
    /// Origin of the log.
    pub origin: String,
    /// Id of the request.
    pub id: String,
    /// When it was made, as text (RFC 3339, UTC).
    pub asked_at: String,
    /// For how many hours.
    pub hours: u32,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The key for which an agreement is made: that of the hospital's box.
    pub to: String,
    /// The recordings, in the order in which an agreement has their shares.
    pub recordings: Vec<Wanted>,
}

fn is_line(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control)
}

impl RequestText {
    fn holds(&self) -> bool {
        is_line(&self.origin, MAX_HEADER_NAME_BYTES)
            && is_line(&self.id, MAX_SESSION_ID_BYTES)
            && is_line(&self.asked_at, MAX_SESSION_ID_BYTES)
            && is_line(&self.by, MAX_REQUEST_LINE_BYTES)
            && is_line(&self.reason, MAX_REQUEST_LINE_BYTES)
            && is_recipient_key(&self.to)
            && (1..=MAX_REQUEST_RECORDINGS).contains(&self.recordings.len())
            && self.recordings.iter().all(|one| is_session_id(&one.session) && (1..=MAX_WRAPPED_KEY_BYTES).contains(&one.wrapped_share.len()))
    }

    fn body(&self) -> String {
        let Self { origin, id, asked_at, hours, by, reason, to, .. } = self;
        let mut body = format!("{FIRST}\n{origin}\n{id}\n{asked_at}\n{hours}\n{by}\n{reason}\n{TO}{to}\n");
        for one in &self.recordings {
            body.push_str(&format!("{RECORDING}{} {} {}\n", one.session, one.header, BASE64.encode(&one.wrapped_share)));
        }
        body
    }

    /// The text, signed by the log's key.
    ///
    /// # Errors
    /// [`RequestBreach::Form`] for what no request may say.
    pub fn signed(&self, key: &SigningKey) -> Result<String, RequestBreach> {
        if self.holds() { Ok(sign_note(&self.body(), key)) } else { Err(RequestBreach::Form) }
    }

    /// Reads what a request says, whoever signed it. It proves nothing: [`RequestText::open`] does.
    ///
    /// # Errors
    /// [`RequestBreach::TooLong`], [`RequestBreach::Form`].
    pub fn unproved(text: &str) -> Result<Self, RequestBreach> {
        if text.len() > MAX_REQUEST_BYTES {
            return Err(RequestBreach::TooLong);
        }
        // The only empty line is the one before the signatures.
        let (body, _) = text.rsplit_once("\n\n").ok_or(RequestBreach::Form)?;
        let read = Self::read(body).ok_or(RequestBreach::Form)?;
        // One spelling only, so that two readers cannot understand two things.
        if read.holds() && read.body().strip_suffix('\n') == Some(body) { Ok(read) } else { Err(RequestBreach::Form) }
    }

    /// Reads a request and checks the signature of `key`.
    ///
    /// # Errors
    /// A [`RequestBreach`].
    pub fn open(text: &str, key: &PublicKey) -> Result<Self, RequestBreach> {
        let read = Self::unproved(text)?;
        if note_signed_by(text, key, MAX_REQUEST_BYTES) { Ok(read) } else { Err(RequestBreach::Signature) }
    }

    fn read(body: &str) -> Option<Self> {
        let mut lines = body.split('\n');
        let mut line = || lines.next().map(str::to_owned);
        let (first, origin, id, asked_at, hours, by, reason) = (line()?, line()?, line()?, line()?, line()?, line()?, line()?);
        if first != FIRST {
            return None;
        }
        let to = lines.next()?.strip_prefix(TO)?.to_owned();
        let mut recordings = Vec::new();
        for line in lines {
            if recordings.len() >= MAX_REQUEST_RECORDINGS {
                return None;
            }
            let mut parts = line.strip_prefix(RECORDING)?.split(' ');
            let (session, header, share) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() {
                return None;
            }
            recordings.push(Wanted { session: session.to_owned(), header: header.parse().ok()?, wrapped_share: BASE64.decode(share).ok()? });
        }
        Some(Self { origin, id, asked_at, hours: hours.parse().ok()?, by, reason, to, recordings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RequestText {
        let one = |session: &str, byte| Wanted { session: session.into(), header: Digest::of(&[byte]), wrapped_share: vec![byte; 200] };
        RequestText {
            origin: "sekisho/kita-hospital".into(),
            id: "vrq-aaaaaaaaaaaaaaaa".into(),
            asked_at: "2026-11-22T10:00:00Z".into(),
            hours: 8,
            by: "佐藤 花子".into(),
            reason: "端末の操作を照合するため".into(),
            to: "age1hospital".into(),
            recordings: vec![one("ses-aaaaaaaaaaaaaaaa", 1), one("ses-bbbbbbbbbbbbbbbb", 2)],
        }
    }

    #[test]
    fn a_request_says_what_was_signed_and_nothing_else() {
        let key = |name: &str, byte| SigningKey::from_seed(name, &[byte; 32]).unwrap();
        let (own, other) = (key("box", 1), key("box", 2));
        let text = request().signed(&own).unwrap();
        assert_eq!(RequestText::open(&text, own.public()), Ok(request()));
        assert_eq!(RequestText::open(&text, other.public()), Err(RequestBreach::Signature), "a key of another log");
        for (from, to) in [("佐藤", "加藤"), ("\n8\n", "\n9\n"), ("to age1hospital", "to age1somebody"), ("ses-bbbbbbbbbbbbbbbb", "ses-cccccccccccccccc")] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert_eq!(RequestText::open(&changed, own.public()), Err(RequestBreach::Signature), "{from}");
            assert!(RequestText::unproved(&changed).is_ok(), "it is still a request: {from}");
        }
        let (body, _) = text.split_once("\n\n").unwrap();
        assert_eq!(RequestText::open(&format!("{body}\n\n"), own.public()), Err(RequestBreach::Signature), "without a signature");
    }

    #[test]
    fn what_is_no_request_is_refused_by_writer_and_reader() {
        let key = SigningKey::from_seed("box", &[1; 32]).unwrap();
        let two_lines = RequestText { reason: "a\nto age1somebody".into(), ..request() };
        assert_eq!(two_lines.signed(&key), Err(RequestBreach::Form), "a reason cannot bring lines of its own");
        assert_eq!(RequestText { recordings: Vec::new(), ..request() }.signed(&key), Err(RequestBreach::Form));
        let text = request().signed(&key).unwrap();
        for (from, to) in [("viewing-request/v1", "viewing-request/v2"), ("\n8\n", "\n08\n"), ("to age1hospital\n", ""), ("recording ses-a", "recording  ses-a"), ("recording ses-a", "record ses-a")] {
            assert_eq!(RequestText::unproved(&text.replacen(from, to, 1)), Err(RequestBreach::Form), "{from:?}");
        }
        assert_eq!(RequestText::unproved(&"x".repeat(MAX_REQUEST_BYTES + 1)), Err(RequestBreach::TooLong));
        assert_eq!(RequestText::unproved(""), Err(RequestBreach::Form));
    }
}
