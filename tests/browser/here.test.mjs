/** Conversations that the browser keeps, where the service keeps none. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { blockSiteData } from "../support/blocked.mjs";
import { exchangeOn, openTab, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { settle } from "../support/late.mjs";
import { startProxy } from "../support/proxy.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const bindings = { OPENAI_BASE_URL: upstream.url, HEARTBEAT_SECONDS: "0.3", MAX_RETRIES: "0" };
const app = await startWorker(bindings, { pages: true });
const kept = await startWorker(
  { ...bindings, ANONYMOUS_OWNER: "true" },
  { pages: true, owners: true },
);

/** Where a page is opened before ours, Chromium looks for its icon. */
const expected = /404/;

beforeEach(() => upstream.reset());

const texts = (call) => call.body.messages.slice(1).map(({ content }) => content);

async function converse(page, question, ...contents) {
  await say(page, question);
  (await upstream.nextCall()).end(...answer(...contents));
  await exchangeOn(page).is("done");
}

test("a conversation is found again at its address, in another tab of the browser too", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "Remember the **number** 7", "I do, *gladly*");
  const tab = await openTab(page, page.url());
  await page.close();
  await exchangeOn(tab).shows("I do, gladly");
  await say(tab, "Which number?");
  const call = await upstream.nextCall();
  assert.deepEqual(texts(call), ["Remember the **number** 7", "I do, *gladly*", "Which number?"]);
  call.end(...answer("7"));
  await exchangeOn(tab).is("done");
});

/** What it takes to keep conversations here: the module that is loaded where there are any. */
const PARTS = /\/assets\/here-\w+\.js$/;

test("a service that keeps conversations loads nothing for those of the browser", async (t) => {
  const { page, requests } = await visit(t, kept.url);
  await converse(page, "Who keeps this?", "The service");
  assert.ok(requests.some((url) => /\/assets\/chat-/.test(url)));
  assert.ok(!requests.some((url) => PARTS.test(url)));
});

test("what keeps conversations here is asked for again when it does not load", async (t) => {
  const { page } = await visit(t, `${app.url}/health`, { expected: /ERR_FAILED|404/ });
  let failures = 2;
  await page.route(PARTS, (route) => (failures-- > 0 ? route.abort() : route.continue()));
  await page.goto(app.url);
  await converse(page, "Are you there?", "Now I am");
  assert.equal(failures, -1);
});

test("an answer that a reload interrupts is kept and can be tried again, as another version", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Count to three");
  const call = await upstream.nextCall();
  call.write(delta("One, two"));
  await exchangeOn(page).shows("One, two");
  await page.reload();
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  const exchange = exchangeOn(page);
  await exchange.is("interrupted");
  await exchange.shows("One, two");
  assert.equal(await exchange.ending.textContent(), "Interrupted: the page was closed or reloaded");
  await exchange.retry.click();
  const again = await upstream.nextCall();
  assert.deepEqual(texts(again), ["Count to three"]);
  again.end(...answer("One, two, three"));
  await exchange.is("done");
  await exchange.shows("One, two, three");
  await page.getByRole("button", { name: "Previous version of the answer" }).click();
  await exchangeOn(page).is("interrupted");
});

test("a second tab sees the answer as it comes, and can stop it", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Write for both");
  const call = await upstream.nextCall();
  call.write(delta("It was a dark"));
  await exchangeOn(page).shows("It was a dark");
  const tab = await openTab(page, page.url());
  await exchangeOn(tab).shows("It was a dark");
  await exchangeOn(tab).is("streaming");
  call.write(delta(" night"));
  await exchangeOn(tab).shows("It was a dark night");
  await tab.getByRole("button", { name: "Stop" }).click();
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  for (const each of [page, tab]) {
    await exchangeOn(each).is("stopped");
    assert.equal((await exchangeOn(each).answer.textContent()).trim(), "It was a dark night");
  }
});

