//! OpenSSH's `ssh`: one command without a terminal, on a connection that many share.

use super::outcome::Outcome;
use super::site::{PATIENCE, Site, both, run};
use super::{compare, house, row};
use crate::street::program::{free_port, output, wait_for};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStringExt;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

/// Bytes in which every value stands beside every other, the same at each call.
pub fn noise(length: usize) -> Vec<u8> {
    crate::street::program::noise(length, 0)
}

/// Runs a command with these bytes as its standard input, which then ends.
fn fed(site: &Site<'_>, line: &str, input: Vec<u8>) -> Output {
    let file = site.folder.join("input");
    std::fs::write(&file, input).expect("the input");
    output(site.ssh(&[]).arg(line).stdin(Stdio::from(std::fs::File::open(&file).expect("the input"))), PATIENCE)
}

fn slow_reader(site: &Site<'_>) -> Outcome {
    let mut command = site.ssh(&["-v"]);
    let said = site.folder.join("slow-reader.log");
    let log = File::create(&said).expect("a log");
    command.arg("head -c 24000000 /dev/zero | tr '\\0' s; exit 3").stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().expect("ssh starts");
    let mut stdout = child.stdout.take().expect("its output");
    let (mut total, mut buffer) = (0, vec![0; 1 << 20]);
    // The command is over long before the reader is; what it left must still come, and its status too.
    while let Ok(count) = stdout.read(&mut buffer) {
        if count == 0 {
            break;
        }
        total += count;
        std::thread::sleep(Duration::from_millis(1));
        if total > 2_000_000 && total < 2_100_000 {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    let status = wait_for("ssh ends", Duration::from_secs(30), || child.try_wait().expect("its state"));
    let outcome = Outcome::new().fact("bytes", total).fact("exit", status);
    // Once in some hundred runs the status was another one; the client then says which end closed first.
    if status.code() == Some(3) { outcome } else { outcome.fact("ssh said", std::fs::read_to_string(said).expect("its log")) }
}

fn reader_that_leaves(site: &Site<'_>) -> Outcome {
    let mut command = site.ssh(&[]);
    let mut child = command.arg("yes").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("ssh starts");
    let mut head = vec![0; 300_000];
    child.stdout.take().expect("its output").read_exact(&mut head).expect("a flood");
    let status = wait_for("ssh ends when nobody reads", Duration::from_secs(20), || child.try_wait().expect("its state"));
    // And the connection still carries the next command.
    let next = site.exec("echo next");
    Outcome::new().bytes("head", &head).fact("ended", status.code().is_some() || !status.success()).program("next", &next)
}

fn ten_at_once(site: &Site<'_>) -> Outcome {
    let children: Vec<_> = (0..8)
        .map(|number| {
            let line = format!("for i in 1 2 3; do head -c 400000 /dev/zero | tr '\\0' {number}; sleep 0.1; done; exit {number}");
            site.ssh(&[]).arg(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ssh starts")
        })
        .map(|child| std::thread::spawn(move || child.wait_with_output().expect("ssh ends")))
        .collect();
    children.into_iter().enumerate().fold(Outcome::new(), |outcome, (number, child)| outcome.program(&number.to_string(), &child.join().expect("a reader")))
}

fn talk(site: &Site<'_>) -> Outcome {
    let mut command = site.ssh(&[]);
    let mut child = command.arg("while read line; do echo \"<$line>\"; done; echo end").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ssh starts");
    let (mut stdin, mut stdout) = (child.stdin.take().expect("input"), child.stdout.take().expect("output"));
    let mut heard = Vec::new();
    for word in ["一", "two", "三"] {
        writeln!(stdin, "{word}").expect("a line goes in");
        let mut answer = vec![0; word.len() + 3];
        stdout.read_exact(&mut answer).expect("its answer comes before the next line");
        heard.extend(answer);
    }
    drop(stdin);
    stdout.read_to_end(&mut heard).expect("the rest");
    Outcome::new().bytes("heard", &heard).fact("exit", child.wait().expect("its end"))
}

fn forward(site: &Site<'_>, flag: &str) -> Outcome {
    let port = free_port();
    let behind = house().host.port;
    let line = if flag == "-D" { port.to_string() } else { format!("{port}:127.0.0.1:{behind}") };
    let asked = run(site.client("ssh").args(["-O", "forward", flag, &line]).arg(site.place()));
    let mut got = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
        if flag == "-D" {
            let [high, low] = behind.to_be_bytes();
            let _ = stream.write_all(&[5, 1, 0]).and_then(|()| stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, high, low]));
        }
        let begun = Instant::now();
        let mut buffer = [0; 256];
        while begun.elapsed() < Duration::from_secs(20) && !got.contains("SSH-2.0") {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => got.push_str(&String::from_utf8_lossy(&buffer[..count])),
            }
        }
    }
    Outcome::new().fact("asked", asked.status.success()).fact("reached the server behind", got.contains("SSH-2.0"))
}

