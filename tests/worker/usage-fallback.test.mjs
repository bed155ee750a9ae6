/** What an answer of a fallback costs is counted under the model that gave it, and its budget is the client's. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { CLOCK, pass } from "../support/clock.mjs";
import { errorBody } from "../support/errors.mjs";
import { startWorker } from "../support/harness.mjs";
import { startKept } from "../support/kept.mjs";
import { changeObjects } from "../support/kept-disk.mjs";
import { Person } from "../support/person.mjs";
import { estimate, sentTokens, usageOf, usageOnce } from "../support/spending.mjs";
import { delta, done, event, finish, startUpstream, usage } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const COMMON = {
  OPENAI_BASE_URL: upstream.url,
  OPENAI_MODEL: "first",
  FALLBACK_MODELS: "second",
  ANONYMOUS_OWNER: "true",
  MAX_RETRIES: "0",
  PRICES: "first=1000/1000,second=1/2",
};

const overloaded = (call) => call.respond(503, { error: { message: "busy" } });

/** The same question, kept and not. */
const BODIES = {
  stateless: () => ({ message: "Hello" }),
  kept: () => ({ message: "Hello", conversation_id: crypto.randomUUID() }),
};

/** The days of a worker whose clock belongs to the test. */
const JANUARY = "?from=2026-01-01&to=2026-01-31";

beforeEach(() => upstream.reset());

const launch = (variables, options) =>
  startWorker({ ...COMMON, ...variables }, { owners: true, ...options });
const start = async (variables) => new Person(await launch(variables));

const modelsOf = ({ days }) => days.flatMap(({ models }) => models);

for (const [kind, body] of Object.entries(BODIES)) {
  test(`${kind}: an answer is counted once, under the model that gave it, at its price`, async () => {
    const me = await start();
    upstream.script(overloaded, (call) =>
      call.end(delta("Hi"), finish("stop"), usage(1000, 500), done),
    );
    const reply = await me.ask(body());
    assert.match(await reply.text(), /"model":"second"/);
    const told = await usageOnce(me, ({ total }) => total.answers > 0);
    assert.deepEqual(modelsOf(told), [
      {
        model: "second",
        answers: 1,
        input_tokens: 1000,
        output_tokens: 500,
        cached_tokens: 0,
        reasoning_tokens: 0,
        cost: 0.002,
      },
    ]);
    await me.assertLogged();
  });

  test(`${kind}: an answer that is cut off counts under the model that began it, by estimate`, async () => {
    const me = await start();
    let call;
    upstream.script(overloaded, (second) => {
      call = second;
      call.end(delta("Hello, "), delta("world"));
    });
    const reply = await me.ask(body());
    assert.match(await reply.text(), /"code":"upstream_truncated"/);
    const told = await usageOnce(me, ({ total }) => total.answers > 0);
    const [{ model, input_tokens, output_tokens, estimated }, ...more] = modelsOf(told);
    assert.deepEqual(more, []);
    assert.deepEqual(
      { model, input_tokens, output_tokens, estimated },
      {
        model: "second",
        input_tokens: sentTokens(call),
        output_tokens: estimate("Hello, world".length),
        estimated: true,
      },
    );
  });

  test(`${kind}: a budget of money sets aside what the dearest model that may answer costs`, async () => {
    const me = await start({ PRICES: "first=1/2,second=1000/3000", DAILY_COST: "100" });
    const asked = me.ask(body());
    const call = await upstream.nextCall();
    const { budget } = await usageOf(me);
    const dearest = (sentTokens(call) * 1000 + 2000 * 3000) / 1e6;
    assert.equal(budget.daily_cost.reserved, dearest);
    call.end(delta("Hi"), finish("stop"), usage(1000, 500), done);
    await (await asked).text();
    const told = await usageOnce(me, ({ total }) => total.answers > 0);
    assert.equal(told.budget.daily_cost.spent, 0.002);
  });

  test(`${kind}: when all models fail, nothing is counted and nothing stays reserved`, async () => {
    const me = await start({ DAILY_TOKENS: "1000000" });
    upstream.script(overloaded, overloaded);
    const reply = await me.ask(body());
    assert.equal(reply.status, 503);
    await reply.text();
    const { total, budget } = await usageOnce(
      me,
      ({ budget }) => budget.daily_tokens.reserved === 0,
    );
    assert.equal(total.answers, 0);
    assert.equal(budget.daily_tokens.remaining, 1_000_000);
  });
}

