//! `sekisho doctor`: what is wrong on this machine, and what to do about it.

mod bounds;

use crate::config::Config;
use crate::admin::{Ask, Reply, Trouble};
use crate::{control, print};
use anyhow::Result;
use sekisho_connect::help::Language;
use sekisho_core::exposure::Level;
use sekisho_core::limits;
use sekisho_core::password::Paper;
use sekisho_core::people::Actor;
use sekisho_core::road::Barrier;
use sekisho_store::{Denied, Store};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;

/// Words in both languages: who asks may speak another one than the Sekisho that answers.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Said {
    ja: String,
    en: String,
}

impl Said {
    /// Paths, numbers, and what the operating system says.
    fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { ja: text.clone(), en: text }
    }

    fn nothing() -> Self {
        Self::default()
    }

    fn of(&self, language: Language) -> &str {
        match language {
            Language::Ja => &self.ja,
            Language::En => &self.en,
        }
    }
}

fn said(ja: impl Into<String>, en: impl Into<String>) -> Said {
    Said { ja: ja.into(), en: en.into() }
}

/// One thing that was looked at.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    what: Said,
    ok: bool,
    seen: Said,
    /// What to do, if it is not well.
    next: Said,
}

impl Look {
    fn value(&self) -> serde_json::Value {
        let Self { what, ok, seen, next } = self;
        serde_json::json!({ "what": what.en, "ok": ok, "seen": seen.en, "next": next.en, "what_ja": what.ja, "seen_ja": seen.ja, "next_ja": next.ja })
    }
}

