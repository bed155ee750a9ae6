/** What the sidebar decides without a browser: days, marked words, file names, and how pages become one list. */
import assert from "node:assert/strict";
import test from "node:test";
import { foundBy } from "../../public/chat/search-target.js";
import { dayOf } from "../../public/chat/sidebar/days.js";
import { fileName } from "../../public/chat/sidebar/download.js";
import { Listing } from "../../public/chat/sidebar/listing.js";
import { piecesOf } from "../../public/chat/sidebar/marks.js";
import { plainWords } from "../../public/chat/sidebar/plain-words.js";

test("a conversation is listed under its day by the local calendar, then under its month", () => {
  // A few minutes past midnight, so that hours and days differ.
  const now = new Date(2026, 2, 31, 0, 5);
  const at = (...parts) => dayOf(new Date(...parts).toISOString(), now);
  assert.equal(at(2026, 2, 31, 0, 0), "Today");
  assert.equal(at(2026, 3, 2), "Today", "a clock that is ahead says nothing of tomorrow");
  assert.equal(at(2026, 2, 30, 23, 59), "Yesterday");
  assert.equal(at(2026, 2, 29, 23, 59), "Previous 7 days");
  assert.equal(at(2026, 2, 24, 0, 0), "Previous 7 days");
  assert.equal(at(2026, 2, 23, 23, 59), "Previous 30 days");
  assert.equal(at(2026, 2, 1, 0, 0), "Previous 30 days");
  assert.equal(at(2026, 1, 28, 23, 59), "February");
  assert.equal(at(2025, 1, 28), "February 2025");
});

test("words that begin as a searched one does are marked, whatever their case and accents", () => {
  const marked = (text, query) =>
    piecesOf(text, query)
      .map(({ text, isFound }) => (isFound ? `[${text}]` : text))
      .join("");
  for (const [text, query, expected] of [
    ["How tall are spruces?", "spruce tall", "How [tall] are [spruces]?"],
    ["CAFÉ café cafe\u0301", "cafe", "[CAFÉ] [café] [cafe\u0301]"],
    ["übergrößen", "UBER", "[übergrößen]"],
    ["a cat, concatenated", "cat", "a [cat], concatenated"],
    ["<img onerror=x> & \u202Eevil", "img evil", "<[img] onerror=x> & \u202E[evil]"],
    ["😀 smile 😀", "smile", "😀 [smile] 😀"],
    ["東京は日本の首都", "東京", "[東京は日本の首都]"],
    ["nothing here", "!?*", "nothing here"],
    ["nothing here", "\u0301", "nothing here"],
    ["", "x", ""],
  ]) {
    assert.equal(marked(text, query), expected, `“${query}” in “${text}”`);
  }
});

test("a snippet loses the marks of Markdown at the borders of its words", () => {
  for (const [snippet, expected] of [
    ["**Bold**, *slanted*, ***both*** and `code`", "Bold, slanted, both and code"],
    ["(**Bold**) “*slanted*” **🚀 Go**: `go_on`’s", "(Bold) “slanted” 🚀 Go: go_on’s"],
    ["**Use `x` *now* here**", "Use x now here"],
    ["# Title ## Part ### 3. Detail", "Title Part 3. Detail"],
    ["```js const a = 1; ```", "js const a = 1; "],
    ["- one. - two: * three! * **Four:** more", "one. two: three! Four: more"],
    ["…bold** word, `code` and **half…", "…bold word, code and half…"],
    ["…code` then **bold** and (`half…", "…code then bold and (half…"],
  ]) {
    assert.equal(plainWords(snippet), expected);
  }
});

test("a snippet keeps what may be no mark", () => {
  for (const snippet of [
    "snake_case __init__ _private 2*3*4 a**b C# F#-minor don`t",
    "2 * 3 * 4 = 24, 2 ** 3 - 1, a - b, -5 and - so on",
    "press # twice, no. # 5, #tag; pip install x # for now",
    "ls *.js **/*.ts .*foo.* /*no*/ char *a, int *b, (*p)++",
    "<b onclick=x>*</b> & <tag> **",
    "f(*args, **kwargs) is called",
    "",
  ]) {
    assert.equal(plainWords(snippet), snippet);
  }
});

test("a snippet with thousands of marks is read in no time", () => {
  for (const part of [" **-", " **a", " `a", "(*a ", "** ", "# ", " "]) {
    const started = performance.now();
    plainWords(`…${part.repeat(20_000)}…`);
    assert.ok(performance.now() - started < 2000, `“${part}” again and again`);
  }
});

test("a search leads to what its snippet shows; of several that say the same, to one that is shown", () => {
  const said = (question, answer) => ({ question, answer });
  const first = said("How?", "Over a **bridge**\n of wood, then on");
  const other = said("And then?", "Over a bridge of stone");
  const again = said("How?", first.answer);
  const exchanges = [first, other, again];
  for (const [query, snippet, path, expected, what] of [
    ["bridge", "…a **bridge** of wood…", [first, other], first, "the snippet"],
    ["bridge", "…Over a bridge of stone", [first, again], other, "the snippet, in another version"],
    ["bridge", "…a **bridge** of wood…", [other, again], again, "one that is shown"],
    [
      "bridge",
      "A bridge in the title",
      exchanges,
      again,
      "the words, where the snippet is elsewhere",
    ],
    ["tunnel", "A tunnel in the title", exchanges, undefined, "nothing has the words"],
    ["stone wood", "stone and wood", exchanges, undefined, "nothing has all of them"],
  ]) {
    assert.equal(foundBy(query, snippet, { exchanges, path }), expected, what);
  }
});