const tokens = (prompt_tokens, completion_tokens) => ({ prompt_tokens, completion_tokens });

/** How a model sells tokens and then fails to begin its answer. */
const SOLD_FOR_NOTHING = {
  "a stream that fails": (call) =>
    call.end(usage(100, 40), event({ error: { message: "", code: "server_error" } })),
  "a stream that is cut off": (call) => call.end(usage(100, 40)),
  "an answer in one piece without an end": (call) =>
    call.respond(200, { choices: [{ message: { content: "" } }], usage: tokens(100, 40) }),
  "an answer in one piece that fails": (call) =>
    call.respond(200, { error: { code: "server_error" }, usage: tokens(100, 40) }),
  "an answer of another API": (call) =>
    call.respond(200, {
      output: [{ type: "message", content: [{ type: "output_text", text: "much ".repeat(99) }] }],
      status: "completed",
      usage: tokens(100, 40),
    }),
};

const UNREADABLE = '{"choices":[{"message":{"content":{"a":1}},"finish_reason":"stop"}]}';

/** The same where nobody tells its tokens, and how many bytes count as text. */
const SOLD_UNTOLD = {
  "a stream that is cut off before any text": [(call) => call.end(delta("")), 0],
  "a stream with an event that cannot be read": [(call) => call.end("data: {\n\n"), 0],
  "an answer in one piece that cannot be read": [
    (call) => call.respond(200, UNREADABLE),
    UNREADABLE.length,
  ],
  "an answer in one piece that ends too soon": [(call) => call.respond(200, ' \n{"choices":'), 11],
  "line ends alone": [(call) => call.respond(200, "\n\n"), 0],
  "nothing at all": [(call) => call.respond(200, ""), 0],
  "line ends alone, and then a broken connection": [
    (call) => {
      call.open(200, { "content-type": "application/json" }).write("\n\n");
      call.cut();
    },
    0,
  ],
};

/** Ways in which a model says that it does nothing. */
const REFUSALS = {
  "a status": overloaded,
  "a status, with words about tokens": (call) =>
    call.respond(429, { error: { message: "busy" }, usage: tokens(100, 40) }),
  "the first event of a stream": (call) =>
    call.end(delta(""), event({ error: { message: "", code: "server_error" } })),
  "an answer in one piece": (call) => call.respond(200, { error: { code: "server_error" } }),
  "an answer in one piece with an end mark": (call) =>
    call.respond(200, '{"error":{"code":"server_error"}}\n\ndata: [DONE]'),
  "an answer in one piece with a byte order mark": (call) =>
    call.respond(200, '\ufeff{"error":{"code":"server_error"}}'),
  "no content": (call) => call.respond(204, ""),
  "a page": (call) => call.respond(200, "<html>", { "content-type": "text/html" }),
};

/** How a model may be at work although nothing of its answer has come. */
const AT_WORK = {
  "nothing at all": () => {},
  "headers alone": (call) => call.open(),
  "a part of an answer in one piece": (call) =>
    call.open(200, { "content-type": "application/json" }).write('{"choices":'),
};

/** Asks for an answer that is kept under the id of its conversation. */
function askKept(me) {
  const body = BODIES.kept();
  const id = body.conversation_id;
  const asked = me.ask(body, { "idempotency-key": id });
  asked.catch(() => {});
  return id;
}

