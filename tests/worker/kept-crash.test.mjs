/**
 * The process dies by SIGKILL at random moments of many answers, and starts again. What any reader had by then is there,
 * in order, once, byte for byte; each answer has one honest ending, and its conversation goes on. CRASH_SEED=… repeats
 * the choices.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { startKept } from "../support/kept.mjs";
import { INTERRUPTED, KeptClient, keptFrames, parseFrames } from "../support/kept-reader.mjs";
import { randomOf } from "../support/random.mjs";
import { answer, delta, done, finish, startUpstream, usage } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

/** How often the process is killed while answers are being written. */
const LIVES = 40;

const SEED = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 2 ** 32));
const random = randomOf(SEED);

const SYSTEM = "You are a helpful assistant.";
const TOKENS = ["crash-token-of-the-first", "crash-token-of-the-second"];
const COMPLETE = {
  finish_reason: "stop",
  usage: { input_tokens: 7, output_tokens: 5, total_tokens: 12 },
};
const ENDING = [finish("stop"), usage(7, 5), done];

/** Whatever may be damaged where a text is cut, joined or read again. */
const WORDS = [
  "The",
  " answer",
  '"',
  "\\",
  "\n\n",
  "\u0000",
  "😀",
  "é",
  " data: ",
  "\u2028",
  "👩‍👩‍👧",
];

/** What the model gets to read before a message, at most. */
const MAX_HISTORY_TURNS = 64;

/** The answers that upstream is to write, by the correlation id of the request. @type {Map<string, Answer>} */
const expected = new Map();
const upstream = await startUpstream((call) => {
  const asked = expected.get(call.headers["x-client-request-id"]);
  asked.calls.push(call);
  asked.called.resolve(call);
});
const server = await startKept({
  OPENAI_BASE_URL: upstream.url,
  ACCESS_TOKENS: TOKENS.map((token, index) => `owner${index}:${token}`).join(","),
  MAX_RETRIES: "0",
});
const clients = TOKENS.map((token) => new KeptClient(server, token));

/** Lets some turns of this process's event loop go by: less than a millisecond, or some. */
async function someTurns(most) {
  for (let turns = random.below(most); turns > 0; turns--) await turn();
}

/** A conversation that goes on through all lives of the process. */
class Conversation {
  /** What has been said, as the model is to read it. */
  turns = [];
  /** Every answer so far. @type {Answer[]} */
  answers = [];

  constructor(id, client) {
    this.id = id;
    this.client = client;
  }

  ask() {
    const asked = new Answer(this);
    this.answers.push(asked);
    return asked;
  }

  /** The turns that the next message has before it. */
  get history() {
    return this.turns.slice(-MAX_HISTORY_TURNS);
  }

  remember({ message, text }) {
    // A question without an answer is not told.
    if (text === "") return;
    this.turns.push({ role: "user", content: message }, { role: "assistant", content: text });
  }
}

/** An answer, what upstream has said of it, and the reader who asked. */
class Answer {
  asker = crypto.randomUUID();
  id = `answer-${this.asker}`;
  message = `Question ${this.asker}`;
  /** What upstream has said so far. @type {string[]} */
  said = [];
  calls = [];
  called = Promise.withResolvers();

  constructor(conversation) {
    this.conversation = conversation;
    this.history = conversation.history;
    expected.set(this.asker, this);
    this.reader = this.ask();
  }

  /** The call of upstream, once it comes. */
  get call() {
    return within(this.called.promise, "the call of upstream");
  }

  /** Sends the question, for the first time or once more. */
  ask() {
    const { asker, id, message, conversation } = this;
    return conversation.client.ask({ conversation: conversation.id, message, key: id, asker });
  }

  /** Has upstream say some more. */
  async say(count = 1 + random.below(12)) {
    const more = Array.from({ length: count }, () => random.pick(WORDS));
    // A question that did not arrive has no call: then nothing was said.
    const call = await this.call;
    this.said.push(...more);
    call.write(...more.map(delta));
  }

  async sayAll() {
    (await this.call).end(...ENDING);
  }

  get text() {
    return this.said.slice(0, this.keptCount).join("");
  }