/// Looks at everything and prints it. Exit code 0 only if all is well.
///
/// # Errors
/// Standard output is closed.
pub async fn run(config: &Config, json: bool) -> Result<ExitCode> {
    let mut looks = vec![data_folder(config), free_space(config)];
    let running = tokio::net::UnixStream::connect(control::path(&config.data.dir)).await.is_ok();
    looks.push(Look {
        what: said("関所の動作", "serve"),
        ok: true,
        seen: if running { said("このデータフォルダーで動いています", "running on this data folder") } else { said("動いていません", "not running") },
        next: Said::nothing(),
    });
    if !running {
        for (what, address) in [("ssh.listen", config.ssh.listen), ("web.listen", config.web.listen)] {
            let bound = std::net::TcpListener::bind(address);
            looks.push(Look {
                what: Said::plain(what),
                ok: bound.is_ok(),
                seen: bound.map_or_else(|fault| Said::plain(format!("{address}: {fault}")), |_| said(format!("{address} は空いています"), format!("{address} is free"))),
                next: said("sekisho.toml で別のポートにするか、そこで待ち受けているものを止めてください", "choose another port in sekisho.toml, or stop what listens there"),
            });
        }
        if config.data.dir.join("log").is_dir() {
            looks.extend(store(config).await);
        }
    } else if let Some(reply) = control::ask(&config.data.dir, &Ask::Doctor).await? {
        match serde_json::from_value::<Vec<Look>>(reply.value) {
            Ok(more) if reply.ok => looks.extend(more),
            _ => looks.push(Look {
                what: said("台帳", "registers"),
                ok: false,
                seen: Said::plain(reply.text),
                next: said("動いている関所のログを確かめてください。関所を新しくした直後なら、再起動してください", "look at what the running Sekisho wrote about itself; restart it if the program was replaced"),
            }),
        }
    }
    looks.push(passkeys(config));
    looks.push(mail(config).await);
    looks.extend(directories(config).await);
    looks.push(clock(config));
    looks.extend(passwords(config));
    let all_well = looks.iter().all(|look| look.ok);
    let language = crate::config::language();
    let mut text = String::new();
    for look in &looks {
        text.push_str(&format!("{} {}: {}\n", if look.ok { "OK  " } else { "NG  " }, look.what.of(language), look.seen.of(language)));
        if !look.ok {
            text.push_str(&format!("     -> {}\n", look.next.of(language)));
        }
    }
    text.push_str(&bounds::list(language));
    let ill = looks.iter().filter(|look| !look.ok).count();
    // The list of limits is long: whoever reads its end is told whether to go back to the top.
    let end = if all_well { said("問題はありません。", "All is well.") } else { said(format!("問題が {ill} 件あります。一番上の一覧の NG の行と、その下の -> をご覧ください。"), format!("{ill} of the things above are not well: see the lines with NG at the top, and -> below each.")) };
    text.push_str(&format!("\n{}\n", end.of(language)));
    print(json, &serde_json::json!({ "ok": all_well, "looks": looks.iter().map(Look::value).collect::<Vec<_>>(), "limits": bounds::values() }), &text)?;
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Which of the two papers the rules for passwords meet, each by itself, because they contradict each other. What does not
/// meet one of them may be the hospital's choice, so it is told and is no failure.
fn passwords(config: &Config) -> Vec<Look> {
    let policy = config.policy();
    let rule = policy.password_rule();
    let mut looks: Vec<Look> = Paper::ALL
        .into_iter()
        .map(|paper| {
            let missing: Vec<&str> = paper.points(&policy).into_iter().filter(|(_, met)| !met).map(|(point, _)| point).collect();
            let name = match paper {
                Paper::Guideline7 => said("パスワード(ガイドライン 7.0 案)", "passwords, 7.0案"),
                Paper::ChecklistR7 => said("パスワード(R7 チェックリスト)", "passwords, R7チェックリスト"),
            };
            let profile = policy.password_profile.as_str();
            let set = said(
                format!("password_profile = {profile}、{} 文字以上{}", rule.least, if rule.symbols { "、記号が必要" } else { "" }),
                format!("password_profile = {profile}, {} characters{}", rule.least, if rule.symbols { ", symbols" } else { "" }),
            );
            let points: Vec<&str> = missing.iter().map(|point| point_ja(point)).collect();
            let seen = if missing.is_empty() {
                said(format!("適合しています({})", set.ja), format!("met ({})", set.en))
            } else {
                said(format!("適合していません: {}({})", points.join("、"), set.ja), format!("NOT met: {} ({})", missing.join(", "), set.en))
            };
            Look { what: name, ok: true, seen, next: Said::nothing() }
        })
        .collect();
    if !config.data.leaked_passwords.as_os_str().is_empty() {
        let sound = sekisho_store::leaked_list_is_sound(&config.data.leaked_passwords);
        looks.push(Look {
            what: Said::plain("data.leaked_passwords"),
            ok: sound.is_ok(),
            seen: Said::plain(sound.map_or_else(|fault| fault, |()| config.data.leaked_passwords.display().to_string())),
            next: said("このままではパスワードを設定できません。SHA-1 の順に並んだファイルを指定するか、項目を空にしてください", "without it no password can be set: name a file of lines sorted by SHA-1, or leave the key empty"),
        });
    }
    looks
}

/// The points that a setting can miss.
fn point_ja(point: &str) -> &str {
    match point {
        "length_8" => "8文字以上",
        "symbols" => "記号を含む",
        other => other,
    }
}

/// Each directory and sign-in provider, tried out.
async fn directories(config: &Config) -> Vec<Look> {
    let clock: std::sync::Arc<dyn sekisho_core::time::Clock> = std::sync::Arc::new(crate::clock::SystemClock);
    let tried = crate::directories::try_all(config, &clock).await;
    tried
        .into_iter()
        .map(|one| {
            let next = one.outcome.as_ref().err().map_or_else(Said::nothing, |why| {
                let (ja, en) = crate::directories::next_step(why);
                said(
                    format!("{ja}。それまで、連携した人はここからログインできません(パスキーと、関所のアカウントは使えます)"),
                    format!("{en}; until then nobody linked to it logs in by it, and passkeys and local accounts work on"),
                )
            });
            let what = said(format!("ディレクトリー・連携先 {}", one.name), format!("directory {}", one.name));
            Look { what, ok: one.outcome.is_ok(), seen: Said::plain(one.outcome.unwrap_or_else(|why| why)), next }
        })
        .collect()
}

fn data_folder(config: &Config) -> Look {
    let dir = &config.data.dir;
    let path = dir.display();
    let init = || said("sekisho init を実行してください", "run `sekisho init`");
    let (ok, seen, next) = match std::fs::metadata(dir) {
        Err(_) => (false, said(format!("{path} がありません"), format!("{path} does not exist")), init()),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            let mode = meta.permissions().mode() & 0o777;
            (false, said(format!("{path} をほかの人が読めます(権限 {mode:o})"), format!("{path} can be read by others (mode {mode:o})")), Said::plain(format!("chmod 700 {path}")))
        }
        Ok(_) if !dir.join("log").is_dir() => (false, said(format!("{path} は用意されていません"), format!("{path} is not set up")), init()),
        Ok(_) => (true, Said::plain(format!("{path}")), Said::nothing()),
    };
    Look { what: said("データフォルダー", "data.dir"), ok, seen, next }
}

