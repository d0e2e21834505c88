//! Before there are any keys: what can be done with a bare TCP connection.

use super::{HONEST, honest, log_is_clean};
use crate::street::house::House;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Bytes of a binary packet without encryption (RFC 4253 section 6).
fn packet(payload: &[u8]) -> Vec<u8> {
    let mut padding = 8 - (payload.len() + 5) % 8;
    if padding < 4 {
        padding += 8;
    }
    let mut bytes = u32::try_from(payload.len() + padding + 1).expect("a small packet").to_be_bytes().to_vec();
    bytes.push(u8::try_from(padding).expect("little padding"));
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

fn string(text: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).expect("a short text").to_be_bytes().to_vec();
    bytes.extend_from_slice(text);
    bytes
}

/// `SSH_MSG_KEXINIT` with these key exchanges.
fn kexinit(kex: &str) -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend_from_slice(&[7; 16]);
    for list in [kex, "ssh-ed25519", "aes256-gcm@openssh.com", "aes256-gcm@openssh.com", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""] {
        payload.extend(string(list.as_bytes()));
    }
    payload.extend_from_slice(&[0; 5]);
    packet(&payload)
}

fn message(number: u8, rest: &[u8]) -> Vec<u8> {
    let mut payload = vec![number];
    payload.extend_from_slice(rest);
    packet(&payload)
}

/// A connection that has sent these bytes.
struct Caller {
    name: String,
    stream: TcpStream,
}

fn call(port: u16, name: impl Into<String>, bytes: &[u8]) -> Caller {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the gateway listens");
    stream.set_nodelay(true).expect("a socket option");
    // Who is sent away while still talking sees it by the fault.
    let _ = stream.write_all(bytes);
    Caller { name: name.into(), stream }
}

impl Caller {
    /// Reads until the gateway closes. True if it did before `until`.
    fn closed(&mut self, until: Instant) -> bool {
        let mut buffer = [0; 4096];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.stream.set_read_timeout(Some(left)).expect("a socket option");
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return false,
                Err(_) => return true,
            }
        }
    }
}

const HELLO: &[u8] = b"SSH-2.0-hostile\r\n";

