/** Other sites' pages in the browser of the person who runs the assistant: none may use it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import test, { after, beforeEach } from "node:test";
import { exchangeOn, REBOUND, say, strangersPage, visit } from "../support/browser.mjs";
import { checkout } from "../support/checkout.mjs";
import { freePort, startScript } from "../support/script.mjs";
import { KEY, serve } from "../support/serve.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const site = await startSite();
const ports = {
  "npm start": await start(),
  "npm run serve without tokens": (
    await serve(upstream, { REQUIRE_AUTH: "false", ACCESS_TOKENS: "" })
  ).port,
};

beforeEach(() => upstream.reset());

/** `npm start` with a real key and otherwise default settings. */
async function start() {
  const devVars = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: upstream.url };
  const port = await freePort();
  const script = startScript("start.mjs", {
    folder: checkout({ devVars }),
    env: { PORT: `${port}` },
  });
  await script.line(/^The assistant is ready/);
  return port;
}

/** Another site, whose pages send no requests by themselves. */
async function startSite() {
  const server = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>A site</title>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** Sends a chat request from a page, and returns what the page could read. */
function ask(page, url, init = {}) {
  return page.evaluate(
    async ([url, init]) => {
      const usual = {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"message":"Hello"}',
      };
      try {
        const response = await fetch(url, { ...usual, ...init });
        return { type: response.type, status: response.status, text: await response.text() };
      } catch (error) {
        return { error: error.name };
      }
    },
    [url, init],
  );
}

/** The same from a sandboxed frame, whose origin is opaque. */
function askFromNowhere(page, url) {
  return page.evaluate((url) => {
    const { promise, resolve } = Promise.withResolvers();
    addEventListener("message", ({ data }) => resolve(data));
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    frame.srcdoc = `<script>
      fetch("${url}", { method: "POST", headers: { "content-type": "application/json" }, body: '{"message":"Hello"}' })
        .then((response) => response.text(), (error) => error.name)
        .then((text) => parent.postMessage(text, "*"));
    </script>`;
    document.body.append(frame);
    return promise;
  }, url);
}

/** Submits a form, which a page may send anywhere, and returns the status of the response. */
async function sendForm(page, url, enctype) {
  const [response] = await Promise.all([
    page.waitForResponse(url),
    page.evaluate(
      ([url, enctype]) => {
        const form = document.createElement("form");
        Object.assign(form, { method: "post", action: url, enctype });
        const field = document.createElement("input");
        // With text/plain, this makes the body JSON.
        Object.assign(field, { name: '{"message":"Hello","x":"', value: '"}' });
        form.append(field);
        document.body.append(form);
        form.submit();
      },
      [url, enctype],
    ),
  ]);
  return response.status();
}

for (const [command, port] of Object.entries(ports)) {
  const local = `http://127.0.0.1:${port}`;

  test(`${command}: a page of another origin is refused`, async (t) => {
    const chat = `${local}/chat`;
    const page = await strangersPage(t, site);
    const blocked = { error: "TypeError" };
    assert.deepEqual(await ask(page, chat), blocked);
    assert.deepEqual(await ask(page, chat, { headers: {} }), blocked);
    assert.deepEqual(await ask(page, `http://localhost:${port}/chat`), blocked);
    const simple = { mode: "no-cors", headers: { "content-type": "text/plain" } };
    assert.deepEqual(await ask(page, chat, simple), blocked);
    assert.equal(await askFromNowhere(page, chat), "TypeError");
    assert.equal(await sendForm(page, chat, "text/plain"), 403);
    assert.deepEqual(upstream.calls, [], "the model's server is not asked");
  });

  test(`${command}: a page whose own name resolves to this machine is refused`, async (t) => {
    const page = await strangersPage(t, `http://${REBOUND}:${port}/health`);
    const proto = { "content-type": "application/json", "x-forwarded-proto": "https" };
    for (const init of [{}, { headers: proto }, { referrerPolicy: "no-referrer" }]) {
      const { status, text } = await ask(page, "/chat", init);
      assert.equal(status, 403);
      assert.equal(JSON.parse(text).code, "origin_not_allowed");
    }
    const { status } = await ask(page, "/health/ready", { method: "GET", body: undefined });
    assert.equal(status, 403);
    assert.deepEqual(upstream.calls, [], "the model's server is not asked");
  });

  test(`${command}: its own page is answered under each name of this machine`, async (t) => {
    for (const host of ["127.0.0.1", "localhost"]) {
      const { page } = await visit(t, `http://${host}:${port}/`);
      await say(page, `Hello by way of ${host}`);
      await exchangeOn(page).is("done");
      await exchangeOn(page).shows("Hi");
    }
    assert.equal(upstream.calls.length, 2);
  });
}
