/** The log of kept answers: one last line for each request, one for each answer, and nothing of what was said. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { startKept } from "../support/kept.mjs";
import { keepSecret } from "../support/leaks.mjs";
import { Person } from "../support/person.mjs";
import { delta, done, event, finish, startUpstream, usage } from "../support/upstream.mjs";

const upstream = await startUpstream();
const server = await startKept({
  OPENAI_BASE_URL: upstream.url,
  ACCESS_TOKENS: "me:my-token-0123456789",
  LOG_LEVEL: "DEBUG",
});
const me = new Person(server, "my-token-0123456789");

beforeEach(() => upstream.reset());

const fresh = () => crypto.randomUUID();

/** The lines of a request, without what differs each time. */
function linesOf(id) {
  return server.logsOf(id).map(({ method, record }) => {
    const {
      timestamp,
      correlation_id,
      duration_ms,
      ttft_ms,
      elapsed_ms,
      upstream_latency_ms,
      ...line
    } = record;
    return { method, ...line };
  });
}

async function begin(content) {
  const key = fresh();
  const asked = me.ask(
    { message: "What is in the log?", conversation_id: fresh() },
    { "idempotency-key": key },
  );
  const call = await upstream.nextCall();
  call.write(delta(content));
  const reply = await asked;
  await reply.next();
  return { key, call, reply };
}

test("a kept answer has the lines of its request and one of its own, and each reader has its own", async () => {
  const { key, call, reply } = await begin("Not a word of it");
  const reader = await me.answer(key, 0);
  call.end(delta(" is in there"), finish("stop"), usage(3, 4), done);
  await Promise.all([reply.text(), reader.text()]);
  await server.log("answer_complete", reply.id);
  await me.assertLogged();
  const tokens = { input_tokens: 3, output_tokens: 4, total_tokens: 7 };
  const own = linesOf(reply.id);
  const events = own.map(({ event }) => event);
  assert.deepEqual(events.slice(0, 2), ["request_received", "stream_started"]);
  assert.deepEqual(events.slice(2).sort(), [
    "answer_complete",
    "chunk_sent",
    "chunk_sent",
    "response_complete",
  ]);
  const [first] = server.logsOf(reply.id);
  assert.deepEqual(
    [first.record.path, first.record.message_length, first.record.client],
    ["/chat", 19, "me"],
  );
  assert.deepEqual(
    own.find(({ event }) => event === "answer_complete"),
    {
      method: "log",
      level: "INFO",
      event: "answer_complete",
      answer_id: key,
      status: "success",
      end_reason: "done",
      chunk_count: 2,
      finish_reason: "stop",
      usage: tokens,
      retries: 0,
    },
  );
  const complete = {
    level: "INFO",
    event: "response_complete",
    status: "success",
    http_status: 200,
    end_reason: "done",
    retries: 0,
  };
  assert.deepEqual(
    own.find(({ event }) => event === "response_complete"),
    { method: "log", ...complete, chunk_count: 2 },
  );
  const path = `/answers/${key}`;
  assert.deepEqual(
    server
      .logsOf(reader.id)
      .map(({ record }) => [
        record.event,
        record.method ?? record.status,
        record.path ?? record.chunk_count,
      ]),
    [
      ["request_received", "GET", path],
      ["response_complete", "success", 1],
    ],
  );
  const withId = server.logs.filter(({ record }) => record.answer_id !== undefined);
  assert.deepEqual(
    withId.map(({ record }) => record.event),
    ["answer_complete"],
  );
});

