/** What a rendering may cost: ordinary text is rendered as ever, and what would take too long is shown as it is written. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Marked } from "marked";
import { BOUNDS, BoundedLexer } from "../../public/chat/bounds.js";

const OPTIONS = { gfm: true, breaks: true };
const unbounded = new Marked(OPTIONS);
const bounded = new Marked({ ...OPTIONS, ...BOUNDS });

/** The longest block that is rendered at all. */
const LONGEST = 16_000;
const repeat = (piece) => piece.repeat(Math.ceil(LONGEST / piece.length)).slice(0, LONGEST);
const count = (html, element) => html.split(`<${element}>`).length - 1;

test("ordinary text is rendered as it would be without bounds", async (t) => {
  const words = "Some words with *emphasis*, **strength**, `code` and me@example.com. ";
  for (const [what, text] of Object.entries({
    "a long document": readFileSync(new URL("../../README.md", import.meta.url), "utf8"),
    "a paragraph of 8 000 characters": words.repeat(115),
    "one line after the other": "www.example.com says: write to a.b+c@mail.example.com  \n".repeat(
      100,
    ),
    "words that a piece might cut": `${"word ".repeat(300)}me@example.com https://example.com/ x`,
    "a word that is longer than a piece": `${"a".repeat(1200)} *b* ${"c".repeat(1200)}`,
    "names with underscores": "some_name_of_a_variable and *words*. ".repeat(100),
    "a table": `|a|b|\n|-|-|\n${"| **c** | d_e_f |\n".repeat(200)}`,
    "lists in lists": Array.from({ length: 14 }, (_, depth) => `${"  ".repeat(depth)}- a`).join(
      "\n",
    ),
    "quotes in quotes": `${"> ".repeat(14)}a`,
  })) {
    await t.test(what, () => {
      const isSame = bounded.parse(text) === unbounded.parse(text);
      assert.ok(isSame);
    });
  }
});

test("emphasis is looked for only so far", async (t) => {
  for (const piece of ["__a*", "_*a", "*a **b ", "**_a", "[*a", "*_a ", "__a_ ", "a_ *b "]) {
    await t.test(piece, () => {
      const text = repeat(piece);
      const lexer = new BoundedLexer(bounded.defaults);
      lexer.lex(text);
      assert.ok(lexer.searched < 500_000 + LONGEST, `${lexer.searched} letters looked through`);
      const shown = bounded.parse(text).replace(/<[^>]*>/g, "");
      assert.equal(shown.replaceAll(/[*_\s]/g, ""), text.replaceAll(/[*_\s]/g, ""));
    });
  }
});

test("lists and quotes are nested only so deep", async (t) => {
  for (const [piece, element] of [
    [">", "blockquote"],
    ["> ", "blockquote"],
    ["- ", "ul"],
    ["1. ", "ol"],
    ["* + ", "ul"],
    ["> - ", "blockquote"],
  ]) {
    await t.test(piece, () => {
      const html = bounded.parse(`${repeat(piece)}a`);
      assert.ok(count(html, element) <= 16);
      assert.match(html, /a/, "what is in them is there");
    });
  }
});
