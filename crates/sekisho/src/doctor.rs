//! `sekisho doctor`: what is wrong on this machine, and what to do about it.

use crate::config::Config;
use crate::admin::{Ask, Reply, Trouble};
use crate::{control, print};
use anyhow::Result;
use sekisho_core::exposure::Level;
use sekisho_core::limits;
use sekisho_core::password::Paper;
use sekisho_core::people::Actor;
use sekisho_store::{Denied, Store};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;

/// One thing that was looked at.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    what: String,
    ok: bool,
    seen: String,
    /// What to do, if it is not well.
    next: String,
}

/// Looks at everything and prints it. Exit code 0 only if all is well.
///
/// # Errors
/// Standard output is closed.
pub async fn run(config: &Config, json: bool) -> Result<ExitCode> {
    let mut looks = vec![data_folder(config), free_space(config)];
    let running = tokio::net::UnixStream::connect(control::path(&config.data.dir)).await.is_ok();
    looks.push(Look {
        what: "serve".into(),
        ok: true,
        seen: if running { "running on this data folder".into() } else { "not running".into() },
        next: String::new(),
    });
    if !running {
        for (what, address) in [("ssh.listen", config.ssh.listen), ("web.listen", config.web.listen)] {
            let bound = std::net::TcpListener::bind(address);
            looks.push(Look {
                what: what.into(),
                ok: bound.is_ok(),
                seen: bound.map_or_else(|fault| format!("{address}: {fault}"), |_| format!("{address} is free")),
                next: "choose another port in sekisho.toml, or stop what listens there".into(),
            });
        }
        if config.data.dir.join("log").is_dir() {
            looks.extend(store(config).await);
        }
    } else if let Some(reply) = control::ask(&config.data.dir, &Ask::Doctor).await? {
        match serde_json::from_value::<Vec<Look>>(reply.value) {
            Ok(more) if reply.ok => looks.extend(more),
            _ => looks.push(Look { what: "registers".into(), ok: false, seen: reply.text, next: "look at what the running Sekisho wrote about itself".into() }),
        }
    }
    looks.push(passkeys(config));
    looks.push(mail(config).await);
    looks.extend(directories(config).await);
    looks.push(clock(config));
    looks.extend(passwords(config));
    let all_well = looks.iter().all(|look| look.ok);
    let mut text = String::new();
    for look in &looks {
        text.push_str(&format!("{} {}: {}\n", if look.ok { "OK  " } else { "NG  " }, look.what, look.seen));
        if !look.ok {
            text.push_str(&format!("     -> {}\n", look.next));
        }
    }
    text.push_str("\n上限 / limits\n");
    for (name, value, unit) in limits::ALL {
        text.push_str(&format!("  {name} = {value} {unit}\n"));
    }
    let limits: Vec<_> = limits::ALL.iter().map(|(name, value, unit)| serde_json::json!({ "name": name, "value": value, "unit": unit })).collect();
    print(json, &serde_json::json!({ "ok": all_well, "looks": looks, "limits": limits }), &text)?;
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
                Paper::Guideline7 => "7.0案",
                Paper::ChecklistR7 => "R7チェックリスト",
            };
            let verdict = if missing.is_empty() { "met".to_owned() } else { format!("NOT met: {}", missing.join(", ")) };
            let set = format!("password_profile = {}, {} characters{}", policy.password_profile.as_str(), rule.least, if rule.symbols { ", symbols" } else { "" });
            Look { what: format!("passwords, {name}"), ok: true, seen: format!("{verdict} ({set})"), next: String::new() }
        })
        .collect();
    if !config.data.leaked_passwords.as_os_str().is_empty() {
        let sound = sekisho_store::leaked_list_is_sound(&config.data.leaked_passwords);
        looks.push(Look {
            what: "data.leaked_passwords".into(),
            ok: sound.is_ok(),
            seen: sound.map_or_else(|fault| fault, |()| config.data.leaked_passwords.display().to_string()),
            next: "without it no password can be set: name a file of lines sorted by SHA-1, or leave the key empty".into(),
        });
    }
    looks
}

/// Each directory and sign-in provider, tried out.
async fn directories(config: &Config) -> Vec<Look> {
    let clock: std::sync::Arc<dyn sekisho_core::time::Clock> = std::sync::Arc::new(crate::clock::SystemClock);
    let tried = crate::directories::try_all(config, &clock).await;
    tried
        .into_iter()
        .map(|one| {
            let next = one.outcome.as_ref().err().map_or_else(String::new, |why| format!("{}; until then nobody linked to it logs in by it, and passkeys and local accounts work on", crate::directories::next_step(why)));
            Look { what: format!("directory {}", one.name), ok: one.outcome.is_ok(), seen: one.outcome.unwrap_or_else(|why| why), next }
        })
        .collect()
}

