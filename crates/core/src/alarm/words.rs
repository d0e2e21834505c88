//! An alarm in words for somebody who is no expert: this happened, this is why it matters, press this.

use super::{EndingThing, Rule, What};
use crate::around::AroundRule;
use crate::command::RuleAct;
use crate::two_person::SecondKeyChange;

/// Two sentences in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// This happened.
    pub what: String,
    /// This is why it matters, and what to do.
    pub why: String,
}

fn mib(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

impl Rule {
    /// The name in Japanese.
    #[must_use]
    pub fn ja(self) -> &'static str {
        match self {
            Self::OutsideHours => "時間外の接続",
            Self::NewSource => "いつもと違う接続元",
            Self::NewDevice => "いつもと違う端末",
            Self::NewTarget => "いつもと違う対象",
            Self::Refusals => "拒否の繰り返し",
            Self::Volume => "いつもと違う転送量",
            Self::Command => "注意するコマンド",
            Self::Inside => "計画にない要求",
            Self::PersonalData => "申告のない個人情報",
            Self::Emergency => "非常時用アカウント",
            Self::Recording => "録画の異常",
            Self::Log => "証跡の異常",
            Self::Clock => "時計の異常",
            Self::Ending => "期限",
            Self::HostKey => "ホスト鍵の相違",
            Self::Exposure => "露出",
            Self::Directory => "ディレクトリの異常",
            Self::Mail => "メールの不達",
            Self::Credential => "端末・認証手段の異常",
            Self::Overdue => "手続きの遅れ",
            Self::Disk => "ディスクの残り",
            Self::Receiver => "通知先の不達",
            Self::Around => "迂回ログイン",
        }
    }

    /// The name in English.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Self::OutsideHours => "Outside office hours",
            Self::NewSource => "New source",
            Self::NewDevice => "New device",
            Self::NewTarget => "New target",
            Self::Refusals => "Repeated refusals",
            Self::Volume => "Unusual volume",
            Self::Command => "Command to look at",
            Self::Inside => "Not in the plan",
            Self::PersonalData => "Undeclared personal data",
            Self::Emergency => "Emergency account",
            Self::Recording => "Recording",
            Self::Log => "Log",
            Self::Clock => "Clock",
            Self::Ending => "Ends soon",
            Self::HostKey => "Host key",
            Self::Exposure => "Exposure",
            Self::Directory => "Directory",
            Self::Mail => "Mail",
            Self::Credential => "Device or credential",
            Self::Overdue => "Overdue",
            Self::Disk => "Disk",
            Self::Receiver => "Receiver",
            Self::Around => "Login round the gateway",
        }
    }
}

impl EndingThing {
    fn ja(self) -> &'static str {
        match self {
            Self::Contract => "保守契約",
            Self::Line => "回線の契約",
            Self::DeviceCertificate => "端末の証明書",
            Self::PageCertificate => "この画面の証明書",
            Self::Hold => "証拠保全",
            Self::SourceCertificate => "ログの送信元の証明書",
        }
    }

    fn en(self) -> &'static str {
        match self {
            Self::Contract => "The maintenance contract",
            Self::Line => "The contract of the line",
            Self::DeviceCertificate => "The certificate of the device",
            Self::PageCertificate => "The certificate of these pages",
            Self::Hold => "The hold",
            Self::SourceCertificate => "The certificate of the log source",
        }
    }
}

fn act_ja(act: RuleAct) -> &'static str {
    match act {
        RuleAct::Note => "記録しました",
        RuleAct::Alert => "通知しました",
        RuleAct::Hold => "保留しました",
        RuleAct::Refuse => "拒否しました",
    }
}

fn act_en(act: RuleAct) -> &'static str {
    match act {
        RuleAct::Note => "noted",
        RuleAct::Alert => "reported",
        RuleAct::Hold => "held",
        RuleAct::Refuse => "refused",
    }
}

fn duty_ja(duty: &str) -> &'static str {
    match duty {
        "report" => "完了報告",
        "confirm" => "完了の確認",
        "after_fact" => "事後承認",
        "reconcile" => "照合",
        _ => "手続き",
    }
}

fn duty_en(duty: &str) -> &'static str {
    match duty {
        "report" => "completion report",
        "confirm" => "confirmation",
        "after_fact" => "approval after the fact",
        "reconcile" => "reconciliation",
        _ => "step",
    }
}

/// `" on PLACE"`, or nothing.
fn on(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" on {place}") }
}

fn told(what: String, why: &str) -> Told {
    Told { what, why: why.to_owned() }
}

