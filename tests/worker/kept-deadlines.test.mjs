/** How long kept answers and their readers may take, in a time that belongs to the test. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import test, { beforeEach } from "node:test";
import { CLOCK, pass } from "../support/clock.mjs";
import { errorBody, errorEnding } from "../support/errors.mjs";
import { startWorker } from "../support/harness.mjs";
import { endingOf, keptFrames, Person } from "../support/person.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const TIMEOUT = 40;
const LONGEST = 100;
/** How long a reader may take for the last frames once its answer has taken as long as it may. */
const CLOSING = 2;
/** How long upstream may take to end its body once it has said everything. */
const DRAIN = 10;

const upstream = await startUpstream();
const bindings = {
  OPENAI_BASE_URL: upstream.url,
  ANONYMOUS_OWNER: "true",
  TIMEOUT_SECONDS: `${TIMEOUT}`,
  MAX_STREAM_SECONDS: `${LONGEST}`,
  MAX_RETRIES: "0",
};
const app = await startWorker(bindings, { front: CLOCK, owners: true });
const me = new Person(app);

beforeEach(() => upstream.reset());

const fresh = () => crypto.randomUUID();

async function ask(person) {
  const [key, id] = [fresh(), fresh()];
  const body = { message: "Hello over there", conversation_id: fresh() };
  const asked = person.ask(body, { "idempotency-key": key }, { id });
  return { key, asker: id, body, asked, call: await upstream.nextCall() };
}

test("an answer's last line does not wait for the end of upstream's body, which is read or cut off later", async () => {
  const { key, asker, asked, call } = await ask(me);
  call.write(delta("a"), finish("stop"), done);
  const text = await (await asked).text();
  assert.equal(text, keptFrames(key, asker, ["a"], endingOf(text)));
  const { record } = await app.log("answer_complete", asker);
  assert.partialDeepStrictEqual(record, { status: "success", end_reason: "done", duration_ms: 0 });
  await pass(app, DRAIN);
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
});

test("upstream's headers may take TIMEOUT_SECONDS, also when that is more than an answer may take in all", async () => {
  const patient = await startWorker(
    { ...bindings, TIMEOUT_SECONDS: `${LONGEST}`, MAX_STREAM_SECONDS: `${TIMEOUT}` },
    { front: CLOCK, owners: true },
  );
  const person = new Person(patient);
  const late = await ask(person);
  const other = person.answer(late.key);
  await pass(patient, LONGEST - 1, { waiting: 3 });
  late.call.end(...answer("At last"));
  for (const reply of [await late.asked, await other]) {
    assert.equal(reply.status, 200);
    const text = await reply.text();
    assert.equal(text, keptFrames(late.key, late.asker, ["At last"], endingOf(text)));
  }
  const tooLate = await ask(person);
  await pass(patient, LONGEST, { waiting: 2 });
  const refused = await tooLate.asked;
  assert.equal(await refused.text(), errorBody("upstream_timeout", refused.id));
  assert.equal(refused.status, 504);
});

/** One who has the headers of an answer, and reads nothing until it is told to. */
async function stall(path, headers = {}) {
  const id = fresh();
  const sent = { "accept-encoding": "identity", "x-correlation-id": id, ...headers };
  const reading = request(`${app.url}${path}`, { headers: sent }).end();
  const [response] = await within(once(reading, "response"), "the headers");
  response.on("error", () => {}).pause();
  const read = () => within(Array.fromAsync(response), "the end");
  return { id, read };
}

/** Asserts that somebody who did not read was broken off, and that the log says so. */
async function assertBrokenOff({ id, read }) {
  const { record } = await app.log("response_complete", id);
  assert.partialDeepStrictEqual(record, { status: "error", end_reason: "stream_too_long" });
  const { record: failure } = await app.log("stream_error", id);
  assert.partialDeepStrictEqual(failure, {
    code: "stream_too_long",
    cause: "the client did not read the whole answer within MAX_STREAM_SECONDS",
    recovery_action: "connection_broken_off",
  });
  await assert.rejects(read(), { code: "ECONNRESET" });
}

/** An answer that takes longer than it may, and two who do not read it. As frames, it is more than a connection holds. */
async function tooLong() {
  const { key, asker, asked, call } = await ask(me);
  call.write(delta("first"));
  (await asked).leave();
  const readers = [await stall(`/answers/${key}`), await stall(`/answers/${key}`)];
  await within(call.flood(delta("x"), 60_000), "upstream to be read");
  for (let seconds = 0; seconds < LONGEST; seconds += TIMEOUT / 2) {
    await pass(app, TIMEOUT / 2);
    call.write(delta(`${seconds}`));
  }
  const { record } = await app.log("answer_complete", asker);
  assert.equal(record.end_reason, "stream_too_long");
  return { key, readers };
}

test("a reader that is behind when its answer has taken too long may still read the final frame, for 2 s", async () => {
  const { key, readers } = await tooLong();
  const [slow, stalled] = readers;
  const text = Buffer.concat(await slow.read()).toString();
  assert.partialDeepStrictEqual(endingOf(text), errorEnding("stream_too_long"));
  const whole = await (await me.answer(key)).text();
  assert.equal(text === whole, true, "it has missed nothing");
  await pass(app, CLOSING);
  await assertBrokenOff(stalled);
});

test("a conversation and an export that are not read in time are broken off: none looks whole", async () => {
  const { body, asked, call } = await ask(me);
  // More than a connection holds.
  const contents = Array.from({ length: 3 }, () => "y".repeat(500_000));
  call.end(...answer(...contents));
  await (await asked).text();
  for (let turn = 0; turn < 15; turn++) {
    const again = me.ask({ ...body, after: null });
    (await upstream.nextCall()).end(...answer(...contents));
    await (await again).text();
  }
  const path = `/conversations/${body.conversation_id}`;
  const stalled = [
    await stall(path, { accept: "text/markdown" }),
    await stall(path),
    await stall("/export"),
  ];
  await pass(app, LONGEST, { waiting: 3 });
  for (const each of stalled) await assertBrokenOff(each);
});
