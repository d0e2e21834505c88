//! The ssh configuration: a file of our own, and one line in the person's file that reads it.

use crate::SshConfigArgs;
use crate::home::{Home, Registration, replace};
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

/// Writes or prints the configuration.
pub fn run(args: &SshConfigArgs, before: &[&str]) -> Result<String, Trouble> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if args.worker.is_empty() || args.worker.len() > sekisho_core::limits::LOGIN_NAME_CHARS || !args.worker.bytes().all(plain) {
        return Err(Trouble::NameForm);
    }
    let at = Home::of(args.at.dir.as_deref())?.find(args.at.name.as_deref())?;
    let program = std::env::current_exe().map_err(Trouble::here)?;
    let own_dir = args.at.dir.as_deref().map(|dir| std::path::absolute(dir).map_err(Trouble::here)).transpose()?;
    let text = written(&at, &args.worker, &program, before, own_dir.as_deref())?;
    if args.print {
        return Ok(text);
    }
    at.write("ssh_config", text.as_bytes())?;
    let home = std::env::home_dir().ok_or_else(|| Trouble::here("no home folder"))?;
    let ours = std::path::absolute(at.file("ssh_config")).map_err(Trouble::here)?;
    include(&home.join(".ssh"), &ours)?;
    Ok(format!("ssh の設定を書きました。「ssh 接続先の名前.{0}」で接続できます。\nThe ssh configuration is written. Connect by: ssh TARGET.{0}", at.name))
}

fn written(at: &Registration, worker: &str, program: &Path, before: &[&str], dir: Option<&Path>) -> Result<String, Trouble> {
    let known = std::path::absolute(at.file("known_hosts")).map_err(Trouble::here)?;
    let mut command = format!("{}{}", command_quoted(program)?, before.iter().map(|word| format!(" {word}")).collect::<String>());
    command.push_str(&format!(" open --name {}", at.name));
    if let Some(dir) = dir {
        command.push_str(&format!(" --dir {}", command_quoted(dir)?));
    }
    Ok(format!(
        "# sekisho ssh-config が書いたファイルです。実行するたびに書き直されます。 / Written anew by each run of ssh-config.\n\
         Host *.{name}\n    User {worker}\n    ProxyCommand {command} --target={host}\n    HostKeyAlias {alias}\n    UserKnownHostsFile {known}\n    \
         StrictHostKeyChecking yes\n    UpdateHostKeys no\n    ForwardAgent no\n    ForwardX11 no\n    ServerAliveInterval 30\n",
        name = at.name,
        host = HOST,
        alias = alias(&at.name),
        known = quoted(&known)?,
    ))
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
fn command_quoted(path: &Path) -> Result<String, Trouble> {
    let word = quoted(path)?;
    let read_by_shells = if cfg!(windows) { word.contains(['%', '!']) } else { word.contains(['$', '`', '\\']) };
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
        let command = text.lines().find_map(|line| line.trim().strip_prefix("ProxyCommand ")).unwrap();
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
