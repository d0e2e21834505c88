//! Where a device keeps what it holds: one folder for each hospital, readable by the person alone.

use crate::clock::Now;
use crate::trouble::Trouble;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::time::{Clock, Timestamp};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest file of ours that is read.
const FILE_BYTES: u64 = 64 * 1024;
/// Longest short name of a hospital, as Sekisho allows it.
const NAME_CHARS: usize = 32;
/// Hospitals of one short name that a device holds at most; a number stands behind the name of all but the first.
const NUMBERS: usize = 99;

/// What is known of an enrolment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Form of this file.
    pub version: u32,
    /// `HOST:PORT`.
    pub server: String,
    /// Identifier of the device.
    pub device: String,
    /// Its name in the register.
    pub device_name: String,
    /// The facility's name.
    pub facility: String,
    /// First moment of the certificate.
    pub from: Timestamp,
    /// Its last.
    pub until: Timestamp,
}

/// The device's key and certificates. Wiped when dropped.
pub struct Identity {
    /// PKCS #8.
    pub key: Zeroizing<Vec<u8>>,
    /// DER, the device's own first.
    pub chain: Vec<Vec<u8>>,
}

/// The form of the identity's file: one file, so that key and certificate change together.
#[derive(Serialize, Deserialize)]
struct Kept {
    profile: Profile,
    key: String,
    chain: Vec<String>,
}

/// All enrolments of this person.
pub struct Home(PathBuf);

/// One of them.
pub struct Registration {
    /// The hospital's short name.
    pub name: String,
    folder: PathBuf,
}

impl Home {
    /// The folder given, or the person's own.
    pub fn of(dir: Option<&Path>) -> Result<Self, Trouble> {
        if let Some(dir) = dir {
            return Ok(Self(dir.to_owned()));
        }
        let own = std::env::home_dir().ok_or_else(|| Trouble::here("no home folder"))?;
        let place = if cfg!(windows) { own.join("AppData").join("Roaming") } else { own.join(".config") };
        Ok(Self(place.join("sekisho-connect")))
    }

    /// The registration of this name, which need not exist yet.
    pub fn at(&self, name: &str) -> Result<Registration, Trouble> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let sound = (1..=NAME_CHARS).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-');
        if sound { Ok(Registration { name: name.to_owned(), folder: self.0.join(name) }) } else { Err(Trouble::NameForm) }
    }

    fn all(&self) -> Vec<Registration> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut found: Vec<_> = names.filter_map(|name| self.at(&name).ok()).filter(|at| at.folder.join("identity.json").is_file()).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// Where a registration at this authority is kept that was given no name: under the hospital's own short name, or with
    /// a number behind it if that name leads to another hospital. The server chooses the short name, so it takes no place
    /// from anybody.
    pub fn place_for(&self, short: &str, authority: &[u8]) -> Result<Registration, Trouble> {
        let first = self.at(short)?;
        if !first.is_of_another(authority) {
            return Ok(first);
        }
        for number in 2..=NUMBERS {
            let behind = format!("-{number}");
            let stem: String = short.chars().take(NAME_CHARS - behind.len()).collect();
            let at = self.at(&format!("{stem}{behind}"))?;
            if !at.is_of_another(authority) {
                return Ok(at);
            }
        }
        Err(Trouble::NameTaken { name: short.to_owned() })
    }

    /// The registration that is named, or the only one.
    pub fn find(&self, name: Option<&str>) -> Result<Registration, Trouble> {
        let mut all = self.all();
        if let Some(name) = name {
            return all.into_iter().find(|at| at.name == name).ok_or(Trouble::NotEnrolled);
        }
        match all.len() {
            0 => Err(Trouble::NotEnrolled),
            1 => all.pop().ok_or(Trouble::NotEnrolled),
            _ => Err(Trouble::Which { names: all.iter().map(|at| at.name.as_str()).collect::<Vec<_>>().join(", ") }),
        }
    }

    /// What this device holds, in words.
    pub fn status(&self) -> Result<String, Trouble> {
        let all = self.all();
        if all.is_empty() {
            return Err(Trouble::NotEnrolled);
        }
        let now = Now.now();
        let mut text = String::new();
        for at in all {
            let (profile, _) = at.read()?;
            let state = if now >= profile.until {
                "期限切れ / ended"
            } else if profile.is_due(now) {
                "有効(次の接続で更新されます) / in force, renewed at the next connection"
            } else {
                "有効 / in force"
            };
            text.push_str(&format!(
                "{}\n  病院 / hospital: {}\n  関所 / server: {}\n  端末 / device: {} ({})\n  期限 / until: {}\n  状態 / state: {state}\n",
                at.name,
                profile.facility,
                profile.server,
                profile.device_name,
                profile.device,
                profile.until.minute(),
            ));
        }
        Ok(text.trim_end().to_owned())
    }
}

impl Profile {
    /// True from the middle of the certificate's life on: a machine that is used once a quarter must not lapse.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let half = (self.until.0 - self.from.0) / 2;
        now.0 >= self.from.0.saturating_add(half)
    }
}

impl Registration {
    /// A file of this registration.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What is kept.
    pub fn read(&self) -> Result<(Profile, Identity), Trouble> {
        let bytes = Zeroizing::new(read(&self.file("identity.json"))?);
        let kept: Kept = serde_json::from_slice(&bytes).map_err(Trouble::here)?;
        let key = Zeroizing::new(STANDARD.decode(Zeroizing::new(kept.key).as_bytes()).map_err(Trouble::here)?);
        let chain = kept.chain.iter().map(|der| STANDARD.decode(der)).collect::<Result<_, _>>().map_err(Trouble::here)?;
        Ok((kept.profile, Identity { key, chain }))
    }

