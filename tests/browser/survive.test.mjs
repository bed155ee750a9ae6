/** A kept answer on the page, whatever happens to the tab, the network and the server. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, openTab, say, visit } from "../support/browser.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { startProxy } from "../support/proxy.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const server = await startKeptPage(upstream);
const TOKEN = "token-of-the-test-0123456789";
const locked = await startKeptPage(upstream, { ACCESS_TOKENS: `me:${TOKEN}` });
/** Browsers log every connection that fails. */
const expected = /^Failed to load resource|error occurred when fetching the script/;

beforeEach(() => upstream.reset());

const LOST = "Connection lost, trying again…";

/** Has an answer begin. */
async function begin(page, question, start) {
  await say(page, question);
  const call = await upstream.nextCall();
  call.write(delta(start));
  await exchangeOn(page).shows(start);
  return call;
}

async function assertShows(page, text) {
  await exchangeOn(page).is("done");
  await exchangeOn(page).shows(text);
  assert.equal((await exchangeOn(page).answer.textContent()).trim(), text);
}

test("a reload in the middle of an answer loses and doubles nothing", async (t) => {
  const { page } = await visit(t, server.url);
  const call = await begin(page, "Count to four", "One, two");
  await page.reload();
  await exchangeOn(page).shows("One, two");
  await exchangeOn(page).is("streaming");
  call.end(delta(", three"), delta(", four"), finish("stop"), done);
  await assertShows(page, "One, two, three, four");
  assert.equal(upstream.calls.length, 1);
});

test("a tab that is closed and opened again reads on", async (t) => {
  const { page } = await visit(t, server.url);
  const call = await begin(page, "Count to five", "One, two");
  const address = page.url();
  const tab = await openTab(page, "about:blank");
  await page.close();
  call.write(delta(", three"));
  await tab.goto(address);
  await exchangeOn(tab).shows("One, two, three");
  call.end(delta(", four"), finish("stop"), done);
  await assertShows(tab, "One, two, three, four");
});

test("a connection that is cut three times in one answer loses and doubles nothing", async (t) => {
  const proxy = await startProxy(server.url);
  const { page } = await visit(t, proxy.url, { expected });
  const call = await begin(page, "Count slowly", "Zero");
  let text = "Zero";
  for (const word of [", one", ", two", ", three"]) {
    proxy.cut();
    call.write(delta(word));
    text += word;
    await exchangeOn(page).shows(text);
  }
  call.end(finish("stop"), done);
  await assertShows(page, text);
  assert.equal(upstream.calls.length, 1);
});

test("offline three times in one answer, the page says so and goes on by itself", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  const call = await begin(page, "Count in a tunnel", "Zero");
  const { status } = exchangeOn(page);
  let text = "Zero";
  for (const word of [", one", ", two", ", three"]) {
    await page.context().setOffline(true);
    await status
      .filter({ hasText: "You are offline. The answer will continue when you are back online." })
      .waitFor();
    call.write(delta(word));
    text += word;
    await page.context().setOffline(false);
    await exchangeOn(page).shows(text);
    await status.waitFor({ state: "hidden" });
  }
  call.end(finish("stop"), done);
  await assertShows(page, text);
});

test("a network that is back before a try could fail is tried again at once", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await page.clock.install({ time: 0 });
  await page.clock.pauseAt(1000);
  const asked = Promise.withResolvers();
  const failing = Promise.withResolvers();
  const fail = async (route) => {
    asked.resolve();
    await failing.promise;
    await route.abort();
  };
  await page.route("**/chat", fail, { times: 1 });
  await say(page, "Is it back?");
  await asked.promise;
  await page.evaluate(() => dispatchEvent(new Event("online")));
  failing.resolve();
  await exchangeOn(page).status.filter({ hasText: LOST }).waitFor();
  await page.clock.runFor(1);
  (await upstream.nextCall()).end(...answer("It is"));
  await page.clock.resume();
  await assertShows(page, "It is");
});

test("an error of a proxy's own is no end of an answer", async (t) => {
  const proxy = await startProxy(server.url);
  const { page } = await visit(t, proxy.url, { expected });
  const call = await begin(page, "Count behind a proxy", "Zero");
  const json = { error: "Bad gateway" };
  await page.route("**/chat", (route) => route.fulfill({ status: 502, json }));
  await page.route("**/answers/**", (route) => route.fulfill({ status: 502, json }), { times: 1 });
  proxy.cut();
  await exchangeOn(page).status.filter({ hasText: LOST }).waitFor();
  call.end(delta(", one"), finish("stop"), done);
  await assertShows(page, "Zero, one");
});

