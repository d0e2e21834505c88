//! Against the authority that everybody has: OpenSSL stamps, and OpenSSL checks what our own authority stamps.

use sekisho_timestamp::{Anchors, Breach, EKU_CONTENT, LOCAL_NAME, LOCAL_POLICY, Query, Signer, answer, open, policy_of};
use std::path::Path;
use std::process::Command;

const CONFIG: &str = "[tsa]\ndefault_tsa=one\n[one]\nserial=serial\ndefault_policy=1.2.3.4.1\nother_policies=1.2.3.4.2\ndigests=sha256,sha512\naccuracy=secs:1,millisecs:500\n\
    clock_precision_digits=3\nordering=yes\ntsa_name=yes\ness_cert_id_chain=no\nsigner_digest=sha256\n\
    [stamp]\nextendedKeyUsage=critical,timeStamping\nbasicConstraints=CA:false\n[also]\nextendedKeyUsage=critical,timeStamping,serverAuth\n[lax]\nextendedKeyUsage=timeStamping\n";

fn openssl(dir: &Path, args: &str) -> bool {
    let done = Command::new("openssl").args(args.split(' ')).current_dir(dir).output().unwrap();
    if !done.status.success() {
        println!("openssl {args}: {}", String::from_utf8_lossy(&done.stderr));
    }
    done.status.success()
}

/// An authority above (`ca.pem`), and a certificate and key that stamp (`tsa.pem`, `tsa.key`).
fn authority(key: &str, section: &str, days: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::write(dir.join("tsa.cnf"), CONFIG).unwrap();
    std::fs::write(dir.join("serial"), "01\n").unwrap();
    assert!(openssl(dir, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=Root -days 30"));
    assert!(openssl(dir, &format!("req -newkey {key} -nodes -keyout tsa.key -out tsa.csr -subj /CN=Time")));
    assert!(openssl(dir, &format!("x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} -extfile tsa.cnf -extensions {section} -out tsa.pem")));
    folder
}

fn stamped(dir: &Path, query: &Query) -> Vec<u8> {
    std::fs::write(dir.join("q"), query.to_der().unwrap()).unwrap();
    assert!(openssl(dir, "ts -reply -queryfile q -config tsa.cnf -signer tsa.pem -inkey tsa.key -chain ca.pem -out r"));
    std::fs::read(dir.join("r")).unwrap()
}

fn anchors(dir: &Path) -> Anchors {
    Anchors::from_pem(&std::fs::read(dir.join("ca.pem")).unwrap()).unwrap()
}

const NOTE: &[u8] = b"sekisho/kita\n7\nroot\n\n- signed\n";

#[test]
fn a_stamp_of_openssl_is_taken_and_answers_one_question_alone() {
    for key in ["rsa:2048", "rsa:3072", "ec -pkeyopt ec_paramgen_curve:P-256", "ec -pkeyopt ec_paramgen_curve:P-384"] {
        let folder = authority(key, "stamp", "5");
        let dir = folder.path();
        let query = Query::new(NOTE, [7; 16], policy_of("1.2.3.4.2")).unwrap();
        let reply = stamped(dir, &query);
        let believed = anchors(dir);
        let token = open(&reply, &query, &believed).unwrap();
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
        assert!((now - token.at_ms).abs() < 60_000 && token.accuracy_ms == 1500 && token.policy == "1.2.3.4.2" && !token.local, "{key}: {token:?}");
        assert_eq!(token.authority, "CN=Time");
        assert!(open(&reply, &Query::again(NOTE), &believed).is_ok(), "later nobody knows the nonce");
        assert_eq!(open(&reply, &Query::again(b"other"), &believed), Err(Breach::Imprint));
        assert_eq!(open(&reply, &Query::new(NOTE, [8; 16], None).unwrap(), &believed), Err(Breach::Nonce));
        assert!(matches!(open(&reply, &Query::new(NOTE, [7; 16], policy_of("1.2.3.4.3")).unwrap(), &believed), Err(Breach::Policy(_))));
        let other = authority("rsa:2048", "stamp", "5");
        // Of the same name, with another key: the chain is tried and does not hold.
        assert!(open(&reply, &query, &anchors(other.path())).is_err());
        for at in 0..reply.len() {
            let mut wrong = reply.clone();
            wrong[at] ^= 0x21;
            if let Ok(changed) = open(&wrong, &query, &believed) {
                assert_eq!((changed.at_ms, changed.authority.as_str()), (token.at_ms, "CN=Time"), "byte {at} changes nothing that counts");
            }
            assert!(open(&reply[..at], &query, &believed).is_err());
        }
    }
    assert!(matches!(open(&vec![0x30; 70_000], &Query::again(NOTE), &anchors(authority("rsa:2048", "stamp", "5").path())), Err(Breach::TooLarge)));
}

#[test]
fn certificates_that_are_for_more_or_have_ended_stamp_nothing() {
    // OpenSSL itself refuses to stamp by some of them, so the reply is made by a sound one and the certificate exchanged where it must.
    let ended = authority("rsa:2048", "stamp", "1");
    let query = Query::new(NOTE, [7; 16], None).unwrap();
    let reply = stamped(ended.path(), &query);
    assert!(open(&reply, &query, &anchors(ended.path())).is_ok());
    for section in ["also", "lax"] {
        let wrong = authority("rsa:2048", section, "5");
        let dir = wrong.path();
        std::fs::write(dir.join("q"), query.to_der().unwrap()).unwrap();
        if openssl(dir, "ts -reply -queryfile q -config tsa.cnf -signer tsa.pem -inkey tsa.key -out r") {
            let found = open(&std::fs::read(dir.join("r")).unwrap(), &query, &anchors(dir));
            assert!(matches!(found, Err(Breach::Certificate(_))), "{section}: {found:?}");
        }
    }
    // An authority that says no.
    std::fs::write(ended.path().join("q"), Query::new(NOTE, [7; 16], policy_of("1.9.9.9")).unwrap().to_der().unwrap()).unwrap();
    assert!(openssl(ended.path(), "ts -reply -queryfile q -config tsa.cnf -signer tsa.pem -inkey tsa.key -out r"));
    let refused = open(&std::fs::read(ended.path().join("r")).unwrap(), &query, &anchors(ended.path()));
    assert!(matches!(refused, Err(Breach::Refused(2, _))), "{refused:?}");
}

struct Own(rcgen::KeyPair, Vec<u8>);

impl Signer for Own {
    fn certificate(&self) -> &[u8] {
        &self.1
    }

    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        rcgen::SigningKey::sign(&self.0, bytes).map_err(|fault| fault.to_string())
    }
}

/// An authority of a box's own, whose certificate began some seconds after 1970 and ends after so many.
fn own(until: i64) -> Own {
    let pair = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("{LOCAL_NAME} aoba"));
    params.not_before = rcgen::date_time_ymd(1971, 1, 1);
    params.not_after = rcgen::date_time_ymd(i32::try_from(1970 + until).unwrap(), 1, 1);
    let mut usage = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 37], EKU_CONTENT.to_vec());
    usage.set_criticality(true);
    params.custom_extensions = vec![usage];
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let certificate = params.self_signed(&pair).unwrap();
    Own(pair, certificate.der().to_vec())
}

