//! What the machine must have, and how Debian and Ubuntu get it.

use crate::shell;
use anyhow::{Result, bail};
use std::fs;
use std::path::Path;

/// What a package is needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// To compile.
    Build,
    /// To run `cargo xtask demo`.
    Demo,
    /// To run `cargo xtask test`.
    Test,
}

/// One thing that must be there: how to see it, and the package that brings it.
struct Need {
    group: Group,
    seen: fn() -> bool,
    package: fn() -> &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        group: Group::Build,
        seen: || shell::find("cc").is_some(),
        package: || "build-essential",
    },
    Need {
        group: Group::Build,
        seen: || shell::find("make").is_some(),
        package: || "build-essential",
    },
    Need {
        group: Group::Build,
        seen: || shell::find("mold").is_some(),
        package: || "mold",
    },
    Need {
        group: Group::Build,
        seen: || shell::find("pkg-config").is_some(),
        package: || "pkg-config",
    },
    Need {
        group: Group::Build,
        seen: || shell::find("patch").is_some() || shell::find("git").is_some(),
        package: || "patch",
    },
    Need {
        group: Group::Demo,
        seen: || shell::find("sshd").is_some(),
        package: || "openssh-server",
    },
    Need {
        group: Group::Demo,
        seen: sftp_server,
        package: || "openssh-sftp-server",
    },
    Need {
        group: Group::Demo,
        seen: || {
            ["ssh", "sftp", "scp", "ssh-keygen"]
                .iter()
                .all(|name| shell::find(name).is_some())
        },
        package: || "openssh-client",
    },
    Need {
        group: Group::Test,
        seen: browser,
        package: browser_package,
    },
    Need {
        group: Group::Test,
        seen: || shell::find("rsync").is_some(),
        package: || "rsync",
    },
    Need {
        group: Group::Test,
        seen: || shell::find("git").is_some(),
        package: || "git",
    },
    Need {
        group: Group::Test,
        seen: || shell::find("sshfs").is_some() && shell::find("fusermount3").is_some(),
        package: || "sshfs",
    },
    Need {
        group: Group::Test,
        seen: || {
            ["plink", "psftp", "pscp", "puttygen"]
                .iter()
                .all(|name| shell::find(name).is_some())
        },
        package: || "putty-tools",
    },
    Need {
        group: Group::Test,
        seen: || shell::find("testssl").is_some() || shell::find("testssl.sh").is_some(),
        package: || "testssl.sh",
    },
    Need {
        group: Group::Test,
        seen: || shell::find("faketime").is_some(),
        package: || "faketime",
    },
    Need {
        group: Group::Test,
        seen: || shell::find("softhsm2-util").is_some(),
        package: || "softhsm2",
    },
    Need {
        group: Group::Test,
        seen: python,
        package: || "python3-venv",
    },
    Need {
        group: Group::Test,
        seen: japanese_font,
        package: || "fonts-noto-cjk",
    },
    Need {
        group: Group::Test,
        seen: || Path::new("/usr/sbin/slapd").exists() || shell::find("slapd").is_some(),
        package: || "slapd",
    },
    Need {
        group: Group::Test,
        seen: || shell::find("ldapmodify").is_some(),
        package: || "ldap-utils",
    },
    Need {
        group: Group::Test,
        seen: || Path::new("/usr/sbin/rsyslogd").exists(),
        package: || "rsyslog",
    },
    Need {
        group: Group::Test,
        seen: rsyslog_tls,
        package: || "rsyslog-openssl",
    },
    Need {
        group: Group::Test,
        seen: || shell::find("age").is_some() && shell::find("age-keygen").is_some(),
        package: || "age",
    },
    Need {
        group: Group::Test,
        seen: postgresql,
        package: || "postgresql",
    },
];

fn sftp_server() -> bool {
    [
        "/usr/lib/openssh/sftp-server",
        "/usr/libexec/openssh/sftp-server",
        "/usr/lib/ssh/sftp-server",
    ]
    .iter()
    .any(|path| Path::new(path).is_file())
}

fn browser() -> bool {
    [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ]
    .iter()
    .any(|name| shell::find(name).is_some())
}

