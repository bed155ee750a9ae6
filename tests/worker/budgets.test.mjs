/** Budgets: what is spent and what may be spent is known before the model's server is asked. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { alarms } from "../support/alarms.mjs";
import { CLOCK } from "../support/clock.mjs";
import { DETAILS, errorBody } from "../support/errors.mjs";
import { startWorker } from "../support/harness.mjs";
import { startKept } from "../support/kept.mjs";
import { changeObjects } from "../support/kept-disk.mjs";
import { Person } from "../support/person.mjs";
import { SET_CLOCK, sentTokens, setClock, usageOf, usageOnce } from "../support/spending.mjs";
import { delta, done, event, finish, startUpstream, usage } from "../support/upstream.mjs";

const upstream = await startUpstream();

beforeEach(() => upstream.reset());

const person = (app, token) => new Person(app, token);

/** A worker that keeps conversations for anyone, with a clock of its own. */
async function startAt(now, variables) {
  const all = {
    OPENAI_BASE_URL: upstream.url,
    ANONYMOUS_OWNER: "true",
    MAX_ANSWERS_AT_ONCE: "100",
  };
  const app = await startWorker(
    { ...all, ...variables },
    { front: SET_CLOCK + alarms(0), owners: true },
  );
  await setClock(app, now);
  return app;
}

/** A chat's body, kept or not. */
const bodies = {
  stateless: () => ({ message: "Hello" }),
  kept: () => ({ message: "Hello", conversation_id: crypto.randomUUID() }),
};

/** Has an answer sold for so many tokens. */
async function buy(one, body, input, output) {
  upstream.script((call) => call.end(delta("Hi"), finish("stop"), usage(input, output), done));
  const reply = await one.ask(body);
  await reply.text();
  return reply;
}

async function assertRefused(reply, retryAfter, detail) {
  assert.equal(reply.status, 429);
  assert.equal(reply.headers.get("retry-after"), `${retryAfter}`);
  assert.equal(await reply.text(), errorBody("budget_exhausted", reply.id, detail));
}

const spentIs = (tokens) => (usage) =>
  usage.total.input_tokens + usage.total.output_tokens === tokens;

