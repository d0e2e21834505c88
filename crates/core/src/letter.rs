//! Mail that Sekisho sends: a closed list of letters, each written in both languages, and the seam to whoever carries them.
//!
//! Letters are plain text. What stands in them is the facility's own words and values that were checked; names of others
//! are cut to one line each, so that nobody writes a header or a second letter into one.

use crate::alarm::{Level, What};
use crate::desk::Answer;
use crate::emergency::EmergencyCause;
use crate::ids::MailId;
use crate::limits;
use crate::secret::Secret;
use crate::time::Timestamp;

/// A mail address that may stand in a header and on the wire: `local@domain` in ASCII.
///
/// Narrower than RFC 5321 section 4.1.2 on purpose: no quoted local parts, no address literals, nothing that a header or a
/// command could be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Reads an address; `None` unless it has the form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.split_once('@')?;
        let atom = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte));
        let label = |part: &str| !part.is_empty() && part.len() <= 63 && !part.starts_with('-') && !part.ends_with('-') && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let sound = text.len() <= limits::MAIL_ADDRESS_BYTES && local.len() <= 64 && local.split('.').all(atom) && domain.split('.').all(label);
        sound.then(|| Self(text.to_owned()))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// What a letter says. The values are shown, so they are bounded and of one line.
#[derive(Clone, Debug)]
pub enum Letter {
    /// A person was registered: their link.
    Invitation {
        /// Their name.
        name: String,
        /// Their login name.
        login: String,
        /// The one-time link.
        url: Secret,
        /// Until when it works.
        until: Timestamp,
        /// For a worker, how their device comes in through the outer door.
        device: Option<DoorWords>,
    },
    /// A person is enrolled again after a loss: their new link.
    Reset {
        /// Their name.
        name: String,
        /// Their login name.
        login: String,
        /// The one-time link.
        url: Secret,
        /// Until when it works.
        until: Timestamp,
    },
    /// An emergency account was opened.
    EmergencyOpened {
        /// Its login name.
        login: String,
        /// The names that were given.
        openers: Vec<String>,
        /// The cause.
        cause: EmergencyCause,
        /// The reason.
        reason: String,
        /// From where.
        source: String,
        /// When.
        at: Timestamp,
    },
    /// Somebody tried to open one, with something that is not in its envelopes.
    EmergencyTried {
        /// Its login name.
        login: String,
        /// From where.
        source: String,
        /// When.
        at: Timestamp,
    },
    /// The return to normal was declared.
    EmergencyClosed {
        /// Its login name.
        login: String,
        /// By whom.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// An alarm was raised, or nobody took it on in time.
    Alarm {
        /// What happened.
        what: Box<What>,
        /// How grave it is.
        level: Level,
        /// Address of its page.
        url: String,
        /// When it happened.
        at: Timestamp,
        /// Nobody took it on within so many minutes.
        waited: Option<u32>,
    },
    /// The signed head of the log, to be kept where nobody of the box can change it.
    Checkpoint {
        /// Its text.
        note: String,
        /// Entries that it covers.
        entries: u64,
        /// When it went.
        at: Timestamp,
    },
    /// A review of the log waits, or waits for too long.
    Review {
        /// `opened`, `late`, `signed`, `confirm_late`.
        stage: &'static str,
        /// Which.
        number: String,
        /// Its span in words.
        span: String,
        /// Lines to judge, or judged.
        lines: usize,
        /// Of these, how many are to be mended or are incidents.
        grave: usize,
        /// By when.
        due: Timestamp,
        /// Address of its page.
        url: String,
    },
    /// A report on a month or year is ready, or nobody took note of it in time.
    Report {
        /// What people say.
        number: String,
        /// Its span in words.
        span: String,
        /// The vendor; empty for the hospital's.
        vendor: String,
        /// By when somebody should have taken note.
        due: Timestamp,
        /// Nobody did.
        late: bool,
        /// Address of its page.
        url: String,
    },
    /// Somebody asks for a viewing by two persons, or it was decided on.
    Viewing {
        /// What happened.
        stage: ViewingStage,
        /// Who asks, for a holder of a second key; who decided, for whoever asked.
        by: String,
        /// Why.
        reason: String,
        /// How many recordings.
        recordings: usize,
        /// For how many hours.
        hours: u32,
        /// Address of its page.
        url: String,
    },
    /// Letters to a person go to another address. It goes to both.
    AddressChanged {
        /// Their name.
        name: String,
        /// Their login name.
        login: String,
        /// The address before.
        before: String,
        /// The address after it.
        after: String,
        /// Who changed it.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Somebody tries whether mail arrives.
    Test {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
}

/// What a letter tells of a viewing by two persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewingStage {
    /// Somebody asks the holder of a second key to agree.
    Asked,
    /// A holder agreed; whoever asked can open the recordings.
    Agreed,
    /// A holder declined.
    Declined,
}

/// What a worker's device is told of the outer door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorWords {
    /// Its name and port.
    pub address: String,
    /// The hospital's short name, the end of targets' names.
    pub hospital: String,
    /// The worker's login name, where the browser gives no login and the name has to be typed.
    pub typed: Option<String>,
}

impl DoorWords {
    /// The way from the account to the first session, in Japanese and in English.
    fn steps(&self) -> (String, String) {
        let (address, hospital) = (one_line(&self.address), one_line(&self.hospital));
        let (named, then_ja, then_en) = match &self.typed {
            Some(login) => (format!(" --worker {}", one_line(login)), "", ""),
            None => (String::new(), "ブラウザーに確認の画面が開くので、コードを見比べて承認します。", " and confirm in the browser"),
        };
        (
            format!(
                "\n\n作業を始めるまで(あわせて5分ほどです)\n\n1. 上のリンクを開き、引渡しコード、パスワード、パスキー(または認証アプリ)を設定して、ログインします。\n2. 作業する端末の画面(ターミナル、PowerShell)で次を実行し、病院から聞いた端末の登録コード(20文字)を入力します。\n\n  sekisho-connect enrol --server {address}\n\n3. 続けて次を実行します。{then_ja}\n\n  sekisho-connect ssh-config{named}\n\n4. 承認された作業計画の時間になったら、表示された名前で接続します。\n\n  ssh 接続先の名前.{hospital}\n\nプログラム sekisho-connect と端末の登録コードは、病院の担当者から受け取ってください。"
            ),
            format!(
                "\nThen, on the device you work from: run \"sekisho-connect enrol --server {address}\" and type the enrolment code of 20 letters; run \"sekisho-connect ssh-config{named}\"{then_en}; and connect by \"ssh TARGET.{hospital}\" in the window of your plan. The hospital gives you the program and the code."
            ),
        )
    }
}

/// A letter in words.
pub struct Written {
    /// The subject, of one line.
    pub subject: String,
    /// The text. It may hold a link that opens an account.
    pub body: Secret,
}

/// What a letter is written with besides its own values.
pub struct LetterHead<'a> {
    /// Name of the facility.
    pub facility: &'a str,
    /// Address of the pages.
    pub base_url: &'a str,
}

