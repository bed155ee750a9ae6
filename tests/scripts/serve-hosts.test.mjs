/** `npm run serve`: the hosts and origins that it answers. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { serve as serveFor, wire } from "../support/serve.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell, { turnsQuestionsAway: true });
const closed = await serveFor(upstream);
const anonymous = await serve();

beforeEach(() => upstream.reset());

/** A server without access tokens. */
function serve(env) {
  return serveFor(upstream, { REQUIRE_AUTH: "false", ACCESS_TOKENS: "", ...env });
}

/** The status of a chat, and how often the model's server was asked for it. */
async function chat(port, headers) {
  const body = '{"message":"Hello"}';
  const all = { "Content-Type": "application/json", "Content-Length": body.length, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const bytes = `POST /chat HTTP/1.1\r\n${lines.join("")}Connection: close\r\n\r\n${body}`;
  const before = upstream.calls.length;
  const { status, text } = await wire(port, bytes);
  return { status, text, asked: upstream.calls.length - before };
}

const ANSWERED = [
  ["127.0.0.1", undefined],
  ["localhost", undefined],
  ["LOCALHOST", undefined],
  ["chat.localhost", undefined],
  ["127.1.2.3", undefined],
  ["[::1]", undefined],
  ["127.0.0.1", "http://127.0.0.1"],
  ["localhost", "http://localhost"],
  ["[::1]", "http://[::1]"],
];

const REFUSED = [
  ["rebound.test", undefined],
  ["rebound.test", "http://rebound.test"],
  ["localhost.rebound.test", "http://localhost.rebound.test"],
  ["127.0.0.1.rebound.test", undefined],
  ["127.0.0.1", "http://rebound.test"],
  ["127.0.0.1", "http://localhost"],
  ["127.0.0.1", "https://127.0.0.1"],
  ["127.0.0.1", "null"],
  ["localhost", "https://evil.example"],
];

test("without tokens it answers only to this machine's own hosts, and only to its own pages", async (t) => {
  const { port } = anonymous;
  const withPort = (origin) => origin && (origin === "null" ? origin : `${origin}:${port}`);
  const headers = (host, origin) => ({
    Host: `${host}:${port}`,
    ...(origin && { Origin: withPort(origin) }),
  });
  for (const [host, origin] of ANSWERED) {
    await t.test(`${host}, a page of ${origin}: answered`, async () => {
      const { status, asked } = await chat(port, headers(host, origin));
      assert.deepEqual({ status, asked }, { status: 200, asked: 1 });
    });
  }
  for (const [host, origin] of REFUSED) {
    await t.test(`${host}, a page of ${origin}: refused`, async () => {
      const { status, text, asked } = await chat(port, headers(host, origin));
      assert.deepEqual({ status, asked }, { status: 403, asked: 0 });
      assert.equal(JSON.parse(text).code, "origin_not_allowed");
    });
  }
});

test("a page on another port of this machine is refused", async () => {
  const { port } = anonymous;
  const headers = { Host: `127.0.0.1:${port}`, Origin: "http://127.0.0.1:1" };
  assert.equal((await chat(port, headers)).status, 403);
});

test("no header that a page adds makes the server accept a rebound name", async (t) => {
  const { port } = anonymous;
  for (const proto of [
    "https",
    "http",
    "https,http",
    `http://localhost:${port}/chat?`,
    `http://127.0.0.1:${port}/`,
    "",
  ]) {
    await t.test(`X-Forwarded-Proto: ${proto}`, async () => {
      const rebound = `rebound.test:${port}`;
      const headers = { Host: rebound, Origin: `http://${rebound}`, "X-Forwarded-Proto": proto };
      const { status, asked } = await chat(port, headers);
      assert.deepEqual({ status, asked }, { status: 403, asked: 0 });
    });
  }
});

test("a refusal says what the owner can do, and health is open to everyone", async () => {
  const { port } = anonymous;
  const get = (path) =>
    wire(
      port,
      `GET ${path} HTTP/1.1\r\nHost: rebound.test\r\nX-Correlation-Id: lost\r\nConnection: close\r\n\r\n`,
    );
  const ready = await get("/health/ready");
  assert.equal(ready.status, 403);
  const detail =
    "This service does not answer to this host name. If you run it, add the name to ALLOWED_HOSTS.";
  assert.equal(ready.text, errorBody("origin_not_allowed", "lost", detail));
  assert.equal((await get("/health")).status, 200);
});

test("listed hosts and origins are answered", async () => {
  const env = { ALLOWED_HOSTS: "assistant.lan", ALLOWED_ORIGINS: "https://good.example" };
  const { port, script } = await serve(env);
  await script.line(/^There are no ACCESS_TOKENS, so anyone who reaches the assistant may chat\.$/);
  await script.line(/^It answers only to these hosts: assistant\.lan$/);
  const status = async (headers) => (await chat(port, headers)).status;
  const Host = `assistant.lan:${port}`;
  assert.equal(await status({ Host }), 200);
  assert.equal(await status({ Host, Origin: `http://${Host}` }), 200);
  assert.equal(await status({ Host, Origin: "https://good.example" }), 200);
  assert.equal(await status({ Host, Origin: "https://evil.example" }), 403);
  assert.equal(await status({ Host: "other.lan" }), 403);
});

test("a star allows every host, but a page on a rebound name is still refused", async () => {
  const { port } = await serve({ ALLOWED_HOSTS: "*", ALLOWED_ORIGINS: "https://good.example" });
  const Host = `rebound.test:${port}`;
  assert.equal((await chat(port, { Host })).status, 200);
  assert.equal((await chat(port, { Host, Origin: `http://${Host}` })).status, 403);
});

test("the address that it listens on is one of its hosts", async () => {
  const { script } = await serve({ HOST: "127.0.0.2" }).catch((error) => assert.fail(error));
  await script.line(/^It answers only to these hosts: localhost,127\.0\.0\.2$/);
});

test("with tokens, any host is answered: a page has to know a token", async () => {
  const { port } = closed;
  const Host = "assistant.example.com";
  const Authorization = "Bearer a-token-of-at-least-sixteen";
  assert.equal((await chat(port, { Host, Authorization })).status, 200);
  assert.equal((await chat(port, { Host, Origin: `https://${Host}` })).status, 401);
});

const MALFORMED = [
  ...["a b", "[::", "[::1", "::1", "a@b", "a,b", "ö.example", "a%", "localhost:x"],
  ...[
    "localhost/evil",
    "localhost#evil",
    "localhost?evil",
    "localhost/?",
    "localhost:80/",
    "localhost\\evil",
  ],
];

test("a malformed Host is 400, in the shape of every error", async (t) => {
  const detail = "Field 'header.host': Input should be a host, with or without a port";
  for (const { port } of [closed, anonymous]) {
    for (const host of MALFORMED) {
      for (const path of ["/", "/chat", "/health", "/nothing"]) {
        await t.test(`${host}, ${path}`, async () => {
          const head = `Host: ${host}\r\nX-Correlation-Id: odd\r\nConnection: close`;
          const { status, text, headers } = await wire(
            port,
            `GET ${path} HTTP/1.1\r\n${head}\r\n\r\n`,
          );
          assert.equal(status, 400);
          assert.equal(text, errorBody("validation_error", "odd", detail));
          assert.equal(headers.get("x-correlation-id"), "odd");
        });
      }
    }
    await t.test("two of them", async () => {
      const head = "Host: localhost\r\nHost: localhost\r\nConnection: close";
      assert.equal((await wire(port, `GET /health HTTP/1.1\r\n${head}\r\n\r\n`)).status, 400);
    });
    // These the runtime answers itself, before the worker hears of them.
    await t.test("none", async () => {
      for (const head of ["Connection: close", "Host: \r\nConnection: close"]) {
        assert.equal((await wire(port, `GET /health HTTP/1.1\r\n${head}\r\n\r\n`)).status, 400);
      }
    });
  }
});

test("unusual request targets are answered", async (t) => {
  const { port } = closed;
  const Host = `localhost:${port}`;
  for (const [target, expected] of [
    [`GET http://${Host}/health`, 200],
    ["GET http://evil.example/health", 200],
    ["GET //evil.example/health", 404],
    ["GET /health%zz", 404],
    ["GET /../health", 404],
    ["OPTIONS *", 204],
  ]) {
    await t.test(target, async () => {
      const head = `Host: ${Host}\r\nConnection: close`;
      assert.equal((await wire(port, `${target} HTTP/1.1\r\n${head}\r\n\r\n`)).status, expected);
    });
  }
});

test("behind TLS proxies, the first one says how the client connected", async (t) => {
  const { port } = await serveFor(upstream, { ALLOWED_ORIGINS: "https://example.com" });
  const Host = `localhost:${port}`;
  for (const [proto, scheme, status] of [
    ["https,http", "https", 401],
    ["https, http", "https", 401],
    ["https", "https", 401],
    ["http,https", "https", 403],
    ["http,https", "http", 401],
    [undefined, "http", 401],
  ]) {
    await t.test(`${proto}, a page over ${scheme}`, async () => {
      const headers = { Host, Origin: `${scheme}://${Host}` };
      if (proto) headers["X-Forwarded-Proto"] = proto;
      assert.equal((await chat(port, headers)).status, status);
    });
  }
  await t.test("a page", async () => {
    const head = `Host: ${Host}\r\nX-Forwarded-Proto: https,http\r\nConnection: close`;
    assert.equal((await wire(port, `GET /docs HTTP/1.1\r\n${head}\r\n\r\n`)).status, 200);
  });
});
