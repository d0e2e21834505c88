// What arrives from a socket or a recording is read strictly; what is shown of it cannot steer the reader.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

async function load(file) {
  const entry = fileURLToPath(new URL(`../src/terminal/${file}.ts`, import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, write: false, format: "esm" });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
const { readMessage, bytesOf, clock } = await load("messages");
const { pieces, visible, LABEL_LIMIT } = await load("visible");

test("what is no message is dropped", () => {
  for (const line of ["", "null", "1", "[]", "{", '{"t":"eval"}', '{"t":{}}', '{"t":"__proto__"}', '{"t":"open"}', '{"t":"open","ch":"x"}']) {
    assert.equal(readMessage(line), undefined, line);
  }
});

test("sizes, times and lists are bounded", () => {
  assert.deepEqual(readMessage('{"t":"size","ch":0,"cols":1e9,"rows":-4}'), { t: "size", at: 0, ch: 0, cols: 500, rows: 24 });
  assert.equal(readMessage('{"t":"cmd","at":-5,"text":"a"}').at, 0);
  assert.equal(readMessage('{"t":"cmd","text":{"toString":1}}').text, "");
  const many = JSON.stringify({ t: "hello", channels: Array.from({ length: 5000 }, (_, n) => ({ n, kind: "shell" })) });
  assert.equal(readMessage(many).channels.length, 256);
  assert.equal(readMessage('{"t":"hello","channels":[{"n":0,"kind":"<b>"}]}').channels[0].kind, "shell");
});

test("bytes survive base64 and what is none is empty", () => {
  assert.deepEqual([...bytesOf(Buffer.from([0, 255, 128, 27]).toString("base64"))], [0, 255, 128, 27]);
  assert.equal(bytesOf("§§").length, 0);
});

test("control, direction and invisible characters are named, Japanese is left alone", () => {
  assert.equal(visible("rm \u202Egpj.sh"), "rm ‹U+202E›gpj.sh");
  assert.equal(visible("a\u001b[31m\nb\u007f"), "a‹^[›[31m‹^J›b‹U+007F›");
  assert.equal(visible("保守 髙橋 ㈱ パッチ.tar.gz 😀"), "保守 髙橋 ㈱ パッチ.tar.gz 😀");
  assert.equal(visible("\u200b\u00ad\ufeff\ue000"), "‹U+200B›‹U+00AD›‹U+FEFF›‹U+E000›");
  assert.equal(pieces("x".repeat(LABEL_LIMIT * 3))[0].text.length, LABEL_LIMIT + 1);
});

test("times read as a person expects", () => {
  assert.deepEqual([0, 61_000, 3_600_000, 36_061_999].map(clock), ["0:00", "1:01", "1:00:00", "10:01:01"]);
});

test("what persons did is read strictly, too", () => {
  for (const control of ["null", "{}", '{"control":"eval"}', '"paused"', '{"control":{}}']) {
    assert.equal(readMessage(`{"t":"control","at":1,"control":${control}}`), undefined, control);
  }
  const paused = readMessage('{"t":"control","at":5,"control":{"control":"paused","by":"上田","reason":{"x":1},"hold":-1}}');
  assert.equal(paused.control.name, "paused");
  assert.equal(paused.control.by, "上田");
  assert.deepEqual([paused.control.reason, paused.control.hold, paused.later], ["", 0, false]);
});

test("a state that does not fit shows a session that goes on, and its lists are bounded", () => {
  const { standing } = readMessage(JSON.stringify({ t: "state", stand: "<b>", paused: null, held: Array.from({ length: 9999 }, (_, hold) => ({ hold, line: 7 })), watchers: "x" }));
  assert.equal(standing.stand, "none");
  assert.equal(standing.paused, undefined);
  assert.equal(standing.held.length, 500);
  assert.equal(standing.held[1].line, "");
  assert.deepEqual(standing.watchers, []);
  assert.deepEqual(readMessage('{"t":"talk","lines":[{"at":1,"control":{"control":"chat","by":"佐藤","worker":true,"text":"はい"}},7,{"control":1}]}').lines.map((line) => line.control.worker), [true]);
});
