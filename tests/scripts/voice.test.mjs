/** How the scripts speak to people. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { list, wrapped } from "../../scripts/lib/voice.mjs";

const words = (count) => Array(count).fill("word").join(" ");

test("a line that fits stays as it is", () => {
  const line = `${words(15)} 56789`;
  assert.equal(line.length, 80);
  assert.equal(wrapped(line), line);
});

test("a longer one is wrapped between words", () => {
  assert.equal(wrapped(words(17)), `${words(16)}\nword`);
});

test("a word that is longer than a line stays whole", () => {
  const address = "x".repeat(100);
  assert.equal(wrapped(`${address} and ${address}`), `${address}\nand\n${address}`);
});

test("each line is wrapped by itself, and blank ones stay", () => {
  assert.equal(wrapped(`a\n\n${words(17)}`), `a\n\n${words(16)}\nword`);
});

test("an indented line stays whole, because people copy it", () => {
  const command = `  $ ${words(30)}`;
  assert.equal(wrapped(command), command);
});

test("the items of a list are indented, and so is the rest of a long one", () => {
  assert.equal(list(["one", words(16)]), `  one\n  ${words(15)}\n  word`);
});
