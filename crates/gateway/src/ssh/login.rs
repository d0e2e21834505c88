//! The login of one connection: two factors, in order, for one name.
//!
//! INVARIANT: a [`Stage`] carries the value that the step before it gave. [`Stage::Proved`] needs a [`Principal`],
//! which only [`Desk::second_factor`] gives, which consumes the [`HalfPrincipal`], which only [`Desk::first_factor`]
//! gives for a verified proof; or [`Desk::key_window`] or [`Desk::certificate`], where the person proved both factors in the
//! browser before. They are asked after the signature was verified and never for an offer, so that an offer does not tell
//! whether a window is open. An offer of a key or certificate changes no stage. A certificate counts whole or not at all:
//! the key in it is never taken for a registered key.

use super::words;
use crate::keys;
use crate::lobby::Seat;
use russh::keys::{Algorithm, Certificate, PublicKey};
use russh::server::Auth;
use russh::{MethodKind, MethodSet};
use sekisho_core::authorize::Principal;
use sekisho_core::desk::{Arrival, Desk, FirstProof, HalfPrincipal};
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Every failure takes this long, so that its reason cannot be read from the clock.
const FAILURE: Duration = Duration::from_millis(400);
/// Longest password or code that is looked at.
const ANSWER_BYTES: usize = 4 * limits::PASSWORD_CHARS;
/// Longest plan number in a login name.
const PLAN_BYTES: usize = 16;

const ASK_PASSWORD: &str = "パスワード / Password: ";
const READ: &str = "Enterキーを押すと終わります / Press Enter to leave: ";
const ASK_CODE: &str = "ワンタイムコード(6桁) / One-time code: ";

/// What the login name says. Claims: nothing of it is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The worker's login name.
    pub worker: String,
    /// The target's name.
    pub target: String,
    /// The plan's number, if one is named.
    pub plan: Option<String>,
}

impl Claim {
    /// Reads the name that came by a tunnel for `told`: it may say the worker alone, and must not say another target.
    fn read_for(name: &str, told: Option<&str>) -> Option<Self> {
        let Some(told) = told else { return Self::read(name) };
        if name.contains('+') { Self::read(name).filter(|claim| claim.target == told) } else { Self::read(&format!("{name}+{told}")) }
    }

    /// Reads `WORKER+TARGET` or `WORKER+TARGET+PLAN`.
    fn read(name: &str) -> Option<Self> {
        // The plan's number has a form of its own (`2026-0042`), so it is taken off before the names are judged.
        let (names, plan) = match name.match_indices('+').nth(1) {
            Some((at, _)) => (name.get(..at)?, Some(name.get(at + 1..)?)),
            None => (name, None),
        };
        let sound = |plan: &str| (1..=PLAN_BYTES).contains(&plan.len()) && plan.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if !plan.is_none_or(sound) {
            return None;
        }
        let login = sekisho_protocol::login::parse(names).ok()?;
        Some(Self { worker: login.worker, target: login.target, plan: plan.map(str::to_owned) })
    }

    /// `WORKER+TARGET`, as the worker types it.
    pub fn login(&self) -> String {
        format!("{}+{}", self.worker, self.target)
    }
}

enum Stage {
    /// Nothing is proved.
    Stranger,
    /// Nothing is proved; the password was asked for within keyboard-interactive.
    AskedPassword,
    /// The first factor holds.
    Half(HalfPrincipal),
    /// The first factor holds and the code was asked for.
    AskedCode(HalfPrincipal),
    /// A refusal waits until the client asks for keyboard-interactive, the one place where it can be shown.
    Telling(Refusal),
    /// It was shown; the client's answer says that it was read.
    Told,
    /// Both factors hold.
    Proved(Principal),
    /// No more tries.
    Over,
}

/// The client has no more tries, or broke the rules of the login; the connection ends.
///
/// An end that only said that no method is left would leave OpenSSH asking for passwords that nobody looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginEnds;

/// The login of one connection.
pub struct Login {
    desk: Arc<dyn Desk>,
    arrival: Arrival,
    /// The target that the outer door was told. A claim like the name.
    told: Option<String>,
    seat: Seat,
    stage: Stage,
    name: Option<(String, Option<Claim>)>,
    offers: usize,
    tries: usize,
    codes: usize,
}

