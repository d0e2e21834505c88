//! Saved sessions for PuTTY, which WinSCP imports: the way through the door, the person's name and the pinned host keys, so
//! that a double click asks for nothing but the person's own proof.

use crate::PuttyArgs;
use crate::home::{Home, Registration, replace};
use crate::login;
use crate::ssh_config::{command_quoted, names};
use crate::surroundings::value;
use crate::trouble::Trouble;
use crate::tunnel::target_of;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Where PuTTY keeps its sessions on Windows.
const KEY: &str = r"HKEY_CURRENT_USER\Software\SimonTatham\PuTTY\Sessions\";
/// Host keys of one gateway that are pinned.
const HOST_KEYS: usize = 16;

/// A setting of a saved session.
enum Setting {
    Text(String),
    Number(u32),
}

/// A saved session.
struct Saved {
    name: String,
    settings: Vec<(&'static str, Setting)>,
}

/// Writes the sessions.
pub async fn run(args: &PuttyArgs, before: &[&str]) -> Result<String, Trouble> {
    let at = Home::of(args.at.dir.as_deref())?.find(args.at.name.as_deref())?;
    let kept = login::last(&at);
    let worker = match (&args.worker, &kept) {
        (Some(worker), _) => worker.clone(),
        (None, Some(kept)) => kept.login.clone(),
        (None, None) => login::log_in(&at, true).await?.login,
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if worker.is_empty() || worker.len() > sekisho_core::limits::LOGIN_NAME_CHARS || !worker.bytes().all(plain) {
        return Err(Trouble::NameForm);
    }
    let mut targets = args.target.iter().map(|target| target_of(target, &at.name)).collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        let known = login::last(&at).filter(|kept| kept.login == worker).map(|kept| names(&at, &kept)).unwrap_or_default();
        targets = known.into_iter().map(|(name, _)| target_of(&name, &at.name)).collect::<Result<_, _>>()?;
    }
    if targets.is_empty() {
        return Err(Trouble::NoTarget);
    }
    let pins = fingerprints(&at)?;
    let program = std::env::current_exe().map_err(Trouble::here)?;
    let dir = args.at.dir.as_deref().map(|dir| std::path::absolute(dir).map_err(Trouble::here)).transpose()?;
    let sessions = targets.iter().map(|target| saved(&at, &worker, target, &pins, args.port, &Way { program: &program, before, dir: dir.as_deref() })).collect::<Result<Vec<_>, _>>()?;
    let listed: String = sessions.iter().map(|saved| format!("  {}\n", saved.name)).collect();
    let port = args.port.map_or_else(String::new, |port| {
        format!("先に次を実行したままにしてください。 / Keep this running: sekisho-connect open --listen 127.0.0.1:{port}\n")
    });
    let told = if cfg!(windows) || args.reg.is_some() {
        let path = match &args.reg {
            Some(path) => path.clone(),
            None => at.file("putty.reg"),
        };
        replace(&path, &registry(&sessions), true)?;
        format!(
            "PuTTY の設定を {0} に書きました。ダブルクリックして取り込むと、PuTTY の「保存されたセッション」に次の名前が並びます。\nDouble-click {0}; PuTTY then has these saved sessions:\n{listed}",
            path.display()
        )
    } else {
        let folder = folder()?.join("sessions");
        make(&folder)?;
        for saved in &sessions {
            replace(&folder.join(&saved.name), lines(saved).as_bytes(), true)?;
        }
        format!("PuTTY の保存されたセッションを書きました。「plink -load 名前」でも使えます。\nThe saved sessions of PuTTY are written:\n{listed}")
    };
    let shown: String = pins.iter().map(|pin| format!("  {pin}\n")).collect();
    Ok(format!("{told}{port}WinSCP では「ツール」→「サイトのインポート」で PuTTY から取り込みます。初回にホスト鍵を聞かれたら、次と同じことを確かめます。\nWinSCP imports them from PuTTY; compare the host key that it shows:\n{shown}").trim_end().to_owned())
}

/// How the program of this registration is called.
struct Way<'a> {
    program: &'a Path,
    before: &'a [&'a str],
    dir: Option<&'a Path>,
}

fn saved(at: &Registration, worker: &str, target: &str, pins: &[String], port: Option<u16>, way: &Way<'_>) -> Result<Saved, Trouble> {
    let name = format!("{target}.{}", at.name);
    let text = |text: String| Setting::Text(text);
    let mut settings = vec![("Protocol", text("ssh".into()))];
    match port {
        // One port for all targets: the name that is typed at the login tells which.
        Some(port) => settings.extend([("HostName", text("127.0.0.1".into())), ("PortNumber", Setting::Number(port.into())), ("UserName", text(format!("{worker}+{target}")))]),
        None => {
            let dir = way.dir.map(|dir| command_quoted(dir).map(|dir| format!(" --dir {dir}"))).transpose()?.unwrap_or_default();
            let own: String = way.before.iter().map(|word| format!(" {word}")).collect();
            let command = format!("{}{own} open --name {}{dir} --target={target}", command_quoted(way.program)?, at.name);
            settings.extend([
                ("HostName", text(name.clone())),
                ("PortNumber", Setting::Number(22)),
                ("UserName", text(worker.to_owned())),
                // A command of this machine in the place of a proxy, as ssh's ProxyCommand.
                ("ProxyMethod", Setting::Number(5)),
                ("ProxyLocalhost", Setting::Number(1)),
                // PuTTY reads escapes in it.
                ("ProxyTelnetCommand", text(command.replace('\\', "\\\\").replace('%', "%%"))),
            ]);
        }
    }
    settings.extend([
        ("SSHManualHostKeys", text(pins.join(","))),
        ("AgentFwd", Setting::Number(0)),
        ("X11Forward", Setting::Number(0)),
        ("Compression", Setting::Number(0)),
        ("PingInterval", Setting::Number(0)),
        ("PingIntervalSecs", Setting::Number(30)),
        ("LineCodePage", text("UTF-8".into())),
    ]);
    Ok(Saved { name, settings })
}

