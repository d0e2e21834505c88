//! Local forwards by every client that has them: to a place that the plan names they carry byte for byte what they carry
//! directly, counted; to a place beside it they are refused.

use super::exec::noise;
use super::outcome::Outcome;
use super::putty;
use super::python;
use super::site::Site;
use super::{Row, compare, house, row};
use crate::street::program::{free_port, wait_for};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The rows that policy makes differ.
pub const ELSEWHERE: &str = "forward to a place that the plan does not name";
/// The code of the refusal.
const CODE: &str = "SKS-4304";
/// Bytes of the page that the service gives.
const PAGE: usize = 300_000;

/// A service behind the target. It answers a request of HTTP with a page, and gives anything else back turned over, followed
/// by its own last word, after the other side has said all.
fn service() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

fn serve(mut stream: TcpStream) {
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let page = |all: &[u8]| all.starts_with(b"GET ") && all.ends_with(b"\r\n\r\n");
    while !page(&all) {
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => all.extend(buffer.iter().take(count)),
            _ => break,
        }
    }
    let answer = if page(&all) {
        [format!("HTTP/1.0 200 OK\r\nContent-Length: {PAGE}\r\n\r\n").into_bytes(), noise(PAGE)].concat()
    } else {
        all.reverse();
        [all, b"[end]".to_vec()].concat()
    };
    let _ = stream.write_all(&answer);
    let _ = stream.shutdown(Shutdown::Write);
}