fn free_space(config: &Config) -> Look {
    let place = config.data.dir.ancestors().find(|path| path.exists()).unwrap_or(std::path::Path::new("/"));
    match rustix::fs::statvfs(place) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            Look {
                what: said("ディスクの空き", "free space"),
                ok: free >= limits::DISK_RESERVE_BYTES as u64,
                seen: Said::plain(format!("{} MiB", free / 1024 / 1024)),
                next: said(
                    format!("{} MiB を下回るとセッションを始められません。空きを増やしてください", limits::DISK_RESERVE_BYTES / 1024 / 1024),
                    format!("below {} MiB no session is admitted: free some space", limits::DISK_RESERVE_BYTES / 1024 / 1024),
                ),
            }
        }
        Err(fault) => Look { what: said("ディスクの空き", "free space"), ok: false, seen: Said::plain(fault.to_string()), next: said("ディスクを確かめてください", "check the disk") },
    }
}

/// Opening the store checks its keys, its schema and that the log continues its checkpoint.
async fn store(config: &Config) -> Vec<Look> {
    match crate::serve::open_store(config, std::sync::Arc::new(crate::clock::SystemClock)).await {
        Ok(store) => {
            let seen = said("開くことができ、証跡はチェックポイントの続きです", "opens, and its log continues its checkpoint");
            let mut looks = vec![Look { what: said("保管", "store"), ok: true, seen, next: Said::nothing() }];
            match of_store(&store, &Actor::console()).await {
                Ok(more) => looks.extend(more),
                Err(fault) => looks.push(Look { what: said("台帳", "registers"), ok: false, seen: Said::plain(fault.to_string()), next: verify() }),
            }
            let _ = store.close().await;
            looks
        }
        Err(fault) => vec![Look { what: said("保管", "store"), ok: false, seen: Said::plain(format!("{fault:#}")), next: verify() }],
    }
}

fn verify() -> Said {
    said("写しを作り、その写しで sekisho verify を実行してください。SECURITY.md もご覧ください", "run `sekisho verify` on a copy; see SECURITY.md")
}