test("a reader's last line says how the answer ended, or that the reader left", async (t) => {
  for (const [end_reason, status, end] of [
    ["done", "success", ({ call }) => call.end(finish("stop"), done)],
    ["upstream_truncated", "error", ({ call }) => call.cut()],
    ["upstream_protocol", "error", ({ call }) => call.end("data: {\n\n")],
    ["upstream_error", "error", ({ call }) => call.end(event({ error: { code: "server_error" } }))],
    ["stopped", "cancelled", ({ key }) => me.stop(key)],
  ]) {
    await t.test(end_reason, async () => {
      const begun = await begin("How it ends");
      await end(begun);
      await begun.reply.text();
      const { record } = await server.log("response_complete", begun.reply.id);
      assert.partialDeepStrictEqual(record, {
        status,
        end_reason,
        http_status: 200,
        chunk_count: 1,
      });
      const answer = await server.log("answer_complete", begun.reply.id);
      assert.partialDeepStrictEqual(answer.record, {
        status,
        end_reason,
        chunk_count: 1,
        answer_id: begun.key,
      });
      const late = await me.answer(begun.key);
      await late.text();
      const again = await server.log("response_complete", late.id);
      assert.partialDeepStrictEqual(
        again.record,
        { status, end_reason },
        "and later, from the store",
      );
    });
  }
  await t.test("nothing to read", async () => {
    const { key, call, reply } = await begin("How it ends");
    call.end(finish("stop"), done);
    await reply.text();
    const late = await me.answer(key, 1);
    const { record } = await server.log("response_complete", late.id);
    assert.partialDeepStrictEqual(record, {
      status: "success",
      end_reason: "done",
      http_status: 204,
    });
  });
});

test("an answer that a crash has interrupted has its one last line when the store is opened again", async () => {
  const { key, reply } = await begin("Half of it");
  await server.kill();
  await server.start();
  for (let time = 0; time < 2; time++) await (await me.answer(key)).text();
  const { record } = await server.log("answer_complete", reply.id);
  assert.partialDeepStrictEqual(record, {
    answer_id: key,
    status: "error",
    end_reason: "interrupted",
    chunk_count: 1,
  });
  const lines = server.logsOf(reply.id).filter(({ record }) => record.event === "answer_complete");
  assert.equal(lines.length, 1);
});

test("every request about what is kept has one first and one last line, and no title, search or text is in them", async (t) => {
  const person = new Person(server, "my-token-0123456789");
  const words = ["Unmistakable Title", "unmistakable search", "An unmistakable message"];
  keepSecret(...words, words[1].replace(" ", "+"));
  const [title, search, message] = words;
  const { text } = await person.exchange(
    upstream,
    { message, conversation_id: "logged" },
    { "idempotency-key": "logged" },
  );
  assert.match(text, /"stop"/);
  for (const [method, path, init, status = 200] of [
    ["GET", "/conversations"],
    ["GET", `/conversations?q=${encodeURIComponent(search)}&limit=1`],
    ["GET", `/conversations?q=${search.replace(" ", "+")}&limit=no`, {}, 400],
    ["GET", "/conversations/logged"],
    ["GET", "/conversations/logged", { headers: { accept: "text/markdown" } }],
    ["GET", "/conversations/nobodys", {}, 404],
    ["PATCH", "/conversations/logged", { body: { title } }],
    ["PATCH", "/conversations/logged", { body: { title: `${title} ${"x".repeat(200)}` } }, 400],
    ["POST", "/answers/logged/stop"],
    ["GET", "/answers/logged"],
    ["GET", "/answers/logged?after=9", {}, 204],
    ["GET", "/answers/logged?after=no", {}, 400],
    ["GET", "/export"],
    ["DELETE", "/conversations", {}, 400],
    ["DELETE", "/conversations/logged", {}, 204],
    ["DELETE", "/conversations", { headers: { "x-confirm": "delete-everything" } }, 204],
  ]) {
    await t.test(`${method} ${path}`, async () => {
      const reply = await person.send(path, { method, ...init });
      await reply.text();
      assert.equal(reply.status, status);
      const { record } = await server.log("response_complete", reply.id);
      const isRefused = status >= 400;
      assert.partialDeepStrictEqual(record, {
        status: isRefused ? "error" : "success",
        http_status: status,
        end_reason: isRefused ? "rejected" : "done",
      });
      const [first] = server.logsOf(reply.id);
      assert.partialDeepStrictEqual(first.record, {
        event: "request_received",
        method,
        path: path.replace(/\?.*/, ""),
      });
    });
  }
  await person.assertLogged();
});
