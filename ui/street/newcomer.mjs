// A new worker: from the link in the letter to the confirmation of their device, with every press of a key counted.
import { debts, launch, picture, visitor } from "./browser.mjs";
import { ask, play, say } from "./line.mjs";

const given = JSON.parse(process.argv[2]);
// Chromium has no passkeys on a page whose certificate it was told to overlook; a verifier that finds it sound has them.
const browser = await launch(["--ignore-certificate-errors"]);
const one = await visitor(browser, given.url, { overlook: false });
const { context, page } = one;
const main = () => page.locator("main").innerText();

// What a person does, as it is counted: keys, presses of a button, touches of the sensor, letters that are heard and typed.
let pace = { keys: 0, presses: 0, touches: 0, heard: 0 };
const type = async (field, text) => {
  pace.keys += text.length + 1;
  await page.locator(field).fill(text);
};
const hear = async (field, text) => {
  pace.heard += text.length;
  await page.locator(field).fill(text);
};
const press = async (locator) => {
  pace.presses += 1;
  await locator.click();
};
const done = (step) => {
  say(step, { pace });
  pace = { keys: 0, presses: 0, touches: 0, heard: 0 };
};
async function look(what) {
  await page.waitForLoadState("load");
  await picture(page, what);
  say("page", { what, path: new URL(page.url()).pathname, debts: await debts(page) });
}

await play(async () => {
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
  await cdp.send("WebAuthn.addVirtualAuthenticator", { options });

  pace.presses += 1;
  await page.goto(given.link);
  await look("newcomer link");
  done("1 link");
  await hear("input[name=handover]", given.handover);
  await press(page.locator("main form button.button-primary, main form button[type=submit]").last());
  await page.locator("#f-new_password").waitFor();
  await look("newcomer enrol");
  done("2 code of the link");
  await type("#f-new_password", given.password);
  await type("#f-new_password2", given.password);
  await type("#f-passkey_name", "PC");
  await press(page.locator("[data-passkey=create] button"));
  pace.touches += 1;
  await page.locator("form input[name=made]:not([value=''])").waitFor({ state: "attached" }).catch(() => {});
  await page.waitForFunction(() => document.querySelector("input[name=made]").value !== "");
  await press(page.locator("main form button.button-wide, form button.button-wide").last());
  await page.waitForURL((url) => url.pathname === "/login");
  await look("newcomer login");
  done("3 password and passkey");
  await press(page.locator("form[data-passkey-form] [data-passkey] button"));
  pace.touches += 1;
  await page.waitForURL((url) => url.pathname === "/");
  await page.locator("details summary").first().waitFor();
  await look("newcomer first page");
  say("first", { text: await main() });
  await press(page.locator("main details", { hasText: "sekisho-connect enrol" }).locator("summary"));
  await page.locator("main details", { hasText: "sekisho-connect enrol" }).evaluate((element) => element.closest(".card").scrollIntoView({ block: "start" }));
  await look("newcomer new device");
  say("lines", { text: await main() });
  done("4 login");

  const { url } = await ask("device");
  await page.goto(url);
  await look("newcomer confirm");
  await page.setViewportSize({ width: 390, height: 844 });
  await look("newcomer confirm");
  await page.setViewportSize({ width: 1280, height: 900 });
  say("asked", { text: await main() });
  await press(page.locator("main form button.button-primary").first());
  await page.waitForURL((url) => url.pathname === "/account/logins");
  await look("newcomer logins");
  await page.setViewportSize({ width: 390, height: 844 });
  await look("newcomer logins");
  say("confirmed", { text: await main() });
  done("7 confirmation");

  await ask("session");
  // The login certificate is ended on the page, and the session with it.
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.goto("/account/logins");
  const row = page.locator("main tr", { hasText: "NOTE-01" }).filter({ hasText: "ssh" });
  await row.locator("button").click();
  await page.waitForURL((url) => url.pathname === "/account/logins");
  say("ended", { text: await main() });
  say("out", { faults: one.faults });
}, [one]);
await browser.close();
process.exit();
