//! Traces as a collector gets them, numbers as a monitoring system reads them, and a file of a target's log from the console.

use super::house::{House, TARGET};
use super::program::{free_port, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);

struct Collector {
    port: u16,
    out: PathBuf,
    child: Child,
}

impl Collector {
    fn open(folder: &Path) -> Self {
        let (port, out) = (free_port(), folder.join("spans.jsonl"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/collector.py");
        let child = Command::new(crate::postbox::python()).arg(script).arg(port.to_string()).arg(&out).spawn().expect("the clients are installed");
        Self { port, out, child }
    }

    fn spans(&self) -> Vec<Value> {
        std::fs::read_to_string(&self.out).unwrap_or_default().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[test]
fn a_collector_sees_each_step_of_a_session_and_nobodys_name() {
    let files = tempfile::tempdir().unwrap();
    let collector = Collector::open(files.path());
    let house = House::own_with(&format!("step_up_minutes = 60\n[telemetry]\nurl = \"http://127.0.0.1:{}\"\n", collector.port));
    let (worker, _) = house.at_work("otani", &["exec"]);
    let done = house.terminal.exec(&worker, TARGET, "true");
    assert!(done.status.success(), "{done:?}");
    let session = house.ended("otani", 1).remove(0);
    let road = wait_for("the road of the session", LONG, || collector.spans().into_iter().find(|span| text(span, "name") == "arrive" && text(&span["attributes"], "sekisho.session") == session));
    let steps: BTreeMap<String, Value> = collector.spans().into_iter().filter(|span| text(span, "trace") == text(&road, "trace")).map(|span| (text(&span, "name").to_owned(), span)).collect();
    assert_eq!(steps.keys().map(String::as_str).collect::<Vec<_>>(), ["arrive", "carry", "dial", "enter", "identify", "leave"]);
    for (name, step) in steps.iter().filter(|(name, _)| *name != "arrive") {
        assert_eq!(text(step, "parent"), text(&road, "id"), "{name}");
        assert!(road["began"].as_u64() <= step["began"].as_u64() && step["ended"].as_u64() <= road["ended"].as_u64(), "{name}");
    }
    assert_eq!((text(&steps["dial"]["attributes"], "sekisho.outcome"), text(&road["resource"], "service.name")), ("connected", "sekisho"));
    let asked = wait_for("a request to the pages", LONG, || collector.spans().into_iter().find(|span| text(span, "name") == "request" && text(&span["attributes"], "sekisho.route").starts_with("/api/v1/")));
    assert!(!text(&asked["attributes"], "sekisho.status").is_empty(), "{asked}");
    let all = std::fs::read_to_string(&collector.out).unwrap();
    for name in ["otani", TARGET, "127.0.0.1", "maint"] {
        assert!(!all.contains(name), "{name} went to the collector");
    }
    numbers(&house);
    file_of_a_log(&house, files.path());
}

/// The numbers are read by Prometheus's own parser.
fn numbers(house: &House) {
    let answer = house.api.ask(&house.operator, "/api/v1/metrics");
    assert_eq!(answer.status, 200);
    let answer = answer.text;
    let program = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as read\nfamilies = list(read(sys.stdin.read()))\nassert len(families) > 5, families\nassert all(family.name.startswith('sekisho_') and family.documentation for family in families), families\nprint(sum(len(family.samples) for family in families))\n";
    let mut child = Command::new(crate::postbox::python()).args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    let read = child.wait_with_output().unwrap();
    assert!(read.status.success(), "{}\n{answer}", String::from_utf8_lossy(&read.stderr));
}

/// `sekisho sources import`: a wtmp as `utmpdump` writes it.
fn file_of_a_log(house: &House, folder: &Path) {
    let line = "[7] [04711] [ts/0] [yamada  ] [pts/2       ] [192.168.30.8        ] [192.168.30.8   ] [2026-11-20T05:00:00,000000+00:00]\n";
    let mut child = Command::new("utmpdump").arg("-r").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("util-linux is there");
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    let path = folder.join("wtmp");
    std::fs::write(&path, child.wait_with_output().unwrap().stdout).unwrap();
    let path = path.display().to_string();
    let take = || {
        let done = house.console(&["--json", "sources", "import", "--target", TARGET, &path]);
        assert!(done.status.success(), "{done:?}");
        serde_json::from_slice::<Value>(&done.stdout).unwrap()
    };
    let first = take();
    assert_eq!((first["form"].as_str(), first["logins"].as_u64(), first["hits"].as_u64()), (Some("wtmp"), Some(1), Some(1)), "{first}");
    assert_eq!(take()["id"], first["id"], "once");
    let case = house.api.get(&house.operator, "/api/v1/cases")["open"].as_array().unwrap().iter().find(|case| case["imported"]["import"] == first["id"]).cloned().expect("the login is a case");
    assert_eq!((text(&case["key"], "from"), text(&case["key"], "rule")), ("192.168.30.8", "elsewhere"));
}