impl Letter {
    /// Its name in log and status page.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invitation { .. } => "invitation",
            Self::Reset { .. } => "reset",
            Self::EmergencyOpened { .. } => "emergency_opened",
            Self::EmergencyTried { .. } => "emergency_tried",
            Self::EmergencyClosed { .. } => "emergency_closed",
            Self::Alarm { .. } => "alarm",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Review { .. } => "review",
            Self::Report { .. } => "report",
            Self::Viewing { .. } => "viewing",
            Self::AddressChanged { .. } => "address_changed",
            Self::Test { .. } => "test",
        }
    }

    /// True for a letter that somebody must see at once: it goes before all others and is tried more often.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        matches!(self, Self::EmergencyOpened { .. } | Self::EmergencyTried { .. } | Self::Alarm { level: Level::Critical, .. })
    }

    /// The moment after which it would only mislead.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Invitation { until, .. } | Self::Reset { until, .. } => Some(*until),
            Self::EmergencyOpened { .. } | Self::EmergencyTried { .. } | Self::EmergencyClosed { .. } | Self::Alarm { .. } | Self::Checkpoint { .. } | Self::Review { .. } | Self::Report { .. } | Self::Viewing { .. } | Self::AddressChanged { .. } | Self::Test { .. } => None,
        }
    }

    /// The letter in words: Japanese first, English below.
    #[must_use]
    pub fn written(&self, head: &LetterHead<'_>) -> Written {
        let (topic, ja, en) = self.texts();
        let facility = one_line(head.facility);
        let subject = format!("【{facility} 関所】{topic}");
        let foot_ja = format!("このメールは {facility} の保守接続ゲートウェイ「関所」({})が自動で送信しています。返信は届きません。", head.base_url);
        let foot_en = format!("Sent automatically by Sekisho, the maintenance gateway of {facility} ({}). Replies are not read.", head.base_url);
        let body = Secret::new(format!("{ja}\n\n{foot_ja}\n\n----------------------------------------\n\n{en}\n\n{foot_en}\n"));
        Written { subject, body }
    }

    fn texts(&self) -> (&'static str, String, String) {
        match self {
            Self::Invitation { name, login, url, until, device } => {
                let (ja, en) = device.as_ref().map(DoorWords::steps).unwrap_or_default();
                (
                "アカウント登録のご案内 (Your account)",
                format!(
                    "{} 様\n\n関所のアカウントが用意されました。次のリンクを開き、パスワードと二つ目の認証を設定してください。\n\n  {}\n\n  ログイン名: {login}\n  リンクの期限: {} まで(1回だけ使えます)\n\nリンクを開くときに、8桁の引渡しコードを尋ねます。コードは、このメールとは別の方法(電話など)で病院の担当者から伝えられます。メールで尋ねることはありません。{ja}\n\n心当たりがない場合は、リンクを開かずに病院の担当者へ連絡してください。",
                    one_line(name),
                    url.expose(),
                    until.minute()
                ),
                format!(
                    "An account at Sekisho was made for you. Open the link above and set your password and second factor.\nLogin name: {login}. The link works once, until {} (Japan time).\nYou will be asked for an 8-digit code, which the hospital tells you by another way, such as the telephone. It is never asked for by mail.{en}\nIf you do not expect this, do not open the link, and contact the hospital.",
                    until.minute()
                ),
            )
            }
            Self::Reset { name, login, url, until } => (
                "再登録のご案内 (Enrol again)",
                format!(
                    "{} 様\n\n関所のパスワードと二つ目の認証が取り消され、登録し直すためのリンクが発行されました。\n\n  {}\n\n  ログイン名: {login}\n  リンクの期限: {} まで(1回だけ使えます)\n\nリンクを開くときに、8桁の引渡しコードを尋ねます。コードは、このメールとは別の方法(電話など)で病院の担当者から伝えられます。\n\n再登録を頼んだ覚えがない場合は、誰かがあなたになりすましている恐れがあります。リンクを開かずに、すぐ病院の担当者へ電話で連絡してください。",
                    one_line(name),
                    url.expose(),
                    until.minute()
                ),
                format!(
                    "Your password and second factor at Sekisho were taken back, and the link above lets you set new ones.\nLogin name: {login}. The link works once, until {} (Japan time), with an 8-digit code that the hospital tells you by another way.\nIf you did not ask for this, somebody may be impersonating you: do not open the link, and telephone the hospital at once.",
                    until.minute()
                ),
            ),
            Self::EmergencyOpened { login, openers, cause, reason, source, at } => (
                "【緊急】非常時用アカウントが開封されました (Emergency account opened)",
                format!(
                    "非常時用アカウント「{login}」が開封され、使われています。\n\n  日時: {}\n  開封者(本人の申告): {}\n  原因: {}\n  理由: {}\n  接続元: {source}\n\n心当たりがない場合は、すぐに病院へ電話で確かめてください。関所の画面の上部に表示され、行ったことはすべて証跡に残ります。通常に戻ったら「通常復帰」を行うと、封筒の中身は使えなくなります。",
                    at.second(),
                    one_line(&openers.join("、")),
                    cause.ja(),
                    one_line(reason)
                ),
                format!(
                    "The emergency account \"{login}\" was opened and is in use: {}, from {source}, by {} (as they say), cause: {}. If you know nothing of this, telephone the hospital at once. Everything done with it stands in the log.",
                    at.second(),
                    one_line(&openers.join(", ")),
                    cause.en()
                ),
            ),
            Self::EmergencyTried { login, source, at } => (
                "【緊急】非常時用アカウントへの不正な試み (Attempt on an emergency account)",
                format!(
                    "非常時用アカウント「{login}」を、封筒の中身と違うパスワードまたはコードで開けようとした人がいます。アカウントは開いていません。\n\n  日時: {}\n  接続元: {source}\n\n非常時でなければ、封筒が封緘されたまま保管場所にあるか確かめてください。1時間に1通だけ知らせます。すべての試みは証跡に残ります。",
                    at.second()
                ),
                format!("Somebody tried to open the emergency account \"{login}\" with something that is not in its envelopes: {}, from {source}. It was not opened. Unless there is an emergency, see whether the envelopes are sealed and in their place.", at.second()),
            ),
            Self::EmergencyClosed { login, by, at } => (
                "非常時用アカウントの使用が終わりました (Emergency account closed)",
                format!(
                    "非常時用アカウント「{login}」の使用が終わり、封筒の中身は使えなくなりました。\n\n  日時: {}\n  通常復帰: {}\n\n新しい封筒を印刷して封緘し、開封した人以外が使用を確認してください。",
                    at.second(),
                    one_line(by)
                ),
                format!("The use of the emergency account \"{login}\" ended at {}, declared by {}. What was in the envelopes opens nothing any more: print new ones, and have somebody who did not open it review the use.", at.second(), one_line(by)),
            ),
            Self::Alarm { what, level, url, at, waited } => {
                let topic = match (level, waited) {
                    (_, Some(_)) => "【未対応】警報に誰も対応していません (Alarm not taken on)",
                    (Level::Critical, None) => "【重大】警報 (Critical alarm)",
                    (Level::Warning, None) => "【警告】警報 (Alarm)",
                    (Level::Notice, None) => "【注意】警報 (Notice)",
                };
                let (ja, en) = (what.ja(), what.en());
                let (late_ja, late_en) = match waited {
                    Some(minutes) => (format!("次の警報に {minutes} 分間誰も対応していないため、あなたにも知らせます。\n\n"), format!("Nobody took this alarm on within {minutes} minutes, so you are told as well.\n")),
                    None => Default::default(),
                };
                let rule = what.rule();
                (
                    topic,
                    format!("{late_ja}■ {}({})\n\n{}\n\n{}\n\n  日時: {}\n\n次の画面で内容を見て、「対応を始める」を押してください。\n\n  {url}", rule.ja(), level.ja(), one_line(&ja.what), one_line(&ja.why), at.second()),
                    format!("{late_en}{} ({}), {}\n\n{}\n{}\n\n{url}", rule.en(), level.as_str(), at.second(), one_line(&en.what), one_line(&en.why)),
                )
            }
            Self::Checkpoint { note, entries, at } => (
                "証跡のチェックポイント (Checkpoint of the log)",
                format!(
                    "{} 現在の証跡({entries} 件)の署名付きチェックポイントです。このメールを消さずに保管してください。後から証跡が書き換えられたり、末尾が切り取られたりしていないかを、この控えで確かめられます。\n\n次の行から最後の署名の行までを checkpoint.txt として保存し、sekisho verify の --checkpoint に指定します。\n\n----\n{note}----",
                    at.second()
                ),
                format!("This is the signed head of the log with {entries} entries. Keep this letter: whoever rewrites or cuts the log later is found by it. Save the lines between the dashes as checkpoint.txt and give it to sekisho verify --checkpoint."),
            ),
            Self::Review { stage, number, span, lines, grave, due, url } => {
                let due = due.minute();
                let (topic, ja, en) = match *stage {
                    "opened" => ("証跡レビューのお願い (Review of the log)", format!("証跡レビュー {number} の一覧ができました。判断する行は {lines} 行です。"), format!("The list for the review of the log {number} is ready: {lines} lines.")),
                    "late" => ("【期限超過】証跡レビューが署名されていません (Review of the log overdue)", format!("証跡レビュー {number} が、期限までに署名されていません。"), format!("The review of the log {number} was not signed by its deadline.")),
                    "signed" => ("証跡レビューの確認のお願い (Review of the log signed)", format!("証跡レビュー {number} が署名されました({lines} 行。うち要是正・事案 {grave} 行)。内容を見て、確認してください。"), format!("The review of the log {number} was signed ({lines} lines, {grave} of them to be mended or incidents). Please see it and confirm.")),
                    _ => ("【期限超過】証跡レビューが確認されていません (Review of the log not confirmed)", format!("署名された証跡レビュー {number} が、期限までに確認されていません。"), format!("The signed review of the log {number} was not confirmed by its deadline.")),
                };
                (topic, format!("{ja}\n\n  期間: {span}\n  期限: {due}\n\n次の画面で行えます。\n\n  {url}"), format!("{en}\nDeadline: {due} (Japan time).\n\n{url}"))
            }
            Self::Report { number, span, vendor, due, late, url } => {
                let (vendor, due) = (one_line(vendor), due.minute());
                let whose = if vendor.is_empty() { String::new() } else { format!("\n  事業者: {vendor}") };
                let (topic, ja, en) = if *late {
                    ("【期限超過】報告が確認されていません (Report not read)", format!("報告 {number} が、期限までに確認されていません。"), format!("Nobody took note of the report {number} by its deadline."))
                } else {
                    ("報告ができました (Report ready)", format!("報告 {number} ができました。内容を読み、「確認しました」を押してください。"), format!("The report {number} is ready. Please read it and take note of it."))
                };
                (topic, format!("{ja}\n\n  期間: {span}{whose}\n  確認の期限: {due}\n\n  {url}"), format!("{en}\nDeadline: {due} (Japan time).\n\n{url}"))
            }
            Self::Viewing { stage, by, reason, recordings, hours, url } => {
                let (by, reason) = (one_line(by), one_line(reason));
                let (topic, ja, en) = match stage {
                    ViewingStage::Asked => (
                        "録画の閲覧への同意のお願い (Agreement to a viewing)",
                        format!("{by} さんが、二人での閲覧の対象になっている録画 {recordings} 件を見るために、第二の鍵の持ち主の同意を求めています(同意から {hours} 時間)。\n\n  理由: {reason}\n\n次の画面で内容を確かめ、同意するか断るかを決めてください。同意には、あなたの鍵のファイルが要ります。鍵のファイルを送るよう求めることはありません。"),
                        format!("{by} asks to see {recordings} recordings that nobody opens alone, for {hours} hours from your agreement. See the page, then agree or decline. You need the file of your key, and nobody asks you to send it."),
                    ),
                    ViewingStage::Agreed => (
                        "録画の閲覧に同意がありました (Viewing agreed)",
                        format!("{by} さんが、録画 {recordings} 件の閲覧に同意しました。次の画面から {hours} 時間以内に見てください。"),
                        format!("{by} agreed to the viewing of {recordings} recordings. You can open them for {hours} hours."),
                    ),
                    ViewingStage::Declined => (
                        "録画の閲覧は断られました (Viewing declined)",
                        format!("{by} さんが、録画 {recordings} 件の閲覧を断りました。\n\n  理由: {reason}"),
                        format!("{by} declined the viewing of {recordings} recordings."),
                    ),
                };
                (topic, format!("{ja}\n\n  {url}"), format!("{en}\n\n{url}"))
            }
            Self::AddressChanged { name, login, before, after, by, at } => {
                let shown = |address: &str, none: &str| if address.is_empty() { none.to_owned() } else { one_line(address) };
                (
                    "メールアドレスの変更 (Mail address changed)",
                    format!(
                        "{} 様\n\n関所に登録されているメールアドレスが変更されました。これからのお知らせと登録用リンクは、新しいアドレスに届きます。このメールは前と後の両方のアドレスに送っています。\n\n  ログイン名: {login}\n  変更前: {}\n  変更後: {}\n  変更した人: {}\n  日時: {}\n\n変更を頼んだ覚えがない場合は、すぐ病院の担当者へ電話で連絡してください。",
                        one_line(name),
                        shown(before, "(なし)"),
                        shown(after, "(なし)"),
                        one_line(by),
                        at.second()
                    ),
                    format!(
                        "The mail address of \"{login}\" at Sekisho was changed from {} to {} by {}, {} (Japan time). Letters and links go to the new address from here on; this letter goes to both. If you did not ask for this, telephone the hospital at once.",
                        shown(before, "(none)"),
                        shown(after, "(none)"),
                        one_line(by),
                        at.second()
                    ),
                )
            }
            Self::Test { by, at } => (
                "送信テスト (Test)",
                format!("関所からメールが届くことを確かめる送信テストです。対応は要りません。\n\n  実施: {}\n  日時: {}", one_line(by), at.second()),
                "This is a test of Sekisho's mail. Nothing needs to be done.".to_owned(),
            ),
        }
    }
}

