// Passkeys: asks the box for a question, hands it to the authenticator, and sends its answer with the form around it.
// Markup: <div data-passkey="get|create" data-question="/api/…" data-origins="https://… https://…" hidden> within a form
// that has a hidden field named data-field. Without this module, or without a browser that knows passkeys, it stays hidden.
import { word } from "../words";

type Json = Record<string, unknown>;

const RELAXED = "code";

function bytes(text: string): ArrayBuffer {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  const out = new Uint8Array(plain.length);
  for (let at = 0; at < plain.length; at += 1) out[at] = plain.charCodeAt(at);
  return out.buffer;
}

function text(buffer: ArrayBuffer | null | undefined): string | null {
  if (!buffer) return null;
  let plain = "";
  for (const byte of new Uint8Array(buffer)) plain += String.fromCharCode(byte);
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function descriptors(list: unknown): PublicKeyCredentialDescriptor[] {
  if (!Array.isArray(list)) return [];
  return list.map((item: Json) => ({ type: "public-key", id: bytes(String(item.id)) }));
}

async function create(options: Json): Promise<Json> {
  const user = options.user as Json;
  const publicKey = {
    ...options,
    challenge: bytes(String(options.challenge)),
    user: { ...user, id: bytes(String(user.id)) },
    excludeCredentials: descriptors(options.excludeCredentials),
  } as unknown as PublicKeyCredentialCreationOptions;
  const made = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential | null;
  if (!made) throw new DOMException("", "NotAllowedError");
  const response = made.response as AuthenticatorAttestationResponse;
  return {
    id: made.id,
    rawId: text(made.rawId),
    type: made.type,
    response: { attestationObject: text(response.attestationObject), clientDataJSON: text(response.clientDataJSON) },
  };
}

async function get(options: Json): Promise<Json> {
  const publicKey = {
    ...options,
    challenge: bytes(String(options.challenge)),
    allowCredentials: descriptors(options.allowCredentials),
  } as unknown as PublicKeyCredentialRequestOptions;
  const found = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential | null;
  if (!found) throw new DOMException("", "NotAllowedError");
  const response = found.response as AuthenticatorAssertionResponse;
  return {
    id: found.id,
    rawId: text(found.rawId),
    type: found.type,
    response: {
      authenticatorData: text(response.authenticatorData),
      clientDataJSON: text(response.clientDataJSON),
      signature: text(response.signature),
      userHandle: text(response.userHandle),
    },
  };
}

/** What went wrong, in words: the browser's own are English and tell a person nothing to do. */
function told(error: unknown): string {
  if (error instanceof Refused) return error.message;
  const name = error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "AbortError":
      return word("passkeyCancelled");
    case "SecurityError":
      return word("passkeyOrigin");
    case "InvalidStateError":
      return word("passkeyKnown");
    case "NotSupportedError":
    case "ConstraintError":
      return word("passkeyUnfit");
    default:
      return word("passkeyFailed");
  }
}

class Refused extends Error {}

async function question(url: string, form: HTMLFormElement): Promise<{ ceremony: string; options: Json }> {
  const csrf = form.querySelector<HTMLInputElement>("input[name=csrf]")?.value ?? "";
  const login = document.querySelector<HTMLInputElement>("input[name=login]")?.value ?? "";
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "x-csrf-token": csrf, "accept-language": document.documentElement.lang },
    body: JSON.stringify(url.endsWith("/login") ? { login } : {}),
  });
  const body = (await answer.json()) as Json;
  if (!answer.ok) throw new Refused(`${String(body.message ?? "")} ${String(body.next ?? "")} (${String(body.code ?? "")})`);
  return body as unknown as { ceremony: string; options: Json };
}

function watch(place: HTMLElement): void {
  const form = place.closest("form");
  const button = place.querySelector<HTMLButtonElement>("button");
  const trouble = place.querySelector<HTMLElement>("[data-passkey-error]");
  const field = form?.querySelector<HTMLInputElement>(`input[name=${place.dataset.field ?? "passkey"}]`);
  if (!form || !button || !trouble || !field) return;
  place.hidden = false;
  const say = (words: string): void => {
    trouble.hidden = !words;
    const line = trouble.querySelector("span") ?? trouble;
    line.textContent = words;
  };
  const origins = (place.dataset.origins ?? "").split(" ").filter(Boolean);
  if (!("PublicKeyCredential" in window) || !navigator.credentials) {
    say(word("passkeyNone"));
    button.disabled = true;
    return;
  }
  if (origins.length > 0 && !origins.includes(location.origin)) {
    say(word("passkeyElsewhere", origins[0] ?? ""));
    button.disabled = true;
    return;
  }
  button.addEventListener("click", () => {
    const name = form.querySelector<HTMLInputElement>("input[name=passkey_name]");
    if (place.dataset.passkey === "create" && name && !name.value.trim()) {
      name.value = word("passkeyName");
    }
    button.setAttribute("aria-disabled", "true");
    say("");
    void (async () => {
      try {
        const asked = await question(place.dataset.question ?? "", form);
        const credential = place.dataset.passkey === "create" ? await create(asked.options) : await get(asked.options);
        field.value = JSON.stringify({ ceremony: asked.ceremony, credential });
        // The passkey stands in the code's place.
        for (const input of form.querySelectorAll<HTMLInputElement>(`input[name=${RELAXED}]`)) input.required = false;
        if (place.dataset.then === "wait") {
          place.dataset.done = "";
          say("");
          const done = place.querySelector<HTMLElement>("[data-passkey-done]");
          if (done) done.hidden = false;
        } else {
          form.requestSubmit();
        }
      } catch (error) {
        say(told(error));
      } finally {
        button.removeAttribute("aria-disabled");
      }
    })();
  });
}

export function watchPasskeys(): void {
  for (const place of document.querySelectorAll<HTMLElement>("[data-passkey]")) watch(place);
}