for (const [kind, body] of Object.entries(bodies)) {
  test(`${kind}: a budget is used up at its limit, and a new one begins at midnight UTC`, async () => {
    const app = await startAt("2026-03-31T23:59:00Z", { DAILY_TOKENS: "100" });
    const one = person(app);
    const first = await buy(one, body(), 60, 39);
    assert.equal(first.headers.get("x-budget-remaining"), "100");
    await usageOnce(one, spentIs(99));
    const second = await buy(one, body(), 1, 1);
    assert.equal(second.headers.get("x-budget-remaining"), "1");
    await usageOnce(one, spentIs(101));
    await setClock(app, "2026-03-31T23:59:30Z");
    const refused = await one.ask(body());
    const seconds = Number(refused.headers.get("retry-after"));
    assert.ok(seconds <= 30 && seconds > 10, `${seconds}`);
    await assertRefused(refused, seconds);
    assert.equal(upstream.calls.length, 2, "upstream is not asked");
    await setClock(app, "2026-04-01T00:00:00Z");
    const third = await buy(one, body(), 1, 1);
    assert.equal(third.headers.get("x-budget-remaining"), "100");
    const { days } = await usageOnce(one, spentIs(103), "?from=2026-03-01");
    assert.deepEqual(
      days.map(({ day }) => day),
      ["2026-03-31", "2026-04-01"],
    );
    await one.assertLogged();
  });

  test(`${kind}: a monthly budget lasts until the first of the next month`, async () => {
    const app = await startAt("2026-02-10T12:00:00Z", {
      MONTHLY_TOKENS: "10",
      DAILY_TOKENS: "1000",
    });
    const one = person(app);
    await buy(one, body(), 5, 5);
    await usageOnce(one, spentIs(10));
    await setClock(app, "2026-02-27T00:00:00Z");
    const refused = await one.ask(body());
    const seconds = Number(refused.headers.get("retry-after"));
    assert.ok(seconds <= 2 * 86_400 && seconds > 2 * 86_400 - 20, `${seconds}`);
    await assertRefused(refused, seconds, DETAILS.monthlyBudget);
    await setClock(app, "2026-02-28T23:59:00Z");
    const late = await one.ask(body());
    await assertRefused(late, late.headers.get("retry-after"), DETAILS.monthlyBudget);
    await setClock(app, "2026-03-01T00:00:00Z");
    assert.equal((await buy(one, body(), 1, 1)).status, 200);
  });

  test(`${kind}: a clock that jumps spends the budget of the day it jumps to, and gives nothing back`, async () => {
    const app = await startAt("2026-02-01T12:00:00Z", { DAILY_TOKENS: "10" });
    const one = person(app);
    const days = ["2026-02-01T12:00:00Z", "2036-02-01T12:00:00Z", "2000-01-31T23:59:50Z"];
    for (const [jumps, day] of days.entries()) {
      await setClock(app, day);
      await buy(one, body(), 5, 5);
      await usageOnce(
        one,
        ({ budget }) => budget.daily_tokens.spent === 10,
        `?from=${day.slice(0, 10)}`,
      );
      assert.equal(upstream.calls.length, jumps + 1);
    }
    for (const day of days) {
      await setClock(app, day);
      const refused = await one.ask(body());
      const midnight = Date.parse(`${day.slice(0, 10)}T24:00:00Z`);
      const seconds = Number(refused.headers.get("retry-after"));
      const most = (midnight - Date.parse(day)) / 1000;
      assert.ok(seconds <= most && seconds > most - 10, `${seconds}`);
      await assertRefused(refused, seconds);
    }
    assert.equal(upstream.calls.length, days.length);
  });

  test(`${kind}: 50 at once, with a tenth of the budget left, overshoot by less than one answer each`, async () => {
    const app = await startAt("2026-05-05T12:00:00Z", { DAILY_TOKENS: "100000" });
    const one = person(app);
    await buy(one, body(), 45_000, 45_000);
    await usageOnce(one, spentIs(90_000));
    const held = [];
    const isDecided = Promise.withResolvers();
    upstream.script(
      ...Array.from({ length: 50 }, () => (call) => {
        held.push(call);
        isDecided.promise.then(() =>
          call.end(delta("Hi"), finish("stop"), usage(sentTokens(call), 2000), done),
        );
      }),
    );
    let refusals = 0;
    const replies = Array.from({ length: 50 }, async () => {
      const asked = one.ask({ ...body(), max_tokens: 2000 });
      const reply = await asked;
      if (reply.status === 429) refusals += 1;
      if (held.length + refusals === 50) isDecided.resolve();
      return reply;
    });
    // A kept answer responds when upstream does, so the refusals decide.
    const watch = setInterval(() => held.length + refusals === 50 && isDecided.resolve(), 10);
    const statuses = await Promise.all(
      replies.map(async (asked) => {
        const reply = await asked;
        await reply.text();
        return reply.status;
      }),
    );
    clearInterval(watch);
    const bought = statuses.filter((status) => status === 200).length;
    // Each reserves 2009 tokens of the 10 000 that are left.
    assert.equal(bought, 5, statuses.join());
    const spent = 90_000 + bought * (2000 + sentTokens(held[0]));
    await usageOnce(one, spentIs(spent));
    assert.ok(spent - 100_000 < 2010, `${spent}`);
  });

  test(`${kind}: what upstream never began gives back what was reserved`, async () => {
    const app = await startAt("2026-05-05T12:00:00Z", { DAILY_TOKENS: "3000", MAX_RETRIES: "0" });
    const one = person(app);
    for (let time = 0; time < 3; time += 1) {
      upstream.script((call) => call.respond(500, { error: { message: "no" } }));
      const reply = await one.ask(body());
      assert.equal(reply.status, 502);
      await reply.text();
      const { budget } = await usageOnce(one, ({ budget }) => budget.daily_tokens.reserved === 0);
      assert.equal(budget.daily_tokens.spent, 0);
    }
  });

  test(`${kind}: a budget of money refuses a model that has no price`, async () => {
    const app = await startAt("2026-05-05T12:00:00Z", {
      PRICES: '{"gpt-4": {"input": 30, "output": 60}}',
      DAILY_COST: "0.0009",
    });
    const one = person(app);
    const refused = await one.ask({ ...body(), model: "unknown" });
    assert.equal(refused.status, 400);
    const detail =
      "Field 'body.model': Value error, the model has no price, and the budget counts money";
    assert.equal(await refused.text(), errorBody("validation_error", refused.id, detail));
    const first = await buy(one, body(), 10, 10);
    assert.equal(first.headers.get("x-budget-remaining"), "15");
    const { total, budget } = await usageOnce(one, spentIs(20));
    assert.equal(total.cost, 0.0009);
    const { resets_at, ...counts } = budget.daily_cost;
    assert.deepEqual(counts, { limit: 0.0009, spent: 0.0009, reserved: 0, remaining: 0 });
    assert.equal(resets_at, "2026-05-06T00:00:00.000000+00:00");
    const last = await one.ask(body());
    assert.equal(last.status, 429);
    await last.text();
  });
}