/// The methods that a stranger may try.
pub fn first_methods() -> MethodSet {
    MethodSet::from(&[MethodKind::PublicKey, MethodKind::KeyboardInteractive, MethodKind::Password][..])
}

impl Login {
    pub fn new(desk: Arc<dyn Desk>, arrival: Arrival, told: Option<String>, seat: Seat) -> Self {
        Self { desk, arrival, told, seat, stage: Stage::Stranger, name: None, offers: 0, tries: 0, codes: 0 }
    }

    /// The proved person with what the login name said; once.
    pub fn take(&mut self) -> Option<(Principal, Claim)> {
        match (std::mem::replace(&mut self.stage, Stage::Over), self.name.take()) {
            (Stage::Proved(principal), Some((_, Some(claim)))) => Some((principal, claim)),
            _ => None,
        }
    }

    /// Binds the connection to the first name that it gives; another one ends it.
    fn claim(&mut self, name: &str) -> Result<Option<Claim>, LoginEnds> {
        match &self.name {
            Some((known, claim)) if known == name => Ok(claim.clone()),
            Some(_) => Err(LoginEnds),
            None => {
                let claim = Claim::read_for(name, self.told.as_deref());
                if claim.is_none() {
                    self.stage = Stage::Telling(Refusal::BadSshLogin);
                }
                self.name = Some((name.to_owned(), claim.clone()));
                Ok(claim)
            }
        }
    }

    /// The client asks which methods there are.
    pub fn none(&mut self, name: &str) -> Result<Auth, LoginEnds> {
        self.claim(name)?;
        Ok(self.reject())
    }

    /// The client asks whether a key is worth a signature. Proves nothing and changes nothing.
    pub async fn offered(&mut self, name: &str, key: &PublicKey, algorithm: &Algorithm) -> Result<Auth, LoginEnds> {
        let claim = self.claim(name)?;
        self.offers += 1;
        if self.offers > limits::KEY_OFFERS {
            return Err(LoginEnds);
        }
        let (Stage::Stranger | Stage::AskedPassword, Some(claim)) = (&self.stage, claim) else { return Ok(self.reject()) };
        let Some(line) = usable(key, algorithm) else { return Ok(self.reject()) };
        let known = self.desk.knows_key(&claim.worker, self.arrival.source, &line).await;
        Ok(if known { Auth::Accept } else { self.reject() })
    }

    /// The client signed with this key and the library verified the signature.
    pub async fn signed(&mut self, name: &str, key: &PublicKey, algorithm: &Algorithm) -> Result<Auth, LoginEnds> {
        let claim = self.claim(name)?;
        let Some(line) = usable(key, algorithm) else { return Ok(self.reject()) };
        if let (Stage::Stranger | Stage::AskedPassword, Some(claim)) = (&self.stage, &claim)
            && let Some(principal) = self.desk.key_window(&claim.worker, &self.arrival, &line, &claim.target).await
        {
            self.seat.proved();
            self.stage = Stage::Proved(principal);
            return Ok(Auth::Accept);
        }
        self.first(claim, FirstProof::VerifiedKey(line)).await
    }

    /// The client asks whether a certificate is worth a signature. The library verified the certificate's own signature.
    pub async fn certificate_offered(&mut self, name: &str, certificate: &Certificate) -> Result<Auth, LoginEnds> {
        let claim = self.claim(name)?;
        self.offers += 1;
        if self.offers > limits::KEY_OFFERS {
            return Err(LoginEnds);
        }
        let (Stage::Stranger | Stage::AskedPassword, Some(claim)) = (&self.stage, claim) else { return Ok(self.reject()) };
        let Ok(line) = certificate.to_openssh() else { return Ok(self.reject()) };
        let known = self.desk.knows_certificate(&claim.worker, &self.arrival, &line).await;
        Ok(if known { Auth::Accept } else { self.reject() })
    }

