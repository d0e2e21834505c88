// <time data-countdown="unix ms">: what is left, by the server's clock when the page gives it (<html data-now>).
import { make } from "../build";
import { lasting, word } from "../words";

/** The warnings of the work window (SSH gives them at the same times): ten and two minutes before its end. */
const WARN_MS = 10 * 60_000;
const LAST_MS = 2 * 60_000;

const given = Number(document.documentElement.dataset.now || NaN);
const skew = Number.isFinite(given) ? given - Date.now() : 0;

let voice: HTMLElement | undefined;

function say(text: string): void {
  voice ??= document.body.appendChild(make("div", { class: "visually-hidden", role: "status" }));
  voice.textContent = text;
}

function show(time: HTMLElement): void {
  const end = Number(time.dataset.countdown);
  if (!Number.isFinite(end)) return;
  const left = end - (Date.now() + skew);
  const text = left > 0 ? word("left", lasting(left)) : word("over");
  if (time.textContent !== text) time.textContent = text;
  const level = left <= 0 ? "over" : left <= LAST_MS ? "last" : left <= WARN_MS ? "warn" : "";
  const chip = time.closest<HTMLElement>(".countdown") ?? time;
  if (chip.dataset.level !== level) {
    chip.dataset.level = level;
    if (level === "warn" || level === "last") say(word("leftSoon", lasting(left)));
  }
}

export function watchCountdowns(): void {
  const tick = (): void => {
    for (const time of document.querySelectorAll<HTMLElement>("[data-countdown]")) show(time);
  };
  tick();
  setInterval(tick, 1000);
}
