// One terminal: shows what a target wrote, and lets it do nothing else.
import { Terminal } from "@xterm/xterm";
import { word } from "../words";

/** The reader's language for the one label that the emulator writes by itself. */
Terminal.strings.promptLabel = word("screen");

const SCROLLBACK_LINES = 5000;
const SMALLEST_PX = 5;
const USUAL_PX = 15;
/** Bytes for one call of the parser, so that the page stays alive during a long write. */
const CHUNK_BYTES = 256 * 1024;

const FONT = '"Noto Sans Mono", "SFMono-Regular", Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK JP", monospace';

/** OSC commands that reach out of the grid: titles, palette and colours, links, clipboard, shell and editor marks. */
const REACHING_OUT = [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 17, 19, 21, 22, 50, 52, 99, 104, 105, 110, 111, 112, 117, 119, 133, 633, 777, 1337];

export class Screen {
  readonly element: HTMLElement;
  private readonly terminal: Terminal;
  private opened = false;
  private large = false;

  /** Everything that changes the grid goes through here in order; a reset makes what still waits worthless. */
  private tail: Promise<void> = Promise.resolve();
  private generation = 0;
  /** Writes that follow each other without a resize or reset between are given to the parser as one. */
  private gathering: Uint8Array[] | undefined;

  constructor(label: string, cols: number, rows: number, private readonly bareNewlines: boolean) {
    this.element = document.createElement("div");
    this.element.setAttribute("role", "img");
    this.element.setAttribute("aria-label", label);
    this.terminal = new Terminal({
      allowProposedApi: false,
      cols,
      rows,
      convertEol: this.bareNewlines,
      cursorBlink: false,
      cursorInactiveStyle: "outline",
      disableStdin: true,
      fontFamily: FONT,
      fontSize: USUAL_PX,
      // At 1 the lowest pixels of a row are cut off, and with them every underscore.
      lineHeight: 1.2,
      linkHandler: { activate: () => undefined },
      logLevel: "off",
      // A target that writes black on black must not hide from who watches.
      minimumContrastRatio: 4.5,
      scrollback: SCROLLBACK_LINES,
      theme: { background: "#10131a", foreground: "#e6e9f0", cursor: "#ffd43d", selectionBackground: "#3a5fb0" },
    });
    for (const code of REACHING_OUT) this.terminal.parser.registerOscHandler(code, () => true);
    // Keys belong to the page; Tab must be able to leave.
    this.terminal.attachCustomKeyEventHandler(() => false);
  }

  /** Text of the visible rows, for tests and for copying. */
  text(): string {
    const buffer = this.terminal.buffer.active;
    const lines: string[] = [];
    for (let row = 0; row < this.terminal.rows; row += 1) lines.push(buffer.getLine(buffer.viewportY + row)?.translateToString(true) ?? "");
    return lines.join("\n");
  }

  show(): void {
    if (!this.opened) {
      this.terminal.open(this.element);
      this.opened = true;
      const area = this.terminal.textarea;
      if (area) {
        area.tabIndex = -1;
        area.readOnly = true;
      }
    }
    this.fit();
  }

  private then(act: () => void | Promise<void>): void {
    // What is written after this must not join a write from before it.
    this.gathering = undefined;
    const generation = this.generation;
    this.tail = this.tail.then(() => (generation === this.generation ? act() : undefined));
  }

  resize(cols: number, rows: number): void {
    this.then(() => {
      if (cols === this.terminal.cols && rows === this.terminal.rows) return;
      this.terminal.resize(cols, rows);
      this.fit();
    });
  }

  reset(): void {
    this.generation += 1;
    this.then(() => this.terminal.reset());
  }

  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.gathering) {
      this.gathering.push(bytes);
      return;
    }
    const parts = [bytes];
    this.then(() => {
      if (this.gathering === parts) this.gathering = undefined;
      return this.feed(parts);
    });
    this.gathering = parts;
  }

  private async feed(parts: Uint8Array[]): Promise<void> {
    const generation = this.generation;
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    for (let from = 0; from < whole.length && generation === this.generation; from += CHUNK_BYTES) {
      await new Promise<void>((done) => this.terminal.write(whole.subarray(from, from + CHUNK_BYTES), done));
    }
  }

  /** Settles when all that was asked for so far stands on the grid. */
  settled(): Promise<void> {
    return this.tail;
  }

  enlarge(large: boolean): void {
    this.large = large;
    this.fit();
  }

  /** The worker's columns are given; so the letters are made as large as they fit, never the other way round. */
  fit(): void {
    const room = (this.element.parentElement?.clientWidth ?? 0) - 30;
    if (!this.opened || room <= 0) return;
    const pencil = document.createElement("canvas").getContext("2d");
    let wide = 0.6;
    if (pencil) {
      pencil.font = `100px ${FONT}`;
      wide = pencil.measureText("W").width / 100 || wide;
    }
    const fitting = Math.floor((room / (this.terminal.cols * wide)) * 4) / 4;
    const size = this.large ? USUAL_PX : Math.max(SMALLEST_PX, Math.min(USUAL_PX, fitting));
    if (this.terminal.options.fontSize !== size) this.terminal.options.fontSize = size;
  }

  dispose(): void {
    this.terminal.dispose();
    this.element.remove();
  }
}
