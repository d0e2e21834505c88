// What live view and replay share: a tab per channel, the screens, and the lists of what was done.
import { icon, make, type Shape } from "../build";
import { isWord, word } from "../words";
import { bytesOf, CHANNELS_LIMIT, clock, type Channel, type FileMessage, type Message } from "./messages";
import { actLine } from "./act";
import { LIST_LIMIT, Lines } from "./lines";
import { Screen } from "./screen";
import { visible, visibleNode } from "./visible";

const shapes: Record<string, Shape> = { put: "up", "rsync-put": "up", "put-refused": "up", get: "down", "rsync-get": "down", remove: "trash", rmdir: "trash", rename: "move" };
const goodStatus = new Set(["", "ok", "done", "0", "complete", "completed"]);

interface Tab {
  channel: Channel;
  button: HTMLButtonElement;
  end: HTMLElement;
  panel: HTMLElement;
  screen: Screen | undefined;
  files: HTMLOListElement | undefined;
  /** Of a forward: how much went which way. */
  flow: { element: HTMLElement; up: number; down: number } | undefined;
  open: boolean;
}

function fileLine(message: FileMessage): HTMLElement[] {
  const name = isWord(message.op) ? word(message.op) : visible(message.op);
  const op = make("span", { class: "viewer-op" }, icon(shapes[message.op] ?? "file"), name);
  const path = make("code");
  path.append(visibleNode(message.path));
  const parts: HTMLElement[] = [op, path];
  const facts: string[] = [];
  // A list, a removal or a new name moves nothing: a figure would only raise a question.
  if (message.bytes !== undefined && (message.bytes > 0 || message.op === "put" || message.op === "get")) facts.push(`${message.bytes.toLocaleString()} ${word("bytes")}`);
  if (message.sha256) facts.push(`${word("hash")} ${visible(message.sha256).slice(0, 80)}`);
  if (facts.length) parts.push(make("span", { class: "viewer-detail" }, facts.join(" · ")));
  if (!goodStatus.has(message.status.toLowerCase())) {
    parts.push(make("span", { class: "viewer-detail viewer-fault" }, icon("warning"), " ", isWord(message.status) ? word(message.status) : visibleNode(message.status)));
  }
  return parts;
}

export interface ViewerOptions {
  /** The lists drop their oldest lines when they are full; otherwise they stop growing. */
  keepNewest: boolean;
  /** Makes the lines of the lists buttons. */
  seek?: (at: number) => void;
}

export class Viewer {
  private readonly tabs = new Map<number, Tab>();
  private readonly strip = make("div", { class: "viewer-tabs", role: "tablist", "aria-label": word("channels") });
  private readonly panels = make("div");
  private readonly commands: Lines;
  private readonly files: Lines;
  private readonly acts: Lines;
  private readonly notice = make("p", { class: "player-note", role: "status" });
  private readonly status = make("span", { class: "viewer-status", role: "status" });
  /** Below the screen: the player's controls stand here. */
  readonly below = make("div");
  private selected: number | undefined;
  private large = false;
  private readonly prefix: string;

  constructor(readonly root: HTMLElement, private readonly options: ViewerOptions) {
    this.prefix = `viewer-${document.querySelectorAll("[data-viewer]").length}`;
    root.dataset.viewer = this.prefix;
    // What runs may still bring some; a recording that has none will have none.
    const runs = options.keepNewest;
    this.commands = new Lines(word("commands"), word(runs ? "noCommands" : "noCommandsEver"), runs);
    this.files = new Lines(word("files"), word(runs ? "noFiles" : "noFilesEver"), runs);
    this.acts = new Lines(word("acts"), word(runs ? "noActs" : "noActsEver"), runs);
    const zoom = make("button", { class: "button button-secondary button-small", type: "button", "aria-pressed": "false" }, word("large"));
    zoom.addEventListener("click", () => {
      this.large = !this.large;
      zoom.setAttribute("aria-pressed", String(this.large));
      zoom.textContent = word(this.large ? "fit" : "large");
      for (const tab of this.tabs.values()) tab.screen?.enlarge(this.large);
    });
    root.replaceChildren(
      make("div", { class: "viewer-bar" }, this.status, zoom),
      make(
        "div",
        { class: "viewer-body" },
        make("div", { class: "viewer-screen" }, this.strip, this.panels, this.below),
        make("div", { class: "viewer-side" }, this.acts.element, this.commands.element, this.files.element),
      ),
    );
    this.notice.hidden = true;
    root.firstElementChild?.after(this.notice);
    this.strip.addEventListener("keydown", (event) => this.walk(event));
    new ResizeObserver(() => this.tabs.get(this.selected ?? -1)?.screen?.fit()).observe(this.panels);
  }

