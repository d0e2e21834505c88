//! Refusals: outcomes that a person meets, each with a stable code, one sentence and one next step.
//!
//! The same words stand on pages, in API answers and in SSH banners; `docs/codes.md` has a row for each.

use crate::plan::state::PlanState;
use serde::{Deserialize, Serialize};

/// Why something was not done. A refusal is a value, not a fault: nothing is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum Refusal {
    // Login, 1xxx
    /// Name, password, key or code is wrong; which one is not told.
    LoginFailed,
    /// Too many failures; the person must wait or be unlocked.
    LockedOut,
    /// Too many failures from this source address.
    SourceBlocked,
    /// The person is disabled or their time has ended.
    PersonInactive,
    /// A fresh one-time code is asked for before this act.
    StepUpNeeded,
    /// The enrolment link is unknown, used or too old.
    EnrolmentInvalid,
    /// The password is too short.
    PasswordTooShort {
        /// Least number of characters.
        least: usize,
    },
    /// The password lacks letters, digits or symbols.
    PasswordTooSimple,
    /// The password is on the deny-list or near a name.
    PasswordGuessable,
    /// The password stands in the file of leaked passwords.
    PasswordLeaked,
    /// The password was used before.
    PasswordReused,
    /// The login has ended or never was.
    LoginNeeded,
    /// The form did not come from our own page.
    ForeignRequest,
    /// No second factor is enrolled.
    SecondFactorMissing,
    /// A token is unknown, ended, or used from elsewhere; which of them is not told.
    TokenRefused,
    /// The token's scopes do not name the act.
    TokenScope,
    /// A person does this themselves; no token can.
    TokenNeedsPerson,

    /// The passkey did not prove itself: wrong key, wrong place, no PIN or biometry.
    PasskeyRefused,
    /// The question to the passkey is over, was answered before, or belongs to another browser.
    CeremonyOver,
    /// The passkey's counter went back: it may have been copied.
    PasskeyCloned,
    /// The roles ask for another kind of second factor than was given.
    FactorRequired {
        /// The kinds that would do: `passkey`, `totp`.
        kinds: String,
    },
    /// Without this factor nothing would be left to log in with.
    LastFactor,
    /// Under this address no passkey can be used.
    PasskeysUnavailable,
    /// The link opens with the hand-over code alone.
    HandoverNeeded,

    /// A code for a device is unknown, wrong, used or too old; which of them is not told.
    DeviceCodeInvalid,
    /// The certificate by which a device asked for its successor is no longer in force.
    CertificateEnded,
    /// The hospital allows no logins by SSH certificate.
    SshLoginOff,
    /// A login by SSH certificate does not count; the log says why.
    SshLoginRefused,
    /// The request of a device for a login is over, or was never made.
    ConnectOver,
    /// The person said that it was not they who asked for the login.
    ConnectDenied,
    /// A request for a certificate cannot be read, or its key is none that devices may have.
    CertificateAskBad,

    /// The directory that keeps this person's password does not answer.
    DirectoryDown,
    /// The account in the directory is disabled, expired or locked, or its password has to be changed there.
    DirectoryClosed,
    /// The password of this person is kept elsewhere; it is changed there.
    PasswordElsewhere,
    /// The sign-in at the provider is over, was used before, or belongs to another browser.
    SignInOver,
    /// The provider did not answer, or its answer does not hold.
    ProviderFailed,
    /// Nobody here belongs to who signed in at the provider.
    NotLinked,
    /// The account of the directory or provider belongs to another person here, or cannot be linked to this one.
    LinkRefused,

    // Rights and forms, 2xxx
    /// The role does not allow the act.
    NotAllowed,
    /// Nothing by this name, or not for this person.
    NotFound,
    /// A field is missing, too long or malformed.
    BadField {
        /// The field's name.
        field: String,
    },
    /// Somebody else changed the same thing meanwhile.
    ChangedMeanwhile,
    /// The name is taken.
    NameTaken,
    /// A vendor's person cannot hold a right of the hospital.
    VendorHoldsHospitalRole,
    /// A hospital's person cannot hold a vendor's role.
    HospitalHoldsVendorRole,
    /// An auditor holds no other role.
    AuditorMayNotChange,
    /// Planner and operator in one hand outside the small-facility profile.
    DoubleRole,
    /// The last administrator cannot be removed.
    LastAdministrator,
    /// A file of the table of countries cannot be read.
    CountryFileBad {
        /// Where: `file 1, line 17`; `empty` if no row names a country.
        at: String,
    },
    /// A request is larger than its limit.
    TooLarge,
    /// The parts of a file's content lie too far apart in its recording to be put together.
    ContentScattered,
    /// The content of a file in the recording is not the one that its entry's SHA-256 names.
    ContentDiffers,
    /// Too many of something.
    TooMany {
        /// The limit's name.
        limit: String,
    },

    /// Connection tests or looks at host keys follow each other too fast.
    TestedTooOften,
    /// The review of accounts is over, or the part was signed.
    ReviewOver,
    /// Accounts of the part have no answer yet.
    ReviewOpenLines,
    /// A review of accounts runs already.
    ReviewRunning,
    /// The review of the log is not in the state that the act belongs to: it was signed, or was not.
    LogReviewSigned,
    /// Lines of the review of the log have no judgement yet.
    LogReviewOpenLines,
    /// Nobody judges what is about themselves.
    OwnMatter,
    /// Somebody has taken note of the report.
    ReportTaken,
    /// The span of a report has not ended, or the log does not reach back to it.
    SpanNotOver,
    /// A file was called one of failed logins and tells of logins that succeeded, or the other way round.
    LogKindDiffers,
    /// An emergency account is not in the state that the act belongs to.
    EmergencyState,
    /// The same person may not do both: print both halves, or open and review.
    SameHand,
    /// The hold was lifted, or its time is over.
    HoldOver,
    /// The recording, or the file, was deleted because its time was over; the ledger of deletions tells when.
    RecordingDeleted,
    /// Nothing has been asked for that could be decided on.
    NothingAsked,
    /// The key of an auditor is not at the step that the act belongs to.
    AuditorKeyStep,
    /// Nobody opens the recording alone: the holder of a second key has to agree.
    TwoPersons,
    /// The second key is not at the step that the act belongs to.
    SecondKeyStep,
    /// The request to view is not at the step that the act belongs to, or its time is over.
    ViewingStep,
    /// The person holds no second key of these recordings.
    NotSecondHolder,
    /// The text of an agreement does not open the recordings of its request.
    AgreementWrong,
    /// No second key opens all of the recordings that were asked for together.
    NoCommonSecondKey,
    /// The recording lies in the archive alone, and cannot be carried back at this moment.
    RecordingAway,
    /// What the archive has of a recording is not what was handed over.
    RecordingDiffers,
    /// No mail server is configured.
    MailNotSetUp,
    /// Sekisho's SSH authority is not at the step that the act belongs to.
    AuthorityStep,

    // Plans, 3xxx
    /// The act does not fit the plan's state.
    WrongState {
        /// The state the plan is in.
        state: PlanState,
    },
    /// The approver is the applicant.
    ApproverIsApplicant,
    /// The approver belongs to a vendor.
    ApproverIsVendor,
    /// The same person cannot give two of the approvals.
    AlreadyApproved,
    /// Only the planner may approve this (personal data or take-out).
    PlannerOnly,
    /// The plan has changed since the page was shown.
    DigestChanged,
    /// A worker of the plan is not active, pledged and trained.
    WorkerNotReady {
        /// Name of the worker.
        worker: String,
    },
    /// The window lies in the past, is reversed or too long.
    BadWindow,
    /// A target of the plan is not one that this vendor maintains.
    TargetNotVendors {
        /// Name of the target.
        target: String,
    },
    /// Findings are left without reason and decision.
    FindingsOpen,
    /// The emergency work still waits for its approval after the fact.
    AfterFactOpen,
    /// A reason is needed.
    ReasonNeeded,
    /// A session of the plan is still running.
    SessionRunning,
    /// The vendor's contract has ended or the vendor is disabled.
    VendorInactive,
    /// The extension ends before the window does or is too long.
    BadExtension,

    // Entering, 4xxx
    /// No approved plan of this worker names this target.
    NoPlan,
    /// The work of the plan that names this target was declared ended.
    WorkFinished {
        /// Number of the plan.
        number: String,
    },
    /// The window has not opened.
    WindowNotOpen {
        /// Its beginning, JST.
        opens: String,
    },
    /// The window has closed.
    WindowClosed,
    /// The plan does not list this worker.
    WorkerNotInPlan,
    /// The plan does not list this target.
    TargetNotInPlan,
    /// The source address is not among the registered ones.
    SourceNotAllowed,
    /// The line may not be used at this time.
    LineOutsideTimes {
        /// Its name.
        line: String,
    },
    /// The table of countries gives this address to a country that the line does not allow, or to none.
    CountryNotAllowed {
        /// Its letters; `--` if the table does not name the address.
        country: String,
    },
    /// The line allows countries, and there is no table to tell them by.
    CountryTableMissing,
    /// The connection comes from a device that nobody registered.
    DeviceUnknown,
    /// On this line, or by policy, a device must prove itself by certificate.
    DeviceNeedsCertificate,
    /// The device was ended in the register.
    DeviceInactive,
    /// The device was declared lost.
    DeviceLost,
    /// The device is another vendor's, or not registered for this person.
    DeviceNotYours,
    /// The check of the terminal has run out, was never made, or found something wanting.
    DeviceNotChecked,
    /// The target has no pinned host key or no credential.
    TargetNotReady,
    /// The function is not part of the plan.
    FunctionNotInPlan {
        /// The function asked for.
        function: String,
    },
    /// Forwarding, X11, agent and the like are never allowed.
    ForwardingRefused,
    /// The recording could not be opened or went wrong.
    NoRecording,
    /// The log cannot be written or does not hold.
    LogUnavailable,
    /// A checkpoint kept outside contradicts the log; nobody has decided on it.
    LogContradicted,
    /// The clock was set forward by more than is believed.
    ClockHeld,
    /// Not enough free disk space.
    DiskFull,
    /// Too many sessions at once.
    Busy,
    /// The target did not answer or refused.
    TargetUnreachable,
    /// The credential of the account is being exchanged.
    CredentialChanging,
    /// Between the beginning of the recording and the entry, the target changed, or who has to agree before the recording opens.
    SealChanged,
    /// The target's host key is not the pinned one.
    HostKeyChanged,
    /// The plan's approval does not verify against its content.
    ApprovalBroken,
    /// The SSH login has not the form WORKER+TARGET.
    BadSshLogin,
    /// The plan asked for by number is not among the open ones.
    PlanNotOpen,
    /// Policy or plan allow no key window here.
    KeyWindowOff,
    /// The session ended because its window closed.
    WindowEnded,
    /// The session was cut by a person.
    Cut,
    /// The session was idle too long.
    Idle,
    /// The connection broke a rule of its protocol or a limit.
    ProtocolBreach,
    /// A rule stops this command.
    CommandRefused {
        /// The rule's reason.
        reason: String,
    },
    /// A person of the hospital did not allow a command that waited.
    CommandDenied {
        /// The rule's reason.
        reason: String,
    },
    /// Nobody decided in time on a command that waited.
    CommandUndecided {
        /// The rule's reason.
        reason: String,
    },
    /// The plan does not allow this with files.
    FileRightNotInPlan {
        /// The right: `upload`, `delete`, …
        right: String,
    },
    /// So much, or so many files, may not go over in one session.
    TransferLimit {
        /// `upload` or `download`, and what of it.
        limit: String,
    },
    /// The number of files of an rsync transfer is not known, and the plan limits it.
    TransferUncounted,
    /// The plan does not name the place that a local forward leads to.
    ForwardNotInPlan,
    /// More went through terminals and commands than the hospital's policy takes for work without a look.
    VolumePassed,
    /// A person of the hospital did not let an upload pass.
    UploadRefused {
        /// The person's reason; may be empty.
        reason: String,
    },
    /// Nobody decided in time on an upload that waited.
    UploadUndecided,
    /// Uploads wait, and this is no way of sending a file that can be checked whole.
    UploadNotWhole {
        /// What it is: `append`, …
        what: String,
    },
    /// Uploads wait, and this one passes what may wait.
    UploadTooMuch {
        /// The limit's name.
        limit: String,
    },
    /// Uploads wait, which SFTP alone can do.
    UploadNeedsSftp {
        /// The function asked for.
        function: String,
    },
    /// The content of an upload could not be kept while it waited.
    UploadLost,
    /// No witness watched for too long.
    NoWitness,

    // Faults that a person meets, 9xxx
    /// Something of ours failed; it was logged and nothing was done.
    Fault,
}

