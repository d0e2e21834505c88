// What was done to the session, along the replay's slider: pauses as spans, everything else as marks.
import { make } from "../build";
import { word } from "../words";
import { actLine } from "./act";
import { clock, type Message } from "./messages";

interface Span {
  kind: "paused" | "no_witness";
  from: number;
  to: number | undefined;
}

export class Timeline {
  readonly element = make("div", { class: "player-marks", "aria-hidden": "true" });
  private readonly spans: Span[] = [];
  private readonly marks: { at: number; element: HTMLElement }[] = [];
  private witnesses = 0;
  private drawn = "";

  private open(kind: Span["kind"], from: number): void {
    if (!this.spans.some((span) => span.kind === kind && span.to === undefined)) this.spans.push({ kind, from, to: undefined });
  }

  private shut(kind: Span["kind"], to: number): void {
    for (const span of this.spans) if (span.kind === kind && span.to === undefined) span.to = to;
  }

  add(message: Message): void {
    if (message.t !== "control") return;
    const { name } = message.control;
    if (name === "paused") this.open("paused", message.at);
    if (name === "resumed") this.shut("paused", message.at);
    if (name === "witness_came") {
      // The session stood still from its beginning until the first one came.
      if (this.witnesses === 0 && !this.spans.some((span) => span.kind === "no_witness")) this.open("no_witness", 0);
      this.witnesses += 1;
      this.shut("no_witness", message.at);
    }
    if (name === "witness_left") {
      this.witnesses = Math.max(0, this.witnesses - 1);
      if (this.witnesses === 0) this.open("no_witness", message.at);
    }
    const title = `${clock(message.at)} ${actLine(message.control, message.later).map((part) => part.textContent).join(" ")}`.slice(0, 200);
    this.marks.push({ at: message.at, element: make("i", { class: "player-mark", "data-act": name, title }) });
    this.drawn = "";
  }

  draw(duration: number): void {
    const key = `${duration} ${this.marks.length}`;
    if (this.drawn === key || duration <= 0) return;
    this.drawn = key;
    const share = (at: number): string => `${Math.min(100, (at / duration) * 100)}%`;
    const spans = this.spans.map((span) => {
      const element = make("i", { class: "player-span", "data-kind": span.kind, title: word(`stand_${span.kind}`) });
      element.style.left = share(span.from);
      element.style.width = share((span.to ?? duration) - span.from);
      return element;
    });
    for (const mark of this.marks) mark.element.style.left = share(mark.at);
    this.element.replaceChildren(...spans, ...this.marks.map((mark) => mark.element));
    this.element.hidden = this.marks.length === 0;
  }
}
