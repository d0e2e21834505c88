// From the list of files to the content: what a session's page says is kept, and the file that is saved.
import { say } from "./line.mjs";
import { photographed, sizes } from "./photographer.mjs";
import { stat } from "node:fs/promises";

const given = JSON.parse(process.argv[2]);

await photographed(given, async ({ page, picture, owes, seen }) => {
  await seen("session", `/sessions/${given.session}`, "#files");
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
  await seen("search", "/search?q=%E6%9B%B4%E6%96%B0.bin&kind=file", ".search-hit");
  say("search", { links: await page.locator(".search-go a[href*='/files/']").count() });
});
