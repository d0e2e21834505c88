// A visitor who takes a picture of every page and tells what the page owes its reader.
import { debts, launch, visitor } from "./browser.mjs";
import { play, say } from "./line.mjs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

/** The two widths at which every page is looked at. */
export const sizes = [{ width: 1280, height: 900 }, { width: 390, height: 844 }];

/** Goes on a visit and ends the program after it. `given` names address, login and the folder of the pictures. */
export async function photographed(given, visit) {
  await mkdir(given.pictures, { recursive: true });
  const browser = await launch();
  const one = await visitor(browser, given.url, { cookie: given.cookie });
  const picture = (name) => one.page.screenshot({ path: join(given.pictures, `${name}.png`), fullPage: true });
  const owes = async (path) => say("page", { path, debts: await debts(one.page) });
  const seen = async (name, path, wait) => {
    for (const size of sizes) {
      await one.page.setViewportSize(size);
      await one.page.goto(path);
      await one.page.locator(wait).first().waitFor();
      await picture(`${name}-${size.width}`);
      await owes(`${name} ${size.width}`);
    }
  };
  await play(async () => {
    await visit({ page: one.page, picture, owes, seen });
    // That a page was refused is what some visits are for.
    say("out", { faults: one.faults.filter((fault) => !/status of 4\d\d/.test(fault)) });
  }, [one]);
  await browser.close();
  process.exit();
}
