//! Recovery codes: ten, on paper, for the day on which telephone and key are gone. Each works once, beside the password,
//! in the browser. Their hashes lie sealed together, so that reading the database gives nothing to guess at.

use super::factors::{Attempt, PersonRecord};
use super::failures::unlock;
use super::own_factors::NoticeKind;
use super::web::{NewLogin, Origin, WebLogin};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::held::recovery_row;
use crate::secrets::{Place, Sealed, random_bytes};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::factors::{FactorKind, Proof, allowed};
use sekisho_core::ids::PersonId;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Via};
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use zeroize::Zeroizing;

/// Letters that people do not take for each other (Crockford's base32).
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of one code: 50 bits, behind a password, a lock-out and a seal.
const CHARS: usize = 10;

/// The codes of a person, as they are kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    salt: String,
    codes: Vec<KeptCode>,
    /// The log's line that told of them when this was written. A row that says less than the log knows was put back.
    #[serde(default)]
    seq: u64,
}

#[derive(Serialize, Deserialize)]
struct KeptCode {
    hash: String,
    used_at: Option<Timestamp>,
}

/// The codes of a person and when they were made.
pub(super) struct Codes {
    pub made_at: Timestamp,
    kept: Kept,
}

impl Codes {
    /// How many have not been used.
    pub fn left(&self) -> usize {
        self.kept.codes.iter().filter(|code| code.used_at.is_none()).count()
    }

    /// The codes without the one that was typed; `None` if it is none of those that are left.
    fn spend(mut self, typed: &str, now: Timestamp) -> Option<Self> {
        let wanted = hash(&self.kept.salt, &spelled(typed)?);
        let code = self.kept.codes.iter_mut().find(|code| code.used_at.is_none() && code.hash == wanted)?;
        code.used_at = Some(now);
        Some(self)
    }
}

fn hash(salt: &str, code: &str) -> String {
    Digest::of(format!("{salt}:{code}").as_bytes()).to_string()
}

/// One spelling for what a person typed: wide letters, small ones, spaces and hyphens, `O` for nought and `l` for one.
fn spelled(typed: &str) -> Option<Zeroizing<String>> {
    spelled_as(typed, CHARS)
}

/// The same for a text of so many letters.
pub(crate) fn spelled_as(typed: &str, chars: usize) -> Option<Zeroizing<String>> {
    let mut code = Zeroizing::new(String::with_capacity(chars));
    for letter in typed.chars().take(chars * 4) {
        // Full-width forms stand at a fixed distance from ASCII.
        let letter = char::from_u32(u32::from(letter)).map_or(letter, |letter| match letter {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0).unwrap_or(letter),
            other => other,
        });
        match letter.to_ascii_uppercase() {
            ' ' | '\u{3000}' | '-' | '‐' | 'ー' | '−' => {}
            'O' => code.push('0'),
            'I' | 'L' => code.push('1'),
            upper if upper.is_ascii() && LETTERS.contains(&(upper as u8)) => code.push(upper),
            _ => return None,
        }
    }
    (code.len() == chars).then_some(code)
}

fn draw() -> Result<Zeroizing<String>, Fault> {
    draw_letters(CHARS)
}

/// So many letters of the operating system's chance, five bits each; at most 32.
pub(crate) fn draw_letters(chars: usize) -> Result<Zeroizing<String>, Fault> {
    let bytes = Zeroizing::new(random_bytes::<32>()?);
    let mut code = Zeroizing::new(String::with_capacity(chars));
    for byte in bytes.iter().take(chars) {
        code.push(char::from(LETTERS.get(usize::from(byte & 31)).copied().unwrap_or(b'0')));
    }
    Ok(code)
}

fn place_of(person: &PersonId, made_at: Timestamp) -> String {
    serde_json::json!([person, made_at.0]).to_string()
}

impl Store {
    /// Makes ten new codes, which are shown this once. The old ones end.
    ///
    /// # Errors
    /// Without a fresh strong factor; [`Refusal::FactorRequired`] if the roles accept no recovery codes.
    pub async fn make_recovery_codes(&self, login: &WebLogin) -> Done<Vec<Secret>> {
        self.require_step_up(login, Action::KeepOwnLogin)?;
        let person = &login.person;
        let kinds = allowed(&self.policy().factors, &person.roles);
        if !kinds.contains(&FactorKind::Recovery) {
            let kinds = kinds.into_iter().map(FactorKind::as_str).collect::<Vec<_>>().join(", ");
            return Err(Refusal::FactorRequired { kinds }.into());
        }
        let salt = hex::encode(random_bytes::<16>()?);
        let mut shown = Vec::new();
        let mut codes = Vec::new();
        for _ in 0..limits::RECOVERY_CODES {
            let code = draw()?;
            codes.push(KeptCode { hash: hash(&salt, &code), used_at: None });
            let (first, second) = code.split_at(CHARS / 2);
            shown.push(Secret::new(format!("{first}-{second}")));
        }
        let mut tx = self.write(&login.actor).await?;
        let made_at = tx.now();
        self.put_recovery(&mut tx, &person.id, &mut Codes { made_at, kept: Kept { salt, codes, seq: 0 } }).await?;
        self.notice(&mut tx, &person.id, NoticeKind::RecoveryMade, "").await?;
        tx.fact(Fact::RecoveryMade { person: person.id.clone() });
        tx.commit().await?;
        Ok(shown)
    }

