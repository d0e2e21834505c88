//! The page of instructions: what the bundle proves, what it does not, and how to see for oneself.

use crate::pack::{Content, Document};
use sekisho_evidence::bundle::Scope;
use sekisho_evidence::verify::{LOCAL_AUTHORITY, TIMESTAMPS_DIR};

/// The page in Japanese and English.
#[must_use]
pub fn readme(content: &Content) -> String {
    let whole = content.all_entries;
    let (about_ja, about_en, not_ja, not_en) = match &content.scope {
        Scope::Session { session } => (format!("セッション {session}"), format!("session {session}"), NOT_PART_JA, NOT_PART_EN),
        Scope::Plan { plan } => (format!("作業計画 {plan} とそのセッション"), format!("work plan {plan} and its sessions"), NOT_PART_JA, NOT_PART_EN),
        Scope::Case { case } => (format!("迂回ログインの事案 {case} と、最も近いセッション"), format!("case {case}, a login round the gateway, and the session nearest to it"), NOT_PART_JA, NOT_PART_EN),
        Scope::Period { from, until } => (
            format!("期間 {} から {} の前まで", utc(*from), utc(*until)),
            format!("the period from {} until before {}", utc(*from), utc(*until)),
            "・この期間の前と後に何があったか。期間の中では、項目の抜けはないことが確かめられます。",
            "- What happened before and after this period. Within it, no entry is missing.",
        ),
    };
    let (not_ja, not_en) = if whole {
        ("・範囲外のセッションの録画の内容(録画は範囲のものだけが入っています)。記録の項目は全部入っているので、抜けはありません。", "- What recordings of other sessions hold (only those of the scope are here). All entries of the log are here; none is missing.")
    } else {
        (not_ja, not_en)
    };
    let with_ja = if whole { "(記録の全項目つき)" } else { "" };
    let with_en = if whole { ", with all entries of the log" } else { "" };
    let (clock_ja, clock_en, stamp_ja, stamp_en) = times(content);
    let (facility, at, origin, size) = (&content.facility, utc(content.made_at), &content.origin, content.head.size);
    format!(
        "証拠の束(エビデンス・バンドル)― はじめにお読みください\n\
        ====================================================\n\
        作成した施設: {facility}\n\
        範囲: {about_ja}{with_ja}\n\
        作成日時: {at}(協定世界時。作成した装置の時計)\n\
        記録(ログ)の名前: {origin}(作成時点で {size} 件)\n\
        \n\
        この束で確かめられること\n\
        ・入っている項目が、署名された記録の、その番号の項目そのものであること(1 文字でも変われば分かります)。\n\
        ・録画が、その記録が指す録画そのもので、最後まで欠けていないこと。中身を見る鍵は要りません。\n\
        ・承認が、その計画の内容に対して、その時刻に、この施設の関所の鍵で署名されたこと。\n\
        ・ファイルが作成後に足されたり、除かれたり、差し替えられたりしていないこと。\n\
        \n\
        この束だけでは確かめられないこと\n\
        {not_ja}\n\
        ・記録に書かれる前に、現実に何があったか。関所を通らなかった操作は、この記録にはありません。\n\
        ・記録の全体が、鍵を持つ者によって後から作り直されていないこと。これは、以前に外部で控えた\n\
        \u{3000}チェックポイント(メール、紙の月報、証人サーバー)と突き合わせると確かめられます。\n\
        {clock_ja}\n\
        \n\
        確かめ方\n\
        1. 公開鍵を、この束とは別の経路(施設のウェブサイト、書面、以前のやり取り)で手に入れます。\n\
        \u{3000}束の中の log/public-key は見比べるためのもので、それだけでは証明になりません。\n\
        2. 自分のパソコンで、関所のプログラムを使って次を実行します(FILE はこの ZIP、KEY は公開鍵)。\n\
        \u{3000}sekisho verify --bundle FILE --key KEY\n\
        \u{3000}外部で控えたチェックポイントは --checkpoint CHECKPOINT、立会人の公開鍵は --witness KEY で足します。\n\
        \u{3000}この束に作成時に渡されなかったチェックポイントは、つながりを示せず異常になります。その場合は作り直しを依頼します。\n\
        3. OK で始まる行が出て終了コードが 0 なら異常はありません。NOT OK なら、最初に異常のある項目か録画が示されます。\n\
        {stamp_ja}関所のプログラムを信用しない場合は、Python だけで動く別の検証プログラム(testsuite/verifier/bundle.py)でも\n\
        確かめられます。公開している形式(docs/formats の bundle・log・recording の各ページ)だけから、\n\
        自分で書くこともできます。使うのは SHA-256 と Ed25519 だけです。検証の前に ZIP を展開しないでください。\n\
        \n\
        中身\n\
        ・report.html: 項目を日本語と英語の文にしたもの。ブラウザーで読めて印刷できます。証明は log/ の側です。\n\
        ・log/entries.jsonl: 記録の項目(1 行 1 件の JSON)。そのまま読めます。\n\
        ・log/proofs.txt と log/checkpoint: 項目の証明と、署名されたチェックポイント。log/timestamps/: タイムスタンプ(あれば)。\n\
        ・plans/: 作業計画。.html はブラウザーで読めて印刷できます。.json は履歴を含む全内容です。\n\
        ・approvals/: 承認とその署名。recordings/: 封印された録画(暗号化)。manifest.json: 目録。\n\
        取り扱い: 氏名、接続元、作業内容が含まれます。施設の規程に従って保管し、不要になったら消してください。\n\
        \n\
        \n\
        EVIDENCE BUNDLE - PLEASE READ FIRST\n\
        ===================================\n\
        Made by: {facility}\n\
        About: {about_en}{with_en}\n\
        Made at: {at} (by the clock of the box that made it)\n\
        Name of the log: {origin} ({size} entries at that time)\n\
        \n\
        What it proves\n\
        - Each entry in it is the entry of that number in the signed log; one changed letter shows.\n\
        - Each recording is the one that the log names, and is whole. No key to its content is needed.\n\
        - Each approval was signed by the key of this hospital's Sekisho, for that content of the plan.\n\
        - No file was added, removed or exchanged after it was made.\n\
        \n\
        What it does not prove\n\
        {not_en}\n\
        - What happened in the world before it was written down, or past Sekisho.\n\
        - That whoever holds the key did not make the whole log anew. A checkpoint that was seen outside earlier\n\
        \u{20}\u{20}(mail, the printed monthly report, a witness) shows that.\n\
        {clock_en}\n\
        \n\
        How to verify\n\
        1. Get the public key by another way than this bundle: the hospital's web site, paper, earlier letters.\n\
        \u{20}\u{20}log/public-key in the bundle is for comparing; by itself it proves nothing.\n\
        2. On your own computer, with the program Sekisho (FILE is this ZIP, KEY the public key):\n\
        \u{20}\u{20}sekisho verify --bundle FILE --key KEY\n\
        \u{20}\u{20}Add --checkpoint CHECKPOINT for one that was seen outside, --witness KEY for a witness.\n\
        \u{20}\u{20}A checkpoint that was not handed in when the bundle was made cannot be joined; ask for a new bundle.\n\
        3. A line that begins with OK, and exit code 0: nothing is wrong. NOT OK: the first bad place is named.\n\
        {stamp_en}If you do not trust the program: testsuite/verifier/bundle.py is another one, in Python alone; and the formats\n\
        are public (bundle, log and recording in docs/formats): from these pages a verifier can be written in any\n\
        language. It takes SHA-256 and Ed25519. Do not unpack the ZIP before verifying it.\n\
        \n\
        What is in it\n\
        - report.html: the entries as sentences, to read and print. The proof is in log/.\n\
        - log/entries.jsonl: the entries, one JSON a line, to be read as they are.\n\
        - log/proofs.txt, log/checkpoint: their proofs, and the signed checkpoint. log/timestamps/: time stamps, if there are any.\n\
        - plans/: the work plans, .html to read and print, .json with the whole history.\n\
        - approvals/: approvals with signatures. recordings/: sealed (encrypted). manifest.json: the list of files.\n\
        Handle with care: it holds names, addresses and what was done.\n"
    )
}