/// What only an open store knows: who cannot come in.
async fn of_store(store: &Store, actor: &Actor) -> Result<Vec<Look>, Denied> {
    let kept_out = store.kept_out(actor).await?;
    let names = said(
        kept_out.iter().map(|out| format!("{}({})", out.name, barrier_ja(out.why))).collect::<Vec<_>>().join("、"),
        kept_out.iter().map(|out| format!("{} ({})", out.name, out.why.en())).collect::<Vec<_>>().join("; "),
    );
    let lost = store.passkeys_of_another_name().await?;
    let exposure = store.exposure(actor).await?;
    let (seen, sound) = match (exposure.at, exposure.worst()) {
        (None, _) => (said("まだ点検していません。sekisho serve は、起動の1分後と、その後は毎日点検します", "not looked at yet; `sekisho serve` looks a minute after its start and then every day"), true),
        (Some(at), _) if exposure.stale => (said(format!("前回の点検は {} です", at.minute()), format!("the last look is of {}", at.minute())), false),
        (Some(at), worst) => {
            let seen = if exposure.findings.is_empty() {
                said(format!("問題はありません({})", at.minute()), format!("as it should be ({})", at.minute()))
            } else {
                said(
                    exposure.findings.iter().map(|finding| finding.what.ja().so).collect::<String>(),
                    exposure.findings.iter().map(|finding| finding.what.en().so).collect::<Vec<_>>().join(" "),
                )
            };
            (seen, worst.is_none_or(|worst| worst == Level::Note))
        }
    };
    let exposure = Look {
        what: said("露出の点検", "exposure"),
        ok: sound,
        seen,
        next: said("それぞれの意味と対処は sekisho exposure show で確かめられます", "`sekisho exposure show` says what each of this means and what to do"),
    };
    let (places, against) = store.outside(actor).await?;
    let failing = places.iter().filter(|place| place.failing_since.is_some()).map(|place| format!("{} ({})", place.name, place.trouble.as_deref().unwrap_or_default())).collect::<Vec<_>>().join("; ");
    let outside = Look {
        what: said("チェックポイントの外部保管", "checkpoints outside"),
        ok: against.is_empty() && failing.is_empty(),
        seen: match (against.first(), failing.is_empty(), places.is_empty()) {
            (Some(one), ..) => said(
                format!("ここの証跡({} 件)が、{} の控え({} 件)と食い違っています。セッションはすべて断っています", one.here, one.place, one.there),
                format!("the log here ({} entries) contradicts what {} has seen ({} entries): no session is admitted", one.here, one.place, one.there),
            ),
            (None, false, _) => said(format!("次の保管先に届いていません: {failing}"), format!("they do not reach {failing}")),
            (None, true, true) => said(
                "保管先がありません。設定の [checkpoints] に書くと、sekisho serve が起動の時に問い合わせます",
                "no place is known; [checkpoints] names them, and `sekisho serve` asks them at its start",
            ),
            (None, true, false) => said(format!("{} か所に届いています", places.len()), format!("{} place(s) have them", places.len())),
        },
        next: said(
            "詳しくは sekisho log outside で確かめてください。食い違いについては SECURITY.md の When the log does not hold をご覧ください",
            "`sekisho log outside` says more; for a contradiction see SECURITY.md, When the log does not hold",
        ),
    };
    Ok(vec![
        exposure,
        outside,
        archive(store, actor).await?,
        authority(store, actor).await,
        Look {
            what: said("事業者", "vendors"),
            ok: kept_out.is_empty(),
            seen: if kept_out.is_empty() {
                said("作業者のいる事業者は、どれも回線と端末の台帳で接続できます", "the registers of lines and devices let every vendor with workers in")
            } else {
                said(format!("次の事業者はだれも接続できません: {}", names.ja), format!("nobody can come in of: {}", names.en))
            },
            next: said(
                "これらの事業者の回線と端末を登録してください。それまでの間は、policy.devices = \"observed\" にすると、逸脱として印を付けて接続を通します",
                "complete the lines and devices of these vendors; until then policy.devices = \"observed\" lets sessions through as deviations",
            ),
        },
        Look {
            what: said("登録済みのパスキー", "registered passkeys"),
            ok: lost == 0,
            seen: if lost == 0 {
                said("すべて、この機器の名前で登録されています", "all were made under the name of this box")
            } else {
                said(format!("{lost} 個が別の名前で登録されていて、使えません"), format!("{lost} were made under another name and cannot be used"))
            },
            next: said(
                "web.base_url のホスト名か web.hosts の先頭を前の名前に戻すか、本人にパスキーを登録し直してもらってください(ほかの手段がない人は sekisho person reset)",
                "put the earlier name back as the host of web.base_url or first in web.hosts, or have these persons register passkeys anew (`sekisho person reset` for whoever holds nothing else)",
            ),
        },
    ])
}

