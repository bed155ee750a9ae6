/** Readers of a kept answer: each reads the same bytes, from where it wants, at its own speed, whoever else does. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import test, { after, beforeEach } from "node:test";
import { startKept } from "../support/kept.mjs";
import { endingOf, keptFrame, keptFrames, Person } from "../support/person.mjs";
import { delta, done, finish, startUpstream, usage } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const COUNT = 300;
/** Upstream sends as many frames at a time. */
const BATCH = 10;

const upstream = await startUpstream();
const server = await startKept({ OPENAI_BASE_URL: upstream.url, ANONYMOUS_OWNER: "true" });
const me = new Person(server);
/** The correlation ids of requests whose process was killed before they had their last line. */
const lost = [];

beforeEach(() => upstream.reset());
after(() => me.assertLogged(lost));

const fresh = () => crypto.randomUUID();

/** Texts that are easily broken, and all different. */
const TEXTS = [
  "plain ",
  "\u{1f468}‍\u{1f469} ",
  '"\\ \n',
  "data: x\n\n",
  "é\u0000",
  "id: 7\r\n",
  "。\u2028",
];
const CONTENTS = Array.from({ length: COUNT }, (_, n) => `${TEXTS[n % TEXTS.length]}${n}`);

/** Asks; the test writes the answer. */
async function begin(content, fields) {
  const key = fresh();
  const conversation_id = fresh();
  const asked = me.ask(
    { message: "Hello over there", conversation_id, ...fields },
    { "idempotency-key": key },
  );
  const call = await upstream.nextCall();
  call.write(delta(content));
  const reply = await asked;
  assert.equal(await reply.next(), keptFrame(key, reply.id, 0, content));
  return { key, call, reply, conversation_id, asker: reply.id };
}

/** A reader that has the frames up to a sequence; it says so in one of the three ways. */
function resume({ key, conversation_id }, sequence) {
  const last = { "last-event-id": `${key}.${sequence}` };
  switch (sequence % 3) {
    case 0:
      return me.answer(key, sequence);
    case 1:
      return me.answer(key, undefined, { headers: last });
    default:
      return me.ask({ message: "Hello over there", conversation_id }, last);
  }
}

test("readers that leave and come back at every sequence of a running answer, and of a complete one, read the same bytes", async () => {
  const begun = await begin(CONTENTS[0]);
  const { key, call, asker, reply } = begun;
  await reply.leave();
  let text = keptFrame(key, asker, 0, CONTENTS[0]);
  for (let first = 1; first < COUNT; first += BATCH) {
    const batch = CONTENTS.slice(first, first + BATCH);
    call.write(...batch.map(delta));
    for (let sequence = first; sequence < first + batch.length; sequence++) {
      const reader = await resume(begun, sequence - 1);
      text += await reader.next();
      reader.leave();
    }
  }
  const last = await resume(begun, COUNT - 1);
  call.end(finish("stop"), usage(5, COUNT), done);
  const end = await last.text();
  const ending = endingOf(end);
  assert.partialDeepStrictEqual(ending, { finish_reason: "stop", history_turns: 0 });
  assert.equal(text + end, keptFrames(key, asker, CONTENTS, ending));
  for (let sequence = 0; sequence < COUNT; sequence++) {
    const reader = await resume(begun, sequence);
    assert.equal(await reader.text(), keptFrames(key, asker, CONTENTS, ending, sequence + 1));
  }
  assert.equal(upstream.calls.length, 1);
});

test("three readers at different speeds and positions read the same bytes at once", async () => {
  const begun = await begin("zero");
  const { key, call, asker, reply } = begun;
  const contents = ["zero", "one", "two", "three", "four", "five"];
  const all = keptFrames(key, asker, contents, {}, 0).split(/(?<=\n\n)/);
  call.write(delta("one"), delta("two"));
  const behind = await me.answer(key, 1);
  const fromStart = await me.answer(key);
  assert.deepEqual([await behind.next(), await reply.next()], [all[2], all[1]]);
  call.write(delta("three"));
  assert.equal(await behind.next(), all[3]);
  call.write(delta("four"));
  assert.deepEqual([await reply.next(), await fromStart.next()], [all[2], all[0]]);
  assert.equal(await behind.next(), all[4]);
  call.end(delta("five"), finish("length"), done);
  const rests = [await fromStart.text(), await behind.text(), await reply.text()];
  const ending = endingOf(rests[0]);
  const expected = [1, 5, 3].map((first) => keptFrames(key, asker, contents, ending, first));
  assert.deepEqual(rests, expected);
});

