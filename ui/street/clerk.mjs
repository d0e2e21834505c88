// The clerk's night, on a telephone: an emergency is asked for, allowed, watched and cut.
import { debts, launch, picture, visitor } from "./browser.mjs";
import { ask, play, say } from "./line.mjs";

const given = JSON.parse(process.argv[2]);
const browser = await launch();
const clerk = await visitor(browser, given.url, { width: 390, height: 844, cookie: given.cookie });
const { page } = clerk;

async function look(what) {
  await page.waitForLoadState("load");
  await picture(page, what);
  say("page", { what, path: new URL(page.url()).pathname, title: await page.title(), h1: await page.locator("h1").first().innerText(), debts: await debts(page) });
}

await play(async () => {
  await page.goto("/");
  await look("first page");
  const way = page.locator(`main a[href="/plans/${given.plan}/allow"]`).first();
  await way.waitFor();
  const box = await way.boundingBox();
  say("first", { text: await page.locator("main").innerText(), top: box.y, height: box.height });
  await way.tap();
  await page.waitForURL(/\/allow$/);
  await look("allow");
  say("allow", { text: await page.locator("main").innerText() });
  await page.locator(".cut-allow button").tap();
  await page.waitForURL(new RegExp(`/plans/${given.plan}$`));
  await look("allowed");
  const { session } = await ask("worker in");
  await page.goto("/");
  await look("first page while work runs");
  await page.locator(`main a[href="/sessions/${session}/watch"]`).first().tap();
  await page.locator('[data-live][data-state="watching"]').waitFor();
  await look("watch");
  // The terminal draws only while it can be seen.
  await page.locator(".viewer").scrollIntoViewIfNeeded();
  await ask("worker types", { line: "echo yoru''-no-sagyou" });
  await page.waitForFunction(() => [...document.querySelectorAll(".xterm-rows")].some((rows) => rows.innerText.includes("yoru-no-sagyou")));
  await page.evaluate(() => scrollTo(0, 0));
  const cut = page.locator(".cut button");
  const size = await cut.boundingBox();
  say("seen", { top: size.y, height: size.height, width: size.width });
  await cut.tap();
  const agreed = Date.now();
  await page.locator("dialog[open] .button-danger").tap();
  say("cut", { ...(await ask("worker out")), took: Date.now() - agreed });
  // The form leads to the page of the session, perhaps after the worker is already out.
  await page.waitForURL((url) => url.pathname === `/sessions/${session}`);
  await page.goto("/");
  await look("first page afterwards");
  say("out", { faults: clerk.faults });
}, [clerk]);
await browser.close();
process.exit();