    /// The client signed with a certificate's key, and the library verified both signatures.
    pub async fn certificate_signed(&mut self, name: &str, certificate: &Certificate) -> Result<Auth, LoginEnds> {
        let claim = self.claim(name)?;
        let (Stage::Stranger | Stage::AskedPassword, Some(claim)) = (&self.stage, claim) else { return Ok(self.reject()) };
        let Ok(line) = certificate.to_openssh() else { return Ok(self.reject()) };
        let failed_at = Instant::now() + FAILURE;
        self.tries += 1;
        match self.desk.certificate(&claim.worker, &self.arrival, &line).await {
            Ok(principal) => {
                self.seat.proved();
                self.stage = Stage::Proved(principal);
                Ok(Auth::Accept)
            }
            // Password and code still stand open, and what is wrong stands in the log.
            Err(_) => {
                if self.tries >= limits::LOGIN_TRIES {
                    self.stage = Stage::Telling(Refusal::SshLoginRefused);
                }
                tokio::time::sleep_until(failed_at).await;
                Ok(self.reject())
            }
        }
    }

    /// The client sent a password.
    pub async fn password(&mut self, name: &str, password: &str) -> Result<Auth, LoginEnds> {
        let claim = self.claim(name)?;
        if password.len() > ANSWER_BYTES {
            return Err(LoginEnds);
        }
        self.first(claim, FirstProof::Password(Secret::new(password))).await
    }

    /// The client begins keyboard-interactive.
    pub fn begin_interactive(&mut self, name: &str) -> Result<Auth, LoginEnds> {
        self.claim(name)?;
        Ok(match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Stranger | Stage::AskedPassword => {
                self.stage = Stage::AskedPassword;
                ask(None, ASK_PASSWORD, false)
            }
            Stage::Half(half) | Stage::AskedCode(half) => self.ask_code(half, None),
            Stage::Telling(refusal) => self.tell(&refusal),
            Stage::Proved(_) | Stage::Told | Stage::Over => return Err(LoginEnds),
        })
    }

    /// The client answers the last question of keyboard-interactive.
    pub async fn answer(&mut self, name: &str, answer: Option<&[u8]>) -> Result<Auth, LoginEnds> {
        let claim = self.claim(name)?;
        let answer = answer.map(|bytes| std::str::from_utf8(bytes).unwrap_or("").trim_end_matches(['\r', '\n']));
        let answer = answer.filter(|text| text.len() <= ANSWER_BYTES).unwrap_or("");
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::AskedPassword => {
                self.stage = Stage::Stranger;
                let judged = self.first(claim, FirstProof::Password(Secret::new(answer))).await?;
                // Within the same exchange the next question, or the reason, can be given at once.
                Ok(match std::mem::replace(&mut self.stage, Stage::Over) {
                    Stage::Half(half) => self.ask_code(half, None),
                    Stage::Telling(refusal) => self.tell(&refusal),
                    other => {
                        self.stage = other;
                        judged
                    }
                })
            }
            Stage::AskedCode(half) => Ok(self.second(half, Secret::new(answer.trim())).await),
            Stage::Told | Stage::Over => Err(LoginEnds),
            other => {
                self.stage = other;
                Ok(self.reject())
            }
        }
    }

    async fn first(&mut self, claim: Option<Claim>, proof: FirstProof) -> Result<Auth, LoginEnds> {
        let (Stage::Stranger | Stage::AskedPassword, Some(claim)) = (&self.stage, claim) else { return Ok(self.reject()) };
        let failed_at = Instant::now() + FAILURE;
        self.tries += 1;
        match self.desk.first_factor(&claim.worker, &self.arrival, proof).await {
            Ok(half) => {
                self.seat.proved();
                self.stage = Stage::Half(half);
                Ok(Auth::Reject { proceed_with_methods: Some(self.methods()), partial_success: true })
            }
            Err(refusal) => {
                self.stage = match refusal {
                    Refusal::LoginFailed if self.tries < limits::LOGIN_TRIES => Stage::Stranger,
                    other => Stage::Telling(other),
                };
                tokio::time::sleep_until(failed_at).await;
                Ok(self.reject())
            }
        }
    }

    async fn second(&mut self, half: HalfPrincipal, code: Secret) -> Auth {
        let failed_at = Instant::now() + FAILURE;
        self.codes += 1;
        match self.desk.second_factor(half, code).await {
            Ok(principal) => {
                self.stage = Stage::Proved(principal);
                Auth::Accept
            }
            Err((half, refusal)) => {
                tokio::time::sleep_until(failed_at).await;
                match half.filter(|_| self.codes < limits::CODE_TRIES) {
                    Some(half) => self.ask_code(half, Some(&refusal)),
                    None => self.tell(&refusal),
                }
            }
        }
    }

    fn ask_code(&mut self, half: HalfPrincipal, refusal: Option<&Refusal>) -> Auth {
        self.stage = Stage::AskedCode(half);
        // Seen on the screen, a code is of no use a minute later; typed blind it is often wrong.
        ask(refusal, ASK_CODE, true)
    }

    /// Shows a refusal and waits until it was read; then the connection ends.
    fn tell(&mut self, refusal: &Refusal) -> Auth {
        self.stage = Stage::Told;
        ask(Some(refusal), READ, true)
    }

    fn methods(&self) -> MethodSet {
        match self.stage {
            Stage::Stranger | Stage::AskedPassword => first_methods(),
            Stage::Half(_) | Stage::AskedCode(_) | Stage::Telling(_) => MethodSet::from(&[MethodKind::KeyboardInteractive][..]),
            Stage::Proved(_) | Stage::Told | Stage::Over => MethodSet::empty(),
        }
    }

    fn reject(&self) -> Auth {
        Auth::Reject { proceed_with_methods: Some(self.methods()), partial_success: false }
    }
}