test("an exported file is named after the title, in a form that every system accepts", () => {
  for (const [title, expected] of [
    ["How tall are spruces?", "How tall are spruces.md"],
    ["../../etc/passwd", "etc passwd.md"],
    ['a/b\\c:d*e|f<g>h"i', "a b c d e f g h i.md"],
    ["invoice\u202Egpj.exe", "invoice gpj.exe.md"],
    ["line\nbreak\u0000 and\u2028more", "line break and more.md"],
    ["  ...hidden.  ", "hidden.md"],
    ["😀 día 東京", "😀 día 東京.md"],
    ["CON", "conversation.md"],
    ["???", "conversation.md"],
    ["\uD800", "conversation.md"],
    ["😀".repeat(200), `${"😀".repeat(80)}.md`],
  ]) {
    assert.equal(fileName(title, "md"), expected);
  }
});

/** A keeper whose pages a test sets. */
class Pages {
  pages = {};
  asked = [];

  async list({ before, q }) {
    this.asked.push({ before, q });
    return this.pages[before ?? "first"];
  }
}

const at = (id, minute, more) => ({ id, updated_at: `2026-01-01T00:${minute}:00Z`, ...more });
const idsOf = ({ summaries }) => summaries.map(({ id }) => id).join("");

test("pages become one list, the newest first, and the last one ends it", async () => {
  const keeper = new Pages();
  keeper.pages.first = { conversations: [at("d", 40), at("c", 30)], next: "n1" };
  keeper.pages.n1 = { conversations: [at("b", 20), at("a", 10)], next: null };
  const listing = new Listing(keeper);
  await Promise.all([listing.more(), listing.more()]);
  assert.equal(idsOf(listing), "dc");
  assert.equal(listing.isComplete, false);
  await listing.more();
  assert.equal(idsOf(listing), "dcba");
  assert.equal(listing.isComplete, true);
  await listing.more();
  assert.deepEqual(keeper.asked, [
    { before: undefined, q: undefined },
    { before: "n1", q: undefined },
  ]);
});

test("reading the list again takes in what other devices did, and keeps the later pages", async () => {
  const keeper = new Pages();
  keeper.pages.first = { conversations: [at("d", 40), at("c", 30)], next: "n1" };
  keeper.pages.n1 = { conversations: [at("b", 20), at("a", 10)], next: "n2" };
  keeper.pages.n2 = { conversations: [at("z", "05")], next: null };
  const listing = new Listing(keeper);
  await listing.more();
  await listing.more();
  // Elsewhere: d deleted, a continued, e begun.
  keeper.pages.first = { conversations: [at("e", 50), at("a", 45), at("c", 30)], next: "n3" };
  await listing.refresh();
  assert.equal(idsOf(listing), "eacb");
  await listing.more();
  assert.equal(idsOf(listing), "eacbz", "the list goes on where it was, not at the new page's end");
  keeper.pages.first = { conversations: [at("a", 45)], next: null };
  await listing.refresh();
  assert.equal(idsOf(listing), "a", "a first page that is the only one is everything");
});

test("what is known of a conversation is completed, and puts it in its place", async () => {
  const keeper = new Pages();
  keeper.pages.first = { conversations: [at("b", 20, { title: "B" }), at("a", 10)], next: null };
  const listing = new Listing(keeper);
  await listing.more();
  listing.update({ id: "a", updated_at: "2026-01-01T00:30:00Z", state: "streaming" });
  listing.update({ id: "b", title: "Bee" });
  listing.update(at("c", 40));
  assert.equal(idsOf(listing), "cab");
  assert.deepEqual(listing.summaries[2], at("b", 20, { title: "Bee" }));
  listing.remove("a");
  assert.equal(idsOf(listing), "cb");
});

test("a list that was read before something changed here is read again", async () => {
  const keeper = new Pages();
  const old = { conversations: [at("b", 20), at("a", 10, { title: "A" })], next: null };
  keeper.pages.first = old;
  const listing = new Listing(keeper);
  await listing.more();
  for (const change of [
    () => listing.remove("b"),
    () => listing.update(at("a", 10, { title: "Ay" })),
    () => listing.update(at("c", 40)),
  ]) {
    keeper.pages.first = old;
    const reading = listing.refresh();
    change();
    keeper.pages.first = { conversations: listing.summaries, next: null };
    const known = structuredClone(listing.summaries);
    await reading;
    assert.deepEqual(listing.summaries, known);
  }
});

test("a search takes in changes of what it found, and nothing else", async () => {
  const keeper = new Pages();
  keeper.pages.first = { conversations: [at("b", 20)], next: null };
  const listing = new Listing(keeper, { query: "word" });
  await listing.more();
  assert.deepEqual(keeper.asked, [{ before: undefined, q: "word" }]);
  listing.update(at("c", 40));
  listing.update({ id: "b", title: "Bee" });
  assert.deepEqual(listing.summaries, [at("b", 20, { title: "Bee" })]);
});

test("offline only the copies are listed, and everything again afterwards", async () => {
  const keeper = new Pages();
  const online = { conversations: [at("d", 40), at("c", 30)], next: "n1" };
  keeper.pages.first = online;
  keeper.pages.n1 = { conversations: [at("b", 20)], next: null };
  const listing = new Listing(keeper);
  await listing.more();
  await listing.more();
  keeper.pages.first = { conversations: [at("c", 30)], isCopy: true };
  await listing.refresh();
  assert.deepEqual([idsOf(listing), listing.isCopy, listing.isComplete], ["c", true, true]);
  keeper.pages.first = online;
  await listing.refresh();
  assert.deepEqual([idsOf(listing), listing.isCopy, listing.isComplete], ["dc", false, false]);
  await listing.more();
  assert.deepEqual([idsOf(listing), listing.isComplete], ["dcb", true]);
});
