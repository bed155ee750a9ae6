/** What the page shows when an answer fails, and what a person can do then. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { errorEnding } from "../support/errors.mjs";
import { startWorker } from "../support/harness.mjs";
import { startProxy } from "../support/proxy.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const TOKEN = "owner-token-0123456789";
const upstream = await startUpstream();
const bindings = { OPENAI_BASE_URL: upstream.url, MAX_RETRIES: "0", HEARTBEAT_SECONDS: "0.3" };
const app = await startWorker(bindings, { pages: true });
const keeping = await startWorker(
  { ...bindings, ANONYMOUS_OWNER: "true" },
  { pages: true, owners: true },
);
const locked = await startWorker({ ...bindings, ACCESS_TOKENS: `me:${TOKEN}` }, { pages: true });

/** Browsers log every response that is not a success. */
const expected = /^Failed to load resource/;

beforeEach(() => upstream.reset());

/** Waits for an exchange to fail, and compares what the page shows of it word for word. */
async function assertFailed(exchange, { error, detail, code }) {
  await exchange.is("failed");
  const text = (name) => exchange.failure.locator(`[data-problem=${name}]`).textContent();
  assert.deepEqual(
    { error: await text("error"), detail: await text("detail"), code: await text("code") },
    { error, detail, code },
  );
}

function correlationIdOn(exchange) {
  return exchange.failure.locator("[data-problem=correlationId]").textContent();
}

test("an error before the answer is shown in the API's words and can be tried again", async (t) => {
  const { page } = await visit(t, app.url, { expected });
  await say(page, "What is the weather like?");
  (await upstream.nextCall()).respond(500, { error: { message: "canary" } });
  const exchange = exchangeOn(page);
  await assertFailed(exchange, errorEnding("upstream_unavailable"));
  const { record } = await app.log("stream_error", (each) => each.code === "upstream_unavailable");
  assert.equal(await correlationIdOn(exchange), record.correlation_id);
  await exchange.retry.click();
  (await upstream.nextCall()).end(...answer("Sunny"));
  await exchange.is("done");
  await exchange.shows("Sunny");
  assert.equal(await exchange.failure.isVisible(), false);
  assert.equal(await page.locator(".exchange").count(), 1);
});

test("an error in the middle of the answer keeps what has arrived", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Tell me a story");
  const call = await upstream.nextCall();
  call.write(delta("Once upon a time"));
  const exchange = exchangeOn(page);
  await exchange.shows("Once upon a time");
  call.cut();
  await assertFailed(exchange, errorEnding("upstream_truncated"));
  assert.equal(await exchange.answer.textContent(), "Once upon a time\n");
  const { error, detail } = errorEnding("upstream_truncated");
  await page
    .getByRole("status")
    .filter({ hasText: `${error}. ${detail}` })
    .waitFor();
  await exchange.retry.click();
  (await upstream.nextCall()).end(...answer("In the end"));
  await exchange.isDrawn();
  assert.equal(await exchange.answer.textContent(), "In the end\n");
});

