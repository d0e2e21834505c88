// A review of the log and the monthly report, as the operator and the planner see them: judged, saved, and printed on A4.
import { debts, launch, picture, visitor } from "./browser.mjs";
import { play, say } from "./line.mjs";

const given = JSON.parse(process.argv[2]);
const browser = await launch();
const operator = await visitor(browser, given.url, { cookie: given.operator });
const planner = await visitor(browser, given.url, { cookie: given.planner });
const widths = async (page, what) => {
  const owed = [];
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await picture(page, what);
    owed.push(...(await debts(page)).map((debt) => `${what} ${width}: ${debt}`));
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  return owed;
};
await play(async () => {
  const { page } = operator;
  await page.goto("/log_reviews");
  const owed = await widths(page, "log reviews");
  await page.locator("main tbody th a").first().click();
  await page.waitForURL(/log_reviews\/lrv-/);
  owed.push(...(await widths(page, "log review")));
  const lines = await page.locator("[id^=line-]").count();
  const replays = await page.locator("a[href$='/replay']").count();
  const fine = page.locator("input[type=radio][value=fine]");
  const mine = await fine.count();
  // By keyboard, as whoever works through a list does.
  for (let n = 0; n < mine; n += 1) {
    await fine.nth(n).focus();
    await page.keyboard.press("Space");
  }
  await page.locator("form[action*='/log_reviews/'] button.button-primary").first().click();
  await page.waitForLoadState("load");
  const left = await page.locator("[id^=line-] .chip[data-state=waiting]").count();
  say("judged", { lines, replays, mine, left, text: await page.locator("main").innerText(), debts: owed });
  await planner.page.goto("/reports");
  const more = await widths(planner.page, "reports");
  await planner.page.locator("main tbody th a").first().click();
  await planner.page.waitForURL(/reports\/rpt-/);
  more.push(...(await widths(planner.page, "report")));
  const bars = await planner.page.locator("main svg rect").count();
  const pdf = (await planner.page.pdf({ preferCSSPageSize: true })).toString("latin1");
  const boxes = [...pdf.matchAll(/\/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/gu)].map(([, width, height]) => [Math.round(Number(width)), Math.round(Number(height))]);
  say("report", { bars, boxes, text: await planner.page.locator("article").innerText(), debts: more });
  say("out", { faults: [...operator.faults, ...planner.faults] });
}, [operator, planner]);
await browser.close();
process.exit();
