//! Source addresses: which networks a worker may come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// A network in CIDR form, such as `192.0.2.0/24` or `2001:db8::/32`. A bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads the CIDR form; `None` if the prefix is too long or bits below it are set.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().ok()?;
        let widest = width(base);
        let bits = match bits {
            Some(bits) if !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
            None => widest,
        };
        (bits <= widest && mask(base, bits) == as_bits(base)).then_some(Self { base, bits })
    }

    /// True for a network that holds every address of its kind.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.bits == 0
    }

    /// True for a network so large that an address of it tells nothing of who calls: more than an IPv4 /8 or an IPv6 /16.
    #[must_use]
    pub fn is_vast(&self) -> bool {
        self.bits < if self.base.is_ipv4() { 8 } else { 16 }
    }

    /// True if the address lies inside. An IPv4 address that arrives in IPv6 clothes counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.base) && mask(address, self.bits) == as_bits(self.base)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn as_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(address: IpAddr, bits: u8) -> u128 {
    let low = u32::from(width(address) - bits.min(width(address)));
    as_bits(address).checked_shr(low).and_then(|high| high.checked_shl(low)).unwrap_or(0)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == width(self.base) { write!(f, "{}", self.base) } else { write!(f, "{}/{}", self.base, self.bits) }
    }
}

impl TryFrom<String> for Network {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no network such as 192.0.2.0/24"))
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership() {
        let inside = |net: &str, ip: &str| Network::parse(net).unwrap().contains(ip.parse().unwrap());
        assert!(inside("192.0.2.0/24", "192.0.2.255"));
        assert!(!inside("192.0.2.0/24", "192.0.3.0"));
        assert!(inside("192.0.2.7", "::ffff:192.0.2.7"));
        assert!(inside("0.0.0.0/0", "203.0.113.9"));
        assert!(!inside("0.0.0.0/0", "2001:db8::1"));
        assert!(inside("2001:db8::/32", "2001:db8:ffff::1"));
    }

    #[test]
    fn sloppy_networks_are_refused() {
        for bad in ["192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/", "192.0.2/24", "192.0.2.0/+8", "", "localhost"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
