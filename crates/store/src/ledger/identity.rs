//! 本人確認台帳: who made sure of whose identity, how and with what, before lost factors were replaced.

use super::LEDGER_ROWS;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::secrets::{Place, Sealed, random_id};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::identity::{IdentityCheck, IdentityClaim, ProofFile};
use sekisho_core::ids::IdentityCheckId;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_line;
use sekisho_core::refusal::Refusal;
use sekisho_evidence::Digest;
use sqlx::Row;
use sqlx::any::AnyRow;

/// What whoever resets a person's factors says and attaches.
#[derive(Clone, Debug)]
pub struct ResetAsk {
    /// How the identity was checked.
    pub claim: IdentityClaim,
    /// The proof: its name, and its bytes.
    pub proof: Option<(String, Vec<u8>)>,
    /// The link is handed over by whoever resets, although mail is set up and an address known.
    pub by_hand: bool,
}

impl ResetAsk {
    /// The form of everything that was said.
    ///
    /// # Errors
    /// [`Refusal::BadField`], [`Refusal::ReasonNeeded`], [`Refusal::TooLarge`].
    pub(super) fn check(&self) -> Result<Option<ProofFile>, Refusal> {
        self.claim.check()?;
        let Some((name, bytes)) = &self.proof else {
            return if self.claim.method.needs_file() { Err(Refusal::bad_field("proof")) } else { Ok(None) };
        };
        // A browser of some systems sends a whole path; only what stands last is a name.
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
        check_line("proof", name)?;
        if name.is_empty() || name == "." || name == ".." || bytes.is_empty() {
            return Err(Refusal::bad_field("proof"));
        }
        if bytes.len() > limits::IDENTITY_PROOF_BYTES {
            return Err(Refusal::TooLarge);
        }
        Ok(Some(ProofFile { name: name.to_owned(), bytes: bytes.len() as u64, sha256: Digest::of(bytes).to_string() }))
    }
}

fn bound(id: &str, body: &str) -> String {
    serde_json::json!([id, body]).to_string()
}

impl Store {
    /// Writes a line into the ledger as part of a reset. Its digest stands in the log, so that a line cannot be changed or
    /// taken away unseen.
    pub(super) async fn note_identity(&self, tx: &mut Tx, actor: &Actor, person: &Person, ask: ResetAsk, proof: Option<ProofFile>) -> Result<(), Fault> {
        let id: IdentityCheckId = random_id()?;
        let check = IdentityCheck {
            id: id.clone(),
            person: person.id.clone(),
            person_name: person.name.clone(),
            person_login: person.login.clone(),
            by: actor.person.clone(),
            by_name: actor.name.clone(),
            at: tx.now(),
            claim: ask.claim,
            proof,
        };
        let body = serde_json::to_string(&check)?;
        let seal = self.inner.keys.seal(Place { table: "identity_checks", row: &bound(id.as_str(), &body), column: "seal" }, b"")?;
        let proof = ask.proof.map(|(_, bytes)| self.inner.keys.seal(Place { table: "identity_checks", row: id.as_str(), column: "proof" }, &bytes)).transpose()?;
        sqlx::query("INSERT INTO identity_checks (id, person, at, body, seal, proof) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(id.as_str().to_owned())
            .bind(person.id.as_str().to_owned())
            .bind(check.at.0)
            .bind(body.clone())
            .bind(seal.into_bytes())
            .bind(proof.map(Sealed::into_bytes))
            .execute(tx.sql())
            .await?;
        tx.fact(Fact::IdentityChecked {
            check: id,
            person: person.id.clone(),
            method: check.claim.method,
            digest: Digest::of(body.as_bytes()).to_string(),
            proof: check.proof.map(|proof| proof.sha256),
        });
        Ok(())
    }

    /// The ledger of identity checks, newest first.
    ///
    /// # Errors
    /// Without the right to read it; a fault for a line that was written by somebody else.
    pub async fn identity_checks(&self, actor: &Actor) -> Done<Vec<IdentityCheck>> {
        may(actor, Action::ReadIdentityChecks, None)?;
        let rows = sqlx::query("SELECT id, body, seal FROM identity_checks ORDER BY at DESC, id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        Ok(rows.iter().map(|row| self.identity_line(row)).collect::<Result<_, _>>()?)
    }

    fn identity_line(&self, row: &AnyRow) -> Result<IdentityCheck, Fault> {
        let (id, body): (String, String) = (row.try_get("id")?, row.try_get("body")?);
        let seal = Sealed::from_bytes(row.try_get("seal")?);
        self.inner.keys.unseal(Place { table: "identity_checks", row: &bound(&id, &body), column: "seal" }, &seal)?;
        Ok(serde_json::from_str(&body)?)
    }

    /// The attached proof of one line. Each reading is a fact.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`].
    pub async fn identity_proof(&self, actor: &Actor, id: &IdentityCheckId) -> Done<(ProofFile, Vec<u8>)> {
        self.require(actor, Action::ReadIdentityChecks, None, "identity_proof").await?;
        let row = sqlx::query("SELECT id, body, seal, proof FROM identity_checks WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(self.read()).await?.ok_or(Refusal::NotFound)?;
        let check = self.identity_line(&row)?;
        let (Some(file), Some(sealed)) = (check.proof, row.try_get::<Option<Vec<u8>>, _>("proof")?) else { return Err(Refusal::NotFound.into()) };
        let plain = self.inner.keys.unseal(Place { table: "identity_checks", row: id.as_str(), column: "proof" }, &Sealed::from_bytes(sealed))?;
        if Digest::of(&plain).to_string() != file.sha256 {
            return Err(Fault::Damaged(format!("the proof of {id} is not the one that its line names")).into());
        }
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::IdentityProofRead { check: id.clone(), person: check.person });
        tx.commit().await?;
        Ok((file, plain.to_vec()))
    }
}
