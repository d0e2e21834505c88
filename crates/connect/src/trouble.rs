//! What can stand in the way, with a code and the next step in both languages.

use std::fmt;

/// Why something was not done. The codes are explained in `docs/codes.md`.
#[derive(Debug)]
pub enum Trouble {
    /// The code is not of the form that codes have.
    CodeForm,
    /// `HOST:PORT` is none.
    ServerForm,
    /// The server cannot be reached.
    Unreachable {
        /// Which.
        server: String,
        /// What the system said.
        detail: String,
    },
    /// What answers is not the server for which the code was issued.
    OtherServer,
    /// What answers is not the server that this device enrolled at, or not under this name.
    Untrusted {
        /// What the check said.
        detail: String,
    },
    /// The server does not accept this device's certificate.
    NotAccepted,
    /// The connection broke.
    Broken {
        /// What the system said.
        detail: String,
    },
    /// The server refused, with its own code and words.
    Refused {
        /// `SKS-…`.
        code: String,
        /// In Japanese.
        ja: String,
        /// In English.
        en: String,
    },
    /// This device was never enrolled, or not under this name.
    NotEnrolled,
    /// Several hospitals; one must be named.
    Which {
        /// Their short names.
        names: String,
    },
    /// A name is none.
    NameForm,
    /// The name leads to another hospital on this device.
    NameTaken {
        /// Which.
        name: String,
    },
    /// Tunnels are offered to this machine alone.
    NotLoopback,
    /// A file of this device cannot be used.
    Here {
        /// What happened.
        detail: String,
    },
    /// The certificate has ended.
    Ended,
    /// There is nothing to say: nobody is there to log in.
    Silent,
    /// No target is named, and none is known.
    NoTarget,
    /// The page on which a login is confirmed has an address that none of Sekisho's has.
    PageForm,
}

impl Trouble {
    /// Something on this machine.
    pub fn here(error: impl fmt::Display) -> Self {
        Self::Here { detail: error.to_string() }
    }

    /// Something on the way.
    pub fn broken(error: impl fmt::Display) -> Self {
        Self::Broken { detail: error.to_string() }
    }

    /// Code, and what happened with its next step in Japanese and in English.
    #[must_use]
    pub fn words(&self) -> (String, String, String) {
        let say = |code: &str, ja: String, en: String| (code.to_owned(), ja, en);
        match self {
            Self::CodeForm => say("SKC-01", "登録コードの形が違います。20 文字の英数字を、もう一度確かめてください。".into(), "This is no enrolment code. It has 20 letters and digits; check it again.".into()),
            Self::ServerForm => say("SKC-02", "関所の指定が違います。「名前:ポート」の形で指定してください(例 sekisho.example:443)。".into(), "Name the server as HOST:PORT.".into()),
            Self::Unreachable { server, detail } => say(
                "SKC-03",
                format!("{server} に接続できません({detail})。回線・VPN と、病院から伝えられた名前とポートを確かめてください。"),
                format!("{server} cannot be reached ({detail}). Check the line, the VPN, and the name and port that the hospital gave you."),
            ),
            Self::OtherServer => say(
                "SKC-04",
                "接続した相手は、この登録コードを発行した関所ではありません。コードは送っていません。入力を確かめ、同じ結果になるときは病院に電話で連絡してください。".into(),
                "What answers is not the Sekisho that issued this code. The code was not sent. Check what you typed; if it happens again, call the hospital.".into(),
            ),
            Self::Untrusted { detail } => say(
                "SKC-05",
                format!("接続した相手が、登録したときの関所と確認できません({detail})。接続せず、病院に電話で連絡してください。"),
                format!("What answers cannot be recognised as the Sekisho of your enrolment ({detail}). Do not go on; call the hospital."),
            ),
            Self::NotAccepted => say(
                "SKC-06",
                "この端末の証明書が受け入れられませんでした。失効または期限切れのことがあります。病院に新しい登録コードの発行を依頼してください。".into(),
                "The certificate of this device was not accepted; it may be revoked or expired. Ask the hospital for a new code.".into(),
            ),
            Self::Broken { detail } => say("SKC-07", format!("接続が途中で切れました({detail})。もう一度お試しください。"), format!("The connection broke ({detail}). Try again.")),
            Self::Refused { code, ja, en } => (code.clone(), ja.clone(), en.clone()),
            Self::NotEnrolled => say(
                "SKC-08",
                "この端末はまだ登録されていません。病院から登録コードを受け取り、sekisho-connect enrol を実行してください。".into(),
                "This device is not enrolled. Get a code from the hospital and run sekisho-connect enrol.".into(),
            ),
            Self::Which { names } => say("SKC-09", format!("登録が複数あります({names})。--name で選んでください。"), format!("There are several registrations ({names}). Choose one by --name.")),
            Self::NameForm => say("SKC-10", "名前に使えるのは英小文字・数字・「.」「_」「-」です。指定を確かめてください。".into(), "Names hold a-z, 0-9, dot, underscore and hyphen. Check what you gave.".into()),
            Self::NotLoopback => say("SKC-11", "待ち受けられるのは、この端末の中だけです。127.0.0.1 を指定してください。".into(), "Tunnels are offered to this machine alone. Listen on 127.0.0.1.".into()),
            Self::Here { detail } => say("SKC-12", format!("この端末で処理できませんでした({detail})。ファイルの権限と空き容量を確かめてください。"), format!("Something failed on this machine ({detail}). Check rights and free space.")),
            Self::NameTaken { name } => say(
                "SKC-14",
                format!("「{name}」の名前では、この端末は別の病院に登録されています。上書きはしません。--name で別の名前を指定して、もう一度実行してください。"),
                format!("Under the name \"{name}\" this device is registered at another hospital, which is not overwritten. Give --name another name and run it again."),
            ),
            Self::Silent => say("SKC-16", "ログインできる画面がありません。".into(), "There is no screen to log in on.".into()),
            Self::NoTarget => say(
                "SKC-17",
                "接続先がわかりません。--target で接続先の名前を指定するか、先に sekisho-connect login を実行してください。".into(),
                "No target is known. Name one by --target, or run sekisho-connect login first.".into(),
            ),
            Self::PageForm => say(
                "SKC-15",
                "関所が示したログイン画面の住所が正しい形ではないため、開きませんでした。病院に電話で連絡してください。".into(),
                "The address of the login page is none that Sekisho has, so it was not opened. Call the hospital.".into(),
            ),
            Self::Ended => say(
                "SKC-13",
                "この端末の証明書は期限が切れています。病院に新しい登録コードの発行を依頼してください。".into(),
                "The certificate of this device has ended. Ask the hospital for a new code.".into(),
            ),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, ja, en) = self.words();
        // What a server said is shown on a terminal.
        let shown = |text: String| text.chars().filter(|letter| !letter.is_control()).take(600).collect::<String>();
        write!(f, "{} {}\n{}", shown(code), shown(ja), shown(en))
    }
}