/** Ways to leave an answer that has not begun: each asks, and gives what leaves. */
const LEAVES = {
  "its client leaves": (app) => {
    const client = app.send({});
    client.end(JSON.stringify(BODIES.stateless()));
    return () => client.socket.resetAndDestroy();
  },
  "its owner stops it": (_app, me) => {
    const id = askKept(me);
    return () => me.stop(id);
  },
  "its conversation is deleted": (_app, me) => {
    const id = askKept(me);
    return () => me.send(`/conversations/${id}`, { method: "DELETE" });
  },
};

for (const [how, begin] of Object.entries(LEAVES)) {
  test(`${how}: what a fallback was asked counts, under that one, though nothing of its answer had come`, async () => {
    const app = await launch({ FALLBACK_MODELS: "second,third" }, { front: CLOCK });
    const me = new Person(app);
    let answers = 0;
    for (const script of Object.values(AT_WORK)) {
      upstream.reset();
      upstream.script(overloaded);
      const leave = begin(app, me);
      const call = await upstream.nextCall();
      script(call);
      await pass(app, 0);
      await leave();
      assert.equal(await within(call.closed, "the end of the call"), "aborted");
      answers += 1;
      const told = await usageOnce(me, ({ total }) => total.answers === answers);
      const [{ model, input_tokens, estimated }, ...more] = modelsOf(told);
      assert.deepEqual(
        { model, input_tokens, estimated, more },
        { model: "second", input_tokens: answers * sentTokens(call), estimated: true, more: [] },
      );
      await pass(app, 60, { waiting: 0 });
    }
  });
}

for (const [how, begin] of Object.entries(LEAVES)) {
  test(`${how}: while the words of a refusal are on their way, nothing counts`, async () => {
    const app = await launch({ FALLBACK_MODELS: "", DAILY_TOKENS: "100000" }, { front: CLOCK });
    const me = new Person(app);
    const leave = begin(app, me);
    const call = await upstream.nextCall();
    call.open(503, { "content-type": "application/json" }).write('{"error":');
    await pass(app, 0);
    await leave();
    await within(call.closed, "the end of the call");
    const isOver = ({ budget }) => budget.daily_tokens.reserved === 0;
    const { total } = await usageOnce(me, isOver, JANUARY);
    assert.equal(total.answers, 0);
  });
}

for (const [how, begin] of Object.entries(LEAVES)) {
  test(`${how}: in the pause before a model is asked again, what it has sold counts, and nothing else`, async () => {
    const app = await launch(
      { FALLBACK_MODELS: "", MAX_RETRIES: "1", DAILY_TOKENS: "100000" },
      { front: CLOCK },
    );
    const me = new Person(app);
    upstream.script(SOLD_FOR_NOTHING["an answer in one piece that fails"]);
    const leave = begin(app, me);
    await app.log("upstream_retry");
    await leave();
    const isOver = ({ total, budget }) => total.answers > 0 && budget.daily_tokens.reserved === 0;
    const { total } = await usageOnce(me, isOver, JANUARY);
    assert.deepEqual([total.answers, total.input_tokens, total.output_tokens], [1, 100, 40]);
    assert.equal(upstream.calls.length, 1);
  });
}

const WHOLE = JSON.stringify({
  choices: [{ message: { content: "Hi" }, finish_reason: "stop" }],
  usage: tokens(10, 4),
});

for (const text of [WHOLE, `\ufeff${WHOLE}`, `${WHOLE}\n\ndata: [DONE]\n\n`]) {
  const what = JSON.stringify(text.replace(WHOLE, "…"));
  test(`a whole answer that is left while its connection is open counts as told: ${what}`, async () => {
    const app = await launch({ FALLBACK_MODELS: "" }, { front: CLOCK });
    const leave = LEAVES["its client leaves"](app);
    const call = await upstream.nextCall();
    call.open(200, { "content-type": "application/json" }).write(text);
    await pass(app, 0);
    await leave();
    const { total } = await usageOnce(new Person(app), ({ total }) => total.answers > 0, JANUARY);
    assert.deepEqual([total.answers, total.input_tokens, total.output_tokens], [1, 10, 4]);
  });
}

