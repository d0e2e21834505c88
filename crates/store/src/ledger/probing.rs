//! Looking at targets on a person's wish: does this account open it, and which host keys does it show. No session comes
//! about, nothing is run, and every look is a fact.

use super::targets::{fingerprints, place_of};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::secrets::Sealed;
use crate::ssh_ca::Purpose;
use sekisho_core::desk::Dialled;
use sekisho_core::facts::Fact;
use sekisho_core::ids::AccountId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::probe::{Probe, TestAsk, Tested};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::target::{Account, CredentialKind, Target, check_host};
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The time in which tests are counted.
const SPAN: Duration = Duration::from_secs(600);

/// The latest test of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountTest {
    /// Which account.
    pub account: AccountId,
    /// When.
    pub at: Timestamp,
    /// Login name of whoever asked.
    pub by: String,
    /// Fingerprint of the key that signed the test's certificate; empty for stored credentials.
    pub authority: String,
    /// What was seen; `None` while it runs, or if the box was stopped meanwhile.
    pub tested: Option<Tested>,
}

fn read(row: &AnyRow) -> Result<AccountTest, Fault> {
    let account: &str = row.try_get("account")?;
    let body: &str = row.try_get("body")?;
    Ok(AccountTest {
        account: AccountId::parse(account).ok_or_else(|| Fault::Damaged(format!("{account} is no account")))?,
        at: Timestamp(row.try_get("at")?),
        by: row.try_get("tester")?,
        authority: row.try_get("authority")?,
        tested: if body.is_empty() { None } else { Some(serde_json::from_str(body)?) },
    })
}