  /**
   * Shows that what is kept begins with what the reader had, that it is what upstream said and nothing else, and that it
   * has one ending.
   */
  async check() {
    const { client, id: conversationId } = this.conversation;
    const found = client.read(this.id);
    const stored = await found.whole();
    const had = this.reader.text;
    if (found.status === 404) {
      assert.equal(had + this.said.join(""), "", "a question that did not arrive has no answer");
      return;
    }
    assert.equal(stored.slice(0, had.length), had, "what the reader had is kept");
    const final = parseFrames(stored).at(-1);
    assert.equal(final?.is_final, true, `a final frame: ${stored}`);
    this.keptCount = final.sequence;
    this.isComplete = final.code === undefined;
    const { turns } = await client.conversation(conversationId);
    const kept = turns.find((each) => each.answer_id === this.id);
    const ending = this.isComplete ? COMPLETE : INTERRUPTED;
    const contents = this.isComplete ? this.said : this.said.slice(0, this.keptCount);
    const rest = { turn_id: kept.id, history_turns: this.history.length };
    const whole = keptFrames(this, contents, { ...ending, ...rest });
    assert.equal(stored, whole, "every frame that is kept");
    assert.equal(kept.content, this.text);
    assert.equal(kept.state, this.isComplete ? "complete" : "interrupted");
    assert.deepEqual(kept.usage, this.isComplete ? COMPLETE.usage : null);

    // Behind what the reader had comes the rest, whether it asks for that or sends its question once more.
    const last = this.reader.frameCount - 1;
    const resumed = client.read(this.id, last < 0 ? undefined : last);
    const again = this.ask();
    const rests = keptFrames(this, contents, { ...ending, ...rest }, last + 1);
    assert.equal(await resumed.whole(), rests, "the rest");
    assert.equal(resumed.status, rests === "" ? 204 : 200);
    assert.equal(await again.whole(), whole, "the same question again gets the same answer");
    this.conversation.remember(this);
  }

  /** Shows that nothing was bought twice, and that the model read what was kept. */
  checkCalls() {
    assert.ok(this.calls.length <= 1, "nothing is bought twice");
    for (const { body } of this.calls) {
      assert.deepEqual(body.messages, [
        { role: "system", content: SYSTEM },
        ...this.history,
        { role: "user", content: this.message },
      ]);
    }
  }
}

/**
 * How far an answer gets before the process is killed. Each resolves when it is there.
 * @type {Record<string, (answer: Answer) => Promise<unknown>>}
 */
const STAGES = {
  "before upstream's headers": (asked) => asked.call,
  "at the first frame": async (asked) => {
    await asked.say();
    if (random.chance(0.5)) await asked.reader.hasRead(1);
  },
  "in the middle": async (asked) => {
    for (let batch = random.below(4); batch >= 0; batch--) {
      await asked.say();
      await asked.reader.hasRead(asked.said.length);
    }
    await asked.say();
  },
  "between the last event and the ending": async (asked) => {
    for (let batch = random.below(2); batch >= 0; batch--) {
      await asked.say();
      await asked.reader.hasRead(asked.said.length);
    }
    await asked.sayAll();
  },
  "at the end": async (asked) => {
    await asked.say();
    await asked.sayAll();
    await asked.reader.ended;
  },
};

const conversations = Object.keys(STAGES).map(
  (_, index) => new Conversation(`conversation-${index}`, clients[index % clients.length]),
);

/** The answers that lead, life after life: the process is killed when one is where it has to get. */
const LEADING = [
  "in the middle",
  "between the last event and the ending",
  "at the end",
  "in the middle",
  "at the first frame",
  "between the last event and the ending",
  "in the middle",
  "before upstream's headers",
];

/** Begins an answer in each conversation, and resolves once the one that leads is where it has to get. */
async function live(life) {
  const stages = Object.entries(STAGES);
  const shift = random.below(stages.length);
  const answers = conversations.map((conversation) => conversation.ask());
  const reached = answers.map((each, index) => {
    const [name, reach] = stages[(index + shift) % stages.length];
    const there = reach(each);
    // All but one may be cut off before.
    there.catch(() => {});
    return [name, there];
  });
  await within(new Map(reached).get(LEADING[life % LEADING.length]), "the moment of the kill");
  await someTurns(300);
  return answers;
}

