/** What the official SDK makes of an upstream stream, the worker makes of it too. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import OpenAI from "openai";
import { exchange } from "../support/exchange.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import { startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

/**
 * What an answer comes to, in the words of our contract.
 *
 * @typedef {object} Answer
 * @property {string} text
 * @property {string} [finish_reason]
 * @property {object} [usage]
 */

/**
 * Where the SDK and our contract part on purpose: why, and what the SDK makes of the stream, told as what it
 * changes about our answer or as the error that it throws.
 *
 * @type {Record<string, { why: string, sdk?: (ours: Answer) => Answer, throws?: RegExp }>}
 */
const DIFFERENCES = {
  "chat_completions/done_without_finish": {
    why: "[DONE] ends an answer for us; the SDK leaves a reason that no chunk gave to its caller",
    sdk: (ours) => ({ ...ours, finish_reason: undefined }),
  },
  "chat_completions/nulls_and_escapes": {
    why: "our counts are always numbers; the SDK hands on what upstream left out or set to null",
    sdk: (ours) => ({
      ...ours,
      usage: { input_tokens: 9, output_tokens: null, total_tokens: undefined },
    }),
  },
  "chat_completions/other_fields": {
    why: "an event without data is none in an event stream; the SDK reads its emptiness as JSON",
    throws: /malformed server-sent event JSON/,
  },
  "chat_completions/split_surrogates": {
    why: "half a surrogate pair has no UTF-8, so ours is U+FFFD; in the SDK's strings it stays half",
    sdk: (ours) => ({ ...ours, text: "a😀b\ud83dc\ude00\\ud83d\ud83d" }),
  },
  "responses/bytes_after_the_end": {
    why: "nothing counts behind the event that ends an answer; the SDK reads on while there are bytes",
    sdk: (ours) => ({ ...ours, text: "anever" }),
  },
};

const upstream = await startUpstream();
const start = (api) => startWorker({ OPENAI_BASE_URL: upstream.url, OPENAI_API: api });
const sdk = new OpenAI({
  apiKey: API_KEY,
  baseURL: upstream.url,
  maxRetries: 0,
  logLevel: "off",
});
const APIS = {
  chat_completions: { app: await start("chat_completions"), ask: askChatCompletions },
  responses: { app: await start("responses"), ask: askResponses },
};

for (const [api, { app, ask }] of Object.entries(APIS)) {
  const fixtures = wellFormed(api);

  test(`${api}: the SDK and the worker agree on every well-formed stream`, async (t) => {
    assert.ok(fixtures.length >= 10, `only ${fixtures.length} fixtures were found`);
    for (const { name, bytes, answer } of fixtures) {
      const serve = (call) => call.end(bytes);
      const { why, throws, sdk = (ours) => ours } = DIFFERENCES[`${api}/${name}`] ?? {};
      await t.test(why === undefined ? name : `${name}, but: ${why}`, async () => {
        const { text } = await exchange(app, upstream, { scripts: [serve] });
        assert.deepEqual(answerOf(text), answer, "the worker");
        upstream.script(serve);
        const asked = within(ask(), "the SDK's answer");
        if (throws === undefined) {
          assert.deepEqual(await asked, sdk(answer), "the SDK");
        } else {
          await assert.rejects(asked, throws);
        }
      });
    }
  });
}

test("every difference is about a well-formed stream", () => {
  const names = Object.keys(APIS).flatMap((api) =>
    wellFormed(api).map(({ name }) => `${api}/${name}`),
  );
  assert.deepEqual(
    Object.keys(DIFFERENCES).filter((difference) => !names.includes(difference)),
    [],
  );
});

/** @returns {Promise<Answer>} */
async function askChatCompletions() {
  const heard = new Heard();
  for await (const chunk of await sdk.chat.completions.create({
    model: "gpt-4",
    messages: [{ role: "user", content: "Hello" }],
    stream: true,
    stream_options: { include_usage: true },
  })) {
    // Choices other than the first are not for us; a server that knows of one only may leave its index out.
    const choice = chunk.choices?.find(({ index }) => !index);
    heard.content(choice?.delta?.content);
    heard.refusal(choice?.delta?.refusal);
    heard.finish(choice?.finish_reason);
    const { prompt_tokens, completion_tokens, total_tokens } = chunk.usage ?? {};
    heard.usage(chunk.usage && [prompt_tokens, completion_tokens, total_tokens]);
  }
  return heard.answer;
}

/** @returns {Promise<Answer>} */
async function askResponses() {
  const heard = new Heard();
  for await (const event of await sdk.responses.create({
    model: "gpt-4",
    input: "Hello",
    stream: true,
    store: false,
  })) {
    if (event.type === "response.output_text.delta") {
      heard.content(event.delta);
    } else if (event.type === "response.refusal.delta") {
      heard.refusal(event.delta);
    } else if (event.type === "response.completed" || event.type === "response.incomplete") {
      const { incomplete_details, usage } = event.response;
      const reason = incomplete_details?.reason ?? "stop";
      heard.finish(reason === "max_output_tokens" ? "length" : reason);
      heard.usage(usage && [usage.input_tokens, usage.output_tokens, usage.total_tokens]);
    }
  }
  return heard.answer;
}

/** Adds up what the SDK tells piece by piece; the last word counts, `null` and `undefined` are none. */
class Heard {
  #text = "";
  #refused = false;
  #finish;
  #usage;

  content(text) {
    this.#text += text ?? "";
  }

  refusal(text) {
    this.#text += text ?? "";
    this.#refused ||= Boolean(text);
  }

  finish(reason) {
    this.#finish = reason ?? this.#finish;
  }

  usage(counts) {
    const [input_tokens, output_tokens, total_tokens] = counts ?? [];
    this.#usage = counts ? { input_tokens, output_tokens, total_tokens } : this.#usage;
  }

  /** @returns {Answer} */
  get answer() {
    const finish_reason = this.#refused ? "refusal" : this.#finish;
    return { text: this.#text, finish_reason, usage: this.#usage };
  }
}

/** The recorded streams that end well for our client. */
function wellFormed(api) {
  const folder = new URL(`../fixtures/${api}/`, import.meta.url);
  return readdirSync(folder)
    .filter((file) => file.endsWith(".upstream"))
    .map((file) => {
      const name = file.replace(/\.upstream$/, "");
      const client = readFileSync(new URL(`${name}.client`, folder), "utf8");
      return { name, bytes: readFileSync(new URL(file, folder)), answer: answerOf(client) };
    })
    .filter(({ answer }) => answer !== undefined);
}

/** What a client stream comes to; undefined when it ends with an error. @returns {Answer | undefined} */
function answerOf(client) {
  const blocks = client.split("\n\n").slice(0, -1);
  const frames = blocks.map((block) => JSON.parse(block.slice("data: ".length)));
  const { error, finish_reason, usage } = frames.at(-1);
  const text = frames.map(({ content }) => content).join("");
  return error === undefined ? { text, finish_reason, usage } : undefined;
}
