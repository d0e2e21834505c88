// A list beside the screen.
import { make } from "../build";
import { word } from "../words";

/** Longest list that stays quick in a browser; the page of the session holds the whole. */
export const LIST_LIMIT = 3000;

/** A list that keeps its newest line in sight while the reader is at its end. */
export class Lines {
  readonly element: HTMLElement;
  private readonly list: HTMLOListElement;
  private readonly empty: HTMLElement;
  private readonly count: HTMLElement;
  private readonly more: HTMLElement;
  private dropped = 0;
  readonly rows: { at: number; element: HTMLElement }[] = [];

  constructor(title: string, nothing: string, private readonly keepNewest: boolean) {
    this.list = make("ol", { tabindex: 0, "aria-label": title });
    this.empty = make("p", { class: "viewer-empty" }, nothing);
    this.count = make("span", { class: "count count-zero" }, "0");
    this.more = make("p", { class: "viewer-empty", hidden: true });
    this.list.hidden = true;
    this.element = make("section", { class: "viewer-list" }, make("h3", {}, title, this.count), this.empty, this.list, this.more);
  }

  add(at: number, element: HTMLElement): void {
    if (this.rows.length >= LIST_LIMIT) {
      this.dropped += 1;
      this.more.hidden = false;
      this.more.textContent = word("moreRows", this.dropped);
      if (!this.keepNewest) return this.recount();
      this.rows.shift()?.element.parentElement?.remove();
    }
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    this.rows.push({ at, element });
    this.list.append(make("li", {}, element));
    this.empty.hidden = true;
    this.list.hidden = false;
    if (this.keepNewest && atEnd) this.list.scrollTop = this.list.scrollHeight;
    this.recount();
  }

  /** Nothing more will come. */
  close(nothing: string): void {
    this.empty.textContent = nothing;
  }

  private recount(): void {
    const total = this.rows.length + this.dropped;
    this.count.textContent = String(total);
    this.count.classList.toggle("count-zero", total === 0);
  }

  /** Marks the last line that has happened at `position`. */
  mark(position: number): void {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.rows[middle]?.at ?? 0) <= position) low = middle + 1;
      else high = middle;
    }
    const current = this.rows[low - 1]?.element;
    const marked = this.list.querySelector("[aria-current]");
    if (marked === (current ?? null)) return;
    marked?.removeAttribute("aria-current");
    if (!current) return;
    current.setAttribute("aria-current", "true");
    const row = current.parentElement;
    if (row && !this.list.contains(document.activeElement)) {
      if (row.offsetTop < this.list.scrollTop || row.offsetTop + row.offsetHeight > this.list.scrollTop + this.list.clientHeight) {
        this.list.scrollTop = row.offsetTop - this.list.clientHeight / 2;
      }
    }
  }
}