test("a client that left while a refusal was on its way is logged as gone, and no other model is asked", async () => {
  const app = await launch({ MAX_RETRIES: "2", DAILY_TOKENS: "100000" }, { front: CLOCK });
  const client = app.send({ "x-correlation-id": "gone" });
  client.end(JSON.stringify(BODIES.stateless()));
  const call = await upstream.nextCall();
  call.open(200, { "content-type": "application/json" }).write('{"error":{"code":"server_error"}}');
  await pass(app, 0);
  client.socket.resetAndDestroy();
  const { record } = await app.log("response_complete", "gone");
  assert.deepEqual([record.end_reason, record.retries], ["client_gone", 0]);
  const events = app.logsOf("gone").map(({ record }) => record.event);
  assert.deepEqual(events, ["request_received", "response_complete"]);
  const isOver = ({ budget }) => budget.daily_tokens.reserved === 0;
  const { total } = await usageOnce(new Person(app), isOver, JANUARY);
  assert.deepEqual([total.answers, upstream.calls.length], [0, 1]);
});

test("kept: what comes of an answer that was stopped before it began is logged as little as it is kept", async () => {
  const app = await launch({}, { front: CLOCK });
  const me = new Person(app);
  const id = askKept(me);
  const call = await upstream.nextCall();
  call.write(usage(5000, 40));
  await pass(app, 0);
  await (await me.stop(id)).text();
  const { record } = await app.log("answer_complete", ({ answer_id }) => answer_id === id);
  assert.deepEqual(
    [record.end_reason, record.usage, record.chunk_count],
    ["stopped", undefined, 0],
  );
  const { total } = await usageOnce(me, ({ total }) => total.answers > 0, JANUARY);
  assert.deepEqual(
    [total.input_tokens, total.output_tokens],
    [sentTokens(call), call.body.max_tokens],
  );
});

test("what a model has told before its client leaves counts, though another could still be asked", async () => {
  const app = await launch({}, { front: CLOCK });
  const leave = LEAVES["its client leaves"](app);
  const call = await upstream.nextCall();
  call.write(usage(5000, 40));
  await pass(app, 0);
  await leave();
  const { total } = await usageOnce(new Person(app), ({ total }) => total.answers > 0, JANUARY);
  assert.deepEqual([total.input_tokens, total.output_tokens], [5000, call.body.max_tokens]);
});

test("a document of several lines is not read as its first, and the next model is asked", async () => {
  const me = await start();
  const lines = (call) => {
    const headers = { "content-type": "application/json" };
    const line = { choices: [{ message: { content: "a" } }] };
    call.open(200, headers).end(`${JSON.stringify(line)}\n`, `${JSON.stringify(line)}\n`);
  };
  upstream.script(lines, (call) => call.end(delta("Hi"), finish("stop"), usage(10, 4), done));
  const reply = await me.ask(BODIES.stateless());
  assert.match(await reply.text(), /"content":"Hi"/);
});

test("kept: whoever waits for an answer whose model uses up the budget and fails is told so", async () => {
  const app = await launch({ DAILY_TOKENS: "100", FALLBACK_MODELS: "" });
  const me = new Person(app);
  const id = askKept(me);
  const call = await upstream.nextCall();
  const waiting = me.answer(id);
  await app.log("request_received", ({ path }) => path === `/answers/${id}`);
  // The object takes its requests in turn.
  await usageOf(me);
  SOLD_FOR_NOTHING["an answer in one piece that fails"](call);
  const reply = await waiting;
  assert.equal(reply.status, 429);
  assert.equal((await reply.error()).code, "budget_exhausted");
});

/** In front of the worker's own objects: has another answer to entries of a kind. */
const answering = (kind, answer) => `
const built = await import("./index.js");

export class Owner {
  #owner;

  constructor(context, env) {
    this.#owner = new built.Owner(context, env);
  }

  async fetch(request) {
    const isMeant = request.method === "PUT" && (await request.clone().text()).startsWith("${kind}");
    return isMeant ? ${answer} : this.#owner.fetch(request);
  }
}
`;
const WITHOUT_CLOCK = "export default class extends built.default {}\n";
const FAILS = "new Response(null, { status: 503 })";
const HANGS = "new Promise(() => {})";