test("a server that is killed and comes back leaves the text so far, and says how it ended", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await begin(page, "Count and fall over", "One, two");
  await server.kill();
  await exchangeOn(page).status.filter({ hasText: LOST }).waitFor();
  await server.start();
  const exchange = exchangeOn(page);
  await exchange.is("interrupted");
  assert.equal((await exchange.answer.textContent()).trim(), "One, two");
  assert.equal(await exchange.failure.locator("[data-problem=code]").textContent(), "interrupted");
  await exchange.retry.click();
  (await upstream.nextCall()).end(...answer("One, two, three"));
  await assertShows(page, "One, two, three");
  await exchange.element.getByRole("button", { name: "Previous version of the answer" }).click();
  await exchangeOn(page).shows("One, two");
  await exchangeOn(page).is("interrupted");
});

test("a question that a server has not got is sent once it is back", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await server.kill();
  await say(page, "Are you there?");
  await exchangeOn(page).status.filter({ hasText: LOST }).waitFor();
  await server.start();
  await exchangeOn(page).status.getByRole("button", { name: "Try now" }).click();
  (await upstream.nextCall()).end(...answer("Now I am"));
  await assertShows(page, "Now I am");
  assert.equal(upstream.calls.length, 1);
});

test("a reload between a question and the first byte neither loses it nor buys it twice", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await say(page, "Think for a while");
  const call = await upstream.nextCall();
  await page.reload();
  assert.equal(await exchangeOn(page).question.textContent(), "Think for a while");
  await exchangeOn(page).is("streaming");
  call.end(...answer("I have thought"));
  await assertShows(page, "I have thought");
  assert.equal(upstream.calls.length, 1);
});

test("a question that never left is asked after a reload", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await page.route("**/chat", (route) => route.abort("connectionrefused"));
  await say(page, "Keep this for me");
  await exchangeOn(page).status.filter({ hasText: LOST }).waitFor();
  await page.unroute("**/chat");
  await page.reload();
  (await upstream.nextCall()).end(...answer("I have kept it"));
  await assertShows(page, "I have kept it");
});

test("a second tab sees the answer as it comes, and can stop it", async (t) => {
  const { page } = await visit(t, server.url);
  const call = await begin(page, "Write for both", "It was a dark");
  const tab = await openTab(page, page.url());
  await exchangeOn(tab).shows("It was a dark");
  call.write(delta(" night"));
  for (const each of [page, tab]) await exchangeOn(each).shows("It was a dark night");
  await tab.getByRole("button", { name: "Stop" }).click();
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  for (const each of [page, tab]) {
    await exchangeOn(each).is("stopped");
    assert.equal(await exchangeOn(each).ending.textContent(), "Stopped");
    assert.equal((await exchangeOn(each).answer.textContent()).trim(), "It was a dark night");
  }
});

test("a stop that finds no connection is carried out when it is back", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  const call = await begin(page, "Write in the tunnel", "It is dark");
  await page.context().setOffline(true);
  await exchangeOn(page).status.filter({ hasText: "You are offline" }).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await exchangeOn(page)
    .status.filter({ hasText: "You are offline. The answer will stop when you are back online." })
    .waitFor();
  await exchangeOn(page).is("streaming");
  await page.context().setOffline(false);
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  await exchangeOn(page).is("stopped");
});

test("a wait for the first word that takes long says so", async (t) => {
  const { page } = await visit(t, server.url);
  await page.clock.install();
  await say(page, "Think about everything");
  const call = await upstream.nextCall();
  // What has passed by itself counts, too.
  await page.clock.fastForward(4_000);
  assert.equal(await exchangeOn(page).status.isVisible(), false);
  await page.clock.fastForward(4_000);
  const { status } = exchangeOn(page);
  await status.filter({ hasText: "No answer yet. Still waiting…" }).waitFor();
  assert.equal(await status.getByRole("button").isVisible(), false, "there is nothing to try");
  call.end(...answer("42"));
  await assertShows(page, "42");
  assert.equal(await exchangeOn(page).status.isVisible(), false);
});

test("stop works before the first word", async (t) => {
  const { page } = await visit(t, server.url);
  await say(page, "Think about it");
  const call = await upstream.nextCall();
  await page.getByRole("button", { name: "Stop" }).click();
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  await exchangeOn(page).is("stopped");
  assert.equal(await page.getByRole("button", { name: "Stop" }).isVisible(), false);
});

