// A login that is a little old: approving asks for a fresh code, says when it is wrong, and then approves.
import { debts, launch, visitor } from "./browser.mjs";
import { ask, play, say } from "./line.mjs";

const given = JSON.parse(process.argv[2]);
const browser = await launch();
const one = await visitor(browser, given.url, { cookie: given.cookie });
const { page } = one;
await play(async () => {
  await page.goto(`/plans/${given.plan}/approve`);
  await page.locator("#f-code").waitFor();
  say("asked", { debts: await debts(page) });
  const approve = page.locator("main form button.button-primary").last();
  await page.locator("#f-code").fill("000000");
  await approve.click();
  await page.locator("main .error, main .banner-error").first().waitFor();
  say("wrong", { text: await page.locator("main").innerText(), path: new URL(page.url()).pathname, debts: await debts(page) });
  // Digits of a Japanese keyboard and a space, as people type them.
  const { code } = await ask("code", {});
  const wide = [...code].map((digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)).join("");
  await page.locator("#f-code").pressSequentially(`${wide.slice(0, 3)} ${wide.slice(3)}`);
  await page.locator("main form button.button-primary").last().click();
  await page.waitForURL(new RegExp(`/plans/${given.plan}$`));
  say("approved", { text: await page.locator("main").innerText() });
  // The console names the refused form (4xx); nothing else may stand there.
  say("out", { faults: one.faults.filter((fault) => !/status of 4\d\d/.test(fault)) });
}, [one]);
await browser.close();
process.exit();
