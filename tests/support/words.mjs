/** What scripts say to people: lines that fit a terminal. */
import assert from "node:assert/strict";

/** The width of a terminal that nobody has resized. */
const COLUMNS = 80;

/** Undoes the wrapping of lines, so that a test can look for whole sentences. */
export function unwrapped(text) {
  return text.replace(/(?<=[^\n])\n(?=[^\s])/g, " ");
}

/** @param {string[]} lines */
export function assertFits(lines) {
  assert.deepEqual(
    lines.filter((line) => line.length > COLUMNS),
    [],
    `these lines are wider than ${COLUMNS} columns`,
  );
}
