//! A security key in software, which does what it is told: also what a real one would never do.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use sekisho_evidence::Digest;
use sekisho_store::PasskeyQuestion;
use serde_json::{Value, json};

pub const ORIGIN: &str = "https://gateway.example:8443";
const SITE: &str = "gateway.example";

/// One credential and its counter.
#[derive(Clone)]
pub struct Authenticator {
    key: SigningKey,
    id: Vec<u8>,
    handle: Vec<u8>,
    pub counter: u32,
    /// Whether it says that it verified its holder.
    pub verifies: bool,
    /// The page that the browser says it was on.
    pub origin: String,
    /// The relying party that the answer is for.
    pub site: String,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn bytes(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

impl Authenticator {
    pub fn new(seed: u8) -> Self {
        Self { key: SigningKey::from_slice(&[seed; 32]).unwrap(), id: vec![seed; 32], handle: Vec::new(), counter: 0, verifies: true, origin: ORIGIN.into(), site: SITE.into() }
    }

    fn client(&self, kind: &str, question: &PasskeyQuestion) -> Vec<u8> {
        json!({ "type": kind, "challenge": text(&question.options["challenge"]), "origin": self.origin, "crossOrigin": false }).to_string().into_bytes()
    }

    fn data(&mut self, flags: u8) -> Vec<u8> {
        self.counter += 1;
        let mut data = Digest::of(self.site.as_bytes()).as_bytes().to_vec();
        data.push(flags | 0x01 | if self.verifies { 0x04 } else { 0 });
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// Becomes a passkey of the person that the question names.
    pub fn make(&mut self, question: &PasskeyQuestion) -> String {
        self.handle = bytes(&question.options["user"]["id"]);
        let client = self.client("webauthn.create", question);
        let mut data = self.data(0x40);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        let point = self.key.verifying_key().to_sec1_point(false);
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point.as_bytes()[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point.as_bytes()[33..65]);
        let mut object = vec![0xa3, 0x63];
        object.extend(b"fmt\x64none\x67attStmt\xa0\x68authData\x58");
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        let id = URL_SAFE_NO_PAD.encode(&self.id);
        let response = json!({ "attestationObject": URL_SAFE_NO_PAD.encode(object), "clientDataJSON": URL_SAFE_NO_PAD.encode(client) });
        json!({ "ceremony": question.ceremony, "credential": { "id": id, "rawId": id, "type": "public-key", "response": response } }).to_string()
    }

    /// Proves its holder.
    pub fn prove(&mut self, question: &PasskeyQuestion) -> String {
        let client = self.client("webauthn.get", question);
        let data = self.data(0);
        let signed = [data.as_slice(), Digest::of(&client).as_bytes().as_slice()].concat();
        let signature: Signature = self.key.sign(&signed);
        let id = URL_SAFE_NO_PAD.encode(&self.id);
        let response = json!({
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            "signature": URL_SAFE_NO_PAD.encode(signature.to_der().as_bytes()),
            "userHandle": URL_SAFE_NO_PAD.encode(&self.handle),
        });
        json!({ "ceremony": question.ceremony, "credential": { "id": id, "rawId": id, "type": "public-key", "response": response } }).to_string()
    }
}