for (const [meanwhile, setBackMs] of [
  ["", 0],
  [", though the clock is set back meanwhile", 3_600_000],
]) {
  test(`a connection that stays silent for 35 s is lost${meanwhile}`, async (t) => {
    const { page } = await visit(t, server.url, { expected });
    await page.clock.install();
    const requests = [];
    page.on("request", (request) => requests.push(new URL(request.url()).pathname));
    // A proxy that holds the bytes back: the page hears nothing, though the connection stands.
    const frame =
      'id: x.0\ndata: {"content":"Hel","sequence":0,"is_final":false,"correlation_id":"x"}\n\n';
    await page.evaluate((frame) => {
      const { fetch } = globalThis;
      globalThis.fetch = (path, init) => {
        if (path !== "/chat") return fetch(path, init);
        globalThis.fetch = fetch;
        const { readable, writable } = new TransformStream();
        const writer = writable.getWriter();
        writer.write(new TextEncoder().encode(frame));
        init.signal.addEventListener("abort", () => writer.abort(init.signal.reason));
        const headers = { "content-type": "text/event-stream" };
        return Promise.resolve(new Response(readable, { headers }));
      };
    }, frame);
    await say(page, "Say something");
    await exchangeOn(page).shows("Hel");
    await page.clock.setSystemTime(Date.now() - setBackMs);
    // What has passed by itself counts, too.
    await page.clock.fastForward(30_000);
    assert.deepEqual(
      requests.filter((path) => path.startsWith("/answers/")),
      [],
    );
    const again = page.waitForRequest(/\/answers\/[^/]+\?after=0$/);
    await page.clock.fastForward(5_000);
    await again;
    assert.equal(requests.filter((path) => path.startsWith("/answers/")).length, 1);
  });
}

test("a question that a gateway gave up on is not bought twice by Retry", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  const asked = Promise.withResolvers();
  await page.route(
    "**/chat",
    async (route) => {
      // The gateway has passed it on, and does not wait for the answer.
      route.fetch().catch(() => {});
      await asked.promise;
      await route.fulfill({ status: 504, contentType: "text/html", body: "Gateway timeout" });
    },
    { times: 1 },
  );
  await say(page, "Are you still there?");
  const call = await upstream.nextCall();
  asked.resolve();
  await exchangeOn(page).is("failed");
  await exchangeOn(page).retry.click();
  await exchangeOn(page).is("streaming");
  call.end(...answer("I am"));
  await assertShows(page, "I am");
  assert.equal(upstream.calls.length, 1);
});

test("an answer whose access token was changed meanwhile is read on with the new one", async (t) => {
  const { page } = await visit(t, locked.url, { expected });
  const enter = async (token) => {
    await page.getByLabel("Your token").fill(token);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
  };
  await enter(TOKEN);
  const call = await begin(page, "Count while the lock is changed", "One");
  await page.evaluate(() => sessionStorage.setItem("access-token", '"not-the-token-any-more"'));
  await page.context().setOffline(true);
  await exchangeOn(page).status.filter({ hasText: "You are offline" }).waitFor();
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "Not now" }).click();
  await exchangeOn(page).is("failed");
  call.write(delta(", two"));
  await exchangeOn(page).failure.getByRole("button", { name: "Enter your access token" }).click();
  await enter(TOKEN);
  await exchangeOn(page).shows("One, two");
  call.end(delta(", three"), finish("stop"), done);
  await assertShows(page, "One, two, three");
  assert.equal(upstream.calls.length, 1);
});

for (const [seconds, wait] of [
  ["9999999", "60 seconds"],
  ["1e999", undefined],
]) {
  test(`a running answer is read on although the service asks to wait ${seconds} seconds`, async (t) => {
    const { page } = await visit(t, server.url, { expected });
    const call = await begin(page, "Count to two", "One");
    await page.clock.install();
    const busy = { error: "Too many requests", detail: "Wait.", code: "rate_limited" };
    let refusals = 0;
    await page.route("**/answers/**", (route) => {
      refusals += 1;
      return route.fulfill({ status: 429, headers: { "retry-after": seconds }, json: busy });
    });
    await page.clock.pauseAt(Date.now() + 3000);
    const refused = page.waitForResponse("**/answers/**");
    await page.context().setOffline(true);
    await page.context().setOffline(false);
    // A try that fails only after the network is back is followed by another in the next turn of the clock.
    await page.clock.runFor(1);
    await refused;
    const told = wait ? `Too many requests. Trying again in ${wait}…` : "Too many requests. Try";
    await exchangeOn(page).status.filter({ hasText: told }).waitFor();
    assert.ok(refusals < 3, `${refusals} requests`);
    await page.unroute("**/answers/**");
    await page.clock.runFor(61_000);
    await page.clock.resume();
    call.end(delta(", two"), finish("stop"), done);
    await assertShows(page, "One, two");
  });
}
