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
const FRAME = "data: frame\n\n";
const LAST = "data: last\n\n";

test("the task is told once the last frame was taken, and not while anything waits", async () => {
  const outlet = new Outlet(1);
  const reader = outlet.body.getReader();
  const read = async () => Buffer.from((await reader.read()).value).toString();
  outlet.writeLast(bytes(FRAME + LAST));
  await turn();
  assert.deepEqual(told, []);
  assert.equal(await read(), FRAME);
  await turn();
  assert.deepEqual(told, [], "the last frame still waits");
  assert.equal(await read(), LAST);
  await turn();
  assert.deepEqual(told, [1]);
});