/// The name in the certificate of the box's own stamps, as docs/formats/log has it.
const OWN_NAME: &[u8] = b"Sekisho local time stamps";

/// True if the box made every stamp of the bundle itself.
fn all_own(content: &Content) -> bool {
    let mut answers = content.documents.iter().filter(|document| document.path.starts_with(TIMESTAMPS_DIR) && document.path.ends_with(".tsr"));
    answers.all(|answer| answer.bytes.windows(OWN_NAME.len()).any(|part| part == OWN_NAME))
}

/// What the bundle says of the clock, and how its time stamps are checked, if it has any.
fn times(content: &Content) -> (&'static str, &'static str, String, String) {
    let path = |document: &Document| document.path.strip_prefix(TIMESTAMPS_DIR).and_then(|name| name.strip_suffix(".tsr")).map(|name| name.trim_start_matches('/').to_owned());
    let stamps: Vec<String> = content.documents.iter().filter_map(path).collect();
    let Some(number) = stamps.last() else {
        return ("・時刻の正しさ。時刻は関所の時計によるものです。", "- That the clock was right. Times are those of the box.", String::new(), String::new());
    };
    let own = content.documents.iter().any(|document| document.path == format!("{TIMESTAMPS_DIR}/{LOCAL_AUTHORITY}"));
    let n = stamps.len();
    if own && all_own(content) {
        // There is no authority to ask: whoever reads this is not sent to look for one.
        return (
            "・時刻の正しさ。時刻は関所の時計によるものです。入っているタイムスタンプも関所自身の押印で、外部の時刻を示しません。",
            "- That the clock was right. Times are those of the box; so are the time stamps in it, which show no time of others.",
            format!(
                "4. タイムスタンプ(RFC 3161)が {n} 件入っていますが、すべて関所自身の押印です。示すのは順序だけです。\n\
                \u{3000}確かめるには、関所の押印の証明書を施設から別の経路で受け取り、手順 2 に --tsa-ca を付けます。\n\
                \u{3000}log/timestamps/local.pem は見比べるためのものです。\n"
            ),
            format!(
                "4. {n} time stamps (RFC 3161) are in it, all made by the box itself: they show order alone.\n\
                \u{20}\u{20}To check them, get the certificate of the box's stamps from the hospital by another way, and add it as --tsa-ca\n\
                \u{20}\u{20}to step 2. log/timestamps/local.pem is for comparing.\n"
            ),
        );
    }
    let mut ja = format!(
        "4. タイムスタンプ(RFC 3161)が {n} 件入っています。「記録の先頭から N 件が、遅くともこの時刻に存在した」ことを示します。\n\
        \u{3000}時刻認証局の証明書(AUTHORITY.pem)を認証局から直接受け取り、手順 2 に --tsa-ca AUTHORITY.pem を付けます。\n\
        \u{3000}関所なしで、OpenSSL だけでも確かめられます(例は {number} 件目まで。手順 2 のあとで ZIP を展開して実行します)。\n\
        \u{3000}openssl ts -verify -data log/timestamps/{number}.checkpoint -in log/timestamps/{number}.tsr -CAfile AUTHORITY.pem\n\
        \u{3000}時刻を読む: openssl ts -reply -in log/timestamps/{number}.tsr -text\n\
        \u{3000}証明書の期限が切れているときは、その時刻(1970 年からの秒数)を -attime で足します。\n"
    );
    let mut en = format!(
        "4. {n} time stamps (RFC 3161) are in it. Each shows that the first N entries of the log existed at that time at the latest.\n\
        \u{20}\u{20}Get the certificate of the authority (AUTHORITY.pem) from the authority, and add --tsa-ca AUTHORITY.pem to step 2.\n\
        \u{20}\u{20}With OpenSSL alone (here for the first {number} entries; unpack the ZIP after step 2):\n\
        \u{20}\u{20}openssl ts -verify -data log/timestamps/{number}.checkpoint -in log/timestamps/{number}.tsr -CAfile AUTHORITY.pem\n\
        \u{20}\u{20}To read the time: openssl ts -reply -in log/timestamps/{number}.tsr -text\n\
        \u{20}\u{20}If the certificate has ended since, add that time in seconds since 1970 as -attime.\n"
    );
    if own {
        ja.push_str("\u{3000}log/timestamps/local.pem は関所自身の押印の証明書です。それによる押印が示すのは順序だけで、外部の時刻ではありません。\n");
        en.push_str("\u{20}\u{20}log/timestamps/local.pem is the certificate of stamps that the box made itself: they show order, and no time of others.\n");
    }
    (
        "・個々の項目の時刻の正しさ。時刻は関所の時計によるものです。遅くともいつ存在したかは、タイムスタンプで示せます(手順 4)。",
        "- That the time in each entry is right: it is that of the box. By when the entries existed, the time stamps show (step 4).",
        ja,
        en,
    )
}

const NOT_PART_JA: &str = "・ほかに何も起きていないこと。範囲に関する項目だけが入っています。それも示すには、期間の束か、全項目つきの束を使います。";
const NOT_PART_EN: &str = "- That nothing else happened: only entries about the scope are here. A bundle of a period, or one with all entries, shows that.";

fn utc(at: i64) -> String {
    sekisho_evidence::bundle::utc(at)
}