/// What is sent: bytes of every value, or a request.
fn inputs() -> [(&'static str, Vec<u8>); 2] {
    [("bytes", noise(500_000)), ("page", b"GET /index.html HTTP/1.0\r\nHost: db\r\n\r\n".to_vec())]
}

/// A client that listens, and ends with the row.
struct Listening(Child);

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends something through a client that listens on `local`, and hears the answer to its end.
fn asked(local: u16, input: &[u8]) -> Vec<u8> {
    let mut stream = wait_for("the client listens", Duration::from_secs(30), || TcpStream::connect(("127.0.0.1", local)).ok());
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    let mut writer = stream.try_clone().expect("the other way");
    let input = input.to_vec();
    // Both ways at once: neither side's buffers hold it all.
    let sending = std::thread::spawn(move || {
        let _ = writer.write_all(&input).and_then(|()| writer.shutdown(Shutdown::Write));
    });
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let _ = sending.join();
    answer
}

/// A program with `-L`: what came back, and what it said.
fn listening(mut command: Command, local: u16, site: &Site<'_>, input: &[u8]) -> Vec<(String, String)> {
    let words = site.folder.join("forward.err");
    let file = std::fs::File::create(&words).expect("a file for its words");
    let mut child = Listening(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(file).spawn().expect("the client starts"));
    let answer = asked(local, input);
    // plink ends with its input, ssh by force; both have said what they have to say.
    drop(child.0.stdin.take());
    let said = |words: &Path| std::fs::read_to_string(words).unwrap_or_default();
    if answer.is_empty() {
        let until = std::time::Instant::now() + Duration::from_secs(5);
        while !said(&words).contains("SKS") && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    drop(child);
    vec![("answer".into(), format!("{} bytes {}", answer.len(), blake(&answer))), ("err".into(), said(&words))]
}

fn blake(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hash = DefaultHasher::new();
    bytes.hash(&mut hash);
    format!("#{:016x}", hash.finish())
}

type Client = fn(&Site<'_>, u16, &[u8]) -> Vec<(String, String)>;
const CLIENTS: [(&str, Client); 4] = [("OpenSSH ssh -L", openssh), ("PuTTY plink -L", plink), ("asyncssh", asyncssh), ("Paramiko", paramiko)];

fn openssh(site: &Site<'_>, to: u16, input: &[u8]) -> Vec<(String, String)> {
    let local = free_port();
    let mut command = site.plain("ssh");
    // Of a level the first word counts; below this one ssh does not tell why a forward failed.
    command.args(["-o", "LogLevel=INFO"]).args(site.options()).args(["-N", "-L", &format!("{local}:127.0.0.1:{to}")]).arg(site.place());
    only(listening(command, local, site, input), "open failed")
}

fn plink(site: &Site<'_>, to: u16, input: &[u8]) -> Vec<(String, String)> {
    let local = free_port();
    let mut command = putty::quiet(site, "plink");
    command.args(["-v", "-N", "-L", &format!("{local}:127.0.0.1:{to}"), "127.0.0.1"]);
    only(listening(command, local, site, input), "refused")
}

/// Of what a client said only the lines with this word: its words about its own doings differ by themselves.
fn only(mut facts: Vec<(String, String)>, word: &str) -> Vec<(String, String)> {
    for (_, words) in facts.iter_mut().filter(|(name, _)| name == "err") {
        *words = words.lines().filter(|line| line.contains(word)).collect::<Vec<_>>().join("\n");
    }
    facts
}

fn by_library(site: &Site<'_>, library: &str, to: u16, input: &[u8]) -> Vec<(String, String)> {
    let file = site.folder.join("forward.input");
    std::fs::write(&file, input).expect("the input");
    python::single(site, library, &json!({ "to": to, "input": file }))
}

fn asyncssh(site: &Site<'_>, to: u16, input: &[u8]) -> Vec<(String, String)> {
    by_library(site, "asyncssh", to, input)
}

fn paramiko(site: &Site<'_>, to: u16, input: &[u8]) -> Vec<(String, String)> {
    by_library(site, "Paramiko", to, input)
}

fn outcome(facts: &[(String, String)]) -> Outcome {
    facts.iter().fold(Outcome::new(), |outcome, (name, words)| outcome.fact(name, words))
}

/// The sums of all forwards of the site's worker to this port: connections, bytes there, bytes back.
fn counted(site: &Site<'_>, to: u16) -> (u64, u64, u64) {
    let sessions = site.house.ended(site.worker(), 1);
    let seen = sessions.iter().flat_map(|id| site.house.session(id).pointer("/facts/forwards").and_then(Value::as_array).cloned().unwrap_or_default());
    let number = |seen: &Value, name: &str| seen.get(name).and_then(Value::as_u64).unwrap_or_default();
    let here = seen.filter(|seen| seen.get("place").and_then(Value::as_str) == Some(&format!("127.0.0.1:{to}")));
    here.fold((0, 0, 0), |sum, seen| (sum.0 + number(&seen, "times"), sum.1 + number(&seen, "to_target"), sum.2 + number(&seen, "to_worker")))
}

/// What the log holds of forwards to this port that were refused: in a session, or with the login where nothing was entered.
fn refusals(site: &Site<'_>, to: u16) -> Vec<String> {
    let read = |kind: &str| site.house.api.get(&site.house.planner, &format!("/api/v1/log?kind={kind}"));
    let entries = ["refused_inside", "refused"].into_iter().flat_map(|kind| read(kind).as_array().cloned().unwrap_or_default());
    entries.map(|entry| entry.to_string()).filter(|entry| entry.contains(&format!("direct-tcpip 127.0.0.1:{to}"))).collect()
}

fn rows(named: u16, other: u16) -> Vec<Row> {
    let each = CLIENTS.into_iter().flat_map(move |(name, client)| {
        let to_place = inputs().map(|(what, input)| {
            row(name, format!("forward to a place of the plan: {what}"), move |site| {
                let before = if site.is_guarded() && !site.house.sessions(site.worker()).is_empty() { counted(site, named) } else { (0, 0, 0) };
                let outcome = outcome(&client(site, named, &input));
                if !site.is_guarded() {
                    return outcome;
                }
                let answer = if what == "page" { format!("HTTP/1.0 200 OK\r\nContent-Length: {PAGE}\r\n\r\n").len() + PAGE } else { input.len() + 5 };
                let wanted = (before.0 + 1, before.1 + input.len() as u64, before.2 + answer as u64);
                let mut found = before;
                let begun = std::time::Instant::now();
                while found != wanted && begun.elapsed() < Duration::from_secs(15) {
                    found = counted(site, named);
                }
                outcome.must("the flow is counted", found == wanted, format!("{found:?}, not {wanted:?}"))
            })
        });
        let elsewhere = row(name, ELSEWHERE, move |site| {
            let before = if site.is_guarded() { refusals(site, other).len() } else { 0 };
            let facts = client(site, other, b"GET / HTTP/1.0\r\n\r\n");
            let outcome = outcome(&facts);
            if !site.is_guarded() {
                return outcome;
            }
            let entries = wait_for("the log tells of it", Duration::from_secs(15), || Some(refusals(site, other)).filter(|found| found.len() > before));
            let entry = entries.join("\n");
            let said: String = facts.iter().map(|(_, words)| words.as_str()).collect();
            // Paramiko shows its own words for the number of the reason, and not the reason.
            let told = said.contains(if name == "Paramiko" { "Administratively prohibited" } else { CODE });
            let written = entries.iter().all(|entry| entry.contains(CODE) || entry.contains("forward_not_in_plan"));
            outcome.must("the code is told", told, &said).must("the entry says why", written, &entry)
        });
        to_place.into_iter().chain([elsewhere])
    });
    each.collect()
}

#[test]
fn forwards_go_where_the_plan_says_and_nowhere_else() {
    let (named, other) = (service(), service());
    let direct = Site::direct(house(), "mxw");
    let forwards = json!([{ "host": "127.0.0.1", "port": named }]);
    let through = Site::in_key_window(house(), "mxw", &json!({ "functions": ["forward"], "forwards": forwards }));
    compare(&direct, &through, &rows(named, other));
}
