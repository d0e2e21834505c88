// Pictures of every page, in Japanese, at 1280 and 390 pixels: all into target/screens, those that README and guides show
// into docs/images. Takes a running demo by its facts file (`node screens.mjs facts.json`), or starts one.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { debts, launch, visitor } from "./street/browser.mjs";
import { Phone } from "./street/phone.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = join(root, "target/screens");
const shown = join(root, "docs/images");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const work = await mkdtemp(join(tmpdir(), "sekisho-screens-"));
const endings = [];
let owing = 0;

async function demo() {
  if (process.argv[2]) return JSON.parse(await readFile(process.argv[2], "utf8"));
  const binary = [process.env.SEKISHO_BIN, join(root, "target/debug/sekisho")].find((path) => path && existsSync(path));
  if (!binary) throw new Error("build it first: cargo build -p sekisho");
  const facts = join(work, "facts.json");
  const child = spawn(binary, ["demo", "--web-port", "0", "--ssh-port", "0", "--facts", facts, "--dir", join(work, "hospital")], { stdio: ["ignore", "ignore", "inherit"] });
  endings.push(() => new Promise((resolve) => { child.once("exit", resolve); if (child.exitCode !== null) resolve(); else child.kill("SIGTERM"); }));
  while (!existsSync(facts)) {
    if (child.exitCode !== null) throw new Error("the demo ended");
    await pause(200);
  }
  await pause(200);
  return JSON.parse(await readFile(facts, "utf8"));
}

const facts = await demo();
const ca = await readFile(facts.web.ca_file);
const people = new Map(facts.people.map((person) => [person.login, { ...person, phone: new Phone(person.totp_secret, person.totp_last_step) }]));
const tokens = new Map();

function call(method, path, token, body) {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...(text ? { "content-type": "application/json", "content-length": Buffer.byteLength(text) } : {}) };
    const sent = request(facts.web.url + path, { method, ca, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => {
        const answer = Buffer.concat(parts).toString();
        if (response.statusCode >= 300) reject(new Error(`${method} ${path}: ${response.statusCode} ${answer.slice(0, 300)}`));
        else resolve(answer ? JSON.parse(answer) : null);
      });
    });
    sent.on("error", reject);
    sent.end(text);
  });
}

async function token(login) {
  if (!tokens.has(login)) {
    const { password, phone } = people.get(login);
    tokens.set(login, (await call("POST", "/api/v1/logins", undefined, { login, password, code: await phone.code() })).token);
  }
  return tokens.get(login);
}

const act = async (login, plan, what) => call("POST", `/api/v1/plans/${plan}/acts`, await token(login), what);

async function approve(login, plan) {
  const { digest } = await call("GET", `/api/v1/plans/${plan}`, await token(login));
  return act(login, plan, { act: "approve", digest });
}

/** `use` changes what the plan switches on for its one target. */
async function draw(login, target, content, use = {}) {
  const choices = await call("GET", "/api/v1/plans/choices", await token(login));
  const row = choices.targets.find((row) => row.name === target);
  const worker = choices.workers.find((row) => row.login === login);
  const body = { purpose: "", privileged_reason: "サービスの状態を見るため", steps: "", impact: "", rollback: "", ...content, targets: [{ target: row.id, account: row.accounts[0].id, functions: ["shell", "sftp"], files: ["download", "upload"], ...use }], workers: [worker.id] };
  const plan = await call("POST", "/api/v1/plans", await token(login), { vendor: row.vendor, content: body });
  await act(login, plan.id, { act: "submit" });
  return plan.id;
}

