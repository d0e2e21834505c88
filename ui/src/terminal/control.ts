// What persons did to a session, as the live socket and a recording tell it. Whatever does not fit is dropped.

export const controlNames = ["paused", "resumed", "marker", "chat", "said", "witness_came", "witness_left", "ruled", "decided", "file_held", "file_decided", "alert"] as const;
export type ControlName = (typeof controlNames)[number];

export interface Control {
  name: ControlName;
  by: string;
  text: string;
  reason: string;
  line: string;
  act: string;
  hold: number;
  worker: boolean;
  allowed: boolean;
  path: string;
  passed: boolean;
}

export interface Told {
  at: number;
  control: Control;
}

export interface Held {
  hold: number;
  line: string;
  reason: string;
}

export interface HeldFile {
  hold: number;
  path: string;
  bytes: number;
  sha256: string;
  listed: boolean;
}

export interface Standing {
  stand: "none" | "no_witness" | "paused";
  paused: { by: string; reason: string } | undefined;
  witness: "none" | "watch" | "step";
  watchers: { name: string; witness: boolean }[];
  held: Held[];
  files: HeldFile[];
}

const LIST_LIMIT = 500;

type Raw = Record<string, unknown>;

function raw(value: unknown): Raw {
  return typeof value === "object" && value !== null ? (value as Raw) : {};
}

function text(value: Raw, key: string): string {
  return typeof value[key] === "string" ? value[key] : "";
}

function count(value: Raw, key: string): number {
  const found = value[key];
  return typeof found === "number" && Number.isFinite(found) && found >= 0 ? found : 0;
}

function list(value: unknown): Raw[] {
  return Array.isArray(value) ? value.slice(0, LIST_LIMIT).map(raw) : [];
}

export function controlOf(value: unknown): Control | undefined {
  const found = raw(value);
  const name = controlNames.find((known) => known === found.control);
  if (!name) return undefined;
  return {
    name,
    by: text(found, "by"),
    text: text(found, "text"),
    reason: text(found, "reason"),
    line: text(found, "line"),
    act: text(found, "act"),
    hold: count(found, "hold"),
    worker: found.worker === true,
    allowed: found.allowed === true,
    path: text(found, "path"),
    passed: found.passed === true,
  };
}

export function talkOf(value: unknown): Told[] {
  return list(value).flatMap((line) => {
    const control = controlOf(line.control);
    return control ? [{ at: count(line, "at"), control }] : [];
  });
}

export function standingOf(value: unknown): Standing {
  const found = raw(value);
  const paused = found.paused === null || found.paused === undefined ? undefined : raw(found.paused);
  return {
    stand: found.stand === "no_witness" || found.stand === "paused" ? found.stand : "none",
    paused: paused && { by: text(paused, "by"), reason: text(paused, "reason") },
    witness: found.witness === "watch" || found.witness === "step" ? found.witness : "none",
    watchers: list(found.watchers).map((watcher) => ({ name: text(watcher, "name"), witness: watcher.witness === true })),
    held: list(found.held).map((held) => ({ hold: count(held, "hold"), line: text(held, "line"), reason: text(held, "reason") })),
    files: list(found.files).map((held) => ({ hold: count(held, "hold"), path: text(held, "path"), bytes: count(held, "bytes"), sha256: text(held, "sha256"), listed: held.listed === true })),
  };
}
