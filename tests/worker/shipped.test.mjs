/** What the shipped `wrangler.toml` makes of a deployment, read as wrangler reads it. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import test, { beforeEach } from "node:test";
import { fileURLToPath } from "node:url";
import { unstable_readConfig } from "wrangler";
import { errorBody } from "../support/errors.mjs";
import { exchange, read } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const ROOT = new URL("../../", import.meta.url);
const shipped = unstable_readConfig({ config: fileURLToPath(new URL("wrangler.toml", ROOT)) });
const limiters = shipped.ratelimits.map(({ name, namespace_id, simple }) => [
  name,
  { type: "rate-limit", namespace: namespace_id, simple: { ...simple } },
]);
const env = { env: Object.fromEntries(limiters), owners: true };

const TOKEN = "owner-token-0123456789";
const upstream = await startUpstream(answerWell);
// All but the address of upstream is as shipped.
const bindings = { ...shipped.vars, OPENAI_BASE_URL: upstream.url, OPENAI_API_KEY: API_KEY };
const keyed = await startWorker(bindings, env);
const complete = await startWorker({ ...bindings, ACCESS_TOKENS: `owner:${TOKEN}` }, env);

beforeEach(() => upstream.reset());

test("the file wants access tokens and has a rate limiter, and holds no secret", () => {
  assert.equal(shipped.vars.REQUIRE_AUTH, "true");
  assert.deepEqual(
    limiters.map(([name]) => name),
    ["CHAT_RATE_LIMITER"],
  );
  for (const name of ["OPENAI_API_KEY", "ACCESS_TOKENS", "ALLOW_HTTP_UPSTREAM"]) {
    assert.ok(!(name in shipped.vars), name);
  }
  assert.match(shipped.vars.OPENAI_BASE_URL, /^https:/);
});

test("conversations are kept in objects that have SQLite", () => {
  const bindings = shipped.durable_objects.bindings.map(({ name, class_name }) => [
    name,
    class_name,
  ]);
  assert.deepEqual(bindings, [["OWNERS", "Owner"]]);
  const { type, storage } = shipped.exports.Owner;
  assert.deepEqual([type, storage], ["durable-object", "sqlite"]);
});

test("the model that answers lives, and has room and time to reason before it answers", () => {
  const { OPENAI_MODEL, MAX_TOKENS, MAX_TOKENS_LIMIT, TIMEOUT_SECONDS, MAX_STREAM_SECONDS } =
    shipped.vars;
  assert.equal(OPENAI_MODEL, "gpt-6-luna");
  assert.ok(Number(MAX_TOKENS) >= 16_000, MAX_TOKENS);
  assert.ok(Number(MAX_TOKENS_LIMIT) >= Number(MAX_TOKENS), MAX_TOKENS_LIMIT);
  assert.ok(Number(TIMEOUT_SECONDS) >= 120, TIMEOUT_SECONDS);
  assert.ok(Number(MAX_STREAM_SECONDS) >= 2 * Number(TIMEOUT_SECONDS), MAX_STREAM_SECONDS);
});

test("every model that the documents name lives, but for the variable's own default", () => {
  const types = readFileSync(new URL("node_modules/openai/resources/shared.d.ts", ROOT), "utf8");
  const [, dying] = types.match(
    /^\/\*\*\n \* Deprecated values:\n(.*?)\*\/\nexport type ChatModel/ms,
  );
  const known = new Set(types.match(/'(gpt|o\d)-[\w.-]+'/g).map((name) => name.slice(1, -1)));
  const dead = new Set(dying.match(/"(gpt|o\d)[\w.-]*"/g).map((name) => name.slice(1, -1)));
  const pages = ["README.md", ...globSync("docs/*.md", { cwd: fileURLToPath(ROOT) })];
  const files = [".dev.vars.example", "wrangler.toml", "public/openapi.json", "public/index.html"];
  for (const file of [...pages, ...files]) {
    const text = readFileSync(new URL(file, ROOT), "utf8");
    const named = text.match(/\b(gpt-\d[\w.]*(-[a-z]\w*)*|o[134](-mini)?\b)/g) ?? [];
    for (const name of named.filter((name) => name !== "gpt-4")) {
      assert.ok(known.has(name) && !dead.has(name), `${file} names ${name}`);
    }
  }
});

test("with a key alone, nobody can make the worker call upstream", async (t) => {
  const detail =
    "ACCESS_TOKENS is required because REQUIRE_AUTH is true. Set it as a secret (see docs/configuration.md), or set REQUIRE_AUTH to false to let anyone chat.";
  for (const [what, headers] of Object.entries({
    "a stranger": {},
    "a stranger with an empty token": { authorization: "Bearer " },
    "a stranger with a token": { authorization: `Bearer ${TOKEN}` },
    "the key": { authorization: `Bearer ${API_KEY}` },
    "a page": { origin: "https://evil.example" },
    "the worker's own page": { origin: keyed.url },
  })) {
    await t.test(what, async () => {
      const { id, response, text, calls } = await exchange(keyed, upstream, { headers });
      assert.equal(response.status, 500);
      assert.equal(text, errorBody("configuration_error", id, detail));
      assert.deepEqual(calls, [], "nothing goes upstream");
    });
  }
  const ready = await keyed.get("/health/ready");
  assert.equal(ready.status, 503);
  assert.deepEqual(JSON.parse(await read(ready)).problems, [detail]);
});

test("with access tokens, their owners are answered and strangers are not", async () => {
  assert.equal((await complete.get("/health/ready")).status, 200);
  const stranger = await exchange(complete, upstream);
  assert.equal(stranger.response.status, 401);
  assert.equal(stranger.text, errorBody("unauthorized", stranger.id));
  assert.deepEqual(stranger.calls, [], "nothing goes upstream");

  const headers = { authorization: `Bearer ${TOKEN}` };
  const owner = await exchange(complete, upstream, { headers });
  assert.equal(owner.response.status, 200);
  assert.equal(owner.text, frames(owner.id, ["Hi"], { finish_reason: "stop" }));
  assert.equal(owner.calls[0].headers.authorization, `Bearer ${API_KEY}`, "no access token");
  assert.ok(complete.logs.every(({ record }) => record.event !== "rate_limiter_failed"));
});

test("the shipped rate limit is kept", async () => {
  const { limit } = limiters[0][1].simple;
  const headers = { authorization: `Bearer ${TOKEN}` };
  const statuses = [];
  // The minute may turn in between, once.
  while (statuses.length <= 2 * limit && statuses.at(-1) !== 429) {
    const { response } = await exchange(complete, upstream, { headers });
    statuses.push(response.status);
  }
  assert.equal(statuses.at(-1), 429, statuses.join());
  assert.ok(statuses.length >= limit, "not before");
});
