/** Models that are asked when one fails before the first byte: which failures lead to them, and what the client is told. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { CLOCK, pass } from "../support/clock.mjs";
import { DETAILS, errorBody } from "../support/errors.mjs";
import { read } from "../support/exchange.mjs";
import { finalFrame, frames } from "../support/frames.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import { endingOf, keptFrame, Person } from "../support/person.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const OTHER_KEY = "sk-other-0123456789abcdefghij";
const ASKED = "first-model";

const upstream = await startUpstream();
const elsewhere = await startUpstream();

const COMMON = {
  OPENAI_BASE_URL: upstream.url,
  OPENAI_MODEL: ASKED,
  ANONYMOUS_OWNER: "true",
  MAX_RETRIES: "0",
};
const OTHER = { FALLBACK_BASE_URL: elsewhere.url, FALLBACK_API_KEY: OTHER_KEY };
const start = (bindings) => startWorker({ ...COMMON, ...bindings }, { owners: true, front: CLOCK });

const alone = await start({});
const one = await start({ FALLBACK_MODELS: "second-model" });
const two = await start({ FALLBACK_MODELS: "second-model, third-model" });
const other = await start({ FALLBACK_MODELS: "second-model", ...OTHER });

beforeEach(() => {
  upstream.reset();
  elsewhere.reset();
});

const fail =
  (status, code = null, headers = {}) =>
  (call) =>
    call.respond(status, { error: { message: "canary-sentence", code } }, headers);

/** A way to fail before the first byte, and what the client is told of it where nothing else helps. */
const row = (script, status, code, moves) => ({ script, status, code, moves });
const MOVES = ["same", "other"];
const FAILURES = {
  429: row(fail(429), 429, "upstream_rate_limited", MOVES),
  "429 of a quota": row(fail(429, "insufficient_quota"), 503, "upstream_quota", MOVES),
  402: row(fail(402), 503, "upstream_quota", MOVES),
  401: row(fail(401, "invalid_api_key"), 502, "upstream_rejected", ["other"]),
  403: row(fail(403), 502, "upstream_rejected", ["other"]),
  "400 of an unknown kind": row(fail(400), 502, "upstream_rejected", ["other"]),
  404: row(fail(404, "model_not_found"), 502, "model_not_found", MOVES),
  408: row(fail(408), 502, "upstream_unavailable", MOVES),
  409: row(fail(409), 502, "upstream_unavailable", MOVES),
  500: row(fail(500), 502, "upstream_unavailable", MOVES),
  503: row(fail(503), 503, "upstream_unavailable", MOVES),
  529: row(fail(529), 503, "upstream_unavailable", MOVES),
  "a reset": row((call) => call.reset(), 502, "upstream_unreachable", MOVES),
  "a page": row(
    (call) => call.respond(200, "<html>", { "content-type": "text/html" }),
    502,
    "upstream_protocol",
    MOVES,
  ),
  "an empty 200": row((call) => call.respond(200, ""), 502, "upstream_protocol", MOVES),
  "half a whole answer": row(
    (call) => {
      call.open(200, { "content-type": "application/json" }).write('{"choices":[');
      call.cut();
    },
    502,
    "upstream_truncated",
    MOVES,
  ),
  "a redirect": row(
    (call) => call.respond(307, "", { location: elsewhere.url }),
    502,
    "upstream_protocol",
    MOVES,
  ),
  "an error with a success status": row(
    (call) => call.respond(200, { error: { message: "", code: "server_error" } }),
    502,
    "upstream_unavailable",
    MOVES,
  ),
  "a long conversation": row(
    fail(400, "context_length_exceeded"),
    400,
    "context_length_exceeded",
    [],
  ),
  "a filtered one": row(fail(400, "content_filter"), 400, "content_filtered", []),
};

/** Where a fallback is asked: at the same server under the same key, or elsewhere under another key. */
const PLACES = {
  same: { app: one, server: upstream, key: API_KEY },
  other: { app: other, server: elsewhere, key: OTHER_KEY },
};

/** How long a model rests that has failed, in seconds. */
const REST = 60;