/// What is in the way of a vendor, as the pages say it (`road.kept_out_…` of the locales).
fn barrier_ja(why: Barrier) -> &'static str {
    match why {
        Barrier::NoLine => "有効な回線がありません。回線を登録してください",
        Barrier::NoTable => "回線に国の条件がありますが、国の表がありません。国の表を取り込んでください",
        Barrier::NoDevice => "使える端末がありません。端末を登録してください",
        Barrier::NoCheck => "点検の済んだ端末がありません。端末の点検を登録してください",
        Barrier::NoProof => "端末を確かめる方法がありません。回線の種別を申告して端末に固定アドレスを登録するか、端末証明書を発行してください",
    }
}

/// How the archive of recordings stands.
async fn archive(store: &Store, actor: &Actor) -> Result<Look, Denied> {
    let what = said("録画の保管先", "archive");
    let next = said(
        "画面「録画の保管と監査者の鍵」と設定の [archive] を確かめてください。SKA のコードごとの対処は docs/codes.md にあります",
        "look at the page of recordings and auditors' keys, and at [archive]; docs/codes.md says what each SKA code asks for",
    );
    let Some(standing) = store.archive(actor).await? else {
        let seen = said(
            "設定されていないか、sekisho serve が動いていません。録画はこの機器のディスクだけにあります",
            "none is configured, or `sekisho serve` does not run: recordings lie on this box's disk alone",
        );
        return Ok(Look { what, ok: true, seen, next: Said::nothing() });
    };
    let counts = said(
        format!("{}: 預けた録画 {} 本、送信待ち {} 本", standing.name, standing.kept, standing.waiting),
        format!("{}: {} recordings there, {} waiting", standing.name, standing.kept, standing.waiting),
    );
    let Some(code) = standing.code.as_deref() else { return Ok(Look { what, ok: true, seen: counts, next }) };
    let why = standing.why.as_deref().unwrap_or_default();
    Ok(Look { what, ok: false, seen: said(format!("{}。{code}: {why}", counts.ja), format!("{}; {code}: {why}", counts.en)), next })
}

/// How the authority for devices stands, and its root above all.
async fn authority(store: &Store, actor: &Actor) -> Look {
    let what = said("端末用の認証局", "device authority");
    match store.device_authority_state(actor).await {
        Ok(state) => {
            let due = store.now() >= state.exchange_from;
            let root = if state.root_here {
                said("ルートの鍵はこの機器にあります(sekisho ca export-root で外せます)", "its root's key lies on this box (`sekisho ca export-root` takes it off)")
            } else {
                said("ルートの鍵はこの機器から外してあります", "its root's key was taken off this box")
            };
            let from = state.exchange_from.minute();
            let mut seen = said(format!("{}。発行用の鍵は {from} から交換できます", root.ja), format!("{}; the part that certifies devices is to be exchanged from {from}", root.en));
            if state.in_token {
                seen = said(format!("{}。その鍵はトークンにあります", seen.ja), format!("{}; its key is in the token", seen.en));
            }
            if !state.signs {
                let next = said("トークンを差すか、device_ca.pkcs11 の設定を直してください。それまで端末の証明書は発行されません", "plug the token in, or set device_ca.pkcs11 right; until then no device is certified");
                return Look { what, ok: false, seen: said(format!("{}が、トークンが応答しません", seen.ja), format!("{}, which does not answer", seen.en)), next };
            }
            let next = said("sekisho ca request を実行し、申請書にルートで署名して、sekisho ca import で取り込んでください", "sekisho ca request, sign the request with the root, sekisho ca import");
            Look { what, ok: !due, seen, next }
        }
        Err(fault) => Look {
            what,
            ok: false,
            seen: Said::plain(fault.to_string()),
            next: said(
                "keys/device-ca.keys をバックアップから戻して再起動してください。それまで外側の入口は閉じ、端末の証明書は発行されません",
                "put keys/device-ca.keys back from a backup and restart; until then the outer door is shut and no device is certified",
            ),
        },
    }
}

