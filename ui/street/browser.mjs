// A real Chromium against a running Sekisho, with an ear for everything that a page does wrong.
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];
const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

export async function launch(more = []) {
  const path = execFileSync("sh", ["-c", names.map((name) => `command -v ${name}`).join(" || ")], { encoding: "utf8" }).trim();
  return chromium.launch({ executablePath: path, args: [...flags, ...more] });
}

/** Opens a visitor of their own. `cookie` is a login that was made elsewhere, as `name=value`. */
export async function visitor(browser, base, { width = 1280, height = 900, cookie, lang = "ja-JP", timeout = 45_000, overlook = true } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, deviceScaleFactor: 1, locale: lang, timezoneId: "Asia/Tokyo", ignoreHTTPSErrors: overlook, baseURL: base,
    ...(width < 500 ? { hasTouch: true, isMobile: true } : {}),
  });
  context.setDefaultTimeout(timeout);
  if (cookie) {
    const [name, value] = cookie.split(/=(.*)/s);
    await context.addCookies([{ name, value, url: base, secure: true, httpOnly: true, sameSite: "Strict" }]);
  }
  const page = await context.newPage();
  const faults = [];
  // A policy violation and a failed script both end up in the console.
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`${page.url()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`${page.url()}: ${error.stack ?? error.message}`));
  page.on("response", (response) => {
    if (response.status() >= 500) faults.push(`${response.status()} ${response.url()}`);
  });
  return { context, page, faults };
}

/** What the person sees at this moment, as a picture, if a folder for pictures is named: for whoever works on the pages. */
export async function picture(page, what) {
  const folder = process.env.SEKISHO_PICTURES;
  if (folder) await page.screenshot({ path: `${folder}/${what.replaceAll(/[^a-z0-9]+/gu, "-")}-${page.viewportSize().width}.png` });
}

/** What every page owes its reader; gives a sentence for each debt. */
export async function debts(page) {
  return page.evaluate(() => {
    const found = [];
    const shown = (element) => element.checkVisibility({ checkOpacity: false, checkVisibilityCSS: true });
    if (!document.title.trim()) found.push("no title");
    const heads = [...document.querySelectorAll("h1")].filter(shown);
    if (heads.length !== 1) found.push(`${heads.length} h1`);
    if (!document.documentElement.lang) found.push("no language");
    if (document.querySelectorAll("main").length !== 1) found.push("not one main");
    for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
      if (!shown(field) || field.classList.contains("xterm-helper-textarea")) continue;
      const named = field.labels?.length || field.getAttribute("aria-label") || field.getAttribute("aria-labelledby");
      if (!named) found.push(`field without label: ${field.outerHTML.slice(0, 120)}`);
    }
    for (const control of document.querySelectorAll("button, a[href]")) {
      if (!shown(control)) continue;
      const name = control.getAttribute("aria-label") || control.textContent.trim() || control.querySelector("[aria-label]");
      if (!name) found.push(`control without name: ${control.outerHTML.slice(0, 120)}`);
    }
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
    if (twice.length) found.push(`ids twice: ${[...new Set(twice)].join(" ")}`);
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (wide > 0) found.push(`${wide} pixels too wide`);
    // A key that has no word shows as the key itself.
    const keys = document.querySelector("main")?.innerText.match(/\b(?:ui|first|plans|sessions|menu|do|duty|entry|log|persons|targets|vendors|account|health|state|step|class|function|cause|report|mark|act|role|print|field|factors|passkey|identity|enrol|login)\.[a-z_]+(?:\.[a-z_]+)*\b/g);
    if (keys) found.push(`words missing: ${[...new Set(keys)].join(" ")}`);
    return found;
  });
}

/** Presses Tab until the wanted element has the focus; fails if the whole page has been walked. */
export async function tabTo(page, locator, most = 150) {
  const wanted = await locator.elementHandle();
  for (let n = 0; n < most; n += 1) {
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`not reached by Tab: ${locator}`);
}
