/** Texts that hurt: whatever a person or a model writes is kept, found, shown and sent on as it was. */
import assert from "node:assert/strict";
import test from "node:test";
import { startKept } from "../support/kept.mjs";
import { INTERRUPTED, KeptClient, keptFrames, parseFrames } from "../support/kept-reader.mjs";
import { keepSecret } from "../support/leaks.mjs";
import { answer, delta, done, event, finish, startUpstream, usage } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

/** Most bytes of text that the store keeps of an answer: with the length of each piece. */
const MAX_ANSWER_BYTES = 1_900_000;

const upstream = await startUpstream();
const server = await startKept({
  OPENAI_BASE_URL: upstream.url,
  ANONYMOUS_OWNER: "true",
  MAX_ANSWERS_AT_ONCE: "100",
});
const client = new KeptClient(server);

/** Asks, and has upstream answer with these chunks; gives the call, the reader, and the frames' contents. */
async function exchangeOf(question, ...chunks) {
  const asker = crypto.randomUUID();
  const key = `answer-${asker}`;
  const reader = client.ask({ message: "Hello", ...question, asker, key });
  const call = await upstream.nextCall();
  call.end(...chunks);
  const text = await reader.whole();
  return { id: key, asker, call, text, final: parseFrames(text).at(-1) };
}

/** Starts the process anew after it was killed, so that nothing is read from memory. */
async function startAnew() {
  await server.kill();
  await server.start();
}

/** Texts that may be damaged wherever they are cut, counted, joined, indexed, quoted or escaped. */
const TEXTS = {
  "an emoji of seven code points": "👩‍👩‍👧‍👦",
  "flags and skin tones": "🇩🇪🇯🇵👍🏿",
  "a NUL in the middle": "before\u0000after",
  "control characters": "\u0001\u0008\u000b\u001f\u007f\u0085\u009f",
  "quotes of SQL": `'; DROP TABLE exchanges; -- "' ''`,
  "quotes of JSON": '{"content":"\\"}\n',
  "what looks like a frame": 'id: x.1\ndata: {"content":"no"}\n\n',
  "line ends of every kind": "a\nb\r\nc\rd\u2028e\u2029f\u0085g",
  "a byte order mark": "\ufeffa\ufeff",
  "marks of direction": "\u202eabc\u202c \u200f",
  "combining marks": "e\u0301\u0323 Z̸̨̛̳",
  "characters that are none": "\ufffe\uffff\u{10ffff}",
  "numbers that are texts": "007",
  "a text of spaces": "   \t ",
};

test("what is said is kept as it is, in frames, in GET, in the export, and in what the model reads next", async () => {
  const conversation = "texts";
  const turns = [];
  for (const [what, said] of Object.entries(TEXTS)) {
    // A message is sent trimmed, and may not be blank.
    const message = `Q ${said} Q`;
    const each = await exchangeOf({ conversation, message }, ...answer(said, said));
    const ending = { finish_reason: "stop", turn_id: each.final.turn_id };
    const kept = { ...ending, history_turns: turns.length };
    assert.equal(each.text, keptFrames(each, [said, said], kept), what);
    assert.deepEqual(each.call.body.messages.slice(1), [
      ...turns,
      { role: "user", content: message },
    ]);
    turns.push({ role: "user", content: message }, { role: "assistant", content: said + said });
    each.again = () => client.read(each.id).whole();
    assert.equal(await each.again(), each.text, what);
  }
  await startAnew();
  const { turns: kept } = await client.conversation(conversation);
  assert.deepEqual(
    kept.map(({ role, content }) => ({ role, content })),
    turns,
  );
  const exported = (await client.send("GET", "/export")).text.split("\n").filter(Boolean);
  const whole = exported.map((line) => JSON.parse(line)).find(({ id }) => id === conversation);
  assert.deepEqual(whole.turns, kept);
});

test("halves of a surrogate pair that are sent apart become one character, in one frame", async () => {
  const half = (escaped) => `data: {"choices":[{"index":0,"delta":{"content":"${escaped}"}}]}\n\n`;
  const { text, final, id } = await exchangeOf(
    { conversation: "surrogates" },
    half("a\\ud83d"),
    half("\\ude00b"),
    half("\\ud83d"),
    finish("stop"),
    done,
  );
  const contents = parseFrames(text).map(({ content }) => content);
  assert.equal(contents.join("").slice(0, 4), "a😀b");
  assert.ok(
    contents.every((content) => content.isWellFormed() || content === "\ud83d"),
    text,
  );
  assert.equal(final.finish_reason, "stop");
  await startAnew();
  assert.equal(await client.read(id).whole(), text);
  const { turns } = await client.conversation("surrogates");
  // A half that stays alone is no text that a store or a JSON document can hold.
  assert.match(turns.at(-1).content, /^a😀b\ufffd?$/u);
});

