// Passkeys in a real Chromium with a virtual authenticator: added, logged in with, confirmed by, and what is refused.
import { debts, launch, visitor } from "./browser.mjs";
import { play, say } from "./line.mjs";

const given = JSON.parse(process.argv[2]);
// Chromium has no passkeys on a page whose certificate it was told to overlook; a verifier that finds it sound has them.
const browser = await launch(["--ignore-certificate-errors"]);
const one = await visitor(browser, given.url, { cookie: given.cookie, overlook: false });
const { context, page } = one;
const main = () => page.locator("main").innerText();

async function authenticator() {
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options });
  return { cdp, authenticatorId };
}

/** Does what the page's module does, but as an attacker would: with other options, and with the answer in hand. */
async function answer(changes = {}) {
  return page.evaluate(async (changes) => {
    const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
    const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
    const csrf = document.querySelector("form[data-passkey-form] input[name=csrf]").value;
    const asked = await fetch("/api/v1/passkeys/login", { method: "POST", headers: { "content-type": "application/json", "x-csrf-token": csrf }, body: "{}" });
    const { ceremony, options } = await asked.json();
    const publicKey = { ...options, ...changes, challenge: bytes(options.challenge), allowCredentials: [] };
    const found = await navigator.credentials.get({ publicKey });
    const { response } = found;
    const credential = {
      id: found.id, rawId: text(found.rawId), type: found.type,
      response: { authenticatorData: text(response.authenticatorData), clientDataJSON: text(response.clientDataJSON), signature: text(response.signature), userHandle: text(response.userHandle) },
    };
    return JSON.stringify({ ceremony, credential });
  }, changes);
}

async function send(text) {
  await Promise.all([
    page.waitForNavigation(),
    page.evaluate((text) => {
      const form = document.querySelector("form[data-passkey-form]");
      form.querySelector("input[name=passkey]").value = text;
      form.submit();
    }, text),
  ]);
  return page.url().endsWith("/login") ? main() : "in";
}

async function out() {
  await context.clearCookies();
  await page.goto("/login");
}

async function logIn() {
  await page.locator("form[data-passkey-form] [data-passkey] button").click();
  await page.waitForURL((url) => url.pathname === "/");
}

await play(async () => {
  const { cdp, authenticatorId } = await authenticator();
  await page.goto("/account/factors");
  say("factors", { text: await main(), debts: await debts(page) });
  await page.locator("main a[href='/account/passkeys/new']").click();
  await page.locator("[data-passkey=create] button").waitFor();
  say("new", { debts: await debts(page) });
  await page.locator("#f-passkey_name").fill("試験の鍵");
  await page.locator("[data-passkey=create] button").click();
  await page.waitForURL((url) => url.pathname === "/account/factors");
  say("added", { text: await main(), debts: await debts(page) });

  await out();
  say("login page", { debts: await debts(page) });
  await logIn();
  say("in", { text: await main() });

  // As a fresh factor: the page between.
  await page.goto("/step-up/factors");
  say("step up page", { debts: await debts(page) });
  await page.locator("[data-passkey=get] button").click();
  await page.waitForURL((url) => url.pathname === "/");

  // Without PIN or fingerprint the browser stops; with its question bent, Sekisho does.
  await out();
  await cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await page.locator("form[data-passkey-form] [data-passkey] button").click();
  await page.locator("form[data-passkey-form] [data-passkey-error]").waitFor();
  say("unverified", { told: await page.locator("form[data-passkey-form] [data-passkey-error]").innerText() });
  say("unverified sent", { text: await send(await answer({ userVerification: "discouraged" })) });
  await cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });

  // The same answer twice.
  await out();
  const kept = await answer();
  say("first", { text: await send(kept) });
  await out();
  say("replayed", { text: await send(kept) });

  // Another origin of the same box: the browser has no passkey for it, and the page says where it has.
  await context.clearCookies();
  await page.goto(`${given.other}/login`);
  await page.locator("form[data-passkey-form] [data-passkey-error]").waitFor();
  const foreign = await page.evaluate(async () => navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32), rpId: "localhost", userVerification: "required" } }).then(() => "given", (error) => error.name));
  say("elsewhere", { told: await page.locator("form[data-passkey-form] [data-passkey-error]").innerText(), foreign });

  // A copy whose counter stands where the key's stood before.
  await page.goto(`${given.url}/login`);
  const { credentials } = await cdp.send("WebAuthn.getCredentials", { authenticatorId });
  await logIn();
  await out();
  await cdp.send("WebAuthn.clearCredentials", { authenticatorId });
  await cdp.send("WebAuthn.addCredential", { authenticatorId, credential: { ...credentials[0], signCount: 1 } });
  await page.locator("form[data-passkey-form] [data-passkey] button").click();
  await page.locator("main .banner-error").waitFor();
  say("cloned", { text: await main() });
  // The console names refused forms (4xx); nothing else may stand there.
  say("out", { faults: one.faults.filter((fault) => !/status of 4\d\d/.test(fault)) });
}, [one]);
await browser.close();
process.exit();
