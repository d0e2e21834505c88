//! `sekisho report …`

use super::table::table;
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::ids::{PeriodReportId, VendorId};
use sekisho_core::people::Actor;
use sekisho_core::period_report::PeriodReport;
use sekisho_core::span::{Span, SpanKind};
use sekisho_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Commands on reports.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportCommand {
    /// List reports, the newest span first
    List,
    /// Issue the report on a month, such as 2026-10, or its next edition
    Month(IssueArgs),
    /// Issue the report on a calendar year, such as 2026
    Year(IssueArgs),
    /// Issue the report on a fiscal year (April to March), such as FY2026
    FiscalYear(IssueArgs),
    /// Show a report
    Show {
        /// Id of the report
        report: String,
    },
    /// Count a report again from the same entries of the log, and compare
    Check {
        /// Id of the report
        report: String,
    },
}

/// What is issued.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
pub struct IssueArgs {
    /// The month or year
    span: String,
    /// Id of a vendor [default: the whole hospital]
    #[arg(long)]
    vendor: Option<String>,
    /// Why there is another edition; needed if there is a report already
    #[arg(long, default_value = "")]
    reason: String,
}

fn id(text: &str) -> Result<PeriodReportId, Trouble> {
    PeriodReportId::parse(text).ok_or_else(|| Trouble::Words(format!("{text:?} は報告の識別子ではありません。 / not the identifier of a report")))
}

fn told(report: &PeriodReport) -> String {
    let (numbers, counted) = (&report.content.numbers, &report.counted);
    let whose = if report.vendor_name.is_empty() { "病院全体 / the whole hospital".to_owned() } else { report.vendor_name.clone() };
    let mut text = format!("{} 第{}版  {}\n{} / {}\n{whose}\n", report.number, report.edition, report.id, report.span.ja(report.kind), report.span.en(report.kind));
    if report.is_without_data() {
        text.push_str("データなし / no data\n");
    }
    let rows: Vec<Vec<String>> = [
        ("申請された計画 / plans submitted", numbers.submitted),
        ("完了した計画 / plans closed", numbers.closed),
        ("接続数 / sessions", numbers.sessions),
        ("接続時間(分) / minutes", numbers.minutes()),
        ("時間外 / outside of hours", numbers.outside),
        ("緊急実施 / emergency work", numbers.emergencies),
        ("差異 / differences", numbers.differences),
        ("拒否した試み / refused attempts", numbers.refused + numbers.refused_inside),
        ("期限超過 / deadlines passed", numbers.overdue),
    ]
    .into_iter()
    .map(|(label, n)| vec![label.to_owned(), n.to_string()])
    .collect();
    text.push_str(&table(&["項目 / item", "値 / value"], &rows));
    text.push_str(&format!(
        "\n証跡 / entries #{}–#{}, checkpoint {} {}\nSHA-256 {}\n{}\n",
        counted.first,
        counted.end.saturating_sub(1),
        counted.size,
        counted.root,
        report.digest,
        report.taken.as_ref().map_or_else(|| format!("確認の期限 / to be noted by {}", report.due.minute()), |taken| format!("確認 / noted: {} {}", taken.name, taken.at.minute()))
    ));
    text
}

async fn issue(store: &Store, by: &Actor, kind: SpanKind, args: IssueArgs) -> Result<Reply, Trouble> {
    let span = Span::parse(kind, &args.span).ok_or_else(|| Trouble::Words("期間は 2026-10、2026、FY2026 の形で指定してください。 / a span is 2026-10, 2026 or FY2026".into()))?;
    let vendor = args.vendor.map(|text| VendorId::parse(&text).ok_or_else(|| Trouble::Words("--vendor: ven-…".into()))).transpose()?;
    let (report, fresh) = store.issue_report(by, kind, span, vendor.as_ref(), &args.reason).await?;
    let head = if fresh { "" } else { "内容が変わらないため、前の版のままです。 / It says the same as the last edition.\n\n" };
    Ok(Reply::done(json!({ "report": report, "issued": fresh }), format!("{head}{}", told(&report))))
}

/// Does a command.
///
/// # Errors
/// The store's, or words.
pub async fn answer(store: &Store, by: &Actor, command: ReportCommand) -> Result<Reply, Trouble> {
    match command {
        ReportCommand::List => {
            let found = store.period_reports(by).await?;
            let line = |report: &PeriodReport| {
                let noted = report.taken.as_ref().map_or_else(|| "—".to_owned(), |taken| taken.name.clone());
                vec![report.id.to_string(), report.number.clone(), report.edition.to_string(), report.vendor_name.clone(), report.content.numbers.sessions.to_string(), report.issued_at.minute(), noted]
            };
            let rows: Vec<Vec<String>> = found.iter().map(line).collect();
            let text = if rows.is_empty() { "報告はまだありません。 / no reports yet".to_owned() } else { table(&["report", "number", "edition", "vendor", "sessions", "issued", "noted"], &rows) };
            Ok(Reply::done(json!({ "reports": found }), text))
        }
        ReportCommand::Month(args) => issue(store, by, SpanKind::Month, args).await,
        ReportCommand::Year(args) => issue(store, by, SpanKind::Year, args).await,
        ReportCommand::FiscalYear(args) => issue(store, by, SpanKind::FiscalYear, args).await,
        ReportCommand::Show { report } => {
            let view = store.period_report(by, &id(&report)?).await?;
            let head = if view.holds { "" } else { "警告: 内容が証跡に記録された報告と違います。 / WARNING: this is not the report that the log names.\n\n" };
            let text = format!("{head}{}\n{}", told(&view.report), view.report.counted.note);
            Ok(Reply::done(serde_json::to_value(&view)?, text))
        }
        ReportCommand::Check { report } => {
            let found = store.recount_report(by, &id(&report)?).await?;
            let words = match (found.holds, found.same) {
                (true, true) => "証跡から数え直した結果は、報告と一致しました。 / Counted again, the entries give the same report.",
                (false, _) => "内容が証跡に記録された報告と違います。 / This is not the report that the log names.",
                (true, false) => "数え直した結果が報告と違います。しきい値の設定が変わっていないか確かめてください。 / Counted again, the entries give another report. Have the office hours of the configuration changed?",
            };
            let text = format!("{} 第{}版({} 件 / entries)\n{words}", found.number, found.edition, found.entries);
            if found.holds && found.same { Ok(Reply::done(serde_json::to_value(&found)?, text)) } else { Err(Trouble::Words(text)) }
        }
    }
}
