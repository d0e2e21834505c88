// Text of a target or a worker's client is hostile: it may hold characters that steer how the rest is read.

/** Longer texts are cut; the recording keeps them whole. */
export const LABEL_LIMIT = 2000;

/** Whether a character could change how its neighbours look: controls, directions, invisible and private ones. */
export function isOdd(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code <= 0x9f) ||
    code === 0xad ||
    code === 0x034f ||
    code === 0x061c ||
    code === 0x115f ||
    code === 0x1160 ||
    (code >= 0x17b4 && code <= 0x17b5) ||
    (code >= 0x180b && code <= 0x180f) ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    code === 0x3164 ||
    (code >= 0xd800 && code <= 0xf8ff) ||
    (code >= 0xfe00 && code <= 0xfe0f) ||
    code === 0xfeff ||
    code === 0xffa0 ||
    (code >= 0xfff0 && code <= 0xfffd) ||
    (code >= 0xe0000 && code <= 0x10ffff)
  );
}

export interface Piece {
  text: string;
  odd: boolean;
}

/** Cuts a text into what may be shown as it is and what is shown by its number. */
export function pieces(text: string): Piece[] {
  const list: Piece[] = [];
  let plain = "";
  let count = 0;
  for (const letter of text) {
    if ((count += 1) > LABEL_LIMIT) {
      plain += "…";
      break;
    }
    const code = letter.codePointAt(0) ?? 0;
    if (!isOdd(code)) {
      plain += letter;
      continue;
    }
    if (plain) list.push({ text: plain, odd: false });
    plain = "";
    list.push({ text: code < 0x20 ? `^${String.fromCharCode(0x40 + code)}` : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`, odd: true });
  }
  if (plain) list.push({ text: plain, odd: false });
  return list;
}

/** One string, for titles and labels that can hold no elements. */
export function visible(text: string): string {
  return pieces(text)
    .map((piece) => (piece.odd ? `‹${piece.text}›` : piece.text))
    .join("");
}

/** An isolated element that shows the text with its odd characters marked. */
export function visibleNode(text: string): HTMLElement {
  const node = document.createElement("bdi");
  for (const piece of pieces(text)) {
    if (!piece.odd) {
      node.append(piece.text);
      continue;
    }
    const mark = document.createElement("span");
    mark.className = "viewer-odd";
    mark.textContent = piece.text;
    node.append(mark);
  }
  return node;
}