fn browser_package() -> &'static str {
    // Ubuntu has no package of the name chromium.
    if fs::read_to_string("/etc/os-release")
        .unwrap_or_default()
        .contains("ID=ubuntu")
    {
        "chromium-browser"
    } else {
        "chromium"
    }
}

fn python() -> bool {
    // Debian's interpreter comes without the part that makes an environment of its own.
    let modules = std::process::Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    modules.is_ok_and(|status| status.success())
}

fn japanese_font() -> bool {
    let listed = std::process::Command::new("fc-list")
        .arg(":lang=ja")
        .output();
    listed.is_ok_and(|out| !out.stdout.is_empty())
}

fn rsyslog_tls() -> bool {
    // Its folder lies below that of the machine's kind.
    fs::read_dir("/usr/lib").is_ok_and(|kinds| {
        kinds
            .flatten()
            .any(|kind| kind.path().join("rsyslog/lmnsd_ossl.so").is_file())
    })
}

fn postgresql() -> bool {
    if shell::find("initdb").is_some() && shell::find("postgres").is_some() {
        return true;
    }
    // Debian keeps the server's programs in a folder of their own for each version.
    fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| {
        versions
            .flatten()
            .any(|version| version.path().join("bin/initdb").is_file())
    })
}

/// Installs what is missing as root or by sudo without a password; otherwise says the exact command.
pub fn ensure(root: &Path, groups: &[Group]) -> Result<()> {
    node(root)?;
    let mut missing: Vec<&str> = NEEDS
        .iter()
        .filter(|need| groups.contains(&need.group) && !(need.seen)())
        .map(|need| (need.package)())
        .collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!(
        "this machine lacks {}; run:\n\n    sudo apt-get update && sudo apt-get install --no-install-recommends -y {}\n",
        missing.join(", "),
        missing.join(" ")
    );
    if shell::find("apt-get").is_none() {
        bail!(
            "{by_hand}\n(or what your distribution calls these packages: only Debian and Ubuntu are known here)"
        );
    }
    let prefix: &[&str] = if is_root() {
        &[]
    } else if may_sudo() {
        &["sudo", "-n"]
    } else {
        bail!("{by_hand}");
    };
    eprintln!("xtask: installing {}", missing.join(", "));
    let update = ["apt-get", "update"];
    let mut install = vec!["apt-get", "install", "--no-install-recommends", "-y"];
    install.extend(&missing);
    for words in [&update[..], &install[..]] {
        let words: Vec<&str> = prefix
            .iter()
            .chain(["env", "DEBIAN_FRONTEND=noninteractive"].iter())
            .chain(words)
            .copied()
            .collect();
        if let [program, rest @ ..] = words.as_slice()
            && shell::run(shell::command(program, root).args(rest)).is_err()
        {
            bail!("{by_hand}");
        }
    }
    match NEEDS
        .iter()
        .find(|need| groups.contains(&need.group) && !(need.seen)())
    {
        Some(need) => bail!(
            "{} is installed, but what it should bring is not to be found",
            (need.package)()
        ),
        None => Ok(()),
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

fn may_sudo() -> bool {
    let quiet = std::process::Stdio::null;
    std::process::Command::new("sudo")
        .args(["-n", "true"])
        .stdout(quiet())
        .stderr(quiet())
        .status()
        .is_ok_and(|status| status.success())
}

/// The oldest Node.js whose syntax and `node:test` the browser modules' build uses.
const NODE: u32 = 18;

fn node(root: &Path) -> Result<()> {
    let how = "Node.js 18 or newer with npm is needed: `sudo apt-get install nodejs npm` on Debian 12 and Ubuntu \
               24.04, or https://nodejs.org/en/download for older systems";
    if shell::find("node").is_none() || shell::find("npm").is_none() {
        bail!("{how}");
    }
    let version = shell::read(shell::command("node", root).arg("--version"))?;
    match major(&version) {
        Some(major) if major >= NODE => Ok(()),
        _ => bail!("{how} (here is {})", version.trim()),
    }
}

fn major(version: &str) -> Option<u32> {
    version
        .trim()
        .strip_prefix('v')?
        .split('.')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_node_prints() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v8.1.0"), Some(8));
        assert_eq!(major("twenty"), None);
    }
}
