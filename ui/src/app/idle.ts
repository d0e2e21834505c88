// <body data-idle="seconds" data-keepalive="/address">: warns before the server ends the login for want of use.
import { make } from "../build";
import { lasting, word } from "../words";

/** How long before the end the question appears. */
const WARN_MS = 2 * 60_000;
/** After the end the page is asked for again a moment later, so that the server has surely ended the login. */
const GRACE_MS = 3_000;

export function watchIdle(): void {
  const seconds = Number(document.body.dataset.idle || NaN);
  if (!Number.isFinite(seconds) || seconds <= 0) return;
  const keepalive = document.body.dataset.keepalive;
  let end = Date.now() + seconds * 1000;
  let dialog: HTMLDialogElement | undefined;
  let text: HTMLElement | undefined;

  // Another tab's request keeps the same login alive; it tells by storage.
  const renew = (): void => {
    end = Date.now() + seconds * 1000;
    dialog?.close();
  };
  const tell = (): void => {
    try {
      localStorage.setItem("sekisho-used", String(Date.now()));
    } catch {
      // Storage may be switched off; then each tab warns by itself.
    }
  };
  tell();
  window.addEventListener("storage", (event) => {
    if (event.key === "sekisho-used") renew();
  });

  const stay = async (): Promise<void> => {
    if (!keepalive) {
      location.reload();
      return;
    }
    const token = document.querySelector<HTMLInputElement>("input[name=csrf]")?.value ?? "";
    const answer = await fetch(keepalive, {
      method: "POST",
      body: new URLSearchParams({ csrf: token }),
      credentials: "same-origin",
      redirect: "manual",
    });
    if (!answer.ok) {
      location.reload();
      return;
    }
    tell();
    renew();
  };

  const open = (): void => {
    text = make("p", { class: "dialog-text", id: "idle-text" });
    const button = make("button", { class: "button button-primary", type: "button" }, word("idleStay"));
    button.addEventListener("click", () => void stay().catch(() => location.reload()));
    dialog = make(
      "dialog",
      { class: "dialog", "aria-labelledby": "idle-title", "aria-describedby": "idle-text" },
      make("h2", { class: "dialog-title", id: "idle-title" }, word("idleTitle")),
      text,
      make("div", { class: "dialog-foot" }, button),
    );
    dialog.addEventListener("close", () => {
      dialog?.remove();
      dialog = undefined;
    });
    document.body.append(dialog);
    dialog.showModal();
  };

  setInterval(() => {
    const left = end - Date.now();
    if (left <= -GRACE_MS) {
      location.reload();
      return;
    }
    if (left > WARN_MS) return;
    if (!dialog) open();
    if (text) text.textContent = word("idleText", lasting(left));
  }, 1000);
}
