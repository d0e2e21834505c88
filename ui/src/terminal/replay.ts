// Replaying a recording. Going back means feeding the screens again from their last full picture before that point.
import { icon, make } from "../build";
import { causeOf, lasting, word } from "../words";
import { clock, type Message } from "./messages";
import { readRecording, TEXT_LIMIT } from "./recording";
import { Timeline } from "./timeline";
import { Viewer } from "./viewer";

const SPEEDS = [1, 2, 4, 8, 16];
const STEP_MS = 5000;
/** A pause longer than this may be skipped, up to a moment before what follows it. */
const IDLE_MS = 2000;
const LEAD_MS = 400;
/** Messages between two looks at whether the reader wants to be elsewhere. */
const BATCH = 500;

export class Replay {
  private readonly viewer: Viewer;
  private readonly events: Message[] = [];
  /** For each channel the places of its full pictures in `events`. */
  private readonly pictures = new Map<number, number[]>();
  private next = 0;
  private position = 0;
  private duration = 0;
  private started: number | undefined;
  private loaded = false;
  private ended = false;
  private playing = false;
  private speed = 1;
  private skipIdle = true;
  private lastFrame = 0;
  private wanted: number | undefined;
  private busy = false;
  private atLoad: number | undefined;
  /** The moment that the address asked for, and its channel, until that channel was brought to the front. */
  private asked: { at: number; channel: number | undefined } | undefined;

  private readonly slider = make("input", { type: "range", min: 0, max: 0, step: 100, value: 0, "aria-label": word("position") });
  private readonly playButton = make("button", { type: "button", class: "player-play" });
  private readonly time = make("span", { class: "player-time" });
  private readonly wall = make("span", { class: "player-clock" });
  private readonly speeds = make("select", { "aria-label": word("speed") }, ...SPEEDS.map((speed) => make("option", { value: speed }, `${speed}x`)));
  private readonly timeline = new Timeline();
  private readonly note = make("span", { class: "player-note", "aria-live": "polite" });

  constructor(private readonly root: HTMLElement) {
    this.viewer = new Viewer(root, { keepNewest: false, seek: (at) => this.seek(at, true) });
    this.controls();
    this.asked = this.fromQuery();
    this.atLoad = this.fromHash() ?? this.asked?.at;
    window.addEventListener("hashchange", () => {
      const at = this.fromHash();
      if (at !== undefined) this.seek(at);
    });
    void this.load();
    this.draw();
  }

  private controls(): void {
    const back = make("button", { type: "button", "aria-label": word("back"), title: word("back") }, icon("back"), "5");
    const forward = make("button", { type: "button", "aria-label": word("forward"), title: word("forward") }, "5", icon("forward"));
    const skip = make("input", { type: "checkbox" });
    skip.checked = true;
    this.playButton.addEventListener("click", () => this.toggle());
    back.addEventListener("click", () => this.seek(this.position - STEP_MS));
    forward.addEventListener("click", () => this.seek(this.position + STEP_MS));
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    this.speeds.addEventListener("change", () => (this.speed = Number(this.speeds.value)));
    skip.addEventListener("change", () => (this.skipIdle = skip.checked));
    this.viewer.below.append(
      make(
        "div",
        { class: "player", role: "group", "aria-label": word("play") },
        make("div", { class: "player-seek" }, make("div", { class: "player-line" }, this.timeline.element, this.slider), this.time),
        make(
          "div",
          { class: "player-row" },
          this.playButton,
          back,
          forward,
          make("label", {}, word("speed"), this.speeds),
          make("label", {}, skip, word("skipIdle")),
          this.wall,
        ),
        make("div", { class: "player-row player-foot" }, this.note, make("span", { class: "player-note player-keys" }, word("keys"))),
      ),
    );
    document.addEventListener("keydown", (event) => this.key(event));
  }

