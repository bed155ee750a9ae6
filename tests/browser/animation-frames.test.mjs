/** In which animation frames something is drawn. Nothing here needs a browser: the test makes the frames. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { setImmediate as settled } from "node:timers/promises";
import { ownFrame } from "../../public/chat/animation-frames.js";

let callbacks = [];
globalThis.requestAnimationFrame = (callback) => callbacks.push(callback);

let now = 0;
let drawn = [];

/** Makes a frame, some milliseconds after the one before it. Tells what is drawn in it. */
async function frame(ms) {
  now += ms;
  const due = callbacks;
  callbacks = [];
  drawn = [];
  for (const callback of due) callback(now);
  await settled();
  return drawn.join();
}

async function draw(...names) {
  for (const name of names) ownFrame().then(() => drawn.push(name));
  await settled();
}

// Whatever an earlier test has not drawn is drawn, and all rests are over.
beforeEach(async () => {
  for (let count = 0; count < 6; count += 1) await frame(1000);
});

test("on a quick device, something is drawn in each frame", async () => {
  await draw("a", "b", "c");
  assert.deepEqual([await frame(16), await frame(16), await frame(25)], ["a", "b", "c"]);
});

test("after a slow frame, nothing is drawn for as long as it took", async () => {
  await draw("a", "b", "c");
  const frames = [await frame(16), await frame(60), await frame(16), await frame(43)];
  assert.deepEqual(frames, ["a", "", "", ""]);
  assert.equal(await frame(1), "b");
});

test("after a long time out of sight, the page goes on drawing soon", async () => {
  await draw("a", "b");
  const frames = [await frame(16), await frame(3_600_000), await frame(249), await frame(1)];
  assert.deepEqual(frames, ["a", "", "", "b"]);
});
