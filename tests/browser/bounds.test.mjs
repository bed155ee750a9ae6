/** Bounds on what one rendering costs. Ordinary text is rendered as without them; markup beyond them is shown as text. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Marked } from "marked";
import { BOUNDS, BoundedLexer } from "../../public/chat/answer/bounds.js";

const OPTIONS = { gfm: true, breaks: true };
const unbounded = new Marked(OPTIONS);
const bounded = new Marked({ ...OPTIONS, ...BOUNDS });

/** Length of the longest block that is rendered. */
const LONGEST = 16_000;
const repeat = (piece) => piece.repeat(Math.ceil(LONGEST / piece.length)).slice(0, LONGEST);
const count = (html, element) => html.split(`<${element}>`).length - 1;

test("ordinary text is rendered as without bounds", async (t) => {
  const words = "Some words with *emphasis*, **strength**, `code` and me@example.com. ";
  for (const [what, text] of Object.entries({
    "a long document": readFileSync(new URL("../../docs/api.md", import.meta.url), "utf8"),
    "a paragraph of 8 000 characters": words.repeat(115),
    "one line after the other": "www.example.com says: write to a.b+c@mail.example.com  \n".repeat(
      100,
    ),
    "words that a piece might cut": `${"word ".repeat(300)}me@example.com https://example.com/ x`,
    "a word that is longer than a piece": `${"a".repeat(1200)} *b* ${"c".repeat(1200)}`,
    "names with underscores": "some_name_of_a_variable and *words*. ".repeat(100),
    "a table": `|a|b|\n|-|-|\n${"| **c** | d_e_f |\n".repeat(200)}`,
    "a table whose rows are short": `|a|b|c|d|\n|-|-|-|-|\n${"| e |\n".repeat(200)}`,
    "many tables": `|a|b|c|\n|-|-|-|\n${"|d|e|f|\n".repeat(20)}\n`.repeat(30),
    "emphasis in emphasis": `${"*a **b ".repeat(7)}${"c** d* ".repeat(7)}`,
    "words struck out": "~~one~~ two ~~**three**~~ ~four~ ".repeat(200),
    "links to one address": `[a]: https://example.com 'title'\n\n${"[a] and [words][a]\n".repeat(100)}`,
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

test("the search for the ends of emphasis is bounded", async (t) => {
  for (const piece of [
    ...["__a*", "_*a", "*a **b ", "**_a", "[*a", "*_a ", "__a_ ", "a_ *b "],
    ...["__a__", "**a**", "~~a ", "~~*a ", "~a ~~b "],
  ]) {
    await t.test(piece, () => {
      const text = repeat(piece);
      const lexer = new BoundedLexer(bounded.defaults);
      lexer.lex(text);
      assert.ok(lexer.searched < 500_000 + LONGEST, `${lexer.searched} letters looked through`);
      const shown = bounded.parse(text).replace(/<[^>]*>/g, "");
      assert.equal(shown.replaceAll(/[*_~\s]/g, ""), text.replaceAll(/[*_~\s]/g, ""));
    });
  }
});

test("the nesting of lists and quotes is bounded", async (t) => {
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
      assert.match(html, /a/, "their content is shown");
    });
  }
});

/** The Markdown of a table whose rows have one cell each. */
function sparse(columns, rows) {
  return `${"a|".repeat(columns)}\n${"-|".repeat(columns)}\n${"x\n".repeat(rows)}`;
}

test("the number of table cells is bounded, including those that fill up short rows", async (t) => {
  for (const [what, text] of Object.entries({
    "as many columns as rows": sparse(1000, 1000),
    "few columns, many rows": sparse(100, 2000),
    "no rows": sparse(4001, 0),
    "in a quote": sparse(1000, 1000).replaceAll(/^/gm, "> "),
    "in a list": `- ${sparse(1000, 1000).replaceAll("\n", "\n  ")}`,
    "many of them": `${sparse(60, 60)}\n`.repeat(20),
    "many headers before many rows": `${"a|a|a\n-|-|-\n".repeat(600)}${"x\n".repeat(4000)}`,
  })) {
    await t.test(what, () => {
      const html = bounded.parse(text);
      assert.ok(count(html, "td") + count(html, "th") <= 4000);
      const shown = html.replaceAll(/<[^>]*>/g, "");
      assert.equal(shown.match(/x/g)?.length, text.match(/x/g)?.length, "their content is shown");
    });
  }
  await t.test("one of 4 000 cells is a table", () => {
    const html = bounded.parse(sparse(40, 99));
    assert.equal(count(html, "td") + count(html, "th"), 4000);
  });
});

test("the nesting of emphasis and links is bounded", async (t) => {
  for (const [begin, end] of [
    ["*a ", "b*"],
    ["**a ", "b**"],
    ["***a ", "b***"],
    ["_a ", " b_"],
    ["~~*a ", "b*~~"],
    ["![a ", "](b)"],
  ]) {
    await t.test(`${begin}${end}`, () => {
      const text = begin.repeat(2000) + end.repeat(2000);
      const lexer = new BoundedLexer(bounded.defaults);
      assert.ok(inlineDepth(lexer.lex(text)) <= 18);
    });
  }
});

/** How deep tokens are nested. */
function inlineDepth(tokens = []) {
  return tokens.reduce((deepest, token) => Math.max(deepest, 1 + inlineDepth(token.tokens)), 0);
}

test("the text that links repeat from a definition is bounded", async (t) => {
  const long = "x".repeat(8000);
  for (const [what, definition, use] of [
    ["an address", `[a]: ${long}`, "[a]"],
    ["a title", `[a]: b '${long}'`, "[a]"],
    ["a picture", `[a]: ${long}`, "![a]"],
    ["with words of its own", `[a]: ${long}`, "[b][a]"],
  ]) {
    await t.test(what, () => {
      const html = bounded.parse(`${definition}\n\n${use.repeat(2000)}`);
      assert.ok(html.length < 200_000, `${html.length} letters`);
      assert.equal(html.match(/(?<![a-z])[ab](?![a-z=])/g)?.length >= 2000, true);
    });
  }
});