  private key(event: KeyboardEvent): void {
    const target = event.target;
    if (!(target instanceof Element) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!this.root.contains(target) && target !== document.body && target.id !== "main") return;
    if (document.querySelector("dialog[open]")) return;
    const typing = target.matches("select, textarea:not(.xterm-helper-textarea), input:not([type=range])");
    if (typing) return;
    if (event.key === " ") {
      // On a button the space bar means that button.
      if (target.closest("button, summary")) return;
      this.toggle();
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      this.seek(this.position + (event.key === "ArrowLeft" ? -STEP_MS : STEP_MS));
    } else if (event.key === "[" || event.key === "]") {
      const index = Math.max(0, Math.min(SPEEDS.length - 1, SPEEDS.indexOf(this.speed) + (event.key === "[" ? -1 : 1)));
      this.speed = SPEEDS[index] ?? 1;
      this.speeds.value = String(this.speed);
    } else {
      return;
    }
    event.preventDefault();
  }

  private fromHash(): number | undefined {
    const found = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash)?.[1];
    return found === undefined ? undefined : Number(found) * 1000;
  }

  /** `?t=MILLISECONDS&ch=CHANNEL`, as a hit of the search links here. */
  private fromQuery(): { at: number; channel: number | undefined } | undefined {
    const query = new URLSearchParams(location.search);
    const number = (name: string) => (/^\d{1,12}$/.test(query.get(name) ?? "") ? Number(query.get(name)) : undefined);
    const at = number("t");
    return at === undefined ? undefined : { at, channel: number("ch") };
  }

  /** Brings the channel of the asked moment to the front; without its number, that of what happened at that moment. */
  private showAsked(): void {
    const asked = this.asked;
    if (!asked) return;
    let channel = asked.channel;
    for (let place = this.firstAfter(asked.at) - 1; channel === undefined && place >= 0; place -= 1) {
      const event = this.events[place];
      if (!event || event.at < asked.at) break;
      if (event.t === "cmd" || event.t === "file") channel = event.ch;
    }
    if (channel !== undefined) this.viewer.select(channel);
    if (this.loaded) this.asked = undefined;
  }

  private take(message: Message): void {
    // Time never runs backwards, whatever the file says.
    const last = this.events[this.events.length - 1]?.at ?? 0;
    if (message.at < last) message.at = last;
    if (message.t === "head") {
      this.duration = Math.max(this.duration, message.duration);
      this.started = message.started;
      for (const channel of message.channels) this.viewer.ensure(channel);
    }
    if (message.t === "open") this.viewer.ensure(message.channel);
    if (message.t === "end") this.ended = true;
    if (message.t === "snap") {
      const list = this.pictures.get(message.ch) ?? [];
      list.push(this.events.length);
      this.pictures.set(message.ch, list);
    }
    this.viewer.list(message);
    this.timeline.add(message);
    this.events.push(message);
    this.duration = Math.max(this.duration, message.at);
    if (this.atLoad !== undefined && message.at >= this.atLoad) {
      this.seek(this.atLoad);
      this.atLoad = undefined;
    }
  }

  private async load(): Promise<void> {
    this.viewer.say("wait", "wait", word("loading"));
    this.root.dataset.state = "loading";
    const address = new URL(this.root.dataset.replay ?? "", location.href);
    try {
      if (address.origin !== location.origin) throw new Error("origin");
      const { damaged, tooLarge } = await readRecording(address, (message) => this.take(message));
      this.loaded = true;
      this.root.dataset.state = "ready";
      if (tooLarge) this.viewer.note(word("tooLarge", Math.round(TEXT_LIMIT / 1024 / 1024)));
      else if (damaged) this.viewer.note(word("damaged", damaged));
      else if (!this.ended) this.viewer.note(word("truncated"));
      const last = this.events[this.events.length - 1];
      const cause = last?.t === "end" ? causeOf(last.cause) : "";
      this.viewer.say("over", "stop", cause ? word("endedWith", cause) : word("ended"));
    } catch (error) {
      this.loaded = true;
      this.root.dataset.state = "failed";
      this.viewer.say("bad", "warning", `${word("loadFailed")} ${error instanceof Error && /^\d{3}$/.test(error.message) ? error.message : ""}`);
    }
    // Without a wish the screen shows its beginning rather than nothing.
    this.seek(this.atLoad ?? this.wanted ?? this.position);
    this.atLoad = undefined;
    this.draw();
  }

  private toggle(): void {
    if (!this.playing && this.position >= this.duration && this.loaded) this.seek(0);
    this.playing = !this.playing;
    if (this.playing) {
      this.lastFrame = performance.now();
      requestAnimationFrame((now) => this.frame(now));
    }
    this.draw();
  }

  private frame(now: number): void {
    if (!this.playing) return;
    const passed = Math.min(250, now - this.lastFrame) * this.speed;
    this.lastFrame = now;
    if (!this.busy && this.wanted === undefined) {
      let to = this.position + passed;
      const coming = this.events[this.next];
      if (!coming && !this.loaded) to = this.position;
      const gap = (coming?.at ?? this.duration) - this.position;
      if (this.skipIdle && coming && gap > IDLE_MS) {
        to = Math.max(to, coming.at - LEAD_MS);
        this.note.textContent = word("skipped", lasting(gap));
      }
      this.position = Math.min(to, this.duration);
      this.feed(this.position);
      if (this.position >= this.duration && this.loaded) this.playing = false;
      this.draw();
    }
    requestAnimationFrame((at) => this.frame(at));
  }

  /** Feeds what happens up to `to`, without waiting: while playing this is little. */
  private feed(to: number): void {
    for (let event = this.events[this.next]; event && event.at <= to; event = this.events[this.next]) {
      this.viewer.play(event);
      this.next += 1;
    }
  }

  /** Goes to a point; several wishes in a row end at the last one. */
  seek(at: number, remember = false): void {
    const limit = this.loaded ? this.duration : Math.max(this.duration, at);
    this.wanted = Math.min(Math.max(0, at), limit);
    this.position = this.wanted;
    if (remember) history.replaceState(null, "", `#t=${Math.floor(this.position / 1000)}`);
    this.draw();
    if (!this.busy) void this.travel();
  }

  private async travel(): Promise<void> {
    this.busy = true;
    this.root.dataset.seeking = "true";
    while (this.wanted !== undefined) {
      const target = this.wanted;
      const behind = (this.events[this.next - 1]?.at ?? -1) > target;
      if (behind) {
        this.viewer.rewind();
        this.next = 0;
      }
      const upTo = this.firstAfter(target);
      const from = new Map<number, number>();
      for (const [channel, places] of this.pictures) {
        const picture = places.filter((place) => place < upTo && place >= this.next).pop();
        if (picture !== undefined) from.set(channel, picture);
      }
      let fed = 0;
      while (this.next < upTo && this.wanted === target) {
        const event = this.events[this.next];
        const place = this.next;
        this.next += 1;
        if (!event) break;
        const covered = (event.t === "out" || event.t === "err" || event.t === "snap" || event.t === "size") && place < (from.get(event.ch) ?? 0);
        if (!covered) this.viewer.play(event);
        if ((fed += 1) % BATCH === 0) await this.viewer.settled();
      }
      await this.viewer.settled();
      if (this.wanted === target) this.wanted = undefined;
    }
    this.busy = false;
    this.lastFrame = performance.now();
    this.showAsked();
    this.draw();
  }

  /** The place of the first message after `at`. */
  private firstAfter(at: number): number {
    let low = 0;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.events[middle]?.at ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private draw(): void {
    const over = this.loaded && this.position >= this.duration && this.duration > 0;
    const label = this.playing ? word("pause") : over ? word("replayAgain") : word("play");
    if (this.playButton.dataset.label !== label) {
      this.playButton.dataset.label = label;
      this.playButton.replaceChildren(icon(this.playing ? "pause" : over ? "again" : "play"), label);
    }
    this.slider.max = String(this.duration);
    if (Number(this.slider.value) !== this.position) this.slider.value = String(this.position);
    const text = `${clock(this.position)} / ${clock(this.duration)}`;
    this.slider.setAttribute("aria-valuetext", text);
    if (this.time.textContent !== text) this.time.textContent = text;
    if (this.started !== undefined) {
      const wall = new Date(this.started + this.position);
      const lang = document.documentElement.lang;
      this.wall.textContent = wall.toLocaleString(lang, { dateStyle: "short", timeStyle: "medium", timeZone: "Asia/Tokyo" });
    }
    this.timeline.draw(this.duration);
    const moment = document.querySelector<HTMLInputElement>("input[data-moment]");
    if (moment) moment.value = String(Math.floor(this.position));
    this.viewer.mark(this.position);
    this.root.dataset.position = String(Math.floor(this.position));
    this.root.dataset.playing = String(this.playing);
    this.root.dataset.seeking = String(this.busy);
  }
}
