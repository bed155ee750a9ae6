/**
 * The routes of kept conversations, each answered in every way that can be brought about here. That each answer is as
 * `openapi.json` says is checked by the harness; this holds the other direction: what the document says is answered.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DETAILS, errorBody } from "../support/errors.mjs";
import { read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";
import { document } from "../support/openapi.mjs";
import { answer, delta, finish, startUpstream, usage } from "../support/upstream.mjs";

const ORIGIN = "https://app.example";
const upstream = await startUpstream();
const variables = {
  OPENAI_BASE_URL: upstream.url,
  MAX_RETRIES: "0",
  MAX_ANSWERS_AT_ONCE: "1",
  ALLOWED_ORIGINS: ORIGIN,
};
const tokens = { ME: "me-token-0123456789", YOU: "you-token-0123456789" };
const app = await startWorker(
  { ...variables, ACCESS_TOKENS: `me:${tokens.ME},you:${tokens.YOU}` },
  { owners: true },
);
const unbound = await startWorker({ ...variables, ANONYMOUS_OWNER: "true" });
const ownerless = await startWorker(variables, { owners: true });
const misconfigured = await startWorker({ ...variables, MAX_TOKENS: "x" }, { owners: true });

/** The operations on what is kept: a name, and a request that is in order but for its ids. */
const OPERATIONS = {
  conversations: ["GET", "/conversations"],
  forgetEverything: ["DELETE", "/conversations", { headers: { "x-confirm": "delete-everything" } }],
  conversation: ["GET", "/conversations/nowhere"],
  rename: ["PATCH", "/conversations/nowhere", json({ title: "A title" })],
  forget: ["DELETE", "/conversations/nowhere"],
  answer: ["GET", "/answers/nowhere"],
  stop: ["POST", "/answers/nowhere/stop"],
  exportAll: ["GET", "/export"],
};

