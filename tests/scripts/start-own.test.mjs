/** `npm start` with a person's own `.dev.vars`: a real key, which only this machine may spend. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, test } from "node:test";
import { checkout } from "../support/checkout.mjs";
import { fakeWrangler, freePort, startScript } from "../support/script.mjs";
import { wire } from "../support/serve.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";
import { assertFits, unwrapped } from "../support/words.mjs";

const KEY = "sk-test-0123456789abcdefghij";
const upstream = await startUpstream(answerWell, { turnsQuestionsAway: true });

beforeEach(() => upstream.reset());

/** Starts it with a key for the model's server, and waits until it is ready. */
async function start({ devVars, ...options } = {}) {
  const own = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: upstream.url, ...devVars };
  const folder = checkout({ devVars: own, ...options });
  const port = await freePort();
  const script = startScript("start.mjs", { folder, env: { PORT: `${port}` } });
  await script.line(/^The assistant is ready/);
  return { port, script, folder };
}

/** The status of a chat, and how often the model's server was asked for it. */
async function chat(port, headers) {
  const body = '{"message":"Hello"}';
  const all = {
    "Content-Type": "application/json",
    "Content-Length": body.length,
    Connection: "close",
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const before = upstream.calls.length;
  const { status, text } = await wire(port, `POST /chat HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
  return { status, text, asked: upstream.calls.length - before };
}

const ANSWERED = { status: 200, asked: 1 };
const REFUSED = { status: 403, asked: 0 };

/** Shows whom a worker answers that has no tokens and no other settings. */
async function assertLocal(t, port) {
  for (const [host, origin, expected] of [
    ["127.0.0.1", undefined, ANSWERED],
    ["localhost", undefined, ANSWERED],
    ["localhost", "http://localhost", ANSWERED],
    ["127.0.0.1", "http://127.0.0.1", ANSWERED],
    ["[::1]", "http://[::1]", ANSWERED],
    ["chat.localhost", undefined, ANSWERED],
    ["rebound.test", undefined, REFUSED],
    ["rebound.test", "http://rebound.test", REFUSED],
    ["127.0.0.1.rebound.test", "http://127.0.0.1.rebound.test", REFUSED],
    ["127.0.0.1", "http://rebound.test", REFUSED],
    ["localhost", "http://127.0.0.1", REFUSED],
    ["assistant.example.com", "http://assistant.example.com", REFUSED],
  ]) {
    await t.test(`${host}, a page of ${origin}: ${expected.status}`, async () => {
      const headers = { Host: `${host}:${port}` };
      if (origin) headers.Origin = `${origin}:${port}`;
      const { status, asked, text } = await chat(port, headers);
      assert.deepEqual({ status, asked }, expected, text);
    });
  }
  await t.test("no page", async () => {
    const Host = `127.0.0.1:${port}`;
    const { status, asked } = await chat(port, { Host, Origin: "null" });
    assert.deepEqual({ status, asked }, REFUSED);
  });
  await t.test("headers by which wrangler speaks to itself", async () => {
    const Host = `rebound.test:${port}`;
    const Origin = `http://${Host}`;
    const own = {
      "MF-Original-URL": `http://localhost:${port}/chat`,
      "X-Forwarded-Proto": "https",
    };
    const { asked } = await chat(port, { Host, Origin, ...own });
    assert.equal(asked, 0);
  });
}

test("with the shipped settings and a real key, only this machine's own pages are answered", async (t) => {
  const { port, script } = await start();
  assert.equal((await chat(port, { Host: `127.0.0.1:${port}` })).status, 200);
  assert.equal(upstream.calls[0].headers.authorization, `Bearer ${KEY}`);
  await script.line(/ at 127\.0\.0\.1:\d+:$/);
  await assertLocal(t, port);
});

test("a route of the deployment, to which wrangler dev would rewrite every request, changes nothing", async (t) => {
  const routes = 'routes = [{ pattern = "assistant.example.com", custom_domain = true }]\n';
  const { port, script, folder } = await start({ wranglerToml: (text) => routes + text });
  await assertLocal(t, port);
  script.signal("SIGTERM");
  await script.end();
  assert.deepEqual(
    readdirSync(folder).filter((name) => /start.*toml/.test(name)),
    [],
  );
});

test("a page that tells wrangler where its request went is still refused", async (t) => {
  const { port } = await start();
  const [own, rebound] = [`localhost:${port}`, `rebound.test:${port}`];
  for (const told of [own, rebound]) {
    for (const header of [
      "MF-Original-URL",
      "MF-Original-Hostname",
      "MF-Upstream",
      "X-Original-URL",
    ]) {
      await t.test(`${header}: ${told}`, async () => {
        const value = header.endsWith("URL") ? `http://${told}/chat` : told;
        const headers = { Host: rebound, Origin: `http://${rebound}`, [header]: value };
        const { status, asked } = await chat(port, headers);
        assert.deepEqual({ status, asked }, REFUSED);
      });
    }
  }
});

