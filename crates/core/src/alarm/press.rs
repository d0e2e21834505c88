//! The button of an alarm: where one looks further or acts.

use super::{EndingThing, Rule, Subject, What};

/// A button: what stands on it, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Press {
    /// The label in Japanese.
    pub ja: &'static str,
    /// The label in English.
    pub en: &'static str,
    /// The path of the page.
    pub href: String,
}

impl What {
    /// The button: the page on which one looks further or acts.
    #[must_use]
    pub fn press(&self, subject: &Subject) -> Press {
        let to = |ja, en, href: &str| Press { ja, en, href: href.to_owned() };
        let session = subject.session.as_ref().map(|id| Press { ja: "セッションを見る", en: "See the session", href: format!("/sessions/{id}") });
        let person = subject.person.as_ref().map(|id| Press { ja: "この人を見る", en: "See the person", href: format!("/persons/{id}") });
        let device = subject.device.as_ref().map(|id| Press { ja: "端末を見る", en: "See the device", href: format!("/devices/{id}") });
        let log = || to("証跡を見る", "See the log", "/log");
        match self.rule() {
            Rule::OutsideHours | Rule::NewSource | Rule::NewTarget | Rule::Volume | Rule::Command | Rule::Inside | Rule::PersonalData => session.or(person).unwrap_or_else(log),
            Rule::NewDevice => session.or(device).unwrap_or_else(log),
            Rule::Refusals => to("ロックの状態を見る", "See what is locked", "/accounts/locks"),
            Rule::Emergency => to("非常時用アカウントを見る", "See the emergency accounts", "/emergency_accounts"),
            Rule::Recording => session.unwrap_or_else(|| to("関所の状態を見る", "See how the box is", "/health")),
            Rule::Log if matches!(self, Self::RetentionStopped { .. } | Self::DeletingResumed { .. }) => to("保管期間を見る", "See the times of keeping", "/retention"),
            Rule::Log if matches!(self, Self::ReportOther { .. } | Self::ReportDiffers { .. }) => {
                Press { ja: "報告を開く", en: "Open the report", href: subject.period_report.as_ref().map_or_else(|| "/reports".to_owned(), |id| format!("/reports/{id}")) }
            }
            Rule::Log | Rule::Clock | Rule::Disk | Rule::Receiver => to("関所の状態を見る", "See how the box is", "/health"),
            Rule::Ending => match self {
                Self::Ending { thing: EndingThing::Contract, .. } => Press { ja: "事業者を見る", en: "See the vendor", href: subject.vendor.as_ref().map_or_else(|| "/vendors".to_owned(), |id| format!("/vendors/{id}")) },
                Self::Ending { thing: EndingThing::SourceCertificate, .. } => to("ログの送信元を見る", "See the log sources", "/log-sources"),
                Self::Ending { thing: EndingThing::Hold, .. } => to("証拠保全を見る", "See the holds", "/holds"),
                Self::Ending { thing: EndingThing::Line, .. } => Press { ja: "回線を見る", en: "See the line", href: subject.line.as_ref().map_or_else(|| "/lines".to_owned(), |id| format!("/lines/{id}")) },
                Self::Ending { thing: EndingThing::DeviceCertificate, .. } => device.unwrap_or_else(|| to("端末を見る", "See the devices", "/devices")),
                _ => to("関所の状態を見る", "See how the box is", "/health"),
            },
            Rule::HostKey => Press { ja: "接続先を見る", en: "See the target", href: subject.target.as_ref().map_or_else(|| "/targets".to_owned(), |id| format!("/targets/{id}")) },
            Rule::Exposure => to("露出の点検を見る", "See the exposure", "/exposure"),
            Rule::Directory => to("アカウントを見る", "See the accounts", "/accounts"),
            Rule::Mail => to("メールの送信を見る", "See outgoing mail", "/mail"),
            Rule::Credential => device.or(person).unwrap_or_else(log),
            Rule::Around => match self {
                Self::Around { case, .. } => Press { ja: "この件を確かめる", en: "Look at the case", href: format!("/cases/{case}") },
                _ => to("ログの送信元を見る", "See the log sources", "/log-sources"),
            },
            _ if subject.log_review.is_some() => Press { ja: "レビューを開く", en: "Open the review", href: subject.log_review.as_ref().map_or_else(String::new, |id| format!("/log_reviews/{id}")) },
            _ if subject.period_report.is_some() => Press { ja: "報告を開く", en: "Open the report", href: subject.period_report.as_ref().map_or_else(String::new, |id| format!("/reports/{id}")) },
            Rule::Overdue => Press { ja: "計画を見る", en: "See the plan", href: subject.plan.as_ref().map_or_else(|| "/plans".to_owned(), |id| format!("/plans/{id}")) },
        }
    }
}
