// Asks before a form with data-confirm is sent: data-confirm-title, data-confirm-ok, data-confirm-danger.
import { make } from "../build";
import { word } from "../words";

const agreed = new WeakSet<HTMLFormElement>();

function ask(form: HTMLFormElement, submitter: HTMLElement | null): void {
  const danger = form.hasAttribute("data-confirm-danger");
  const title = make("h2", { class: "dialog-title", id: "confirm-title" }, form.dataset.confirmTitle || word("confirmTitle"));
  const text = make("p", { class: "dialog-text", id: "confirm-text" }, form.dataset.confirm ?? "");
  const cancel = make("button", { class: "button button-secondary", type: "button" }, word("cancel"));
  const ok = make(
    "button",
    { class: `button button-${danger ? "danger" : "primary"}`, type: "button" },
    form.dataset.confirmOk || word("ok"),
  );
  const dialog = make(
    "dialog",
    {
      class: `dialog${danger ? " dialog-danger" : ""}`,
      "aria-labelledby": "confirm-title",
      "aria-describedby": "confirm-text",
    },
    title,
    text,
    make("div", { class: "dialog-foot" }, cancel, ok),
  );
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    submitter?.focus();
  });
  ok.addEventListener("click", () => {
    agreed.add(form);
    dialog.close();
    form.requestSubmit(submitter);
  });
  document.body.append(dialog);
  dialog.showModal();
  // A frightened press of Enter should send what is harmless and only that.
  (danger ? cancel : ok).focus();
}

export function watchConfirms(): void {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.hasAttribute("data-confirm")) return;
    if (agreed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(form, event.submitter);
  });
}
