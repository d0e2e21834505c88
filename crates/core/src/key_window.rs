//! Key windows (鍵だけの接続): a few minutes in which a registered key alone opens sessions on one target, for programs
//! that can answer no prompt. A worker opens one in the browser, after two factors, where plan and policy allow it.

use crate::ids::{KeyWindowId, PersonId, PlanId, TargetId, WorkerKeyId};
use crate::limits;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// A key window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyWindow {
    /// Identifier.
    pub id: KeyWindowId,
    /// Who opened it, and whom it lets in.
    pub person: PersonId,
    /// Display name.
    pub person_name: String,
    /// Login name, the first part of the SSH login.
    pub login: String,
    /// The one target.
    pub target: TargetId,
    /// Its short name.
    pub target_name: String,
    /// The plan that allows it.
    pub plan: PlanId,
    /// Its number.
    pub plan_number: String,
    /// The one key.
    pub key: WorkerKeyId,
    /// SHA-256 fingerprint of the key.
    pub fingerprint: String,
    /// The one address, that of the browser which opened it.
    #[schemars(with = "String")]
    pub source: IpAddr,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ends by itself.
    pub ends_at: Timestamp,
    /// When it was closed before that, or when its end was written down.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    /// Sessions that it let in.
    #[serde(default)]
    pub used: u32,
}

impl KeyWindow {
    /// True until it is closed, over, or used up.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.closed_at.is_none() && self.opened_at <= now && now < self.ends_at && usize::try_from(self.used).is_ok_and(|used| used < limits::KEY_WINDOW_SESSIONS)
    }

    /// Whether it lets in who comes from `source`, has signed with `key` and asks for `target`.
    #[must_use]
    pub fn answers(&self, source: IpAddr, key: &WorkerKeyId, target: &TargetId, now: Timestamp) -> bool {
        self.is_open(now) && self.source.to_canonical() == source.to_canonical() && self.key == *key && self.target == *target
    }
}

/// When a window ends that is opened now for so many minutes: never after the plan's own.
///
/// # Errors
/// [`Refusal::KeyWindowOff`] if the hospital's policy allows none, [`Refusal::BadField`] for a length that it does not
/// allow, [`Refusal::WindowClosed`].
pub fn end(policy: &Policy, minutes: u32, plan_until: Timestamp, now: Timestamp) -> Result<Timestamp, Refusal> {
    if policy.key_window_minutes == 0 {
        return Err(Refusal::KeyWindowOff);
    }
    if !(1..=policy.key_window_minutes).contains(&minutes) {
        return Err(Refusal::bad_field("minutes"));
    }
    if plan_until <= now {
        return Err(Refusal::WindowClosed);
    }
    Ok(now.plus(Duration::from_secs(u64::from(minutes) * 60)).min(plan_until))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> KeyWindow {
        KeyWindow {
            id: KeyWindowId::from_random([1; 10]),
            person: PersonId::from_random([2; 10]),
            person_name: "佐藤 健".into(),
            login: "sato".into(),
            target: TargetId::from_random([3; 10]),
            target_name: "ehr-db01".into(),
            plan: PlanId::from_random([4; 10]),
            plan_number: "2026-0042".into(),
            key: WorkerKeyId::from_random([5; 10]),
            fingerprint: "SHA256:x".into(),
            source: IpAddr::from([192, 0, 2, 7]),
            opened_at: Timestamp(1_000),
            ends_at: Timestamp(2_000),
            closed_at: None,
            used: 0,
        }
    }

    #[test]
    fn a_window_answers_its_own_key_target_and_address_while_it_is_open() {
        let it = window();
        let answers = |it: &KeyWindow, source: [u8; 4], key: u8, target: u8, now: i64| {
            it.answers(IpAddr::from(source), &WorkerKeyId::from_random([key; 10]), &TargetId::from_random([target; 10]), Timestamp(now))
        };
        assert!(answers(&it, [192, 0, 2, 7], 5, 3, 1_000));
        assert!(it.answers("::ffff:192.0.2.7".parse().unwrap(), &it.key, &it.target, Timestamp(1_500)));
        for (source, key, target, now) in [([192, 0, 2, 8], 5, 3, 1_500), ([192, 0, 2, 7], 6, 3, 1_500), ([192, 0, 2, 7], 5, 4, 1_500), ([192, 0, 2, 7], 5, 3, 2_000), ([192, 0, 2, 7], 5, 3, 999)] {
            assert!(!answers(&it, source, key, target, now), "{source:?} {key} {target} {now}");
        }
        let closed = KeyWindow { closed_at: Some(Timestamp(1_200)), ..window() };
        let spent = KeyWindow { used: limits::KEY_WINDOW_SESSIONS as u32, ..window() };
        assert!(!answers(&closed, [192, 0, 2, 7], 5, 3, 1_100) && !answers(&spent, [192, 0, 2, 7], 5, 3, 1_100));
    }

    #[test]
    fn a_window_never_outlives_the_plans_and_zero_means_never() {
        let policy = Policy { key_window_minutes: 10, ..Policy::default() };
        let now = Timestamp(1_000_000);
        assert_eq!(end(&policy, 10, now.plus(Duration::from_secs(3_600)), now), Ok(now.plus(Duration::from_secs(600))));
        assert_eq!(end(&policy, 10, now.plus(Duration::from_secs(60)), now), Ok(now.plus(Duration::from_secs(60))));
        assert_eq!(end(&policy, 1, now, now), Err(Refusal::WindowClosed));
        assert_eq!(end(&policy, 0, now, now), Err(Refusal::bad_field("minutes")));
        assert_eq!(end(&policy, 11, now, now), Err(Refusal::bad_field("minutes")));
        let never = Policy { key_window_minutes: 0, ..Policy::default() };
        assert_eq!(end(&never, 1, now.plus(Duration::from_secs(60)), now), Err(Refusal::KeyWindowOff));
    }
}
