// From a session's page to a saved evidence bundle, and its documents as an auditor's browser opens them from a disk.
import { say } from "./line.mjs";
import { ask } from "./line.mjs";
import { photographed, sizes } from "./photographer.mjs";
import { execFileSync } from "node:child_process";
import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const given = JSON.parse(process.argv[2]);

await photographed(given, async ({ page, picture, owes, seen }) => {
  await page.goto(`/sessions/${given.session}`);
  await page.locator(`a[href="/evidence/new?session=${given.session}"]`).click();
  for (const size of sizes.toReversed()) {
    await page.setViewportSize(size);
    await page.locator("form[action='/evidence/new']").waitFor();
    await picture(`new-${size.width}`);
    await owes(`/evidence/new ${size.width}`);
  }
  await page.fill("#f-reason", "県警の照会(令和8年 第12号)に提出するため");
  await page.locator("details summary", { hasText: "外部で控えた" }).click();
  await page.fill("#f-outside", given.checkpoint);
  const code = page.locator("form[action='/evidence/new'] [name=code]");
  if (await code.count()) await code.fill((await ask("code")).code);
  const [saved] = await Promise.all([page.waitForEvent("download"), page.locator("form[action='/evidence/new'] button[type=submit]").last().click()]);
  await saved.saveAs(given.to);
  say("saved", { name: saved.suggestedFilename() });
  await seen("list", "/evidence", "table");
  await seen("period", "/evidence/new", "#f-from");
  // A period: from the time that stands there when the page opens, until after what has just happened.
  await page.goto("/evidence/new");
  const now = await page.inputValue("#f-until");
  await page.fill("#f-until", new Date(Date.parse(`${now}Z`) + 3_600_000).toISOString().slice(0, 16));
  await page.fill("#f-reason", "年次監査のため");
  const fresh = page.locator("form[action='/evidence/new'] [name=code]");
  if (await fresh.count()) await fresh.fill((await ask("code")).code);
  const [week] = await Promise.all([page.waitForEvent("download"), page.locator("form[action='/evidence/new'] button[type=submit]").last().click()]);
  await week.saveAs(given.period);
  say("week", { name: week.suggestedFilename() });
  const folder = await mkdtemp(join(tmpdir(), "bundle-"));
  execFileSync("python3", ["-m", "zipfile", "-e", given.to, folder]);
  const plans = (await readdir(join(folder, "plans"))).filter((name) => name.endsWith(".html")).map((name) => join("plans", name));
  const scripts = [];
  for (const name of ["report.html", ...plans]) {
    for (const size of sizes) {
      await page.setViewportSize(size);
      await page.goto(`file://${join(folder, name)}`);
      await picture(`${name.replaceAll("/", "-")}-${size.width}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) scripts.push(`${name} is ${wide} px too wide at ${size.width}`);
      if (await page.locator("script, iframe, img, link, object").count()) scripts.push(`${name} fetches something`);
    }
    await page.pdf({ path: join(given.pictures, `${name.replaceAll("/", "-")}.pdf`), preferCSSPageSize: true });
  }
  if (scripts.length) throw new Error(scripts.join("\n"));
  say("documents", { count: 1 + plans.length });
});
