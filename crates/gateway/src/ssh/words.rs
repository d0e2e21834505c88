//! What a worker reads on the terminal: Japanese first, then English, as many terminals at vendors show only one.

use sekisho_core::control::Standstill;
use sekisho_core::desk::PlanChoice;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_protocol::files::{Direction, Why};
use sekisho_protocol::sftp::Staging;
use std::time::Duration;

/// Bytes of a text of others (a title, a command) that are shown or recorded.
const SHOWN_CHARS: usize = 4_000;

/// The banner before login.
pub fn banner(facility: &str) -> String {
    let facility = visible(facility);
    format!(
        "{facility}\r\n\
         関所(Sekisho)保守作業の入口です。許可された作業者だけが接続できます。\r\n\
         接続中の操作はすべて録画・記録されます。\r\n\
         Sekisho maintenance gateway of {facility}. Authorised workers only.\r\n\
         Everything you do in this session is recorded.\r\n"
    )
}

/// A refusal with its code, both languages and the next step, in lines of their own.
pub fn refusal(refusal: &Refusal) -> String {
    let words = refusal.words();
    let detail = refusal.detail().map(|detail| format!(" [{}]", visible(&detail))).unwrap_or_default();
    let (code, ja, next_ja, en, next_en) = (words.code, words.ja, words.next_ja, words.en, words.next_en);
    format!("[{code}] {ja}{detail}\n          {next_ja}\n[{code}] {en}{detail}\n          {next_en}\n")
}

/// A refusal in Japanese, in lines of its own.
pub fn refusal_ja(refusal: &Refusal) -> String {
    let words = refusal.words();
    let detail = refusal.detail().map(|detail| format!(" [{}]", visible(&detail))).unwrap_or_default();
    format!("[{}] {}{detail}\n          {}\n", words.code, words.ja, words.next_ja)
}

/// A refusal for places that show only ASCII.
pub fn refusal_ascii(refusal: &Refusal) -> String {
    let words = refusal.words();
    format!("{}: {} {}", words.code, words.en, words.next_en)
}

/// A refusal in one line, for an answer of a file transfer.
pub fn refusal_line(refusal: &Refusal) -> String {
    let words = refusal.words();
    let detail = refusal.detail().map(|detail| format!(" [{}]", visible(&detail))).unwrap_or_default();
    format!("[{}] {}{detail} / {}", words.code, words.ja, words.en)
}

/// The refusal for something that was not let pass in a file transfer.
pub fn why(why: Why) -> Refusal {
    let way = |direction| match direction {
        Direction::Upload => "upload",
        Direction::Download => "download",
    };
    match why {
        Why::Right(right) => Refusal::FileRightNotInPlan { right: right.as_str().to_owned() },
        Why::Bytes(direction) => Refusal::TransferLimit { limit: format!("{} bytes", way(direction)) },
        Why::Files(direction) => Refusal::TransferLimit { limit: format!("{} files", way(direction)) },
        Why::Handle => Refusal::FileRightNotInPlan { right: "handle".to_owned() },
        Why::Staging(why) => staging(why),
        Why::Extension => Refusal::FunctionNotInPlan { function: "sftp extension".to_owned() },
    }
}

/// Why something cannot be done with a file that waits for the hospital.
fn staging(why: Staging) -> Refusal {
    let not_whole = |what: &str| Refusal::UploadNotWhole { what: what.to_owned() };
    let too_much = |limit: &str| Refusal::UploadTooMuch { limit: limit.to_owned() };
    match why {
        Staging::Append => not_whole("append"),
        Staging::BothWays => not_whole("read and write"),
        Staging::InPlace => not_whole("write in place"),
        Staging::NotWhole => not_whole("not whole"),
        Staging::Attributes => not_whole("attributes"),
        Staging::NotThere => not_whole("not there yet"),
        Staging::FileBytes => too_much("STAGED_FILE_BYTES"),
        Staging::SessionBytes => too_much("STAGED_SESSION_BYTES"),
        Staging::Files => too_much("STAGED_FILES"),
        Staging::Spool => Refusal::UploadLost,
    }
}

/// Why Sekisho pauses a session whose terminals or commands carried too much.
pub fn volume(to_target: bool) -> String {
    if to_target {
        "端末・コマンドの入力の量が上限を超えました / input of terminals and commands passed the policy's volume".to_owned()
    } else {
        "端末・コマンドの出力の量が上限を超えました / output of terminals and commands passed the policy's volume".to_owned()
    }
}

/// The refusal of an exec or file transfer because several plans are open.
pub fn choose_by_login(choices: &[PlanChoice], login: &str) -> String {
    format!(
        "[{code}] 使える作業計画が複数あります。使う計画を {login}+番号 の形で指定してください。\n\
         [{code}] Several work plans are open. Name the plan in your login: {login}+NUMBER\n{}",
        list(choices),
        code = Refusal::PlanNotOpen.code()
    )
}

/// The question which plan the work belongs to.
pub fn choose(choices: &[PlanChoice]) -> String {
    format!(
        "\n使える作業計画が複数あります。番号を押してください(q で中止)。\nSeveral work plans are open. Press a number (q to quit).\n\n{}> ",
        list(choices)
    )
}

/// After a key that names no plan.
pub fn choose_again(count: usize) -> String {
    format!("\n1〜{count} の数字を押してください(q でやめます)。/ Press 1 to {count}, or q to leave.\n? > ")
}

