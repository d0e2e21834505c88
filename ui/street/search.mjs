// From words to the moment: the search, its hits, and the replay that begins there.
import { ask, say } from "./line.mjs";
import { photographed } from "./photographer.mjs";

const given = JSON.parse(process.argv[2]);

await photographed(given, async ({ page, picture, owes }) => {
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.goto("/");
  const code = async () => {
    const { code } = await ask("code", {});
    await page.locator("#f-code").fill(code);
    await page.locator("main form button.button-primary").last().click();
  };
  await page.locator(".side nav a[href='/search']").click();
  await page.locator("#f-q, #f-code").first().waitFor();
  if (await page.locator("#f-code").count()) await code();
  await page.locator("#f-q").waitFor();
  await picture("start-1280");
  await owes("/search");
  await page.locator("#f-q").fill("見つからないはずの言葉");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=/);
  say("nothing", { text: await page.locator("main").innerText() });
  await picture("nothing-1280");
  await page.locator("#f-q").fill(given.words);
  await page.keyboard.press("Enter");
  await page.locator(".search-hit mark").first().waitFor();
  const marked = await page.locator(".search-command .search-text mark").allInnerTexts();
  say("found", { marked: [...new Set(marked)], text: await page.locator("main").innerText() });
  await picture("found-1280");
  await owes("/search?q=1280");
  await page.setViewportSize({ width: 390, height: 844 });
  await picture("found-390");
  await owes("/search?q=390");
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.locator(".search-command .search-go a").first().click();
  if (await page.locator("#f-code").count()) await code();
  const viewer = page.locator(".viewer[data-replay]");
  await page.locator(".viewer[data-state='ready'][data-seeking='false']").waitFor();
  await page.waitForTimeout(200);
  say("replayed", {
    position: Number(await viewer.getAttribute("data-position")),
    command: await page.locator(".viewer-list [aria-current='true']").first().innerText(),
  });
  await picture("replay-1280");
});
