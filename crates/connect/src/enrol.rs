//! Enrolment: a key made here, a code in exchange for a certificate over it.

use crate::EnrolArgs;
use crate::home::{Home, Identity, Profile, Registration};
use crate::line::ask_for_certificate;
use crate::tls::{self, Server};
use crate::trouble::Trouble;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use sekisho_core::porter::{ALPN_ENROL, Issued, TypedCode};
use std::io::{BufRead as _, Write as _};
use zeroize::Zeroizing;

/// Longest line that is read as a code.
const LINE: u64 = 200;

/// A key that was made here, and a request that proves it.
pub struct Made {
    pub key: Zeroizing<Vec<u8>>,
    pub request: Vec<u8>,
}

/// Makes a key. It never leaves this machine.
pub fn make_key() -> Result<Made, Trouble> {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Trouble::here)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(Trouble::here)?;
    // What the certificate says is the server's affair.
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&pair).map_err(Trouble::here)?.der().to_vec();
    Ok(Made { key: Zeroizing::new(pair.serialize_der()), request })
}

/// What is kept of an answer.
pub fn kept(issued: &Issued, server: &str, key: Zeroizing<Vec<u8>>) -> Result<(Profile, Identity), Trouble> {
    let chain: Vec<Vec<u8>> = issued.chain.iter().map(|der| STANDARD.decode(der)).collect::<Result<_, _>>().map_err(Trouble::broken)?;
    let profile = Profile {
        version: 1,
        server: server.to_owned(),
        device: issued.device.to_string(),
        device_name: issued.device_name.clone(),
        facility: issued.facility.clone(),
        from: issued.from,
        until: issued.until,
    };
    Ok((profile, Identity { key, chain }))
}

/// Writes the gateway's host keys as ssh reads them.
pub fn keep_host_keys(at: &Registration, issued: &Issued) -> Result<(), Trouble> {
    let sound = |line: &&String| line.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !line.is_empty();
    let lines: String = issued.ssh_host_keys.iter().filter(sound).map(|line| format!("{} {line}\n", crate::ssh_config::alias(&at.name))).collect();
    at.write("known_hosts", lines.as_bytes())
}

/// Enrols this device.
pub async fn run(args: &EnrolArgs) -> Result<String, Trouble> {
    let server = Server::parse(&args.server)?;
    let home = Home::of(args.at.dir.as_deref())?;
    // A name that cannot be is refused before the code is used up.
    let named = args.at.name.as_deref().map(|name| home.at(name)).transpose()?;
    let code = match &args.code {
        Some(code) => code.clone(),
        None => typed()?,
    };
    let code = TypedCode::parse(&code).ok_or(Trouble::CodeForm)?;
    let made = make_key()?;
    let (config, known) = tls::enrolling(&code, ALPN_ENROL)?;
    let stream = tls::connect(&server, config).await?;
    // The handshake has ended, so the server is the one of the code; before it, nothing of the code was said.
    let authority = known.authority().ok_or(Trouble::OtherServer)?;
    // The same for a name that leads to another hospital on this device already.
    if let Some(at) = named.as_ref().filter(|at| at.is_of_another(&authority)) {
        return Err(Trouble::NameTaken { name: at.name.clone() });
    }
    let issued = ask_for_certificate(stream, Some(&code.ticket), &made.request).await?;
    let at = match named {
        Some(at) => at,
        None => home.place_for(&issued.facility_id, &authority)?,
    };
    let (profile, identity) = kept(&issued, server.as_str(), made.key)?;
    at.write("server.der", &authority)?;
    keep_host_keys(&at, &issued)?;
    at.keep(&profile, &identity)?;
    Ok(format!(
        "{}{} の端末「{}」として登録しました。証明書は {} まで有効で、使っていれば自動で更新されます。\n次に「sekisho-connect ssh-config --worker ログイン名」を実行すると、「ssh 接続先の名前.{}」で接続できます。\n\
         Enrolled as the device \"{}\" of {}. The certificate holds until {} and renews itself in use.\nNext: sekisho-connect ssh-config --worker LOGIN, then: ssh TARGET.{}",
        renamed(&issued.facility_id, &at.name),
        profile.facility,
        profile.device_name,
        profile.until.minute(),
        at.name,
        profile.device_name,
        profile.facility,
        profile.until.minute(),
        at.name,
    ))
}

/// What is said where a hospital has the short name of another one: whoever types the old name goes to the old hospital.
fn renamed(short: &str, kept: &str) -> String {
    if short == kept || !kept.starts_with(&format!("{short}-")) {
        return String::new();
    }
    format!(
        "注意: この病院の短い名前「{short}」は、この端末では別の病院の登録に使われています。この登録は「{kept}」として保存し、前の登録はそのまま残しました。相手が正しいか、病院に確かめてください。\n\
         Note: the short name \"{short}\" stands for another hospital on this device. This registration is kept as \"{kept}\", and the earlier one stays as it was. Make sure with the hospital that it is the right one.\n\n"
    )
}

fn typed() -> Result<String, Trouble> {
    use std::io::Read as _;
    eprint!("登録コード / Enrolment code: ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    std::io::stdin().lock().take(LINE).read_line(&mut line).map_err(Trouble::here)?;
    Ok(line.trim().to_owned())
}
