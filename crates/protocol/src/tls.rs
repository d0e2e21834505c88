//! TLS as far as a probe needs it that asks a listener what it would speak: a ClientHello with chosen offers, and the
//! first words of the answer. No key is ever agreed on, so versions can be asked for that no library speaks any more.
//!
//! RFC 8446, RFC 5246, RFC 6101 (SSL 3.0), RFC 5746 (renegotiation), RFC 3749 (compression).

/// Longest answer that is read: one record of the largest size and its head.
pub const ANSWER_BYTES: usize = 16 * 1024 + 5;

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];

/// Versions, oldest first, with their numbers.
pub const VERSIONS: [(u16, &str); 5] = [(0x0300, "SSL 3.0"), (0x0301, "TLS 1.0"), (0x0302, "TLS 1.1"), (0x0303, "TLS 1.2"), (TLS13, "TLS 1.3")];

/// The number of TLS 1.3.
pub const TLS13: u16 = 0x0304;

/// Suites of TLS 1.3.
pub const SUITES_13: [(u16, &str); 5] = [
    (0x1301, "TLS_AES_128_GCM_SHA256"),
    (0x1302, "TLS_AES_256_GCM_SHA384"),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    (0x1304, "TLS_AES_128_CCM_SHA256"),
    (0x1305, "TLS_AES_128_CCM_8_SHA256"),
];