for (const [what, later] of [
  ["the clock", "2026-05-05T12:10:00Z"],
  ["a machine that slept for days", "2026-05-09T12:00:00Z"],
]) {
  test(`the truth replaces a reservation that ${what} has let expire`, async () => {
    const app = await startAt("2026-05-05T12:00:00Z", { DAILY_TOKENS: "100000" });
    const one = person(app);
    const asked = one.ask({ message: "Hello", max_tokens: 1000 });
    const call = await upstream.nextCall();
    call.write(delta("Hi"));
    const reply = await asked;
    await reply.next();
    const running = await usageOf(one);
    assert.equal(running.budget.daily_tokens.reserved, 1000 + sentTokens(call));
    assert.equal(running.total.answers, 0);
    await setClock(app, later);
    const expired = await usageOf(one);
    assert.equal(expired.budget.daily_tokens.reserved, 0);
    assert.equal(expired.total.output_tokens, 1000);
    assert.equal(expired.total.estimated, true);
    call.end(finish("stop"), usage(3, 4), done);
    await reply.text();
    const { total } = await usageOnce(one, spentIs(7));
    assert.equal(total.answers, 1);
    assert.equal(total.estimated, undefined);
  });
}

/** Asks, and stops the answer before upstream has responded. */
async function stopEarly(one, body) {
  const id = crypto.randomUUID();
  const asked = one.ask(body, { "idempotency-key": id });
  const call = await upstream.nextCall();
  await (await one.stop(id)).text();
  await (await asked).text();
  return call;
}

/** Asks, and resets the connection before upstream has responded. */
async function resetEarly(app, body) {
  const client = app.send({});
  client.end(JSON.stringify(body));
  const call = await upstream.nextCall();
  client.socket.resetAndDestroy();
  return call;
}

for (const [kind, body] of Object.entries(bodies)) {
  test(`${kind}: a budget that answers that run have reserved is free again once they end`, async () => {
    const app = await startAt("2026-05-05T12:00:00Z", { DAILY_TOKENS: "2000" });
    const one = person(app);
    const asked = one.ask(body());
    const call = await upstream.nextCall();
    await assertRefused(await one.ask(body()), 10, DETAILS.reservedBudget);
    call.end(delta("Hi"), finish("stop"), usage(1, 1), done);
    await (await asked).text();
    await usageOnce(one, spentIs(2));
    assert.equal((await buy(one, body(), 1, 1)).status, 200);
  });

  test(`${kind}: a budget of nothing is told as what it is`, async () => {
    const app = await startAt("2026-05-05T12:00:00Z", { MONTHLY_TOKENS: "0" });
    const refused = await person(app).ask(body());
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get("retry-after"), null);
    const expected = errorBody("budget_exhausted", refused.id, DETAILS.noBudget);
    assert.equal(await refused.text(), expected);
  });

  test(`${kind}: whoever always leaves while upstream is asked spends what was set aside`, async () => {
    const app = await startAt("2026-05-05T12:00:00Z", { DAILY_TOKENS: "3000" });
    const one = person(app);
    for (let time = 1; time <= 2; time += 1) {
      const call = kind === "kept" ? await stopEarly(one, body()) : await resetEarly(app, body());
      assert.equal(await call.closed, "aborted");
      const spent = time * (2000 + sentTokens(call));
      const { total } = await usageOnce(one, spentIs(spent));
      assert.equal(total.estimated, true);
    }
    const refused = await one.ask(body());
    assert.equal(refused.status, 429);
    await refused.text();
  });

  test(`${kind}: whoever leaves at the first text pays for the reasoning that its model has on average`, async () => {
    const app = await startAt("2026-05-05T12:00:00Z", { DAILY_TOKENS: "100000" });
    const one = person(app);
    const details = { completion_tokens_details: { reasoning_tokens: 640 } };
    const told = { prompt_tokens: 10, completion_tokens: 650, ...details };
    upstream.script((call) =>
      call.end(delta("Hi"), finish("stop"), event({ choices: [], usage: told }), done),
    );
    await (await one.ask(body())).text();
    await usageOnce(one, spentIs(660));
    const asked = one.ask(body());
    const call = await upstream.nextCall();
    call.write(delta("Four"));
    const reply = await asked;
    await reply.next();
    if (kind === "kept") {
      await (await one.stop(reply.answerId)).text();
      await reply.text();
    } else {
      await reply.leave();
    }
    await usageOnce(one, spentIs(660 + sentTokens(call) + 1 + 640));
  });
}