impl Store {
    /// Dials the account's target, compares the host key, logs in, and ends. A host key that is not pinned raises the
    /// alarm, as in a session.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NotFound`]; [`Refusal::TargetNotReady`] without a pinned host key;
    /// [`Refusal::TestedTooOften`].
    pub async fn test_account(&self, actor: &Actor, id: &AccountId, probe: Arc<dyn Probe>) -> Done<AccountTest> {
        self.require(actor, Action::KeepLedger, None, "test_account").await?;
        let mut tx = self.write(actor).await?;
        let account = self.load_account(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let target = self.load_target(tx.sql(), &account.target).await?.ok_or(Refusal::NotFound)?;
        if target.host_keys.is_empty() {
            return Err(Refusal::TargetNotReady.into());
        }
        let now = tx.now();
        let recent = sqlx::query("SELECT at FROM account_tests WHERE account = $1 AND at > $2 ORDER BY at DESC")
            .bind(id.as_str().to_owned())
            .bind(now.minus(SPAN).0)
            .fetch_all(tx.sql())
            .await?;
        if recent.len() >= limits::ACCOUNT_TESTS {
            return Err(Refusal::TestedTooOften.into());
        }
        // Two tests in one millisecond are two rows all the same.
        let last: Option<i64> = recent.first().map(|row| row.try_get("at")).transpose()?;
        let at = Timestamp(now.0.max(last.unwrap_or(i64::MIN).saturating_add(1)));
        sqlx::query("DELETE FROM account_tests WHERE account = $1 AND at <= $2").bind(id.as_str().to_owned()).bind(now.minus(SPAN).0).execute(tx.sql()).await?;
        tx.fact(Fact::TestAsked { target: target.id.clone(), account: id.clone(), username: account.username.clone() });
        let (credential, authority) = match account.credential {
            CredentialKind::Certificate => {
                let minted = self.mint(&mut tx, &account, &actor.login, &Purpose::Test)?;
                (minted.credential, minted.authority)
            }
            CredentialKind::Password | CredentialKind::PrivateKey => (self.credential(tx.sql(), &account).await?, String::new()),
        };
        sqlx::query("INSERT INTO account_tests (account, at, tester, authority, body) VALUES ($1, $2, $3, $4, '')")
            .bind(id.as_str().to_owned())
            .bind(at.0)
            .bind(actor.login.clone())
            .bind(authority.clone())
            .execute(tx.sql())
            .await?;
        tx.commit().await?;
        let ask = TestAsk { host: target.host.clone(), port: target.port, host_keys: target.host_keys.clone(), username: account.username.clone(), credential };
        // A task of its own: whoever asked may go away, and what was begun is written to its end all the same.
        let (store, by) = (self.clone(), actor.clone());
        let running = tokio::spawn(async move { store.run_test(&by, &account, &target, at, ask, probe).await });
        let tested = running.await.map_err(|lost| Fault::Crypto(format!("a test was lost: {lost}")))??;
        Ok(AccountTest { account: id.clone(), at, by: actor.login.clone(), authority, tested: Some(tested) })
    }

    async fn run_test(&self, actor: &Actor, account: &Account, target: &Target, at: Timestamp, ask: TestAsk, probe: Arc<dyn Probe>) -> Result<Tested, Fault> {
        let tested = probe.test(ask).await;
        let mut tx = self.write(actor).await?;
        sqlx::query("UPDATE account_tests SET body = $1 WHERE account = $2 AND at = $3")
            .bind(serde_json::to_string(&tested)?)
            .bind(account.id.as_str().to_owned())
            .bind(at.0)
            .execute(tx.sql())
            .await?;
        if let Dialled::HostKeyChanged { seen } = &tested.outcome {
            self.alarm_target(&mut tx, &target.id, None, seen).await?;
        }
        tx.fact(Fact::TestEnded { target: target.id.clone(), account: account.id.clone(), username: account.username.clone(), outcome: tested.outcome.clone() });
        tx.commit().await?;
        Ok(tested)
    }

    /// The latest test of each account.
    ///
    /// # Errors
    /// Without the right to read the ledger.
    pub async fn account_tests(&self, actor: &Actor) -> Done<BTreeMap<AccountId, AccountTest>> {
        may(actor, Action::ReadLedger, None)?;
        let text = "SELECT account, at, tester, authority, body FROM account_tests t \
            WHERE at = (SELECT MAX(at) FROM account_tests WHERE account = t.account)";
        let rows = sqlx::query(text).fetch_all(self.read()).await?;
        let read = |row: &AnyRow| read(row).map(|test| (test.account.clone(), test));
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The host keys that an address shows, one OpenSSH line each, as an administrator sees them before pinning.
    ///
    /// # Errors
    /// The rule that forbids it; a malformed address; [`Refusal::TestedTooOften`]; [`Refusal::TargetUnreachable`].
    pub async fn see_host_keys(&self, actor: &Actor, host: &str, port: u16, probe: Arc<dyn Probe>) -> Done<Vec<String>> {
        self.require(actor, Action::KeepLedger, None, "see_host_keys").await?;
        check_host(host)?;
        if port == 0 {
            return Err(Refusal::bad_field("port").into());
        }
        let since = self.now().minus(SPAN).0;
        let most = limits::HOST_KEY_SCANS as i64;
        let rows = sqlx::query("SELECT at FROM log WHERE kind = 'host_keys_seen' ORDER BY seq DESC LIMIT $1").bind(most).fetch_all(self.read()).await?;
        let oldest: Option<i64> = rows.last().map(|row| row.try_get("at")).transpose()?;
        if rows.len() >= limits::HOST_KEY_SCANS && oldest.is_some_and(|at| at > since) {
            return Err(Refusal::TestedTooOften.into());
        }
        let seen = probe.host_keys(host, port).await;
        let lines = seen.as_deref().unwrap_or_default();
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::HostKeysSeen { address: format!("{host}:{port}"), host_keys: fingerprints(lines) });
        tx.commit().await?;
        Ok(seen.map_err(|_| Refusal::TargetUnreachable)?)
    }

    /// The public half of a stored private key, for the target's `authorized_keys`. `None` for other credentials.
    ///
    /// # Errors
    /// Without the right to keep the ledger; [`Refusal::NotFound`].
    pub async fn account_public_line(&self, actor: &Actor, id: &AccountId, probe: &dyn Probe) -> Done<Option<String>> {
        may(actor, Action::KeepLedger, None)?;
        let account = self.load_account(self.read(), id).await?.ok_or(Refusal::NotFound)?;
        if account.credential != CredentialKind::PrivateKey {
            return Ok(None);
        }
        let row = sqlx::query("SELECT credential FROM accounts WHERE id = $1").bind(id.as_str().to_owned()).fetch_one(self.read()).await?;
        let plain = self.inner.keys.unseal(place_of(id), &Sealed::from_bytes(row.try_get("credential")?))?;
        let pem = std::str::from_utf8(&plain).map(Secret::new).map_err(|_| Fault::Damaged("a stored credential is no text".into()))?;
        Ok(probe.public_line(&pem))
    }
}
