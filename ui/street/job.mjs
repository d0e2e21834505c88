// The operator's evening: log in, approve, watch, cut, replay. Run by the test; argument: {"url", "login", "password", ...}.
import { debts, launch, picture, tabTo, visitor } from "./browser.mjs";
import { ask, play, say } from "./line.mjs";

const given = JSON.parse(process.argv[2]);
const browser = await launch();
const everybody = [];
const join = async (options) => {
  const one = await visitor(browser, given.url, options);
  everybody.push(one);
  return one;
};

/** Every page that is visited must pay what it owes. */
async function look(page, what) {
  await page.waitForLoadState("load");
  await picture(page, what);
  const owed = await debts(page);
  say("page", { what, path: new URL(page.url()).pathname, title: await page.title(), h1: await page.locator("h1").first().innerText(), debts: owed });
}

await play(async () => {
  const { page } = await join();

  // Logging in, without a mouse.
  await page.goto("/login");
  await look(page, "login");
  await page.locator("#f-login").focus();
  await page.keyboard.type(given.login);
  await page.keyboard.press("Tab");
  await page.keyboard.type(given.password);
  await page.keyboard.press("Tab");
  await page.keyboard.type((await ask("code", { who: given.login })).code);
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.pathname === "/");
  await look(page, "first page");
  say("first", { text: await page.locator("main").innerText() });

  // The waiting plan is on the first page; approving it needs the keyboard alone.
  const waiting = page.locator(`main a[href$="/approve"]`).first();
  await tabTo(page, waiting);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/plans\/[^/]+\/approve$/);
  await look(page, "approve");
  const plan = new URL(page.url()).pathname.split("/")[2];
  say("approving", { plan, text: await page.locator("main").innerText() });
  await tabTo(page, page.locator("main form button.button-primary").last());
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(`/plans/${plan}$`));
  await look(page, "plan after technical approval");
  say("operator approved", { text: await page.locator("main").innerText() });

  // The planner gives the second approval.
  const planner = await join({ cookie: (await ask("cookie", { who: given.planner })).cookie });
  await planner.page.goto("/");
  await look(planner.page, "planner's first page");
  await planner.page.locator(`main a[href="/plans/${plan}/approve"]`).first().click();
  await look(planner.page, "planner approves");
  await planner.page.locator("main form button.button-primary").last().click();
  await planner.page.waitForURL(new RegExp(`/plans/${plan}$`));
  await look(planner.page, "plan after final approval");
  say("planner approved", { state: await planner.page.locator(".page-head .chip").first().getAttribute("data-state") });

  // A worker is at work; the operator watches and sees what the target writes.
  const { session } = await ask("worker in");
  await page.goto("/");
  await page.locator(`main a[href="/sessions/${session}/watch"]`).first().click();
  await page.waitForURL(/\/watch$/);
  await page.locator('[data-live][data-state="watching"]').waitFor();
  await look(page, "watch");
  await ask("worker types", { line: "echo mie''teiru-$((40+2))" });
  await page.waitForFunction(() => [...document.querySelectorAll(".xterm-rows")].some((rows) => rows.innerText.includes("mieteiru-42")));
  say("seen live");
  await page.waitForFunction(() => document.querySelector(".viewer-side").innerText.includes("echo mie"));
  say("command listed live");

  // 切断 asks first, and a frightened Enter does nothing.
  await page.locator(".cut button").click();
  const dialog = page.locator("dialog[open]");
  await dialog.waitFor();
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  say("enter did nothing", await ask("worker still in"));
  await page.locator(".cut button").click();
  const agreed = Date.now();
  await page.locator("dialog[open] .button-danger").click();
  say("cut", { ...(await ask("worker out")), took: Date.now() - agreed });
  // The form leads to the page of the session, perhaps after the worker is already out.
  await page.waitForURL((url) => url.pathname === `/sessions/${session}`);

  // The sealed recording.
  await ask("sealed", { session });
  await page.goto(`/sessions/${session}`);
  await look(page, "session");
  await page.goto(`/sessions/${session}/replay`);
  await page.locator('[data-replay][data-state="ready"]').waitFor();
  await look(page, "replay");
  const commands = await page.locator(".viewer-side").innerText();
  await page.locator("button.viewer-line", { hasText: "echo mie" }).first().click();
  await page.locator(".player select").selectOption("16");
  await page.locator(".player-play").click();
  await page.waitForFunction(() => document.querySelector("[data-replay]").dataset.playing === "false" && Number(document.querySelector("[data-replay]").dataset.position) > 0, undefined, { timeout: 30_000 });
  await page.waitForFunction(() => [...document.querySelectorAll(".xterm-rows")].some((rows) => rows.innerText.includes("mieteiru-42")));
  await page.locator(".player input[type=range]").focus();
  await page.keyboard.press("Home");
  await page.waitForFunction(() => document.querySelector("[data-replay]").dataset.position === "0");
  say("replayed", { commands });
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator('main form[action$="/asciicast"] button').click()]);
  const cast = await (await import("node:fs/promises")).readFile(await download.path(), "utf8");
  say("exported", { file: download.suggestedFilename(), head: cast.split("\n")[0], holds: cast.includes("mieteiru-42") });

  // Watching and replaying stand in the log, which the auditor reads.
  const auditor = await join({ cookie: (await ask("cookie", { who: given.auditor })).cookie });
  await auditor.page.goto("/");
  await look(auditor.page, "auditor's first page");
  await auditor.page.goto(`/log?session=${session}`);
  await look(auditor.page, "log");
  say("log", { text: await auditor.page.locator("main").innerText() });

  // English and back.
  await auditor.page.locator('header form.lang button[value="en"]').first().click();
  await auditor.page.waitForFunction(() => document.documentElement.lang === "en");
  await look(auditor.page, "log in English");
  say("english", { h1: await auditor.page.locator("h1").innerText(), text: await auditor.page.locator("main").innerText() });
  await auditor.page.locator('header form.lang button[value="ja"]').first().click();
  await auditor.page.waitForFunction(() => document.documentElement.lang === "ja");

  // Out, and the way back is closed.
  await page.goto("/");
  await page.locator("header details.menu > summary").click();
  await page.locator('header form[action="/logout"] button').click();
  await page.waitForURL(/\/login/);
  await page.goto(`/sessions/${session}`);
  await page.waitForURL(/\/login/);
  say("out", { faults: everybody.flatMap((one) => one.faults) });
}, everybody);
await browser.close();
process.exit();