test("an answer of a megabyte is kept, read from anywhere, and found", async () => {
  const piece = `${"word ".repeat(199)}needle`;
  const contents = Array.from({ length: 1_000 }, (_, index) => `${index} ${piece} `);
  const each = await exchangeOf({ conversation: "megabyte" }, ...answer(...contents));
  const kept = { finish_reason: "stop", turn_id: each.final.turn_id, history_turns: 0 };
  const whole = keptFrames(each, contents, kept);
  assert.equal(each.text, whole);
  await startAnew();
  assert.equal(await client.read(each.id).whole(), whole);
  assert.equal(await client.read(each.id, 997).whole(), keptFrames(each, contents, kept, 998));
  const { turns } = await client.conversation("megabyte");
  assert.equal(turns.at(-1).content, contents.join(""));
  const { conversations } = (await client.send("GET", "/conversations?q=needle")).json;
  assert.deepEqual(
    conversations.map(({ id }) => id),
    ["megabyte"],
  );
  // What does not fit between a question and its next is left out, and that is told.
  const next = await exchangeOf({ conversation: "megabyte" }, ...answer("Yes"));
  assert.equal(next.final.history_turns, 0);
  assert.equal(next.call.body.messages.length, 2);
});

for (const [what, pieces] of Object.entries({
  "in small pieces": Array.from({ length: 2_600 }, () => "x".repeat(1_000)),
  "in two pieces of which only one fits": ["x".repeat(1_000_000), "y".repeat(1_000_000)],
  "whose last piece would just not fit": [
    ...Array.from({ length: 18 }, () => "x".repeat(100_000)),
    "y".repeat(99_900),
    "z".repeat(200),
  ],
})) {
  test(`an answer that is longer than the store can take, ${what}, ends there and is kept`, async () => {
    const asker = crypto.randomUUID();
    const id = `answer-${asker}`;
    const conversation = `long-${asker}`;
    const reader = client.ask({ conversation, message: "Hello", asker, key: id });
    const call = await upstream.nextCall();
    call.open();
    for (const piece of pieces) await call.flood(delta(piece), 1);
    const text = await reader.whole();
    assert.equal(await within(call.closed, "the end of upstream's call"), "aborted");
    const frames = parseFrames(text);
    const final = frames.at(-1);
    const count = frames.length - 1;
    const kept = { finish_reason: "length", turn_id: final.turn_id, history_turns: 0 };
    const whole = keptFrames({ id, asker }, pieces.slice(0, count), kept);
    assert.ok(text === whole, "whole pieces, in order, and one ending");
    const bytes = (list) => list.reduce((sum, piece) => sum + piece.length + 5, 0);
    assert.ok(bytes(pieces.slice(0, count)) <= MAX_ANSWER_BYTES + 5 * count);
    assert.ok(bytes(pieces.slice(0, count + 1)) > MAX_ANSWER_BYTES - 5 * count, "all that fits");
    await startAnew();
    assert.ok((await client.read(id).whole()) === whole);
    const { turns } = await client.conversation(conversation);
    assert.equal(turns.at(-1).state, "complete");
    assert.equal(turns.at(-1).content.length, pieces.slice(0, count).join("").length);
    const next = await exchangeOf({ conversation }, ...answer("Yes"));
    assert.equal(next.final.finish_reason, "stop");
  });
}

test("an answer at the limit survives the death of its process, with the longest message", async () => {
  const asker = crypto.randomUUID();
  const id = `answer-${asker}`;
  const conversation = "limit";
  const message = "\u{10ffff}".repeat(8_000);
  const reader = client.ask({ conversation, message, asker, key: id });
  const call = await upstream.nextCall();
  const pieces = Array.from({ length: 18 }, () => "\u{10ffff}".repeat(26_000));
  call.open();
  for (const piece of pieces) await call.flood(delta(piece), 1);
  await reader.hasRead(pieces.length);
  await startAnew();
  await reader.ended;
  const text = await client.read(id).whole();
  assert.ok(text.startsWith(reader.text), "what was shown is kept");
  const { turn_id } = parseFrames(text).at(-1);
  const kept = { ...INTERRUPTED, turn_id, history_turns: 0 };
  assert.ok(text === keptFrames({ id, asker }, pieces, kept));
});

