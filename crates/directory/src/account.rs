//! What an entry of a directory says of an account: its identity, whether it is closed.

use crate::settings::DirectorySettings;
use ldap3::SearchEntry;
use sekisho_core::directory::Closed;
use sekisho_core::limits;
use sekisho_core::time::Timestamp;

/// userAccountControl: ACCOUNTDISABLE (MS-ADTS 2.2.16).
const UAC_DISABLED: i64 = 0x2;
/// msDS-User-Account-Control-Computed: LOCKOUT and PASSWORD_EXPIRED, which the server works out at the moment of the question.
const UAC_LOCKED: i64 = 0x10;
const UAC_PASSWORD_EXPIRED: i64 = 0x80_0000;
/// From 1601-01-01 to 1970-01-01 in milliseconds; Active Directory counts 100 ns from the former.
const FILETIME_OFFSET_MS: i64 = 11_644_473_600_000;
/// A day in milliseconds; shadowExpire counts days since 1970.
const DAY_MS: i64 = 86_400_000;

/// The attributes that are asked for beside the identity.
pub(crate) const ATTRIBUTES: [&str; 8] =
    ["displayName", "cn", "userAccountControl", "msDS-User-Account-Control-Computed", "accountExpires", "pwdAccountLockedTime", "shadowExpire", "loginDisabled"];

/// An entry as it is read: names of attributes are looked up whatever their case, values are bounded.
pub(crate) struct Entry(SearchEntry);

impl Entry {
    pub fn new(entry: SearchEntry) -> Self {
        Self(entry)
    }

    /// The distinguished name, if it is one that can be used.
    pub fn dn(&self) -> Option<&str> {
        Some(self.0.dn.as_str()).filter(|dn| !dn.is_empty() && dn.len() <= limits::DIRECTORY_VALUE_BYTES && !dn.contains(char::is_control))
    }

    fn text(&self, name: &str) -> Option<&str> {
        let (_, values) = self.0.attrs.iter().find(|(held, _)| held.eq_ignore_ascii_case(name))?;
        values.first().map(String::as_str).filter(|value| value.len() <= limits::DIRECTORY_VALUE_BYTES)
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        let binary = self.0.bin_attrs.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).and_then(|(_, values)| values.first()).map(Vec::as_slice);
        // Sixteen bytes that happen to be text are handed over as text.
        binary.or_else(|| self.text(name).map(str::as_bytes))
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|text| text.trim().parse().ok())
    }

    /// What the directory never gives to another account: small hexadecimal letters, or the text of an entryUUID.
    pub fn subject(&self, settings: &DirectorySettings) -> Option<String> {
        let name = settings.subject_attribute();
        let bytes = self.bytes(name).filter(|bytes| (1..=64).contains(&bytes.len()))?;
        if name == "objectGUID" {
            return Some(hex::encode(bytes));
        }
        let text = std::str::from_utf8(bytes).ok()?;
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-').then(|| text.to_ascii_lowercase())
    }

    /// A name for people.
    pub fn name(&self) -> String {
        let name = ["displayName", "cn"].into_iter().find_map(|name| self.text(name)).unwrap_or_default();
        name.chars().filter(|letter| !letter.is_control()).take(100).collect()
    }

    /// Why the account is closed at a moment, if it is. What has ended is said before what passes.
    pub fn closed(&self, now: Timestamp) -> Option<Closed> {
        let control = self.number("userAccountControl").unwrap_or(0);
        let computed = self.number("msDS-User-Account-Control-Computed").unwrap_or(0);
        let says = |name: &str| self.text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if control & UAC_DISABLED != 0 || says("loginDisabled") {
            return Some(Closed::Disabled);
        }
        // Nought and the largest number both mean: never.
        let expires = self.number("accountExpires").filter(|ticks| *ticks > 0 && *ticks != i64::MAX).map(|ticks| ticks / 10_000 - FILETIME_OFFSET_MS);
        // The last day of shadowExpire is the first one on which the account is closed; nothing below nought has a meaning.
        let shadow = self.number("shadowExpire").filter(|days| *days >= 0).map(|days| days.saturating_mul(DAY_MS));
        if [expires, shadow].into_iter().flatten().any(|end| now.0 >= end) {
            return Some(Closed::Expired);
        }
        if computed & UAC_LOCKED != 0 || self.text("pwdAccountLockedTime").is_some() {
            return Some(Closed::Locked);
        }
        (computed & UAC_PASSWORD_EXPIRED != 0).then_some(Closed::PasswordExpired)
    }
}

