/** What is asked, asked again and waits in two tabs that show the same conversation. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, openTab, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const bindings = { OPENAI_BASE_URL: upstream.url, HEARTBEAT_SECONDS: "0.3", MAX_RETRIES: "0" };

/** Browsers log every response that is no success. */
const expected = /^Failed to load resource/;

beforeEach(() => upstream.reset());

/** Two tabs of a conversation whose first answer is running. */
async function openTwo(t, url) {
  const { page } = await visit(t, url);
  await say(page, "The first question");
  const call = await upstream.nextCall();
  call.write(delta("Well"));
  await exchangeOn(page).shows("Well");
  const tab = await openTab(page, page.url());
  await exchangeOn(tab).shows("Well");
  return { page, tab, call };
}

const end = [finish("stop"), done];
const questions = (page) => page.locator(".question p").allTextContents();
const asked = (call) => call.body.messages.at(-1).content;

for (const [where, server] of [
  ["the service", await startKeptPage(upstream)],
  ["this browser", await startWorker(bindings, { pages: true })],
]) {
  test(`kept by ${where}, a question that waits in two tabs is asked once, and both show its answer`, async (t) => {
    const { page, tab, call } = await openTwo(t, server.url);
    await say(page, "The second question");
    await exchangeOn(tab, 1).is("queued");
    call.end(...end);
    const second = await upstream.nextCall();
    second.write(delta("Good"));
    for (const each of [page, tab]) await exchangeOn(each, 1).shows("Good");
    second.end(delta(" point"), ...end);
    for (const each of [page, tab]) {
      await exchangeOn(each, 1).is("done");
      await exchangeOn(each, 1).shows("Good point");
      assert.equal((await exchangeOn(each, 1).answer.textContent()).trim(), "Good point");
    }
    assert.equal(upstream.calls.length, 2);
    await page.reload();
    await exchangeOn(page, 1).shows("Good point");
  });

  test(`kept by ${where}, a question that is taken back in one tab is not asked by another`, async (t) => {
    const { page, tab, call } = await openTwo(t, server.url);
    await say(page, "Not so fast");
    await exchangeOn(tab, 1).is("queued");
    await exchangeOn(page).element.getByRole("button", { name: "Take back" }).click();
    await exchangeOn(tab, 1).element.waitFor({ state: "detached" });
    call.end(...end);
    for (const each of [page, tab]) await exchangeOn(each).is("done");
    await say(tab, "Now then");
    const next = await upstream.nextCall();
    assert.equal(asked(next), "Now then");
    next.end(...answer("Yes"));
    await exchangeOn(tab).is("done");
  });

  test(`kept by ${where}, a question that waits in a tab that is closed is asked by the other`, async (t) => {
    const { page, tab, call } = await openTwo(t, server.url);
    await say(tab, "Do not forget this");
    await exchangeOn(page, 1).is("queued");
    await tab.close();
    call.end(...end);
    const next = await upstream.nextCall();
    assert.equal(asked(next), "Do not forget this");
    next.end(...answer("I have not"));
    await exchangeOn(page).shows("I have not");
    assert.deepEqual(await questions(page), ["The first question", "Do not forget this"]);
  });

  test(`kept by ${where}, a question that failed and is asked again in two tabs is answered once`, async (t) => {
    const { page } = await visit(t, server.url, { expected });
    await say(page, "The first question");
    const call = await upstream.nextCall();
    await say(page, "The second question");
    call.respond(500, {});
    await exchangeOn(page, 0).is("failed");
    const tab = await openTab(page, page.url());
    await exchangeOn(tab, 0).is("failed");
    await isAnsweredOnce([page, tab]);
  });

  test(`kept by ${where}, an answer that broke off and is asked for again in two tabs is bought once`, async (t) => {
    const { page, tab, call } = await openTwo(t, server.url);
    await say(page, "The second question");
    await exchangeOn(tab, 1).is("queued");
    call.cut();
    for (const each of [page, tab]) await exchangeOn(each, 0).is("failed");
    await isAnsweredOnce([page, tab]);
    for (const each of [page, tab]) {
      const versions = exchangeOn(each, 0).versionsOf("answer").locator("span");
      assert.equal(await versions.textContent(), "2/2");
    }
  });
}

/** Asks the first question again in both of two tabs: both show its one answer, and behind it that to what waited. */
async function isAnsweredOnce(pages) {
  const before = upstream.calls.length;
  for (const each of pages) await exchangeOn(each, 0).retry.click();
  const first = await upstream.nextCall();
  for (const each of pages) await exchangeOn(each, 0).is("streaming");
  first.write(delta("At last"));
  for (const each of pages) await exchangeOn(each, 0).shows("At last");
  first.end(...end);
  (await upstream.nextCall()).end(...answer("And this"));
  for (const each of pages) {
    await exchangeOn(each, 1).shows("And this");
    await exchangeOn(each, 1).is("done");
    assert.deepEqual(await questions(each), ["The first question", "The second question"]);
  }
  assert.equal(upstream.calls.length - before, 2);
}