test("stateless: no model is asked again while nobody knows whether the budget lets it", async () => {
  const app = await launch(
    { DAILY_TOKENS: "100000", MAX_RETRIES: "3" },
    { front: answering("close", FAILS) + WITHOUT_CLOCK },
  );
  const me = new Person(app);
  const { "an answer in one piece that fails": fail } = SOLD_FOR_NOTHING;
  upstream.script(fail, fail, fail, fail);
  const reply = await me.ask(BODIES.stateless());
  assert.equal(reply.status, 503);
  assert.equal(await reply.text(), errorBody("store_unavailable", reply.id));
  assert.equal(upstream.calls.length, 1);
  await me.assertLogged();
  const { record: failed } = await app.log("upstream_fallback", reply.id);
  assert.deepEqual(
    [failed.from, failed.to, failed.code],
    ["first", undefined, "upstream_unavailable"],
  );
  const { record: account } = await app.log("stream_error", reply.id);
  assert.equal(account.cause, "the owner's object answered 503");
});

test("stateless: a client that leaves while the account is asked in the middle is logged as gone", async () => {
  const app = await launch(
    { DAILY_TOKENS: "100000" },
    { front: answering("close", HANGS) + CLOCK },
  );
  const client = app.send({ "x-correlation-id": "leaver" });
  client.end(JSON.stringify(BODIES.stateless()));
  (await upstream.nextCall()).respond(200, UNREADABLE);
  await pass(app, 0);
  client.socket.resetAndDestroy();
  const { record } = await app.log("response_complete", "leaver");
  assert.equal(record.end_reason, "client_gone");
  assert.equal(
    app.logsOf("leaver").some(({ record }) => record.event === "stream_error"),
    false,
  );
});

for (const [how, answer] of Object.entries({ hangs: HANGS, fails: FAILS })) {
  test(`stateless: an account that ${how} when it is told of a fallback takes nothing of its time`, async () => {
    const front = answering("fallback", answer) + CLOCK;
    const app = await launch({ DAILY_TOKENS: "100000" }, { front });
    const me = new Person(app);
    upstream.script(overloaded, (call) =>
      call.end(delta("Hi"), finish("stop"), usage(10, 4), done),
    );
    const reply = await me.ask(BODIES.stateless());
    assert.match(await reply.text(), /"model":"second"/);
    const isCounted = ({ budget }) => budget.daily_tokens.spent > 0;
    const [{ model, output_tokens }] = modelsOf(await usageOnce(me, isCounted, JANUARY));
    assert.deepEqual([model, output_tokens], ["second", 4]);
    await me.assertLogged();
  });
}

test("kept: an answer that is stopped before it begins has the model that was asked last", async () => {
  const me = await start({ FALLBACK_MODELS: "second,third" });
  upstream.script(overloaded, (call) =>
    call.end(event({ error: { message: "", code: "server_error" } })),
  );
  const id = askKept(me);
  await upstream.nextCall();
  assert.equal((await me.stop(id)).status, 200);
  const [, { model }] = (await me.conversation(id)).turns;
  assert.equal(model, "third");
});

