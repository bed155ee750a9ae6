/**
 * A kept answer says what a stateless one says: the same upstream, in every mood, gives the same frames but for what only
 * a kept answer has, and what is read later is what was read first.
 */
import assert from "node:assert/strict";
import test, { after, beforeEach } from "node:test";
import { startKept } from "../support/kept.mjs";
import { Person } from "../support/person.mjs";
import {
  answer,
  delta,
  done,
  event,
  finish,
  refusal,
  startUpstream,
  usage,
} from "../support/upstream.mjs";

const upstream = await startUpstream();
const server = await startKept({
  OPENAI_BASE_URL: upstream.url,
  ANONYMOUS_OWNER: "true",
  MAX_RETRIES: "1",
});
const me = new Person(server);

beforeEach(() => upstream.reset());
after(() => me.assertLogged());

const ends =
  (...parts) =>
  (call) =>
    call.end(...parts);
const cuts =
  (...parts) =>
  (call) => {
    call.write(...parts);
    call.cut();
  };
const responds = (status, body, headers) => (call) => call.respond(status, body, headers);
const choices = (...all) => event({ choices: all });
const whole = (message, finish_reason = "stop") => ({
  choices: [{ index: 0, message, finish_reason }],
});

/** What upstream may do, call by call. */
const MOODS = {
  "a good answer": [ends(...answer("One", " two"))],
  "an answer with its tokens": [ends(delta("One"), finish("length"), usage(3, 4), done)],
  "text with the reason": [ends(finish("stop", "All at once"), done)],
  "no text at all": [ends(finish("stop"), done)],
  "empty texts between others": [
    ends(delta(""), delta("a"), delta(""), delta("b"), finish("stop"), done),
  ],
  "a refusal": [ends(refusal("I would rather not"), finish("stop"), done)],
  "a filtered answer": [ends(delta("Well"), finish("content_filter"), done)],
  "a reason that nobody knows": [ends(delta("Well"), finish("exhausted_by_it_all"), done)],
  "no reason but an end": [ends(delta("Well"), done)],
  "nothing but an end": [ends(done)],
  "no end": [ends(delta("Well"))],
  "a broken connection": [cuts(delta("Well"))],
  "a broken connection before any text": [cuts(": hello\n\n")],
  "a failure for a reason": [ends(delta("Well"), finish("error"), done)],
  "an error in the stream": [
    ends(delta("Well"), event({ error: { message: "no", code: "server_error" } })),
  ],
  "an error before any text": [
    ends(event({ error: { message: "no", code: "context_length_exceeded" } })),
  ],
  "what is no JSON": [ends(delta("Well"), "data: {well\n\n")],
  "what is no UTF-8": [ends(delta("Well"), Buffer.from([100, 97, 116, 97, 58, 255, 10, 10]))],
  "two halves of one letter": [
    ends(
      'data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n',
      'data: {"choices":[{"delta":{"content":"\\ude00b"}}]}\n\n',
      finish("stop"),
      done,
    ),
  ],
  "half a letter": [
    ends('data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n', finish("stop"), done),
  ],
  "half a letter and no end": [ends('data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n')],
  "escapes of all kinds": [
    ends(
      'data: {"choices":[{"delta":{"content":"\\/\\b\\f\\n\\u0000\\u2028é"}}]}\n\n',
      finish("stop"),
      done,
    ),
  ],
  "texts that are numbers and parts": [
    ends(
      choices({ delta: { content: 7 } }),
      choices({ delta: { content: [{ type: "text", text: "parts" }] } }),
      finish("stop"),
      done,
    ),
  ],
  "a whole answer": [responds(200, whole({ content: "Not streamed" }))],
  "a whole refusal": [responds(200, whole({ refusal: "No" }))],
  "a whole answer that is empty": [responds(200, whole({ content: "" }))],
  "a whole error": [responds(200, { error: { message: "no", code: "insufficient_quota" } })],
  "a page": [responds(200, "<html>", { "content-type": "text/html" })],
  "a redirect": [responds(302, "", { location: "http://localhost/" })],
  "a wrong key": [responds(401, { error: { message: "no" } })],
  "a limit that is reached": [
    responds(429, { error: { code: "rate_limit_exceeded" } }, { "retry-after": "9999" }),
  ],
  "a prompt that is too long": [responds(400, { error: { code: "context_length_exceeded" } })],
  "a failure and then an answer": [responds(503, "{}"), ends(...answer("At last"))],
  "a dialect that it does not know": [
    responds(400, {
      error: {
        code: "unsupported_parameter",
        param: "max_tokens",
        message:
          "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      },
    }),
    ends(...answer("In another one")),
  ],
  "failure upon failure": [responds(500, "{}"), responds(500, "{}")],
};

async function heard(body, headers) {
  const reply = await me.ask(body, headers);
  return { reply, text: await reply.text() };
}

/** A kept answer's frames as a stateless one would have them. */
const plain = (text) =>
  text
    .replace(/^id: .*\n/gm, "")
    .replace(/,"turn_id":"[0-9a-f-]{36}","history_turns":0\}\n\n$/, "}\n\n");

