// A canned session: a shell that looks into a slow image transfer, an sftp channel, and hostile text among them.
const esc = "\u001b[";
const b64 = (text) => Buffer.from(text).toString("base64");
const prompt = `${esc}1;32mtanaka@pacs01${esc}0m:${esc}1;34m~${esc}0m$ `;

const script = [
  [1200, "uptime", " 15:04:12 up 41 days,  3:12,  1 user,  load average: 6.41, 5.98, 5.02\r\n"],
  [5200, "df -h /var/lib/pacs", `Filesystem      Size  Used Avail Use% Mounted on\r\n/dev/sdb1       7.3T  ${esc}31m7.1T  180G  98%${esc}0m /var/lib/pacs\r\n`],
  [14000, "tail -n 5 /var/log/pacs/transfer.log", `15:03:51 ${esc}33mWARN${esc}0m  転送キュー 1,204 件\r\n15:03:55 INFO  画像 1.2.392.200036 を送信\r\n15:04:02 ${esc}38;2;255;120;120mERROR${esc}0m 空き容量が不足しています\r\n15:04:06 ${esc}33mWARN${esc}0m  転送キュー 1,211 件\r\n15:04:10 INFO  再試行\r\n`],
  [42000, "sudo systemctl restart pacs-transfer", ""],
  [47500, "printf hostile", `${esc}48;2;20;60;120m title and links do nothing ${esc}0m\u001b]0;stolen title\u0007\u001b]52;c;c3RvbGVu\u0007\u001b]8;;https://example.invalid/\u0007linked text\u001b]8;;\u0007\r\n`],
  [52000, "systemctl status pacs-transfer --no-pager", `${esc}1;32m●${esc}0m pacs-transfer.service - PACS image transfer\r\n     Loaded: loaded (/etc/systemd/system/pacs-transfer.service; enabled)\r\n     Active: ${esc}1;32mactive (running)${esc}0m since Sun 2026-11-22 15:04:58 JST\r\n   Main PID: 20417 (pacs-transfer)\r\n`],
];

function events() {
  const list = [{ t: "size", ch: 1, at: 0, cols: 80, rows: 24 }, { t: "out", ch: 1, at: 300, data: b64(`Last login: Sat Nov 21 16:40:02 2026 from 10.20.0.5\r\n${prompt}`) }];
  for (const [at, command, output] of script) {
    [...command].forEach((letter, index) => list.push({ t: "out", ch: 1, at: at + index * 60, data: b64(letter) }));
    const done = at + command.length * 60 + 100;
    list.push({ t: "cmd", ch: 1, at, text: command });
    list.push({ t: "out", ch: 1, at: done, data: b64(`\r\n${output}${prompt}`) });
  }
  list.push({ t: "cmd", ch: 1, at: 55500, text: "echo \u202Etxt.exe\u0007 <img src=x onerror=alert(1)>" });
  list.push({ t: "open", ch: 2, at: 57000, kind: "sftp", text: "sftp" });
  list.push({ t: "file", ch: 2, at: 57400, op: "put", path: "/opt/pacs/patch-7.2.tar.gz", bytes: 1482213, sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", status: "ok" });
  list.push({ t: "file", ch: 2, at: 58200, op: "remove", path: "/opt/pacs/old\u202Egpj.sh", status: "permission denied" });
  list.push({ t: "close", ch: 2, at: 59000, exit: "0" });
  list.push({ t: "note", at: 60000, text: "終了まで 10 分です" });
  list.push({ t: "open", ch: 3, at: 61000, kind: "exec", text: "cat /etc/os-release" });
  list.push({ t: "cmd", ch: 3, at: 61000, text: "cat /etc/os-release" });
  list.push({ t: "out", ch: 3, at: 61200, data: b64("PRETTY_NAME=\"Debian GNU/Linux 12\"\r\n") });
  list.push({ t: "err", ch: 3, at: 61250, data: b64("warning: something\r\n") });
  list.push({ t: "close", ch: 3, at: 61300, exit: "0" });
  return list.sort((a, b) => a.at - b.at);
}

/** What the live address sends. */
export function liveMessages() {
  return [
    { t: "hello", channels: [{ n: 1, kind: "shell", text: "", cols: 80, rows: 24 }], at: 0 },
    { t: "snap", ch: 1, at: 0, cols: 80, rows: 24, data: b64(`${esc}2J${esc}H`) },
    ...events(),
  ];
}

/** The lines of the recording's address, with one damaged line in it. */
export function recordingLines() {
  const lines = [{ t: "head", duration: 64000, session: "S-0148", started: Date.UTC(2026, 10, 22, 6, 4), channels: [{ n: 1, kind: "shell", text: "", cols: 80, rows: 24 }] }, ...events(), { t: "end", at: 64000, cause: "WindowEnded" }];
  const text = lines.map((line) => JSON.stringify(line));
  text.splice(10, 0, "{damaged");
  return text;
}
