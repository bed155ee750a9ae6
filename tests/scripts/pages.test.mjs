/** Pages on one's own server: they are served as Cloudflare would, beside the assistant. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { assistantWithPages } from "../../scripts/lib/assistant.mjs";
import { Failure } from "../../scripts/lib/process.mjs";
import { pagesOf } from "../../scripts/lib/static-files.mjs";
import { Workerd } from "../../scripts/lib/workerd.mjs";
import { startWorker } from "../support/harness.mjs";
import { delta, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const HEADERS = `
# everywhere
/*
  X-Content-Type-Options: nosniff
  Vary: Origin
/c/*
  X-Rewritten: yes
/assets/*
  ! Vary
  Cache-Control: public, max-age=31536000, immutable
/sw.js
  ! Cache-Control
  Cache-Control: no-cache
/docs
  Vary: Cookie
/index
  X-Moved: yes
`;

const REDIRECTS = `
# a page of many addresses
/c/* / 200
`;

const folder = folderOf({
  _headers: HEADERS,
  _redirects: REDIRECTS,
  "index.html": "<title>Chat</title>",
  "docs.html": "<title>Reference</title>",
  "help/index.html": "<title>Help</title>",
  "assets/app.js": "export {};",
  "data.json": "{}",
  "favicon.svg": "<svg/>",
  "style.css": "a{}",
  "icon.png": Buffer.from([137, 80, 78, 71]),
  "manifest.webmanifest": "{}",
  "sw.js": "export {};",
  "assets/raw.bin": Buffer.from([0, 255, 1]),
});
const cloudflare = await startWorker({ LOG_LEVEL: "ERROR" }, { pages: folder });
const upstream = await startUpstream();
const runtime = new Workerd(
  { assistant: assistantWithPages(folder) },
  {
    env: {
      OPENAI_API_KEY: "sk-test",
      OPENAI_BASE_URL: upstream.url,
      HEARTBEAT_SECONDS: "0.1",
      LOG_LEVEL: "ERROR",
    },
  },
);
after(() => runtime.stop());
const address = `http://127.0.0.1:${await runtime.listening()}`;
const get = (path, init) => within(fetch(address + path, { redirect: "manual", ...init }), path);

/** Headers that depend on the time, the connection or the hash function. */
const VARYING = ["cf-cache-status", "connection", "content-length", "date", "etag", "keep-alive"];

/** An answer without them. */
async function toldBy(response) {
  const headers = Array.from(response.headers).filter(([name]) => !VARYING.includes(name));
  const hasTag = response.headers.has("etag");
  const body = Buffer.from(await response.arrayBuffer()).toString("base64");
  return { status: response.status, headers: Object.fromEntries(headers), hasTag, body };
}

const PATHS = [
  ...["/", "/?a=b", "/index", "/index.html"],
  ...[
    "/docs",
    "/docs?a=b",
    "/docs.html",
    "/docs.html?a=b",
    "/docs/",
    "/docs/index",
    "/docs/index.html",
  ],
  ...["/help", "/help/", "/help/index", "/help/index.html", "/help.html"],
  ...["/assets/app.js", "/assets/raw.bin", "/data.json", "/favicon.svg", "/style.css"],
  ...["/icon.png", "/manifest.webmanifest", "/sw.js"],
  ...["/c/abc-123", "/c/abc-123?a=b", "/c/", "/c/a/b", "/c/..%2f", "/c", "/cc", "/_redirects"],
  ...["/nothing", "/assets", "/assets/", "/_headers", "/constructor", "/..%2fetc/passwd", "/chat"],
];

for (const method of ["GET", "HEAD", "POST", "OPTIONS"]) {
  test(`${method} is answered as Cloudflare answers it, whatever the path`, async () => {
    for (const path of PATHS) {
      const init = { method, redirect: "manual", headers: { "x-correlation-id": "abc-123" } };
      const [ours, theirs] = await Promise.all([get(path, init), cloudflare.get(path, init)]);
      assert.deepEqual(await toldBy(ours), await toldBy(theirs), path);
    }
  });
}