/// Name and bytes of each act.
fn acts() -> Vec<(&'static str, Vec<u8>)> {
    let after = |parts: &[Vec<u8>]| [HELLO.to_vec(), parts.concat()].concat();
    let head = |length: u32, padding: u8| [&length.to_be_bytes()[..], &[padding], &[20; 64]].concat();
    let curve = || kexinit("curve25519-sha256");
    let mut cut = kexinit("curve25519-sha256");
    cut.truncate(40);
    let lists = message(20, &[&[7; 16][..], &u32::MAX.to_be_bytes(), &[b'a'; 200]].concat());
    vec![
        ("nothing at all", Vec::new()),
        ("a version and then nothing", HELLO.to_vec()),
        ("a version without an end", vec![b'S'; 300_000]),
        ("an old version", b"SSH-1.5-old\r\n".to_vec()),
        ("another protocol", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("a version with escapes and lines", b"SSH-2.0-\x1b[2J\rFORGED entry\r\n".to_vec()),
        ("lines before the version", [b"FORGED line\r\n".repeat(20_000), HELLO.to_vec()].concat()),
        ("a length of 4 GiB", after(&[head(u32::MAX, 4)])),
        ("a length of 1 MiB, and little of it", after(&[head(1 << 20, 4)])),
        ("a length of nothing", after(&[head(0, 0)])),
        ("a length that is no multiple", after(&[head(13, 4)])),
        ("padding longer than the packet", after(&[head(16, 255)])),
        ("no padding", after(&[head(16, 0)])),
        ("half a key exchange", after(&[cut])),
        ("a list of 4 GiB", after(&[lists])),
        ("a key exchange nobody knows", after(&[kexinit("diffie-hellman-group1-sha1")])),
        ("a flood of key exchanges", after(&vec![curve(); 3_000])),
        ("new keys before any were made", after(&[curve(), message(21, &[])])),
        ("an empty point", after(&[curve(), message(30, &string(b""))])),
        ("a point of zeros", after(&[curve(), message(30, &string(&[0; 32]))])),
        ("a point too long", after(&[curve(), message(30, &string(&[1; 30_000]))])),
        ("a password in clear", after(&[message(50, &[string(b"root"), string(b"ssh-connection"), string(b"none")].concat())])),
        ("success said by the client", after(&[curve(), message(52, &[])])),
        ("a channel in clear", after(&[curve(), message(90, &[string(b"session"), vec![0; 12]].concat())])),
        ("a service in clear", after(&[message(5, &string(b"ssh-userauth"))])),
        ("a flood of what is to be ignored", after(&[curve(), message(2, &string(&[b'x'; 1000])).repeat(5_000)])),
        ("a flood of debug words", after(&[message(4, &[vec![1], string(b"\x1b]0;FORGED\x07\n"), string(b"")].concat()).repeat(5_000)])),
        ("a farewell with escapes", after(&[curve(), message(1, &[vec![0, 0, 0, 2], string(b"\r\nFORGED \x1b[31m"), string(b"")].concat())])),
    ]
}

#[test]
fn who_never_logs_in_is_sent_away_and_delays_nobody() {
    let house = House::own();
    let port = house.terminal.port;
    let begun = Instant::now();
    let mut callers = Vec::new();
    // One byte each second is never silence, and never a login either.
    let slow = std::thread::spawn(move || {
        let mut caller = call(port, "one byte a second", b"");
        for byte in [HELLO, &kexinit("curve25519-sha256")].concat() {
            std::thread::sleep(Duration::from_secs(1));
            if caller.stream.write_all(&[byte]).is_err() {
                break;
            }
        }
        caller.closed(Instant::now()).then_some(()).map_or_else(|| begun.elapsed(), |()| begun.elapsed())
    });
    let mut worst: f64 = 0.0;
    for (number, (name, bytes)) in acts().into_iter().enumerate() {
        callers.push(call(port, name, &bytes));
        if number % 4 == 3 {
            let took = honest(&house, &format!("hra{number}"));
            assert!(took < HONEST, "after {name} an honest login took {took:.1} s");
            worst = worst.max(took);
        }
    }
    for mut caller in callers {
        let name = std::mem::take(&mut caller.name);
        assert!(caller.closed(begun + Duration::from_secs(75)), "{name}: the gateway still holds the connection");
    }
    let slow = slow.join().expect("the slow one");
    assert!(slow < Duration::from_secs(40), "one byte a second was listened to for {slow:?}");
    log_is_clean(&house);
    println!("the slowest honest login took {worst:.2} s");
}

#[test]
fn half_open_floods_are_capped_and_a_login_comes_through() {
    let house = House::own();
    let port = house.terminal.port;
    let mut held: Vec<Caller> = (0..500).map(|number| call(port, format!("{number}"), if number % 2 == 0 { HELLO } else { b"" })).collect();
    let took = honest(&house, "hfl");
    assert!(took < HONEST, "in a flood of half-open connections an honest login took {took:.1} s");
    // The oldest went; of one source no more than its share is held.
    let soon = Instant::now() + Duration::from_millis(20);
    let open = held.iter_mut().filter_map(|caller| (!caller.closed(soon.max(Instant::now() + Duration::from_millis(2)))).then_some(())).count();
    assert!(open <= sekisho_core::limits::HANDSHAKES_PER_SOURCE, "{open} half-open connections of one source are held");
    // And what is left of them goes by itself.
    let last = Instant::now() + Duration::from_secs(sekisho_core::limits::FIRST_FACTOR_SECONDS as u64 + 10);
    for caller in &mut held {
        assert!(caller.closed(last), "connection {} never logs in and is held", caller.name);
    }
}