test("a crash leaves the reservation of a stateless answer, which counts as spent in the end", async () => {
  const server = await startKept({
    OPENAI_BASE_URL: upstream.url,
    ANONYMOUS_OWNER: "true",
    DAILY_TOKENS: "2000",
  });
  const one = new Person(server);
  const asked = one.ask({ message: "Hello" });
  const call = await upstream.nextCall();
  call.write(delta("Hi"));
  await (await asked).next();
  await server.kill();
  await server.start();
  const { budget, total } = await usageOf(one);
  assert.equal(budget.daily_tokens.reserved, 2000 + sentTokens(call));
  assert.equal(total.answers, 0);
  const refused = await one.ask({ message: "Hello" });
  assert.equal(refused.status, 429);
  await refused.text();
  await server.kill();
  // As if the time had passed.
  changeObjects(server.folder, "UPDATE reservations SET expires_ms = expires_ms - 600000");
  await server.start();
  for (let time = 0; time < 2; time += 1) {
    const later = await usageOf(one);
    assert.equal(later.budget.daily_tokens.reserved, 0);
    assert.equal(later.total.output_tokens, 2000);
    assert.equal(later.total.estimated, true);
    assert.equal(later.total.answers, 1);
  }
});

test("a crash ends a kept answer, which counts with what was kept of it", async () => {
  const server = await startKept({
    OPENAI_BASE_URL: upstream.url,
    ANONYMOUS_OWNER: "true",
    DAILY_TOKENS: "2000",
  });
  const one = new Person(server);
  const asked = one.ask({ message: "Hello", conversation_id: "c" });
  const call = await upstream.nextCall();
  call.write(delta("Four"));
  await (await asked).next();
  await server.kill();
  await server.start();
  const { total: afterwards, budget } = await usageOf(one);
  assert.equal(afterwards.output_tokens, 1);
  assert.equal(budget.daily_tokens.reserved, 0);
  upstream.script((next) => next.end(delta("Hi"), finish("stop"), usage(1, 2), done));
  const reply = await one.ask({ message: "Hello", conversation_id: "d" });
  assert.equal(reply.headers.get("x-budget-remaining"), `${2000 - sentTokens(call) - 1}`);
  await reply.text();
  const { total } = await usageOnce(one, spentIs(sentTokens(call) + 1 + 3));
  assert.equal(total.answers, 2);
});

