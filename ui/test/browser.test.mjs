// The browser modules in a real Chromium, under the product's content security policy.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { serve } from "../catalogue/server.mjs";

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const executablePath = execFileSync("sh", ["-c", "command -v chromium || echo /usr/bin/chromium"], { encoding: "utf8" }).trim();

let house;
let browser;
let page;
let faults;

before(async () => {
  house = await serve({ drops: 1 });
  browser = await chromium.launch({ executablePath, args: flags });
});
after(async () => {
  await browser?.close();
  await house?.stop();
});

async function open(path, options = {}) {
  await page?.context().close();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "ja-JP", ...options });
  page = await context.newPage();
  faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
  await page.goto(`${house.url}${path}`);
  return page;
}

const rows = (index = 0) => page.locator(".xterm-rows").nth(index).innerText();
const until = (what, value) => page.waitForFunction(([key, wanted]) => document.querySelector("[data-live], [data-replay]").dataset[key] === wanted, [what, value]);

test("a lost live view comes back by itself and tells each command once", async () => {
  await open("/live");
  await until("state", "reconnecting");
  await until("state", "watching");
  await page.waitForFunction(() => document.querySelector("ol[aria-label=コマンド]").querySelectorAll("li").length === 8);
  assert.match(await rows(), /active \(running\)/);
  // The viewer's dropped connection may be logged by the browser; nothing else may.
  assert.deepEqual(faults.filter((fault) => !fault.includes("WebSocket")), []);
});

test("hostile text stays text: no title, no link, no markup, no hidden direction", async () => {
  await open("/replay#t=56");
  await until("state", "ready");
  await page.waitForFunction(() => document.querySelector(".xterm-rows")?.innerText.includes("linked text"));
  assert.match(await page.title(), /^部品/);
  assert.equal(await page.locator(".viewer a, .viewer img").count(), 0);
  const command = await page.locator(".viewer-list code", { hasText: "txt.exe" }).innerText();
  assert.match(command, /U\+202E/);
  assert.match(command, /\^G/);
  assert.match(command, /<img src=x onerror=alert\(1\)>/);
  assert.equal(await page.evaluate(() => document.querySelector(".viewer").textContent.includes("\u202e")), false);
  assert.deepEqual(faults, []);
});

test("the terminal's styles apply although the policy forbids inline ones", async () => {
  await open("/replay#t=56");
  await until("state", "ready");
  await page.waitForFunction(() => document.querySelector(".xterm-rows")?.innerText.includes("hostile"));
  assert.equal(await page.locator("style").count(), 0);
  const colours = await page.evaluate(() => {
    const spans = [...document.querySelectorAll(".xterm-rows span")];
    const background = spans.find((span) => span.innerText.includes("title and links"));
    const green = spans.find((span) => span.innerText.includes("tanaka@pacs01"));
    return [getComputedStyle(background).backgroundColor, getComputedStyle(green).color];
  });
  assert.equal(colours[0], "rgb(20, 60, 120)");
  assert.notEqual(colours[1], "rgb(26, 26, 26)");
  assert.deepEqual(faults, []);
});

test("replay plays, seeks forwards and backwards, and jumps from a command", async () => {
  await open("/replay");
  await until("state", "ready");
  assert.doesNotMatch(await rows(), /df -h/);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => document.querySelector(".viewer").dataset.position === "10000");
  await page.waitForFunction(() => document.querySelector(".xterm-rows").innerText.includes("/dev/sdb1"));
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction(() => {
    const text = document.querySelector(".xterm-rows").innerText;
    return text.includes("uptime") && !text.includes("/dev/sdb1");
  });
  await page.locator("button.viewer-line", { hasText: "systemctl status" }).click();
  await page.waitForFunction(() => document.querySelector(".xterm-rows").innerText.includes("hostile"));
  assert.equal(new URL(page.url()).hash, "#t=52");
  await page.locator(".player select").selectOption("16");
  await page.locator(".player-play").click();
  await until("playing", "true");
  await until("playing", "false");
  assert.equal(await page.locator(".viewer").getAttribute("data-position"), "64000");
  assert.match(await page.locator(".player-play").innerText(), /最初から再生/);
  assert.match(await page.locator(".viewer-status").innerText(), /作業時間の終了/);
  assert.deepEqual(faults, []);
});

