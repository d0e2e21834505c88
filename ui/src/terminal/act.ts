// One line for what a person or a rule did to the session.
import { icon, make, type Shape } from "../build";
import { isWord, word } from "../words";
import type { Control, ControlName } from "./control";
import { visible, visibleNode } from "./visible";

const shapes: Record<ControlName, Shape> = {
  paused: "pause", resumed: "play", marker: "flag", chat: "talk", said: "talk",
  witness_came: "eye", witness_left: "eye", ruled: "warning", decided: "stamp", file_held: "warning", file_decided: "stamp", alert: "warning",
};

/** Who did what, in a few words; what they wrote follows on its own line. */
export function actLine(control: Control, later: boolean): HTMLElement[] {
  const key =
    control.name === "decided" ? (control.allowed ? "act_allowed" : "act_denied")
    : control.name === "file_decided" ? (control.passed ? "act_file_passed" : "act_file_refused")
    : `act_${control.name}`;
  const what = isWord(key) ? word(key) : control.name;
  const rule = `rule_${control.act}`;
  const named = control.name === "ruled" && isWord(rule) ? `${what}(${word(rule)})` : what;
  const head = make("span", { class: "viewer-op", "data-act": control.name }, icon(shapes[control.name]), named);
  const parts: HTMLElement[] = [head];
  const who = control.worker ? `${visible(control.by)}(${word("worker")})` : visible(control.by);
  if (who) parts.push(make("span", { class: "viewer-detail" }, later ? `${who} ${word("later")}` : who));
  const subject = control.line || control.path;
  if (subject) {
    const line = make("code");
    line.append(visibleNode(subject));
    parts.push(line);
  }
  const text = control.text || control.reason;
  if (text) parts.push(make("span", { class: "viewer-said" }, visibleNode(text)));
  return parts;
}
