/**
 * Many people's habits at once, by chance from a seed: they ask, ask again, read from anywhere, leave, stop and delete,
 * while upstream answers, fails and breaks off and the server is killed. Whatever happens, each frame is the same for
 * everybody, nothing that was shown is lost, and no answer is bought twice. CHAOS_SEED=… repeats the choices.
 */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { startKept } from "../support/kept.mjs";
import { Person } from "../support/person.mjs";
import { randomOf } from "../support/random.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const STEPS = 400;
const SEED = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 32));
const CONVERSATIONS = ["a", "b", "c"];

const { below, pick, chance } = randomOf(SEED);
after(() => process.exitCode && console.error(`The same choices again: CHAOS_SEED=${SEED}`));

/** Upstream's side of each answer, by the correlation id of who asked: what it has said, and whether it is open. */
const calls = new Map();
const upstream = await startUpstream((call) => {
  const asker = call.headers["x-client-request-id"];
  assert.ok(!calls.has(asker), "no request asks upstream twice");
  const state = { call, said: [], isOpen: true };
  calls.set(asker, state);
  call.closed.then(() => {
    state.isOpen = false;
  });
});
const server = await startKept({
  OPENAI_BASE_URL: upstream.url,
  ANONYMOUS_OWNER: "true",
  MAX_RETRIES: "0",
  MAX_ANSWERS_AT_ONCE: "8",
});
const me = new Person(server);
const lost = [];
after(() => me.assertLogged(lost));

/** Requests that were sent, by key. @type {{ key: string, body: object }[]} */
const asked = [];
/** Every frame that anybody has read, by asker and sequence. @type {Map<string, string[]>} */
const frames = new Map();
/** Streams that are being read. */
const readers = new Set();
const readings = [];

/** Takes a frame in: it must be the one that everybody else has read. */
function take(block, key) {
  const [, id, json] = block.match(/^id: (.*)\ndata: (.*)\n\n$/);
  const { correlation_id, sequence } = JSON.parse(json);
  assert.equal(id, `${key}.${sequence}`);
  const known = frames.get(correlation_id) ?? [];
  frames.set(correlation_id, known);
  known[sequence] ??= block;
  assert.equal(block, known[sequence], "one frame for all");
}

/** Reads a stream to its end, unless it is left or its process dies. */
async function read(asking, key) {
  let reply;
  try {
    reply = await asking;
    if (reply.answerId === null) return await reply.text();
  } catch (error) {
    if (error.code === "ERR_ASSERTION") throw error;
    return undefined;
  }
  readers.add(reply);
  let last;
  try {
    for (let block = await reply.next(); block !== undefined; block = await reply.next()) {
      take(block, key);
      const { sequence } = JSON.parse(block.slice(block.indexOf("data: ") + 6));
      if (last !== undefined) assert.equal(sequence, last + 1, "no gap, nothing twice");
      last = sequence;
    }
  } catch (error) {
    if (error.code === "ERR_ASSERTION") throw error;
  } finally {
    readers.delete(reply);
  }
  return last;
}

const keep = (reading) => {
  readings.push(reading);
  reading.catch(() => {});
};

const keyed = (key) => ({ "idempotency-key": key });
/** Has upstream end one of these calls. */
function close(states, end) {
  const state = pick(states);
  if (state === undefined) return;
  state.isOpen = false;
  end(state.call);
}

const open = () => [...calls.values()].filter(({ isOpen }) => isOpen);

/** What may happen, and how often. */
const HABITS = [
  [
    8,
    function ask() {
      const key = crypto.randomUUID();
      const body = { message: `Message ${asked.length}`, conversation_id: pick(CONVERSATIONS) };
      if (chance(0.6)) body.after = null;
      asked.push({ key, body });
      keep(read(me.ask(body, keyed(key)), key));
    },
  ],
  [
    8,
    function askAgain() {
      const { key, body } = pick(asked.slice(-10)) ?? {};
      if (key) keep(read(me.ask(body, keyed(key)), key));
    },
  ],
  [
    12,
    function resume() {
      const { key } = pick(asked.slice(-10)) ?? {};
      if (key) keep(read(me.answer(key, chance(0.3) ? undefined : below(12)), key));
    },
  ],
  [
    10,
    function leave() {
      const reply = pick([...readers]);
      reply?.leave();
    },
  ],
  [
    40,
    function say() {
      const state = pick(open());
      if (!state) return;
      const contents = Array.from({ length: 1 + below(4) }, (_, n) => `${state.said.length + n} `);
      state.said.push(...contents);
      state.call.write(...contents.map(delta));
    },
  ],
  [
    6,
    function end() {
      close(open(), (call) => call.end(finish("stop"), done));
    },
  ],
  [
    2,
    function cut() {
      close(open(), (call) => call.cut());
    },
  ],
  [
    3,
    function fail() {
      const silent = open().filter(({ said }) => said.length === 0);
      close(silent, (call) => call.respond(500, "{}"));
    },
  ],
  [
    3,
    function stop() {
      const { key } = pick(asked.slice(-6)) ?? {};
      if (key)
        keep(
          me.stop(key).then(
            (reply) => reply.text(),
            () => {},
          ),
        );
    },
  ],
  [
    1,
    function forget() {
      const path = `/conversations/${pick(CONVERSATIONS)}`;
      keep(
        me.send(path, { method: "DELETE" }).then(
          (reply) => reply.text(),
          () => {},
        ),
      );
    },
  ],
];
const ALL = HABITS.flatMap(([weight, habit]) => Array(weight).fill(habit));

async function restart() {
  const complete = server.logs.filter(({ record }) => record.event === "response_complete");
  const known = new Set(complete.map(({ record }) => record.correlation_id));
  lost.push(...me.ids.filter((id) => !known.has(id)));
  await server.kill();
  await server.start();
}

test("nobody loses anything, and nothing is bought twice", async () => {
  for (let step = 1; step <= STEPS; step++) {
    pick(ALL)();
    // The server is given the time for some of it.
    if (chance(0.5)) await (await fetch(`${server.url}/health`)).text();
    if (step % 100 === 0) await restart();
  }
  for (const { call } of open()) call.end(finish("stop"), done);
  const settled = await within(Promise.allSettled(readings), "the end of all readers", 60_000);
  const failed = settled.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
  assert.deepEqual(failed, []);
  for (const [asker, known] of frames) {
    const { said } = calls.get(asker) ?? { said: [] };
    const contents = known.map((block) => JSON.parse(block.slice(block.indexOf("data: ") + 6)));
    for (const { content, sequence, is_final } of contents.filter(Boolean)) {
      if (!is_final) assert.equal(content, said[sequence], "what upstream said");
      else assert.equal(sequence, known.length - 1, "nothing follows the end");
    }
  }
  for (const { key } of asked) {
    const reply = await me.answer(key);
    const text = await reply.text();
    if (reply.status === 404) continue;
    const blocks = text.split(/(?<=\n\n)/);
    for (const block of blocks) take(block, key);
    const { correlation_id, is_final } = JSON.parse(
      blocks.at(-1).slice(blocks.at(-1).indexOf("data: ") + 6),
    );
    assert.ok(is_final, "it has an end");
    assert.equal(
      blocks.length,
      frames.get(correlation_id).length,
      "nothing that was shown is lost",
    );
    const complete = server.logs.filter(
      ({ record }) =>
        record.event === "answer_complete" && record.correlation_id === correlation_id,
    );
    assert.ok(complete.length <= 1, "an answer has one last line");
  }
});
