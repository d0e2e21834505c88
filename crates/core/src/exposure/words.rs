//! A finding in words for somebody who is no expert: this is so, this is why it matters, do this.

use super::judge::Kind;
use super::{Part, Place, Transport};

/// Three sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// This is so.
    pub so: String,
    /// This is why it matters.
    pub why: String,
    /// Do this.
    pub act: String,
}

fn words(so: String, why: &str, act: &str) -> Words {
    Words { so, why: why.to_owned(), act: act.to_owned() }
}

impl Part {
    /// The name in Japanese.
    #[must_use]
    pub fn ja(self) -> &'static str {
        match self {
            Self::Pages => "画面",
            Self::Ssh => "SSHの関門",
            Self::Door => "外側の入口",
            Self::Logs => "機器ログの受け口",
        }
    }

    /// The name in English.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Self::Pages => "The pages",
            Self::Ssh => "The SSH gateway",
            Self::Door => "The outer door",
            Self::Logs => "The listener for targets' logs",
        }
    }
}

/// What usually answers at a port, in Japanese and English.
#[must_use]
pub fn usual(transport: Transport, port: u16) -> Option<(&'static str, &'static str)> {
    Some(match (transport, port) {
        (Transport::Tcp, 21) => ("ファイル転送(FTP)", "file transfer (FTP)"),
        (Transport::Tcp, 22) => ("遠隔操作(SSH)", "remote shell (SSH)"),
        (Transport::Tcp, 23) => ("遠隔操作(Telnet、暗号なし)", "remote shell (Telnet, unencrypted)"),
        (Transport::Tcp, 25 | 465 | 587) => ("メール送信", "mail"),
        (_, 53) => ("名前解決(DNS)", "names (DNS)"),
        (Transport::Udp, 67 | 68) => ("アドレス取得(DHCP)", "addresses (DHCP)"),
        (Transport::Tcp, 80 | 8080) => ("Web(暗号なし)", "web (unencrypted)"),
        (_, 111 | 2049) => ("ファイル共有(NFS)", "file sharing (NFS)"),
        (Transport::Udp, 123) => ("時刻合わせ(NTP)", "time (NTP)"),
        (Transport::Tcp, 139 | 445) => ("ファイル共有(Windows)", "file sharing (Windows)"),
        (Transport::Udp, 161) => ("監視(SNMP)", "monitoring (SNMP)"),
        (Transport::Tcp, 443 | 8443) => ("Web", "web"),
        (Transport::Tcp, 631) => ("印刷", "printing"),
        (Transport::Tcp, 3306) => ("データベース(MySQL)", "database (MySQL)"),
        (Transport::Tcp, 3389) => ("画面の遠隔操作(RDP)", "remote desktop (RDP)"),
        (Transport::Udp, 5353) => ("機器の自動発見(mDNS)", "discovery (mDNS)"),
        (Transport::Tcp, 5432) => ("データベース(PostgreSQL)", "database (PostgreSQL)"),
        (Transport::Tcp, 5900..=5910) => ("画面の遠隔操作(VNC)", "remote desktop (VNC)"),
        (Transport::Tcp, 6379) => ("データベース(Redis)", "database (Redis)"),
        (Transport::Tcp, 9100) => ("監視または印刷", "monitoring or printing"),
        _ => return None,
    })
}

fn named(place: &Place, program: Option<&str>, ja: bool) -> String {
    let usual = usual(place.transport, place.port).map(|(word_ja, word_en)| if ja { word_ja } else { word_en });
    match (program, usual) {
        (Some(program), Some(usual)) if ja => format!("プログラム {program}、このポートはふつう{usual}"),
        (Some(program), Some(usual)) => format!("program {program}; this port is usually {usual}"),
        (Some(program), None) if ja => format!("プログラム {program}"),
        (Some(program), None) => format!("program {program}"),
        (None, Some(usual)) if ja => format!("このポートはふつう{usual}"),
        (None, Some(usual)) => format!("this port is usually {usual}"),
        (None, None) if ja => "何のプログラムかはこの権限では分かりません".to_owned(),
        (None, None) => "which program it is cannot be seen from this account".to_owned(),
    }
}

fn where_ja(place: &Place) -> String {
    let address = if place.address.is_unspecified() { "この機械のすべてのアドレス".to_owned() } else { format!("アドレス {}", place.address) };
    format!("{address}の {} ポート {}", place.transport.as_str().to_uppercase(), place.port)
}

fn where_en(place: &Place) -> String {
    let address = if place.address.is_unspecified() { "every address of this machine".to_owned() } else { place.address.to_string() };
    format!("{} port {} at {address}", place.transport.as_str().to_uppercase(), place.port)
}

