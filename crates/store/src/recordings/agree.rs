//! Agreeing to a viewing by two persons, on the machine of whoever holds a second key: with the text of a request, or with the
//! file of a recording that an auditor is to open. Nothing here needs the box.
//!
//! A second key opens one half of a recording's key, its share, and the share alone opens nothing. What leaves this machine is the
//! share, closed again for whoever asks: the private key never does.
//!
//! Anybody can write a text that looks like a request. Its signature says whether the box wrote it, and its `to` for whom the shares
//! are closed: both are told to the holder before anything is opened.

use super::offline::{identities, plain};
use crate::fault::Fault;
use sekisho_core::limits;
use sekisho_evidence::checkpoint::PublicKey;
use sekisho_evidence::limits::MAX_REQUEST_BYTES;
use sekisho_evidence::recording::{DataKey, Decoder, Header, RecipientKind, RequestBreach, RequestText, SecondShare};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// With what a recording begins.
const RECORDING: &[u8] = b"SKREC\r\n\0";
/// Bytes of a share.
pub(super) const SHARE: usize = 32;

/// A request for a viewing, as its holder is shown it.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// What it says. Letters of others that would move a cursor or turn the order of letters round are taken out.
    pub shown: RequestText,
    /// Its signature was checked, and is that of the log's key. False where no key was at hand to check it with.
    pub signed: bool,
    told: RequestText,
}

/// An agreement for the file of a recording.
#[derive(Clone, Debug)]
pub struct RecordingAgreement {
    /// The agreement, an armored file of age.
    pub text: String,
    /// What the recording calls whoever can open it with this agreement; empty for the hospital.
    pub name: String,
}

/// What a holder agrees to.
#[derive(Clone, Debug)]
pub enum Agreeing {
    /// The text of a request.
    Request(Box<ReadRequest>),
    /// The file of a recording.
    Recording(Box<Header>),
}