impl What {
    /// In Japanese.
    #[must_use]
    pub fn ja(&self) -> Told {
        match self {
            Self::OutsideHours { who, place, at, around, .. } => told(
                format!("{who} さんが {} に {place} へ入りました。", at.minute()),
                match around {
                    Some(_) => "この人はこれまで、この時間帯に作業をしたことがありません。なりすましの恐れがあります。計画にある作業か、本人に電話で確かめてください。",
                    None => "診療時間外は、気付く人が少ない時間です。計画にある作業か確かめてください。(いつもの時間帯は、まだ接続の回数が少なく判断できません。)",
                },
            ),
            Self::NewSource { who, source, place, sessions } => told(
                if place.is_empty() { format!("{who} さんが、これまでと違う接続元 {source} から画面にログインしました(これまで {sessions} 回)。") } else { format!("{who} さんが、これまでと違う接続元 {source} から {place} へ入りました(これまで {sessions} 回)。") },
                "パスワードや端末を盗んだ人は、別の場所から入ってきます。本人がその場所から接続したか確かめてください。",
            ),
            Self::NewDevice { who, name, place, sessions } => told(format!("{who} さんが、これまで使っていなかった端末「{name}」で {place} へ入りました(これまで {sessions} 回)。"), "登録された端末でも、本人のものとは限りません。端末を替えたか本人に確かめてください。"),
            Self::NewTarget { who, place, sessions } => told(
                format!("{who} さんが、これまで入ったことのない {place} に入りました(普段: {sessions} 回の接続はすべて別の対象)。"),
                "承認された計画でも、担当外の機器なら確かめる価値があります。計画の内容と、作業を頼んだ人を確かめてください。",
            ),
            Self::RefusedName { login, source, code, count, minutes } => told(
                format!("ログイン名「{login}」が {minutes} 分以内に {count} 回拒否されました(接続元 {source}、{code})。"),
                "本人が困っているか、誰かが試しています。本人に確かめ、心当たりがなければ接続元を調べてください。",
            ),
            Self::RefusedSource { source, login, code, count, minutes } => told(
                format!("接続元 {source} からの要求が {minutes} 分以内に {count} 回拒否されました(最後の名前「{login}」、{code})。"),
                "一つの場所から何度も試すのは、攻撃の始まりによくある形です。どの事業者の回線か確かめてください。",
            ),
            Self::RefusedAll { source, login, code, count, minutes } => told(
                format!("全体で {minutes} 分以内に {count} 回の拒否がありました(最後は名前「{login}」、接続元 {source}、{code})。"),
                "名前や接続元を変えながら少しずつ試す攻撃は、一つずつ見ても分かりません。どこから何が試されているか、証跡で確かめてください。",
            ),
            Self::UnusualVolume { who, place, bytes, usual, sessions } => told(
                match usual {
                    Some(usual) => format!("{who} さんの {place} での転送量が {} でした。普段({sessions} 回の接続の95%)は {} 以下です。", mib(*bytes), mib(*usual)),
                    None => format!("{who} さんの {place} での転送量が {} でした。比べる接続がまだ少ないため、設定された量と比べています。", mib(*bytes)),
                },
                "大量のデータの持出しかもしれません。セッションのファイル一覧と計画を見比べてください。",
            ),
            Self::VolumeLimit { who, place, text } => told(format!("{who} さんの {place} での作業: {text}"), "セッションが上限に達しました。続けさせるか切断するかを、画面を見て決めてください。"),
            Self::Command { who, place, line, act, reason } => {
                let because = if reason.is_empty() { String::new() } else { format!("理由: {reason}") };
                told(format!("{who} さんが {place} で入力した「{line}」を、規則により{}。{because}", act_ja(*act)), "病院が注意すると決めたコマンドです。計画にある作業か確かめ、違えば切断してください。")
            }
            Self::Inside { who, place, ask, code } => told(format!("{who} さんが {place} で計画にないこと({ask})を求め、拒否されました({code})。"), "計画の書き漏れか、計画を超えた作業です。繰り返すときは作業者に電話してください。"),
            Self::PersonalData { who, place, touched } => told(
                format!("{who} さんが、個人情報のある {place} で「{touched}」を扱いました。計画には個人情報の利用が申告されていません。"),
                "申告のない個人情報の利用は、漏えいの恐れがあります。すぐに作業者に確かめ、必要なら切断して企画管理者に知らせてください。",
            ),
            Self::EmergencyOpened { login, openers, reason } => told(format!("非常時用アカウント「{login}」が開封されました。開けた人: {openers}。理由: {reason}"), "通常の本人確認を通らない入口が開いています。本当に非常時か、名前の出ている人に確かめてください。"),
            Self::EmergencyTried { login, source } => told(format!("非常時用アカウント「{login}」を、正しくない内容で開けようとした人がいます(接続元 {source})。"), "非常時用の入口が試されています。心当たりの人がいなければ、攻撃として扱ってください。"),
            Self::RecordingLost { who, place } => told(format!("{who} さんの {place} でのセッションは、録画を書けなくなったため切断しました。"), "録画できない間の作業は証明できません。ディスクの残りと状態を確かめてください。"),
            Self::RecordingTorn { who, place } => told(format!("{who} さんの {place} でのセッションは、関所か機器が止まったために途中で切れました。"), "録画は切れたところまで封をしました。最後の1秒ほどは失われた恐れがあります。停止の原因を調べてください。"),
            Self::Orphan { file } => told(format!("証跡に記載のない録画ファイル「{file}」が見つかり、別の場所に移しました。"), "停止の瞬間に始まったセッションか、誰かが置いたファイルです。心当たりを調べてください。"),
            Self::RecordingTrouble { text } => told(format!("録画に異常があります: {text}"), "録画は作業の証拠です。消したり直したりせず、そのまま保全して管理者に知らせてください。"),
            Self::PublisherStuck { behind, why } => {
                let because = if why.is_empty() { String::new() } else { format!("({why})") };
                told(format!("証跡の最後の {behind} 件が公開されていません{because}。"), "公開されるまで、外部の人が改ざんの有無を確かめられません。ディスクと権限を確かめてください。")
            }
            Self::ArchiveTrouble { place, code, why } => told(format!("録画の写しを保管先「{place}」に預けられません({code}: {why})。"), "写しがない間に関所のディスクが壊れると、録画が失われます。保管先の状態と設定([archive])を確かめてください。"),
            Self::ArchiveBehind { place, waiting, since } => told(format!("録画 {waiting} 件が、保管先「{place}」への写しを 1 日より長く待っています(最も古いもの: {})。", since.minute()), "写しが届くまで、録画は関所のディスクにしかありません。保管先と経路を確かめてください。"),
            Self::ArchiveCopyBad { place, session, code } => told(format!("保管先「{place}」にある録画 {session} の写しが、預けたものと違うか、なくなっています({code})。"), "保管先で録画が書き換えられたか消された恐れがあります。保管先の操作の記録を調べ、この録画を証拠に使う前に企画管理者に知らせてください。"),
            Self::AuditorKey { name, who } => told(format!("{who} さんの確認により、「{name}」の鍵で、これから始まる録画を開けるようになりました。"), "鍵の持ち主は、関所を通さずに録画を見られます。病院が認めた監査者の鍵か、画面で確かめてください。"),
            Self::SecondKey { name, who, change } => match change {
                SecondKeyChange::Ended => told(format!("{who} さんの確認により、「{name}」さんの第二の鍵の使用を終えました。"), "これから始まる録画は、ほかに有効な第二の鍵がなければ、一人で開けるようになります。病院の決定か、第二の鍵の画面で確かめてください。"),
                SecondKeyChange::EndAsked => told(format!("{who} さんが、「{name}」さんの第二の鍵の使用を終えるよう求めました。"), "別の人が確認すると、二人での閲覧がこの鍵なしになります。心当たりがなければ、第二の鍵の画面で取りやめてください。"),
                _ => told(format!("{who} さんの確認により、これから始まる録画は、「{name}」さん(またはほかの第二の鍵の持ち主)の同意がなければ開けなくなりました。"), "鍵をなくすと録画は二度と開けません。第二の鍵が二つ以上あるか、第二の鍵の画面で確かめてください。"),
            },
            Self::CheckpointStuck { place, why } => told(format!("証跡のチェックポイントを外部の保管先「{place}」へ送れていません({why})。"), "送れない間に書き換えられた証跡は、外部の控えでは見破れません。保管先と経路を確かめてください。"),
            Self::LogContradicted { place, here, there } => told(
                format!("この機器の証跡({here} 件)が、外部の保管先「{place}」の控え({there} 件)と食い違っています。"),
                "古い複製への差し戻しか、改ざんの恐れがあります。セッションはすべて断っています。復元に心当たりがなければ何も変えずに保全し、心当たりがあれば管理者がコンソールで sekisho log accept-restore を実行してください。",
            ),
            Self::RestoreAccepted { place, here, there } => told(
                format!("外部の保管先「{place}」の控え({there} 件)と食い違う証跡({here} 件)のまま運用を続けることを、コンソールで認めました。"),
                "控えとの間の証跡は失われています。復元を知らない場合は、誰がコンソールを使ったかをすぐに調べてください。",
            ),
            Self::KeyRotated { new } => told(
                format!("証跡に署名する鍵を交換しました(新しい公開鍵: {new})。"),
                "新しい公開鍵を前の鍵と並べて控え、立会人(witness)にも教えてください。交換した覚えがなければ、誰がコンソールを使ったかをすぐに調べてください。",
            ),
            Self::FormerKeySigned { place, entries } => told(
                format!("外部の保管先「{place}」に、使用を終えた鍵で署名された、この証跡とは別の証跡({entries} 件)があります。"),
                "復元で失われた分の控えか、前の鍵が漏れて証跡が偽造されたかのどちらかです。復元に心当たりがなければ、その控えを保全し、立会人(witness)に前の鍵を信頼させたままにしていないか確かめてください。",
            ),
            Self::TimestampStuck { authority, why } => told(
                format!("時刻認証局「{authority}」からタイムスタンプを受け取れていません({why})。"),
                "受け取れない間の証跡は、いつ存在したかを外部の時刻で示せません。認証局の状態、経路、証明書の期限を確かめてください。",
            ),
            Self::ClockHeld { by_ms } => told(
                format!("この機器の時計が信用できる時刻より {} 秒進んでいるため、信用せずに元の時刻で記録を続けています。", by_ms.unsigned_abs().div_ceil(1000)),
                "正しい時刻が確かめられるまで、新しいセッションを断っています。時刻合わせ(NTP)を直すか、時計が正しければ管理者がコンソールで sekisho clock accept を実行してください。",
            ),
            Self::ClockCorrected { by_ms } => told(
                format!("証跡の時刻を、コンソールで {} 秒戻しました。", by_ms.unsigned_abs().div_ceil(1000)),
                "この前の項目には実際より後の時刻が付いています。実行した覚えがなければ、誰がコンソールを使ったかをすぐに調べてください。",
            ),
            Self::ClockMoved { by_ms } => told(
                format!("この機器の時計が {} 秒{}ました。", by_ms.unsigned_abs().div_ceil(1000), if *by_ms < 0 { "戻され" } else { "進められ" }),
                "作業時間は時計を戻しても延びません。誰が、なぜ動かしたかを確かめ、時刻合わせ(NTP)の設定を見てください。",
            ),
            Self::ClockOff { offset_ms } => told(
                format!("この機器の時計が時刻サーバーより {} 秒{}います。", offset_ms.unsigned_abs().div_ceil(1000), if *offset_ms > 0 { "遅れて" } else { "進んで" }),
                "証跡の時刻と作業時間の基準が狂っています。時刻合わせ(NTP)の設定を確かめてください。",
            ),
            Self::ClockJumped { seconds } => told(format!("この機器の時計が {seconds} 秒戻りました。"), "証跡の時刻が信頼できなくなります。時刻合わせ(NTP)の設定を確かめてください。"),
            Self::Ending { thing, name, until, days } => told(
                if *days == 0 { format!("{}「{name}」の期限が {} に切れました。", thing.ja(), until.minute()) } else { format!("{}「{name}」の期限が {} に切れます(あと {days} 日以内)。", thing.ja(), until.minute()) },
                match thing {
                    EndingThing::Contract => "契約が切れた事業者は接続できません。更新するか、終了の手続きをしてください。",
                    EndingThing::Line => "契約の切れた回線からは接続できません。更新するか、回線を終了してください。",
                    EndingThing::DeviceCertificate => "証明書が切れた端末は外側の入口に入れません。端末で更新するか、登録コードを出し直してください。",
                    EndingThing::Hold => "期限が過ぎると、保管期間の満了した記録は14日後から削除されます。警察から延長の要請があれば延長し、病院として残すなら新しい証拠保全を指定してください。",
                    EndingThing::SourceCertificate => "期限が切れると、この機器のログが届かなくなり、関所を通らないログインを見つけられません。「ログの送信元」で証明書を発行し直し、機器に入れてください。",
                    EndingThing::PageCertificate => "期限が切れると、ブラウザーが警告を出して画面を開けなくなります。新しい証明書に替えてください。",
                },
            ),
            Self::HostKey { place, seen } => told(format!("接続先「{place}」が、登録と違うホスト鍵を示しました({seen})。"), "接続先が入れ替わっているか、途中に誰かがいます。決まるまで誰も入れません。サーバの管理者に鍵を確かめてください。"),
            Self::Exposed { place, program } => {
                let program = if program.is_empty() { String::new() } else { format!("(プログラム {program})") };
                told(format!("この機器の {place} で、確認されていないサービスが応答しています{program}。"), "開いている口は侵入に使われます。何のサービスかを確かめ、要らなければ止めてください。")
            }
            Self::DirectoryDoubted { source, changed, linked } => told(format!("ディレクトリ「{source}」から、{linked} 人のうち {changed} 人が一度に消えました。誰も無効にしていません。"), "設定の誤りか、ディレクトリの異常です。確かめるまで、退職した人も入れるままです。"),
            Self::Mail { to, why, tried_on } => told(
                if *tried_on { format!("{to} へのメールが長く届いていません({why})。送り直しています。") } else { format!("{to} へのメールが届きませんでした({why})。") },
                "警報や登録の案内が届かない状態です。宛先とメールサーバーを確かめ、急ぐ知らせは電話でしてください。",
            ),
            Self::PasskeyCloned { who, name } => told(format!("{who} さんのパスキー「{name}」が複製された恐れがあり、停止しました。"), "同じ鍵を二人が使っている形です。本人に確かめ、登録し直してください。"),
            Self::TokenRefused { name, why, source } => told(format!("自動化用トークン「{name}」が、使えないはずの場面で使われ、拒否されました({why}、接続元 {source})。"), "トークンが漏れたか、設定が古いままです。心当たりがなければ終了してください。"),
            Self::CertificateRefused { why, source, count } => told(format!("失効などで使えない端末証明書が、{source} から外側の入口に {count} 回示されました({why})。"), "失くした端末や終えた端末を、誰かが使っています。端末の持ち主に確かめてください。"),
            Self::NotMine { who, name, source } => told(format!("{who} さんが、端末「{name}」からのログインの求めを「自分ではない」と答えました(接続元 {source})。"), "誰かがその端末を使っています。端末を紛失として届け、事業者に連絡してください。"),
            Self::DeviceLost { name } => told(format!("端末「{name}」が紛失として届けられました。"), "端末に残った情報が漏れる恐れがあります。最近の使用と、影響のある計画を確かめてください。"),
            Self::ReviewLate { duty, number } => match duty.as_str() {
                "sign" => told(format!("証跡レビュー {number} が期限までに署名されていません。"), "証跡が見られないままになっています。不審な操作に気づくのが遅れます。運用担当者に実施を促してください。"),
                "confirm" => told(format!("証跡レビュー {number} が期限までに確認されていません。"), "署名されたレビューを企画管理者がまだ見ていません。確認してください。"),
                _ => told(format!("報告 {number} が期限までに確認されていません。"), "報告がまだ読まれていません。内容を読み、「確認しました」を押してください。"),
            },
            Self::ReviewIncident { number, who, note } => told(format!("証跡レビュー {number} で、{who} さんが1行を「事案として扱う」と判断しました({note})。"), "事案としての対応が必要です。レビューの該当行を開き、録画と計画を確かめて、対応を決めてください。"),
            Self::Overdue { duty } => told(format!("{}の期限が過ぎました。", duty_ja(duty)), "作業の確認が終わっていません。担当者に催促してください。"),
            Self::DiskLow { free_mib, shut } => told(
                if *shut { format!("ディスクの残りが {free_mib} MiB しかないため、新しい接続を受け付けていません。") } else { format!("ディスクの残りが {free_mib} MiB です。") },
                "残りがなくなると録画ができず、保守の接続を止めます。古いデータを移すか、ディスクを増やしてください。",
            ),
            Self::ReceiverDown { name, why, waiting } => told(format!("通知先「{name}」に送れていません({why})。{waiting} 件が待っています。"), "送れなかったものは消えません。通知先が戻れば順に送ります。相手の機器と設定を確かめてください。"),
            Self::ReceiverSkipped { name, number, why, left_out } => told(
                if *left_out { format!("通知先「{name}」が {number} 番の通知を何度も拒否したため、飛ばしました({why})。") } else { format!("通知先「{name}」が {number} 番の通知を何度も拒否したため、詳細を除いて送りました({why})。") },
                "通知の中の文字列が、通知先やその手前の装置に拒まれています。中身を関所の画面で確かめ、通知先の設定を見直してください。",
            ),
            Self::Around { rule, place, account, from, .. } => told(around_ja(*rule, place, account, from), "関所を通らない作業は、申請・承認・録画のどれも残りません。機器の担当者に確かめ、判断を記録してください。"),
            Self::LogLost { host, lines } => told(format!("{host} からの機器ログ {lines} 行を受け取れませんでした。"), "量が上限を超えています。その間のログインは見つけられません。機器の設定を確かめてください。"),
            Self::LogDropped { first, last } => told(
                if first == last { format!("機器ログの第 {first} 部を、量が上限を超えたため保存期間の前に消しました。") } else { format!("機器ログの第 {first}〜{last} 部を、量が上限を超えたため保存期間の前に消しました。") },
                "関所を通らないログインの証拠が失われた恐れがあります。急に増えた機器がないか確かめ、必要なら上限を増やしてください。",
            ),
            Self::HoldPressed { bytes, limit } => told(
                format!("機器ログが上限({})を超えて {} ありますが、証拠保全中のため古いものを消せません。", mib(*limit), mib(*bytes)),
                "ディスクが足りなくなると、新しいログも接続も受け付けられません。ディスクか上限を増やすか、証拠保全の範囲を見直してください。",
            ),
            Self::SetAside { why } => told(format!("録画の破損を見つけ、隔離しました({why})。"), "改ざんの恐れがあります。複製があれば照合し、ほかの録画に異常がないか、録画とログの検証で確かめてください。"),
            Self::HoldUnlocked { place, copies, code } => told(
                format!("証拠保全中の録画の写し {copies} 件を、保管先「{place}」で削除されないようにロックできません({code})。"),
                "ロックの期限が切れると、保管先で削除できる人が写しを消せます。証拠保全の画面で理由を確かめ、保管先の状態と権限を直してください。急ぐときは録画を開いて関所に戻してください。",
            ),
            Self::ConsoleHoldLifted { who, said } => told(
                format!("関所の操作端末で指定された証拠保全を、{who} さんが解除しました(指定した人として述べた氏名: {said})。"),
                "操作端末での指定には本人の記録がなく、同じ人による指定と解除の恐れがあります。指定した本人に確かめ、心当たりがなければ証拠保全を指定し直してください。",
            ),
            Self::ShortenedAlone { class, days, who } => told(
                format!("{}の保管期間が、関所の操作端末からの申請と {who} さんの承認により {days} 日に短縮されました。", match class {
                    crate::retention::KeepClass::Recordings => "録画",
                    crate::retention::KeepClass::Contents => "ファイルの内容を含む録画",
                    crate::retention::KeepClass::TargetLogs => "機器ログ",
                    crate::retention::KeepClass::Approvals => "計画の添付ファイル",
                    crate::retention::KeepClass::Emergency => "緊急作業・インシデントの録画",
                }),
                "操作端末からの申請には本人の記録がなく、1人だけで短縮した恐れがあります。もう1人が知っているか確かめ、違うときは保管期間を延ばしてください。延長は1人ですぐにできます。",
            ),
            Self::RetentionStopped { why, cause } => told(format!("証拠保全と保管期間の記録が証跡と一致しないため、削除を止めました({})。", cause.map_or_else(|| why.clone(), crate::retention::StopCause::ja)), "データベースが書き換えられた恐れがあります。証跡の検証を行い、管理者に連絡してください。署名のない項目が原因のときは、「保管期間」の画面で内容を確かめ、2人で削除を再開できます。"),
            Self::ReportOther { number, edition } => told(
                format!("報告 {number}(第 {edition} 版)の内容が、証跡に記録された報告と一致しません。"),
                "作成後に書き換えられた恐れがあります。この報告は使わず、紙や提出先に残した写しと比べてください。管理者に連絡して証跡を検証し、「月次・年次報告」の画面の「新しい版を作る」で次の版を作ってください。",
            ),
            Self::ReportDiffers { number, edition } => told(
                format!("報告 {number}(第 {edition} 版)を証跡から数え直した結果が、報告と一致しませんでした。"),
                "作成後に関所を更新したか、勤務時間(alarm_hours_from・alarm_hours_until)を変えたときは、数え方の違いによるものです。どちらもないときは、数値が誤っているか、報告か証跡が書き換えられた恐れがあります。証跡を検証し、「月次・年次報告」の画面で次の版を作って比べてください。",
            ),
            Self::DeletingResumed { entries, asked_by, who } => told(
                format!("署名のない項目 {entries} 件で止まっていた削除を、{asked_by} の申請と {who} の承認で再開しました。"),
                "その中に、壊された証拠保全の記録があったかもしれません。残す必要のある記録が証拠保全中か、「保管期間」と「証拠保全」の画面で確かめてください。",
            ),
            Self::LogPlaces { from } => told(
                format!("機器ログの接続が上限に達し、{from} からのログを受け取れませんでした。"),
                "その間のログインは見つけられません。多くの接続を開いたままの機器がないか、送信元の画面で確かめてください。",
            ),
            Self::RowDamaged { table, row, older } => told(
                if *older { format!("データベースの {table} の行 {row} が、関所の外から古い内容に戻されました。") } else { format!("データベースの {table} の行 {row} が、関所の外から書き換えられました。") },
                "その行は使いません。データベースに触れられる人かプログラムが、記録を変えようとした恐れがあります。証跡の検証を行い、バックアップと比べてください。",
            ),
            Self::LogAway { from, ended } => told(
                if *ended { format!("{from} から、終えた送信元の証明書で機器ログが送られてきました。") } else { format!("{from} から、登録のない証明書で機器ログが送られてきました。") },
                "受け取っていません。証明書の鍵が他人の手にある恐れがあります。機器の担当者に確かめてください。",
            ),
        }
    }

