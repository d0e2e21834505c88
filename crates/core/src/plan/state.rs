//! The states of a work plan, as domain.md section 4 draws them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// 下書き
    Draft,
    /// 申請中
    Submitted,
    /// 差戻し
    Returned,
    /// 承認済
    Approved,
    /// 緊急実施 (事後承認待ち): allowed at once, with approval after the fact to come.
    Emergency,
    /// 実施中
    InProgress,
    /// 照合待ち
    Reconcile,
    /// 報告待ち
    Report,
    /// 確認待ち
    Confirm,
    /// 完了
    Closed,
    /// 却下
    Rejected,
    /// 取下げ
    Withdrawn,
    /// 期限切れ
    Expired,
    /// 中断: withdrawn while work had begun; facts are still reconciled.
    Aborted,
}

impl PlanState {
    /// All states, in the order of the road.
    pub const ALL: [Self; 14] = [
        Self::Draft,
        Self::Submitted,
        Self::Returned,
        Self::Approved,
        Self::Emergency,
        Self::InProgress,
        Self::Reconcile,
        Self::Report,
        Self::Confirm,
        Self::Closed,
        Self::Rejected,
        Self::Withdrawn,
        Self::Expired,
        Self::Aborted,
    ];

    /// The name in API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Returned => "returned",
            Self::Approved => "approved",
            Self::Emergency => "emergency",
            Self::InProgress => "in_progress",
            Self::Reconcile => "reconcile",
            Self::Report => "report",
            Self::Confirm => "confirm",
            Self::Closed => "closed",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Aborted => "aborted",
        }
    }

    /// Reads the name that [`PlanState::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The label of the pages.
    #[must_use]
    pub fn ja(self) -> &'static str {
        match self {
            Self::Draft => "下書き",
            Self::Submitted => "申請中",
            Self::Returned => "差戻し",
            Self::Approved => "承認済",
            Self::Emergency => "緊急実施",
            Self::InProgress => "実施中",
            Self::Reconcile => "照合待ち",
            Self::Report => "報告待ち",
            Self::Confirm => "確認待ち",
            Self::Closed => "完了",
            Self::Rejected => "却下",
            Self::Withdrawn => "取下げ",
            Self::Expired => "期限切れ",
            Self::Aborted => "中断",
        }
    }

    /// The English label.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Self::Draft => "Draft",
            Self::Submitted => "Submitted",
            Self::Returned => "Returned",
            Self::Approved => "Approved",
            Self::Emergency => "Emergency",
            Self::InProgress => "In progress",
            Self::Reconcile => "To reconcile",
            Self::Report => "To report",
            Self::Confirm => "To confirm",
            Self::Closed => "Closed",
            Self::Rejected => "Rejected",
            Self::Withdrawn => "Withdrawn",
            Self::Expired => "Expired",
            Self::Aborted => "Aborted",
        }
    }

    /// True in the states in which a session may be opened or go on.
    #[must_use]
    pub fn admits(self) -> bool {
        matches!(self, Self::Approved | Self::Emergency | Self::InProgress)
    }

    /// True when nothing more can happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Closed | Self::Rejected | Self::Withdrawn | Self::Expired)
    }
}
