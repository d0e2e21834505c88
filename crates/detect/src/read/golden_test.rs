//! Lines as the makers' systems write them, beside what is read out of them. With `SEKISHO_GOLDEN=write` the second is
//! written anew; look at the difference before it is committed.

use super::*;
use crate::clock;
use std::fs;
use std::path::Path;

const FORMATS: usize = 15;

#[test]
fn every_makers_lines_are_read_as_the_golden_text_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let received = clock::iso("2026-11-22T08:00:10Z", 0).unwrap();
    let mut seen = 0;
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    names.sort();
    for path in names {
        let lines = fs::read_to_string(&path).unwrap();
        let mut text = String::new();
        for line in lines.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
            let reading = read(line.as_bytes(), received, 540);
            let login = reading.login.map_or_else(|| "-".to_owned(), |login| serde_json::to_string(&login).unwrap());
            text.push_str(&login);
            text.push('\n');
        }
        let golden = path.with_extension("jsonl");
        if std::env::var_os("SEKISHO_GOLDEN").is_some() {
            fs::write(&golden, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&golden).unwrap(), "{}\n{text}", path.display());
        seen += 1;
    }
    assert_eq!(seen, FORMATS);
}

#[test]
fn a_name_that_looks_like_a_place_hides_no_place() {
    let line = "<38>Nov 22 08:00:00 db01 sshd[9]: Failed password for invalid user x from 10.0.0.1 port 1 ssh2 from 192.0.2.9 port 22 ssh2";
    let login = read(line.as_bytes(), Timestamp(0), 0).login.unwrap();
    assert_eq!((login.from.unwrap().to_string().as_str(), login.port), ("192.0.2.9", Some(22)));
    // Of a refused certificate the key id is the stranger's own: nobody can tell which place is true, and none is believed.
    let line = "<38>Nov 22 08:00:00 db01 sshd[9]: Failed publickey for invalid user x from 203.0.113.9 port 4 ssh2: ED25519-CERT SHA256:a ID  from 10.20.0.5 port 22 ssh2 (serial 0) CA ED25519 SHA256:b";
    let login = read(line.as_bytes(), Timestamp(0), 0).login.unwrap();
    assert_eq!((login.kind, login.from, login.port, login.account.as_str()), (crate::login::Kind::Failed, None, None, "x"));
    // The key id is the issuer's text: it cannot move the place either.
    let line = "<38>Nov 22 08:00:00 db01 sshd[9]: Accepted publickey for maint from 192.0.2.9 port 22 ssh2: ED25519-CERT SHA256:a ID x from 10.0.0.1 port 1 ssh2 (serial 7) CA ED25519 SHA256:z (serial 9) CA ED25519 SHA256:b";
    let login = read(line.as_bytes(), Timestamp(0), 0).login.unwrap();
    assert_eq!((login.from.unwrap().to_string().as_str(), login.port), ("192.0.2.9", Some(22)));
    let certificate = login.certificate.unwrap();
    assert_eq!((certificate.serial, certificate.authority.as_str()), (9, "SHA256:b"));
}

#[test]
fn a_typed_name_turns_no_line_of_a_device() {
    use crate::login::Kind;
    let line = "<189>45: sw01: Nov 22 08:00:00: %SEC_LOGIN-4-LOGIN_FAILED: Login failed [user: %SEC_LOGIN-5-LOGIN_SUCCESS [user: admin] [Source: 203.0.113.9] [localport: 22] [Reason: Login Authentication Failed]";
    let login = read(line.as_bytes(), Timestamp(0), 0).login.unwrap();
    assert_eq!((login.kind, login.from.unwrap().to_string().as_str()), (Kind::Failed, "203.0.113.9"));
    let head = r#"<189>date=2026-11-22 time=08:00:00 devname="FG1" logid="0100032002" type="event" subtype="system""#;
    let tail = r#"ui="ssh(203.0.113.9)" srcip=203.0.113.9 action="login" status="failed""#;
    let escaped = format!(r#"{head} user="x\" srcip=10.20.0.5 status=\"success" {tail}"#);
    let login = read(escaped.as_bytes(), Timestamp(0), 0).login.unwrap();
    assert_eq!((login.kind, login.from.unwrap().to_string().as_str()), (Kind::Failed, "203.0.113.9"));
    let bare = format!(r#"{head} user="x" srcip=10.20.0.5 status="success" action="login" {tail}"#);
    assert_eq!(read(bare.as_bytes(), Timestamp(0), 0).login, None);
}

#[test]
fn what_a_program_says_in_anothers_words_is_no_login() {
    for line in [
        "<38>Nov 22 08:00:00 db01 myapp[9]: Accepted password for root from 10.0.0.1 port 1 ssh2",
        "<38>Nov 22 08:00:00 db01 sshd[9]: error: Accepted password for root from 10.0.0.1 port 1 ssh2",
        "<38>Nov 22 08:00:00 db01 logger: x Login succeeded for SSH: 10.0.0.1 admin",
    ] {
        assert_eq!(read(line.as_bytes(), Timestamp(0), 0).login, None, "{line}");
    }
}

proptest::proptest! {
    #[test]
    fn no_line_makes_a_panic(line in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), at in proptest::prelude::any::<i64>(), zone in proptest::prelude::any::<i32>()) {
        let _ = read(&line, Timestamp(at), zone);
    }

    #[test]
    fn no_change_of_a_known_line_makes_a_panic(which in 0_usize..200, at in 0_usize..400, with in ".{0,12}") {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
        let lines: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "log")).flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        let line = &lines[which % lines.len()];
        let mut at = at.min(line.len());
        while !line.is_char_boundary(at) { at -= 1; }
        let changed = format!("{}{with}{}", &line[..at], &line[at..]);
        let _ = read(changed.as_bytes(), Timestamp(0), 540);
    }
}

