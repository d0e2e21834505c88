// A person's authenticator (RFC 6238): gives each code once and waits when the next is not due yet.
import { createHmac } from "node:crypto";

const STEP_MS = 30_000;

function bytesOf(base32) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bytes = [];
  let bits = 0;
  let value = 0;
  for (const letter of base32.replace(/=+$/, "").toUpperCase()) {
    value = (value << 5) | letters.indexOf(letter);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 255);
      value &= (1 << bits) - 1;
    }
  }
  return Buffer.from(bytes);
}

export function codeOf(secret, step) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const hash = createHmac("sha1", bytesOf(secret)).update(counter).digest();
  const at = hash[19] & 15;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** `used` is the newest step whose code somebody else has used already. */
export class Phone {
  constructor(secret, used = 0) {
    this.secret = secret;
    this.last = used;
  }

  async code() {
    for (;;) {
      const step = Math.floor(Date.now() / STEP_MS);
      const next = Math.max(this.last + 1, step - 1);
      // The server accepts one step early and one late.
      if (next <= step + 1) {
        this.last = next;
        return codeOf(this.secret, next);
      }
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
}
