//! A real OpenLDAP server on the loopback interface, with certificates of its own authority: the hospital's directory in the
//! tests. It has the attributes of Active Directory that say whether an account is closed.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Password of the service account.
pub const SERVICE: &str = "service-himitsu";
/// Where accounts are.
pub const BASE: &str = "ou=staff,dc=aoba,dc=example";
/// The service account.
pub const BIND: &str = "cn=sekisho,dc=aoba,dc=example";
/// The group of operators.
pub const OPERATORS: &str = "cn=operators,ou=groups,dc=aoba,dc=example";
/// The group of planners.
pub const PLANNERS: &str = "cn=planners,ou=groups,dc=aoba,dc=example";

const MANAGER: &str = "cn=manager,dc=aoba,dc=example";

/// A running server. It ends with the value.
pub struct Slapd {
    folder: tempfile::TempDir,
    pub ldaps: u16,
    pub ldap: u16,
    running: Option<Child>,
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An authority and a certificate for `localhost` signed by it.
pub struct Authority {
    pub ca: String,
    pub chain: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(rcgen::DnType::CommonName, "青葉病院 CA");
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let leaf = KeyPair::generate().unwrap();
        let chain = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap().signed_by(&leaf, &issuer).unwrap().pem();
        Self { ca, chain, key: leaf.serialize_pem() }
    }
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn program(name: &str) -> PathBuf {
    ["/usr/sbin", "/usr/bin", "/usr/lib/openldap"].into_iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists()).unwrap_or_else(|| panic!("{name} is installed (cargo xtask setup)"))
}

/// One person of the hospital.
fn person(uid: &str, name: &str, password: &str, more: &str) -> String {
    format!(
        "dn: uid={uid},{BASE}\nobjectClass: inetOrgPerson\nobjectClass: extensibleObject\nuid: {uid}\ncn: {uid}\nsn: {uid}\ndisplayName:: {}\nuserPassword: {password}\n{more}\n",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, name)
    )
}

impl Slapd {
    /// Starts one with the staff of a hospital: `suzuki`, `tanaka`, `kato` (two entries), `yasumi` (disabled), `kigen` (expired),
    /// `tomari` (locked). Everybody's password is `ninja-` and their name.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("sekisho-slapd").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let authority = Authority::new();
        for (name, text) in [("ca.pem", &authority.ca), ("chain.pem", &authority.chain), ("key.pem", &authority.key), ("other-ca.pem", &Authority::new().ca), ("secret", &SERVICE.to_owned())] {
            fs::write(at(name), text).unwrap();
        }
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(at("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(at("db")).unwrap();
        let schemas: String = ["core", "cosine", "inetorgperson"].into_iter().map(|name| format!("include /etc/ldap/schema/{name}.schema\n")).collect();
        let config = format!(
            "{schemas}\
            attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )\n\
            attributetype ( 1.2.840.113556.1.4.159 NAME 'accountExpires' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )\n\
            attributetype ( 1.2.840.113556.1.4.1460 NAME 'msDS-User-Account-Control-Computed' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )\n\
            modulepath /usr/lib/ldap\nmoduleload back_mdb\n\
            pidfile {dir}/pid\n\
            TLSCACertificateFile {dir}/ca.pem\nTLSCertificateFile {dir}/chain.pem\nTLSCertificateKeyFile {dir}/key.pem\n\
            security simple_bind=128\nlocalSSF 256\n\
            database mdb\nsuffix \"dc=aoba,dc=example\"\nrootdn \"{MANAGER}\"\nrootpw manager-himitsu\ndirectory {dir}/db\nmaxsize 16777216\n\
            access to attrs=userPassword by anonymous auth by * none\naccess to * by dn.exact=\"{BIND}\" read by * none\n",
            dir = folder.path().display()
        );
        fs::write(at("slapd.conf"), config).unwrap();
        let mut ldif = format!(
            "dn: dc=aoba,dc=example\nobjectClass: dcObject\nobjectClass: organization\no: aoba\ndc: aoba\n\n\
            dn: {BIND}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: sekisho\nuserPassword: {SERVICE}\n\n\
            dn: {BASE}\nobjectClass: organizationalUnit\nou: staff\n\ndn: ou=more,{BASE}\nobjectClass: organizationalUnit\nou: more\n\ndn: ou=groups,dc=aoba,dc=example\nobjectClass: organizationalUnit\nou: groups\n\n"
        );
        for (uid, name, more) in [
            ("suzuki", "鈴木 花子", "userAccountControl: 512\naccountExpires: 9223372036854775807\n"),
            ("tanaka", "田中 一郎", ""),
            ("kato", "加藤", ""),
            ("yasumi", "休み", "userAccountControl: 514\n"),
            ("kigen", "期限", "accountExpires: 132223104000000000\n"),
            ("tomari", "止まり", "msDS-User-Account-Control-Computed: 16\n"),
        ] {
            ldif.push_str(&person(uid, name, &format!("ninja-{uid}"), more));
        }
        ldif.push_str(&person("kato", "加藤 二", "ninja-kato", "").replace(&format!("uid=kato,{BASE}"), &format!("uid=kato,ou=more,{BASE}")));
        ldif.push_str(&format!("dn: {OPERATORS}\nobjectClass: groupOfNames\ncn: operators\nmember: uid=suzuki,{BASE}\nmember: uid=tanaka,{BASE}\n\n"));
        ldif.push_str(&format!("dn: {PLANNERS}\nobjectClass: groupOfNames\ncn: planners\nmember: uid=suzuki,{BASE}\n\n"));
        fs::write(at("staff.ldif"), ldif).unwrap();
        let filled = Command::new(program("slapadd")).arg("-f").arg(at("slapd.conf")).arg("-l").arg(at("staff.ldif")).output().unwrap();
        assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));
        let mut server = Self { folder, ldaps: free(), ldap: free(), running: None };
        server.resume();
        server
    }

    /// A file of the server: `ca.pem`, `other-ca.pem`, `secret`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Ends the server; its data stay.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }

    /// Starts it again.
    pub fn resume(&mut self) {
        let urls = format!("ldaps://127.0.0.1:{} ldap://127.0.0.1:{} {}", self.ldaps, self.ldap, self.manager_url());
        // With -d it stays in the foreground and ends with its parent's hand on it.
        let running = Command::new(program("slapd")).arg("-f").arg(self.file("slapd.conf")).args(["-h", &urls, "-d", "0"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.running = Some(running);
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.ldaps)).is_err() || TcpStream::connect(("127.0.0.1", self.ldap)).is_err() {
            assert!(since.elapsed() < Duration::from_secs(60), "slapd does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Changes entries, as the hospital's IT staff do.
    pub fn modify(&self, ldif: &str) {
        self.manage("ldapmodify", ldif);
    }

    /// Removes an entry.
    pub fn delete(&self, dn: &str) {
        self.manage("ldapmodify", &format!("dn: {dn}\nchangetype: delete\n"));
    }

    /// Adds an account with the name of one that is gone.
    pub fn add(&self, uid: &str, password: &str) {
        self.manage("ldapadd", &person(uid, uid, password, ""));
    }

    /// Where the hospital's IT staff work: on the server itself.
    fn manager_url(&self) -> String {
        format!("ldapi://{}", self.file("manager").display().to_string().replace('/', "%2F"))
    }

    fn manage(&self, with: &str, ldif: &str) {
        let mut child = Command::new(program(with)).args(["-x", "-H", &self.manager_url(), "-D", MANAGER, "-w", "manager-himitsu"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