test(`${LIVES * conversations.length} answers are cut off by SIGKILL, and nothing is lost or doubled`, async (t) => {
  t.diagnostic(`The same choices again: CRASH_SEED=${SEED}`);
  const counts = { frames: 0, complete: 0, interrupted: 0, empty: 0, recoveriesCut: 0 };
  for (let life = 0; life < LIVES; life++) {
    const answers = await live(life);
    await server.kill();
    await Promise.all(answers.map(({ reader }) => reader.ended));
    await server.start();
    if (life % 3 === 0) {
      // The first request of each owner makes the object end what was left unfinished.
      const first = answers.map((each) => each.conversation.client.read(each.id));
      await someTurns(1_500);
      await server.kill();
      await Promise.all(first.map(({ ended }) => ended));
      await server.start();
      counts.recoveriesCut += 1;
    }
    await Promise.all(answers.map((each) => each.check()));
    for (const each of answers) {
      each.checkCalls();
      counts.frames += each.reader.frameCount;
      counts[each.isComplete ? "complete" : each.keptCount === 0 ? "empty" : "interrupted"] += 1;
    }
  }
  t.diagnostic(JSON.stringify(counts));
});

test("a stop that was answered holds, however soon the process dies, and one that was not is one thing or the other", async () => {
  for (let life = 0; life < 10; life++) {
    const answers = conversations.map((conversation) => conversation.ask());
    await Promise.all(
      answers.map(async (asked) => {
        if (random.chance(0.7)) await asked.say();
        else await asked.call;
        if (random.chance(0.7) && asked.said.length > 0) await asked.reader.hasRead(1);
      }),
    );
    const stops = answers.map(async (asked) => {
      const stopped = await asked.conversation.client.send("POST", `/answers/${asked.id}/stop`);
      assert.deepEqual(stopped.json, { state: "stopped" });
      asked.isStopped = true;
    });
    await Promise.race(stops);
    await someTurns(40);
    await server.kill();
    await Promise.allSettled(stops);
    await Promise.all(answers.map(({ reader }) => reader.ended));
    await server.start();
    for (const asked of answers) {
      const { client, id } = asked.conversation;
      const stored = await client.read(asked.id).whole();
      assert.ok(stored.startsWith(asked.reader.text), "what the reader had is kept");
      const { sequence, finish_reason, turn_id } = parseFrames(stored).at(-1);
      if (asked.isStopped) assert.equal(finish_reason, "stopped");
      const ending = finish_reason === "stopped" ? { finish_reason } : INTERRUPTED;
      const kept = { ...ending, turn_id, history_turns: asked.history.length };
      asked.keptCount = sequence;
      assert.equal(stored, keptFrames(asked, asked.said.slice(0, sequence), kept));
      const again = await client.send("POST", `/answers/${asked.id}/stop`);
      const state = finish_reason === "stopped" ? "stopped" : "interrupted";
      assert.deepEqual(again.json, { state });
      const { turns } = await client.conversation(id);
      assert.equal(turns.find((each) => each.answer_id === asked.id).state, state);
      asked.conversation.remember(asked);
      asked.checkCalls();
    }
  }
});

test("after all that, each conversation takes the next message", async () => {
  for (const conversation of conversations) {
    const asked = conversation.ask();
    asked.said.push("Still here.");
    (await asked.call).end(...answer(...asked.said));
    await asked.reader.whole();
    assert.deepEqual(parseFrames(asked.reader.text).at(-1).history_turns, asked.history.length);
  }
});

test("each answer is counted once at the most, and nothing else is in the log", () => {
  const all = server.logs.filter(({ record }) => record.event === "answer_complete");
  for (const [id, lines] of Map.groupBy(all, ({ record }) => record.answer_id)) {
    assert.equal(lines.length, 1, `${id}: ${lines.map(({ text }) => text).join("\n")}`);
  }
  const broken = ["error_response", "answer_interrupted", "panic", "instance_lost"];
  const strange = server.logs.filter(({ record }) => broken.includes(record.event));
  assert.deepEqual(
    strange.map(({ text }) => text),
    [],
  );
});