async function shell(login, target, plan = "") {
  const { ssh_key_file: key, phone } = people.get(login);
  const answer = join(work, "answer");
  await writeFile(answer, "#!/bin/sh\nprintf '%s\\n' \"$CODE\"\n");
  await chmod(answer, 0o700);
  const args = ["-F", "/dev/null", "-o", `UserKnownHostsFile=${facts.ssh.known_hosts}`, "-o", "LogLevel=ERROR", "-i", key, "-o", "IdentitiesOnly=yes", "-p", String(facts.ssh.port), "-tt", `${login}+${target}${plan && `+${plan}`}@127.0.0.1`];
  const env = { ...process.env, SSH_ASKPASS: answer, SSH_ASKPASS_REQUIRE: "force", DISPLAY: "none:0", CODE: await phone.code(), TERM: "xterm-256color" };
  const child = spawn("ssh", args, { env, stdio: ["pipe", "ignore", "ignore"] });
  endings.push(async () => child.kill());
  await pause(4000);
  return {
    async type(...lines) {
      for (const line of lines) {
        child.stdin.write(`${line}\n`);
        await pause(700);
      }
    },
    async end() {
      child.stdin.end("exit\n");
      await Promise.race([new Promise((resolve) => child.once("exit", resolve)), pause(5000)]);
    },
  };
}

const browser = await launch();
const widths = [1280, 390];
const rooms = new Map();

/** A browser window of a person who has logged in by the page. */
async function room(login, width) {
  const key = `${login} ${width}`;
  if (rooms.has(key)) return rooms.get(key);
  const other = rooms.get(`${login} ${width === 390 ? 1280 : 390}`);
  const cookies = other ? await other.context.cookies() : [];
  const login_cookie = cookies.find((cookie) => cookie.name === "__Host-sekisho");
  const one = await visitor(browser, facts.web.url, { width, height: width === 390 ? 844 : 900, cookie: login_cookie && `${login_cookie.name}=${login_cookie.value}` });
  if (!login_cookie) {
    await one.page.goto("/login");
    await one.page.locator("#f-login").fill(login);
    await one.page.locator("#f-password").fill(people.get(login).password);
    await one.page.locator("#f-code").fill(await people.get(login).phone.code());
    await one.page.locator("main button[type=submit]").first().click();
    await one.page.waitForURL((url) => url.pathname === "/");
  }
  rooms.set(key, one);
  return one;
}

const slug = (path) => path.split("?")[0].split("/").filter(Boolean).map((part) => (/^[a-z]+-.{12,}/.test(part) || part.length > 24 ? "x" : part)).join("-") || "home";

async function take(page, name, { full = true } = {}) {
  await page.evaluate(() => document.fonts.ready);
  for (const debt of await debts(page)) {
    owing += 1;
    console.error(`${name} (${new URL(page.url()).pathname}): ${debt}`);
  }
  const file = join(out, `${name}.png`);
  await page.screenshot({ path: file, fullPage: full });
  return file;
}

/** Opens an address as somebody and takes its picture at both widths. */
async function both(login, path, name, ready = async () => {}) {
  for (const width of widths) {
    const { page } = await room(login, width);
    await page.goto(path);
    await ready(page);
    await take(page, `${name}-${width}`);
  }
}

/** One picture for README or a guide: the window as it is opened, or the whole page. */
async function show(login, width, path, file, { ready = async () => {}, full = false, height } = {}) {
  const { page } = await room(login, width);
  if (height) await page.setViewportSize({ width, height });
  await page.goto(path);
  await ready(page);
  await copyFile(await take(page, `shown-${file}`, { full }), join(shown, `${file}.png`));
  if (height) await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
}

const minutes = (n) => Date.now() + n * 60_000;
const watching = async (page) => {
  await page.locator('[data-live][data-state="watching"]').waitFor();
  // The terminal draws only while it can be seen.
  await page.locator(".viewer-screen").scrollIntoViewIfNeeded();
  await page.waitForFunction(() => document.querySelector(".xterm-rows")?.innerText.trim().length > 20);
  await pause(800);
  await page.evaluate(() => scrollTo(0, 0));
};
const replaying = async (page) => {
  await page.locator('[data-replay][data-state="ready"]').waitFor();
  await pause(800);
};

