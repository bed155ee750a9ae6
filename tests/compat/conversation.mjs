/** A conversation of several turns with the worker, and what must hold of every answer. */
import assert from "node:assert/strict";
import { readFrames } from "../support/frames.mjs";
import { launchWorker } from "../support/harness.mjs";

/**
 * @typedef {{ role: "system" | "user" | "assistant", content: string }} Message
 *
 * @typedef {object} Turn
 * @property {"chat_completions" | "responses"} api
 * @property {Message[]} messages The whole conversation so far, the system prompt first.
 * @property {number} maxTokens
 *
 * @typedef {object} Usage
 * @property {number} input_tokens
 * @property {number} output_tokens
 * @property {number} total_tokens
 *
 * @typedef {object} Running An upstream that is ready.
 * @property {string} baseUrl
 * @property {string} model
 * @property {string} key
 * @property {(turn: Turn) => string} [answer] What it answers; a real model says what it likes.
 * @property {(turn: Turn) => "always" | "never" | Usage} usage Whether it counts tokens, or what it counts.
 * @property {Record<string, string>} [whenCut] By API, the reason that it gives when the token limit ended an answer.
 * @property {(turn: Turn) => void | Promise<void>} heard Asserts by its own records what it was asked.
 * @property {() => Promise<void>} [stop] Ends what runs beside the server.
 */

const SYSTEM_PROMPT = "You are a helpful assistant, and you answer in a few words.";
const MAX_TOKENS = 16;

/** What the client says: any text must pass through, and every turn stands on the ones before. */
const TURNS = [
  { message: "My name is Zoë 🦊." },
  { message: 'Repeat this, line by line:\n"one" \\ two\n你好' },
  { message: "Count from one to one hundred.", max_tokens: 2 },
];

/**
 * Has a conversation with the upstream through the worker.
 *
 * @param {Running} upstream
 * @param {Turn["api"]} api
 * @returns {Promise<number>} the number of its turns
 */
export async function converse(upstream, api) {
  const app = await launchWorker({
    OPENAI_API: api,
    OPENAI_API_KEY: upstream.key,
    OPENAI_BASE_URL: upstream.baseUrl,
    OPENAI_MODEL: upstream.model,
    SYSTEM_PROMPT,
    MAX_TOKENS: `${MAX_TOKENS}`,
    MAX_STREAM_SECONDS: "120",
  });
  try {
    /** @type {Message[]} */
    const history = [];
    for (const [index, turn] of TURNS.entries()) {
      const answer = await inTurn(index, () => takeTurn(app, upstream, api, history, turn));
      history.push({ role: "user", content: turn.message }, { role: "assistant", content: answer });
    }
    const { record } = await app.log("application_started");
    assert.equal(record.api, api, "the API that the worker says it speaks");
  } finally {
    await app.stop();
  }
  return TURNS.length;
}

async function inTurn(index, work) {
  try {
    return await work();
  } catch (error) {
    throw new Error(`turn ${index + 1}: ${error.message}`, { cause: error });
  }
}

/** Takes one turn and gives the answer's text. */
async function takeTurn(app, upstream, api, history, body) {
  const id = crypto.randomUUID();
  const response = await app.chat({ ...body, history }, { headers: { "x-correlation-id": id } });
  if (response.status !== 200) {
    const { record } = await app.log("stream_error", id);
    assert.fail(`${response.status} ${await response.text()}; the log says: ${record.cause}`);
  }
  const frames = [];
  for await (const { frame } of readFrames(response)) {
    if (frame !== undefined) frames.push(frame);
  }
  const final = assertWellFormed(frames, id);
  const text = frames.map(({ content }) => content).join("");

  /** @type {Turn} */
  const turn = {
    api,
    messages: [
      { role: "system", content: SYSTEM_PROMPT },
      ...history,
      { role: "user", content: body.message },
    ],
    maxTokens: body.max_tokens ?? MAX_TOKENS,
  };
  assertSaid(upstream, turn, { text, final, frames });
  assertCounted(upstream.usage(turn), final.usage);
  await upstream.heard(turn);
  const { record } = await app.log("response_complete", id);
  assert.equal(record.end_reason, "done", "how the log says that it ended");
  assert.equal(record.retries, 0, "retries in the log");
  return text;
}

/** Asserts the contract's rules of a stream, and gives its final frame. */
function assertWellFormed(frames, id) {
  const final = frames.at(-1);
  for (const [sequence, frame] of frames.entries()) {
    const { content, ...rest } = frame;
    assert.equal(typeof content, "string", "the content of a frame");
    assert.equal(content === "", frame === final, "only the final frame has no text");
    const head = { sequence, is_final: frame === final, correlation_id: id };
    assert.deepEqual(frame === final ? { ...rest, ...head } : head, rest, "a frame");
  }
  assert.equal(final?.error, undefined, `the final frame: ${JSON.stringify(final)}`);
  return final;
}

function assertSaid(upstream, turn, { text, final, frames }) {
  if (upstream.answer !== undefined) {
    assert.equal(text, upstream.answer(turn), "the text");
    assert.equal(final.finish_reason, "stop");
    return;
  }
  assert.notEqual(text, "", "the text");
  const cut = turn.maxTokens < MAX_TOKENS;
  const reasons = cut ? [upstream.whenCut[turn.api]] : ["stop", upstream.whenCut[turn.api]];
  assert.ok(reasons.includes(final.finish_reason), `finish_reason is ${final.finish_reason}`);
  // A token makes one frame at most.
  const tokens = final.usage?.output_tokens ?? frames.length - 1;
  assert.ok(tokens <= turn.maxTokens, `${tokens} tokens of at most ${turn.maxTokens}`);
}

function assertCounted(expected, usage) {
  if (typeof expected === "object") {
    assert.partialDeepStrictEqual(usage, expected, "usage");
  } else if (expected === "never") {
    assert.equal(usage, undefined, "usage");
  } else {
    assert.ok(
      usage?.input_tokens > 0 && usage.output_tokens > 0,
      `usage: ${JSON.stringify(usage)}`,
    );
    assert.equal(usage.total_tokens, usage.input_tokens + usage.output_tokens, "all tokens");
  }
}
