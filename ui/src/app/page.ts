// Small things of a page: copying, printing, menus that close, where the focus starts.
import { make } from "../build";
import { word } from "../words";

/** Says a short thing, visibly and to a screen reader. */
export function toast(text: string): void {
  document.querySelector(".toast")?.remove();
  const note = make("div", { class: "toast", role: "status" });
  document.body.append(note);
  note.textContent = text;
  setTimeout(() => note.remove(), 3000);
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(word("copied"));
  } catch {
    toast(word("copyFailed"));
  }
}

/** Buttons that do nothing without scripts are hidden until this runs. */
export function reveal(root: ParentNode): void {
  for (const button of root.querySelectorAll<HTMLElement>("[data-copy][hidden], [data-print][hidden]")) button.hidden = false;
}

export function watchPage(): void {
  reveal(document);

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const copier = event.target.closest<HTMLElement>("[data-copy]");
    if (copier) void copy(copier.dataset.copy ?? "");
    if (event.target.closest("[data-print]")) window.print();
    for (const menu of document.querySelectorAll<HTMLDetailsElement>("details[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll<HTMLDetailsElement>("details[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary")?.focus();
    }
  });

  document.querySelector<HTMLElement>("[data-focus]")?.focus();
}