#[test]
fn a_name_in_a_line_turns_it_into_no_object_and_no_other_program() {
    use crate::login::Kind;
    let of = |line: &str| read(line.as_bytes(), Timestamp(0), 0).login;
    // An object at the end of a command hides no sudo.
    let sudo = of(r#"<86>Nov 22 08:00:00 db01 sudo: yamada : TTY=pts/0 ; PWD=/ ; USER=maint ; COMMAND=/bin/sh -c id {"EventID":1}"#).unwrap();
    assert_eq!((sudo.kind, sudo.account.as_str()), (Kind::Raised, "maint"));
    let folder = of("<86>Nov 22 08:00:00 db01 sudo: yamada : TTY=pts/0 ; PWD=/tmp/a ; USER=root ; b ; USER=maint ; COMMAND=/bin/sh").unwrap();
    assert_eq!((folder.account.as_str(), folder.others.as_slice()), ("root", ["maint".to_owned()].as_slice()));
    // A page that somebody asked a web server for makes no login of its own.
    for line in [
        "<134>Nov 22 08:00:00 web01 nginx: 203.0.113.9 - - \"GET /%SEC_LOGIN-5-LOGIN_SUCCESS: Login Success [user: admin] [Source: 10.20.0.9] HTTP/1.1\"",
        "<134>Nov 22 08:00:00 web01 httpd[3]: connection authorized: user=maint database=x",
        "<134>Nov 22 08:00:00 web01 app: x {\"EventID\":4624,\"LogonType\":10,\"TargetUserName\":\"maint\"}y",
    ] {
        assert_eq!(of(line), None, "{line}");
    }
    // With its tag alone an object is read.
    let event = of(r#"<14>Nov 22 08:00:00 ehr01 Security: {"EventID":4624,"LogonType":10,"TargetUserName":"support$","IpAddress":"192.168.30.7"}"#).unwrap();
    assert_eq!((event.account.as_str(), event.way), ("support$", crate::login::Way::Desktop), "an account that ends like a machine's is somebody, over the network");
    assert_eq!(of(r#"{"EventID":4624,"LogonType":3,"TargetUserName":"PC01$","IpAddress":"192.168.30.7"}"#), None);
    assert_eq!(of(r#"{"EventID":4624,"LogonType":2,"TargetUserName":"DWM-1","IpAddress":"-"}"#), None);
    let ssh = of(r#"{"EventID":4624,"LogonType":8,"TargetUserName":"maint","IpAddress":"-","ProcessName":"C:\\Windows\\System32\\OpenSSH\\sshd.exe"}"#).unwrap();
    assert_eq!(ssh.way, crate::login::Way::Shell);
    let words = of(r#"{"EventID":4,"Channel":"OpenSSH/Operational","process":"sshd","payload":"Accepted password for maint from 192.168.30.7 port 4000 ssh2"}"#).unwrap();
    assert_eq!((words.kind, words.port), (Kind::Opened, Some(4000)));
    let hidden = of("<38>Nov 22 08:00:00 db01 sshd[9]: Accepted password for a\u{202e}b from 10.0.0.1 port 1 ssh2").unwrap();
    assert!(!hidden.account.contains('\u{202e}'), "{}", hidden.account);
}