fn list(addresses: &[std::net::IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Kind {
    /// In Japanese.
    #[must_use]
    pub fn ja(&self) -> Words {
        match self {
            Self::Unexpected { place, program } => words(
                format!("{}で、関所のものではない何かが応答します({})。", where_ja(place), named(place, program.as_deref(), true)),
                "応答する口はすべて侵入の入口になり得ます。知らないものが開いていれば、設定の誤りか、誰かが仕掛けたものかもしれません。",
                "何のためのものかを、この機械を入れた業者か担当者に確かめてください。必要なら理由を書いて下の「確認済みのサービス」に加え、不要なら止めてもらってください。",
            ),
            Self::PagesOutside { addresses } => words(
                format!("管理の画面が、外に面したアドレス({})で応答します。", list(addresses)),
                "外からは「外側の入口」だけが応答し、端末の証明書のない相手は画面を見ることもできない形が安全です。この口では、パスワードと確認コードだけが守りになります。",
                "設定ファイルの [web] listen を内側のアドレス(例 \"192.168.1.10:8443\")にして、関所を起動し直してください。",
            ),
            Self::Silent { part, port } => words(
                format!("{}(ポート {port})が、どのアドレスでも応答しません。", part.ja()),
                "作業員や職員がつながらない状態です。",
                "関所の記録(journal)に出ている理由を確かめ、起動し直してください。",
            ),
            Self::LetsStrangersIn { part } => words(
                format!("{}が、証明書を見せない相手を通しました。", part.ja()),
                "登録した端末だけが入れるという守りが効いていません。",
                "直ちに外部との接続を止め、関所の提供元に連絡してください。",
            ),
            Self::WeakTls { part, offers } => words(
                format!("{}が、定めより弱い暗号に応じます({})。", part.ja(), offers.join("、")),
                "古い方式の通信は、途中で読まれたり書き換えられたりするおそれがあります(ガイドライン13章は TLS 1.3 を求めています)。",
                "関所の前に置いた機器(負荷分散装置など)が代わりに応答していないか確かめ、なければ提供元に連絡してください。",
            ),
            Self::CertificateTime { part, subject, from, until } => words(
                format!("{}の証明書「{subject}」の期間は {} から {} までです。", part.ja(), from.minute(), until.minute()),
                "期間の外では、ブラウザーや端末が接続を断ります。",
                "関所が作った証明書は起動のときに更新されます。関所を起動し直してください。自院で用意した証明書なら、新しいものに取り換えてください。時計が狂っていないかも見てください。",
            ),
            Self::NotScanned { part, why } => words(
                format!("{}の暗号を調べられませんでした({why})。", part.ja()),
                "弱い方式に応じていても気づけません。",
                "しばらくしてもう一度「今すぐ点検」を押してください。続くときは提供元に連絡してください。",
            ),
            Self::Blind { what } => words(
                format!("調べられなかったところがあります({what})。"),
                "見えないところに開いた口があっても気づけません。",
                "関所を動かす権限と、コンテナーの中で動かしていないかを確かめてください。",
            ),
            Self::Gone { name, port } => words(
                format!("確認済みのサービス「{name}」(ポート {port})は、いま応答していません。"),
                "使わなくなったものの許しが残っていると、別のものが同じ口を使っても気づけません。",
                "もう使わないなら、下の一覧から外してください。",
            ),
        }
    }

    /// In English.
    #[must_use]
    pub fn en(&self) -> Words {
        match self {
            Self::Unexpected { place, program } => words(
                format!("Something that is not Sekisho answers on {} ({}).", where_en(place), named(place, program.as_deref(), false)),
                "Everything that answers can be a way in. What nobody knows of is a mistake in the set-up, or was put there by somebody.",
                "Ask whoever set this machine up what it is for. If it is needed, write the reason and add it to the confirmed services below; if not, have it stopped.",
            ),
            Self::PagesOutside { addresses } => words(
                format!("The pages for administration answer at an address that faces outside ({}).", list(addresses)),
                "From outside only the outer door should answer, where nobody sees a page without the certificate of a device. Here a password and a code are the only guard.",
                "Set [web] listen to an inner address (such as \"192.168.1.10:8443\") in the configuration and restart Sekisho.",
            ),
            Self::Silent { part, port } => words(
                format!("{} (port {port}) answers at no address.", part.en()),
                "Workers or staff cannot connect.",
                "Look for the reason in what Sekisho wrote about itself (journal), and restart it.",
            ),
            Self::LetsStrangersIn { part } => words(
                format!("{} let somebody through who showed no certificate.", part.en()),
                "Only registered devices should come in, and that does not hold.",
                "Take the machine off the outer network at once and call whoever provides Sekisho.",
            ),
            Self::WeakTls { part, offers } => words(
                format!("{} answers weaker encryption than is set ({}).", part.en(), offers.join(", ")),
                "What is sent by older ways may be read or changed on the road (chapter 13 of the guideline asks for TLS 1.3).",
                "See whether a device in front of Sekisho (such as a load balancer) answers in its place; if not, call whoever provides Sekisho.",
            ),
            Self::CertificateTime { part, subject, from, until } => words(
                format!("{}: the certificate \"{subject}\" holds from {} to {}.", part.en(), from.minute(), until.minute()),
                "Outside of that time browsers and devices refuse to connect.",
                "Certificates that Sekisho makes are renewed at its start: restart it. Replace one of your own with a new one. See whether the clock is right.",
            ),
            Self::NotScanned { part, why } => words(
                format!("{}: the encryption could not be looked at ({why}).", part.en()),
                "Weak ways would not be noticed.",
                "Press \"Check now\" again after a while. If it stays, call whoever provides Sekisho.",
            ),
            Self::Blind { what } => words(
                format!("Something could not be looked at ({what})."),
                "What is open there would not be noticed.",
                "See with which rights Sekisho runs, and whether it runs inside a container.",
            ),
            Self::Gone { name, port } => words(
                format!("The confirmed service \"{name}\" (port {port}) does not answer at present."),
                "If it is not used any more, something else could take its port unnoticed.",
                "Take it off the list below if it is not used any more.",
            ),
        }
    }
}