#[test]
fn a_command_does_through_the_gateway_what_it_does_directly() {
    const SSH: &str = "OpenSSH ssh";
    let (direct, through) = both(house(), "mxa");
    let (direct, through) = (direct.with_line(), through.with_line());
    let exec = |function: &'static str, line: &'static str| row(SSH, function, move |site| Outcome::of(&site.exec(line)));
    compare(&direct, &through, &[
        exec("exit status, output and errors apart", "printf out; printf err >&2; exit 7"),
        exec("exit by a signal", "kill -TERM $$"),
        exec("command that is not there", "no-such-command-here"),
        exec("errors in a flood", "head -c 3000000 /dev/zero | tr '\\0' e >&2; echo done"),
        exec("output and errors interleaved", "for i in $(seq 400); do echo o$i; echo e$i >&2; done"),
        exec("environment of the account", "echo $HOME $SHELL $USER $PATH"),
        exec("a job that keeps the output open", "(sleep 1; echo late) & echo now"),
        exec("no standard input", "wc -c; echo end"),
        row(SSH, "variables that the server takes", |site| {
            Outcome::of(&run(site.client("ssh").env("LANG", "ja_JP.UTF-8").env("LC_TIME", "ja_JP.UTF-8").args(["-o", "SendEnv=LANG LC_TIME NOPE"]).env("NOPE", "1").arg(site.place()).arg("echo $LANG $LC_TIME $NOPE")))
        }),
        row(SSH, "binary bytes both ways", |site| Outcome::of(&fed(site, "cat", noise(5_000_000)))),
        row(SSH, "input that ends, output that goes on", |site| Outcome::of(&fed(site, "cat; sleep 0.3; echo end; exit 4", b"half\n".to_vec()))),
        row(SSH, "input that nobody reads", |site| {
            let done = fed(site, "exec true", noise(400_000));
            Outcome::new().fact("exit", done.status).bytes("out", &done.stdout)
        }),
        row(SSH, "question and answer", talk),
        row(SSH, "bytes that are no UTF-8 in the command", |site| {
            Outcome::of(&site.exec(OsString::from_vec(b"printf '%s' '\xff\xfe\x83\x65' | od -An -tx1".to_vec())))
        }),
        row(SSH, "Japanese in the command", |site| Outcome::of(&site.exec("echo 電子カルテ | tee /dev/stderr"))),
        row(SSH, "command of 30 kB", |site| Outcome::of(&site.exec(format!("echo {} | wc -c", "x".repeat(30_000))))),
        row(SSH, "command of 100 kB", |site| {
            let done = site.exec(format!("echo {} | wc -c", "x".repeat(100_000)));
            Outcome::new().fact("exit", done.status).bytes("out", &done.stdout)
        }),
        row(SSH, "reader slower than the command", slow_reader),
        row(SSH, "reader that leaves in a flood", reader_that_leaves),
        row(SSH, "eight channels on one connection", ten_at_once),
        row(SSH, "subsystem that nobody knows", |site| {
            let done = run(site.ssh(&["-s"]).arg("no-such-subsystem"));
            Outcome::new().fact("exit", done.status).bytes("err", &done.stderr)
        }),
        row(SSH, "local forward not in the plan", |site| forward(site, "-L")),
        row(SSH, "remote forward", |site| forward(site, "-R")),
        row(SSH, "dynamic forward", |site| forward(site, "-D")),
    ]);
}