  say(tone: "live" | "wait" | "over" | "bad", shape: Shape, text: string): void {
    this.status.dataset.tone = tone;
    this.status.replaceChildren(icon(shape), text);
  }

  /** The stars that set a line off from a program's output begin a line here, too; the recording joins lines by a blank. */
  note(text: string): void {
    this.notice.hidden = false;
    this.notice.className = "stale-note";
    const lines = text.split(/\s*\*\*\*\s*/).filter((line) => line !== "");
    this.notice.replaceChildren(icon("talk"), make("span", {}, ...lines.map((line) => make("span", { class: "note-line" }, visibleNode(line)))));
  }

  private walk(event: KeyboardEvent): void {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const all = [...this.tabs.keys()];
    const next = all[(all.indexOf(this.selected ?? -1) + step + all.length) % all.length];
    if (next === undefined) return;
    this.select(next);
    this.tabs.get(next)?.button.focus();
  }

  select(n: number): void {
    const chosen = this.tabs.get(n);
    if (!chosen) return;
    this.selected = n;
    for (const tab of this.tabs.values()) {
      const is = tab === chosen;
      tab.button.setAttribute("aria-selected", String(is));
      tab.button.tabIndex = is ? 0 : -1;
      tab.panel.hidden = !is;
    }
    chosen.screen?.show();
  }

  /** Makes the channel's tab if it has none yet. */
  ensure(channel: Channel): Tab | undefined {
    const known = this.tabs.get(channel.n);
    if (known) return known;
    if (this.tabs.size >= CHANNELS_LIMIT) return undefined;
    const label = `${channel.n}. ${word(channel.kind === "forward" ? "portForward" : channel.kind)}${channel.text && (channel.kind === "exec" || channel.kind === "forward") ? `: ${visible(channel.text).slice(0, 80)}` : ""}`;
    const ids = { tab: `${this.prefix}-tab-${channel.n}`, panel: `${this.prefix}-panel-${channel.n}` };
    const end = make("span", { class: "viewer-tab-end", hidden: true });
    const button = make(
      "button",
      { type: "button", role: "tab", id: ids.tab, "aria-controls": ids.panel, "aria-selected": "false", tabindex: -1, title: label },
      make("span", {}, label),
      end,
    );
    button.addEventListener("click", () => this.select(channel.n));
    const panel = make("div", { class: "viewer-panel", role: "tabpanel", id: ids.panel, "aria-labelledby": ids.tab, tabindex: 0 });
    panel.hidden = true;
    let screen: Screen | undefined;
    let files: HTMLOListElement | undefined;
    let flow: Tab["flow"];
    if (channel.kind === "forward") {
      flow = { element: make("p", { class: "viewer-flow" }, word("flow", 0, 0)), up: 0, down: 0 };
      panel.append(flow.element);
    } else if (channel.kind === "sftp") {
      files = make("ol", { class: "viewer-files" });
      panel.classList.add("viewer-panel-files");
      panel.append(make("p", { class: "viewer-none" }, word(this.options.keepNewest ? "noFiles" : "noFilesEver")), files);
    } else {
      // A command without a terminal of its own ends its lines with a bare newline.
      screen = new Screen(`${word("screen")} ${label}`, channel.cols, channel.rows, channel.kind === "exec");
      screen.enlarge(this.large);
      panel.append(screen.element);
    }
    this.strip.append(button);
    this.panels.append(panel);
    const tab: Tab = { channel, button, end, panel, screen, files, flow, open: true };
    this.tabs.set(channel.n, tab);
    if (this.selected === undefined) this.select(channel.n);
    return tab;
  }

  private tab(n: number): Tab | undefined {
    return this.tabs.get(n) ?? this.ensure({ n, kind: "shell", text: "", cols: 80, rows: 24 });
  }

