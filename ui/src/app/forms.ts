// Forms are sent once, and a form with data-unsaved warns before its changes are lost.
import { word } from "../words";

/** A second press within this many milliseconds is taken for a double click; later it is a new try. */
const RESEND_AFTER_MS = 10_000;

const changed = new Set<HTMLFormElement>();

function release(form: HTMLFormElement): void {
  delete form.dataset.sentAt;
  for (const button of form.querySelectorAll<HTMLElement>("[data-busy]")) {
    delete button.dataset.busy;
    button.removeAttribute("aria-disabled");
  }
}

export function watchForms(): void {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || event.defaultPrevented || form.method === "dialog") return;
    if (Date.now() - Number(form.dataset.sentAt ?? 0) < RESEND_AFTER_MS) {
      event.preventDefault();
      return;
    }
    changed.delete(form);
    if (form.target && form.target !== "_self") return;
    form.dataset.sentAt = String(Date.now());
    const button = event.submitter;
    if (button instanceof HTMLElement) {
      button.dataset.busy = "";
      // Not `disabled`: the button's own name and value belong to what is sent.
      button.setAttribute("aria-disabled", "true");
      setTimeout(() => release(form), RESEND_AFTER_MS);
    }
  });

  // A page brought back from the browser's memory would otherwise keep its busy buttons.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll<HTMLFormElement>("form[data-sent-at]")) release(form);
  });

  document.addEventListener("input", (event) => {
    const form = event.target instanceof Element ? event.target.closest("form") : null;
    if (form?.hasAttribute("data-unsaved")) changed.add(form);
    // A one-time code is digits: spaces and dashes come along when it is pasted, wide digits from a Japanese keyboard.
    if (event.target instanceof HTMLInputElement && event.target.autocomplete === "one-time-code" && !(event as InputEvent).isComposing) {
      const digits = event.target.value.normalize("NFKC").replace(/\D/g, "").slice(0, 6);
      if (digits !== event.target.value) event.target.value = digits;
    }
  });

  document.addEventListener("paste", (event) => {
    const field = event.target;
    if (!(field instanceof HTMLInputElement) || field.autocomplete !== "one-time-code") return;
    const digits = (event.clipboardData?.getData("text") ?? "").normalize("NFKC").replace(/\D/g, "").slice(0, 6);
    if (!digits) return;
    event.preventDefault();
    field.value = digits;
  });

  window.addEventListener("beforeunload", (event) => {
    if (changed.size === 0) return;
    event.preventDefault();
    event.returnValue = word("unsaved");
  });
}