test("a name has its own budget, whatever its token, and all others share none or that of the star", async () => {
  const tokens = {
    "a.b_c-d@e": ["first-token-of-odd-01", "second-token-of-odd-1"],
    guest: ["the-token-of-the-guest"],
    free: ["the-token-of-the-free"],
  };
  const list = Object.entries(tokens).flatMap(([name, all]) =>
    all.map((token) => `${name}:${token}`),
  );
  const unnamed = ["an-unnamed-token-0001", "an-unnamed-token-0002"];
  const app = await startAt("2026-05-05T12:00:00Z", {
    ACCESS_TOKENS: [...list, ...unnamed].join(","),
    DAILY_TOKENS: "a.b_c-d@e=10, guest=0 , anonymous=20",
  });
  const [odd, oddToo] = tokens["a.b_c-d@e"].map((token) => person(app, token));
  await buy(odd, { message: "Hello" }, 5, 5);
  await usageOnce(odd, spentIs(10));
  assert.equal((await usageOf(oddToo)).budget.daily_tokens.spent, 10);
  const refused = await oddToo.ask({ message: "Hello" });
  assert.equal(refused.status, 429);
  await refused.text();

  const guest = person(app, tokens.guest[0]);
  const blocked = await guest.ask({ message: "Hello" });
  assert.equal(blocked.status, 429);
  await blocked.text();

  const free = person(app, tokens.free[0]);
  const reply = await buy(free, { message: "Hello" }, 1_000_000, 5);
  assert.equal(reply.headers.get("x-budget-remaining"), null);
  assert.equal((await usageOf(free)).budget, undefined);

  const [one, other] = unnamed.map((token) => person(app, token));
  await buy(one, { message: "Hello" }, 10, 9);
  await usageOnce(other, spentIs(19));
  const last = await buy(other, { message: "Hello" }, 1, 0);
  assert.equal(last.headers.get("x-budget-remaining"), "1");
  await usageOnce(one, spentIs(20));
  const over = await one.ask({ message: "Hello" });
  assert.equal(over.status, 429);
  await over.text();
});

test("those without a name share one budget in kept conversations, too, and reading again costs nothing", async () => {
  const tokens = ["an-unnamed-token-0001", "an-unnamed-token-0002"];
  const app = await startAt("2026-05-05T12:00:00Z", {
    ACCESS_TOKENS: tokens.join(","),
    DAILY_TOKENS: "*=20",
    MAX_RETRIES: "0",
  });
  const [one, other] = tokens.map((token) => person(app, token));
  await buy(one, { message: "Hello" }, 5, 0);
  await usageOnce(other, spentIs(5));
  const kept = await buy(other, bodies.kept(), 10, 4);
  assert.equal(kept.headers.get("x-budget-remaining"), "15");
  await usageOnce(one, spentIs(19));

  upstream.script((call) => call.respond(500, { error: { message: "no" } }));
  const failed = await other.ask(bodies.kept());
  assert.equal(failed.status, 502);
  await failed.text();
  await usageOnce(one, ({ budget }) => budget.daily_tokens.reserved === 0);

  const body = bodies.kept();
  const key = { "idempotency-key": crypto.randomUUID() };
  upstream.script((call) => call.end(delta("Hi"), finish("stop"), usage(1, 0), done));
  const last = await one.ask(body, key);
  const text = await last.text();
  await usageOnce(other, spentIs(20));
  const refused = await one.ask(bodies.kept());
  assert.equal(refused.status, 429);
  await refused.text();
  for (const again of [await one.ask(body, key), await one.answer(last.answerId)]) {
    assert.equal(await again.text(), text);
    assert.equal(again.headers.get("x-budget-remaining"), "1", "as when it began");
  }
  const { total } = await usageOf(one);
  assert.equal(total.answers, 3);
  await Promise.all([one.assertLogged(), other.assertLogged()]);
});

/** In front of the worker's own objects: a reservation waits for the next one, so that two are under way at once. */
const IN_PAIRS = `
let meet;

const built = await import("./index.js");

export class Owner {
  #owner;

  constructor(context, env) {
    this.#owner = new built.Owner(context, env);
  }

  async fetch(request) {
    const isReservation = request.method === "PUT" && (await request.clone().text()).startsWith("reserve");
    if (isReservation && meet) meet();
    else if (isReservation) await new Promise((resolve) => { meet = resolve; });
    return this.#owner.fetch(request);
  }
}

export default class extends built.default {}
`;

test("one key twice at once buys one answer of those without a name, though their budget has no room for two", async () => {
  const token = "an-unnamed-token-0001";
  const variables = { OPENAI_BASE_URL: upstream.url, ACCESS_TOKENS: token, DAILY_TOKENS: "1000" };
  const app = await startWorker(variables, { front: IN_PAIRS, owners: true });
  const one = person(app, token);
  const body = bodies.kept();
  const key = { "idempotency-key": crypto.randomUUID() };
  const asked = [one.ask(body, key), one.ask(body, key)];
  const call = await upstream.nextCall();
  call.end(delta("Hi"), finish("stop"), usage(3, 4), done);
  const [first, second] = await Promise.all(asked);
  assert.deepEqual([first.status, second.status], [200, 200]);
  assert.equal(await first.text(), await second.text());
  assert.equal((await usageOnce(one, spentIs(7))).budget.daily_tokens.reserved, 0);
});

