/** What a stream has to be, rule by rule. */
import { isDeepStrictEqual } from "node:util";
import { errorBody, errorEnding } from "../../support/errors.mjs";
import { frames } from "../../support/frames.mjs";
import { ENDING } from "./acts.mjs";

/** @typedef {import('./stream.mjs').Stream} Stream */

/**
 * Longest time until upstream is let go of after the client has left: two heartbeats, and as much as a busy machine
 * needs. It is less than the silence after which upstream is let go of anyway.
 */
const LETTING_GO_MS = 6000;

/**
 * The rules that a stream has broken, in words.
 *
 * @param {Stream} stream A stream that is over.
 * @param {any[]} records The log records of its request.
 * @returns {string[]}
 */
export function brokenRules(stream, records) {
  return [...brokenByAnswer(stream), ...brokenByLog(stream, records), ...brokenByCalls(stream)];
}

function brokenByAnswer(stream) {
  const { kind } = stream;
  if (kind.leaves) {
    return [...brokenNumbers(sent(stream)), ...brokenText(stream)];
  }
  if (kind.status === undefined) {
    return stream.refusal === undefined
      ? brokenStream(stream)
      : [`no stream, but status ${stream.refusal.status}: ${stream.refusal.text}`];
  }
  const expected = { status: kind.status, text: errorBody(kind.code, stream.id) };
  return isDeepStrictEqual(stream.refusal, expected)
    ? []
    : [`expected ${show(expected)}, got ${show(stream.refusal)}`];
}

/** A stream that its client has read to the end. */
function brokenStream(stream) {
  const all = sent(stream);
  const finals = all.filter((frame) => frame.is_final).length;
  const broken = [];
  if (finals !== 1) {
    broken.push(`${finals} final frames`);
  }
  if (!all.at(-1)?.is_final || stream.blocks.at(-1).frame === undefined) {
    broken.push("the final frame is not the last");
  }
  broken.push(...brokenNumbers(all), ...brokenText(stream));
  const contents = expectedContents(stream);
  const ending = stream.kind.code === undefined ? ENDING : errorEnding(stream.kind.code);
  const text = stream.blocks.map((block) => (block.frame === undefined ? "" : block.raw)).join("");
  if (broken.length === 0 && text !== frames(stream.id, contents, ending)) {
    broken.push(`the bytes differ from the contract's; the last frame: ${show(all.at(-1))}`);
  }
  return broken;
}

function brokenNumbers(all) {
  const gap = all.findIndex((frame, index) => frame.sequence !== index);
  return gap === -1 ? [] : [`frame ${gap} has sequence ${all[gap].sequence}`];
}

function brokenText(stream) {
  const got = sent(stream).map((frame) => frame.content);
  const expected = expectedContents(stream);
  // Who leaves has read the beginning; who stays has read all, with the final frame behind it.
  const whole = stream.kind.leaves
    ? got.map((_, index) => stream.contents[index % stream.contents.length])
    : [...expected, ""];
  if (got.join("") === whole.join("")) {
    return [];
  }
  const at = whole.findIndex((content, index) => content !== got[index]);
  return [`text differs at frame ${at}: sent ${show(whole[at])}, read ${show(got[at])}`];
}

function brokenByLog({ kind, frameCount }, records) {
  const completions = records.filter((record) => record.event === "response_complete");
  if (completions.length !== 1) {
    return [`${completions.length} response_complete lines`];
  }
  const [{ end_reason, chunk_count }] = completions;
  const broken = [];
  if (end_reason !== kind.endReason) {
    broken.push(`end_reason ${end_reason} instead of ${kind.endReason}`);
  }
  if (!kind.leaves && chunk_count !== Math.max(frameCount - 1, 0)) {
    broken.push(`chunk_count ${chunk_count}, but ${frameCount} frames were read`);
  }
  return broken;
}

function brokenByCalls({ kind, calls, closedCalls, lettingGoMs }) {
  const broken = [];
  if (calls.length !== (kind.calls ?? 1)) {
    broken.push(`${calls.length} calls of upstream instead of ${kind.calls ?? 1}`);
  }
  if (closedCalls < calls.length) {
    broken.push("upstream's connection is still in use");
  } else if (kind.leaves && lettingGoMs > LETTING_GO_MS) {
    broken.push(`upstream's connection outlived the client by ${Math.round(lettingGoMs)} ms`);
  }
  return broken;
}

function expectedContents({ kind, contents, turn }) {
  return kind.isCut ? contents.slice(0, turn) : contents;
}

function sent(stream) {
  return stream.blocks.flatMap((block) => block.frame ?? []);
}

function show(value) {
  return JSON.stringify(value) ?? "nothing";
}