test("blank tokens and hosts count as unset, in both files", async () => {
  const blank = 'ACCESS_TOKENS = " "\nALLOWED_HOSTS = " "\n';
  const { port } = await start({
    devVars: { ACCESS_TOKENS: '" "' },
    wranglerToml: (text) => text + blank,
  });
  const { status, asked } = await chat(port, { Host: `rebound.test:${port}` });
  assert.deepEqual({ status, asked }, REFUSED);
});

test("hosts and origins in .dev.vars are answered", async () => {
  const devVars = { ALLOWED_HOSTS: "assistant.lan", ALLOWED_ORIGINS: "http://localhost:5173" };
  const { port } = await start({ devVars });
  const Host = `assistant.lan:${port}`;
  assert.equal((await chat(port, { Host, Origin: `http://${Host}` })).status, 200);
  assert.equal((await chat(port, { Host, Origin: "http://localhost:5173" })).status, 200);
  assert.equal((await chat(port, { Host: `rebound.test:${port}` })).status, 403);
});

test("with tokens, a page has to know one", async () => {
  const token = "a-token-of-at-least-sixteen";
  const { port } = await start({ devVars: { ACCESS_TOKENS: `me:${token}` } });
  const Host = `assistant.lan:${port}`;
  assert.equal((await chat(port, { Host, Origin: `http://${Host}` })).status, 401);
  assert.equal((await chat(port, { Host, Authorization: `Bearer ${token}` })).status, 200);
});

test("conversations are kept even without tokens, unless .dev.vars says otherwise", async () => {
  for (const [devVars, expected] of [
    [{}, "true"],
    [{ ANONYMOUS_OWNER: " " }, "true"],
    [{ ANONYMOUS_OWNER: "false" }, "false"],
  ]) {
    const { env, calls } = fakeWrangler({ dev: { out: "" } });
    const folder = checkout({ devVars: { ...devVars, OPENAI_API_KEY: KEY } });
    const script = startScript("start.mjs", {
      folder,
      env: { ...env, PORT: `${await freePort()}` },
    });
    await script.end();
    const state = join(folder, ".wrangler", "state");
    assert.equal(calls().length, 1, script.words.join("\n"));
    assert.ok(calls()[0].includes(` --var ANONYMOUS_OWNER:${expected}`), calls()[0]);
    assert.ok(calls()[0].includes(` --persist-to ${state} `), calls()[0]);
  }
});

test("a budget is accepted, also one by a name that only the deployment has", async () => {
  for (const budget of ["1000", "phone=0,*=1000"]) {
    const { env, calls } = fakeWrangler({ dev: { out: "" } });
    const folder = checkout({ devVars: { OPENAI_API_KEY: KEY, DAILY_TOKENS: budget } });
    const all = { ...env, PORT: `${await freePort()}` };
    const script = startScript("start.mjs", { folder, env: all });
    await script.end();
    assert.equal(calls().length, 1, script.words.join("\n"));
    assert.doesNotMatch(script.words.join("\n"), /DAILY_TOKENS/);
  }
});

/** Starts it with a configuration that cannot work, and returns what it says before it ends. */
async function refusal(devVars, env) {
  const port = await freePort();
  const folder = checkout({ devVars });
  const script = startScript("start.mjs", { folder, env: { PORT: `${port}`, ...env } });
  assert.equal(await script.end(), 1);
  assertFits([...script.output, ...script.words]);
  assert.ok(!script.output.includes("Starting the worker"), "it is said before wrangler is ready");
  return unwrapped(script.words.join("\n"));
}

test("every mistake in the configuration is named at once, and nothing is served", async () => {
  const said = await refusal({
    OPENAI_API_KEY: KEY,
    OPENAI_BASE_URL: "not-a-url-but-secret",
    MAX_TOKENS: "many",
    REQUIRE_AUTH: "true",
  });
  assert.match(said, /^The assistant cannot answer with this configuration:$/m);
  assert.match(said, /^ {2}OPENAI_BASE_URL must /m);
  assert.match(said, /^ {2}MAX_TOKENS must be a whole number/m);
  assert.match(said, /^ {2}ACCESS_TOKENS is required/m);
  assert.match(
    said,
    /^Variables are set in \.dev\.vars, or else in wrangler\.toml; .*'npm start' again\.$/m,
  );
  for (const value of [KEY, "many", "secret-", "not-a-url"])
    assert.ok(!said.includes(value), value);
});

test("a model's server without a key is not replaced by the stand-in", async () => {
  const said = await refusal({ OPENAI_BASE_URL: upstream.url, OPENAI_API_KEY: " " });
  assert.match(
    said,
    /^\.dev\.vars sets OPENAI_BASE_URL, but not OPENAI_API_KEY\. Set the key, too/m,
  );
});

test("a misspelt variable is mentioned, and variables of the shell are ignored", async () => {
  const folder = checkout({ devVars: { OPENAI_API_KYE: KEY } });
  const env = { PORT: `${await freePort()}`, MAX_TOKENS: "many" };
  const script = startScript("start.mjs", { folder, env });
  await script.line(/^Note: \.dev\.vars has OPENAI_API_KYE, which the worker does not know\.$/);
  await script.line(/^OPENAI_API_KEY is not set in \.dev\.vars: a stand-in answers /);
  await script.line(/^The assistant is ready, answered by the stand-in:$/);
});