test("the correlation id can be copied", async (t) => {
  const permissions = ["clipboard-read", "clipboard-write"];
  const { page } = await visit(t, app.url, { expected, permissions });
  await say(page, "Hello, are you there?");
  (await upstream.nextCall()).respond(401, {});
  const exchange = exchangeOn(page);
  await assertFailed(exchange, errorEnding("upstream_rejected"));
  await exchange.failure.getByText("Technical details").click();
  await exchange.failure.getByRole("button", { name: "Copy id" }).click();
  await exchange.failure.getByRole("button", { name: "Copied" }).waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(copied, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(copied, await correlationIdOn(exchange));
});

const refuse = async (seconds) =>
  (await upstream.nextCall()).respond(429, { error: {} }, { "retry-after": seconds });
/** When the page says that it should work again. */
const again = (page) => exchangeOn(page).failure.locator("[data-problem=again]");

for (const [where, { url }] of [
  ["the service", keeping],
  ["this browser", app],
]) {
  test(`kept by ${where}, a question that is refused for now is sent again by itself, and the page counts the seconds`, async (t) => {
    const { page } = await visit(t, url, { expected });
    await page.clock.install();
    await say(page, "Hello, once more");
    await page.clock.pauseAt(Date.now() + 3000);
    await refuse("17");
    const exchange = exchangeOn(page);
    const { error } = errorEnding("upstream_rate_limited");
    const { status } = exchange;
    await status.filter({ hasText: `${error}. Trying again in 17 seconds…` }).waitFor();
    await page.clock.runFor(3000);
    await status.filter({ hasText: `${error}. Trying again in 14 seconds…` }).waitFor();
    assert.equal(upstream.calls.length, 1);
    await page.clock.runFor(14_000);
    await page.clock.resume();
    (await upstream.nextCall()).end(...answer("Here I am"));
    await exchange.is("done");
    await exchange.shows("Here I am");
    assert.equal(upstream.calls.length, 2);
  });

  test(`kept by ${where}, a question that is refused for now is sent at once, or no more, when the person says so`, async (t) => {
    const { page } = await visit(t, url, { expected });
    await say(page, "Hello, at once");
    await refuse("50");
    await exchangeOn(page).status.getByRole("button", { name: "Try now" }).click();
    await refuse("50");
    await exchangeOn(page)
      .status.filter({ hasText: /Trying again in (50|49) seconds/ })
      .waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await exchangeOn(page).is("stopped");
    assert.equal(upstream.calls.length, 2);
  });
}

test("after three refusals, the page leaves it to the person when to try again", async (t) => {
  const { page } = await visit(t, app.url, { expected });
  await say(page, "Hello, again and again");
  const exchange = exchangeOn(page);
  for (let refusals = 1; refusals <= 3; refusals += 1) {
    await refuse("60");
    await exchange.status.getByRole("button", { name: "Try now" }).click();
  }
  await refuse("60");
  await assertFailed(exchange, errorEnding("upstream_rate_limited"));
  assert.match(await again(page).textContent(), /^It should work in (60|59) seconds\.$/);
  await exchange.retry.click();
  (await upstream.nextCall()).end(...answer("At last"));
  await exchange.is("done");
});

test("an overloaded service may have begun, so the page only offers to try again, and counts the seconds", async (t) => {
  const { page } = await visit(t, app.url, { expected });
  await page.clock.install();
  const { promise: isPaused, resolve: refuseNow } = Promise.withResolvers();
  const json = { ...errorEnding("upstream_unavailable"), correlation_id: "abc-123" };
  const headers = { "retry-after": "5" };
  const overloaded = { status: 503, json, headers };
  await page.route("**/chat", (route) => isPaused.then(() => route.fulfill(overloaded)), {
    times: 1,
  });
  await say(page, "Hello, is it busy?");
  await page.clock.pauseAt(Date.now() + 3000);
  refuseNow();
  await assertFailed(exchangeOn(page), errorEnding("upstream_unavailable"));
  assert.equal(await again(page).textContent(), "It should work in 5 seconds.");
  await page.clock.runFor(2000);
  assert.equal(await again(page).textContent(), "It should work in 3 seconds.");
  await page.clock.runFor(60_000);
  assert.equal(await again(page).textContent(), "It should work now.");
  await page.clock.resume();
  assert.equal(upstream.calls.length, 0);
  await exchangeOn(page).retry.click();
  (await upstream.nextCall()).end(...answer("Not any more"));
  await exchangeOn(page).is("done");
  assert.equal(await again(page).isVisible(), false);
});

test("a wait that has no end is not told", async (t) => {
  const { page } = await visit(t, app.url, { expected });
  const json = { ...errorEnding("upstream_unavailable"), correlation_id: "abc-123" };
  const refused = { status: 503, json, headers: { "retry-after": "1e999" } };
  await page.route("**/chat", (route) => route.fulfill(refused));
  await say(page, "Hello, for ever");
  await assertFailed(exchangeOn(page), errorEnding("upstream_unavailable"));
  assert.equal(await again(page).textContent(), "");
});

test("a wait that is longer than a person waits is told by the clock", async (t) => {
  const { page } = await visit(t, app.url, { expected });
  await say(page, "Hello, until tomorrow");
  await refuse("3600");
  await assertFailed(exchangeOn(page), errorEnding("upstream_rate_limited"));
  assert.match(await again(page).textContent(), /^It should work at \d\d:\d\d [AP]M\.$/);
  assert.equal(upstream.calls.length, 1);
});

test("an error whose advice is for programs has the page's own advice, and the id of the response", async (t) => {
  const { page } = await visit(t, app.url, { expected });
  const json = { ...errorEnding("context_length_exceeded"), correlation_id: "abc-123" };
  await page.route("**/chat", (route) => route.fulfill({ status: 400, json }));
  await say(page, "Hello at great length");
  await assertFailed(exchangeOn(page), {
    error: "Conversation too long",
    detail: "Start a new conversation, or ask for shorter answers in Settings.",
    code: "context_length_exceeded",
  });
  assert.equal(await correlationIdOn(exchangeOn(page)), "abc-123");
});

test("a service that cannot be reached is shown as no connection", async (t) => {
  const { page } = await visit(t, app.url, { expected });
  await page.route("**/chat", (route) => route.abort("connectionrefused"));
  await say(page, "Hello, is anyone there?");
  const exchange = exchangeOn(page);
  await assertFailed(exchange, {
    error: "No connection",
    detail: "Check that you are online and the assistant is running, then try again.",
    code: "no_connection",
  });
  await page.unroute("**/chat");
  await exchange.retry.click();
  (await upstream.nextCall()).end(...answer("Yes"));
  await exchange.is("done");
});

const LOST = {
  error: "The connection was lost",
  detail: "The answer was cut off on its way to you. Check your connection and try again.",
  code: "connection_lost",
};

test("a connection that breaks in the middle of the answer keeps what has arrived", async (t) => {
  const proxy = await startProxy(app.url);
  const { page } = await visit(t, proxy.url, { expected });
  await say(page, "Tell me another story");
  const call = await upstream.nextCall();
  call.write(delta("Twice upon a time"));
  const exchange = exchangeOn(page);
  await exchange.shows("Twice upon a time");
  proxy.cut();
  await assertFailed(exchange, LOST);
  assert.equal(await exchange.answer.textContent(), "Twice upon a time\n");
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
});

test("an answer that is not the API's own is an error", async (t) => {
  const { page } = await visit(t, app.url, { expected });
  const frame = 'data: {"content":"Hel","sequence":0,"is_final":false,"correlation_id":"x"}\n\n';
  const invalid = {
    error: "Something else answered",
    detail: "A proxy or a sign-in page may be in between. Reload the page and try again.",
    code: "invalid_answer",
  };
  const stream = { contentType: "text/event-stream; charset=utf-8" };
  for (const [what, response, told] of [
    ["no final frame", { ...stream, body: `: keep-alive\n\n${frame}` }, LOST],
    ["nothing at all", { ...stream, body: "" }, LOST],
    ["no JSON in a frame", { ...stream, body: `${frame}data: Hel\n\n` }, invalid],
    ["a page", { contentType: "text/html", body: "<h1>Sign in</h1>" }, invalid],
    ["an error page", { status: 502, contentType: "text/html", body: "<h1>Bad</h1>" }, invalid],
    ["JSON null", { status: 502, contentType: "application/json", body: "null" }, invalid],
    ["a proxy's own error", { status: 502, json: { error: { message: "Bad" } } }, invalid],
  ]) {
    await t.test(what, async () => {
      await page.route("**/chat", (route) => route.fulfill(response));
      await say(page, `Hello in spite of ${what}`);
      await assertFailed(exchangeOn(page), told);
      await page.unroute("**/chat");
    });
  }
});

test("the page asks for an access token, again if it is wrong, and keeps it in the tab alone", async (t) => {
  const { page } = await visit(t, locked.url, { expected });
  const dialog = page.getByRole("dialog", { name: "Access token" });
  await dialog.waitFor();
  assert.equal(await page.locator("#token-problem").textContent(), "");
  const field = dialog.getByLabel("Your token");
  assert.equal(await field.getAttribute("type"), "password");
  await field.fill("a wrong token");
  await field.press("Enter");
  const problem = dialog.getByRole("alert");
  await problem.filter({ hasText: "A token has no spaces or accented letters." }).waitFor();
  await field.fill("wrong-token-0123456789");
  await field.press("Enter");
  await problem.filter({ hasText: "That token was not accepted." }).waitFor();
  assert.deepEqual(upstream.calls, []);
  await field.fill(`  ${TOKEN}\n`);
  await dialog.getByRole("button", { name: "Continue" }).click();
  await dialog.waitFor({ state: "hidden" });
  await say(page, "Hello, it is me");
  const call = await upstream.nextCall();
  assert.equal(call.body.messages.at(-1).content, "Hello, it is me");
  call.end(...answer("Welcome"));
  await exchangeOn(page).is("done");

  await page.reload();
  await say(page, "Still me");
  (await upstream.nextCall()).end(...answer("Welcome back"));
  await exchangeOn(page).is("done");
  const [inBrowser, cookie, inTab] = await page.evaluate(() => [
    JSON.stringify(localStorage),
    document.cookie,
    sessionStorage.getItem("access-token"),
  ]);
  assert.ok(!inBrowser.includes(TOKEN), "the token is kept for the tab alone");
  assert.deepEqual([cookie, inTab], ["", JSON.stringify(TOKEN)]);
});

test("a question asked without a token can be tried again with one", async (t) => {
  const { page } = await visit(t, locked.url, { expected });
  await page.getByRole("button", { name: "Not now" }).click();
  await say(page, "Hello, may I come in?");
  await page.getByRole("button", { name: "Not now" }).click();
  const exchange = exchangeOn(page);
  await assertFailed(exchange, {
    error: "Unauthorized",
    detail: "You need an access token.",
    code: "unauthorized",
  });
  assert.equal(await exchange.question.textContent(), "Hello, may I come in?");
  await exchange.failure.getByRole("button", { name: "Enter your access token" }).click();
  await page.getByLabel("Your token").fill(TOKEN);
  await page.keyboard.press("Enter");
  (await upstream.nextCall()).end(...answer("Come in"));
  await exchange.is("done");
});
