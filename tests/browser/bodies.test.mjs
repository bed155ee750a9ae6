/** Responses that begin, and whose bodies do not come whole. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import test, { after, beforeEach } from "node:test";
import { Api } from "../../public/chat/api.js";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { answer, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const service = await startKeptPage(upstream);
beforeEach(() => upstream.reset());

/** Answers with whatever its address names. */
const answers = {
  "/hangs": (response) => response.write('{"conversations":['),
  "/hangs-in-error": (response) => response.writeHead(500).write('{"error":"'),
  "/is-cut": (response) => {
    response.writeHead(200, { "content-length": "1000" });
    response.write('{"turns":[', () => response.destroy());
  },
  "/is-no-json": (response) => response.end("<p>Sign in to this network"),
};
const server = createServer((request, response) => answers[request.url](response));
server.listen(0, "127.0.0.1");
await once(server, "listening");
after(() => {
  server.closeAllConnections();
  server.close();
});

const LIST = /\/conversations\?$/;
const CONVERSATION = /\/conversations\/[^/?]+$/;
/** Browsers log every response that is no success. */
const expected = /^Failed to load resource/;

/** Has such a server answer in the place of the service. Resolves when the page asks for the first time. */
async function replace(page, address, path) {
  const { promise, resolve } = Promise.withResolvers();
  await page.route(address, (route) => {
    resolve();
    return route.continue({ url: `http://127.0.0.1:${server.address().port}${path}` });
  });
  return { asked: promise };
}

const NO_CONNECTION =
  "No connection. Check that you are online and the assistant is running, then try again.";
const SOMETHING_ELSE =
  "Something else answered. A proxy or a sign-in page may be in between. Reload the page and try again.";

for (const [path, ms, words] of [
  ["/hangs", 30_000, NO_CONNECTION],
  ["/hangs-in-error", 30_000, SOMETHING_ELSE],
  ["/is-cut", 100, NO_CONNECTION],
  ["/is-no-json", 100, SOMETHING_ELSE],
]) {
  test(`a list whose response ${path.slice(1)} is waited for, but not for ever, and can be asked for again`, async (t) => {
    const { page } = await visit(t, `${service.url}/health`, { expected: /404|Failed to load/ });
    const { asked } = await replace(page, LIST, path);
    await page.clock.install();
    await page.goto(service.url);
    await asked;
    const list = page.locator("#list-end");
    const failed = list.getByText(`The list could not be loaded. ${words}`);
    // The page may take in a moment later that the response has begun.
    while (!(await failed.isVisible())) await page.clock.runFor(ms);
    await page.unroute(LIST);
    await list.getByRole("button", { name: "Try again" }).click();
    await list.getByText("Your conversations will be listed here").waitFor();
  });
}

for (const [path, ms] of [
  ["/hangs", 30_000],
  ["/is-cut", 100],
  ["/is-no-json", 100],
]) {
  test(`of a conversation whose response ${path.slice(1)}, the copy is shown`, async (t) => {
    const { page } = await visit(t, service.url, { expected });
    await say(page, "How tall are spruces?");
    (await upstream.nextCall()).end(...answer("Up to 50 metres"));
    await exchangeOn(page).is("done");
    const { asked } = await replace(page, CONVERSATION, path);
    await page.clock.install();
    await page.reload();
    await asked;
    const note = page.locator("#copy-note");
    while (!(await note.isVisible())) await page.clock.runFor(ms);
    await exchangeOn(page).shows("Up to 50 metres");
  });
}

/** Lets whatever waits for no timer come to its end. */
async function turns() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
}

test("a response that comes slowly is waited for as long as it comes", async (t) => {
  const { readable, writable } = new TransformStream();
  const slow = writable.getWriter();
  t.mock.method(globalThis, "fetch", async () => new Response(readable));
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const reading = new Api(async () => undefined).text("/comes-slowly");
  for (const letter of "letters") {
    slow.write(new TextEncoder().encode(letter));
    await turns();
    t.mock.timers.tick(29_000);
  }
  slow.close();
  assert.equal(await reading, "letters");
});