/** What the log says of how an answer ended. */
async function endOf(event, id) {
  const { record } = await server.log(event, id);
  const { status, end_reason, chunk_count, finish_reason, usage, retries } = record;
  const lines = server
    .logsOf(id)
    .map(({ record }) => [
      record.event,
      record.code,
      record.cause,
      record.recovery_action,
      record.reason,
    ]);
  const told = ["stream_error", "upstream_retry", "unknown_finish_reason", "stream_started"];
  const others = lines.filter(([event]) => told.includes(event));
  return { status, end_reason, chunk_count, finish_reason, usage, retries, others };
}

test("whatever upstream does, a kept answer says what a stateless one says", async (t) => {
  for (const [mood, scripts] of Object.entries(MOODS)) {
    await t.test(mood, async () => {
      const message = `What about ${mood}?`;
      // The first one has the worker learn which dialect upstream knows.
      upstream.script(...scripts);
      await heard({ message, model: `first-${mood.length}` });
      upstream.reset();
      upstream.script(...scripts);
      const model = `stateless-${Object.keys(MOODS).indexOf(mood)}`;
      const stateless = await heard({ message, model });
      const asked = upstream.calls.map((call) => ({ ...call.body, model: undefined }));
      upstream.reset();
      upstream.script(...scripts);
      const [key, conversation_id] = [crypto.randomUUID(), crypto.randomUUID()];
      const body = { message, model: model.replace("stateless", "kept"), conversation_id };
      const kept = await heard(body, { "idempotency-key": key });
      assert.deepEqual(
        upstream.calls.map((call) => ({ ...call.body, model: undefined })),
        asked,
      );
      assert.equal(kept.reply.status, stateless.reply.status);
      assert.equal(
        plain(kept.text).replaceAll(kept.reply.id, "ID"),
        stateless.text.replaceAll(stateless.reply.id, "ID"),
      );
      const [whole, answered] = await Promise.all([
        endOf("response_complete", stateless.reply.id),
        endOf("answer_complete", kept.reply.id),
      ]);
      assert.deepEqual(answered, whole, "the log");
      const again = await me.answer(key);
      if (kept.reply.status !== 200) {
        assert.equal(again.status, 404);
        assert.equal((await me.send(`/conversations/${conversation_id}`)).status, 404);
        return;
      }
      assert.equal(await again.text(), kept.text);
      const { turns } = await me.conversation(conversation_id);
      const frames = kept.text.match(/(?<=^data: ).*$/gm).map((json) => JSON.parse(json));
      assert.equal(turns[1].content, frames.map(({ content }) => content).join(""));
      const { finish_reason = null, usage = null, code, turn_id } = frames.at(-1);
      assert.partialDeepStrictEqual(turns[1], {
        id: turn_id,
        state: code === undefined ? "complete" : "failed",
        finish_reason,
        usage,
      });
      assert.equal(turns[1].error?.code, code);
    });
  }
});