    /// True if a device of another server than the one of this authority is registered here. What cannot be read is
    /// another's, too: it is not overwritten.
    pub fn is_of_another(&self, authority: &[u8]) -> bool {
        let held = self.file("identity.json").symlink_metadata().is_ok();
        held && self.authority().map_or(true, |kept| kept != authority)
    }

    /// Keeps key, certificate and profile, in the place of what was there.
    pub fn keep(&self, profile: &Profile, identity: &Identity) -> Result<(), Trouble> {
        let kept = Kept { profile: profile.clone(), key: STANDARD.encode(identity.key.as_slice()), chain: identity.chain.iter().map(|der| STANDARD.encode(der)).collect() };
        let bytes = Zeroizing::new(serde_json::to_vec_pretty(&kept).map_err(Trouble::here)?);
        let _key = Zeroizing::new(kept.key);
        self.write("identity.json", &bytes)
    }

    /// Keeps a file, whole or not at all, readable by the person alone.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
        make_folder(&self.folder)?;
        replace(&self.file(name), bytes, true)
    }

    /// The server's own authority, as it was when the device enrolled.
    pub fn authority(&self) -> Result<Vec<u8>, Trouble> {
        read(&self.file("server.der"))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    use std::io::Read as _;
    let named = |error: std::io::Error| Trouble::here(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(FILE_BYTES).read_to_end(&mut bytes)).map_err(named)?;
    Ok(bytes)
}

fn make_folder(path: &Path) -> Result<(), Trouble> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| Trouble::here(format!("{}: {error}", path.display())))
}

/// Writes a file beside its place and moves it there, so that nobody ever reads half of it.
pub fn replace(path: &Path, bytes: &[u8], private: bool) -> Result<(), Trouble> {
    let named = |error: std::io::Error| Trouble::here(format!("{}: {error}", path.display()));
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".new-{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let _ = fs::remove_file(&beside);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if private { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = private;
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&beside, path));
    moved.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(from: i64, until: i64) -> Profile {
        Profile { version: 1, server: "a.test:443".into(), device: "dev-7777777777777777".into(), device_name: "PC".into(), facility: "病院".into(), from: Timestamp(from), until: Timestamp(until) }
    }

    #[test]
    fn what_was_kept_is_read_again_and_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::of(Some(folder.path())).unwrap();
        assert!(matches!(home.find(None), Err(Trouble::NotEnrolled)));
        let at = home.at("hospital").unwrap();
        at.keep(&profile(0, 100), &Identity { key: Zeroizing::new(vec![1, 2, 3]), chain: vec![vec![4], vec![5, 6]] }).unwrap();
        let (kept, identity) = home.find(None).unwrap().read().unwrap();
        assert_eq!((kept, identity.key.to_vec(), identity.chain), (profile(0, 100), vec![1, 2, 3], vec![vec![4], vec![5, 6]]));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(at.file("identity.json")).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(&at.folder).unwrap().permissions().mode() & 0o777, 0o700);
        }
        home.at("clinic").unwrap().keep(&profile(0, 100), &Identity { key: Zeroizing::default(), chain: Vec::new() }).unwrap();
        assert!(matches!(home.find(None), Err(Trouble::Which { names }) if names == "clinic, hospital"));
    }

    #[test]
    fn a_hospital_takes_no_place_from_another_of_the_same_name() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::of(Some(folder.path())).unwrap();
        let enrol = |name: &str, authority: &[u8]| {
            let at = home.place_for(name, authority).unwrap();
            at.write("server.der", authority).unwrap();
            at.keep(&profile(0, 100), &Identity { key: Zeroizing::new(authority.to_vec()), chain: Vec::new() }).unwrap();
            at.name
        };
        assert_eq!(enrol("hospital", b"one"), "hospital");
        assert_eq!(enrol("hospital", b"other"), "hospital-2");
        assert_eq!(enrol("hospital", b"one"), "hospital", "the same hospital once more");
        assert_eq!(enrol("hospital", b"other"), "hospital-2");
        let long = "a".repeat(NAME_CHARS);
        assert_eq!((enrol(&long, b"one").len(), enrol(&long, b"other").len()), (NAME_CHARS, NAME_CHARS));
        let (_, identity) = home.at("hospital").unwrap().read().unwrap();
        assert_eq!((identity.key.to_vec(), home.at("hospital").unwrap().authority().unwrap()), (b"one".to_vec(), b"one".to_vec()));
        fs::remove_file(home.at("hospital").unwrap().file("server.der")).unwrap();
        assert!(home.at("hospital").unwrap().is_of_another(b"one"), "what cannot be read is left alone");
    }

    #[test]
    fn a_name_is_no_path() {
        let home = Home::of(Some(Path::new("x"))).unwrap();
        for bad in ["", "..", "a/b", "A", "-a", "a b", "a.b"] {
            assert!(home.at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_certificate_is_renewed_from_the_middle_of_its_life_on() {
        assert!(!profile(1000, 2000).is_due(Timestamp(1499)));
        assert!(profile(1000, 2000).is_due(Timestamp(1500)));
    }
}
