/** What the page sends of a conversation, within the API's limits. */
import assert from "node:assert/strict";
import test from "node:test";
import { characters, LIMITS, requestFor } from "../../public/chat/history.js";

const exchange = (question, answer) => ({ question, answer, state: "done" });
const many = (count, question = "q", answer = "a") =>
  Array.from({ length: count }, () => exchange(question, answer));
const send = (...args) => {
  const { body, since } = requestFor(...args);
  return { since, body, ...JSON.parse(body) };
};

test("the first message has no history", () => {
  assert.deepEqual(requestFor([], "Hello"), {
    body: '{"message":"Hello","include_reasoning":true}',
    since: 0,
  });
});

test("settings are sent if they are set", () => {
  const { body } = requestFor([], "Hello", { model: "m", maxTokens: 5 });
  assert.equal(body, '{"message":"Hello","model":"m","max_tokens":5,"include_reasoning":true}');
});

test("earlier turns are sent oldest first", () => {
  const { body, since } = requestFor([exchange("a", "b"), exchange("c", "d")], "e");
  assert.equal(since, 0);
  assert.equal(
    body,
    '{"message":"e","include_reasoning":true,"history":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},' +
      '{"role":"user","content":"c"},{"role":"assistant","content":"d"}]}',
  );
});

test("a question without an answer is left out of the history", () => {
  const { history, since } = send(
    [exchange("a", ""), exchange("b", " \n"), exchange("c", "d")],
    "e",
  );
  assert.deepEqual(
    history.map((turn) => turn.content),
    ["c", "d"],
  );
  assert.equal(since, 0, "no answered question is left out");
});

test("the part of a failed answer that arrived is in the history", () => {
  const { history } = send([{ question: "a", answer: "b", state: "failed" }], "c");
  assert.equal(history.length, 2);
});

test("characters are Unicode scalar values, not UTF-16 units", () => {
  assert.equal(characters("a😀e\u0301"), 4);
  assert.equal(send(many(1, "😀".repeat(8000), "😀".repeat(3000)), "a").since, 0);
});

test("history is trimmed to whole exchanges at each limit", async (t) => {
  for (const [limit, earlier, message, since] of [
    ["64 turns", many(32), "m", 0],
    ["more than 64 turns", many(35), "m", 3],
    ["32 000 characters", many(4, "q".repeat(4000), "a".repeat(4000)), "m", 0],
    ["more than 32 000 characters", many(4, "q".repeat(4000), "a".repeat(4001)), "m", 1],
    ["64 KiB", many(4, "字".repeat(4000), "字".repeat(1200)), "m", 0],
    ["more than 64 KiB", many(4, "字".repeat(4000), "字".repeat(2000)), "m", 1],
    [
      "64 KiB with a long message",
      many(4, "字".repeat(4000), "字".repeat(1200)),
      "字".repeat(5000),
      1,
    ],
    [
      "an answer that is too long by itself",
      [...many(2), ...many(1, "q", "a".repeat(40_000))],
      "m",
      3,
    ],
  ]) {
    await t.test(limit, () => {
      const sent = send(earlier, message);
      assert.equal(sent.since, since);
      const history = sent.history ?? [];
      assert.equal(history.length, 2 * (earlier.length - since));
      assert.ok(history.length <= LIMITS.historyTurns);
      const told = history.map((turn) => characters(turn.content));
      assert.ok(told.reduce((sum, each) => sum + each, 0) <= LIMITS.historyCharacters);
      assert.ok(Buffer.byteLength(sent.body) <= LIMITS.bodyBytes);
    });
  }
});