test("no search is an error, and each finds what has its words", async () => {
  const text =
    'The quick-brown fox\'s "den" OR NEAR(lair) café naïve C++ 100% a_b 東京都 \u0000tail';
  await exchangeOf({ conversation: "found", message: "Where?" }, ...answer(text));
  const found = async (q) => {
    keepSecret(q);
    const query = new URLSearchParams({ q, limit: "100" });
    const { status, json, text: body } = await client.send("GET", `/conversations?${query}`);
    assert.equal(status, 200, `${JSON.stringify(q)}: ${body}`);
    return json.conversations.map(({ id }) => id);
  };
  for (const q of [
    "quick",
    "QUICK",
    "qui",
    "brown",
    "quick-brown",
    "fox's",
    '"den"',
    "den OR",
    "NEAR(lair)",
    "near",
    "café",
    "cafe",
    "naive",
    "c++",
    "100%",
    "a_b",
    "東京都",
    "東京",
    "tail",
    "den AND lair",
    "fox*",
    "^the",
    "quick NOT",
    "text:quick",
    "(fox",
    "fox)",
    "{fox}",
    "fox; DROP TABLE search",
    "-- fox",
    "fox ''",
  ]) {
    const ids = await found(q);
    const isOperatorOnly = [
      "den AND lair",
      "quick NOT",
      "text:quick",
      "fox; DROP TABLE search",
    ].includes(q);
    if (!isOperatorOnly) assert.ok(ids.includes("found"), `${q} finds it`);
  }
  for (const q of [
    "",
    " ",
    '"',
    "'",
    "*",
    "(",
    ")",
    "^",
    "-",
    "+",
    ":",
    "{}",
    "AND",
    "OR",
    "NOT",
    "NEAR",
    "NEAR(",
    "NEAR/2",
    "\u0000",
    "a\u0000b",
    "\\",
    "%",
    "_",
    "😀",
    "\ufffd",
    "'; --",
    "x".repeat(200),
    "a ".repeat(100),
    "\ud83d".toWellFormed(),
  ]) {
    await found(q);
  }
  assert.deepEqual(await found("zebra"), []);
  assert.deepEqual(await found('" * ^ :'), []);
});

test("64 branches of one conversation each have their own past", async () => {
  const conversation = "branches";
  const root = await exchangeOf({ conversation, message: "Root" }, ...answer("Trunk"));
  const branches = await Promise.all(
    Array.from({ length: 64 }, async (_, index) => {
      const asker = crypto.randomUUID();
      const question = { conversation, message: `Branch ${index}`, after: root.final.turn_id };
      const reader = client.ask({ ...question, asker, key: asker });
      return { index, asker, reader };
    }),
  );
  for (const _ of branches) {
    const call = await upstream.nextCall();
    const said = call.body.messages.at(-1).content;
    assert.deepEqual(call.body.messages.slice(1, -1), [
      { role: "user", content: "Root" },
      { role: "assistant", content: "Trunk" },
    ]);
    call.end(...answer(`Answer to ${said}`));
  }
  const ends = await Promise.all(branches.map(({ reader }) => reader.whole()));
  await startAnew();
  const { turns } = await client.conversation(conversation);
  assert.equal(turns.length, 2 + 2 * branches.length);
  for (const { index } of branches) {
    const { turn_id } = parseFrames(ends[index]).at(-1);
    const leaf = await exchangeOf(
      { conversation, message: "Leaf", after: turn_id },
      ...answer("."),
    );
    assert.deepEqual(
      leaf.call.body.messages.slice(1).map(({ content }) => content),
      ["Root", "Trunk", `Branch ${index}`, `Answer to Branch ${index}`, "Leaf"],
    );
    assert.equal(leaf.final.history_turns, 4);
  }
});

test("a title may be anything of 1 to 200 characters, and is shown as it was given", async () => {
  await exchangeOf({ conversation: "titled" }, ...answer("Hi"));
  const json = { "content-type": "application/json" };
  const rename = (title) =>
    client.send("PATCH", "/conversations/titled", {
      body: JSON.stringify({ title }),
      headers: json,
    });
  for (const title of [
    "x",
    "x".repeat(200),
    "👩‍👩‍👧‍👦".repeat(28),
    "\u{10ffff}".repeat(200),
    "a\u0000b",
    "' \" \\ <script> --",
    "two\nlines",
    "\u202eright to left",
    "é",
    "NULL",
    "0",
    ...Object.values(TEXTS).filter((text) => text.trim()),
  ]) {
    const { status, text } = await rename(title);
    assert.equal(status, 200, `${JSON.stringify(title)}: ${text}`);
    const shown = (await client.conversation("titled")).title;
    assert.equal(shown, JSON.parse(text).title);
    assert.equal(shown.trim(), title.trim(), "the title as it was given");
    const { conversations } = (await client.send("GET", "/conversations?limit=1")).json;
    assert.equal(conversations[0].title, shown);
    const markdown = await client.send("GET", "/conversations/titled", {
      headers: { accept: "text/markdown" },
    });
    assert.equal(markdown.status, 200);
  }
  for (const title of ["", " ", "x".repeat(201), null, 5, ["a"], undefined]) {
    assert.equal((await rename(title)).status, 400, JSON.stringify(title));
  }
  await startAnew();
  assert.notEqual((await client.conversation("titled")).title, "");
});

test("an answer that counts its tokens, refuses, or fails is told a year later as it was told then", async () => {
  for (const [chunks, told] of [
    [
      [delta("a"), finish("length"), usage(3, 4), done],
      { finish_reason: "length", usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 } },
    ],
    [[delta("a"), finish("zeitgeist"), done], { finish_reason: "other" }],
    [[delta("a"), event({ error: { code: "insufficient_quota" } })], { code: "upstream_quota" }],
    [[delta("a")], { code: "upstream_truncated" }],
  ]) {
    const { text, final, id } = await exchangeOf({ conversation: `told-${id0()}` }, ...chunks);
    assert.partialDeepStrictEqual(final, told);
    await startAnew();
    assert.equal(await client.read(id).whole(), text);
  }
});

const id0 = () => crypto.randomUUID();