#[test]
fn openssl_takes_a_stamp_of_our_own_authority_and_we_call_it_local() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let signer = own(80);
    let query = Query::new(NOTE, [7; 16], None).unwrap();
    let reply = answer(&Query::from_der(&query.to_der().unwrap()).unwrap(), &signer, 1_795_363_751_250, [9; 16]).unwrap();
    let believed = Anchors::from_der(&signer.1).unwrap();
    let token = open(&reply, &query, &believed).unwrap();
    assert_eq!((token.at_ms, token.local, token.policy.as_str()), (1_795_363_751_250, true, LOCAL_POLICY));

    std::fs::write(dir.join("reply"), &reply).unwrap();
    std::fs::write(dir.join("note"), NOTE).unwrap();
    std::fs::write(dir.join("q"), query.to_der().unwrap()).unwrap();
    std::fs::write(dir.join("ca.der"), &signer.1).unwrap();
    assert!(openssl(dir, "x509 -inform der -in ca.der -out ca.pem"));
    assert!(openssl(dir, "ts -verify -data note -in reply -CAfile ca.pem"));
    assert!(openssl(dir, "ts -verify -queryfile q -in reply -CAfile ca.pem"));
    std::fs::write(dir.join("note"), b"other").unwrap();
    assert!(!openssl(dir, "ts -verify -data note -in reply -CAfile ca.pem"));

    // A certificate that has ended stamps nothing.
    let old = own(30);
    let reply = answer(&query, &old, 1_795_363_751_250, [9; 16]).unwrap();
    assert_eq!(open(&reply, &query, &Anchors::from_der(&old.1).unwrap()), Err(Breach::Expired));
    let other = answer(&query, &own(80), 1_795_363_751_250, [9; 16]).unwrap();
    assert_eq!(open(&other, &query, &believed), Err(Breach::Unknown), "another box's authority has another key");
}
