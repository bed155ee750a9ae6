/** Stops and deletions, whatever comes between the person's word and the service. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { hold, settle } from "../support/late.mjs";
import { sidebarOf } from "../support/sidebar.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const server = await startKeptPage(upstream);
const TOKEN = "token-of-the-test-0123456789";
const locked = await startKeptPage(upstream, { ACCESS_TOKENS: `me:${TOKEN}` });
const bindings = { OPENAI_BASE_URL: upstream.url, MAX_RETRIES: "0" };
const here = await startWorker(bindings, { pages: true });
/** Browsers log every response that is no success. */
const expected = /^Failed to load resource|error occurred when fetching the script/;

beforeEach(() => upstream.reset());

const CHAT = /\/chat$/;
const STOP = /\/stop$/;
const NOT_NOW = {
  status: 503,
  json: { error: "Not now", detail: "Again.", code: "store_unavailable" },
};

/** Has an answer begin. */
async function begin(page, question, start) {
  await say(page, question);
  const call = await upstream.nextCall();
  call.write(delta(start));
  await exchangeOn(page).shows(start);
  return call;
}

async function ask(page, question, ...pieces) {
  await say(page, question);
  (await upstream.nextCall()).end(...answer(...pieces));
  await exchangeOn(page).is("done");
}

test("a stop that finds no connection before its tab is closed is carried out by the next one", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  const call = await begin(page, "Write in the night train", "It is late");
  const address = page.url();
  const context = page.context();
  await context.setOffline(true);
  await exchangeOn(page).status.filter({ hasText: "You are offline" }).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.close();
  await context.setOffline(false);
  const tab = await context.newPage();
  await tab.goto(server.url);
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  await tab.goto(address);
  await exchangeOn(tab).is("stopped");
  // The first page may have been left before it was told that it is done: then this one has asked again.
  await tab.waitForFunction(() => localStorage.getItem("stops") === null);
});

test("a stop that its tab could not carry out outlives a token that is first declined", async (t) => {
  const { page } = await visit(t, locked.url, { expected });
  const signIn = async (page) => {
    await page.locator("#token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.locator("#token-dialog").waitFor({ state: "hidden" });
  };
  await signIn(page);
  await say(page, "First");
  const call = await upstream.nextCall();
  call.write(delta("Well"));
  await exchangeOn(page).shows("Well");
  await page.route(STOP, (route) => route.abort());
  const failed = page.waitForEvent("requestfailed", (it) => STOP.test(it.url()));
  await page.getByRole("button", { name: "Stop" }).click();
  await failed;
  const address = page.url();
  await page.close();
  // The token was this tab's, as it is unless the person asks for more.
  const tab = await page.context().newPage();
  await tab.goto(address);
  await tab.locator("#token").waitFor();
  await tab.locator("#token-cancel").click();
  await tab.getByRole("button", { name: /token/i }).first().click();
  await signIn(tab);
  await exchangeOn(tab).shows("Well");
  await exchangeOn(tab).is("stopped");
  await within(call.closed, "the end of upstream's connection");
});

test("a question that arrives after its stop, whose tab is closed by then, is stopped by the next one", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  const chat = Promise.withResolvers();
  await page.route(CHAT, (route) => chat.resolve(route.request()));
  await page.clock.install();
  await say(page, "Never mind");
  const question = await chat.promise;
  const key = await question.headerValue("idempotency-key");
  await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 100);
  const stopped = page.waitForResponse(STOP);
  await page.getByRole("button", { name: "Stop" }).click();
  assert.equal((await stopped).status(), 404);
  await exchangeOn(page).is("stopped");
  await page.close();
  const late = fetch(question.url(), {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": key },
    body: question.postData(),
  });
  const call = await upstream.nextCall();
  call.write(delta("Well"));
  const tab = await page.context().newPage();
  await tab.goto(server.url);
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  assert.match(await (await late).text(), /"finish_reason":"stopped"|"state":"stopped"/);
});

test("kept by this browser, what is stopped before it is known who keeps it is not asked", async (t) => {
  const { page } = await visit(t, `${here.url}/health`, { expected: /404/ });
  const late = await hold(page, /\/conversations\?limit=1$/, { isSent: false });
  await page.goto(here.url);
  await late.said;
  await say(page, "Never mind");
  await page.getByRole("button", { name: "Stop" }).click();
  await late.arrive((route) => route.continue());
  await exchangeOn(page).is("stopped");
  assert.equal(upstream.calls.length, 0);
});

test("a stop that finds nothing late does not end the next try", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  const chat = await hold(page, CHAT, { method: "POST", isSent: false });
  const late = await hold(page, STOP, { method: "POST" });
  await say(page, "The first");
  await chat.said;
  await page.getByRole("button", { name: "Stop" }).click();
  assert.equal((await late.said).status(), 404);
  await chat.arrive((route) => route.fulfill(NOT_NOW));
  await exchangeOn(page).is("failed");
  await exchangeOn(page).retry.click();
  const call = await upstream.nextCall();
  call.write(delta("Well"));
  await exchangeOn(page).shows("Well");
  await late.arrive();
  call.end(delta(", yes"), finish("stop"), done);
  await exchangeOn(page).is("done");
  await exchangeOn(page).shows("Well, yes");
});

test("a stop that is still being tried does not stop what is asked again", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  const bad = (route) =>
    route.fulfill({ status: 502, contentType: "text/html", body: "Bad gateway" });
  const stop = await hold(page, STOP, { method: "POST", isSent: false });
  const chat = await hold(page, CHAT, { method: "POST", isSent: false });
  await page.clock.install();
  await say(page, "The first");
  await chat.said;
  await page.getByRole("button", { name: "Stop" }).click();
  await stop.said;
  await chat.arrive(bad);
  await exchangeOn(page).is("failed");
  await exchangeOn(page).retry.click();
  const call = await upstream.nextCall();
  call.write(delta("Well"));
  await exchangeOn(page).shows("Well");
  await stop.arrive(bad);
  await page.clock.fastForward(1000);
  await settle(page);
  call.end(delta(", yes"), finish("stop"), done);
  await exchangeOn(page).is("done");
});

test("what two tabs were left with is deleted", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "Alpha", "One");
  const id = page.url().split("/").at(-1);
  await page.goto(server.url);
  await ask(page, "Beta", "One");
  // As another tab writes it that is closed without a connection.
  await page.evaluate((id) => localStorage.setItem("to-be-deleted", JSON.stringify([id])), id);
  await sidebarOf(page).choose("Beta", "Delete");
  const gone = page.waitForResponse((it) => it.request().method() === "DELETE");
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide")));
  await gone;
  await settle(page);
  const next = await page.context().newPage();
  const deleted = next.waitForRequest((it) => it.method() === "DELETE");
  await next.goto(server.url);
  assert.ok((await deleted).url().endsWith(id));
});