  /** Empties the screens; the lists and tabs stay. */
  rewind(): void {
    for (const tab of this.tabs.values()) {
      tab.screen?.reset();
      tab.screen?.resize(tab.channel.cols, tab.channel.rows);
      // In a recording all acts on files stand there from the start, as places to go to.
      if (this.options.keepNewest) tab.files?.replaceChildren();
      if (tab.flow) this.flow(tab.flow, -tab.flow.up, -tab.flow.down);
      tab.open = true;
      tab.end.hidden = true;
    }
  }

  private flow(flow: NonNullable<Tab["flow"]>, up: number, down: number): void {
    flow.up += up;
    flow.down += down;
    flow.element.textContent = word("flow", flow.up.toLocaleString(), flow.down.toLocaleString());
  }

  /** Settles when every screen shows what it was given. */
  async settled(): Promise<void> {
    await Promise.all([...this.tabs.values()].map((tab) => tab.screen?.settled()));
  }

  /** Shows what happens on the screens. Lists are filled by `list`. */
  play(message: Message): void {
    switch (message.t) {
      case "open":
        this.ensure(message.channel);
        // A forward has nothing to look at; it opens beside the screen.
        if (message.channel.kind !== "forward") this.select(message.channel.n);
        break;
      case "close": {
        const tab = this.tab(message.ch);
        if (!tab) break;
        tab.open = false;
        tab.end.hidden = false;
        tab.end.textContent = message.exit ? word("exit", visible(message.exit).slice(0, 40)) : word("closed");
        const other = [...this.tabs.values()].reverse().find((entry) => entry.open && entry.channel.kind === "shell");
        if (this.selected === message.ch && other) this.select(other.channel.n);
        break;
      }
      case "snap": {
        const screen = this.tab(message.ch)?.screen;
        screen?.reset();
        screen?.resize(message.cols, message.rows);
        screen?.write(bytesOf(message.data));
        break;
      }
      case "out":
      case "err":
        this.tab(message.ch)?.screen?.write(bytesOf(message.data));
        break;
      case "size":
        this.tab(message.ch)?.screen?.resize(message.cols, message.rows);
        break;
      case "file": {
        if (this.options.keepNewest) this.panelLine(message);
        break;
      }
      case "flow": {
        const flow = this.tab(message.ch)?.flow;
        if (flow) this.flow(flow, message.up, message.down);
        break;
      }
      case "note":
        this.note(message.text);
        break;
      default:
        break;
    }
  }

  /** The session is over: an empty list promises nothing more. */
  over(): void {
    this.commands.close(word("noCommandsEver"));
    this.files.close(word("noFilesEver"));
    this.acts.close(word("noActsEver"));
  }

  /** Adds a command or a file operation to the lists beside the screen. */
  list(message: Message): void {
    if (message.t === "cmd") this.commands.add(message.at, this.line(message.at, [this.command(message.text)]));
    if (message.t === "file") {
      this.files.add(message.at, this.line(message.at, fileLine(message)));
      if (!this.options.keepNewest) this.panelLine(message);
    }
    if (message.t === "control") this.acts.add(message.at, this.line(message.at, actLine(message.control, message.later)));
  }

  /** A channel of files has no screen: its panel is the list of what was done. */
  private panelLine(message: FileMessage): void {
    const list = this.tab(message.ch)?.files;
    if (list && list.childElementCount < LIST_LIMIT) list.append(make("li", {}, this.line(message.at, fileLine(message))));
  }

  private command(text: string): HTMLElement {
    const code = make("code");
    code.append(visibleNode(text));
    return code;
  }

  private line(at: number, parts: HTMLElement[]): HTMLElement {
    const time = make("span", { class: "viewer-at" }, clock(at));
    const body = make("span", {}, ...parts);
    const seek = this.options.seek;
    if (!seek) return make("div", { class: "viewer-line" }, time, body);
    const button = make("button", { class: "viewer-line", type: "button" }, time, body);
    button.addEventListener("click", () => seek(at));
    return button;
  }

  mark(position: number): void {
    this.commands.mark(position);
    this.files.mark(position);
    this.acts.mark(position);
  }
}