for (const [kind, body] of Object.entries(BODIES)) {
  for (const [how, fail] of Object.entries(SOLD_FOR_NOTHING)) {
    test(`${kind}: what a model has sold counts beside the fallback's answer: ${how}`, async () => {
      const me = await start({ DAILY_COST: "1000" });
      upstream.script(fail, (call) => call.end(delta("Hi"), finish("stop"), usage(10, 4), done));
      const reply = await me.ask(body());
      assert.match(await reply.text(), /"content":"Hi"/);
      const isCounted = ({ total, budget }) =>
        total.answers === 2 && budget.daily_cost.reserved === 0;
      const told = await usageOnce(me, isCounted);
      const counts = { answers: 1, cached_tokens: 0, reasoning_tokens: 0 };
      assert.deepEqual(modelsOf(told), [
        { model: "first", ...counts, input_tokens: 100, output_tokens: 40, cost: 0.14 },
        { model: "second", ...counts, input_tokens: 10, output_tokens: 4, cost: 0.000018 },
      ]);
      assert.equal(told.budget.daily_cost.spent, 0.140018);
      await me.assertLogged();
    });
  }

  for (const [how, [fail, bytes]] of Object.entries(SOLD_UNTOLD)) {
    test(`${kind}: what a model has sold without a word of it counts by estimate: ${how}`, async () => {
      const me = await start({ DAILY_TOKENS: "100000" });
      upstream.script(fail, (call) => call.end(delta("Hi"), finish("stop"), usage(10, 4), done));
      const reply = await me.ask(body());
      assert.match(await reply.text(), /"content":"Hi"/);
      const isCounted = ({ total, budget }) =>
        total.answers === 2 && budget.daily_tokens.reserved === 0;
      const [first, second] = modelsOf(await usageOnce(me, isCounted));
      const sent = sentTokens(upstream.calls[0]);
      assert.deepEqual(
        [first.model, first.input_tokens, first.output_tokens, first.estimated],
        ["first", sent, estimate(bytes), true],
      );
      assert.deepEqual([second.model, second.answers, second.output_tokens], ["second", 1, 4]);
      await me.assertLogged();
    });
  }

  for (const [how, refuse] of Object.entries(REFUSALS)) {
    test(`${kind}: a model that refuses by ${how} has sold nothing, with a fallback or without`, async () => {
      for (const fallback of ["second", ""]) {
        const me = await start({ FALLBACK_MODELS: fallback, DAILY_TOKENS: "100000" });
        upstream.script(refuse, (call) =>
          call.end(delta("Hi"), finish("stop"), usage(10, 4), done),
        );
        await (await me.ask(body())).text();
        const answers = fallback === "" ? 0 : 1;
        const isCounted = ({ total, budget }) =>
          total.answers === answers && budget.daily_tokens.reserved === 0;
        const { budget } = await usageOnce(me, isCounted);
        assert.equal(budget.daily_tokens.spent, 14 * answers);
        upstream.reset();
      }
    });
  }

  test(`${kind}: an answer in one piece that is not there in time counts as one that was left`, async () => {
    const app = await launch({ TIMEOUT_SECONDS: "30" }, { front: CLOCK });
    const me = new Person(app);
    const asked = me.ask(body());
    const first = await upstream.nextCall();
    first.open(200, { "content-type": "application/json" }).write("\n");
    await pass(app, 15);
    const second = await upstream.nextCall();
    second.end(delta("Hi"), finish("stop"), usage(10, 4), done);
    await (await asked).text();
    const told = await usageOnce(me, ({ total }) => total.answers === 2, JANUARY);
    const [{ model, input_tokens, output_tokens, estimated }] = modelsOf(told);
    assert.deepEqual(
      [model, input_tokens, output_tokens, estimated],
      ["first", sentTokens(first), first.body.max_tokens, true],
    );
  });

  test(`${kind}: a model that sells and fails is not asked again once that has used up a budget, and no other one is`, async () => {
    const { "an answer in one piece that fails": fail } = SOLD_FOR_NOTHING;
    const me = await start({ DAILY_TOKENS: "200", MAX_RETRIES: "4" });
    upstream.script(fail, fail, fail, fail, fail, fail);
    const reply = await me.ask(body());
    assert.equal(reply.status, 429);
    assert.equal(await reply.text(), errorBody("budget_exhausted", reply.id));
    assert.ok(Number(reply.headers.get("retry-after")) > 0);
    const isCounted = ({ budget }) => budget.daily_tokens.reserved === 0;
    const { total, budget } = await usageOnce(me, isCounted);
    assert.deepEqual([total.answers, budget.daily_tokens.spent], [2, 280]);
    assert.equal(upstream.calls.length, 2);
    await me.assertLogged();
  });

  test(`${kind}: of an answer in one piece that cannot be read, no more counts than was asked for`, async () => {
    const me = await start({ FALLBACK_MODELS: "", DAILY_TOKENS: "10000" });
    for (const [answers, bytes, counted] of [
      [1, 4000, 1000],
      [2, 2 ** 20 + 1, 2000],
    ]) {
      const text = '{"choices":[{"message":{"content":"'.padEnd(bytes, "a");
      upstream.script((call) => call.respond(200, text));
      const reply = await me.ask({ ...body(), max_tokens: 2000 });
      assert.equal(reply.status, 502);
      await reply.text();
      const isCounted = ({ total, budget }) =>
        total.answers === answers && budget.daily_tokens.reserved === 0;
      const { total } = await usageOnce(me, isCounted);
      assert.equal(total.output_tokens, counted + (answers - 1) * 1000);
      assert.equal(total.estimated, true);
    }
  });

  test(`${kind}: what a model has sold counts when it is asked again, and when no answer comes`, async () => {
    const me = await start({ FALLBACK_MODELS: "", DAILY_TOKENS: "100000", MAX_RETRIES: "1" });
    const { "an answer in one piece that fails": fail } = SOLD_FOR_NOTHING;
    upstream.script(fail, fail);
    const reply = await me.ask(body());
    assert.equal(reply.status, 502);
    await reply.text();
    const isCounted = ({ total, budget }) =>
      total.answers === 2 && budget.daily_tokens.reserved === 0;
    const { total, budget } = await usageOnce(me, isCounted);
    assert.deepEqual([total.input_tokens, total.output_tokens], [200, 80]);
    assert.equal(budget.daily_tokens.spent, 280);
    await me.assertLogged();
  });
}