/// The same, for a doctor outside of the running Sekisho.
///
/// # Errors
/// The store's.
pub async fn answer(store: &Store, actor: &Actor) -> Result<Reply, Trouble> {
    Ok(Reply::done(serde_json::to_value(of_store(store, actor).await?)?, ""))
}

/// Says at the start, in one line each, who cannot come in: better there than in the night on which somebody must.
pub async fn alarm(store: &Store) {
    match of_store(store, &Actor::console()).await {
        Ok(looks) => {
            for look in looks.iter().filter(|look| !look.ok) {
                tracing::error!("ALARM: {}: {}; {}", look.what.en, look.seen.en, look.next.en);
            }
        }
        Err(fault) => tracing::error!(%fault, "ALARM: it cannot be told who can come in"),
    }
}

/// Passkeys are bound to a name. Without one everything works by one-time codes, so this is told and is no failure.
fn passkeys(config: &Config) -> Look {
    let origins = config.passkey_origins();
    let seen = match origins.first() {
        Some(first) => said(format!("{first} で使えます"), format!("work under {first}")),
        None => said(
            "使えません。web.base_url と web.hosts が数字のアドレスだけです。使うには、この機器に名前を付けてください",
            "cannot be used: web.base_url and web.hosts name addresses of numbers alone; give the box a name to use them",
        ),
    };
    Look { what: said("パスキー", "passkeys"), ok: true, seen, next: Said::nothing() }
}

/// Whether the mail server can be reached, is who it should be and knows this box. No mail at all is a choice, and told.
async fn mail(config: &Config) -> Look {
    let server = format!("{}:{}", config.mail.server, config.mail.port());
    let (ok, seen) = match crate::post::courier(config) {
        Ok(None) => (true, said("設定されていません。リンクは手渡しになり、警報は画面と証跡だけに出ます", "not set up: links are handed over, alarms stand on pages and in the log alone")),
        Ok(Some(courier)) => match courier.look().await {
            Ok(()) => (true, said(format!("{server} が応答し、この機器を受け付けます"), format!("{server} answers and knows this box"))),
            Err(why) => (false, Said::plain(format!("{server}: {why}"))),
        },
        Err(fault) => (false, Said::plain(format!("{fault:#}"))),
    };
    let next = said(
        "[mail] の設定かメールサーバーを直し、sekisho mail test アドレス で試してください。それまでメールは送信待ちになります",
        "correct [mail] or the mail server, then try `sekisho mail test ADDRESS`; letters wait meanwhile",
    );
    Look { what: said("メール", "mail"), ok, seen, next }
}

/// A clock before the program was written would open no window and trust no certificate.
fn clock(config: &Config) -> Look {
    use sekisho_core::time::Clock;
    let now = crate::clock::SystemClock.now();
    let newest = std::fs::metadata(config.data.dir.join("log/checkpoint")).and_then(|meta| meta.modified()).ok();
    let since = newest.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let floor = sekisho_core::time::Timestamp::parse_local("2026-01-01T00:00").unwrap_or_default();
    Look {
        what: said("時計", "clock"),
        ok: now > floor && now.0 + 5_000 >= since,
        seen: Said::plain(now.rfc3339()),
        next: said("時計が違っているか、戻されています。何よりも先に、NTP で合わせてください", "the clock is wrong or went back: correct it (NTP) before anything else"),
    }
}