test("a kept answer of those without a name counts once it is complete, though upstream leaves its end open", async () => {
  const token = "an-unnamed-token-0001";
  const variables = { OPENAI_BASE_URL: upstream.url, ACCESS_TOKENS: token };
  // Time stands still, so the end is not waited for.
  const app = await startWorker(variables, { front: CLOCK, owners: true });
  const one = person(app, token);
  const asked = one.ask(bodies.kept());
  const call = await upstream.nextCall();
  call.write(delta("Hi"), finish("stop"), usage(3, 4), done);
  await (await asked).text();
  await usageOnce(one, spentIs(7), "?from=2026-01-01&to=2026-01-31");
  call.end();
});

test("a kept answer of those without a name reserves all that is sent, its history included", async () => {
  const app = await startAt("2026-05-05T12:00:00Z", {
    ACCESS_TOKENS: "an-unnamed-token-0001",
    DAILY_TOKENS: "100000",
  });
  const one = person(app, "an-unnamed-token-0001");
  const conversation = bodies.kept();
  await buy(one, { ...conversation, message: "long ".repeat(1000) }, 5, 5);
  await usageOnce(one, spentIs(10));
  const asked = one.ask(conversation);
  const call = await upstream.nextCall();
  assert.ok(sentTokens(call) > 1000);
  const { budget } = await usageOf(one);
  assert.equal(budget.daily_tokens.reserved, 2000 + sentTokens(call));
  call.end(delta("Hi"), finish("stop"), usage(1, 1), done);
  await (await asked).text();
});

test("without a budget, an answer has no header of one, and counts once", async () => {
  const app = await startAt("2026-05-05T12:00:00Z", {});
  const one = person(app);
  const reply = await buy(one, { message: "Hello" }, 3, 4);
  assert.equal(reply.headers.get("x-budget-remaining"), null);
  await usageOnce(one, spentIs(7));
});

for (const [variables, problems] of [
  [
    { DAILY_TOKENS: "-1" },
    [
      "DAILY_TOKENS must be a whole number below 2^53, or name=number separated by commas, with * for every other name.",
    ],
  ],
  [
    { MONTHLY_TOKENS: "me=1,me=2" },
    [
      "MONTHLY_TOKENS must be a whole number below 2^53, or name=number separated by commas, with * for every other name.",
    ],
  ],
  [
    { DAILY_TOKENS: "phone=0,*=5", ACCESS_TOKENS: "fone:a-token-of-the-phone" },
    [
      "DAILY_TOKENS must name only names of ACCESS_TOKENS, anonymous for those without one, and * for every other name.",
    ],
  ],
  [
    { DAILY_COST: "1" },
    [
      "DAILY_COST needs PRICES with the price of OPENAI_MODEL and of all ALLOWED_MODELS and FALLBACK_MODELS.",
    ],
  ],
  [
    { MONTHLY_COST: "1e3", PRICES: "gpt-4=1" },
    [
      'PRICES must be model=input/output separated by commas, or JSON such as {"gpt-4":{"input":2.5,"output":10}}, each a price for a million tokens with at most 7 digits before the point and 6 behind it.',
      "MONTHLY_COST must be a decimal number with at most 7 digits before the point and 6 behind it, or name=number separated by commas, with * for every other name.",
    ],
  ],
]) {
  test(`a wrong value is told by its rule: ${JSON.stringify(variables)}`, async () => {
    const app = await startWorker(variables, { owners: true });
    const response = await app.get("/health/ready");
    assert.deepEqual(await response.json(), { status: "not_ready", problems });
  });
}

test("a budget without the binding OWNERS is a wrong configuration", async () => {
  const app = await startWorker({ DAILY_TOKENS: "1", PRICES: "*=1/1", DAILY_COST: "1" });
  const response = await app.get("/health/ready");
  const why =
    "needs the binding OWNERS, or DATA_DIR on your own server: without it, nothing is counted.";
  assert.deepEqual(await response.json(), {
    status: "not_ready",
    problems: [`DAILY_TOKENS ${why}`, `DAILY_COST ${why}`],
  });
});