test("a second tab learns that the tab that asked is gone", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Write until I leave");
  const call = await upstream.nextCall();
  call.write(delta("It was"));
  await exchangeOn(page).shows("It was");
  const tab = await openTab(page, page.url());
  await exchangeOn(tab).shows("It was");
  await page.close();
  await exchangeOn(tab).is("interrupted");
  assert.equal((await exchangeOn(tab).answer.textContent()).trim(), "It was");
});

test("an answer goes on while another conversation is shown", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Take your time");
  const call = await upstream.nextCall();
  call.write(delta("I am "));
  await exchangeOn(page).shows("I am");
  await page.getByRole("link", { name: "New conversation" }).click();
  await converse(page, "Something in between", "Yes");
  call.end(delta("done"), finish("stop"), done);
  await page.goBack();
  await exchangeOn(page).shows("I am done");
  await exchangeOn(page).is("done");
});

/** A conversation as earlier versions of the page left it in the tab. */
const OLD = [
  { question: "Are you old?", answer: "I **am**", state: "done", finishReason: "stop" },
  { question: "How old?", answer: "About", state: "streaming" },
];

for (const [what, service] of [
  ["in this browser where the service keeps nothing", app],
  ["in this browser beside what the service keeps", kept],
]) {
  test(`the conversation of an earlier version of the page is taken over once: ${what}`, async (t) => {
    const { page } = await visit(t, `${service.url}/favicon.svg`, { expected });
    await page.evaluate((old) => sessionStorage.setItem("conversation", JSON.stringify(old)), OLD);
    await page.goto(service.url);
    await exchangeOn(page).shows("About");
    await exchangeOn(page).is("interrupted");
    assert.match(new URL(page.url()).pathname, /^\/c\//);
    assert.deepEqual(await page.locator(".question p").allTextContents(), [
      "Are you old?",
      "How old?",
    ]);
    assert.equal(await page.evaluate(() => sessionStorage.getItem("conversation")), null);
    await say(page, "Go on then");
    const call = await upstream.nextCall();
    assert.deepEqual(texts(call), ["Are you old?", "I **am**", "How old?", "About", "Go on then"]);
    call.end(...answer("Older than you"));
    await exchangeOn(page).is("done");
    await page.goto(service.url);
    await page.getByRole("heading", { name: "What can I help you with?" }).waitFor();
  });
}

/** A page that has been told that it may be left, and whose answer was cut off then. */
async function cutWhileLeaving(t) {
  const proxy = await startProxy(app.url);
  const { page } = await visit(t, proxy.url, { expected: /^Failed to load resource/ });
  await page.clock.install();
  await say(page, "Count to three");
  const call = await upstream.nextCall();
  call.write(delta("One, two"));
  await exchangeOn(page).shows("One, two");
  await page.evaluate(() => dispatchEvent(new Event("beforeunload")));
  proxy.cut();
  await settle(page);
  return page;
}

test("an answer that is cut off a moment before the page goes, as in Firefox, is interrupted", async (t) => {
  const page = await cutWhileLeaving(t);
  await page.reload();
  await exchangeOn(page).is("interrupted");
  await exchangeOn(page).shows("One, two");
});

test("a page that was about to go and stays tells of a connection that was lost meanwhile", async (t) => {
  const page = await cutWhileLeaving(t);
  await page.clock.fastForward(2000);
  await exchangeOn(page).is("failed");
  await exchangeOn(page).failure.getByText("The connection was lost").waitFor();
});

test("a browser that stores nothing still converses until the page is closed", async (t) => {
  const { page } = await visit(t, `${app.url}/favicon.svg`, { expected });
  await blockSiteData(page);
  await page.goto(app.url);
  await converse(page, "Do you hear me?", "I do");
  await converse(page, "Still?", "Still");
  assert.deepEqual(texts(upstream.calls.at(-1)), ["Do you hear me?", "I do", "Still?"]);
});
