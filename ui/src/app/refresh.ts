// <section data-refresh="/address" data-every="5">: the content is fetched anew while the page is looked at.
import { icon, make } from "../build";
import { word } from "../words";
import { reveal } from "./page";

/** The slowest pace after failures, in seconds. */
const SLOWEST_S = 60;

interface Place {
  id: string;
  path: number[];
  start: number | null;
  end: number | null;
}

function placeOf(section: Element): Place | undefined {
  const focused = document.activeElement;
  if (!focused || !section.contains(focused) || focused === section) return undefined;
  const path: number[] = [];
  for (let at: Element = focused; at !== section && at.parentElement; at = at.parentElement) {
    path.unshift([...at.parentElement.children].indexOf(at));
  }
  const field = focused instanceof HTMLInputElement || focused instanceof HTMLTextAreaElement ? focused : undefined;
  return { id: focused.id, path, start: field?.selectionStart ?? null, end: field?.selectionEnd ?? null };
}

function restore(section: Element, place: Place): void {
  let found: Element | null | undefined = place.id ? document.getElementById(place.id) : undefined;
  if (!found) {
    found = section;
    for (const index of place.path) found = found?.children[index];
  }
  if (!(found instanceof HTMLElement)) return;
  found.focus({ preventScroll: true });
  if (found instanceof HTMLInputElement && place.start !== null) {
    try {
      found.setSelectionRange(place.start, place.end);
    } catch {
      // Some input types have no selection; the focus alone is enough for them.
    }
  }
}

/** Text that someone is typing must not vanish under their hands. */
function isBeingEdited(section: Element): boolean {
  const focused = document.activeElement;
  if (document.querySelector("dialog[open]")) return true;
  return (
    !!focused && section.contains(focused) && focused.matches("input:not([type=checkbox], [type=radio]), textarea, select")
  );
}

function replace(section: HTMLElement, text: string): void {
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const incoming = parsed.querySelector(`section[data-refresh="${CSS.escape(section.dataset.refresh ?? "")}"]`) ?? parsed.body;
  const open = [...section.querySelectorAll("details[open][id]")].map((element) => element.id);
  const place = placeOf(section);
  section.replaceChildren(...[...incoming.childNodes].map((node) => document.adoptNode(node)));
  for (const id of open) {
    const details = section.querySelector(`#${CSS.escape(id)}`);
    if (details instanceof HTMLDetailsElement) details.open = true;
  }
  reveal(section);
  showNewest(section);
  if (place) restore(section, place);
}

/** What was said last is what a person looks for. */
function showNewest(root: ParentNode): void {
  for (const lines of root.querySelectorAll(".talk-lines")) lines.scrollTop = lines.scrollHeight;
}

function watch(section: HTMLElement): void {
  const address = new URL(section.dataset.refresh ?? "", location.href);
  if (address.origin !== location.origin) return;
  const every = Math.max(2, Number(section.dataset.every ?? 5) || 5);
  let wait = every;
  let last = "";
  let good = new Date();
  let note: HTMLElement | undefined;

  const failed = (): void => {
    wait = Math.min(SLOWEST_S, wait * 2);
    const at = good.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    note ??= make("p", { class: "stale-note", role: "status" }, icon("warning"), make("span"));
    const text = note.querySelector("span");
    if (text) text.textContent = word("stale", at);
    if (!note.isConnected) section.before(note);
    section.classList.add("stale");
  };

  const turn = async (): Promise<void> => {
    if (document.hidden || !section.isConnected) return;
    if (isBeingEdited(section)) return;
    const answer = await fetch(address, {
      headers: { Accept: "text/html", "X-Sekisho-Refresh": "1" },
      credentials: "same-origin",
      cache: "no-store",
      redirect: "manual",
      signal: AbortSignal.timeout(15_000),
    });
    // A redirect or a refusal means that the login is over: the whole page says so better than a fragment.
    if (answer.type === "opaqueredirect" || answer.status === 401) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (isBeingEdited(section)) return;
    if (text !== last) replace(section, text);
    last = text;
    good = new Date();
    wait = every;
    note?.remove();
    section.classList.remove("stale");
  };

  const loop = (): void => {
    turn()
      .catch(failed)
      .finally(() => setTimeout(loop, wait * 1000));
  };
  setTimeout(loop, every * 1000);
}

export function watchRefresh(): void {
  for (const section of document.querySelectorAll<HTMLElement>("[data-refresh]")) {
    showNewest(section);
    watch(section);
  }
}
