// The reins of a running session beside its screen: how it stands, which commands wait, who watches, what is said.
import { icon, make } from "../build";
import { word } from "../words";
import type { Control, Held, HeldFile, Standing, Told } from "./control";
import { clock } from "./messages";
import { visibleNode } from "./visible";

/** Between two signs that the page is before somebody's eyes; the box forgets a witness after 15 s without one. */
const HERE_MS = 4000;
const LINES_LIMIT = 300;

/** The forms of the page are sent without leaving it: leaving would end the witness's presence. */
async function send(form: HTMLFormElement, submitter: HTMLElement | null, trouble: HTMLElement): Promise<void> {
  const data = new URLSearchParams();
  for (const [name, value] of new FormData(form, submitter)) if (typeof value === "string") data.append(name, value);
  const buttons = [...form.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  trouble.hidden = true;
  try {
    const to = submitter instanceof HTMLButtonElement && submitter.hasAttribute("formaction") ? submitter.formAction : form.action;
    const answer = await fetch(to, { method: "POST", body: data, credentials: "same-origin", redirect: "manual", headers: { Accept: "text/html" } });
    if (answer.type === "opaqueredirect" || answer.ok) {
      for (const field of form.querySelectorAll<HTMLInputElement>("input[type=text]")) field.value = "";
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const text = page.querySelector("main .banner-title")?.textContent?.trim() ?? `${word("notSent")} (${answer.status})`;
    trouble.replaceChildren(icon("warning"), text);
    trouble.hidden = false;
  } catch {
    trouble.replaceChildren(icon("warning"), word("notSent"));
    trouble.hidden = false;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

export class Reins {
  private readonly title = document.title;
  private readonly known = new Set<string>();
  private readonly held = new Map<number, HTMLElement>();
  private socket: WebSocket | undefined;
  private standing: Standing | undefined;

  constructor(private readonly root: HTMLElement) {
    const trouble = this.part("trouble");
    root.addEventListener("submit", (event) => {
      const form = event.target;
      if (!(form instanceof HTMLFormElement) || !form.hasAttribute("data-quiet")) return;
      event.preventDefault();
      void send(form, event.submitter, trouble);
    });
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("visibilitychange", () => this.here());
    setInterval(() => this.here(), HERE_MS);
  }

  private part(name: string): HTMLElement {
    return this.root.querySelector<HTMLElement>(`[data-part="${name}"]`) ?? make("div");
  }

  private here(): void {
    if (document.visibilityState === "visible" && this.socket?.readyState === WebSocket.OPEN) this.socket.send("here");
  }

  /** A connection is open; the page says through it that it is looked at. */
  connected(socket: WebSocket): void {
    this.socket = socket;
    this.here();
  }

  /** The connection was lost and may come back. */
  lost(): void {
    document.title = this.title;
  }

  /** The session is over: the page says how and when, leads to the record, and offers nothing that would do nothing. */
  over(how: string): void {
    this.show(undefined);
    this.root.dataset.stand = "ended";
    document.title = `(${word("ended")}) ${this.title}`;
    const state = this.part("state");
    const at = new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Tokyo" });
    state.dataset.said = "";
    state.replaceChildren(icon("stop"), make("b", {}, how), make("span", {}, word("endedAt", at)));
    // A dialog that asks about the session would act on one that is gone.
    for (const dialog of document.querySelectorAll<HTMLDialogElement>("dialog[open]")) dialog.close();
    const focused = document.activeElement;
    const running = [...document.querySelectorAll<HTMLElement>("[data-running]")];
    for (const element of running) element.hidden = true;
    // A talk that never began is not offered any more, one that was had stays to be read.
    const talk = document.querySelector<HTMLElement>("[data-talk]");
    if (talk && this.part("said").childElementCount === 0) talk.hidden = true;
    const over = this.part("over");
    over.hidden = false;
    if (running.some((element) => element.contains(focused))) over.focus();
  }

  talk(lines: Told[]): void {
    for (const line of lines) this.tell(line.at, line.control);
  }

  /** A line of what is said, once. */
  tell(at: number, control: Control): void {
    if (control.name !== "chat" && control.name !== "said") return;
    const key = `${at} ${control.by} ${control.text}`;
    if (this.known.has(key)) return;
    this.known.add(key);
    const list = this.part("said");
    const who = make("b");
    who.append(visibleNode(control.by));
    if (control.worker) who.append(`(${word("worker")})`);
    const text = make("p");
    text.append(visibleNode(control.text));
    const side = control.worker ? "talk-worker" : "talk-hospital";
    list.append(make("li", { class: side }, make("p", { class: "talk-who" }, who, make("time", {}, clock(at))), text));
    if (list.childElementCount > LINES_LIMIT) list.firstElementChild?.remove();
    list.scrollTop = list.scrollHeight;
    this.part("said-none").hidden = true;
  }

  show(standing: Standing | undefined): void {
    this.standing = standing;
    this.root.dataset.stand = standing?.stand ?? "none";
    this.root.dataset.paused = String(standing?.paused !== undefined);
    const stand = standing?.stand ?? "none";
    const state = this.part("state");
    const said = [word(`stand_${stand}`)];
    if (standing?.paused) said.push(`${word("pausedBy", standing.paused.by)}${standing.paused.reason ? `: ${standing.paused.reason}` : ""}`);
    if (stand === "no_witness") said.push(word(standing?.watchers.length ? "witnessSoon" : "witnessNeeded"));
    const text = said.join(" ");
    if (state.dataset.said !== text) {
      state.dataset.said = text;
      state.replaceChildren(icon(stand === "none" ? "play" : stand === "paused" ? "pause" : "eye"), make("b", {}, said[0] ?? ""));
      if (said.length > 1) state.append(make("span", {}, visibleNode(said.slice(1).join(" "))));
    }
    const watchers = standing?.watchers ?? [];
    const names = make("span");
    watchers.forEach((watcher, index) => {
      if (index) names.append("、");
      names.append(visibleNode(watcher.name));
      if (watcher.witness) names.append(make("b", { class: "witness-mark" }, word("witness")));
    });
    if (watchers.length) this.part("watchers").replaceChildren(word("watchers", watchers.length), " ", names);
    else this.part("watchers").replaceChildren(word("watchersNone"));
    this.part("witness-note").hidden = !standing || standing.witness === "none";
    this.wait(standing?.held ?? [], standing?.files ?? []);
    for (const form of this.root.querySelectorAll<HTMLElement>("[data-when]")) form.hidden = form.dataset.when === "paused" ? !standing?.paused : !!standing?.paused;
  }

  /** Commands and files that wait, each with its two buttons; those that were decided go. */
  private wait(held: Held[], files: HeldFile[]): void {
    const place = this.part("held");
    for (const [hold, element] of this.held) {
      if ([...held, ...files].some((one) => one.hold === hold)) continue;
      // Whoever stood on one of its buttons is not thrown to the top of the page.
      const focused = element.contains(document.activeElement);
      element.remove();
      this.held.delete(hold);
      if (focused) (place.querySelector<HTMLElement>("button") ?? this.part("state")).focus();
    }
    for (const one of held) {
      this.card(one.hold, "template[data-held]", (element) => {
        element.querySelector("[data-line]")?.append(visibleNode(one.line));
        element.querySelector("[data-reason]")?.append(visibleNode(one.reason));
      });
    }
    for (const one of files) {
      this.card(one.hold, "template[data-held-file]", (element) => {
        element.querySelector("[data-path]")?.append(visibleNode(one.path));
        element.querySelector("[data-size]")?.append(`${one.bytes.toLocaleString()} ${word("bytes")}`);
        element.querySelector("[data-sha]")?.append(one.sha256);
        element.querySelector(one.listed ? "[data-unlisted]" : "[data-listed]")?.remove();
        const look = element.querySelector<HTMLAnchorElement>("[data-look]");
        if (look) look.href += String(one.hold);
      });
    }
    const waiting = held.length + files.length;
    place.hidden = waiting === 0;
    document.title = waiting ? `(${word("waiting", waiting)}) ${this.title}` : this.standing?.stand === "no_witness" ? `(${word("stand_no_witness")}) ${this.title}` : this.title;
  }

  /** The card of what waits, once. */
  private card(hold: number, from: string, fill: (element: HTMLElement) => void): void {
    const copy = this.root.querySelector<HTMLTemplateElement>(from)?.content.firstElementChild?.cloneNode(true);
    if (this.held.has(hold) || !(copy instanceof HTMLElement)) return;
    fill(copy);
    const field = copy.querySelector<HTMLInputElement>("input[name=hold]");
    if (field) field.value = String(hold);
    this.held.set(hold, copy);
    this.part("held").append(copy);
  }

  /** P pauses or goes on, M and B lead to the fields, H to the first command that waits. */
  private key(event: KeyboardEvent): void {
    const target = event.target;
    if (!(target instanceof Element) || event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (document.querySelector("dialog[open]") || target.matches("select, textarea:not(.xterm-helper-textarea), input")) return;
    const pressed = event.key.toLowerCase();
    const found =
      pressed === "p" ? this.root.querySelector<HTMLElement>("[data-when]:not([hidden]) button")
      : pressed === "m" ? this.root.querySelector<HTMLElement>("[data-key=m]")
      : pressed === "b" ? this.root.querySelector<HTMLElement>("[data-key=b]")
      : pressed === "h" ? this.part("held").querySelector<HTMLElement>("button")
      : undefined;
    if (!found) return;
    event.preventDefault();
    if (pressed === "p") found.click();
    else found.focus();
  }
}