/// Text of others on one line of a letter: control and direction characters become a space, and it is cut at the length of
/// a form's line.
#[must_use]
pub fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() || is_unseen(letter) { ' ' } else { letter }).take(limits::LINE_CHARS).collect();
    plain.trim().to_owned()
}

/// Characters that end a line or turn its direction without being controls.
fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A letter on its way.
pub struct Parcel {
    /// Its identifier, which the message carries, so that a letter that arrived twice can be told.
    pub id: MailId,
    /// To whom.
    pub to: Address,
    /// The subject.
    pub subject: String,
    /// The text.
    pub body: Secret,
    /// When it was written.
    pub at: Timestamp,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// The mail server took it.
    Taken,
    /// The mail server will never take it, for this recipient. Its words.
    Refused(String),
    /// The mail server does not take it at the moment. Its words.
    Later(String),
    /// No letter goes at the moment: the server does not answer, is not who it should be, or does not know this box.
    Unreachable(String),
}

/// Carries letters to the hospital's mail server.
pub trait Courier: Send + Sync {
    /// Hands one letter over.
    fn carry(&self, parcel: Parcel) -> Answer<'_, Carried>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_stand_in_a_header_is_an_address() {
        for good in ["sato@aoba.example", "y.tanaka+sekisho@mail.aoba-hp.example", "root@localhost"] {
            assert!(Address::parse(good).is_some(), "{good}");
        }
        let long = format!("{}@aoba.example", "a".repeat(65));
        for bad in [
            "", "@", "sato", "sato@", "@aoba.example", "sato@aoba..example", "sa..to@aoba.example", "sato@aoba.example\r\nBcc: x@evil.example", "sato@a b", "\"a b\"@aoba.example", "sato@[127.0.0.1]",
            "<sato@aoba.example>", "sato@aoba.example,x@evil.example", "佐藤@aoba.example", "sato@青葉.example", "sato@-a.example", "a@b@c", "sato@aoba.example ", long.as_str(),
        ] {
            assert!(Address::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_writes_no_second_line_into_a_letter() {
        let head = LetterHead { facility: "青葉\r\nBcc: x@evil.example", base_url: "https://gateway.example" };
        let written = Letter::Test { by: "佐藤\n\nすぐに次のリンクを\u{2028}開いて".into(), at: Timestamp(0) }.written(&head);
        assert!(!written.subject.contains(['\r', '\n']), "{:?}", written.subject);
        assert!(written.body.expose().contains("実施: 佐藤  すぐに次のリンクを 開いて\n"), "{}", written.body.expose());
    }

    #[test]
    fn a_holder_is_told_who_asks_and_why_and_is_never_asked_for_the_key() {
        let letter = Letter::Viewing { stage: ViewingStage::Asked, by: "石川 由美".into(), reason: "手順の確認\n次を実行".into(), recordings: 2, hours: 8, url: "https://gateway.example/viewings/vrq-a".into() };
        let body = letter.written(&LetterHead { facility: "青葉病院", base_url: "https://gateway.example" }).body;
        for words in ["石川 由美 さんが", "録画 2 件", "8 時間", "理由: 手順の確認 次を実行\n", "鍵のファイルを送るよう求めることはありません", "\n  https://gateway.example/viewings/vrq-a\n"] {
            assert!(body.expose().contains(words), "{words}: {}", body.expose());
        }
    }

    #[test]
    fn a_link_stands_on_a_line_of_its_own_and_in_no_subject() {
        let letter = Letter::Invitation { name: "山田 太郎".into(), login: "yamada".into(), url: Secret::new("https://gateway.example/enrol/abc"), until: Timestamp(1_800_000_000_000), device: None };
        let written = letter.written(&LetterHead { facility: "青葉病院", base_url: "https://gateway.example" });
        assert!(written.body.expose().lines().any(|line| line.trim() == "https://gateway.example/enrol/abc"));
        assert_eq!(written.subject, "【青葉病院 関所】アカウント登録のご案内 (Your account)");
        assert!(!written.body.expose().contains("sekisho-connect"), "who has no device is told of none");
        let device = Some(DoorWords { address: "gate.example:443".into(), hospital: "aoba".into(), typed: None });
        let letter = Letter::Invitation { name: "山田 太郎".into(), login: "yamada".into(), url: Secret::new("https://gateway.example/enrol/abc"), until: Timestamp(1_800_000_000_000), device };
        let written = letter.written(&LetterHead { facility: "青葉病院", base_url: "https://gateway.example" });
        for line in ["sekisho-connect enrol --server gate.example:443", "sekisho-connect ssh-config", "ssh 接続先の名前.aoba"] {
            assert!(written.body.expose().lines().any(|text| text.trim() == line), "{line}");
        }
    }
}