test("kept: what a model has sold and the store could not write is counted once it can, and once", async () => {
  const server = await startKept(COMMON);
  const me = new Person(server);
  const first = BODIES.kept();
  await me.exchange(upstream, first);
  await server.kill();
  changeObjects(
    server.folder,
    `CREATE TRIGGER full BEFORE INSERT ON usage WHEN (SELECT count(*) FROM conversations WHERE title = 'Hello') > 0
      BEGIN SELECT RAISE(ABORT, 'full'); END`,
  );
  await server.start();
  const [unreadable] = SOLD_UNTOLD["an answer in one piece that cannot be read"];
  upstream.script(unreadable);
  const second = { ...BODIES.kept(), message: "Another question" };
  const reply = await me.ask(second);
  assert.equal(reply.status, 503);
  assert.equal(await reply.text(), errorBody("store_unavailable", reply.id));
  assert.equal(upstream.calls.length, 2, "no fallback is asked");
  const { record } = await server.log("usage_not_counted", reply.id);
  assert.match(record.cause, /full/);
  const before = (await usageOf(me)).total;
  assert.deepEqual([before.answers, before.input_tokens], [1, 1]);
  // As if there were room again.
  const body = { title: "Room" };
  const path = `/conversations/${first.conversation_id}`;
  await (await me.send(path, { method: "PATCH", body })).text();
  const input = 1 + sentTokens(upstream.calls[1]);
  for (let time = 0; time < 2; time += 1) {
    const { total } = await usageOf(me);
    assert.deepEqual(
      [total.answers, total.input_tokens, total.output_tokens, total.estimated],
      [2, input, 2 + estimate(UNREADABLE.length), true],
    );
  }
  const gone = await me.send(`/conversations/${second.conversation_id}`);
  assert.equal(gone.status, 404);
  await gone.text();
});

test("kept by the nameless: a fallback that is not asked since the store fails costs nothing", async () => {
  const token = "0123456789abcdef";
  const server = await startKept({ ...COMMON, DAILY_TOKENS: "100000", ACCESS_TOKENS: token });
  const me = new Person(server, token);
  await me.exchange(upstream, BODIES.kept());
  await server.kill();
  changeObjects(
    server.folder,
    "CREATE TRIGGER full BEFORE UPDATE OF model ON exchanges BEGIN SELECT RAISE(ABORT, 'full'); END",
  );
  await server.start();
  upstream.script(overloaded);
  const reply = await me.ask(BODIES.kept());
  await reply.text();
  const { total } = await usageOnce(me, ({ budget }) => budget.daily_tokens.reserved === 0);
  assert.deepEqual([total.answers, upstream.calls.length], [1, 2]);
});