test("idle time is skipped while playing", async () => {
  await open("/replay#t=17");
  await until("state", "ready");
  const from = Date.now();
  await page.keyboard.press("Space");
  await page.waitForFunction(() => Number(document.querySelector(".viewer").dataset.position) > 41000);
  assert.ok(Date.now() - from < 15_000, "24 s of nothing must not take 24 s");
});

test("keys belong to the page, not to the terminal", async () => {
  await open("/replay#t=10");
  await until("state", "ready");
  await page.locator(".viewer-panel:not([hidden])").click();
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction(() => document.querySelector(".viewer").dataset.position === "5000");
});

test("a dangerous form asks first, sends nothing on cancel and one request on consent", async () => {
  await open("/form");
  const withdraw = page.locator("form[data-confirm] button");
  await withdraw.click();
  assert.match(await page.locator("dialog").innerText(), /元に戻せません/);
  await page.keyboard.press("Enter");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.equal(house.posts.filter((post) => post.path === "/delete").length, 0);
  await withdraw.click();
  await page.locator("dialog .button-danger").click();
  await page.waitForURL("**/delete");
  assert.deepEqual(house.posts.filter((post) => post.path === "/delete").map((post) => post.body), ["csrf=catalogue&reason=x"]);
});

test("rows are added from the template with ids of their own, and removed", async () => {
  await open("/form");
  await page.locator("[data-row-add]").click();
  assert.equal(await page.locator("[data-row]").count(), 2);
  const ids = await page.locator("[data-rows] input").evaluateAll((fields) => fields.map((field) => field.id));
  assert.equal(new Set(ids).size, 4);
  assert.equal(await page.evaluate(() => document.activeElement.name), "file_name");
  await page.locator("[data-row-remove]").nth(1).click();
  assert.equal(await page.locator("[data-row]").count(), 1);
});

test("a part of the page refreshes and the focus stays where it was", async () => {
  await open("/form");
  await page.locator("#tick").waitFor();
  await page.locator("#clock-part #inside").focus();
  const first = await page.locator("#tick").innerText();
  await page.waitForFunction((was) => document.querySelector("#tick").innerText !== was, first);
  assert.equal(await page.evaluate(() => document.activeElement.id), "inside");
  assert.deepEqual(faults, []);
});

test("a one-time code is pasted with spaces and in wide digits", async () => {
  await open("/login");
  const code = page.locator("#f-code");
  assert.equal(await page.evaluate(() => document.activeElement.id), "f-code");
  await code.evaluate((field) => {
    const data = new DataTransfer();
    data.setData("text", " １２３ ４５６ ");
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  });
  assert.equal(await code.inputValue(), "123456");
});

test("the time left is counted by the server's clock and tells its level", async () => {
  await open("/plan");
  const levels = await page.locator(".countdown").evaluateAll((chips) => chips.map((chip) => chip.dataset.level));
  assert.deepEqual(levels.slice(-4), ["", "warn", "last", "over"]);
  assert.match(await page.locator(".countdown").last().innerText(), /終了/);
});

test("no page is wider than a phone, and every control is large enough to tap", async () => {
  for (const name of ["first", "plan", "form", "login", "report", "live", "replay"]) {
    await open(`/${name}`, { viewport: { width: 390, height: 844 }, hasTouch: true });
    await page.waitForTimeout(name === "replay" || name === "live" ? 1500 : 0);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, name);
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("button, .button, summary, select, .nav-list a, .pager a")]
        .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 44)
        .map((element) => element.outerHTML.slice(0, 120)),
    );
    assert.deepEqual(small, [], name);
  }
});

test("pages work in English", async () => {
  await open("/replay?lang=en");
  await until("state", "ready");
  assert.match(await page.locator(".player-play").innerText(), /Play/);
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
});

test("on paper the tables stay tables and the controls are gone", async () => {
  await open("/report", { viewport: { width: 673, height: 1000 } });
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.locator(".table tbody tr").first().evaluate((row) => getComputedStyle(row).display), "table-row");
  for (const gone of [".head", ".side", ".foot", "[data-print]"]) assert.equal(await page.locator(gone).first().isVisible(), false, gone);
  assert.equal(await page.locator(".stamp").count(), 3);
});