/// Suites before TLS 1.3, the broken ones with them: what listeners in the field still answer.
pub const SUITES_12: [(u16, &str); 42] = [
    (0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xC030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xC0AD, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"),
    (0xC0AC, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
    (0xC024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xC028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xC027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xC00A, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xC009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xC014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xC013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xC008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xC012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0xC007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"),
    (0xC011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"),
    (0xC006, "TLS_ECDHE_ECDSA_WITH_NULL_SHA"),
    (0xC010, "TLS_ECDHE_RSA_WITH_NULL_SHA"),
    (0x009F, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0014, "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA"),
    (0x009D, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x009C, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0x003D, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    (0x003C, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0x002F, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x000A, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
    (0x0004, "TLS_RSA_WITH_RC4_128_MD5"),
    (0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5"),
    (0x0009, "TLS_RSA_WITH_DES_CBC_SHA"),
    (0x0002, "TLS_RSA_WITH_NULL_SHA"),
    (0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA"),
    (0xC018, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA"),
];

/// Groups of key exchange.
pub const GROUPS: [(u16, &str); 9] = [
    (0x11EC, "X25519MLKEM768"),
    (0x001D, "x25519"),
    (0x0017, "secp256r1"),
    (0x0018, "secp384r1"),
    (0x0019, "secp521r1"),
    (0x001E, "x448"),
    (0x0100, "ffdhe2048"),
    (0x0101, "ffdhe3072"),
    (0x0102, "ffdhe4096"),
];

/// What a ClientHello offers.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// The version.
    pub version: u16,
    /// The suites, dearest first.
    pub suites: &'a [u16],
    /// The groups. With TLS 1.3 no share of any is sent along, so the listener names the one that it would take.
    pub groups: &'a [u16],
    /// Protocols (ALPN).
    pub protocols: &'a [&'a [u8]],
    /// Offers DEFLATE, too.
    pub compression: bool,
    /// 32 bytes that the caller drew.
    pub random: [u8; 32],
}

/// The first words of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It would speak this.
    Speaks {
        /// The version.
        version: u16,
        /// The suite.
        suite: u16,
        /// The group, where it named one.
        group: Option<u16>,
        /// It chose DEFLATE.
        compresses: bool,
        /// It says that it renegotiates securely or not at all (RFC 5746).
        renegotiation: bool,
    },
    /// It refused.
    Refuses {
        /// Number of the alert.
        alert: u8,
    },
    /// More bytes are needed.
    Unfinished,
    /// It is no TLS.
    Other,
}

fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// A length of two bytes, then what `body` writes. Nothing here is ever near 64 KiB.
fn sized(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    body(&mut inner);
    put_u16(out, u16::try_from(inner.len()).unwrap_or(u16::MAX));
    out.extend_from_slice(&inner);
}

fn extension(out: &mut Vec<u8>, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
    put_u16(out, kind);
    sized(out, body);
}

/// The bytes of a ClientHello, as one record.
#[must_use]
pub fn client_hello(offer: &Offer<'_>) -> Vec<u8> {
    let is13 = offer.version == TLS13;
    let legacy = if is13 { 0x0303 } else { offer.version };
    let mut body = Vec::new();
    put_u16(&mut body, legacy);
    body.extend_from_slice(&offer.random);
    // A session identifier, as clients of TLS 1.3 send one for what stands between.
    body.push(if is13 { 32 } else { 0 });
    if is13 {
        body.extend(offer.random.iter().rev());
    }
    sized(&mut body, |out| {
        for suite in offer.suites {
            put_u16(out, *suite);
        }
        if !is13 {
            // The signal of RFC 5746, which old listeners understand where they know no extensions.
            put_u16(out, 0x00FF);
        }
    });
    body.extend_from_slice(if offer.compression { &[2, 1, 0] } else { &[1, 0] });
    // SSL 3.0 knows no extensions.
    if offer.version > 0x0300 {
        sized(&mut body, |out| extensions(out, offer, is13));
    }
    let mut handshake = vec![1];
    let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    handshake.extend_from_slice(&length[1..]);
    handshake.extend_from_slice(&body);
    let mut record = vec![22];
    put_u16(&mut record, if offer.version == 0x0300 { 0x0300 } else { 0x0301 });
    sized(&mut record, |out| out.extend_from_slice(&handshake));
    record
}

fn extensions(out: &mut Vec<u8>, offer: &Offer<'_>, is13: bool) {
    extension(out, 10, |out| {
        sized(out, |out| {
            for group in offer.groups {
                put_u16(out, *group);
            }
        });
    });
    extension(out, 11, |out| out.extend_from_slice(&[1, 0]));
    extension(out, 13, |out| {
        sized(out, |out| {
            for scheme in [0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201] {
                put_u16(out, scheme);
            }
        });
    });
    if !offer.protocols.is_empty() {
        extension(out, 16, |out| {
            sized(out, |out| {
                for name in offer.protocols {
                    out.push(u8::try_from(name.len()).unwrap_or(0));
                    out.extend_from_slice(name);
                }
            });
        });
    }
    if is13 {
        extension(out, 43, |out| out.extend_from_slice(&[2, 3, 4]));
        extension(out, 51, |out| put_u16(out, 0));
    }
}

/// Takes bytes off the front, or says that there are too few.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        let bytes: [u8; 2] = self.take(2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    }
}

/// Reads the answer as far as it has come.
#[must_use]
pub fn read_answer(bytes: &[u8]) -> Answer {
    let mut reader = Reader(bytes);
    let Some(head) = reader.take(5) else { return Answer::Unfinished };
    let &[kind, major, _, high, low] = head else { return Answer::Other };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if major != 3 || length == 0 || length > ANSWER_BYTES {
        return Answer::Other;
    }
    let Some(body) = reader.take(length) else { return Answer::Unfinished };
    match (kind, body) {
        (21, &[_, alert, ..]) => Answer::Refuses { alert },
        // A ServerHello is so short that no listener spreads it over records; the length of the message is checked below.
        (22, _) => read_hello(body).unwrap_or(Answer::Other),
        _ => Answer::Other,
    }
}

fn read_hello(body: &[u8]) -> Option<Answer> {
    let mut reader = Reader(body);
    if reader.u8()? != 2 {
        return None;
    }
    let length = reader.take(3)?;
    let length = length.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    let mut reader = Reader(reader.take(length)?);
    let legacy = reader.u16()?;
    let random = reader.take(32)?;
    let id = usize::from(reader.u8()?);
    reader.take(id)?;
    let suite = reader.u16()?;
    let compresses = reader.u8()? != 0;
    let (mut version, mut group, mut renegotiation) = (legacy, None, false);
    if let Some(length) = reader.u16() {
        let mut list = Reader(reader.take(usize::from(length))?);
        while !list.0.is_empty() {
            let kind = list.u16()?;
            let length = list.u16()?;
            let mut value = Reader(list.take(usize::from(length))?);
            match kind {
                43 => version = value.u16()?,
                51 => group = value.u16(),
                0xFF01 => renegotiation = true,
                _ => {}
            }
        }
    }
    // A retry is the answer of a listener that would go on, if it were sent what it asks for.
    let is_retry = random == RETRY;
    (!is_retry || version == TLS13).then_some(Answer::Speaks { version, suite, group, compresses, renegotiation })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offer(version: u16) -> Vec<u8> {
        client_hello(&Offer { version, suites: &[0x1301, 0xC02F], groups: &[0x1D], protocols: &[b"h2"], compression: true, random: [7; 32] })
    }

    fn hello(version: u16, random: [u8; 32], extensions: &[u8]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend_from_slice(&random);
        body.push(0);
        body.extend_from_slice(&[0xC0, 0x2F, 1]);
        body.extend_from_slice(&u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend_from_slice(extensions);
        let mut record = vec![22, 3, 3];
        record.extend_from_slice(&u16::try_from(body.len() + 4).unwrap().to_be_bytes());
        record.extend_from_slice(&[2, 0, 0, u8::try_from(body.len()).unwrap()]);
        record.extend_from_slice(&body);
        record
    }

    #[test]
    fn the_lengths_of_a_hello_add_up() {
        for (version, _) in VERSIONS {
            let bytes = offer(version);
            assert_eq!(usize::from(u16::from_be_bytes([bytes[3], bytes[4]])), bytes.len() - 5);
            assert_eq!(usize::from(u16::from_be_bytes([bytes[7], bytes[8]])), bytes.len() - 9);
        }
    }

    #[test]
    fn what_a_listener_chose_is_read() {
        let old = hello(0x0301, [1; 32], &[0xFF, 0x01, 0, 1, 0]);
        assert_eq!(read_answer(&old), Answer::Speaks { version: 0x0301, suite: 0xC02F, group: None, compresses: true, renegotiation: true });
        let new = hello(0x0303, RETRY, &[0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 0x1D]);
        assert_eq!(read_answer(&new), Answer::Speaks { version: TLS13, suite: 0xC02F, group: Some(0x1D), compresses: true, renegotiation: false });
        assert_eq!(read_answer(&[21, 3, 1, 0, 2, 2, 70]), Answer::Refuses { alert: 70 });
        assert_eq!(read_answer(&new[..new.len() - 1]), Answer::Unfinished);
        assert_eq!(read_answer(b"HTTP/1.1 400 Bad Request\r\n"), Answer::Other);
        assert_eq!(read_answer(b"SSH-2.0-OpenSSH\r\n"), Answer::Other);
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_fall(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..80, byte: u8) {
            let _ = read_answer(&bytes);
            let mut near = hello(0x0303, RETRY, &[0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 0x1D]);
            if let Some(place) = near.get_mut(at) {
                *place = byte;
            }
            let _ = read_answer(&near);
        }
    }
}