test("kept: a conversation that is deleted in mid-answer has cost what its fallback has sold", async () => {
  const me = await start();
  const body = BODIES.kept();
  upstream.script(overloaded, (call) => call.write(delta("Hello, world")));
  const reply = await me.ask(body);
  await reply.next();
  const removed = await me.send(`/conversations/${body.conversation_id}`, { method: "DELETE" });
  assert.equal(removed.status, 204);
  await reply.text();
  const [{ model, answers, estimated }, ...more] = modelsOf(await usageOf(me));
  assert.deepEqual([model, answers, estimated, more], ["second", 1, true, []]);
});

const BUYERS = { ...BODIES, "kept by the nameless": BODIES.kept };

for (const [kind, body] of Object.entries(BUYERS)) {
  test(`${kind}: an answer with a budget that a crash cuts off counts under the fallback that gave it`, async () => {
    const token = kind === "kept by the nameless" ? "0123456789abcdef" : undefined;
    const server = await startKept({
      ...COMMON,
      DAILY_TOKENS: "100000",
      ...(token && { ACCESS_TOKENS: token }),
    });
    const me = new Person(server, token);
    upstream.script(overloaded, (call) => call.write(delta("Hello, world")));
    const reply = await me.ask(body());
    await reply.next();
    await server.kill();
    // As if the time had passed.
    changeObjects(server.folder, "UPDATE reservations SET expires_ms = expires_ms - 600000");
    await server.start();
    const [{ model, answers, estimated }, ...more] = modelsOf(await usageOf(me));
    assert.deepEqual([model, answers, estimated, more], ["second", 1, true, []]);
  });
}

for (const [kind, body] of Object.entries(BUYERS)) {
  test(`${kind}: a crash while a fallback is asked loses nothing that was sold, and counts under that fallback`, async () => {
    const token = kind === "kept by the nameless" ? "0123456789abcdef" : undefined;
    const server = await startKept({
      ...COMMON,
      DAILY_COST: "1000",
      ...(token && { ACCESS_TOKENS: token }),
    });
    const me = new Person(server, token);
    upstream.script(SOLD_FOR_NOTHING["an answer in one piece that fails"]);
    me.ask(body()).catch(() => {});
    const call = await upstream.nextCall();
    assert.equal(call.body.model, "second");
    await server.kill();
    changeObjects(server.folder, "UPDATE reservations SET expires_ms = expires_ms - 600000");
    await server.start();
    const counted = modelsOf(await usageOf(me)).map((row) => [
      row.model,
      row.answers,
      row.input_tokens,
      row.output_tokens,
      row.estimated,
    ]);
    assert.deepEqual(counted, [
      ["first", 1, 100, 40, undefined],
      ["second", 1, sentTokens(call), 2000, true],
    ]);
  });
}

test("kept: an answer that a crash cuts off is told and counted with the model that gave it", async () => {
  const server = await startKept(COMMON);
  const me = new Person(server);
  upstream.script(overloaded, (call) => call.write(delta("Hello, world")));
  const reply = await me.ask(BODIES.kept());
  await reply.next();
  await server.kill();
  await server.start();
  for (let time = 0; time < 2; time += 1) {
    const again = await me.answer(reply.answerId);
    assert.equal(again.headers.get("x-model"), "second");
    assert.match(await again.text(), /"code":"interrupted","model":"second","turn_id"/);
    // From now on the ending is stored.
    const [{ model, output_tokens }] = modelsOf(await usageOf(me));
    assert.deepEqual([model, output_tokens], ["second", estimate("Hello, world".length)]);
  }
});
