/** A response's body by itself: when it has room, and when its last frame has been taken. */
import assert from "node:assert/strict";
import test from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { connect } from "../../src/shell/runtime/instance.js";
import { Outlet } from "../../src/shell/runtime/streams.js";

/** The tasks that were told of room. @type {number[]} */
const told = [];
const callbacks = { onRequest() {}, onRead() {}, onRoom: (task) => told.push(task) };
connect(...Object.values(callbacks));

const bytes = (text) => new TextEncoder().encode(text);
const LARGE = `data: ${"x".repeat(5_000)}\n\n`;
const LAST = "data: last\n\n";

for (const [what, pieces] of [
  ["small frames are one piece", [LAST + LAST]],
  ["the last frame is a piece of its own behind large ones", [LARGE, LAST]],
]) {
  test(`the task is told once the last frame was taken, and not while anything waits: ${what}`, async () => {
    told.length = 0;
    const outlet = new Outlet(1);
    const reader = outlet.body.getReader();
    outlet.writeLast(bytes(pieces.join("")));
    for (const piece of pieces) {
      await turn();
      assert.deepEqual(told, []);
      assert.equal(Buffer.from((await reader.read()).value).toString(), piece);
    }
    await turn();
    assert.deepEqual(told, [1]);
    assert.equal((await reader.read()).done, true);
  });
}

test("there is room unless a write waits, and again once it was taken", async () => {
  told.length = 0;
  const outlet = new Outlet(1);
  const reader = outlet.body.getReader();
  const read = reader.read();
  await turn();
  assert.equal(outlet.write(bytes(LAST)), true);
  await read;
  assert.equal(outlet.write(bytes(LAST)), false);
  await turn();
  assert.deepEqual(told, []);
  await reader.read();
  await turn();
  assert.deepEqual(told, [1]);
});
