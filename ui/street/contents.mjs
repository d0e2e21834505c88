// From the list of files to the content: what a session's page says is kept, and the file that is saved.
import { debts, launch, visitor } from "./browser.mjs";
import { play, say } from "./line.mjs";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";

const given = JSON.parse(process.argv[2]);
await mkdir(given.pictures, { recursive: true });
const browser = await launch();
const one = await visitor(browser, given.url, { cookie: given.cookie });
const { page } = one;
const picture = (name) => page.screenshot({ path: join(given.pictures, `${name}.png`), fullPage: true });
const owes = async (path) => say("page", { path, debts: await debts(page) });
const sizes = [{ width: 1280, height: 900 }, { width: 390, height: 844 }];

await play(async () => {
  for (const size of sizes) {
    await page.setViewportSize(size);
    await page.goto(`/sessions/${given.session}`);
    await page.locator("#files").waitFor();
    await picture(`session-${size.width}`);
    await owes(`/sessions/{id} ${size.width}`);
  }
  for (const size of sizes.toReversed()) {
    await page.setViewportSize(size);
    await page.goto(`/sessions/${given.session}`);
    await page.locator(`#files a[href$="/files/${given.file}"]`).click();
    await page.locator("a[href$='/content']").waitFor();
    await picture(`file-${size.width}`);
    await owes(`/sessions/{id}/files/{file} ${size.width}`);
  }
  const [saved] = await Promise.all([page.waitForEvent("download"), page.locator("a[href$='/content']").click()]);
  say("saved", { bytes: (await stat(await saved.path())).size, name: saved.suggestedFilename() });
  for (const size of sizes) {
    await page.setViewportSize(size);
    await page.goto("/search?q=%E6%9B%B4%E6%96%B0.bin&kind=file");
    await page.locator(".search-hit").first().waitFor();
    await picture(`search-${size.width}`);
    await owes(`/search ${size.width}`);
  }
  say("search", { links: await page.locator(".search-go a[href*='/files/']").count() });
  say("out", { faults: one.faults.filter((fault) => !/status of 4\d\d/.test(fault)) });
}, [one]);
await browser.close();
process.exit();
