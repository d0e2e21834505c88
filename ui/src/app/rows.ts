// Repeated groups of fields: <div data-rows data-min data-max> with [data-row], a <template data-row-template> and [data-row-add].

function rowsOf(group: Element): HTMLElement[] {
  return [...group.querySelectorAll<HTMLElement>(":scope > [data-row]")];
}

/** Ids must differ between rows, or labels would point at the first one. */
function renumber(row: DocumentFragment, serial: string, mark = "__i__"): void {
  for (const element of row.querySelectorAll<HTMLElement>("[id]")) element.id = `${element.id}-${serial}`;
  for (const label of row.querySelectorAll("label[for]")) label.setAttribute("for", `${label.getAttribute("for")}-${serial}`);
  for (const field of row.querySelectorAll("[aria-describedby]")) {
    const ids = (field.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean);
    field.setAttribute("aria-describedby", ids.map((id) => `${id}-${serial}`).join(" "));
  }
  for (const field of row.querySelectorAll<HTMLInputElement>(`[name*='${mark}']`)) field.name = field.name.replaceAll(mark, serial);
  // Rows within the row come from a template of their own, which a search from outside does not enter.
  for (const inner of row.querySelectorAll("template")) renumber(inner.content, serial, mark);
}

/** The group's own button: a row within it may hold a group with another one. */
function addOf(group: HTMLElement): HTMLButtonElement | undefined {
  return [...group.querySelectorAll<HTMLButtonElement>("[data-row-add]")].find((button) => button.closest("[data-rows]") === group);
}

function removeOf(row: HTMLElement): HTMLButtonElement | undefined {
  return [...row.querySelectorAll<HTMLButtonElement>("[data-row-remove]")].find((button) => button.closest("[data-row]") === row);
}

function settle(group: HTMLElement): void {
  const rows = rowsOf(group);
  const min = Number(group.dataset.min ?? 0);
  const max = Number(group.dataset.max ?? 50);
  const add = addOf(group);
  if (add) {
    add.hidden = false;
    add.disabled = rows.length >= max;
  }
  for (const row of rows) {
    const remove = removeOf(row);
    if (remove) remove.hidden = rows.length <= min;
  }
}

let serial = 0;

export function watchRows(): void {
  // Rows that the server wrote may share ids with each other; every row after the first gets its own.
  for (const group of document.querySelectorAll<HTMLElement>("[data-rows]")) {
    for (const row of rowsOf(group).slice(1)) {
      const fragment = new DocumentFragment();
      const place = row.nextSibling;
      fragment.append(row);
      renumber(fragment, `r${(serial += 1)}`);
      group.insertBefore(fragment, place);
    }
    settle(group);
  }
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const group = event.target.closest<HTMLElement>("[data-rows]");
    if (!group) return;
    if (event.target.closest("[data-row-add]")) {
      const template = group.querySelector<HTMLTemplateElement>(":scope > [data-row-template]");
      if (!template || rowsOf(group).length >= Number(group.dataset.max ?? 50)) return;
      const row = document.importNode(template.content, true);
      renumber(row, `r${(serial += 1)}`, group.dataset.mark);
      const inner = [...row.querySelectorAll<HTMLElement>("[data-rows]")];
      const first = row.querySelector<HTMLElement>("input:not([type=hidden]), select, textarea");
      template.before(row);
      inner.forEach(settle);
      first?.focus();
    } else if (event.target.closest("[data-row-remove]")) {
      if (rowsOf(group).length <= Number(group.dataset.min ?? 0)) return;
      event.target.closest("[data-row]")?.remove();
      addOf(group)?.focus();
    } else {
      return;
    }
    settle(group);
    group.dispatchEvent(new Event("input", { bubbles: true }));
  });
}
