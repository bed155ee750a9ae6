/** Long steps: a terminal shows the seconds, a file gets a line now and then. */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { step } from "../../scripts/lib/progress.mjs";

/** A stream that remembers what is written to it. */
function streamOf(more) {
  const stream = { text: "", ...more };
  stream.write = (text) => {
    stream.text += text;
  };
  return stream;
}

/** Begins a step that the test ends. */
function begin(what, stream) {
  mock.timers.enable({ apis: ["setInterval"] });
  const { promise, resolve, reject } = Promise.withResolvers();
  const ended = step(what, () => promise, stream).finally(() => mock.timers.reset());
  return { ended, resolve, reject };
}

test("on a terminal, one line counts the seconds", async () => {
  const stream = streamOf({ isTTY: true, columns: 80 });
  const { ended, resolve } = begin("Compiling", stream);
  mock.timers.tick(2000);
  resolve("result");
  assert.equal(await ended, "result");
  assert.equal(stream.text, "Compiling\r\x1b[KCompiling … 1 s\r\x1b[KCompiling … 2 s\n");
});

test("a quick step on a terminal leaves its line as it began", async () => {
  const stream = streamOf({ isTTY: true, columns: 80 });
  const { ended, resolve } = begin("Compiling", stream);
  resolve();
  await ended;
  assert.equal(stream.text, "Compiling\r\x1b[KCompiling\n");
});

test("a line that is too long for the terminal loses its beginning, so that it does not wrap", async () => {
  const stream = streamOf({ isTTY: true, columns: 12 });
  const { ended, resolve } = begin("Compiling a lot", stream);
  mock.timers.tick(1000);
  resolve();
  await ended;
  assert.equal(stream.text, "…ling a lot\r\x1b[K… lot … 1 s\n");
});

test("a terminal that does not report its width is taken for 80 columns wide", async () => {
  const stream = streamOf({ isTTY: true, columns: 0 });
  const { ended, resolve } = begin("Compiling", stream);
  resolve();
  await ended;
  assert.equal(stream.text, "Compiling\r\x1b[KCompiling\n");
});

test("elsewhere, a line shows every half minute that the step is still running", async () => {
  const stream = streamOf();
  const { ended, resolve } = begin("Compiling", stream);
  mock.timers.tick(75_000);
  resolve();
  await ended;
  assert.equal(stream.text, "Compiling\n  … still at it (30 s)\n  … still at it (60 s)\n");
});

test("a step that fails ends its line, and fails", async () => {
  const stream = streamOf({ isTTY: true, columns: 80 });
  const { ended, reject } = begin("Compiling", stream);
  mock.timers.tick(1000);
  reject(new Error("no"));
  await assert.rejects(ended, { message: "no" });
  assert.equal(stream.text, "Compiling\r\x1b[KCompiling … 1 s\n");
});
