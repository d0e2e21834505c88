// 立会い in a real browser: the work waits for the witness, goes on before their eyes, freezes when they go, and goes on
// when they come back; beside it pause, message and mark.
import { debts, launch, visitor } from "./browser.mjs";
import { ask, play, say } from "./line.mjs";

const given = JSON.parse(process.argv[2]);
const browser = await launch();
const operator = await visitor(browser, given.url, { cookie: given.cookie });
const clerk = await visitor(browser, given.url, { width: 390, height: 844, cookie: given.clerk });
const { page } = operator;

async function look(one, what) {
  await one.page.waitForLoadState("load");
  say("page", { what, path: new URL(one.page.url()).pathname, title: await one.page.title(), h1: await one.page.locator("h1").first().innerText(), debts: await debts(one.page) });
}
const stands = (one, how) => one.page.locator(`[data-reins][data-stand="${how}"]`).waitFor();
const onScreen = (text) => page.waitForFunction((text) => [...document.querySelectorAll(".xterm-rows")].some((rows) => rows.innerText.includes(text)), text);

await play(async () => {
  const { session } = await ask("worker waits");
  await clerk.page.goto("/");
  await look(clerk, "the clerk's first page while a session waits");
  say("waiting", { text: await clerk.page.locator("main").innerText() });
  const way = clerk.page.locator(`main [role=alert] a[href="/sessions/${session}/watch"]`);
  await way.waitFor();
  say("nothing yet", await ask("nothing dialled"));

  await page.goto("/");
  await page.locator(`main [role=alert] a[href="/sessions/${session}/watch"]`).click();
  await stands(operator, "none");
  await look(operator, "watch");
  await ask("worker begins");
  await page.locator(".viewer").scrollIntoViewIfNeeded();
  await onScreen("hajimatta");
  await page.waitForFunction(() => document.querySelector("[data-part=watchers]").innerText.trim() !== "");
  say("began", { watchers: await page.locator("[data-part=watchers]").innerText() });

  // A pause holds what is typed; a message reaches the worker meanwhile. By keyboard alone.
  await page.evaluate(() => scrollTo(0, 0));
  await page.locator("h1").click();
  await page.keyboard.press("p");
  await stands(operator, "paused");
  await ask("worker reads", { text: "一時停止しました" });
  await ask("worker types", { line: "echo ma''tteita" });
  await page.keyboard.press("m");
  await page.keyboard.type("三分お待ちください");
  await page.keyboard.press("Enter");
  await page.locator("[data-part=said]", { hasText: "三分お待ちください" }).waitFor();
  await ask("worker reads", { text: "三分お待ちください" });
  say("held", await ask("worker screen"));
  await page.locator("h1").click();
  await page.keyboard.press("b");
  await page.keyboard.type("ここで止めた");
  await page.keyboard.press("Enter");
  await page.locator(".viewer-side", { hasText: "ここで止めた" }).waitFor();
  await page.locator("h1").click();
  await page.keyboard.press("p");
  await stands(operator, "none");
  await page.locator(".viewer").scrollIntoViewIfNeeded();
  await onScreen("matteita");

  // The witness goes to another page: frozen. Comes back: it goes on.
  await page.goto("/sessions");
  await ask("worker reads", { text: "立会いを待っています", nth: 2 });
  await ask("worker types", { line: "echo mo''dotta" });
  await look(operator, "the list while it waits");
  // The list is fetched anew every few seconds.
  await page.getByText("立会い待ち").first().waitFor();
  say("frozen", { ...(await ask("worker screen")), text: await page.locator("main").innerText() });
  await way.waitFor();
  await way.tap();
  await stands(clerk, "none");
  await look(clerk, "watch on a telephone");
  say("clerk", { text: await clerk.page.locator("main").innerText(), cut: (await clerk.page.locator(".cut button").boundingBox()).y });
  await ask("worker reads", { text: "modotta" });
  await page.goto(`/sessions/${session}/watch`);
  await stands(operator, "none");
  await look(operator, "watch again");
  await page.waitForFunction(() => document.querySelector("[data-part=watchers]").innerText.trim() !== "" && document.querySelector("[data-part=said]").innerText.trim() !== "");
  say("two", { watchers: await page.locator("[data-part=watchers]").innerText(), said: await page.locator("[data-part=said]").innerText() });
  await ask("worker leaves", { session });

  await page.goto(`/sessions/${session}/replay`);
  await page.locator('[data-replay][data-state="ready"]').waitFor();
  await look(operator, "replay");
  say("replay", { acts: await page.locator(".viewer-side .viewer-list").first().innerText(), spans: await page.locator(".player-span").count(), marks: await page.locator(".player-mark").count() });
  await page.locator("input[name=text]").fill("あとで気づいた");
  await page.locator('form[action$="/marks"] button').click();
  await page.locator('[data-replay][data-state="ready"]').waitFor();
  await page.locator(".viewer-side", { hasText: "あとで気づいた" }).waitFor();
  const mark = page.locator(".viewer-side button.viewer-line", { hasText: "ここで止めた" });
  await mark.click();
  say("jumped", { position: await page.locator("[data-replay]").getAttribute("data-position") });
  say("out", { faults: [...operator.faults, ...clerk.faults] });
}, [operator, clerk]);
await browser.close();
process.exit();