/// What a person reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// Stable code.
    pub code: &'static str,
    /// What happened, in Japanese.
    pub ja: &'static str,
    /// What to do next, in Japanese.
    pub next_ja: &'static str,
    /// What happened, in English.
    pub en: &'static str,
    /// What to do next, in English.
    pub next_en: &'static str,
}

impl Refusal {
    /// A malformed field.
    #[must_use]
    pub fn bad_field(field: &str) -> Self {
        Self::BadField { field: field.to_owned() }
    }

    /// Too many of something.
    #[must_use]
    pub fn too_many(limit: &str) -> Self {
        Self::TooMany { limit: limit.to_owned() }
    }

    /// The stable code, such as `SKS-4003`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.words().code
    }

    /// The detail that belongs to this one case (a field, a worker, a time), if any.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::PasswordTooShort { least } => Some(least.to_string()),
            Self::BadField { field } => Some(field.clone()),
            Self::TooMany { limit } => Some(limit.clone()),
            Self::FactorRequired { kinds } => Some(kinds.clone()),
            Self::WrongState { state } => Some(state.ja().to_owned()),
            Self::WorkerNotReady { worker } => Some(worker.clone()),
            Self::TargetNotVendors { target } => Some(target.clone()),
            Self::WindowNotOpen { opens } => Some(opens.clone()),
            Self::WorkFinished { number } => Some(number.clone()),
            Self::LineOutsideTimes { line } => Some(line.clone()),
            Self::CountryNotAllowed { country } => Some(country.clone()),
            Self::CountryFileBad { at } => Some(at.clone()),
            Self::FunctionNotInPlan { function } => Some(function.clone()),
            Self::FileRightNotInPlan { right } => Some(right.clone()),
            Self::TransferLimit { limit } | Self::UploadTooMuch { limit } => Some(limit.clone()),
            Self::UploadRefused { reason } => Some(reason.clone()).filter(|reason| !reason.is_empty()),
            Self::UploadNotWhole { what } => Some(what.clone()),
            Self::UploadNeedsSftp { function } => Some(function.clone()),
            Self::CommandRefused { reason } | Self::CommandDenied { reason } | Self::CommandUndecided { reason } => Some(reason.clone()).filter(|reason| !reason.is_empty()),
            _ => None,
        }
    }

    /// The refusal about a device that has this code; facts of sessions keep the code.
    #[must_use]
    pub fn of_device(code: &str) -> Option<Self> {
        [Self::DeviceUnknown, Self::DeviceNeedsCertificate, Self::DeviceNotChecked].into_iter().find(|refusal| refusal.code() == code)
    }

    /// True if another device would help.
    #[must_use]
    pub fn is_about_device(&self) -> bool {
        matches!(self, Self::DeviceUnknown | Self::DeviceNeedsCertificate | Self::DeviceInactive | Self::DeviceLost | Self::DeviceNotYours | Self::DeviceNotChecked)
    }

    /// The words for this refusal.
    #[must_use]
    pub fn words(&self) -> Words {
        let (code, ja, next_ja, en, next_en) = match self {
            Self::LoginFailed => ("SKS-1001", "ログインできませんでした。", "ログイン名・パスワード(または鍵)・ワンタイムコードを確かめて、もう一度お試しください。", "The login failed.", "Check login name, password (or key) and one-time code, and try again."),
            Self::LockedOut => ("SKS-1002", "失敗が続いたため、しばらくログインできません。", "時間をおいてお試しください。急ぐときは病院の関所管理者に解除を依頼してください。", "Too many failures: this login is locked for a while.", "Wait, or ask the hospital's administrator to unlock it."),
            Self::SourceBlocked => ("SKS-1003", "この接続元からの失敗が多すぎます。", "10分ほど待ってからお試しください。", "Too many failures from this source address.", "Wait ten minutes and try again."),
            Self::PersonInactive => ("SKS-1004", "このログインは無効です。", "病院の関所管理者に連絡してください。", "This login is disabled or has ended.", "Contact the hospital's administrator."),
            Self::StepUpNeeded => ("SKS-1005", "この操作には、いま一度の本人確認が必要です。", "認証アプリに表示されている6桁の数字を入力するか、パスキーで確認してください。", "This act needs a fresh one-time code or passkey.", "Enter the six digits that your authenticator shows, or use your passkey."),
            Self::EnrolmentInvalid => ("SKS-1006", "この登録用リンクは使えません(使用済み、または期限切れです)。", "関所管理者に新しいリンクの発行を依頼してください。", "This enrolment link is used, too old or unknown.", "Ask the administrator for a new link."),
            Self::PasswordTooShort { .. } => ("SKS-1007", "パスワードが短すぎます。", "表示された文字数以上にしてください。", "The password is too short.", "Use at least the number of characters shown."),
            Self::PasswordTooSimple => ("SKS-1008", "パスワードに使う文字の種類が足りません。", "英字・数字・記号をすべて含めてください。", "The password needs more kinds of characters.", "Use letters, digits and symbols."),
            Self::PasswordGuessable => ("SKS-1009", "推測されやすいパスワードです。", "氏名・施設名・よくある単語を避けて、別のものにしてください。", "The password is easy to guess.", "Avoid names of persons or of the facility and common words."),
            Self::PasswordReused => ("SKS-1010", "以前と同じパスワードは使えません。", "別のパスワードにしてください。", "This password was used before.", "Choose another one."),
            Self::LoginNeeded => ("SKS-1011", "ログインが必要です。", "ログインしてからもう一度お試しください。", "You are not logged in.", "Log in and try again."),
            Self::ForeignRequest => ("SKS-1012", "この画面からの操作と確認できませんでした。", "画面を開き直して、もう一度操作してください。", "The request did not come from this page.", "Reload the page and try again."),
            Self::SecondFactorMissing => ("SKS-1013", "ワンタイムコードがまだ登録されていません。", "登録用リンクから登録を済ませてください。", "No one-time code is enrolled.", "Finish the enrolment by your link."),
            Self::PasswordLeaked => ("SKS-1044", "漏えいしたことが知られているパスワードです。", "ほかでも使っている場合は、そちらも変えてください。ここでは別のものにしてください。", "This password is known to have leaked.", "Choose another one, and change it wherever else you use it."),
            Self::TokenRefused => ("SKS-1041", "このトークンは使えません。", "期限・失効・接続元・持ち主の状態を、トークンの一覧で確かめてください。", "This token is good for nothing here.", "Check its end, its source networks and its holder in the list of tokens."),
            Self::TokenScope => ("SKS-1042", "このトークンの許可範囲にない操作です。", "必要な範囲を選んで、トークンを作り直してください。", "The scopes of this token do not name this act.", "Make a token with the scope that is needed."),
            Self::TokenNeedsPerson => ("SKS-1043", "トークンでは行えない操作です。", "本人が画面でログインして行ってください。", "No token can do this; a person must.", "Log in and do it yourself."),

            Self::PasskeyRefused => ("SKS-1014", "パスキーを確認できませんでした。", "登録したパスキーで、PIN または指紋・顔による本人確認をして、もう一度お試しください。", "The passkey could not be verified.", "Use the passkey you registered, with its PIN or biometry, and try again."),
            Self::CeremonyOver => ("SKS-1015", "パスキーの確認が時間切れになったか、すでに使われています。", "画面を開き直して、もう一度パスキーのボタンを押してください。", "The question to the passkey is over or was answered before.", "Reload the page and press the passkey button again."),
            Self::PasskeyCloned => ("SKS-1016", "このパスキーは複製された疑いがあるため、使用を停止しました。", "すぐに病院の関所管理者に連絡し、別の方法でログインしてこのパスキーを削除してください。", "This passkey may have been copied and is suspended.", "Tell the hospital's administrator at once, log in another way and remove it."),
            Self::FactorRequired { .. } => ("SKS-1017", "あなたの役割では、この方法では確認できません。", "登録済みのパスキーなど、役割で決められた方法を使ってください。SSH では、画面から「鍵だけの接続」を開いてください。", "Your role asks for another kind of second factor.", "Use the kind that your role asks for; for SSH open a key window in the browser."),
            Self::LastFactor => ("SKS-1018", "これを削除すると、ログインする手段がなくなります。", "先に別のパスキーまたは認証アプリを登録してください。", "Without it nothing would be left to log in with.", "Set up another passkey or authenticator first."),
            Self::PasskeysUnavailable => ("SKS-1019", "この住所ではパスキーを使えません。", "画面に示された名前の住所で開くか、認証アプリを使ってください。", "Passkeys cannot be used under this address.", "Open Sekisho by the name shown, or use the authenticator app."),
            Self::HandoverNeeded => ("SKS-1020", "引渡しコードが違います。", "病院から電話などで伝えられた8桁の数字を入力してください。5回間違えると、このリンクは使えなくなります。", "The hand-over code is wrong.", "Enter the eight digits that the hospital told you. After five wrong ones the link ends."),

            Self::DeviceCodeInvalid => ("SKS-1031", "登録コードが違うか、使用済みまたは期限切れです。", "コードを確かめて、もう一度入力してください。それでも使えないときは、病院に新しい登録コードの発行を依頼してください。", "The code for this device is wrong, used or too old.", "Check it and type it again, or ask the hospital for a new code."),
            Self::CertificateEnded => ("SKS-1032", "この端末の証明書は失効しています。", "病院に新しい登録コードの発行を依頼し、この端末を登録し直してください。", "The certificate of this device has ended.", "Ask the hospital for a new code and enrol this device again."),
            Self::CertificateAskBad => ("SKS-1033", "証明書の申請を読み取れませんでした。", "sekisho connect を新しい版に入れ替えて、もう一度お試しください。", "The request for a certificate cannot be used.", "Install the present version of sekisho connect and try again."),

            Self::DirectoryDown => ("SKS-1061", "病院のディレクトリーが応答しないため、パスワードを確認できません。", "少し待ってからお試しください。パスキーを登録している人は、パスキーでログインできます。続くときは病院の情報システム担当に連絡してください。", "The directory that keeps your password does not answer.", "Wait a little and try again. If you have a passkey, log in by it. If it goes on, contact the hospital's IT staff."),
            Self::DirectoryClosed => ("SKS-1062", "病院のディレクトリーで、このアカウントは使えない状態です(無効・期限切れ・ロック・パスワードの変更待ち)。", "病院の情報システム担当に、ディレクトリーのアカウントを確かめてもらってください。", "Your account in the hospital's directory is disabled, expired or locked, or its password has to be changed.", "Ask the hospital's IT staff to look at your account in the directory."),
            Self::PasswordElsewhere => ("SKS-1063", "この人のパスワードは、関所ではなく連携先で管理しています。", "パスワードの変更は、連携先(病院のディレクトリーなど)で行ってください。", "This person's password is kept elsewhere, not by Sekisho.", "Change it there, such as in the hospital's directory."),
            Self::SignInOver => ("SKS-1064", "連携先でのログインが時間切れになったか、すでに使われています。", "ログイン画面に戻り、連携先のボタンをもう一度押してください。", "The sign-in at the provider is over or was used already.", "Go back to the login page and press the provider's button again."),
            Self::ProviderFailed => ("SKS-1065", "連携先でのログインを確認できませんでした。", "もう一度お試しください。続くときは、別の方法でログインするか、病院の関所管理者に連絡してください。", "The sign-in at the provider could not be verified.", "Try again. If it goes on, log in another way or contact the hospital's administrator."),
            Self::NotLinked => ("SKS-1066", "連携先のこのアカウントは、関所のどの人にも結び付けられていません。", "病院の関所管理者に、アカウントの連携を依頼してください。", "Nobody here is linked to this account of the provider.", "Ask the hospital's administrator to link it."),
            Self::LinkRefused => ("SKS-1067", "この人には連携できないアカウントです(別の人が使っている、所属が違う、または連携先に見つかりません)。", "連携先での名前と、この人の所属を確かめてください。", "This account cannot be linked to this person: it is another person's, of another side, or not found.", "Look at the name there and at this person's side."),

            Self::NotAllowed => ("SKS-2001", "この操作を行う権限がありません。", "担当の方に依頼してください。", "Your role does not allow this.", "Ask the person in charge."),
            Self::NotFound => ("SKS-2002", "見つかりませんでした。", "一覧から選び直してください。", "Not found.", "Choose it from the list again."),
            Self::BadField { .. } => ("SKS-2003", "入力内容に誤りがあります。", "示された項目を直してください。", "A field is missing or malformed.", "Correct the field named."),
            Self::ChangedMeanwhile => ("SKS-2004", "ほかの人が先に変更しました。", "画面を開き直して内容を確かめてください。", "Somebody else changed this meanwhile.", "Reload and look again."),
            Self::NameTaken => ("SKS-2005", "その名前はすでに使われています。", "別の名前にしてください。", "This name is taken.", "Choose another one."),
            Self::VendorHoldsHospitalRole => ("SKS-2006", "事業者の人に病院側の役割は付けられません。", "事業者の役割(保守要員・事業者責任者)だけを選んでください。", "A vendor's person cannot hold a hospital role.", "Choose worker or vendor manager only."),
            Self::HospitalHoldsVendorRole => ("SKS-2007", "病院の人に事業者の役割は付けられません。", "所属する事業者を選ぶか、役割を選び直してください。", "A person of the hospital cannot hold a vendor's role.", "Choose the vendor, or other roles."),
            Self::AuditorMayNotChange => ("SKS-2008", "監査者はほかの役割を兼ねられません。", "監査者だけにするか、監査者を外してください。", "An auditor holds no other role.", "Choose auditor alone, or leave it out."),
            Self::DoubleRole => ("SKS-2009", "企画管理者と運用担当者・関所管理者は兼ねられません。", "別の人にするか、小規模施設の設定にしてください(兼務は既知の逸脱として表示されます)。", "Planner and operator or administrator cannot be one person.", "Name another person, or set the small-facility profile, which shows the deviation."),
            Self::LastAdministrator => ("SKS-2010", "最後の関所管理者は無効にできません。", "先に別の関所管理者を登録してください。", "The last administrator cannot be disabled.", "Enrol another administrator first."),
            Self::CountryFileBad { .. } => ("SKS-2047", "国の表のファイルを読めません。", "示された場所を確かめてください。使えるのは、地域インターネットレジストリの delegated 形式と、「開始,終了,国」または「範囲,国」の CSV です。", "A file of the table of countries cannot be read.", "Look at the place named. Delegated statistics of the registries and CSV (first,last,country or network,country) are taken."),
            Self::TooLarge => ("SKS-2011", "送られたデータが大きすぎます。", "分けるか、小さくしてください。", "The data sent is too large.", "Split it or make it smaller."),
            Self::TooMany { .. } => ("SKS-2012", "数が上限を超えています。", "不要なものを減らしてください。", "There are too many of these.", "Remove what is not needed."),
            Self::ReviewOver => ("SKS-2041", "この棚卸は締め切られたか、署名が済んでいます。", "変更が必要なときは、関所管理者に連絡してください。", "The review is over, or this part was signed.", "Tell the administrator if something must change."),
            Self::ReviewOpenLines => ("SKS-2042", "まだ回答していない人がいるため、署名できません。", "すべての行に回答してください。ご自分の行は関所管理者が回答します。", "Some lines have no answer, so it cannot be signed.", "Answer every line; an administrator answers your own."),
            Self::ReviewRunning => ("SKS-2043", "すでに実施中の棚卸があります。", "先にそれを締め切ってください。", "A review is running already.", "Close it first."),
            Self::LogReviewSigned => ("SKS-2080", "この証跡レビューは、その操作ができる状態ではありません(署名の前か、署名・確認が済んでいます)。", "レビューの画面で今の状態を確かめてください。", "The review of the log is not at the step that this belongs to.", "Look at its page."),
            Self::LogReviewOpenLines => ("SKS-2081", "判断が入っていない行があるため、署名できません。", "すべての行を判断してください。ご自分についての行は、別の人が判断します。", "Some lines have no judgement, so it cannot be signed.", "Judge every line; somebody else judges those about yourself."),
            Self::OwnMatter => ("SKS-2082", "ご自分についての行は判断できません。", "別の人(企画管理者や安全管理責任者など)に依頼してください。", "Nobody judges what is about themselves.", "Ask somebody else, such as the planner or the safety manager."),
            Self::ReportTaken => ("SKS-2083", "この報告は、すでに確認されています。", "新しい版があれば、そちらを確認してください。", "Somebody has taken note of this report.", "Look whether there is a newer edition."),
            Self::SpanNotOver => ("SKS-2084", "その期間の報告は作成できません。", "期間が終わっていること、証跡の始まりより後の期間であることを確かめてください。", "There is no report for this span.", "It must have ended, and lie after the beginning of the log."),
            Self::LogKindDiffers => ("SKS-2095", "選んだ種類とファイルの中身が違います。", "成功したログインの記録(wtmp)か、失敗したログインの記録(btmp)かを確かめ、選び直してください。", "The file is not of the kind that was chosen.", "See whether it is wtmp (logins) or btmp (failed logins), and choose again."),
            Self::TestedTooOften => ("SKS-2013", "接続先の確認が続きすぎています。", "10分ほど待ってからお試しください(続けて失敗すると、接続先がアカウントを止めることがあります)。", "The target was tested too often.", "Wait ten minutes; after repeated failures a target may lock the account."),
            Self::EmergencyState => ("SKS-2045", "非常時用アカウントは、その操作ができる状態ではありません。", "アカウントの画面で今の状態を確かめてください。", "The emergency account is not in a state for this.", "Look at the account's page."),
            Self::SameHand => ("SKS-2046", "同じ人が両方を行うことはできません。", "別の人が行ってください。", "The same person may not do both.", "Have somebody else do it."),
            Self::HoldOver => ("SKS-2051", "この証拠保全は、すでに終わっています。", "必要なら、新しい証拠保全を指定してください。", "This hold is over.", "Place a new one if it is needed."),
            Self::RecordingDeleted => ("SKS-2052", "この記録は、保管期間の満了により削除されました。", "いつ、どの規則で削除したかは、削除台帳で確かめられます。操作の一覧と証跡は残っています。", "This record was deleted because its time was over.", "The ledger of deletions tells when and by which rule. The list of commands and files, and the log, stay."),
            Self::NothingAsked => ("SKS-2053", "決裁を待つ申請がありません。", "画面を開き直して、今の状態を確かめてください。", "Nothing waits for a decision.", "Reload the page and look again."),
            Self::AuditorKeyStep => ("SKS-2070", "監査者の鍵は、その操作ができる状態ではありません。", "監査者の鍵の画面で今の状態を確かめてください。", "The auditor's key is not in a state for this.", "Look at the page of auditors' keys."),
            Self::TwoPersons => ("SKS-2085", "この録画は一人では開けません(二人での閲覧)。", "セッションの画面で閲覧を申し込み、第二の鍵の持ち主の同意を得てください。", "Nobody opens this recording alone (two-person viewing).", "Ask to view it on the session's page; the holder of a second key has to agree."),
            Self::SecondKeyStep => ("SKS-2086", "第二の鍵は、その操作ができる状態ではありません。", "第二の鍵の画面で今の状態を確かめてください。", "The second key is not in a state for this.", "Look at the page of second keys."),
            Self::ViewingStep => ("SKS-2087", "この閲覧の申込みは、その操作ができる状態ではないか、期限が過ぎています。", "申込みの画面で今の状態を確かめ、必要ならもう一度申し込んでください。", "The request to view is not in a state for this, or its time is over.", "Look at its page; if need be, ask again."),
            Self::NotSecondHolder => ("SKS-2088", "この録画の第二の鍵の持ち主ではないため、同意できません。", "申込みの画面に表示されている第二の鍵の持ち主に依頼してください。", "You hold no second key of these recordings.", "Ask one of the holders whom the request's page names."),
            Self::AgreementWrong => ("SKS-2089", "貼り付けられた同意の文は、この申込みの録画を開くものではありません。", "この申込みの文から作った同意の文を、最初の行から最後の行まで貼り付けてください。", "The text of the agreement does not open the recordings of this request.", "Make it from the text of this very request, and paste all of its lines."),
            Self::NoCommonSecondKey => ("SKS-2073", "選んだ録画をまとめて開ける第二の鍵がありません。", "セッションごとに申し込んでください。", "No second key opens all of these recordings together.", "Ask for each session by itself."),
            Self::RecordingAway => ("SKS-2071", "この録画は録画の保管先にだけあり、今は取り寄せられません。", "しばらくしてからもう一度開いてください。続くときは、関所管理者に保管先の状態を確かめてもらってください。", "This recording lies in the archive alone and cannot be carried back at this moment.", "Open it again a little later; if it goes on, have the administrator look at the archive."),
            Self::RecordingDiffers => ("SKS-2072", "保管先にあるこの録画の写しは、預けたものと違います。使わずに止めました。", "企画管理者に知らせ、保管先の操作の記録を調べてください。", "What the archive has of this recording is not what was handed over. It was not used.", "Tell the planner, and look at the archive's own log."),
            Self::MailNotSetUp => ("SKS-2044", "メールの送信が設定されていません。", "関所管理者に設定([mail])を依頼してください。", "No mail server is configured.", "Ask the administrator to set up [mail]."),
            Self::AuthorityStep => ("SKS-2014", "認証局の鍵の交換は、その段階にありません。", "認証局の画面で今の段階を確かめてください。", "The exchange of the authority's key is not at this step.", "Look at the authority's page."),
            Self::ContentScattered => ("SKS-2015", "このファイルは、順番どおりでなく飛び飛びに送られたうえ、大きすぎるので、内容を組み立てられません。", "録画と操作の記録を確かめてください。内容そのものは記録に残っています。", "The parts of this file went over out of order and lie too far apart to be put together.", "Look at the replay and the entries; the content stays in the recording."),
            Self::ContentDiffers => ("SKS-2016", "記録の中の内容が、転送のときの SHA-256 と一致しません。取り出しを止めました。", "運用担当者に知らせ、`sekisho verify` で記録全体を確かめてください。", "The content in the recording is not what its SHA-256 says. Nothing was handed out.", "Tell the operator, and check the whole record with sekisho verify."),

            Self::WrongState { .. } => ("SKS-3001", "作業計画の状態が変わったため、この操作はできません。", "計画の画面で今の状態を確かめてください。", "The plan's state does not allow this.", "Look at the plan's present state."),
            Self::ApproverIsApplicant => ("SKS-3002", "申請した本人は承認できません。", "別の承認者に依頼してください。", "The applicant cannot approve.", "Ask another approver."),
            Self::ApproverIsVendor => ("SKS-3003", "事業者の人は承認できません。", "病院の承認者に依頼してください。", "A vendor's person cannot approve.", "Ask an approver of the hospital."),
            Self::AlreadyApproved => ("SKS-3004", "同じ人が二つの承認を行うことはできません。", "もう一人の承認者に依頼してください。", "One person cannot give two approvals.", "Ask the other approver."),
            Self::PlannerOnly => ("SKS-3005", "個人情報の利用または持出しがあるため、企画管理者だけが承認できます。", "企画管理者に承認を依頼してください。", "Personal data or take-out: only the planner may approve.", "Ask the planner."),
            Self::DigestChanged => ("SKS-3006", "表示後に計画の内容が変わりました。", "新しい内容を読んでから、もう一度承認してください。", "The plan changed after it was shown.", "Read it again before approving."),
            Self::WorkerNotReady { .. } => ("SKS-3007", "誓約または教育の期限が切れている作業者がいます。", "期限を更新するか、別の作業者にしてください。", "A worker is inactive or without valid pledge or training.", "Renew it, or name another worker."),
            Self::BadWindow => ("SKS-3008", "作業時間の指定に誤りがあります。", "開始は終了より前、終了は今より後、長さは7日以内にしてください。", "The window is not valid.", "It must end in the future, after its beginning, and last at most 7 days."),
            Self::TargetNotVendors { .. } => ("SKS-3009", "この事業者の担当ではない接続先が含まれています。", "台帳で担当を確かめてください。", "A target is not maintained by this vendor.", "Check the ledger."),
            Self::FindingsOpen => ("SKS-3010", "理由と判断が入っていない差異が残っています。", "すべての差異に理由と判断を入力してください。", "Differences are left without reason and decision.", "Give each difference its reason and decision."),
            Self::AfterFactOpen => ("SKS-3011", "緊急実施の事後承認がまだです。", "企画管理者が事後承認を済ませてください。", "The approval after the fact is still open.", "The planner must decide it first."),
            Self::ReasonNeeded => ("SKS-3012", "理由を入力してください。", "一言で構いません。", "A reason is needed.", "One sentence is enough."),
            Self::SessionRunning => ("SKS-3013", "まだ接続中の作業があります。", "接続が終わってから操作してください。", "A session of this plan is still running.", "Wait until it has ended."),
            Self::VendorInactive => ("SKS-3014", "事業者の契約が終了しているか、無効です。", "契約を確かめてください。", "The vendor's contract has ended or it is disabled.", "Check the contract."),
            Self::BadExtension => ("SKS-3015", "延長後の終了時刻に誤りがあります。", "今の終了より後、12時間以内にしてください。", "The extension is not valid.", "It must end after the present end, at most 12 hours later."),

            Self::SshLoginOff => ("SKS-1051", "この病院では、sekisho connect login(証明書によるログイン)を使えません。", "パスワードとワンタイムコードで接続してください。", "This hospital allows no login by certificate.", "Connect with password and one-time code."),
            Self::SshLoginRefused => ("SKS-1052", "このログイン証明書は使えません。", "sekisho-connect login でもう一度ログインしてください。続く場合は病院の関所管理者に連絡してください。", "This login certificate does not count.", "Log in again with sekisho-connect login; if it persists, contact the hospital's administrator."),
            Self::ConnectOver => ("SKS-1053", "この接続の確認は終わっています(時間切れ、確認済み、または端末側で中止)。", "端末で sekisho-connect login をもう一度実行してください。", "This request of a device is over: too old, answered, or given up on the device.", "Run sekisho-connect login again on the device."),
            Self::ConnectDenied => ("SKS-1054", "ブラウザーで「自分ではない」と答えたため、ログインしませんでした。", "心当たりがない場合は、病院の関所管理者に連絡してください。", "The login was declined in the browser.", "If you did not decline it yourself, contact the hospital's administrator."),
            Self::NoPlan => ("SKS-4001", "この接続先について承認された作業計画がありません。", "作業計画を申請し、病院の承認を受けてください。", "No approved work plan of yours names this target.", "Apply for a work plan and wait for approval."),
            Self::WorkFinished { .. } => ("SKS-4040", "この計画は「作業を終了した」と届け出られているため、接続できません。", "続きの作業が必要な場合は、画面から新しい作業計画(急ぐときは緊急)を申請し、病院の承認を受けてください。", "The work of this plan was declared ended.", "If more work is needed, apply for a new plan (or an emergency) and wait for approval."),
            Self::WindowNotOpen { .. } => ("SKS-4002", "作業時間になっていません。", "開始時刻になってから接続してください。", "The window has not opened.", "Connect when it opens."),
            Self::WindowClosed => ("SKS-4003", "作業時間は終わりました。", "続ける場合は延長または新しい計画を申請してください。", "The window has closed.", "Apply for an extension or a new plan."),
            Self::WorkerNotInPlan => ("SKS-4004", "あなたはこの計画の作業者に含まれていません。", "計画の作業者を確かめてください。", "The plan does not list you as a worker.", "Check the workers of the plan."),
            Self::TargetNotInPlan => ("SKS-4005", "この接続先は計画に含まれていません。", "接続先の名前と計画を確かめてください。", "The plan does not list this target.", "Check the target's name and the plan."),
            Self::SourceNotAllowed => ("SKS-4006", "登録されていない接続元です。", "登録された回線から接続してください。", "This source address is not registered.", "Connect from a registered line."),
            Self::TargetNotReady => ("SKS-4007", "接続先の準備ができていません(ホスト鍵または認証情報が未登録)。", "病院の運用担当者に連絡してください。", "The target is not ready: host key or credential is missing.", "Contact the hospital's operator."),
            Self::FunctionNotInPlan { .. } => ("SKS-4008", "この機能は計画で許可されていません。", "必要な場合は計画を直して承認を受けてください。", "This function is not part of the plan.", "If you need it, have the plan changed and approved."),
            Self::ForwardingRefused => ("SKS-4009", "ポート転送・X11・エージェント転送は許可されていません。", "転送の設定を外して接続してください。", "Forwarding, X11 and agent are not allowed.", "Connect without them."),
            Self::NoRecording => ("SKS-4010", "録画を保存できないため、接続できません。", "病院の運用担当者に連絡してください。", "The recording cannot be kept, so no session.", "Contact the hospital's operator."),
            Self::LogUnavailable => ("SKS-4011", "記録台帳に書き込めないため、接続できません。", "病院の運用担当者に連絡してください。", "The log cannot be written, so no session.", "Contact the hospital's operator."),
            Self::LogContradicted => ("SKS-4041", "記録台帳が外部の控えと食い違っているため、接続できません。", "病院の運用担当者に連絡してください。", "The log contradicts what was seen of it outside, so no session.", "Contact the hospital's operator."),
            Self::ClockHeld => ("SKS-4043", "関所の時計が信用できないため、接続できません。", "病院の運用担当者に連絡してください。", "The clock of the gateway cannot be believed, so no session.", "Contact the hospital's operator."),
            Self::DiskFull => ("SKS-4012", "空き容量が足りないため、接続できません。", "病院の運用担当者に連絡してください。", "Not enough disk space for a recording.", "Contact the hospital's operator."),
            Self::Busy => ("SKS-4013", "同時に接続できる数を超えています。", "少し待ってから接続してください。", "Too many sessions at once.", "Wait a little and try again."),
            Self::TargetUnreachable => ("SKS-4014", "接続先につながりません。", "接続先の状態を病院の運用担当者に確かめてください。", "The target does not answer or refuses.", "Ask the hospital's operator about the target."),
            Self::HostKeyChanged => ("SKS-4015", "接続先のホスト鍵が登録と違うため、接続を止めました。", "病院の運用担当者に連絡してください。入れ替えでなければ、なりすましの恐れがあります。", "The target's host key is not the registered one; stopped.", "Contact the operator. Unless it was replaced, someone may be impersonating it."),
            Self::ApprovalBroken => ("SKS-4016", "計画の承認を検証できませんでした。", "病院の運用担当者に連絡してください。", "The plan's approval does not verify.", "Contact the hospital's operator."),
            Self::BadSshLogin => ("SKS-4017", "ログイン名の形が違います。", "「作業者名+接続先名」の形で指定してください(例: sato+ehr-db01)。", "The login has not the form WORKER+TARGET.", "Use, for example, sato+ehr-db01."),
            Self::PlanNotOpen => ("SKS-4018", "指定された計画は今は使えません。", "表示された計画の中から選んでください。", "The plan named is not open now.", "Choose one of those shown."),
            Self::KeyWindowOff => ("SKS-4020", "鍵だけの接続は、病院の設定または計画で許可されていません。", "必要な場合は計画で「鍵だけの接続」を申請してください。", "Policy or plan allow no key window.", "Apply for it in the plan if you need it."),
            Self::CredentialChanging => ("SKS-4021", "接続先の認証情報を関所が更新しているところです。", "1分ほど待ってから、もう一度行ってください。続く場合は病院の運用担当者に連絡してください。", "The target's credential is being exchanged.", "Try again in a minute; if it persists, contact the hospital's operator."),
            Self::SealChanged => ("SKS-4044", "接続している間に、接続先の登録か、録画を開くのに同意が要る人が変わりました。", "もう一度接続してください。", "While you connected, the entry of the target changed, or who has to agree before recordings open.", "Connect again."),
            Self::LineOutsideTimes { .. } => ("SKS-4022", "この回線を使える時間ではありません。", "登録された時間に接続してください。時間外の作業が必要な場合は、病院の関所管理者に連絡してください。", "This line may not be used at this time.", "Connect in its registered times, or contact the hospital's administrator."),
            Self::DeviceUnknown => ("SKS-4023", "登録されていない端末からの接続です。", "登録された端末から接続してください。新しい端末は、病院の関所管理者に登録を依頼してください。", "This device is not registered.", "Connect from a registered device, or ask the hospital's administrator to register it."),
            Self::DeviceNeedsCertificate => ("SKS-4024", "この回線では、端末が証明書で名乗る必要があります。", "端末証明書を登録した端末から、sekisho connect で接続してください。", "On this line the device must prove itself by certificate.", "Connect with sekisho connect from a device that holds a certificate."),
            Self::DeviceInactive => ("SKS-4025", "この端末の登録は終了しています。", "登録された端末から接続してください。", "This device was taken out of service.", "Connect from a registered device."),
            Self::DeviceLost => ("SKS-4026", "この端末は紛失として届け出られています。", "すぐに病院の関所管理者に連絡してください。", "This device was declared lost.", "Contact the hospital's administrator at once."),
            Self::DeviceNotYours => ("SKS-4027", "この端末は、あなたが使う端末として登録されていません。", "自分に割り当てられた端末から接続してください。", "This device is not registered for you.", "Connect from a device that is assigned to you."),
            Self::DeviceNotChecked => ("SKS-4028", "この端末の点検(マルウェア対策・更新・USB制限)が済んでいないか、期限が切れています。", "端末を点検し、結果を病院の関所管理者に届け出てください。", "The check of this device (protection, updates, USB) is missing or has run out.", "Have the device checked and report it to the hospital's administrator."),
            Self::CountryNotAllowed { .. } => ("SKS-4029", "この国・地域からの接続は、この回線では許可されていません。", "許可された国から接続してください。心当たりのない国が表示される場合は、病院の関所管理者に連絡してください。", "This line may not be used from this country.", "Connect from an allowed country; if the one shown is wrong, contact the hospital's administrator."),
            Self::CountryTableMissing => ("SKS-4030", "接続元の国を確かめる表が関所にないため、接続できません。", "病院の関所管理者に、国の表の取り込みを依頼してください。", "There is no table by which to tell the country of this source.", "Ask the hospital's administrator to import the table of countries."),
            Self::WindowEnded => ("SKS-4101", "作業時間が終わったため、接続を終了しました。", "続ける場合は延長または新しい計画を申請してください。", "The window ended, so the session was closed.", "Apply for an extension or a new plan."),
            Self::Cut => ("SKS-4102", "病院により接続が切断されました。", "病院の担当者に連絡してください。", "The hospital cut the session.", "Contact the hospital."),
            Self::Idle => ("SKS-4103", "操作がないまま時間がたったため、接続を終了しました。", "必要な場合はもう一度接続してください。", "The session was idle for too long.", "Connect again if needed."),
            Self::ProtocolBreach => ("SKS-4104", "通信の内容が規則または上限に合わないため、接続を終了しました。", "使っているソフトウェアの種類と版を病院の運用担当者に伝えてください。", "The connection broke a rule of its protocol or a limit.", "Tell the hospital's operator which software and version you use."),
            Self::NoWitness => ("SKS-4105", "立会いがないまま時間がたったため、接続を終了しました。", "病院の担当者に立会いを頼んでから、もう一度接続してください。", "No witness watched for too long, so the session was closed.", "Ask the hospital for a witness and connect again."),
            Self::FileRightNotInPlan { .. } => ("SKS-4301", "このファイル操作は計画で許可されていません。", "必要な場合は計画を直して承認を受けてください。", "The plan does not allow this with files.", "If you need it, have the plan changed and approved."),
            Self::TransferLimit { .. } => ("SKS-4302", "計画で決めた転送の上限に達したため、転送を止めました。途中のファイルは不完全です。", "不完全なファイルを確かめ、必要な場合は計画を直して承認を受けてください。", "The plan's limit of transfers was reached, so it was stopped; a file under way is incomplete.", "Check the incomplete file; if you need more, have the plan changed and approved."),
            Self::TransferUncounted => ("SKS-4303", "計画でファイル数に上限があるため、数を確かめられない rsync は使えません。", "sftp または scp を使うか、計画を直して承認を受けてください。", "The plan limits the number of files, which cannot be counted in rsync.", "Use sftp or scp, or have the plan changed and approved."),
            Self::ForwardNotInPlan => ("SKS-4304", "このポート転送先は計画に含まれていません。", "計画に書かれたホスト名とポートをそのまま指定してください。", "The plan does not name the place of this forward.", "Name host and port exactly as the plan does."),
            Self::VolumePassed => ("SKS-4305", "端末やコマンドを通った量が上限を超えたため、一時停止しました。", "病院の担当者が確認して再開するまでお待ちください。", "Too much went through terminals or commands, so the session is paused.", "Wait until the hospital has looked at it and lets it go on."),
            Self::UploadRefused { .. } => ("SKS-4306", "病院がこのファイルを通しませんでした。接続先には何も届いていません。", "病院の担当者に相談してください。", "The hospital did not let this file pass; nothing of it reached the target.", "Talk to the hospital."),
            Self::UploadUndecided => ("SKS-4307", "時間内に病院の確認がなかったため、ファイルを通しませんでした。接続先には何も届いていません。", "病院の担当者に連絡してから、もう一度送ってください。", "Nobody checked the file in time; nothing of it reached the target.", "Contact the hospital, then send it again."),
            Self::UploadNotWhole { .. } => ("SKS-4308", "送るファイルは病院の確認を待つため、この送り方は使えません。接続先には何も届いていません。", "追記や部分的な書換えではなく、ファイル全体を SFTP で先頭から送ってください(sftp の put、または scp)。", "Uploads wait for the hospital's check, so a file cannot be sent in this way; nothing of it reached the target.", "Send the whole file by SFTP from its first byte (put of sftp, or scp), without append or resume."),
            Self::UploadTooMuch { .. } => ("SKS-4309", "病院の確認を待てるファイルの大きさまたは数を超えました。接続先には何も届いていません。", "先に送ったファイルの確認を待つか、分けて送ってください。", "More than may wait for the hospital's check; nothing of this file reached the target.", "Wait for the files sent before, or send it in parts."),
            Self::UploadNeedsSftp { .. } => ("SKS-4310", "送るファイルは病院の確認を待つため、この方法では送れません。", "sftp、または -O を付けない scp を使ってください。", "Uploads wait for the hospital's check, which this way of sending cannot do.", "Use sftp, or scp without -O."),
            Self::UploadLost => ("SKS-4311", "確認を待つファイルの内容を保管できませんでした。接続先には何も届いていません。", "病院の運用担当者に連絡してください。", "The content of the waiting file could not be kept; nothing of it reached the target.", "Contact the hospital's operator."),
            Self::CommandRefused { .. } => ("SKS-4201", "このコマンドは実行できません(ルールによる拒否)。", "必要な作業であれば、病院の担当者に相談してください。", "A rule refuses this command; it was not run.", "If the work needs it, talk to the hospital."),
            Self::CommandDenied { .. } => ("SKS-4202", "病院がコマンドを許可しませんでした。実行していません。", "病院の担当者に相談してください。", "The hospital did not allow this command; it was not run.", "Talk to the hospital."),
            Self::CommandUndecided { .. } => ("SKS-4203", "時間内に判断がなかったため、コマンドを実行しませんでした。", "病院の担当者に連絡してから、もう一度実行してください。", "Nobody decided in time; the command was not run.", "Contact the hospital, then enter it again."),

            Self::Fault => ("SKS-9001", "内部の問題で処理できませんでした。何も変更されていません。", "もう一度お試しください。続く場合は関所管理者に連絡してください。", "An internal fault; nothing was changed.", "Try again; if it persists, contact the administrator."),
        };
        Words { code, ja, next_ja, en, next_en }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_and_codes_have_their_form() {
        for refusal in [Refusal::LoginFailed, Refusal::NoPlan, Refusal::Fault, Refusal::bad_field("title")] {
            let words = refusal.words();
            assert!(words.code.starts_with("SKS-") && words.code.len() == 8, "{words:?}");
            assert!(words.ja.ends_with('。') && words.en.ends_with('.'), "{words:?}");
        }
        assert_eq!(Refusal::bad_field("title").detail().as_deref(), Some("title"));
    }
}