/// The key as the desk knows it, unless its kind, its size or its signature's hash is too weak.
fn usable(key: &PublicKey, algorithm: &Algorithm) -> Option<String> {
    let sha1 = matches!(algorithm, Algorithm::Rsa { hash: None } | Algorithm::Dsa);
    if sha1 || !keys::is_acceptable(key) { None } else { keys::line_of(key) }
}

/// Asks for one answer, after a refusal if there is one.
///
/// OpenSSH writes every letter of the instructions that is not ASCII as an octal number, and prompts as they are. So the
/// Japanese words stand in the prompt and the English ones in the instructions; other clients show both.
fn ask(refusal: Option<&Refusal>, prompt: &'static str, echo: bool) -> Auth {
    let (instructions, prompt) = match refusal {
        Some(refusal) => (words::refusal_ascii(refusal), Cow::Owned(format!("{}{prompt}", words::refusal_ja(refusal)))),
        None => (String::new(), Cow::Borrowed(prompt)),
    };
    Auth::Partial { name: Cow::Borrowed(""), instructions: Cow::Owned(instructions), prompts: Cow::Owned(vec![(prompt, echo)]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_name_has_two_or_three_parts() {
        let read = |name: &str| Claim::read(name).map(|claim| (claim.worker, claim.target, claim.plan));
        let some = |a: &str, b: &str, c: Option<&str>| Some((a.to_owned(), b.to_owned(), c.map(str::to_owned)));
        assert_eq!(read("sato+ehr-db01"), some("sato", "ehr-db01", None));
        assert_eq!(read("sato+ehr-db01+2026-0042"), some("sato", "ehr-db01", Some("2026-0042")));
        for bad in ["sato", "sato+", "+ehr", "sato+ehr+", "sato+ehr+x", "sato+ehr+1+2", "sato ehr", "root"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_tunnel_names_the_target_of_a_login_that_names_none() {
        let read = |name: &str| Claim::read_for(name, Some("ehr-db01")).map(|claim| (claim.worker, claim.target, claim.plan));
        let ehr = |plan: Option<&str>| Some(("sato".to_owned(), "ehr-db01".to_owned(), plan.map(str::to_owned)));
        assert_eq!(read("sato"), ehr(None));
        assert_eq!(read("sato+ehr-db01+2026-0042"), ehr(Some("2026-0042")));
        for bad in ["sato+pacs01", "sato+", "", "sato ehr"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(Claim::read_for("sato", Some("a+b")), None);
    }
}