/** Asks, statelessly or in a conversation of its own, and reads what comes. No model rests any more. */
async function ask(app, { kept, body = { message: "canary-question" } } = {}) {
  await pass(app, REST, { waiting: 0 });
  const id = crypto.randomUUID();
  const answerId = kept ? crypto.randomUUID() : undefined;
  const place = kept && { conversation_id: answerId };
  const headers = { "x-correlation-id": id, ...(kept && { "idempotency-key": answerId }) };
  const response = await app.chat({ ...body, ...place }, { headers });
  return { id, answerId, response, text: await read(response) };
}

/** Asserts that an answer came whole, byte for byte, and that its model is told wherever it has to be. */
async function assertAnsweredBy(app, model, { id, answerId, response, text }) {
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("x-model"), model);
  const ending = { finish_reason: "stop", ...(model !== null && { model }) };
  if (answerId === undefined) {
    assert.equal(text, frames(id, ["Hi"], ending));
  } else {
    const { turn_id, history_turns } = endingOf(text);
    const whole = { ...ending, turn_id, history_turns };
    const last = `id: ${answerId}.1\n${finalFrame(id, 1, whole)}`;
    assert.equal(text, keptFrame(answerId, id, 0, "Hi") + last);
    const { turns } = await new Person(app).conversation(answerId);
    assert.equal(turns[1].model, model ?? ASKED);
    assert.equal((await app.log("answer_complete", id)).record.model, model ?? undefined);
  }
  assert.equal((await app.log("stream_started", id)).record.model, model ?? ASKED);
  assert.equal((await app.log("response_complete", id)).record.model, model ?? undefined);
}

/** What the log says of the models that have failed: from, to, and the code. */
async function fallbacks(app, id) {
  await app.log("response_complete", id);
  const lines = app.logsOf(id).filter(({ record }) => record.event === "upstream_fallback");
  assert.ok(lines.every(({ method }) => method === "warn"));
  return lines.map(({ record: { from, to, code } }) => [from, to, code]);
}

const modelsAsked = ({ calls }) => calls.map(({ body }) => body.model);

