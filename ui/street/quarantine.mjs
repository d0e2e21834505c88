// Files that wait: on the first page, on the live page at once, on a page of their own, in the plan and on paper.
import { ask, say } from "./line.mjs";
import { photographed, sizes } from "./photographer.mjs";
import { stat } from "node:fs/promises";

const given = JSON.parse(process.argv[2]);

await photographed(given, async ({ page, picture, owes, seen }) => {
  // The page is open before the file comes; the card appears by itself.
  await page.setViewportSize(sizes[0]);
  await page.goto(`/sessions/${given.session}/watch`);
  const card = page.locator("[data-part=held] .held");
  await card.waitFor({ timeout: 40_000 });
  await ask("waits", { name: "一.tar" });
  await picture("watch-1280");
  await owes("watch 1280");
  await page.setViewportSize(sizes[1]);
  await picture("watch-390");
  await owes("watch 390");
  await seen("first", "/", ".held");
  await seen("session", `/sessions/${given.session}`, "#uploads");
  await page.locator("#uploads a").first().click();
  await page.locator("a[href$='/content']").waitFor();
  await seen("upload", page.url(), "a[href$='/content']");
  const [saved] = await Promise.all([page.waitForEvent("download"), page.locator("a[href$='/content']").click()]);
  say("saved", { bytes: (await stat(await saved.path())).size, name: saved.suggestedFilename() });
  await seen("plan", `/plans/${given.plan}`, "main");
  await seen("plan-print", `/plans/${given.plan}/print`, "main, body");
  await seen("target", `/targets/${given.target}`, "main");

  await page.setViewportSize(sizes[0]);
  await page.goto(`/sessions/${given.session}/watch`);
  await card.waitFor({ timeout: 40_000 });
  await card.getByRole("button", { name: "通す", exact: true }).click();
  await ask("arrived", { name: "一.tar" });
  // The second comes at once after the first; a reason goes with the refusal.
  await ask("waits", { name: "二.tar" });
  await page.locator("[data-part=held] code", { hasText: "二.tar" }).waitFor();
  await card.locator("input[name=reason]").fill("手順書にない");
  await card.getByRole("button", { name: "通さない" }).click();
  await card.waitFor({ state: "detached" });
  await seen("decided", `/sessions/${given.session}`, "#uploads");
});