/** A reader that has its headers and reads nothing until it is told to. */
async function stall(key) {
  const id = fresh();
  me.ids.push(id);
  const headers = { "accept-encoding": "identity", "x-correlation-id": id };
  const asked = request(`${server.url}/answers/${key}`, { headers });
  asked.end();
  const [response] = await within(once(asked, "response"), "the headers");
  response.pause();
  const read = async () => {
    const chunks = await within(Array.fromAsync(response), "the rest of the answer");
    return Buffer.concat(chunks).toString();
  };
  return { id, read };
}

test("a reader that does not read holds back neither upstream nor the others, and gets everything in the end", async () => {
  // As frames, these are more than the system holds for a connection.
  const contents = ["first", ...Array(60_000).fill("x")];
  const { key, call, asker, reply } = await begin(contents[0]);
  const stalled = [await stall(key), await stall(key)];
  await within(call.flood(delta("x"), contents.length - 1), "upstream to be read");
  call.end(finish("stop"), done);
  assert.equal(await within(call.closed, "the end of upstream"), "finished");
  const rest = await reply.text();
  const whole = keptFrames(key, asker, contents, endingOf(rest));
  assert.equal(keptFrame(key, asker, 0, "first") + rest === whole, true, "the asker's bytes");
  assert.equal((await (await me.answer(key)).text()) === whole, true, "a later reader's bytes");
  for (const { id, read } of stalled) {
    const events = server.logsOf(id).map(({ record }) => record.event);
    assert.deepEqual(events, ["request_received"], "it is still there");
    assert.equal((await read()) === whole, true, "the stalled reader's bytes");
  }
});

test("an answer whose readers have all left goes on to its end, and its readers' last lines say that they left", async () => {
  const begun = await begin("Alone");
  const { key, call, asker, reply } = begun;
  const other = await me.answer(key);
  await other.next();
  reply.leave();
  other.leave();
  call.write(delta(" at"));
  for (const id of [asker, other.id]) {
    const { record } = await server.log("response_complete", id);
    assert.partialDeepStrictEqual(record, {
      status: "cancelled",
      end_reason: "client_gone",
      http_status: 200,
    });
  }
  call.end(delta(" last"), finish("stop"), usage(3, 4), done);
  const { record } = await server.log("answer_complete", asker);
  assert.partialDeepStrictEqual(record, {
    answer_id: key,
    status: "success",
    end_reason: "done",
    chunk_count: 3,
    finish_reason: "stop",
    usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 },
  });
  const text = await (await me.answer(key)).text();
  assert.equal(text, keptFrames(key, asker, ["Alone", " at", " last"], endingOf(text)));
});

test("a reader after a restart reads what a reader before it has read", async () => {
  const { reply, text, answerId } = await me.exchange(
    upstream,
    { message: "Hello", conversation_id: fresh() },
    { "idempotency-key": fresh() },
    CONTENTS.slice(0, 20),
  );
  await me.assertLogged(lost);
  await server.kill();
  await server.start();
  assert.equal(await (await me.answer(answerId)).text(), text);
  assert.equal(text, keptFrames(answerId, reply.id, CONTENTS.slice(0, 20), endingOf(text)));
  for (const sequence of [0, 7, 19]) {
    const rest = await (await me.answer(answerId, sequence)).text();
    assert.equal(
      rest,
      keptFrames(answerId, reply.id, CONTENTS.slice(0, 20), endingOf(text), sequence + 1),
    );
  }
  assert.equal((await me.answer(answerId, 20)).status, 204);
});

test("a client that leaves before upstream's headers has one last line, and its answer goes on", async () => {
  const key = fresh();
  const id = fresh();
  const client = server.send({ "x-correlation-id": id, "idempotency-key": key });
  client.end(JSON.stringify({ message: "Hello", conversation_id: fresh() }));
  const call = await upstream.nextCall();
  client.socket.resetAndDestroy();
  const { record } = await server.log("response_complete", id);
  assert.partialDeepStrictEqual(record, { status: "cancelled", end_reason: "client_gone" });
  call.end(delta("Nobody"), finish("stop"), done);
  await server.log("answer_complete", id);
  const text = await (await me.answer(key)).text();
  assert.equal(text, keptFrames(key, id, ["Nobody"], endingOf(text)));
  me.ids.push(id);
  await me.assertLogged(lost);
});
