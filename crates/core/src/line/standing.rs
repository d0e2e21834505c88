//! How a line stands to table 13-1 of the guideline.

use super::{Line, LineClass};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// 適合.
    Conforming,
    /// 適合 with conditions that somebody answers for.
    Conditional,
    /// 適合 as it stands, with the task to move to a better class.
    Legacy,
    /// An approved exception that has not run out.
    Exception,
    /// 不適合.
    NotConforming,
}

impl Standing {
    /// The name in API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conforming => "conforming",
            Self::Conditional => "conditional",
            Self::Legacy => "legacy",
            Self::Exception => "exception",
            Self::NotConforming => "not_conforming",
        }
    }

    /// The word in Japanese.
    #[must_use]
    pub fn ja(self) -> &'static str {
        match self {
            Self::Conforming => "適合",
            Self::Conditional => "条件付き適合",
            Self::Legacy => "適合(移行が必要)",
            Self::Exception => "例外(承認済み)",
            Self::NotConforming => "不適合",
        }
    }

    /// The word in English.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Self::Conforming => "Conforming",
            Self::Conditional => "Conforming with conditions",
            Self::Legacy => "Conforming, to be migrated",
            Self::Exception => "Exception, approved",
            Self::NotConforming => "Not conforming",
        }
    }
}

/// A standing, the control that it follows from, and what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How the line stands.
    pub standing: Standing,
    /// Identifier of the control in the catalogue.
    pub control: &'static str,
    /// Why, and what to do, in Japanese.
    pub ja: &'static str,
    /// The same in English.
    pub en: &'static str,
}

impl Line {
    /// How the line stands at this moment.
    #[must_use]
    pub fn verdict(&self, now: Timestamp) -> Verdict {
        let plain = by_class(self.content.class);
        let answered = self.content.class.is_open() || (self.content.destinations_limited && self.content.route_managed);
        let verdict = if answered { plain } else { OPEN_BY_ANSWER };
        let excepted = self.content.exception.as_ref().is_some_and(|exception| exception.holds(now));
        match (verdict.standing, self.content.class) {
            // An exception is made for something that is known.
            (Standing::NotConforming, class) if excepted && class != LineClass::Undeclared => Verdict {
                standing: Standing::Exception,
                ja: "適合しない方式ですが、承認された例外の期限内です。期限までに適合する方式へ移してください。",
                en: "The class does not conform, but an approved exception is in force. Move to a conforming one before it ends.",
                ..verdict
            },
            _ => verdict,
        }
    }
}

const OPEN_BY_ANSWER: Verdict = Verdict {
    standing: Standing::NotConforming,
    control: "ops-13.1-01",
    ja: "接続先の限定または経路の管理がないため、オープンな網として扱います。TLS 1.3とクライアント証明書が必要です。",
    en: "Destinations are not limited or the route is not managed, so this is an open network: TLS 1.3 and a client certificate are needed.",
};

fn by_class(class: LineClass) -> Verdict {
    let (standing, control, ja, en) = match class {
        LineClass::Leased => (Standing::Conforming, "ops-13.t1-01", "表13-1の「専用線」です。", "Table 13-1: leased line."),
        LineClass::IpVpn => (Standing::Conforming, "ops-13.t1-02", "表13-1の「IP-VPN」です。", "Table 13-1: IP-VPN."),
        LineClass::IpsecIkev2 => (
            Standing::Conforming,
            "ops-13.t1-03",
            "表13-1の「IPsec + IKEv2」です(⑦のとおり事前共有鍵を使わない)。",
            "Table 13-1: IPsec + IKEv2, without a pre-shared key as item ⑦ asks.",
        ),
        LineClass::IpsecIkev2Psk => (
            Standing::NotConforming,
            "ops-13-07",
            "事前共有鍵による認証は⑦で除かれています。証明書による認証へ変えるか、期限付きの例外の承認を受けてください。",
            "Item ⑦ excludes pre-shared keys. Change to certificates, or have an exception with an end approved.",
        ),
        LineClass::IpsecIkev1 => (
            Standing::Legacy,
            "ops-13-07",
            "表13-1にはIKEがありますが、⑦はIKEv2を原則とします。IKEv2(事前共有鍵なし)への移行を計画してください。",
            "Table 13-1 names IKE, item ⑦ asks for IKEv2. Plan the move to IKEv2 without a pre-shared key.",
        ),
        LineClass::SslVpnClient => (
            Standing::Conditional,
            "ops-13.t1-04",
            "クライアント型のSSL-VPNです。⑥の対策(TLSの高セキュリティ型設定と端末認証)を満たすことが条件です。",
            "SSL-VPN with client program, on condition that the measures of item ⑥ are met (high-security TLS, proved devices).",
        ),
        LineClass::SslVpnClientless => (
            Standing::NotConforming,
            "ops-13.t1-05",
            "クライアント型以外のSSL-VPNは適合と認められません。方式を変えるか、期限付きの例外の承認を受けてください。",
            "SSL-VPN without client program is not accepted. Change the class, or have an exception with an end approved.",
        ),
        LineClass::Tls13 => (
            Standing::Conforming,
            "ops-13.t1-06",
            "表13-1の「TLS 1.3(高セキュリティ型)+クライアント証明書」です。端末は証明書で確かめます。",
            "Table 13-1: TLS 1.3 with client certificate. Devices prove themselves by certificate.",
        ),
        LineClass::Tls12 => (
            Standing::NotConforming,
            "ops-13.t1-07",
            "TLS 1.2は、1.3への対応が難しい場合の例外です。理由と期限のある例外の承認を受けるか、TLS 1.3へ変えてください。",
            "TLS 1.2 is the exception where 1.3 is difficult. Have it approved with reason and end, or change to TLS 1.3.",
        ),
        LineClass::Other => (
            Standing::NotConforming,
            "ops-13.t1-05",
            "表13-1にない方式です。方式を変えるか、期限付きの例外の承認を受けてください。",
            "Table 13-1 does not name this class. Change it, or have an exception with an end approved.",
        ),
        LineClass::Undeclared => (
            Standing::NotConforming,
            "ops-13-02",
            "回線の方式が申告されていません。事業者に確かめて、方式と責任分界を登録してください。",
            "Nobody has declared the class. Ask the vendor and register class and boundary.",
        ),
    };
    Verdict { standing, control, ja, en }
}