    /// In English.
    #[must_use]
    pub fn en(&self) -> Told {
        match self {
            Self::OutsideHours { who, place, at, around, .. } => told(
                format!("{who} entered {place} at {}.", at.minute()),
                match around {
                    Some(_) => "This person never worked around this hour; somebody else may be using their name. Call them and ask.",
                    None => "Outside office hours few people would notice. Check that the work is planned. (Too few sessions yet to know this person's usual hours.)",
                },
            ),
            Self::NewSource { who, source, place, sessions } => told(
                if place.is_empty() { format!("{who} logged in to the pages from {source}, where they never came from ({sessions} times so far).") } else { format!("{who} entered {place} from {source}, where they never came from ({sessions} times so far).") },
                "Whoever stole a password or a device comes from elsewhere. Ask whether it was them.",
            ),
            Self::NewDevice { who, name, place, sessions } => told(format!("{who} entered {place} with the device {name}, which they never used ({sessions} times so far)."), "A registered device need not be theirs. Ask whether they changed it."),
            Self::NewTarget { who, place, sessions } => told(format!("{who} entered {place}, where they never worked ({sessions} sessions so far were elsewhere)."), "Also where the plan was approved: a target outside of somebody's field is worth a look. Compare it with the plan, and ask who wanted the work."),
            Self::RefusedName { login, source, code, count, minutes } => told(format!("The login name {login} was refused {count} times within {minutes} minutes (from {source}, {code})."), "The person is in trouble, or somebody is trying. Ask them; if it was not them, look at the source."),
            Self::RefusedSource { source, login, code, count, minutes } => told(format!("Requests from {source} were refused {count} times within {minutes} minutes (last name {login}, {code})."), "Many tries from one place are how attacks begin. Find out whose line it is."),
            Self::RefusedAll { source, login, code, count, minutes } => told(format!("There were {count} refusals in all within {minutes} minutes (the last of {login} from {source}, {code})."), "Who tries a little under ever new names and from ever new places is seen in the whole alone. Look in the log at what is tried and from where."),
            Self::UnusualVolume { who, place, bytes, usual, sessions } => told(
                match usual {
                    Some(usual) => format!("{who} moved {} on {place}; 95 of 100 of {sessions} sessions stay below {}.", mib(*bytes), mib(*usual)),
                    None => format!("{who} moved {} on {place}. There are too few sessions to know what is usual, so the configured amount counts.", mib(*bytes)),
                },
                "Data may have been taken out. Compare the files of the session with the plan.",
            ),
            Self::VolumeLimit { who, place, text } => told(format!("{who}{}: {text}", on(place)), "The session met a limit. Look at it and let it go on or cut it."),
            Self::Command { who, place, line, act, reason } => {
                let because = if reason.is_empty() { String::new() } else { format!(" Reason: {reason}") };
                told(format!("A command of {who}{} was {} by a rule: {line}.{because}", on(place), act_en(*act)), "The hospital decided to look at this command. Check that it is planned, and cut the session if not.")
            }
            Self::Inside { who, place, ask, code } => told(format!("{who} asked{} for something that is not in the plan and was refused: {ask} ({code}).", on(place)), "The plan lacks something, or the work goes beyond it. If it repeats, call the worker."),
            Self::PersonalData { who, place, touched } => told(format!("{who} handled {touched}{}, which holds personal data. The plan declares no use of any.", on(place)), "Undeclared use of personal data may be a leak. Ask the worker at once; cut the session and tell the planner if need be."),
            Self::EmergencyOpened { login, openers, reason } => told(format!("The emergency account {login} was opened by {}. Reason: {reason}", openers.replace('、', ", ")), "A way in that passes the usual proof of identity is open. Ask the people named whether it is an emergency."),
            Self::EmergencyTried { login, source } => told(format!("Somebody tried to open the emergency account {login} with wrong contents (from {source})."), "The emergency way in is being tried. If nobody knows of it, treat it as an attack."),
            Self::RecordingLost { who, place } => told(format!("The session of {who}{} was cut because it could not be recorded.", on(place)), "What is not recorded cannot be proved. Look at the disk."),
            Self::RecordingTorn { who, place } => told(format!("The session of {who}{} was torn off when Sekisho or the machine stopped.", on(place)), "The recording is sealed up to there; about the last second may be lost. Find out why it stopped."),
            Self::Orphan { file } => told(format!("The recording {file}, which the log does not name, was found and set aside."), "A session that began in the moment of a crash, or a file that somebody put there. Find out which."),
            Self::RecordingTrouble { text } => told(format!("Recordings need a hand: {text}"), "Recordings are evidence. Delete and repair nothing; keep it as it is and tell the administrator."),
            Self::PublisherStuck { behind, why } => {
                let because = if why.is_empty() { String::new() } else { format!(" ({why})") };
                told(format!("The last {behind} entries of the log are not published{because}."), "Until they are, nobody outside can check that nothing was changed. Look at disk and rights.")
            }
            Self::ArchiveTrouble { place, code, why } => told(format!("Copies of recordings cannot be handed to the archive \"{place}\" ({code}: {why})."), "Should the box's disk break meanwhile, recordings are lost. Look at the archive and at [archive] of the settings."),
            Self::ArchiveBehind { place, waiting, since } => told(format!("{waiting} recordings have waited for the archive \"{place}\" for more than a day (the oldest since {}).", since.minute()), "Until the copies arrive, the recordings lie on the box's disk alone. Look at the archive and the way to it."),
            Self::ArchiveCopyBad { place, session, code } => told(format!("The copy of the recording {session} in the archive \"{place}\" is not what was handed over, or is gone ({code})."), "It may have been rewritten or deleted there. Look at the archive's own log, and tell the planner before this recording is used as proof."),
            Self::AuditorKey { name, who } => told(format!("Confirmed by {who}, the key of \"{name}\" opens the recordings that begin from here on."), "Its holder sees recordings without the box. Make sure that it is the key of an auditor whom the hospital accepted."),
            Self::SecondKey { name, who, change } => match change {
                SecondKeyChange::Ended => told(format!("Confirmed by {who}, the second key of {name} was ended."), "Unless another second key is in force, recordings that begin from here on can be opened by one person alone. Make sure on the page of second keys that the hospital decided it."),
                SecondKeyChange::EndAsked => told(format!("{who} asked for the end of the second key of {name}."), "Once another person confirms it, two-person viewing does without this key. If nobody knows why, decline it on the page of second keys."),
                _ => told(format!("Confirmed by {who}, recordings that begin from here on open only if {name}, or the holder of another second key, agrees."), "If the key is lost, they never open again. See on the page of second keys that there are two or more."),
            },
            Self::CheckpointStuck { place, why } => told(format!("Checkpoints of the log do not reach the place outside \"{place}\" ({why})."), "What is rewritten meanwhile cannot be seen by what lies outside. Look at the place and the way to it."),
            Self::LogContradicted { place, here, there } => told(
                format!("The log here ({here} entries) contradicts what the place outside \"{place}\" has seen ({there} entries)."),
                "An older copy was put back, or history was rewritten. No session is admitted. If nobody restored anything, change nothing and keep it as it is; if somebody did, run sekisho log accept-restore at the console.",
            ),
            Self::RestoreAccepted { place, here, there } => told(
                format!("It was accepted at the console to go on with a log of {here} entries, against what the place outside \"{place}\" has seen ({there} entries)."),
                "What lay between is lost. If nobody knows of a restore, find out at once who was at the console.",
            ),
            Self::KeyRotated { new } => told(
                format!("The key that signs the log was exchanged (new public key: {new})."),
                "Keep the new public key beside the earlier one, and tell witnesses of it. If nobody meant to, find out at once who was at the console.",
            ),
            Self::FormerKeySigned { place, entries } => told(
                format!("The place outside \"{place}\" has another log than this one ({entries} entries), signed by a key that was laid down."),
                "It is what a restore lost, or somebody has the former key and forges. If nobody restored anything, keep it as it is, and see that no witness trusts the former key alone.",
            ),
            Self::TimestampStuck { authority, why } => told(
                format!("No time stamps are had from the authority \"{authority}\" ({why})."),
                "When the log of this time existed cannot be shown by a time of others. Look at the authority, the way to it and the ends of certificates.",
            ),
            Self::ClockHeld { by_ms } => told(
                format!("The clock of this machine stands {} s too far ahead, is not believed, and the log goes on by the time before.", by_ms.unsigned_abs().div_ceil(1000)),
                "No session is admitted until the time is sure. Mend the time synchronisation (NTP), or, if the clock is right, run sekisho clock accept at the console.",
            ),
            Self::ClockCorrected { by_ms } => told(
                format!("The time of the log was set back by {} s at the console.", by_ms.unsigned_abs().div_ceil(1000)),
                "Entries before it have a later time than the true one. If nobody meant to, find out at once who was at the console.",
            ),
            Self::ClockMoved { by_ms } => told(
                format!("The clock of this machine was moved {} by {} s.", if *by_ms < 0 { "back" } else { "forward" }, by_ms.unsigned_abs().div_ceil(1000)),
                "A window gains nothing by a clock that is set back. Find out who moved it and why, and check the time synchronisation (NTP).",
            ),
            Self::ClockOff { offset_ms } => told(
                format!("The clock of this machine is {} s {} the time servers.", offset_ms.unsigned_abs().div_ceil(1000), if *offset_ms > 0 { "behind" } else { "before" }),
                "Times in the log and windows go by it. Check the time synchronisation (NTP).",
            ),
            Self::ClockJumped { seconds } => told(format!("The clock of this machine went back by {seconds} s."), "Times in the log lose their worth. Check the time synchronisation (NTP)."),
            Self::Ending { thing, name, until, days } => told(
                if *days == 0 { format!("{} {name} ended at {}.", thing.en(), until.minute()) } else { format!("{} {name} ends at {} (within {days} days).", thing.en(), until.minute()) },
                match thing {
                    EndingThing::Contract => "A vendor without a contract cannot connect. Renew it or end the relation.",
                    EndingThing::Line => "A line without a contract admits nobody. Renew it or end the line.",
                    EndingThing::DeviceCertificate => "A device whose certificate ended does not pass the outer door. Renew it on the device or issue a new code.",
                    EndingThing::Hold => "After its end, what is past its time is deleted from 14 days on. Extend it if the police ask for that, or place a hold of the hospital's own.",
                    EndingThing::SourceCertificate => "After its end the log of this host does not come in, and logins round the gateway are not found. Issue another certificate among the log sources, and install it.",
                    EndingThing::PageCertificate => "Browsers will refuse these pages. Install a new certificate.",
                },
            ),
            Self::HostKey { place, seen } => told(format!("The target {place} showed a host key that is not registered ({seen})."), "It was replaced, or somebody stands in between. Nobody enters until it is decided. Ask whoever keeps the server."),
            Self::Exposed { place, program } => {
                let program = if program.is_empty() { String::new() } else { format!(" (program {program})") };
                told(format!("A service that nobody confirmed answers at {place} of this machine{program}."), "Open doors are used to break in. Find out what it is, and stop it if it is not needed.")
            }
            Self::DirectoryDoubted { source, changed, linked } => told(format!("{changed} of {linked} persons fell away from the directory {source} at once. Nobody was disabled."), "A wrong setting, or trouble there. Until it is clear, leavers can still come in."),
            Self::Mail { to, why, tried_on } => told(if *tried_on { format!("A mail to {to} is late ({why}). It is tried on.") } else { format!("A mail to {to} was not delivered ({why}).") }, "Alarms and invitations do not arrive. Check address and mail server, and use the telephone for what is urgent."),
            Self::PasskeyCloned { who, name } => told(format!("The passkey {name} of {who} may have been copied and was suspended."), "Two seem to use one key. Ask the person and register anew."),
            Self::TokenRefused { name, why, source } => told(format!("The token {name} was used where it is not good and was refused ({why}, from {source})."), "It leaked, or a setting is old. End it if nobody knows of it."),
            Self::CertificateRefused { why, source, count } => told(format!("A device certificate that does not count was shown at the outer door {count} times from {source} ({why})."), "Somebody uses a lost or ended device. Ask its keeper."),
            Self::NotMine { who, name, source } => told(format!("{who} said that a login asked for by the device {name} was not theirs (from {source})."), "Somebody uses that device. Declare it lost and call the vendor."),
            Self::DeviceLost { name } => told(format!("The device {name} was declared lost."), "What is on it may leak. Look at its last uses and the plans concerned."),
            Self::ReviewLate { duty, number } => match duty.as_str() {
                "sign" => told(format!("The review of the log {number} was not signed by its deadline."), "Nobody has looked at the log, and what is wrong is found late. Remind the operator."),
                "confirm" => told(format!("The review of the log {number} was not confirmed by its deadline."), "The planner has not seen the signed review. Confirm it."),
                _ => told(format!("Nobody took note of the report {number} by its deadline."), "The report has not been read. Read it and take note of it."),
            },
            Self::ReviewIncident { number, who, note } => told(format!("In the review of the log {number}, {who} judged a line to be an incident ({note})."), "It has to be dealt with as one. Open the line, look at recording and plan, and decide."),
            Self::Overdue { duty } => told(format!("The deadline of a {} passed.", duty_en(duty)), "The work is not confirmed. Remind whoever has to."),
            Self::DiskLow { free_mib, shut } => told(
                if *shut { format!("Only {free_mib} MiB are free on the disk; no new session is admitted.") } else { format!("{free_mib} MiB are free on the disk.") },
                "Without room nothing can be recorded, and maintenance stops. Move old data away or add space.",
            ),
            Self::ReceiverDown { name, why, waiting } => told(format!("The receiver {name} takes nothing ({why}). {waiting} wait for it."), "Nothing is lost; it is sent when the receiver is back. Check the machine and the settings."),
            Self::ReceiverSkipped { name, number, why, left_out } => told(
                if *left_out { format!("The receiver {name} refused number {number} again and again; it was left out ({why}).") } else { format!("The receiver {name} refused number {number} again and again; it was sent without its details ({why}).") },
                "Words in it are refused there or by what stands before it. Read them on the pages of Sekisho, and look at the settings of the receiver.",
            ),
            Self::Around { rule, place, account, from, .. } => told(around_en(*rule, place, account, from), "Work round the gateway has no plan, no approval and no recording. Ask whoever looks after the target, and write the decision down."),
            Self::LogLost { host, lines } => told(format!("{lines} lines of the log of {host} were lost."), "It sends more than is taken, and logins in between cannot be found. Look at its settings."),
            Self::LogDropped { first, last } => told(
                format!("Parts {first} to {last} of targets' logs were deleted before their time, because there was too much."),
                "Evidence of logins round the gateway may be gone. Look for a host that sends much more than before, or raise the limit.",
            ),
            Self::HoldPressed { bytes, limit } => told(
                format!("Lines of targets' logs take {} of {}, and a hold keeps the old ones.", mib(*bytes), mib(*limit)),
                "When the disk is full, neither lines nor sessions are taken. Enlarge the disk or the limit, or look at the scope of the hold.",
            ),
            Self::SetAside { why } => told(format!("A recording was found damaged and set aside ({why})."), "It may have been altered. Compare it with a copy, and verify the other recordings and the log."),
            Self::HoldUnlocked { place, copies, code } => told(
                format!("{copies} copies of held recordings in the archive \"{place}\" cannot be kept from being deleted ({code})."),
                "Once their locks run out, whoever may delete there can delete them. The page of the hold says why; look at the archive and at the rights of its key. If it is urgent, open the recordings, so that they are carried back to the box.",
            ),
            Self::ConsoleHoldLifted { who, said } => told(
                format!("A hold that was placed at the console was lifted by {who}, who names {said} as the one who placed it."),
                "The console names nobody, and it may have been the same hand. Ask the one who is named, and place the hold anew if they know nothing of it.",
            ),
            Self::ShortenedAlone { class, days, who } => told(
                format!("The time of keeping of the class {} was shortened to {days} days, asked for at the console and agreed to by {who}.", class.as_str()),
                "The console names nobody, and it may have been one hand alone. Make sure that another person knows of it; otherwise make the time longer again, which one person does at once.",
            ),
            Self::RetentionStopped { why, .. } => told(format!("Nothing is deleted, because holds and times of keeping in the database are not those of the log ({why})."), "The database may have been altered. Verify the log and tell the administrator. If unsigned entries are the cause, two persons can look at them on the page on times of keeping and let deleting go on."),
            Self::ReportOther { number, edition } => told(
                format!("The report {number} (edition {edition}) is not the one that the log names."),
                "Somebody may have changed it after it was issued. Do not use it, and compare it with the copies on paper and with those who were given it. Have the administrator verify the log, and make another edition on the page of the reports.",
            ),
            Self::ReportDiffers { number, edition } => told(
                format!("The report {number} (edition {edition}) was counted again from the log, with another result."),
                "If the box was updated or its office hours (alarm_hours_from, alarm_hours_until) were changed since, it counts by another rule. If neither, the numbers are wrong, or report or log were changed. Verify the log, and make another edition on the page of the reports to compare.",
            ),
            Self::DeletingResumed { entries, asked_by, who } => told(
                format!("Deleting goes on, which {entries} unsigned entries had stopped; {asked_by} asked for it and {who} agreed."),
                "One of them may have been a hold that somebody spoilt. On the pages on times of keeping and on holds, make sure that what must stay is held.",
            ),
            Self::LogPlaces { from } => told(format!("All places for connections of log sources were taken, and lines from {from} could not come in."), "Logins in between cannot be found. Look among the sources for a device that keeps many connections open."),
            Self::RowDamaged { table, row, older } => told(
                if *older { format!("The row {row} of {table} was put back to an older state beside the box.") } else { format!("The row {row} of {table} was changed beside the box.") },
                "It is not used. Somebody who reaches the database may be trying to change what is recorded. Verify the log, and compare with a backup.",
            ),
            Self::LogAway { from, ended } => told(
                if *ended { format!("{from} sent logs with the certificate of a source that was ended.") } else { format!("{from} sent logs with a certificate that is not in the register.") },
                "Nothing was taken. The key may be in other hands; ask whoever looks after the host.",
            ),
        }
    }
}

