//! Ansible: a play over the shared OpenSSH connection, by each way that it moves files.

use super::outcome::Outcome;
use super::python::tool;
use super::site::{Site, both, run};
use super::{compare, house, row};
use crate::street::program::said;
use serde_json::json;

const PLAY: &str = r#"
- hosts: all
  gather_facts: false
  tasks:
    - name: command
      command: echo 関所
      register: said
    - name: what it said
      assert: { that: "said.stdout == '関所'" }
    - name: copy
      tags: files
      copy: { src: "{{ folder }}/source.bin", dest: "{{ folder }}/there/copied.bin", mode: "0640" }
    - name: content
      copy: { content: "一行\n", dest: "{{ folder }}/there/電子カルテ.txt", mode: "0600" }
    - name: line
      lineinfile: { path: "{{ folder }}/there/電子カルテ.txt", line: "二行" }
    - name: shell
      shell: "cat {{ folder }}/there/電子カルテ.txt; exit 3"
      register: shell
      failed_when: shell.rc != 3 or '二行' not in shell.stdout
    - name: fetch
      tags: files
      fetch: { src: "{{ folder }}/there/copied.bin", dest: "{{ folder }}/fetched.bin", flat: true }
    - name: script
      script: "{{ folder }}/script.sh 一"
    - name: absent
      file: { path: "{{ folder }}/there/copied.bin", state: absent }
    - name: what is not there
      command: cat /absent/file
      ignore_errors: true
      no_log: true
"#;

fn play(site: &Site<'_>, name: &str, tags: &str, settings: &[(&str, &str)]) -> Outcome {
    let folder = site.fresh(name);
    std::fs::create_dir_all(folder.join("there")).expect("a folder");
    std::fs::write(folder.join("source.bin"), super::exec::noise(700_000)).expect("a file");
    std::fs::write(folder.join("script.sh"), "#!/bin/sh\necho \"script $1\"\n").expect("a script");
    std::fs::write(folder.join("play.yml"), PLAY).expect("the play");
    let inventory = format!("here ansible_host=127.0.0.1 ansible_port={} ansible_user={} ansible_python_interpreter=/usr/bin/python3\n", site.port, site.login);
    std::fs::write(folder.join("hosts"), inventory).expect("the inventory");
    std::fs::write(folder.join("ansible.cfg"), "[defaults]\n").expect("settings of its own");
    let mut command = site.plain(tool("ansible-playbook"));
    command
        .env("ANSIBLE_CONFIG", folder.join("ansible.cfg"))
        .env("ANSIBLE_HOME", folder.join("home"))
        .env("ANSIBLE_REMOTE_TEMP", folder.join("remote"))
        .env("ANSIBLE_SSH_ARGS", site.shared().join(" "))
        .env("ANSIBLE_NOCOLOR", "1")
        .env("ANSIBLE_DEPRECATION_WARNINGS", "0")
        .envs(settings.iter().copied())
        .args(["-i", "hosts", "-e"])
        .arg(format!("folder={}", folder.display()))
        .args(["--tags", tags, "play.yml"])
        .current_dir(&folder);
    let done = run(&mut command);
    // A play that fails on both ways would show nothing.
    assert!(done.status.success() || site.is_guarded(), "{}", said(&done));
    let outcome = Outcome::of(&done).tree("there", &folder.join("there"));
    let fetched = std::fs::read(folder.join("fetched.bin")).unwrap_or_default();
    site.neutral(outcome.bytes("fetched", &fetched))
}

#[test]
fn ansible_does_through_the_gateway_what_it_does_directly() {
    const ANSIBLE: &str = "Ansible";
    let (direct, through) = both(house(), "mxn");
    let (direct, through) = (direct.with_line(), through.with_line());
    compare(&direct, &through, &[
        row(ANSIBLE, "a play, files by sftp", |site| play(site, "by-sftp", "all", &[("ANSIBLE_SSH_TRANSFER_METHOD", "sftp")])),
        row(ANSIBLE, "files by scp -O", |site| play(site, "by-scp", "files", &[("ANSIBLE_SSH_TRANSFER_METHOD", "scp"), ("ANSIBLE_SCP_EXTRA_ARGS", "-O")])),
        row(ANSIBLE, "files by dd, pipelined", |site| play(site, "piped", "files", &[("ANSIBLE_SSH_TRANSFER_METHOD", "piped"), ("ANSIBLE_PIPELINING", "1")])),
    ]);
}

/// Ansible's own Paramiko answers no prompt, so the worker opens a key window for it.
#[test]
fn ansible_by_paramiko_works_in_a_key_window() {
    let direct = Site::direct(house(), "mxnk");
    let used = json!({ "functions": ["exec", "sftp"], "files": ["download", "upload", "delete", "rename"] });
    let through = Site::in_key_window(house(), "mxnk", &used);
    compare(&direct, &through, &[row("Ansible by Paramiko", "a play in a key window, files by sftp", |site| {
        let key = site.key.display().to_string();
        play(site, "by-paramiko", "all", &[
            ("ANSIBLE_TRANSPORT", "paramiko"),
            ("ANSIBLE_PRIVATE_KEY_FILE", &key),
            ("ANSIBLE_HOST_KEY_CHECKING", "False"),
            ("ANSIBLE_PARAMIKO_LOOK_FOR_KEYS", "False"),
        ])
    })]);
}