fn list(choices: &[PlanChoice]) -> String {
    choices
        .iter()
        .enumerate()
        .map(|(at, choice)| {
            format!("  {}) {}  {}  (〜 {})\n", at + 1, visible(&choice.number), visible(&choice.title), choice.until.minute())
        })
        .collect()
}

/// What the worker reads once the target is reached, on a terminal only.
pub fn welcome(number: &str, title: &str, until: Timestamp) -> String {
    format!(
        "作業計画 {} {} / 終了 {} / 録画中\nPlan {} until {}. This session is recorded.\n",
        visible(number),
        visible(title),
        until.minute(),
        visible(number),
        until.minute()
    )
}

/// The warning before the window closes.
pub fn warning(left: Duration, until: Timestamp) -> String {
    let minutes = left.as_secs().div_ceil(60);
    format!(
        "*** 関所: 作業時間は残り約{minutes}分です({} に切断されます)。延長は画面から申請してください。\n\
         *** Sekisho: the window closes in about {minutes} min, at {}. Apply for an extension if you need one.\n",
        until.minute(),
        until.minute()
    )
}

/// That the session stands still, and why, or that it goes on.
pub fn standing(standstill: Standstill) -> String {
    match standstill {
        Standstill::NoWitness => {
            "*** 関所: 病院の立会いを待っています。立会いの人が画面を見はじめると作業が進みます。入力はそのあとに届きます。\n\
             *** Sekisho: waiting for the hospital's witness. The work goes on when the witness watches; what you type arrives then.\n"
        }
        Standstill::Paused => {
            "*** 関所: 病院が作業を一時停止しました。入力は再開後に届きます。\n\
             *** Sekisho: the hospital has paused the work. What you type arrives when it goes on.\n"
        }
        Standstill::None => "*** 関所: 作業を再開しました。\n*** Sekisho: the work goes on.\n",
    }
    .to_owned()
}

/// What a person of the hospital says; the text begins with their name.
pub fn said(text: &str) -> String {
    format!("*** 病院から / From the hospital: {}\n", visible(text))
}

/// A command waits for the hospital. `terminal`: the worker can give it up by a key.
pub fn held(part: &str, reason: &str, terminal: bool) -> String {
    let (by_key_ja, by_key_en) = match terminal {
        true => ("Ctrl-C でやめられます。", " Ctrl-C gives it up."),
        false => ("", ""),
    };
    let why = if reason.is_empty() { String::new() } else { format!("    理由 / why: {}\n", visible(reason)) };
    format!(
        "*** 関所: 「{part}」は病院の許可を待っています。{by_key_ja}\n\
         *** Sekisho: “{part}” waits until the hospital allows it.{by_key_en}\n{why}"
    )
}

/// An upload waits for the hospital.
pub fn held_file(path: &str) -> String {
    format!(
        "*** 関所: 「{path}」は病院の確認を待っています。通されるまで、接続先には何も届きません。\n\
         *** Sekisho: “{path}” waits for the hospital's check. Nothing of it reaches the target until it is let pass.\n"
    )
}

/// The hospital let an upload pass that waited.
pub fn file_passed(path: &str) -> String {
    format!("*** 関所: 「{path}」は確認が済みました。接続先へ送ります。\n*** Sekisho: “{path}” was let pass and goes to the target.\n")
}

/// An upload that waited does not pass.
pub fn file_refused(path: &str, why: &Refusal) -> String {
    format!("*** 関所 / Sekisho: {path}\n{}", refusal(why))
}

/// The hospital allowed the command that waited.
pub fn allowed() -> String {
    "*** 関所: 許可されました。\n*** Sekisho: allowed.\n".to_owned()
}

/// The worker gave the command up that waited.
pub fn given_up() -> String {
    "*** 関所: 取りやめました。実行していません。\n*** Sekisho: given up; it was not run.\n".to_owned()
}

/// What the worker reads when the target has no terminal to give.
pub fn no_terminal() -> String {
    "接続先が端末を割り当てませんでした。\nThe target gave no terminal.\n".to_owned()
}

/// A text of others made fit for terminals and logs: control characters and direction marks become visible.
pub fn visible(text: &str) -> String {
    sekisho_protocol::files::display(text.as_bytes()).chars().take(SHOWN_CHARS).collect()
}

/// A text with the line ends that a terminal in raw mode needs.
pub fn for_terminal(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_code_sentence_and_next_step_in_both_languages() {
        let text = refusal(&Refusal::FunctionNotInPlan { function: "sftp\u{1b}[2J".to_owned() });
        let words = Refusal::FunctionNotInPlan { function: String::new() }.words();
        for part in [words.code, words.ja, words.next_ja, words.en, words.next_en, "sftp"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn what_a_person_says_steers_no_terminal() {
        assert!(!said("上田: \u{1b}[2J\u{202e}").contains(['\u{1b}', '\u{202e}']));
        for standstill in [Standstill::None, Standstill::Paused, Standstill::NoWitness] {
            let text = standing(standstill);
            assert!(text.contains("関所") && text.contains("Sekisho") && text.ends_with('\n'), "{text}");
        }
    }

    #[test]
    fn terminals_get_carriage_returns_once() {
        assert_eq!(for_terminal("a\r\nb\nc"), "a\r\nb\r\nc");
    }
}