for (const kept of [false, true]) {
  const how = kept ? "a kept answer" : "a chat";

  test(`${how}: a failure before the first byte leads to the fallback, if that may not share it`, async (t) => {
    for (const [what, { script, status, code, moves }] of Object.entries(FAILURES)) {
      for (const [where, { app, server, key }] of Object.entries(PLACES)) {
        await t.test(`${what}, ${where} server`, async () => {
          upstream.reset();
          elsewhere.reset();
          const isMoving = moves.includes(where);
          upstream.script(script);
          if (isMoving) server.script(answerWell);
          const asked = await ask(app, { kept });
          if (!isMoving) {
            assert.equal(asked.text, errorBody(code, asked.id));
            assert.equal(asked.response.status, status);
            assert.equal(asked.response.headers.get("x-model"), null);
            assert.deepEqual([modelsAsked(upstream), modelsAsked(elsewhere)], [[ASKED], []]);
            return;
          }
          await assertAnsweredBy(app, "second-model", asked);
          assert.deepEqual(await fallbacks(app, asked.id), [[ASKED, "second-model", code]]);
          const [first, second] = [...upstream.calls, ...elsewhere.calls];
          assert.equal(first.body.model, ASKED);
          assert.equal(first.headers.authorization, `Bearer ${API_KEY}`);
          assert.equal(second.body.model, "second-model");
          assert.equal(second.headers.authorization, `Bearer ${key}`);
          assert.deepEqual({ ...second.body, model: ASKED }, first.body, "the same is asked");
          assert.equal((await app.log("response_complete", asked.id)).record.retries, 1);
        });
      }
    }
  });

  test(`${how}: without fallbacks, a failure is what it was, and nothing names a model`, async (t) => {
    for (const [what, { script, status, code }] of Object.entries(FAILURES)) {
      await t.test(what, async () => {
        upstream.reset();
        upstream.script(script);
        const asked = await ask(alone, { kept });
        const detail = code === "model_not_found" ? DETAILS.unknownDefaultModel : undefined;
        assert.equal(asked.text, errorBody(code, asked.id, detail));
        assert.equal(asked.response.status, status);
        assert.equal(upstream.calls.length, 1);
        assert.deepEqual(await fallbacks(alone, asked.id), []);
      });
    }
    upstream.reset();
    upstream.script(answerWell);
    await assertAnsweredBy(alone, null, await ask(alone, { kept }));
  });

  test(`${how}: the model that was asked for answers if it can, and is named all the same`, async () => {
    upstream.script(answerWell);
    const asked = await ask(two, { kept });
    await assertAnsweredBy(two, ASKED, asked);
    assert.deepEqual(modelsAsked(upstream), [ASKED]);
    assert.deepEqual(await fallbacks(two, asked.id), []);
  });

  test(`${how}: fallbacks are asked in their order`, async () => {
    upstream.script(fail(500), fail(429), answerWell);
    const asked = await ask(two, { kept });
    await assertAnsweredBy(two, "third-model", asked);
    assert.deepEqual(await fallbacks(two, asked.id), [
      [ASKED, "second-model", "upstream_unavailable"],
      ["second-model", "third-model", "upstream_rate_limited"],
    ]);
  });

  test(`${how}: if all fail, the client is told how the first one did`, async () => {
    upstream.script(
      fail(429, null, { "retry-after": "7" }),
      fail(404, "model_not_found"),
      fail(401),
    );
    const { id, response, text } = await ask(two, { kept });
    assert.equal(text, errorBody("upstream_rate_limited", id));
    assert.equal(response.status, 429);
    assert.equal(response.headers.get("retry-after"), "7");
    assert.equal(response.headers.get("x-model"), null);
    assert.deepEqual(await fallbacks(two, id), [
      [ASKED, "second-model", "upstream_rate_limited"],
      ["second-model", "third-model", "model_not_found"],
      ["third-model", undefined, "upstream_rejected"],
    ]);
    const { code } = (await two.log("stream_error", id)).record;
    assert.equal(code, "upstream_rate_limited");
    assert.equal((await two.log("response_complete", id)).record.model, undefined);
  });

  test(`${how}: a fallback that refuses the request is passed over, and the request is not blamed`, async () => {
    for (const refusal of ["context_length_exceeded", "content_filter"]) {
      upstream.reset();
      upstream.script(fail(503), fail(400, refusal), answerWell);
      await assertAnsweredBy(two, "third-model", await ask(two, { kept }));
      upstream.script(fail(503), fail(400, refusal), fail(400, refusal));
      const { id, response, text } = await ask(two, { kept });
      assert.equal(text, errorBody("upstream_unavailable", id));
      assert.equal(response.status, 503);
    }
  });

  test(`${how}: a model that the client has chosen falls back too, unless it does not exist`, async () => {
    const body = { message: "canary-question", model: "chosen-model" };
    upstream.script(fail(500), answerWell);
    await assertAnsweredBy(one, "second-model", await ask(one, { kept, body }));
    assert.deepEqual(modelsAsked(upstream), ["chosen-model", "second-model"]);
    upstream.reset();
    upstream.script(fail(404, "model_not_found"));
    const { id, response, text } = await ask(one, { kept, body });
    assert.equal(text, errorBody("model_not_found", id));
    assert.equal(response.status, 400);
    assert.equal(upstream.calls.length, 1);
  });

  test(`${how}: the model that is asked for is not asked twice at the same server`, async () => {
    const body = { message: "canary-question", model: "second-model" };
    upstream.script(fail(500), answerWell);
    await assertAnsweredBy(two, "third-model", await ask(two, { kept, body }));
    assert.deepEqual(modelsAsked(upstream), ["second-model", "third-model"]);
    upstream.reset();
    upstream.script(fail(500));
    elsewhere.script(answerWell);
    await assertAnsweredBy(other, "second-model", await ask(other, { kept, body }));
    assert.deepEqual(modelsAsked(elsewhere), ["second-model"], "another server has another one");
  });
}
