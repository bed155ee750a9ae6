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

/** What `pieces` more pieces of work cost, each. */
async function costOfEach(work, few, many) {
  const totals = [];
  for (const pieces of [few, many]) {
    const before = await counts();
    await work(pieces);
    const after = await counts();
    totals.push(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]));
  }
  const base = Object.fromEntries(totals[0]);
  const each = totals[1].map(([name, count]) => [name, (count - (base[name] ?? 0)) / (many - few)]);
  return Object.fromEntries(each.filter(([, count]) => count !== 0).sort());
}

test("a token costs these crossings between WebAssembly and JavaScript, and no other", async () => {
  await stream(1);
  assert.deepEqual(await costOfEach(stream, 10, 30), {
    // Upstream's bytes come in.
    "out read": 1,
    "in closures_____invoke": 1,
    "out take": 1,
    // When they came.
    "out now": 1,
    // A frame goes out; that the client took it calls nobody.
    "out write": 1,
  });
});

test("a request with an answer of one token costs at most 72 crossings", async () => {
  const ask = async (times) => {
    for (let time = 0; time < times; time += 1) {
      upstream.script(answerWell);
      await (await app.chat({ message: "Hi" })).text();
    }
    await app.logsArrived();
  };
  await ask(2);
  const crossings = await costOfEach(ask, 5, 15);
  const all = Object.values(crossings).reduce((sum, count) => sum + count, 0);
  assert.ok(all <= 72, `they are ${all}: ${JSON.stringify(crossings, null, 1)}`);
});

test("what wrangler would upload, gzipped as it counts, is at most 150 KB", async () => {
  const output = await wranglerOutput(["deploy", "--dry-run"]);
  const [line, kib] = output.match(/^Total Upload: .* \/ gzip: ([\d.]+) KiB$/m) ?? [output];
  assert.ok(Number(kib) * 1024 <= 150_000, line);
});
