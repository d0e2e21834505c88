// An emergency account: its envelopes printed by two persons, opened by nobody's login, seen by everybody, ended and reviewed.
import { debts, launch, picture, visitor } from "./browser.mjs";
import { play, say } from "./line.mjs";

const given = JSON.parse(process.argv[2]);
const browser = await launch();
const operator = await visitor(browser, given.url, { cookie: given.operator });
const planner = await visitor(browser, given.url, { cookie: given.planner });
const night = await visitor(browser, given.url, { width: 390, height: 844 });
const account = `/emergency_accounts/${given.account}`;

async function look({ page }, what) {
  await page.waitForLoadState("load");
  await picture(page, what);
  say("page", { what, path: new URL(page.url()).pathname, title: await page.title(), h1: await page.locator("h1").first().innerText(), debts: await debts(page) });
}

/** One of the two halves, from the sheet that is shown once. */
async function print(who, half) {
  const { page } = who;
  await page.goto(account);
  await page.locator(`a[href$="/envelopes/${half}"]`).click();
  await look(who, `making ${half}`);
  await page.locator("input[name=holder]").fill(half === "card" ? "看護師長" : "当直者");
  await page.locator("input[name=place]").fill("金庫");
  await page.locator("main form button.button-primary").click();
  await page.waitForURL(/\/sheet$/);
  await look(who, `sheet of ${half}`);
  const secrets = await page.locator(".envelope-sheet code").allInnerTexts();
  await page.reload();
  await page.waitForURL(new RegExp(`${account}$`));
  return secrets;
}

await play(async () => {
  const [password] = await print(operator, "password");
  const refused = await operator.page.locator('a[href$="/envelopes/card"]').count();
  const codes = await print(planner, "card");
  await look(planner, "sealed");
  say("printed", { password: password.length, codes: codes.length, offered: refused });

  const { page } = night;
  await page.goto("/login");
  await page.locator('a[href="/emergency"]').click();
  await look(night, "opening");
  const fill = async (code) => {
    await page.locator("input[name=opener]").fill("戸田 当直");
    await page.locator("input[name=opener2]").fill("原 看護");
    await page.locator("input[name=cause][value=attack]").check();
    await page.locator("textarea[name=reason]").fill("職員認証基盤が停止した");
    await page.locator("input[name=login]").fill("hijo-01");
    await page.locator("input[name=password]").fill(password.toLowerCase());
    await page.locator("input[name=card]").fill(code);
    await page.locator("main form button").last().click();
  };
  await fill("AAAAA-AAAAA");
  await page.locator(".banner").filter({ hasText: "SKS-1001" }).waitFor();
  await look(night, "wrong code");
  await fill(codes[0]);
  await page.waitForURL(new RegExp(`^${given.url}/?$`));
  await look(night, "inside");
  say("inside", { text: await page.locator("main").innerText() });

  await operator.page.goto("/");
  await look(operator, "seen by the operator");
  say("seen", { text: await operator.page.locator("main").innerText() });
  await operator.page.goto(`${account}/close`);
  await look(operator, "closing");
  await operator.page.locator("textarea[name=reason]").fill("認証基盤が復旧した");
  await operator.page.locator("main form button.button-primary").click();
  await operator.page.waitForURL(new RegExp(`${account}$`));
  await look(operator, "closed");

  await page.goto("/plans");
  say("after", { path: new URL(page.url()).pathname });

  await planner.page.goto("/");
  await planner.page.locator('a[href^="/emergency_uses/"]').first().click();
  await look(planner, "use");
  say("use", { text: await planner.page.locator("main").innerText() });
  await planner.page.locator("input[name=sound][value=yes]").check();
  await planner.page.locator("textarea[name=reason]").fill("理由と操作が一致している");
  await planner.page.locator("main form button.button-primary").last().click();
  await planner.page.waitForURL(/\/emergency_uses\/emu-[a-z0-9]+$/);
  await look(planner, "reviewed");
  say("reviewed", { text: await planner.page.locator("main").innerText() });
  // The form that is shown again is answered with 422, which the browser tells as an error of its own: for the one wrong code.
  const isRefusal = (fault) => /\/emergency: .*status of 422/u.test(fault);
  say("refusals", { count: night.faults.filter(isRefusal).length });
  say("out", { faults: [...operator.faults, ...planner.faults, ...night.faults.filter((fault) => !isRefusal(fault))] });
}, [operator, planner, night]);
await browser.close();
process.exit();