try {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  await mkdir(shown, { recursive: true });

  // A job that waits for its reconciliation, with something that was not planned.
  const checked = await draw("suzuki", "pacs01", {
    title: "PACS 画像転送エラーの調査", class: "investigation", purpose: "院内からの連絡による調査", from: minutes(-1), until: minutes(60), steps: "1. ログを確認する\n2. 設定を確認する",
    commands: ["uptime", "df"], impact: "なし(参照のみ)", rollback: "不要", contact: "045-555-0202",
  });
  await approve("ueda", checked);
  await approve("ishikawa", checked);
  const past = await shell("suzuki", "pacs01");
  await past.type("uptime", "df -h /", "cat /etc/hostname");
  await past.end();
  for (let n = 0; n < 20; n += 1) {
    const done = await act("suzuki", checked, { act: "finish_work" }).catch(() => null);
    if (done) break;
    await pause(500);
  }
  // Somebody is at work.
  const now = await shell("sato", "ehr-db01");
  await now.type("PS1='\\[\\e[32m\\]ehr-db01\\[\\e[0m\\]:\\w\\$ '", "clear", "uptime", "df -h / /dev/shm", "ls --color=always /etc/ssh", "free -h");

  const sessions = await call("GET", "/api/v1/sessions", await token("ohno"));
  const running = sessions.rows.find((row) => row.running).facts.session;
  const told = async (id) => (await call("GET", `/api/v1/sessions/${id}`, await token("ohno"))).facts;
  const ended = [];
  for (const row of sessions.rows.filter((row) => !row.running)) ended.push(await told(row.facts.session));
  const recorded = ended.sort((a, b) => b.commands.length - a.commands.length)[0].session;
  const plans = (await call("GET", "/api/v1/plans", await token("ishikawa"))).rows;
  const closed = plans.find((plan) => plan.state === "closed").id;
  const waiting = plans.find((plan) => plan.state === "submitted" && !plan.emergency).id;

  // Everything that a plan can allow, before the eyes of whoever approves it.
  const wide = await draw("suzuki", "pacs01", {
    title: "PACS 不要画像の整理と連携の確認", class: "change", purpose: "保存期間を過ぎた画像の整理", from: minutes(60 * 24), until: minutes(60 * 26), steps: "1. 連携先を確認する\n2. 不要なファイルを削除する",
    commands: ["df", "systemctl restart orthanc"], unplanned: "alert", rules: [{ pattern: "systemctl restart *", act: "hold", reason: "再起動の前に放射線科へ連絡します" }], witness: "watch", impact: "なし", rollback: "控えから戻す", contact: "045-555-0202",
  }, {
    functions: ["shell", "sftp", "forward"], files: ["download", "upload", "delete"], limits: { upload_bytes: 500_000_000, upload_files: 20, download_bytes: 10_000_000 },
    forwards: [{ host: "10.0.0.5", port: 5432, full: true }], key_window: true,
  });
  await show("ishikawa", 1280, `/plans/${wide}/approve`, "guide-powers", { height: 1250 });
  // Work that waits: first for its witness, then for a decision about a command.
  const watched = await draw("suzuki", "pacs01", {
    title: "PACS 転送サービスの再起動", class: "change", purpose: "転送の滞りの解消", from: minutes(-1), until: minutes(90), steps: "1. 状態を確認する\n2. 再起動する",
    rules: [{ pattern: "systemctl restart *", act: "hold", reason: "再起動の前に放射線科へ連絡します" }], witness: "watch", impact: "転送が 1 分止まる", rollback: "不要", contact: "045-555-0202",
  }, { key_window: true });
  await approve("ueda", watched);
  await approve("ishikawa", watched);
  const step = await shell("suzuki", "pacs01");
  await show("eguchi", 390, "/", "guide-witness");
  {
    const { page } = await room("ueda", 1280);
    const session = (await call("GET", "/api/v1/sessions", await token("ohno"))).rows.find((row) => row.running && row.plan === watched).facts.session;
    await page.goto(`/sessions/${session}/watch`);
    await page.locator('[data-reins][data-stand="none"]').waitFor();
    await pause(2000);
    await step.type("PS1='pacs01:\\w# '", "clear", "uptime", "df -h /", "systemctl restart orthanc");
    await page.locator("[data-reins] .held button").first().waitFor();
    await pause(800);
    const keep = async (file, height) => {
      await page.setViewportSize({ width: 1280, height });
      await pause(400);
      await page.evaluate(() => scrollTo(0, 0));
      await copyFile(await take(page, `shown-${file}`, { full: false }), join(shown, `${file}.png`));
    };
    await keep("guide-held", 1000);
    await page.locator("[data-reins] .held button").first().click();
    await page.locator("#pause-reason").fill("放射線科に確認しています");
    await page.locator("form[data-when=going] button").click();
    await page.locator('[data-reins][data-stand="paused"]').waitFor();
    await page.locator("#talk-text").fill("放射線科に確認しています。3分ほどお待ちください。");
    await page.keyboard.press("Enter");
    await page.locator("[data-part=said]", { hasText: "3分ほど" }).waitFor();
    await keep("guide-pause", 1620);
    await page.locator("form[data-when=paused] button").click();
    await page.locator('[data-reins][data-stand="none"]').waitFor();
    await page.setViewportSize({ width: 1280, height: 900 });
    await step.end();
  }
  await show("suzuki", 1280, "/account/key_windows", "guide-key-window", {
    height: 1000,
    ready: async (page) => {
      if (await page.locator("main #f-code").count()) await page.locator("main #f-code").fill(await people.get("suzuki").phone.code());
      await page.locator("main form").last().locator("button[type=submit]").click();
      await page.locator("main .codeblock").first().waitFor();
    },
  });
  // It would stand on every first page after this.
  {
    const { page } = await room("suzuki", 1280);
    await page.locator("main form[action$='/close'] button").click();
    await page.waitForLoadState();
  }
  await show("suzuki", 1280, "/plans/new", "guide-plan-form", {
    height: 1300,
    ready: async (page) => {
      const row = page.locator("[data-rows=targets] [data-row]").first();
      for (const name of ["sftp", "forward", "download", "upload"]) await row.locator(`input[value=${name}]`).check();
      await row.locator("details").first().evaluate((element) => { element.open = true; });
      await row.evaluate((element) => element.scrollIntoView());
    },
  });
  await show("kimura", 1280, "/search?q=systemctl", "guide-search", {
    height: 1400,
    ready: async (page) => {
      if (await page.locator("main #f-code").count()) {
        await page.locator("main #f-code").fill(await people.get("kimura").phone.code());
        await page.locator("main form button.button-primary").last().click();
        await page.locator(".search-form").waitFor();
      }
      for (let n = 0; n < 20 && (await page.locator(".search-hit").count()) < 3; n += 1) {
        await pause(500);
        await page.reload();
      }
    },
  });
  await show("kimura", 1280, "/evidence/new", "guide-evidence", { height: 1350 });
  await show("ueda", 1280, "/alarms", "guide-alarms", { height: 900 });
  await show("aoki", 1280, "/rules?class=linux&line=sudo+systemctl+poweroff", "guide-rules", { height: 1250 });
  {
    const targets = await call("GET", "/api/v1/targets", await token("aoki"));
    const rows = targets.rows ?? targets;
    const [ehr, pacs] = ["ehr-db01", "pacs01"].map((name) => rows.find((row) => row.name === name));
    await show("aoki", 1280, `/targets/${ehr.id}/accounts/new`, "guide-certificate", {
      height: 1500,
      ready: async (page) => {
        await page.locator("#f-username").fill("postgres");
        if (await page.locator("main #f-code").count()) await page.locator("main #f-code").fill(await people.get("aoki").phone.code());
        await page.locator("main form button[type=submit]").last().click();
        await page.locator("#test").waitFor();
      },
    });
    await show("aoki", 1280, `/targets/${pacs.id}/accounts/${pacs.accounts[0].id}`, "guide-rotation", { ready: async (page) => page.locator("#rotation").scrollIntoViewIfNeeded() });
  }
  // Those that people see first.
  await show("ueda", 1280, "/", "home-operator");
  // An emergency that waits for the clerk.
  const emergency = await draw("suzuki", "pacs01", {
    title: "CT画像が表示できない", class: "fault", from: 0, until: 0, contact: "045-555-0202 鈴木", emergency_reason: "救急外来でCT画像が開けないと連絡がありました。画像配信サービスの状態を確認し、再起動します。",
  });
  await show("ueda", 1280, `/sessions/${running}/watch`, "watch", { ready: watching });
  await show("ueda", 1280, `/plans/${facts.open_plan}`, "plan", { height: 1100 });
  await show("ueda", 1280, `/sessions/${recorded}/replay`, "replay", { ready: async (page) => { await replaying(page); await page.keyboard.press("ArrowRight"); await pause(800); } });
  await show("eguchi", 390, "/", "home-clerk-phone");
  await show("ishikawa", 1280, `/plans/${waiting}/approve`, "approve", { full: true });
  await show("ueda", 1280, `/plans/${checked}/reconcile`, "reconcile", { full: true });
  await show("eguchi", 390, `/plans/${emergency}/allow`, "guide-allow", { full: true });
  await show("eguchi", 390, `/sessions/${running}/watch`, "guide-cut", { ready: watching });
  await show("ueda", 1280, `/plans/${waiting}/approve`, "guide-approve");
  await show("ueda", 1280, `/plans/${checked}/reconcile`, "guide-reconcile");
  await show("kimura", 1280, "/log", "guide-log");
  {
    const { page } = await room("ishikawa", 1280);
    await page.goto(`/plans/${closed}/report/print`);
    // 178 mm of text on A4 at 96 dots an inch.
    await page.setViewportSize({ width: 673, height: 950 });
    await page.emulateMedia({ media: "print" });
    await copyFile(await take(page, "shown-report-print"), join(shown, "report-print.png"));
    await page.emulateMedia({ media: "screen" });
    await page.setViewportSize({ width: 1280, height: 900 });
  }
  const added = await call("POST", "/api/v1/persons", await token("aoki"), { login: "yamada", name: "山田 花子", roles: ["operator"] });
  for (const width of widths) {
    const stranger = await visitor(browser, facts.web.url, { width });
    await stranger.page.goto("/login");
    await take(stranger.page, `login-${width}`);
    await stranger.page.goto(new URL(added.enrolment.url).pathname);
    const file = await take(stranger.page, `enrol-${width}`);
    if (width === 1280) await copyFile(file, join(shown, "guide-enrol.png"));
    await stranger.page.goto("/enrol/nobody");
    await take(stranger.page, `enrol-refused-${width}`);
    await stranger.context.close();
  }

  // Every role's first page, and one page of each kind, as the first role that is shown it.
  const seen = new Set();
  for (const login of ["ueda", "ishikawa", "sato", "suzuki", "takahashi", "eguchi", "ohno", "kato", "kimura", "aoki"]) {
    const { page } = await room(login, 1280);
    await both(login, "/", `home-${login}`);
    const open = ["/"];
    for (let path = open.shift(); path !== undefined; path = open.shift()) {
      await page.goto(path).catch(() => null);
      const links = await page.evaluate(() => [...document.querySelectorAll("a[href^='/']:not([download])")].map((link) => link.getAttribute("href").split("#")[0]));
      for (const link of links) {
        const name = slug(link);
        if (link === "/" || seen.has(name) || /asciicast|attachments\/|export|\.ndjson/.test(link)) continue;
        seen.add(name);
        open.push(link);
        await both(login, link, `page-${name}`, link.endsWith("/watch") ? watching : link.endsWith("/replay") ? replaying : undefined);
      }
    }
  }
  await now.end();
  for (const [key, { faults }] of rooms) for (const fault of faults) { owing += 1; console.error(`${key}: ${fault}`); }
  console.log(`${seen.size} kinds of pages, ${owing} defects; pictures in ${out}`);
} finally {
  await browser.close();
  for (const end of endings.reverse()) await end().catch(() => {});
  await rm(work, { recursive: true, force: true });
}
process.exit(owing ? 1 : 0);
