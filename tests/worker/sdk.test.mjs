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

/** The SDK refuses the whole stream. */
const MALFORMED = { throws: /malformed server-sent event JSON/ };

/**
 * Where the SDK and our contract part on purpose: why, and what the SDK makes of the stream, told as what it
 * changes about our answer or as the error that it throws.
 *
 * @type {Record<string, { why: string, sdk?: (ours: Answer) => Answer, throws?: RegExp }>}
 */
const DIFFERENCES = {
  ...many("a word of another server's is told by its meaning; the SDK hands on the word", {
    "chat_completions/filter_by_another_name": reason("sensitive"),
    "chat_completions/filter_with_a_hyphen": reason("content-filter"),
    "chat_completions/filter_with_its_cause_behind_a_colon": reason(
      "content_filter: PROHIBITED_CONTENT",
    ),
    "chat_completions/finish_reason_end": reason("end"),
    "chat_completions/finish_reason_load": reason("load"),
    "chat_completions/finish_reason_repetition": reason("repetition_truncation"),
    "chat_completions/finish_reason_that_is_unknown": reason("zeitgeist"),
    "chat_completions/length_in_capitals": reason("MAX_TOKENS"),
    "chat_completions/reason_in_camel_case": reason(undefined),
  }),
  ...many(
    "[DONE] ends an answer for us; the SDK leaves a reason that no chunk gave to its caller",
    {
      "chat_completions/done_without_finish": reason(undefined),
      "chat_completions/no_reason_but_done": reason(undefined),
    },
  ),
  ...many("our counts are whole numbers or none; the SDK hands on what upstream wrote", {
    "chat_completions/nulls_and_escapes": usage(9, null, undefined),
    "chat_completions/usage_of_digits_in_text": usage("7", "2", "9"),
    "chat_completions/usage_of_nulls": usage(null, null, null),
    "chat_completions/usage_that_cannot_be_read_after_one_that_can": usage("oops", 2, undefined),
    "chat_completions/usage_that_is_an_empty_object": usage(undefined, undefined, undefined),
    "chat_completions/usage_with_a_fraction": usage(37.25, 2, 39.25),
    "chat_completions/usage_without_total": usage(7, 2, undefined),
    "responses/all_tokens_spent_on_thought": usage(0, 0, 0),
  }),
  ...many("counts are read where Moonshot and Groq put them; the SDK knows OpenAI's place only", {
    "chat_completions/usage_in_a_vendors_field": { sdk: (ours) => ({ ...ours, usage: undefined }) },
    "chat_completions/usage_inside_the_choice": { sdk: (ours) => ({ ...ours, usage: undefined }) },
  }),
  ...many("text is read in every shape that holds one; the SDK's types know one", {
    "chat_completions/content_as_parts_with_thinking": text("[object Object][object Object] day"),
    "chat_completions/thought_and_text_in_one_content": text(
      "[object Object],[object Object][object Object]",
    ),
    "chat_completions/message_in_place_of_delta": text(""),
    "chat_completions/index_that_counts_tokens": {
      sdk: () => ({ text: "Mur", finish_reason: undefined, usage: undefined }),
    },
    "responses/text_in_completed_only": text(""),
    "responses/text_in_output_item_done": text(""),
    "responses/text_in_output_text_done": text(""),
    "responses/refusal_in_completed_only": {
      sdk: (ours) => ({ ...ours, text: "", finish_reason: "stop" }),
    },
  }),
  ...many("what is no JSON and says nothing is passed over; the SDK reads all of it as JSON", {
    "chat_completions/data_named_twice": MALFORMED,
    "chat_completions/end_mark_without_brackets_after_finish": MALFORMED,
    "chat_completions/heartbeats_of_three_kinds": MALFORMED,
    "chat_completions/keep_alive_as_data_after_finish": MALFORMED,
    "chat_completions/other_fields": MALFORMED,
    "chat_completions/ping_that_is_no_json": MALFORMED,
    "chat_completions/spaces_behind_done": MALFORMED,
  }),
  ...many("a last event is read without its blank line, and an object without a field's name", {
    "chat_completions/lines_of_json": {
      sdk: () => ({ text: "", finish_reason: undefined, usage: undefined }),
    },
    "chat_completions/stop_before_its_blank_line": reason(undefined),
  }),
  "responses/response_done": {
    why: "response.done ends an answer by the status inside; the SDK does not know it",
    sdk: (ours) => ({ ...ours, finish_reason: undefined, usage: undefined }),
  },
  "chat_completions/split_surrogates": {
    why: "half a surrogate pair has no UTF-8, so ours is U+FFFD; in the SDK's strings it stays half",
    ...text("a😀b\ud83dc\ude00\\ud83d\ud83d"),
  },
  "responses/bytes_after_the_end": {
    why: "nothing counts behind the event that ends an answer; the SDK reads on while there are bytes",
    ...text("anever"),
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

/** Differences for one reason. */
function many(why, differences) {
  const entries = Object.entries(differences);
  return Object.fromEntries(entries.map(([name, difference]) => [name, { why, ...difference }]));
}

/** The SDK tells another text. */
function text(text) {
  return { sdk: (ours) => ({ ...ours, text }) };
}

/** The SDK tells another reason. */
function reason(finish_reason) {
  return { sdk: (ours) => ({ ...ours, finish_reason }) };
}

/** The SDK tells other counts. */
function usage(input_tokens, output_tokens, total_tokens) {
  return { sdk: (ours) => ({ ...ours, usage: { input_tokens, output_tokens, total_tokens } }) };
}

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
    const { reasoning_tokens } = chunk.usage?.completion_tokens_details ?? {};
    const counts = [prompt_tokens, completion_tokens, total_tokens, reasoning_tokens];
    heard.usage(chunk.usage && counts);
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
      const details = [
        usage?.output_tokens_details?.reasoning_tokens,
        usage?.input_tokens_details?.cached_tokens,
      ];
      const counts = [usage?.input_tokens, usage?.output_tokens, usage?.total_tokens, ...details];
      heard.usage(usage && counts);
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
    if (!counts) return;
    const [input_tokens, output_tokens, total_tokens, reasoning_tokens, cached_tokens] = counts;
    this.#usage = {
      input_tokens,
      output_tokens,
      total_tokens,
      ...(reasoning_tokens !== undefined && { reasoning_tokens }),
      ...(cached_tokens !== undefined && { cached_tokens }),
    };
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