function json(body) {
  return { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

/** Sends a request of `me`; the headers win. */
function ask(worker, [method, path, init = {}], headers = {}) {
  const authorization = `Bearer ${tokens.ME}`;
  return worker.fetch(path, {
    method,
    ...init,
    headers: { authorization, ...init.headers, ...headers },
  });
}

const chat = (body, headers = {}) => {
  const { headers: type, ...init } = json({ message: "Hello", conversation_id: "c", ...body });
  return ask(app, ["POST", "/chat", init], { ...type, ...headers });
};

async function assertError(response, status, code, detail) {
  assert.equal(response.status, status);
  const id = response.headers.get("x-correlation-id");
  assert.equal(await read(response), errorBody(code, id, detail));
}

test("the operations here are all that the document has", () => {
  const documented = Object.values(document.paths)
    .flatMap((path) => Object.values(path))
    .filter(({ tags }) => tags.includes("Conversations"))
    .map(({ operationId }) => operationId);
  assert.deepEqual(documented, Object.keys(OPERATIONS));
});

for (const [name, operation] of Object.entries(OPERATIONS)) {
  test(`${name}: a stranger, a foreign page and a worker that keeps nothing are refused`, async () => {
    const stranger = { authorization: "Bearer wrong-token-0123456789" };
    await assertError(await ask(app, operation, stranger), 401, "unauthorized");
    const page = { origin: "https://evil.example" };
    await assertError(await ask(app, operation, page), 403, "origin_not_allowed");
    await assertError(await ask(unbound, operation), 409, "conversations_unavailable");
    const { noOwner } = DETAILS;
    await assertError(await ask(ownerless, operation), 409, "conversations_unavailable", noOwner);
    const { status, headers } = await ask(misconfigured, operation);
    assert.equal(status, 500);
    assert.match(headers.get("x-correlation-id"), /^[0-9a-f-]{36}$/);
  });

  test(`${name}: a page of an allowed origin may send it, and read the answer`, async () => {
    const [method, path] = operation;
    const asking = { origin: ORIGIN, "access-control-request-method": method };
    const { status, headers } = await app.fetch(path, { method: "OPTIONS", headers: asking });
    assert.equal(status, 204);
    assert.equal(headers.get("access-control-allow-origin"), ORIGIN);
    assert.ok(headers.get("access-control-allow-methods").split(", ").includes(method));
    const response = await ask(app, operation, { origin: ORIGIN });
    assert.equal(response.headers.get("access-control-allow-origin"), ORIGIN);
    assert.match(response.headers.get("access-control-expose-headers"), /^X-Answer-Id, /);
  });
}

for (const name of ["conversation", "rename", "forget", "answer", "stop"]) {
  test(`${name}: an id of nobody's and one of somebody else's are the same`, async () => {
    const isAnswer = name === "answer" || name === "stop";
    const detail = isAnswer ? DETAILS.noAnswer : DETAILS.noConversation;
    const [method, path, init] = OPERATIONS[name];
    await assertError(await ask(app, [method, path, init]), 404, "not_found", detail);
    upstream.script((call) => call.end(...answer("Hi")));
    const id = crypto.randomUUID();
    await read(await chat({ conversation_id: id }, { "idempotency-key": id }));
    const theirs = [method, path.replace("nowhere", id), init];
    const you = { authorization: `Bearer ${tokens.YOU}` };
    await assertError(await ask(app, theirs, you), 404, "not_found", detail);
    assert.ok((await ask(app, theirs)).ok);
  });
}

test("what breaks a rule is told with its place", async () => {
  const invalid = async (operation, headers, field, rule) => {
    const detail = `Field '${field}': ${rule}`;
    await assertError(await ask(app, operation, headers), 400, "validation_error", detail);
  };
  for (const limit of ["0", "101", "x", "", "1.5", "-1"]) {
    const rule = "Input should be a whole number from 1 to 100";
    await invalid(["GET", `/conversations?limit=${limit}`], {}, "query.limit", rule);
  }
  const rule = "Value error, no page ended there";
  await invalid(["GET", "/conversations?before=x"], {}, "query.before", rule);
  const long = `/conversations?q=${"x".repeat(1001)}`;
  await invalid(["GET", long], {}, "query.q", "String should have at most 1000 characters");
  const confirm = "Value error, send 'X-Confirm: delete-everything' to forget all conversations";
  for (const given of [undefined, "yes"]) {
    await invalid(
      ["DELETE", "/conversations"],
      { "x-confirm": given },
      "header.x-confirm",
      confirm,
    );
  }
  const after = "Input should be a frame's sequence";
  for (const given of ["", "x", "-1", "01", "1.0"]) {
    await invalid(["GET", `/answers/nowhere?after=${given}`], {}, "query.after", after);
  }
  const other = { "last-event-id": "other.1" };
  const rest = "Value error, the id belongs to another answer";
  await invalid(["GET", "/answers/nowhere"], other, "header.last-event-id", rest);
  const blank = ["PATCH", "/conversations/nowhere", json({ title: " " })];
  await invalid(blank, {}, "body.title", "Value error, title must not be blank");
  const large = ["PATCH", "/conversations/nowhere", json({ title: "x".repeat(70_000) })];
  await assertError(await ask(app, large), 413, "body_too_large");
  const text = { "content-type": "text/plain" };
  await assertError(await ask(app, OPERATIONS.rename, text), 415, "unsupported_media_type");
});

test("a conversation is told, found, renamed, exported and forgotten", async () => {
  upstream.script((call) => call.end(delta("Up to "), finish("stop", "50 metres."), usage(9, 5)));
  const key = crypto.randomUUID();
  const asked = { message: "How tall are spruces?", conversation_id: "trees" };
  const response = await chat(asked, { "idempotency-key": key, "x-correlation-id": "asker" });
  assert.equal(response.headers.get("x-answer-id"), key);
  const frames = await read(response);
  const { turn_id } = JSON.parse(frames.match(/data: (.*"is_final":true.*)/)[1]);

  const told = await (await ask(app, ["GET", "/conversations/trees"])).json();
  const [question, reply] = told.turns;
  const { created_at } = told;
  assert.deepEqual(told, {
    id: "trees",
    title: "How tall are spruces?",
    created_at,
    updated_at: created_at,
    turns: [
      { id: question.id, parent_id: null, role: "user", content: asked.message, created_at },
      {
        id: turn_id,
        parent_id: question.id,
        role: "assistant",
        content: "Up to 50 metres.",
        created_at: reply.created_at,
        answer_id: key,
        state: "complete",
        model: "gpt-4",
        finish_reason: "stop",
        usage: { input_tokens: 9, output_tokens: 5, total_tokens: 14 },
      },
    ],
  });
  const markdown = await ask(app, ["GET", "/conversations/trees"], { accept: "text/markdown" });
  assert.equal(
    await markdown.text(),
    "# How tall are spruces?\n\n## User\n\nHow tall are spruces?\n\n## Assistant\n\nUp to 50 metres.\n",
  );
  const both = { accept: "application/json, text/markdown;q=0.5" };
  assert.deepEqual(await (await ask(app, ["GET", "/conversations/trees"], both)).json(), told);
  const found = await (await ask(app, ["GET", "/conversations?q=SPRUC"])).json();
  assert.deepEqual(found, {
    conversations: [
      {
        id: "trees",
        title: "How tall are spruces?",
        created_at,
        updated_at: created_at,
        turn_count: 2,
        state: "complete",
        snippet: "How tall are spruces? Up to 50 metres.",
      },
    ],
    next: null,
  });
  const renamed = await ask(app, ["PATCH", "/conversations/trees", json({ title: " Trees " })]);
  assert.deepEqual(await renamed.json(), { id: "trees", title: "Trees" });
  const lines = (await (await ask(app, OPERATIONS.exportAll)).text()).split("\n");
  const exported = lines.map((line) => line && JSON.parse(line));
  assert.equal(exported.find(({ id }) => id === "trees").title, "Trees");

  const again = await ask(app, ["GET", `/answers/${key}`]);
  assert.equal(await read(again), frames);
  const rest = await ask(app, ["GET", `/answers/${key}?after=0`]);
  assert.equal(await read(rest), frames.slice(frames.indexOf("id:", 1)));
  for (const last of [{ "last-event-id": `${key}.2` }, { "last-event-id": `${key}.99` }]) {
    assert.equal((await ask(app, ["GET", `/answers/${key}`], last)).status, 204);
    assert.equal((await chat(asked, last)).status, 204);
  }
  const stop = await ask(app, ["POST", `/answers/${key}/stop`]);
  assert.equal(await read(stop), '{"state":"complete"}');

  assert.equal((await ask(app, ["DELETE", "/conversations/trees"])).status, 204);
  for (const path of ["/conversations/trees", `/answers/${key}`]) {
    assert.equal((await ask(app, ["GET", path])).status, 404);
  }
  const { conversations } = await (await ask(app, ["GET", "/conversations?q=trees"])).json();
  assert.deepEqual(conversations, []);
});

test("a chat that cannot be kept as asked is refused", async () => {
  const running = chat({ conversation_id: "busy" }, { "idempotency-key": "busy" });
  const call = await upstream.nextCall();
  call.write(delta("a"));
  const response = await running;
  await assertError(await chat({ conversation_id: "other" }), 429, "too_many_answers");
  const other = { message: "Something else", conversation_id: "busy" };
  const key = { "idempotency-key": "busy" };
  await assertError(await chat(other, key), 409, "idempotency_conflict");
  const stopped = await ask(app, ["POST", "/answers/busy/stop"]);
  assert.equal(await read(stopped), '{"state":"stopped"}');
  assert.match(
    await read(response),
    /"finish_reason":"stopped","turn_id":"[0-9a-f-]{36}","history_turns":0\}\n\n$/,
  );
  assert.equal(await call.closed, "aborted");
});

test("an error before the answer begins is told to all who wait for it", async () => {
  const asking = chat({ conversation_id: "fails" }, { "idempotency-key": "fails" });
  const call = await upstream.nextCall();
  const waiting = ask(app, ["GET", "/answers/fails"]);
  await app.log("request_received", ({ path }) => path === "/answers/fails");
  // The object takes requests in their order.
  await read(await ask(app, OPERATIONS.conversations));
  call.respond(500, {});
  await assertError(await asking, 502, "upstream_unavailable");
  await assertError(await waiting, 502, "upstream_unavailable");
  const { noAnswer } = DETAILS;
  await assertError(await ask(app, ["GET", "/answers/fails"]), 404, "not_found", noAnswer);
});