/// The host keys of the gateway as they came with the enrolment, by their fingerprints.
fn fingerprints(at: &Registration) -> Result<Vec<String>, Trouble> {
    let known = fs::read_to_string(at.file("known_hosts")).map_err(Trouble::here)?;
    let mut found = Vec::new();
    for line in known.lines().take(HOST_KEYS) {
        let blob = line.split(' ').nth(2).and_then(|blob| STANDARD.decode(blob).ok());
        if let Some(blob) = blob {
            found.push(format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob))));
        }
    }
    // Without one, PuTTY would ask, and the person could only say yes.
    if found.is_empty() { Err(Trouble::NotEnrolled) } else { Ok(found) }
}

/// The folder of PuTTY on Unix, as PuTTY looks for it.
fn folder() -> Result<PathBuf, Trouble> {
    if let Some(named) = value("PUTTYDIR") {
        return Ok(named.into());
    }
    let home = std::env::home_dir().ok_or_else(|| Trouble::here("no home folder"))?;
    let newer = value("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from).join("putty");
    Ok(if newer.is_dir() { newer } else { home.join(".putty") })
}

fn make(folder: &Path) -> Result<(), Trouble> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| Trouble::here(format!("{}: {error}", folder.display())))
}

/// A session as PuTTY keeps it on Unix.
fn lines(saved: &Saved) -> String {
    let line = |(key, setting): &(&str, Setting)| match setting {
        Setting::Text(text) => format!("{key}={text}\n"),
        Setting::Number(number) => format!("{key}={number}\n"),
    };
    saved.settings.iter().map(line).collect()
}

/// Sessions as a file that Windows takes into its registry: UTF-16 with its mark in front.
fn registry(sessions: &[Saved]) -> Vec<u8> {
    let mut text = String::from("Windows Registry Editor Version 5.00\r\n");
    for saved in sessions {
        text.push_str(&format!("\r\n[{KEY}{}]\r\n", saved.name));
        for (key, setting) in &saved.settings {
            match setting {
                Setting::Text(value) => text.push_str(&format!("\"{key}\"=\"{}\"\r\n", value.replace('\\', "\\\\").replace('"', "\\\""))),
                Setting::Number(number) => text.push_str(&format!("\"{key}\"=dword:{number:08x}\r\n")),
            }
        }
    }
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(folder: &Path) -> Registration {
        let at = Home::of(Some(folder)).unwrap().at("hospital").unwrap();
        at.write("known_hosts", b"sekisho.hospital ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGb9y4Z0Kq0lqzQ8xVYpRJ9f0m2gYc6g1uJ4b6J5mV0o\n").unwrap();
        at
    }

    #[test]
    fn a_session_names_the_way_the_person_and_the_host_key() {
        let folder = tempfile::tempdir().unwrap();
        let at = at(folder.path());
        let pins = fingerprints(&at).unwrap();
        assert!(pins[0].starts_with("SHA256:") && pins[0].len() == 50, "{pins:?}");
        let way = Way { program: Path::new("/opt/sekisho-connect"), before: &[], dir: None };
        let session = saved(&at, "sato", "ehr-db01", &pins, None, &way).unwrap();
        let text = lines(&session);
        for line in ["HostName=ehr-db01.hospital", "UserName=sato", "ProxyMethod=5", "ProxyTelnetCommand=\"/opt/sekisho-connect\" open --name hospital --target=ehr-db01", &format!("SSHManualHostKeys={}", pins[0]), "AgentFwd=0"] {
            assert!(text.lines().any(|known| known == line), "{line}:\n{text}");
        }
        let text = lines(&saved(&at, "sato", "ehr-db01", &pins, Some(2200), &way).unwrap());
        assert!(text.contains("HostName=127.0.0.1\nPortNumber=2200\nUserName=sato+ehr-db01\n") && !text.contains("Proxy"), "{text}");
    }

    #[test]
    fn a_file_for_the_registry_keeps_backslashes_and_quotation_marks() {
        let session = Saved { name: "ehr-db01.hospital".into(), settings: vec![("ProxyTelnetCommand", Setting::Text("\"C:\\\\a b\\\\c.exe\" open".into())), ("PortNumber", Setting::Number(22))] };
        let bytes = registry(&[session]);
        assert_eq!(bytes.get(..2), Some([0xff, 0xfe].as_slice()));
        let units: Vec<u16> = bytes.chunks(2).skip(1).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let text = String::from_utf16(&units).unwrap();
        assert_eq!(
            text,
            "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_CURRENT_USER\\Software\\SimonTatham\\PuTTY\\Sessions\\ehr-db01.hospital]\r\n\
             \"ProxyTelnetCommand\"=\"\\\"C:\\\\\\\\a b\\\\\\\\c.exe\\\" open\"\r\n\"PortNumber\"=dword:00000016\r\n"
        );
    }

    #[test]
    fn without_a_host_key_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = at(folder.path());
        at.write("known_hosts", b"").unwrap();
        assert!(matches!(fingerprints(&at), Err(Trouble::NotEnrolled)));
    }
}