/// What a rule of logins round the gateway found, and the details that it has.
fn around_ja(rule: AroundRule, place: &str, account: &str, from: &str) -> String {
    let what = match rule {
        AroundRule::Elsewhere => "関所を通らないログインがありました",
        AroundRule::NoSession => "関所のアドレスから、セッションのないログインがありました",
        AroundRule::KeptAccount => "関所が預かるアカウントが、セッションの外で使われました",
        AroundRule::Untold => "関所のセッションが、機器のログに現れません",
        AroundRule::Silent => "機器のログが途絶えました",
        AroundRule::OtherAccount => "承認と異なるアカウントが使われました",
        AroundRule::AtConsole => "関所が預かるアカウントが、機器の前の画面で使われました",
        AroundRule::ForgedName => "他の機器を名乗るログが届きました",
    };
    let details: Vec<String> = [("アカウント", account), ("接続元", from)].into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name} {text}")).collect();
    if details.is_empty() { format!("{place}: {what}。") } else { format!("{place}: {what}({})。", details.join("、")) }
}

fn around_en(rule: AroundRule, place: &str, account: &str, from: &str) -> String {
    let what = match rule {
        AroundRule::Elsewhere => "a login did not come through Sekisho",
        AroundRule::NoSession => "a login came from Sekisho's address without a session",
        AroundRule::KeptAccount => "an account that Sekisho keeps was used outside its session",
        AroundRule::Untold => "a session of Sekisho does not appear in the target's log",
        AroundRule::Silent => "the target's log fell silent",
        AroundRule::OtherAccount => "another account than the approved one was used",
        AroundRule::AtConsole => "an account that Sekisho keeps was used at the machine itself",
        AroundRule::ForgedName => "lines came in the name of another host",
    };
    let details: Vec<String> = [("account", account), ("from", from)].into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name} {text}")).collect();
    if details.is_empty() { format!("{place}: {what}.") } else { format!("{place}: {what} ({}).", details.join(", ")) }
}
