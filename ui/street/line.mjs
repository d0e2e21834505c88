// The conversation with the test that started this script: one JSON object a line, both ways.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Tells what was seen. */
export const say = (step, more = {}) => process.stdout.write(`${JSON.stringify({ step, ...more })}\n`);

/** Asks the test for something (a code, a terminal's work) and waits for its answer. */
export async function ask(what, more = {}) {
  process.stdout.write(`${JSON.stringify({ ask: what, ...more })}\n`);
  const { value, done } = await lines.next();
  if (done) throw new Error(`no answer to ${what}`);
  return JSON.parse(value);
}

/** Runs a scenario; whatever goes wrong is told with the page on which it did. */
export async function play(scenario, visitors) {
  try {
    await scenario();
    say("done");
  } catch (error) {
    const pages = [];
    for (const { page } of visitors) {
      const text = await page.evaluate(() => document.body.innerText).catch(() => "");
      pages.push(`${page.url()}\n${text.slice(0, 1500)}`);
    }
    process.stdout.write(`${JSON.stringify({ fail: error.stack ?? String(error), pages })}\n`);
    process.exitCode = 1;
  }
}