/// Reads what a holder was sent: the text of a request, whose signature is checked if the log's key is given, or the file of a
/// recording.
///
/// # Errors
/// It is neither, is too long, cannot be read, or the text is not signed by this key.
pub fn read_agreeing(path: &Path, log_key: Option<&PublicKey>) -> Result<Agreeing, Fault> {
    let file = File::open(path).map_err(Fault::io(format!("{} cannot be opened", path.display())))?;
    let mut bytes = Vec::new();
    file.take(MAX_REQUEST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(Fault::io(format!("{} cannot be read", path.display())))?;
    if bytes.starts_with(RECORDING) {
        return Ok(Agreeing::Recording(Box::new(header_of(path)?)));
    }
    let form = || Fault::Damaged(format!("{} は、閲覧の申込み文でも録画でもありません。 / {0} is neither a request for a viewing nor a recording.", path.display()));
    let text = String::from_utf8(bytes).map_err(|_| form())?;
    Ok(Agreeing::Request(Box::new(read_request(&text, log_key)?.ok_or_else(form)?)))
}

/// Reads the text of a request; `None` if it is none.
fn read_request(text: &str, log_key: Option<&PublicKey>) -> Result<Option<ReadRequest>, Fault> {
    // An editor that marks its files, or saves lines in its own way, changes nothing that is signed.
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let read = match log_key {
        Some(key) => RequestText::open(&text, key),
        None => RequestText::unproved(&text),
    };
    let told = match read {
        Ok(told) => told,
        Err(RequestBreach::Signature) => return Err(Fault::Crypto("署名がこの公開鍵のものではありません。同意しないで、申し込んだ人に電話で確かめてください。 / The signature is not of this key. Do not agree; telephone whoever asks.".into())),
        Err(RequestBreach::TooLong | RequestBreach::Form) => return Ok(None),
    };
    let mut shown = told.clone();
    for line in [&mut shown.origin, &mut shown.id, &mut shown.asked_at, &mut shown.by, &mut shown.reason] {
        *line = plain(line);
    }
    Ok(Some(ReadRequest { shown, signed: log_key.is_some(), told }))
}

fn header_of(path: &Path) -> Result<Header, Fault> {
    let file = File::open(path).map_err(Fault::io("the recording cannot be opened"))?;
    Ok(Decoder::open(BufReader::new(file)).map_err(super::read::damaged)?.header().clone())
}

/// Opens what was closed for any of these keys, which must be one share.
fn share_of(wrapped: impl Read, keys: &[age::x25519::Identity]) -> Result<Zeroizing<[u8; SHARE]>, String> {
    let decryptor = age::Decryptor::new(wrapped).map_err(|error| error.to_string())?;
    let mut reader = decryptor.decrypt(keys.iter().map(|key| key as &dyn age::Identity)).map_err(|error| error.to_string())?;
    let mut share = Zeroizing::new([0_u8; SHARE]);
    reader.read_exact(share.as_mut_slice()).map_err(|error| error.to_string())?;
    // The end of the file is under age's own check: one that was cut reads as an error here.
    match reader.read(&mut [0_u8; 1]) {
        Ok(0) => Ok(share),
        _ => Err("it is longer than a share".into()),
    }
}

fn not_opened(session: &str, why: &str) -> Fault {
    Fault::Crypto(format!("{}: この鍵では同意できません。 / The key does not open the share of this recording: {why}", plain(session)))
}

fn close(shares: &[u8], to: &str) -> Result<String, Fault> {
    let recipient: age::x25519::Recipient = to.parse().map_err(|why| Fault::Crypto(format!("{} is no public key of age: {why}", plain(to))))?;
    age::encrypt_and_armor(&recipient, shares).map_err(|error| Fault::Crypto(format!("the agreement cannot be closed: {error}")))
}

/// Agrees to a request: opens the shares with the holder's key and closes them for the hospital.
///
/// # Errors
/// The key cannot be read, or does not open every share.
pub fn agree_to_request(request: &ReadRequest, key_file: &Path) -> Result<String, Fault> {
    let keys = identities(key_file)?;
    let mut all = Zeroizing::new(Vec::with_capacity(request.told.recordings.len() * SHARE));
    for one in &request.told.recordings {
        let share = share_of(one.wrapped_share.as_slice(), &keys).map_err(|why| not_opened(&one.session, &why))?;
        all.extend_from_slice(share.as_slice());
    }
    close(&all, &request.told.to)
}

/// Agrees that whoever holds the key `to`, one of those that the recording names, opens the recording away from the box.
///
/// # Errors
/// The recording asks for nobody's agreement, does not name `to`, or its share does not open with the holder's key.
pub fn agree_to_recording(header: &Header, key_file: &Path, to: &str) -> Result<RecordingAgreement, Fault> {
    let second = header.second.as_ref().ok_or_else(|| Fault::Crypto("この録画を開くのに、二人目の同意は要りません。 / This recording opens without the agreement of a second person.".into()))?;
    // For anybody else the agreement would open nothing, and the share would lie with somebody whom nobody named.
    let found = header.recipients.iter().find(|one| one.key == to && one.kind != RecipientKind::Second);
    let name = found.map(|one| plain(&one.name)).ok_or_else(|| Fault::Crypto(format!("{0} は、この録画を開ける鍵ではありません。 / {0} is none of the keys for which this recording was made.", plain(to))))?;
    let share = share_of(second.wrapped_share.as_slice(), &identities(key_file)?).map_err(|why| not_opened(&header.session, &why))?;
    if SecondShare::digest_of(&share) != second.share_digest {
        return Err(not_opened(&header.session, "it is another one than the header names"));
    }
    Ok(RecordingAgreement { text: close(share.as_slice(), to)?, name })
}

/// Puts the key of a recording together from what the auditor's key opened and what the holder of a second key agreed to.
pub(super) fn joined(first: &[u8; SHARE], header: &Header, keys: &[age::x25519::Identity], agreement: Option<&Path>) -> Result<DataKey, Fault> {
    let Some(second) = &header.second else { return Ok(DataKey::from_bytes(*first)) };
    let path = agreement.ok_or_else(|| Fault::Crypto("この録画を開くには、第二の鍵の持ち主の同意が要ります。同意のファイルを --agreement で指定してください。 / This recording opens with the agreement of a second key's holder: name its file with --agreement.".into()))?;
    let wrong = |why: &str| Fault::Crypto(format!("この同意では、この録画を開けません。 / The agreement does not open this recording: {why}"));
    let file = File::open(path).map_err(Fault::io("the agreement cannot be opened"))?;
    let armored = age::armor::ArmoredReader::new(BufReader::new(file.take(limits::VIEWING_AGREEMENT_BYTES as u64)));
    let share = share_of(armored, keys).map_err(|why| wrong(&why))?;
    second.join(first, &share).ok_or_else(|| wrong("it belongs to another recording"))
}

#[cfg(test)]
mod tests {
    use super::super::offline::{new_auditor_key, open_recording};
    use super::*;
    use sekisho_evidence::checkpoint::SigningKey;
    use sekisho_evidence::recording::{Encoder, Frame, Recipient, Seal, Wanted};
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::PathBuf;

    struct Desk {
        folder: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.folder.path().join(name);
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap().write_all(bytes).unwrap();
            path
        }

        /// A new key: its public half, and the file of the private one.
        fn key(&self, name: &str) -> (String, PathBuf) {
            let made = new_auditor_key("2026");
            (made.public, self.write(name, made.file.as_bytes()))
        }
    }

    fn wrap(keys: &[&str], bytes: &[u8]) -> Vec<u8> {
        let all: Vec<age::x25519::Recipient> = keys.iter().map(|key| key.parse().unwrap()).collect();
        let mut out = Vec::new();
        let mut writer = age::Encryptor::with_recipients(all.iter().map(|key| key as &dyn age::Recipient)).unwrap().wrap_output(&mut out).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap();
        out
    }

    fn header(session: &str, first: &[&str], second: &[&str], share: [u8; SHARE]) -> Header {
        let named = |kind, key: &&str| Recipient { kind, name: "川口\u{202e}".into(), key: (*key).to_owned() };
        let mut recipients: Vec<Recipient> = first.iter().enumerate().map(|(n, key)| named(if n == 0 { RecipientKind::Hospital } else { RecipientKind::Auditor }, key)).collect();
        recipients.extend(second.iter().map(|key| named(RecipientKind::Second, key)));
        Header {
            session: session.into(),
            plan: String::new(),
            target: "tgt".into(),
            person: "per".into(),
            protocol: "ssh".into(),
            started_at: 0,
            log_origin: "sekisho/aoba".into(),
            wrapped_key: wrap(first, &[1; SHARE]),
            recipients,
            second: Some(SecondShare { wrapped_share: wrap(second, &share), share_digest: SecondShare::digest_of(&share) }),
        }
    }

    /// A recording that opens with the half `1…` and the share that is given.
    fn recording(header: &Header, share: [u8; SHARE]) -> Vec<u8> {
        let key = header.second.as_ref().unwrap().join(&[1; SHARE], &share).unwrap();
        let (mut encoder, packer, mut bytes) = Encoder::start(header, key).unwrap();
        encoder.push(5, 1, Frame::Command { text: "uptime".into(), line: "$ uptime".into() }).unwrap();
        bytes.extend(packer.seal(encoder, Seal { cause: "closed".into(), ended_at: 2_000 }).unwrap().0);
        bytes
    }

    #[test]
    fn an_auditor_opens_a_recording_with_the_agreement_of_any_one_holder_and_with_no_less() {
        let desk = Desk::new();
        let ((hospital, _), (auditor, audit_key)) = (desk.key("hospital"), desk.key("audit"));
        let ((one, one_key), (two, two_key)) = (desk.key("one"), desk.key("two"));
        let (stranger, stranger_key) = desk.key("stranger");
        let share = [7; SHARE];
        let header = header("ses-aaaaaaaaaaaaaaaa", &[&hospital, &auditor], &[&one, &two], share);
        let file = desk.write("a.skr", &recording(&header, share));
        assert!(matches!(read_agreeing(&file, None), Ok(Agreeing::Recording(_))));
        assert!(matches!(open_recording(&file, &audit_key, None, None), Err(Fault::Crypto(why)) if why.contains("--agreement")), "an auditor alone");
        for key in [&one_key, &two_key] {
            assert!(matches!(open_recording(&file, key, None, None), Err(Fault::Crypto(_))), "a holder alone");
        }
        for (n, key) in [one_key.clone(), two_key].iter().enumerate() {
            let agreed = agree_to_recording(&header, key, &auditor).unwrap();
            assert!(agreed.text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") && agreed.name == "川口\u{fffd}");
            let agreement = desk.write(&format!("agreement-{n}"), agreed.text.as_bytes());
            assert_eq!(open_recording(&file, &audit_key, Some(&agreement), None).unwrap().frames, 1);
            assert!(matches!(open_recording(&file, &stranger_key, Some(&agreement), None), Err(Fault::Crypto(_))), "the agreement is for the auditor alone");
        }
        assert!(matches!(agree_to_recording(&header, &one_key, &stranger), Err(Fault::Crypto(_))), "nobody agrees for a key that the recording does not name");
        assert!(matches!(agree_to_recording(&header, &one_key, &one), Err(Fault::Crypto(_))));
        assert!(matches!(agree_to_recording(&header, &stranger_key, &auditor), Err(Fault::Crypto(_))));
    }

    #[test]
    fn an_agreement_of_another_recording_or_another_length_opens_nothing() {
        let desk = Desk::new();
        let ((hospital, _), (auditor, audit_key), (second, second_key)) = (desk.key("hospital"), desk.key("audit"), desk.key("second"));
        let header_a = header("ses-aaaaaaaaaaaaaaaa", &[&hospital, &auditor], &[&second], [7; SHARE]);
        let header_b = header("ses-bbbbbbbbbbbbbbbb", &[&hospital, &auditor], &[&second], [8; SHARE]);
        let file = desk.write("a.skr", &recording(&header_a, [7; SHARE]));
        let other = desk.write("other", agree_to_recording(&header_b, &second_key, &auditor).unwrap().text.as_bytes());
        assert!(matches!(open_recording(&file, &audit_key, Some(&other), None), Err(Fault::Crypto(_))));
        for (name, bytes) in [("long", vec![7; SHARE + 1]), ("short", vec![7; SHARE - 1])] {
            let path = desk.write(name, close(&bytes, &auditor).unwrap().as_bytes());
            assert!(matches!(open_recording(&file, &audit_key, Some(&path), None), Err(Fault::Crypto(_))), "{name}");
        }
        let text = agree_to_recording(&header_a, &second_key, &auditor).unwrap().text;
        let flood = desk.write("flood", format!("{}{text}", "\n".repeat(limits::VIEWING_AGREEMENT_BYTES)).as_bytes());
        assert!(open_recording(&file, &audit_key, Some(&flood), None).is_err(), "no more is read than an agreement takes");
        // A header whose digest names another share than the one that is wrapped in it.
        let mut lies = header_a;
        lies.second = lies.second.map(|second| SecondShare { share_digest: SecondShare::digest_of(&[9; SHARE]), ..second });
        assert!(matches!(agree_to_recording(&lies, &second_key, &auditor), Err(Fault::Crypto(_))));
    }

    #[test]
    fn a_holder_sees_who_asks_and_whether_the_box_wrote_it_before_anything_is_opened() {
        let desk = Desk::new();
        let ((hospital, hospital_key), (second, second_key)) = (desk.key("hospital"), desk.key("second"));
        let wanted = |session: &str, byte| Wanted { session: session.into(), header: sekisho_evidence::Digest::of(&[byte]), wrapped_share: wrap(&[&second], &[byte; SHARE]) };
        let request = RequestText {
            origin: "sekisho/aoba".into(),
            id: "vrq-aaaaaaaaaaaaaaaa".into(),
            asked_at: "2026-11-22T10:00:00Z".into(),
            hours: 8,
            by: "石川\u{202e} 由美".into(),
            reason: "照合\u{200f}のため".into(),
            to: hospital,
            recordings: vec![wanted("ses-aaaaaaaaaaaaaaaa", 3), wanted("ses-bbbbbbbbbbbbbbbb", 4)],
        };
        let key = SigningKey::from_seed("sekisho/aoba", &[1; 32]).unwrap();
        let other = SigningKey::from_seed("sekisho/aoba", &[2; 32]).unwrap();
        let text = request.signed(&key).unwrap();
        let asked = |text: &str, key: Option<&PublicKey>| read_request(text, key);
        let seen = asked(&format!("\u{feff}{}", text.replace('\n', "\r\n")), Some(key.public())).unwrap().unwrap();
        assert!(seen.signed && seen.shown.by == "石川\u{fffd} 由美" && seen.shown.reason == "照合\u{fffd}のため", "{:?}", seen.shown);
        assert!(matches!(asked(&text, Some(other.public())), Err(Fault::Crypto(_))));
        assert!(!asked(&text, None).unwrap().unwrap().signed);
        assert!(asked("sekisho-viewing-request/v1\n", None).unwrap().is_none());
        let path = desk.write("request.txt", text.as_bytes());
        assert!(matches!(read_agreeing(&path, None), Ok(Agreeing::Request(_))));
        let long = desk.write("long", &vec![b'a'; MAX_REQUEST_BYTES + 1]);
        assert!(matches!(read_agreeing(&long, None), Err(Fault::Damaged(_))));

        let agreement = agree_to_request(&seen, &second_key).unwrap();
        let keys = identities(&hospital_key).unwrap();
        let mut opened = Vec::new();
        let decryptor = age::Decryptor::new(age::armor::ArmoredReader::new(agreement.as_bytes())).unwrap();
        decryptor.decrypt(keys.iter().map(|key| key as &dyn age::Identity)).unwrap().read_to_end(&mut opened).unwrap();
        assert_eq!(opened, [[3; SHARE], [4; SHARE]].concat(), "the shares in the order of the request");
        assert!(matches!(agree_to_request(&seen, &hospital_key), Err(Fault::Crypto(_))), "who holds no second key cannot agree");
        fs::set_permissions(&second_key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(agree_to_request(&seen, &second_key), Err(Fault::Folder(_))));
    }
}