fn data_folder(config: &Config) -> Look {
    let dir = &config.data.dir;
    let (ok, seen, next) = match std::fs::metadata(dir) {
        Err(_) => (false, format!("{} does not exist", dir.display()), "run `sekisho init`".to_owned()),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            (false, format!("{} can be read by others (mode {:o})", dir.display(), meta.permissions().mode() & 0o777), format!("chmod 700 {}", dir.display()))
        }
        Ok(_) if !dir.join("log").is_dir() => (false, format!("{} is not set up", dir.display()), "run `sekisho init`".to_owned()),
        Ok(_) => (true, format!("{}", dir.display()), String::new()),
    };
    Look { what: "data.dir".into(), ok, seen, next }
}

fn free_space(config: &Config) -> Look {
    let place = config.data.dir.ancestors().find(|path| path.exists()).unwrap_or(std::path::Path::new("/"));
    match rustix::fs::statvfs(place) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            Look {
                what: "free space".into(),
                ok: free >= limits::DISK_RESERVE_BYTES as u64,
                seen: format!("{} MiB", free / 1024 / 1024),
                next: format!("below {} MiB no session is admitted: free some space", limits::DISK_RESERVE_BYTES / 1024 / 1024),
            }
        }
        Err(fault) => Look { what: "free space".into(), ok: false, seen: fault.to_string(), next: "check the disk".into() },
    }
}

/// Opening the store checks its keys, its schema and that the log continues its checkpoint.
async fn store(config: &Config) -> Vec<Look> {
    match crate::serve::open_store(config, std::sync::Arc::new(crate::clock::SystemClock)).await {
        Ok(store) => {
            let mut looks = vec![Look { what: "store".into(), ok: true, seen: "opens, and its log continues its checkpoint".into(), next: String::new() }];
            match of_store(&store, &Actor::console()).await {
                Ok(more) => looks.extend(more),
                Err(fault) => looks.push(Look { what: "registers".into(), ok: false, seen: fault.to_string(), next: "run `sekisho verify` on a copy; see SECURITY.md".into() }),
            }
            let _ = store.close().await;
            looks
        }
        Err(fault) => vec![Look { what: "store".into(), ok: false, seen: format!("{fault:#}"), next: "run `sekisho verify` on a copy; see SECURITY.md".into() }],
    }
}

/// What only an open store knows: who cannot come in.
async fn of_store(store: &Store, actor: &Actor) -> Result<Vec<Look>, Denied> {
    let kept_out = store.kept_out(actor).await?;
    let names: Vec<String> = kept_out.iter().map(|out| format!("{} ({})", out.name, out.why.en())).collect();
    let lost = store.passkeys_of_another_name().await?;
    let exposure = store.exposure(actor).await?;
    let (seen, sound) = match (exposure.at, exposure.worst()) {
        (None, _) => ("not looked at yet; `sekisho serve` looks a minute after its start and then every day".to_owned(), true),
        (Some(at), _) if exposure.stale => (format!("the last look is of {}", at.minute()), false),
        (Some(at), worst) => {
            let found: Vec<String> = exposure.findings.iter().map(|finding| finding.what.en().so).collect();
            (if found.is_empty() { format!("as it should be ({})", at.minute()) } else { found.join(" ") }, worst.is_none_or(|worst| worst == Level::Note))
        }
    };
    let exposure = Look { what: "exposure".into(), ok: sound, seen, next: "`sekisho exposure` says what each of this means and what to do".into() };
    let (places, against) = store.outside(actor).await?;
    let failing: Vec<String> = places.iter().filter(|place| place.failing_since.is_some()).map(|place| format!("{} ({})", place.name, place.trouble.as_deref().unwrap_or_default())).collect();
    let outside = Look {
        what: "checkpoints outside".into(),
        ok: against.is_empty() && failing.is_empty(),
        seen: match (against.first(), failing.is_empty(), places.is_empty()) {
            (Some(one), ..) => format!("the log here ({} entries) contradicts what {} has seen ({} entries): no session is admitted", one.here, one.place, one.there),
            (None, false, _) => format!("they do not reach {}", failing.join("; ")),
            (None, true, true) => "no place is known; [checkpoints] names them, and `sekisho serve` asks them at its start".into(),
            (None, true, false) => format!("{} place(s) have them", places.len()),
        },
        next: "`sekisho log outside` says more; for a contradiction see SECURITY.md, When the log does not hold".into(),
    };
    Ok(vec![
        exposure,
        outside,
        authority(store, actor).await,
        Look {
            what: "vendors".into(),
            ok: names.is_empty(),
            seen: if names.is_empty() { "the registers of lines and devices let every vendor with workers in".into() } else { format!("nobody can come in of: {}", names.join("; ")) },
            next: "complete the lines and devices of these vendors; until then policy.devices = \"observed\" lets sessions through as deviations".into(),
        },
        Look {
            what: "registered passkeys".into(),
            ok: lost == 0,
            seen: if lost == 0 { "all were made under the name of this box".into() } else { format!("{lost} were made under another name and cannot be used") },
            next: "put the earlier name back as the host of web.base_url or first in web.hosts, or have these persons register passkeys anew (`sekisho person reset` for whoever holds nothing else)".into(),
        },
    ])
}

