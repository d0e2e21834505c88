// What the live socket and a recording's lines say. Whatever does not fit is dropped, never guessed.

import { controlOf, standingOf, talkOf, type Control, type Standing, type Told } from "./control";

export type Kind = "shell" | "exec" | "sftp" | "forward";

export interface Channel {
  n: number;
  kind: Kind;
  text: string;
  cols: number;
  rows: number;
}

/** `at` is milliseconds from the start of the session. */
export type Message =
  | { t: "head"; at: number; duration: number; session: string; started: number | undefined; channels: Channel[] }
  | { t: "hello"; at: number; channels: Channel[] }
  | { t: "snap"; at: number; ch: number; cols: number; rows: number; data: string }
  | { t: "out" | "err"; at: number; ch: number; data: string }
  | { t: "size"; at: number; ch: number; cols: number; rows: number }
  | { t: "open"; at: number; channel: Channel }
  | { t: "close"; at: number; ch: number; exit: string }
  | { t: "cmd"; at: number; ch: number; text: string }
  | FileMessage
  | { t: "note"; at: number; text: string }
  | { t: "control"; at: number; control: Control; later: boolean }
  | { t: "flow"; at: number; ch: number; up: number; down: number }
  | { t: "state"; at: number; standing: Standing }
  | { t: "talk"; at: number; lines: Told[] }
  | { t: "end"; at: number; cause: string };

export interface FileMessage {
  t: "file";
  at: number;
  ch: number;
  op: string;
  path: string;
  bytes: number | undefined;
  sha256: string;
  status: string;
}

export const CHANNELS_LIMIT = 256;
const SIDE_LIMIT = 500;

type Raw = Record<string, unknown>;

function text(raw: Raw, key: string): string {
  const value = raw[key];
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

function number(raw: Raw, key: string): number | undefined {
  const value = raw[key];
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

function side(raw: Raw, key: string, otherwise: number): number {
  return Math.min(SIDE_LIMIT, Math.max(1, Math.floor(number(raw, key) ?? otherwise)));
}

function channel(raw: unknown, nameOf: "n" | "ch"): Channel | undefined {
  if (typeof raw !== "object" || raw === null) return undefined;
  const value = raw as Raw;
  const n = number(value, nameOf);
  if (n === undefined) return undefined;
  const kind = value.kind === "exec" || value.kind === "sftp" || value.kind === "forward" ? value.kind : "shell";
  return { n, kind, text: text(value, "text"), cols: side(value, "cols", 80), rows: side(value, "rows", 24) };
}

function channels(raw: Raw): Channel[] {
  const list = Array.isArray(raw.channels) ? raw.channels.slice(0, CHANNELS_LIMIT) : [];
  return list.map((entry) => channel(entry, "n")).filter((entry) => entry !== undefined);
}

/** Reads one message; `undefined` for anything that is not one. */
export function readMessage(line: string): Message | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const raw = value as Raw;
  const at = number(raw, "at") ?? 0;
  const ch = number(raw, "ch") ?? 0;
  switch (raw.t) {
    case "head":
      return { t: "head", at: 0, duration: number(raw, "duration") ?? 0, session: text(raw, "session"), started: number(raw, "started"), channels: channels(raw) };
    case "hello":
      return { t: "hello", at, channels: channels(raw) };
    case "snap":
      return { t: "snap", at, ch, cols: side(raw, "cols", 80), rows: side(raw, "rows", 24), data: text(raw, "data") };
    case "out":
    case "err":
      return { t: raw.t, at, ch, data: text(raw, "data") };
    case "size":
      return { t: "size", at, ch, cols: side(raw, "cols", 80), rows: side(raw, "rows", 24) };
    case "open": {
      const opened = channel(raw, "ch");
      return opened && { t: "open", at, channel: opened };
    }
    case "close":
      return { t: "close", at, ch, exit: text(raw, "exit") };
    case "cmd":
      return { t: "cmd", at, ch, text: text(raw, "text") };
    case "file":
      return { t: "file", at, ch, op: text(raw, "op"), path: text(raw, "path"), bytes: number(raw, "bytes"), sha256: text(raw, "sha256"), status: text(raw, "status") };
    case "note":
      return { t: "note", at, text: text(raw, "text") };
    case "control": {
      const control = controlOf(raw.control);
      return control && { t: "control", at, control, later: raw.later === true };
    }
    case "flow":
      return { t: "flow", at, ch, up: number(raw, "up") ?? 0, down: number(raw, "down") ?? 0 };
    case "state":
      return { t: "state", at, standing: standingOf(raw) };
    case "talk":
      return { t: "talk", at, lines: talkOf(raw.lines) };
    case "end":
      return { t: "end", at, cause: text(raw, "cause") };
    default:
      return undefined;
  }
}

/** Bytes from base64; empty when it is none. */
export function bytesOf(base64: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(base64);
  } catch {
    return new Uint8Array();
  }
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

/** m:ss or h:mm:ss. */
export function clock(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  const tail = String(seconds % 60).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes}:${tail}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${tail}`;
}
