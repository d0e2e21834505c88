// Reads a recording line by line while it arrives.
import { readMessage, type Message } from "./messages";

/** A line longer than this is no message of ours. */
const LINE_LIMIT = 16 * 1024 * 1024;
/** Text kept in the page. Longer recordings are shown up to here; the export holds them whole. */
export const TEXT_LIMIT = 256 * 1024 * 1024;

export interface Loaded {
  damaged: number;
  tooLarge: boolean;
}

/** Hands over each message in order; settles at the end. Throws when the address refuses or the line breaks. */
export async function readRecording(address: URL, take: (message: Message) => void): Promise<Loaded> {
  const answer = await fetch(address, { credentials: "same-origin", headers: { Accept: "application/x-ndjson" } });
  if (!answer.ok || !answer.body) throw new Error(String(answer.status));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let total = 0;
  let damaged = 0;
  let overlong = false;
  const line = (text: string): void => {
    if (!text.trim()) return;
    const message = overlong ? undefined : readMessage(text);
    overlong = false;
    if (message) take(message);
    else damaged += 1;
  };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    total += value.length;
    if (total > TEXT_LIMIT) {
      await reader.cancel();
      return { damaged, tooLarge: true };
    }
    let from = 0;
    for (let at = value.indexOf("\n"); at >= 0; at = value.indexOf("\n", from)) {
      line(rest + value.slice(from, at));
      rest = "";
      from = at + 1;
    }
    rest += value.slice(from);
    if (rest.length > LINE_LIMIT) {
      rest = "overlong";
      overlong = true;
    }
  }
  line(rest);
  return { damaged, tooLarge: false };
}
