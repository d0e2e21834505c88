//! The ssh configuration: a file of our own, and one line in the person's file that reads it.

use crate::SshConfigArgs;
use crate::home::{Home, Registration, replace};
use crate::login::{self, Kept};
use crate::trouble::Trouble;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest configuration of a person that is read.
const CONFIG_BYTES: u64 = 1024 * 1024;

/// The name that the person typed, as a shell reads it: one word, in which nothing is run, and never an option. OpenSSH
/// before 9.6 hands names with characters of the shell on as they are, and such a name can stand in an address that a
/// program opens by itself.
const HOST: &str = if cfg!(windows) { "\"%h\"" } else { "'%h'" };

/// The name under which the gateway's host keys are known.
pub fn alias(name: &str) -> String {
    format!("sekisho.{name}")
}

/// The configuration of our own, in the folder of the registration.
pub const FILE: &str = "ssh_config";
/// Longest title of a plan that stands in the configuration.
const TITLE_CHARS: usize = 60;

/// Writes or prints the configuration. Without a login name, Sekisho is asked: the login that stands tells it, with the names
/// of today's targets, or the browser is opened for one.
pub async fn run(args: &SshConfigArgs, before: &[&str]) -> Result<String, Trouble> {
    let at = Home::of(args.at.dir.as_deref())?.find(args.at.name.as_deref())?;
    let worker = match &args.worker {
        Some(worker) => worker.clone(),
        None => match login::standing(&at) {
            Some(kept) => kept.login,
            None => login::log_in(&at, true).await?.login,
        },
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if worker.is_empty() || worker.len() > sekisho_core::limits::LOGIN_NAME_CHARS || !worker.bytes().all(plain) {
        return Err(Trouble::NameForm);
    }
    if args.print {
        return text_of(&at, &worker, before, args.at.dir.as_deref());
    }
    write(&at, &worker, before, args.at.dir.as_deref())?;
    let home = std::env::home_dir().ok_or_else(|| Trouble::here("no home folder"))?;
    let ours = std::path::absolute(at.file(FILE)).map_err(Trouble::here)?;
    include(&home.join(".ssh"), &ours)?;
    let names = login::last(&at).filter(|kept| kept.login == worker).map(|kept| names(&at, &kept)).unwrap_or_default();
    let listed: String = names.iter().map(|(name, of)| format!("  ssh {name}  # {of}\n")).collect();
    Ok(format!("ssh の設定を書きました。「ssh 接続先の名前.{0}」で接続できます。\n{listed}The ssh configuration is written. Connect by: ssh TARGET.{0}", at.name))
}

/// Writes the configuration of a registration, without the line in the person's own file.
pub fn write(at: &Registration, worker: &str, before: &[&str], dir: Option<&Path>) -> Result<(), Trouble> {
    at.write(FILE, text_of(at, worker, before, dir)?.as_bytes())
}

fn text_of(at: &Registration, worker: &str, before: &[&str], dir: Option<&Path>) -> Result<String, Trouble> {
    let program = std::env::current_exe().map_err(Trouble::here)?;
    let dir = dir.map(|dir| std::path::absolute(dir).map_err(Trouble::here)).transpose()?;
    let mut text = written(at, worker, &program, before, dir.as_deref())?;
    // Names alone: they complete what is typed, and what holds for them stands above.
    let known = login::last(at).filter(|kept| kept.login == worker).map(|kept| names(at, &kept)).unwrap_or_default();
    for (name, of) in known {
        text.push_str(&format!("# {of}\nHost {name}\n"));
    }
    Ok(text)
}

/// The names by which the targets of a login are called, each once, with the plan and its time.
pub fn names(at: &Registration, kept: &Kept) -> Vec<(String, String)> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let mut found: Vec<(String, String)> = Vec::new();
    for reach in &kept.targets {
        let name = format!("{}.{}", reach.target, at.name);
        let sound = !reach.target.is_empty() && reach.target.len() <= sekisho_core::limits::TARGET_NAME_CHARS && reach.target.bytes().all(plain) && !reach.target.starts_with('-');
        if !sound || found.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let shown = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(TITLE_CHARS).collect::<String>();
        found.push((name, format!("{} {} ({} - {})", shown(&reach.plan), shown(&reach.title), reach.from.minute(), reach.until.minute())));
    }
    found
}

fn written(at: &Registration, worker: &str, program: &Path, before: &[&str], dir: Option<&Path>) -> Result<String, Trouble> {
    let known = std::path::absolute(at.file("known_hosts")).map_err(Trouble::here)?;
    let key = std::path::absolute(at.file(login::KEY_FILE)).map_err(Trouble::here)?;
    let own = before.iter().map(|word| format!(" {word}")).collect::<String>();
    let mut which = format!(" --name {}", at.name);
    if let Some(dir) = dir {
        which.push_str(&format!(" --dir {}", command_quoted(dir)?));
    }
    let program = command_quoted(program)?;
    Ok(format!(
        "# sekisho ssh-config が書いたファイルです。実行するたびに書き直されます。 / Written anew by each run of ssh-config.\n\
         {matched}Host *.{name}\n    User {worker}\n    ProxyCommand {program}{own} open{which} --target={host}\n    HostKeyAlias {alias}\n    UserKnownHostsFile {known}\n    \
         StrictHostKeyChecking yes\n    UpdateHostKeys no\n    ForwardAgent no\n    ForwardX11 no\n    ServerAliveInterval 30\n",
        matched = matched(&at.name, &format!("{program}{own} login{which} --if-needed"), &quoted(&key)?),
        name = at.name,
        host = HOST,
        alias = alias(&at.name),
        known = quoted(&known)?,
    ))
}