test("a page is sent whole, even if the client asks for a range", async () => {
  const headers = { range: "bytes=0-1", "if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT" };
  for (const server of [{ get }, cloudflare]) {
    const answer = await server.get("/docs", { headers });
    assert.deepEqual([answer.status, await answer.text()], [200, "<title>Reference</title>"]);
  }
});

test("a page that the client has is not sent again, in every form of If-None-Match", async () => {
  const { headers } = await get("/");
  const etag = headers.get("etag");
  assert.match(etag, /^"[\da-f]{32}"$/);
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    const answer = await get("/", { headers: { "if-none-match": known } });
    assert.equal(answer.status, 304, known);
    assert.equal(answer.headers.get("etag"), etag);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  }
  const changed = await get("/", { headers: { "if-none-match": '"other"' } });
  assert.equal(changed.status, 200);
});

const FRAME = 'data: {"content":"Hi","sequence":0,"is_final":false,"correlation_id":"abc-123"}\n\n';

test("a frame arrives while upstream is still writing, and a client that then leaves aborts upstream's answer", async () => {
  const { chat, call, response } = await begin();
  assert.equal(response.headers["x-correlation-id"], "abc-123");
  assert.equal(response.headers["content-type"], "text/event-stream; charset=utf-8");
  call.write(delta("Hi"));
  assert.equal(await within(firstFrame(response), "the first frame"), FRAME);
  chat.destroy();
  assert.equal(await within(call.closed, "upstream to be left"), "aborted");
});

test("a client that leaves while upstream is silent aborts upstream's answer", async () => {
  const { chat, call } = await begin();
  chat.destroy();
  assert.equal(await within(call.closed, "upstream to be left"), "aborted");
});

test("a client that leaves before upstream has answered aborts upstream's request", async () => {
  const chat = post();
  const call = await upstream.nextCall();
  // Closed in good form, it would be noticed only once there is something to tell it.
  chat.socket.resetAndDestroy();
  assert.equal(await within(call.closed, "upstream to be left"), "aborted");
});

test("a rule that is not understood is an error", () => {
  for (const line of ["/a/:name", "https://example.com/*", "X-Lonely: 1", "nonsense"]) {
    const odd = folderOf({ _headers: `${line}\n  X-A: 1\n` });
    assert.throws(
      () => pagesOf(odd),
      (error) => error instanceof Failure && error.message.includes(line),
    );
  }
});

test("a rewriting rule that is not understood, or leads nowhere, is an error", () => {
  for (const line of ["/a /b 301", "/a/* /b", "/:a/* / 200", "/a/* /nowhere 200", "nonsense"]) {
    const odd = folderOf({ _redirects: line, "index.html": "" });
    assert.throws(
      () => pagesOf(odd),
      (error) => error instanceof Failure && error.message.includes(line.split(" ")[1] ?? line),
    );
  }
});

/** A chat whose answer has begun upstream, but has no text yet. */
async function begin() {
  const chat = post();
  const answered = new Promise((resolve) => chat.once("response", resolve));
  const call = (await upstream.nextCall()).open();
  return { chat, call, response: await within(answered, "the stream's headers") };
}

function post() {
  const headers = { "content-type": "application/json", "x-correlation-id": "abc-123" };
  const chat = request(`${address}/chat`, { method: "POST", headers });
  chat.on("error", () => {});
  chat.end('{"message":"Hello"}');
  return chat;
}

/** What comes first, but for comments. */
async function firstFrame(response) {
  for await (const chunk of response.iterator({ destroyOnReturn: false })) {
    if (!chunk.toString().startsWith(":")) return chunk.toString();
  }
}

function folderOf(files) {
  const path = mkdtempSync(join(tmpdir(), "pages-"));
  after(() => rmSync(path, { recursive: true }));
  for (const [name, contents] of Object.entries(files)) {
    mkdirSync(join(path, name, ".."), { recursive: true });
    writeFileSync(join(path, name), contents);
  }
  return path;
}
