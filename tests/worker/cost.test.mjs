import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { wranglerOutput } from "../../scripts/lib/wrangler.mjs";
import { COUNTING, COUNTS_PATH } from "../support/crossings.mjs";
import { readFrames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { front: COUNTING });

beforeEach(() => upstream.reset());

/** How often what was called so far. @returns {Promise<Record<string, number>>} */
async function counts() {
  return (await fetch(app.url + COUNTS_PATH)).json();
}

/** An answer of so many tokens, each of which comes alone: the next one is sent when this one was read. */
async function stream(tokens) {
  const read = Array.from({ length: tokens }, () => Promise.withResolvers());
  upstream.script(async (call) => {
    for (const each of read) {
      call.write(delta("token"));
      await each.promise;
    }
    call.end(finish("stop"), done);
  });
  const frames = readFrames(await app.chat({ message: "Hi" }));
  for (const each of read) {
    await frames.next();
    each.resolve();
  }
  for await (const _ of frames);
  await app.logsArrived();
}

/** Shows how many crossings one more piece of work costs at most. */
async function assertCostOfEach(most, work, few, many) {
  const totals = [];
  for (const pieces of [few, many]) {
    const before = await counts();
    await work(pieces);
    const after = Object.entries(await counts());
    totals.push(
      Object.fromEntries(after.map(([name, count]) => [name, count - (before[name] ?? 0)])),
    );
  }
  const [base, more] = totals;
  const each = Object.entries(more).map(([name, count]) => [
    name,
    (count - (base[name] ?? 0)) / (many - few),
  ]);
  const sum = each.reduce((total, [, count]) => total + count, 0);
  const names = each.filter(([, count]) => count !== 0).sort();
  assert.ok(sum <= most, `${sum}: ${JSON.stringify(Object.fromEntries(names), null, 1)}`);
}

test("a token costs at most 5 crossings between WebAssembly and JavaScript", async () => {
  await stream(1);
  // A read is begun, it brings something, that is taken, the time is asked for, and a frame is written.
  await assertCostOfEach(5, stream, 10, 30);
});

test("a request with an answer of one token costs at most 68 crossings", async () => {
  const ask = async (times) => {
    for (let time = 0; time < times; time += 1) {
      upstream.script(answerWell);
      await (await app.chat({ message: "Hi" })).text();
    }
    await app.logsArrived();
  };
  await ask(2);
  await assertCostOfEach(68, ask, 5, 15);
});

test("what wrangler would upload, gzipped as it counts, is at most 225 KB", async () => {
  const output = await wranglerOutput(["deploy", "--dry-run"]);
  const [line, kib] = output.match(/^Total Upload: .* \/ gzip: ([\d.]+) KiB$/m) ?? [output];
  assert.ok(Number(kib) * 1024 <= 225_000, line);
});
