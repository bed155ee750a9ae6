/** A conversation as a tree: the path that is shown, and the versions beside it. */
import assert from "node:assert/strict";
import test from "node:test";
import { idAfter } from "../../public/chat/exchange.js";
import {
  endOf,
  exchangesOf,
  pathTo,
  titleOf,
  turnBehind,
  turnsOf,
  versionsOf,
} from "../../public/chat/turns.js";

/** Turns as the API gives them: each exchange is its name, that of its parent, the question, and the answer. */
function turns(...exchanges) {
  return exchanges.flatMap(([name, parent, question, answer = "a", state = "complete"]) => [
    { id: `${name}?`, parent_id: parent && `${parent}!`, role: "user", content: question },
    {
      id: `${name}!`,
      parent_id: `${name}?`,
      role: "assistant",
      content: answer,
      answer_id: name,
      state,
      finish_reason: null,
      usage: null,
    },
  ]);
}

const names = (exchanges) => exchanges.map(({ answerId }) => answerId).join(" ");

test("the path leads from the beginning to the tip, past other branches", () => {
  const all = exchangesOf(
    turns(["a", null, "1"], ["b", "a", "2"], ["c", "a", "3"], ["d", "c", "4"]),
  );
  assert.equal(names(pathTo(all[3])), "a c d");
  assert.equal(names(pathTo(all[1])), "a b");
  assert.equal(names(pathTo(undefined)), "");
});

test("exchanges lead to turns that lead to the same exchanges", () => {
  const all = exchangesOf(turns(["a", null, "1"], ["b", "a", "2"], ["c", "a", "3", "", "stopped"]));
  assert.deepEqual(exchangesOf(turnsOf(all)), all);
});

test("a question may follow a question's turn, as the API allows", () => {
  const all = turns(["a", null, "1"], ["b", "a", "2"]);
  all[2].parent_id = "a?";
  assert.equal(names(pathTo(exchangesOf(all)[1])), "a b");
});

test("a branch ends with its newest exchange, however the branches are interleaved", () => {
  const all = exchangesOf(
    turns(["a", null, "1"], ["b", "a", "2"], ["c", "a", "3"], ["d", "b", "4"], ["e", "c", "5"]),
  );
  assert.equal(endOf(all[1], all).answerId, "d");
  assert.equal(endOf(all[0], all).answerId, "e");
});

test("other questions are versions of a question, and the same question again has another answer", () => {
  const all = exchangesOf(
    turns(
      ["a", null, "cats"],
      ["b", null, "dogs"],
      ["c", null, "dogs"],
      ["d", null, "cats"],
      ["e", "b", "dogs"],
    ),
  );
  assert.equal(names(versionsOf(all[1], all).questions), "d b");
  assert.equal(names(versionsOf(all[1], all).answers), "b c");
  assert.equal(names(versionsOf(all[3], all).answers), "a d");
  assert.equal(names(versionsOf(all[4], all).questions), "e");
});

test("an answer that ended without a word is a version only while it is shown", () => {
  const all = exchangesOf(
    turns(["a", null, "q", "", "stopped"], ["b", null, "q"], ["c", null, "q", "", "streaming"]),
  );
  assert.equal(names(versionsOf(all[1], all).answers), "b c");
  assert.equal(names(versionsOf(all[0], all).answers), "a b c");
});

test("a question follows the last turn that is kept", () => {
  const [kept] = exchangesOf(turns(["a", null, "1"]));
  const failed = { parent: kept };
  assert.equal(turnBehind({ parent: failed }), "a!");
  assert.equal(turnBehind(undefined), null);
});

test("the title is the beginning of the message, cut at a word", () => {
  for (const [message, title] of [
    ["  Hello\n\tthere ", "Hello there"],
    ["", "Untitled"],
    [`${"word ".repeat(16)}word`, "word ".repeat(16).trim()],
    ["x".repeat(81), "x".repeat(80)],
    ["😀".repeat(81), "😀".repeat(80)],
  ]) {
    assert.equal(titleOf(message), title);
  }
});

test("the id of the next answer follows from that of the last, and is another UUID", () => {
  for (const [id, next] of [
    ["2f0c1b1e-9f10-4c37-8d2e-0000000000ff", "2f0c1b1e-9f10-4c37-8d2e-000000000100"],
    ["2f0c1b1e-9f10-4c37-8d2e-ffffffffffff", "2f0c1b1e-9f10-4c37-8d2e-000000000000"],
  ]) {
    assert.equal(idAfter(id), next);
  }
  for (const foreign of ["mine", "0123456789ab", "👋".repeat(12) + "0123456789ab".repeat(2)]) {
    assert.match(idAfter(foreign), /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
  }
});