/// How the authority for devices stands, and its root above all.
async fn authority(store: &Store, actor: &Actor) -> Look {
    let what = "device authority".to_owned();
    match store.device_authority_state(actor).await {
        Ok(state) => {
            let due = store.now() >= state.exchange_from;
            let root = if state.root_here { "its root's key lies on this box (`sekisho ca export-root` takes it off)" } else { "its root's key was taken off this box" };
            let seen = format!("{root}; the part that certifies devices is to be exchanged from {}", state.exchange_from.minute());
            let seen = if state.in_token { format!("{seen}; its key is in the token") } else { seen };
            if !state.signs {
                return Look { what, ok: false, seen: format!("{seen}, which does not answer"), next: "plug the token in, or set device_ca.pkcs11 right; until then no device is certified".into() };
            }
            Look { what, ok: !due, seen, next: "sekisho ca request, sign the request with the root, sekisho ca import".into() }
        }
        Err(fault) => Look { what, ok: false, seen: fault.to_string(), next: "put keys/device-ca.keys back from a backup and restart; until then the outer door is shut and no device is certified".into() },
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
                tracing::error!("ALARM: {}: {}; {}", look.what, look.seen, look.next);
            }
        }
        Err(fault) => tracing::error!(%fault, "ALARM: it cannot be told who can come in"),
    }
}

/// Passkeys are bound to a name. Without one everything works by one-time codes, so this is told and is no failure.
fn passkeys(config: &Config) -> Look {
    let origins = config.passkey_origins();
    let seen = match origins.first() {
        Some(first) => format!("work under {first}"),
        None => "cannot be used: web.base_url and web.hosts name addresses of numbers alone; give the box a name to use them".into(),
    };
    Look { what: "passkeys".into(), ok: true, seen, next: String::new() }
}

/// Whether the mail server can be reached, is who it should be and knows this box. No mail at all is a choice, and told.
async fn mail(config: &Config) -> Look {
    let (ok, seen) = match crate::post::courier(config) {
        Ok(None) => (true, "not set up: links are handed over, alarms stand on pages and in the log alone".into()),
        Ok(Some(courier)) => match courier.look().await {
            Ok(()) => (true, format!("{}:{} answers and knows this box", config.mail.server, config.mail.port())),
            Err(why) => (false, format!("{}:{}: {why}", config.mail.server, config.mail.port())),
        },
        Err(fault) => (false, format!("{fault:#}")),
    };
    Look { what: "mail".into(), ok, seen, next: "correct [mail] or the mail server, then try `sekisho mail test ADDRESS`; letters wait meanwhile".into() }
}

/// A clock before the program was written would open no window and trust no certificate.
fn clock(config: &Config) -> Look {
    use sekisho_core::time::Clock;
    let now = crate::clock::SystemClock.now();
    let newest = std::fs::metadata(config.data.dir.join("log/checkpoint")).and_then(|meta| meta.modified()).ok();
    let since = newest.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let floor = sekisho_core::time::Timestamp::parse_local("2026-01-01T00:00").unwrap_or_default();
    Look {
        what: "clock".into(),
        ok: now > floor && now.0 + 5_000 >= since,
        seen: now.rfc3339(),
        next: "the clock is wrong or went back: correct it (NTP) before anything else".into(),
    }
}
