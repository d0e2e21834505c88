// Takes pictures of the catalogue at 1280 and 390 pixels and fails on any console error or policy violation.
import { mkdir, readdir } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";
import { serve } from "./catalogue/server.mjs";

const out = process.argv[2] ?? "catalogue/pictures";
const only = process.argv.slice(3);
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const path = execFileSync("sh", ["-c", "command -v chromium || echo /usr/bin/chromium"], { encoding: "utf8" }).trim();

await mkdir(out, { recursive: true });
const house = await serve();
const browser = await chromium.launch({ executablePath: path, args: flags });
let faults = 0;
for (const width of [1280, 390]) {
  const context = await browser.newContext({ viewport: { width, height: width === 390 ? 844 : 900 }, deviceScaleFactor: 1, locale: "ja-JP" });
  const page = await context.newPage();
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) { faults += 1; console.error(`${page.url()}: ${message.text()}`); } });
  page.on("pageerror", (error) => { faults += 1; console.error(`${page.url()}: ${error.stack}`); });
  for (const name of ["first", "plan", "form", "login", "report", "live", "replay"]) {
    if (only.length && !only.includes(name)) continue;
    await page.goto(`${house.url}/${name}${name === "replay" ? "#t=56" : ""}`);
    await page.waitForTimeout(["live", "replay"].includes(name) ? 5000 : 300);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) { faults += 1; console.error(`${name} at ${width}: ${wide} pixels too wide`); }
    await page.screenshot({ path: `${out}/${name}-${width}.png`, fullPage: true });
    if (["report", "plan"].includes(name) && width === 1280) {
      await page.pdf({ path: `${out}/${name}.pdf`, preferCSSPageSize: true });
      // 178 mm of text width on A4 at 96 dots an inch.
      await page.setViewportSize({ width: 673, height: 1000 });
      await page.emulateMedia({ media: "print" });
      await page.screenshot({ path: `${out}/${name}-print.png`, fullPage: true });
      await page.emulateMedia({ media: "screen" });
      await page.setViewportSize({ width, height: 900 });
    }
  }
  if (!only.length && width === 390) {
    await page.goto(`${house.url}/first`);
    await page.locator(".drawer > summary").click();
    await page.screenshot({ path: `${out}/drawer-390.png` });
  }
  await context.close();
}
await browser.close();
await house.stop();
console.log(`${(await readdir(out)).length} pictures in ${out}, ${faults} faults`);
process.exit(faults ? 1 : 0);