/// The block by which ssh logs in before it connects, while nobody has to be asked for anything: where a login stands, or the
/// browser gives one, its key is shown and no other.
fn matched(name: &str, command: &str, key: &str) -> String {
    // A quoted word of this line holds no quotation mark. On Windows, where a command knows no other, a path with a blank
    // has none of this; there the person runs login by hand.
    let command = if command.contains('"') && cfg!(windows) { unquoted(command) } else { Some(command.replace('"', "'")) };
    let Some(command) = command else { return format!("# login\nHost *.{name}\n    IdentityFile {key}\n") };
    format!("Match originalhost *.{name} exec \"{command}\"\n    IdentityFile {key}\n    IdentitiesOnly yes\n")
}

fn unquoted(command: &str) -> Option<String> {
    let bare = command.replace('"', "");
    // Quotation marks did nothing if no quoted part held a blank.
    let held_blank = command.split('"').skip(1).step_by(2).any(|part| part.contains(' '));
    (!held_blank).then_some(bare)
}

/// A path as a word of the configuration.
fn quoted(path: &Path) -> Result<String, Trouble> {
    let text = path.to_str().ok_or_else(|| Trouble::here("a path is not readable as text"))?;
    if text.chars().any(|letter| letter.is_control() || matches!(letter, '"' | '%')) {
        return Err(Trouble::here(format!("{text}: a path with such characters cannot stand in the ssh configuration")));
    }
    Ok(format!("\"{text}\""))
}

/// A path as a word of a command, which a shell reads.
pub fn command_quoted(path: &Path) -> Result<String, Trouble> {
    let word = quoted(path)?;
    let read_by_shells = if cfg!(windows) { word.contains(['%', '!']) } else { word.contains(['$', '`', '\\', '\'']) };
    if read_by_shells { Err(Trouble::here(format!("{word}: a path with such characters cannot stand in a command"))) } else { Ok(word) }
}

/// Puts our line before everything else in the person's file; what stands there already stays as it is. A line behind a
/// `Host` would hold for that host alone.
fn include(folder: &Path, ours: &Path) -> Result<(), Trouble> {
    if !folder.is_dir() {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(Trouble::here)?;
    }
    let path = folder.join("config");
    // Where the file is a link, its target is changed and the link stays.
    let path: PathBuf = fs::canonicalize(&path).unwrap_or(path);
    let line = format!("Include {}\n", quoted(ours)?);
    let kept = match fs::metadata(&path) {
        Ok(data) if data.len() > CONFIG_BYTES => return Err(Trouble::here(format!("{} is too large", path.display()))),
        Ok(_) => fs::read(&path).map_err(Trouble::here)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Trouble::here(error)),
    };
    if kept.starts_with(line.as_bytes()) || kept.windows(line.len() + 1).any(|part| part.first() == Some(&b'\n') && part.ends_with(line.as_bytes())) {
        return Ok(());
    }
    let mut text = line.into_bytes();
    text.push(b'\n');
    text.extend_from_slice(&kept);
    let rights = fs::metadata(&path).map(|data| data.permissions()).ok();
    replace(&path, &text, true)?;
    if let Some(rights) = rights {
        fs::set_permissions(&path, rights).map_err(Trouble::here)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_persons_own_configuration_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let ssh = folder.path().join(".ssh");
        let ours = folder.path().join("ours");
        include(&ssh, &ours).unwrap();
        let line = format!("Include \"{}\"\n", ours.display());
        assert_eq!(fs::read_to_string(ssh.join("config")).unwrap(), format!("{line}\n"));
        let own = "Host a\n  User b\n\u{3042}\n";
        fs::write(ssh.join("config"), own).unwrap();
        include(&ssh, &ours).unwrap();
        include(&ssh, &ours).unwrap();
        assert_eq!(fs::read_to_string(ssh.join("config")).unwrap(), format!("{line}\n{own}"));
    }

    #[test]
    fn the_name_that_is_typed_is_one_word_for_the_shell() {
        let folder = tempfile::tempdir().unwrap();
        let at = Home::of(Some(folder.path())).unwrap().at("hospital").unwrap();
        let text = written(&at, "sato", Path::new("/opt/sekisho-connect"), &[], None).unwrap();
        let command = text.lines().find_map(|line| line.trim().strip_prefix("ProxyCommand ")).unwrap().to_owned();
        assert!(command.ends_with(if cfg!(windows) { " --target=\"%h\"" } else { " --target='%h'" }), "{command}");
        assert_eq!(command.matches("%h").count(), 1);
    }

    #[test]
    fn a_path_with_a_quote_is_refused() {
        assert!(quoted(Path::new("/a b/c")).is_ok());
        for bad in ["/a\"b", "/a%hb", "/a\nb"] {
            assert!(quoted(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