/// What Active Directory adds to a refused bind: "… data 533, …", a number of Windows in hexadecimal letters.
pub(crate) fn closed_by_bind(text: &str) -> Option<Closed> {
    let code = text.split(", data ").nth(1)?.split([',', ' ']).next()?;
    match code {
        "533" => Some(Closed::Disabled),
        "701" => Some(Closed::Expired),
        "775" => Some(Closed::Locked),
        "532" | "773" => Some(Closed::PasswordExpired),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn entry(pairs: &[(&str, &str)]) -> Entry {
        let attrs: HashMap<String, Vec<String>> = pairs.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect();
        Entry::new(SearchEntry { dn: "cn=x".into(), attrs, bin_attrs: HashMap::new() })
    }

    fn filetime(at: Timestamp) -> String {
        ((at.0 + FILETIME_OFFSET_MS) * 10_000).to_string()
    }

    #[test]
    fn closed_accounts_are_known_by_what_active_directory_and_openldap_say() {
        let now = Timestamp::parse_local("2026-11-22T12:00").unwrap();
        let closed = |pairs: &[(&str, &str)]| entry(pairs).closed(now);
        assert_eq!(closed(&[("userAccountControl", "512")]), None);
        assert_eq!(closed(&[("USERACCOUNTCONTROL", "514")]), Some(Closed::Disabled));
        assert_eq!(closed(&[("accountExpires", "0")]), None);
        assert_eq!(closed(&[("accountExpires", "9223372036854775807")]), None);
        assert_eq!(closed(&[("accountExpires", &filetime(Timestamp(now.0 + 1)))]), None);
        assert_eq!(closed(&[("accountExpires", &filetime(now))]), Some(Closed::Expired));
        assert_eq!(closed(&[("msDS-User-Account-Control-Computed", "16")]), Some(Closed::Locked));
        assert_eq!(closed(&[("msDS-User-Account-Control-Computed", "8388608")]), Some(Closed::PasswordExpired));
        assert_eq!(closed(&[("pwdAccountLockedTime", "000001010000Z")]), Some(Closed::Locked));
        assert_eq!(closed(&[("shadowExpire", "-1")]), None);
        assert_eq!(closed(&[("shadowExpire", "20000")]), Some(Closed::Expired));
        // Disabled and locked: it is the end that counts.
        assert_eq!(closed(&[("userAccountControl", "514"), ("pwdAccountLockedTime", "x")]), Some(Closed::Disabled));
    }

    #[test]
    fn a_refused_bind_of_active_directory_tells_why() {
        let text = |data: &str| format!("80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v2580");
        assert_eq!(closed_by_bind(&text("533")), Some(Closed::Disabled));
        assert_eq!(closed_by_bind(&text("701")), Some(Closed::Expired));
        assert_eq!(closed_by_bind(&text("775")), Some(Closed::Locked));
        assert_eq!(closed_by_bind(&text("773")), Some(Closed::PasswordExpired));
        assert_eq!(closed_by_bind(&text("52e")), None);
        assert_eq!(closed_by_bind("invalid credentials"), None);
    }

    #[test]
    fn an_identity_is_one_that_can_be_asked_for_again() {
        let ldap = DirectorySettings { kind: crate::DirectoryKind::Ldap, ..DirectorySettings::default() };
        assert_eq!(entry(&[("entryUUID", "9A1B2C3D-0000-1111-2222-333344445555")]).subject(&ldap).as_deref(), Some("9a1b2c3d-0000-1111-2222-333344445555"));
        assert_eq!(entry(&[("entryUUID", "a)(uid=*")]).subject(&ldap), None);
        assert_eq!(entry(&[]).subject(&ldap), None);
        let ad = DirectorySettings::default();
        assert_eq!(entry(&[("objectGUID", "0123456789abcdef")]).subject(&ad).as_deref(), Some("30313233343536373839616263646566"));
    }
}
