/** What a search in the conversations of this browser shows of them. Nothing here needs a browser. */
import assert from "node:assert/strict";
import test from "node:test";
import { find } from "../../public/chat/keep/search.js";

async function snippet(query, content) {
  const get = async () => ({ turns: [{ role: "user", content }] });
  const [found] = await find(query, [{ id: "a", title: "" }], get);
  return found?.snippet;
}

const FAMILY = "👨‍👩‍👧‍👦";

test("a snippet begins and ends between letters, as people count them", async () => {
  for (const [query, content, expected] of [
    ["needle", `needle ${"x".repeat(52)}😀 and more`, `needle ${"x".repeat(52)}…`],
    ["needle", `needle ${"x".repeat(48)}${FAMILY} and more`, `needle ${"x".repeat(48)}…`],
    ["needle", `needle ${"x".repeat(52)}e\u0301 and more`, `needle ${"x".repeat(52)}…`],
    ["needle", `${"x".repeat(70)}${"😀".repeat(29)}- needle`, `…${"😀".repeat(29)}- needle`],
  ]) {
    assert.equal(await snippet(query, content), expected);
  }
});

test("a snippet of a text without spaces has what was found in sight", async () => {
  const before = "。".repeat(500);
  assert.equal(await snippet("東京", `${before}東京。`), `…${"。".repeat(60)}東京。`);
});

test("a snippet begins with a whole word where words end", async () => {
  const words = `${"word ".repeat(40)}needle`;
  assert.equal(await snippet("needle", words), `…${"word ".repeat(12)}needle`);
});