    /// Writes the codes of a person. The next fact of the change must be the one that tells of them.
    async fn put_recovery(&self, tx: &mut Tx, person: &PersonId, codes: &mut Codes) -> Result<(), Fault> {
        codes.kept.seq = tx.next_seq();
        let place = place_of(person, codes.made_at);
        let body = self.inner.keys.seal(Place { table: "recovery_codes", row: &place, column: "body" }, &serde_json::to_vec(&codes.kept)?)?;
        let text = "INSERT INTO recovery_codes (person, made_at, body) VALUES ($1, $2, $3) ON CONFLICT (person) DO UPDATE SET made_at = excluded.made_at, body = excluded.body";
        sqlx::query(text).bind(person.as_str().to_owned()).bind(codes.made_at.0).bind(body.into_bytes()).execute(tx.sql()).await?;
        Ok(())
    }

    pub(super) async fn recovery_of(&self, person: &PersonId) -> Result<Option<Codes>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT made_at, body FROM recovery_codes WHERE person = $1").bind(person.as_str().to_owned()).fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok(None) };
        let made_at = Timestamp(row.try_get("made_at")?);
        let place = place_of(person, made_at);
        let plain = self.inner.keys.unseal(Place { table: "recovery_codes", row: &place, column: "body" }, &Sealed::from_bytes(row.try_get("body")?))?;
        let kept: Kept = serde_json::from_slice(&plain)?;
        if self.is_older(&recovery_row(person), kept.seq, since) {
            return Err(Fault::Damaged(format!("the recovery codes of {person} were put back to an older state by somebody else")));
        }
        Ok(Some(Codes { made_at, kept }))
    }

    /// Names to each set of codes the log's line that told of it last, on a box where they did not bear it.
    pub(super) async fn number_recovery(&self, tx: &mut Tx) -> Result<(), Fault> {
        for row in sqlx::query("SELECT person, made_at, body FROM recovery_codes").fetch_all(tx.sql()).await? {
            let person: String = row.try_get("person")?;
            let person = PersonId::parse(&person).ok_or_else(|| Fault::Damaged(format!("{person:?} is no identifier of a person")))?;
            let place = place_of(&person, Timestamp(row.try_get("made_at")?));
            let place = Place { table: "recovery_codes", row: &place, column: "body" };
            let mut kept: Kept = serde_json::from_slice(&self.inner.keys.unseal(place, &Sealed::from_bytes(row.try_get("body")?))?)?;
            kept.seq = self.inner.log.last_told(&recovery_row(&person)).unwrap_or(0);
            let body = self.inner.keys.seal(place, &serde_json::to_vec(&kept)?)?;
            sqlx::query("UPDATE recovery_codes SET body = $1 WHERE person = $2").bind(body.into_bytes()).bind(person.as_str().to_owned()).execute(tx.sql()).await?;
        }
        Ok(())
    }

    /// Begins a login of a browser with password and recovery code. It reaches no act that asks for a fresh factor, but
    /// for some minutes a new authenticator app or passkey can be set up in it.
    ///
    /// # Errors
    /// One refusal for every failure; [`Refusal::FactorRequired`]; or that name or source must wait.
    pub async fn log_in_with_recovery(&self, login: &str, password: Secret, code: Secret, origin: impl Into<Origin>) -> Done<NewLogin> {
        let origin = origin.into();
        let source = origin.source;
        let attempt = Attempt { login, source, via: Via::Web, stage: "recovery" };
        let _turn = self.turn(login).await;
        self.may_try(&attempt).await?;
        let record = self.record_of(login).await?;
        let codes = match &record {
            Some(record) => self.recovery_of(&record.person.id).await?.and_then(|codes| codes.spend(code.expose(), self.now())),
            None => None,
        };
        // A directory is asked only by who has a code; of a password here both factors are looked at before anything is told.
        let record = match codes {
            None if record.as_ref().is_some_and(PersonRecord::is_of_directory) => {
                self.password_fits(None, &password).await?;
                None
            }
            _ => self.password_holds(&attempt, record, &password).await?,
        };
        let Some(record) = record.filter(|record| record.may_log_in(self.now())) else { return Err(self.failed(&attempt).await) };
        let Some(mut codes) = codes else { return Err(self.failed(&attempt).await) };
        self.may_use(&attempt, &record, FactorKind::Recovery).await?;
        let proof = record.proof(Proof::PasswordRecovery);
        let person = record.person;
        let mut tx = self.write(&Actor::of(&person, Via::Web, Some(source.to_string()))).await?;
        // It is this name's turn, so nobody else takes the same code between reading and writing.
        self.put_recovery(&mut tx, &person.id, &mut codes).await?;
        unlock(tx.sql(), login).await?;
        let left = codes.left();
        self.notice(&mut tx, &person.id, NoticeKind::RecoveryUsed, &left.to_string()).await?;
        tx.fact(Fact::RecoveryUsed { person: person.id.clone(), left });
        self.begin_login(tx, person, proof, origin, Via::Web).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = "0A1BC-DEFGH";
        for typed in ["0A1BCDEFGH", "0a1bc-defgh", " oalbc defgh ", "０Ａ１ＢＣ－ＤＥＦＧＨ", "OAIBC DEFGH"] {
            assert_eq!(spelled(typed).as_deref().map(String::as_str), Some("0A1BCDEFGH"), "{typed}");
        }
        assert!(spelled(code).is_some());
        for typed in ["", "0A1BC", "0A1BC-DEFGHJ", "0A1BC-DEFG!", "あいうえおかきくけこ"] {
            assert!(spelled(typed).is_none(), "{typed}");
        }
    }

    #[test]
    fn codes_are_drawn_from_all_letters() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            seen.extend(draw().unwrap().chars());
        }
        assert_eq!(seen.len(), LETTERS.len());
    }
}
