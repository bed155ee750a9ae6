/** What a person has written outlives whatever other tabs and devices do, and a browser that stores nothing. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, openTab, say, visit } from "../support/browser.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { ended } from "../support/late.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const TOKEN = "owner-token-0123456789";
const server = await startKeptPage(upstream);
const locked = await startKeptPage(upstream, { ACCESS_TOKENS: `me:${TOKEN}` });
/** Browsers log every response that is no success. */
const expected = /^Failed to load resource/;

beforeEach(() => upstream.reset());

const fieldOf = (page) => page.getByLabel("Message", { exact: true });
const questions = (page) => page.locator(".question p").allTextContents();
const newConversation = (page) => page.getByRole("link", { name: "New conversation" });

async function converse(page, question, ...contents) {
  await say(page, question);
  (await upstream.nextCall()).end(...answer(...contents));
  await exchangeOn(page).is("done");
}

test("what is written in one tab is there after a reload, though another tab has sent its own", async (t) => {
  const { page } = await visit(t, server.url);
  const tab = await openTab(page, server.url);
  await fieldOf(tab).fill("A long letter");
  await converse(page, "Quickly", "Yes");
  await tab.reload();
  assert.equal(await fieldOf(tab).inputValue(), "A long letter");
  await page.getByRole("link", { name: "New conversation" }).click();
  await fieldOf(page).fill("");
  await converse(page, "Quickly, again", "Yes");
  await tab.reload();
  assert.equal(await fieldOf(tab).inputValue(), "A long letter");
});

test("what was sent in one tab does not come back from another that showed it", async (t) => {
  const { page } = await visit(t, server.url);
  await fieldOf(page).fill("Just once");
  const tab = await openTab(page, server.url);
  assert.equal(await fieldOf(tab).inputValue(), "Just once");
  await converse(page, "Just once", "Yes");
  await tab.reload();
  assert.equal(await fieldOf(tab).inputValue(), "");
});

test("what was sent in one tab does not come back from another that was reloaded before it showed it", async (t) => {
  const { page } = await visit(t, server.url);
  await converse(page, "The first", "One");
  const tab = await openTab(page, server.url);
  await tab.reload();
  await fieldOf(page).fill("Just once");
  await tab.getByRole("link", { name: "The first" }).click();
  await exchangeOn(tab).shows("One");
  assert.equal(await fieldOf(tab).inputValue(), "Just once");
  await converse(page, "Just once", "Yes");
  await tab.reload();
  assert.equal(await fieldOf(tab).inputValue(), "");
});

test("where the browser stores nothing, what is written and what failed is there until the page is left", async (t) => {
  const { page } = await visit(t, `${server.url}/favicon.svg`, { expected });
  await page.addInitScript(() => {
    Storage.prototype.setItem = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
  });
  await page.goto(server.url);
  await converse(page, "The first", "One");
  await say(page, "The second, in vain");
  (await upstream.nextCall()).respond(500, {});
  await exchangeOn(page).is("failed");
  await fieldOf(page).fill("Half a thought");
  await newConversation(page).click();
  assert.equal(await fieldOf(page).inputValue(), "");
  await page.goBack();
  await exchangeOn(page, 1).is("failed");
  assert.equal(await fieldOf(page).inputValue(), "Half a thought");
});

test("a question in a conversation that was deleted elsewhere is given back, with word of why", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await converse(page, "The first", "One");
  await server.fetch(`/conversations/${new URL(page.url()).pathname.slice(3)}`, {
    method: "DELETE",
  });
  await say(page, "The second");
  await page.getByRole("heading", { name: "This conversation is gone" }).waitFor();
  assert.equal(await fieldOf(page).inputValue(), "The second");
});

test("what comes back from a conversation that is gone is in the field of a new one, before what is there", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await converse(page, "The first", "One");
  const id = new URL(page.url()).pathname.slice(3);
  await newConversation(page).click();
  await fieldOf(page).fill("Half a thought");
  await page.goBack();
  await exchangeOn(page).shows("One");
  await server.fetch(`/conversations/${id}`, { method: "DELETE" });
  await say(page, "The second");
  await page.getByRole("heading", { name: "This conversation is gone" }).waitFor();
  const words = "The second\n\nHalf a thought";
  assert.equal(await fieldOf(page).inputValue(), words);
  await fieldOf(page).fill(`${words}, and more`);
  await newConversation(page).click();
  await page.getByRole("heading", { name: "What can I help you with?" }).waitFor();
  assert.equal(await fieldOf(page).inputValue(), `${words}, and more`);
  // What is sent in the place of the one that is gone begins a new one, and is nowhere twice.
  await page.goBack();
  await page.getByRole("heading", { name: "There is no such conversation" }).waitFor();
  await fieldOf(page).press("Enter");
  (await upstream.nextCall()).end(...answer("Two"));
  await exchangeOn(page).shows("Two");
  await newConversation(page).click();
  assert.equal(await fieldOf(page).inputValue(), "");
});

test("a first question that breaks a rule is no conversation that is gone", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await page.evaluate(() => localStorage.setItem("settings", '{"maxTokens":999999999}'));
  await say(page, "The first");
  await exchangeOn(page).is("failed");
  const code = exchangeOn(page).failure.locator("[data-problem=code]");
  assert.equal(await code.textContent(), "validation_error");
  assert.deepEqual(await questions(page), ["The first"]);
});

test("offline, what is shown stays when the first question is edited, also where there is no copy", async (t) => {
  const { page } = await visit(t, `${server.url}/favicon.svg`, { expected });
  await page.addInitScript(() =>
    Object.defineProperty(globalThis, "indexedDB", { value: undefined }),
  );
  await page.goto(server.url);
  await converse(page, "The first", "One");
  await page.context().setOffline(true);
  await exchangeOn(page).edit.click();
  await page.getByLabel("Edit your message").fill("The first, on a train");
  await page.getByLabel("Edit your message").press("Enter");
  await exchangeOn(page).status.filter({ hasText: "You are offline" }).waitFor();
  // The second look begins when the first has been taken in.
  for (let look = 0; look < 2; look += 1) {
    const looked = page.waitForEvent("requestfailed", (it) => it.url().includes("/conversations/"));
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await looked;
  }
  await page.getByRole("button", { name: "Previous version of the question" }).click();
  await exchangeOn(page).shows("One");
});

test("an answer that cannot be stopped without the access token is not called stopped", async (t) => {
  const { page } = await visit(t, locked.url, { expected });
  await page.getByLabel("Your token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await say(page, "Count on");
  const call = await upstream.nextCall();
  call.write(delta("One"));
  await exchangeOn(page).shows("One");
  await page.evaluate(() => sessionStorage.setItem("access-token", '"not-the-token-any-more"'));
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByRole("button", { name: "Not now" }).click();
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  call.write(delta(", two"));
  await exchangeOn(page).shows("One, two");
  await exchangeOn(page).is("streaming");
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByLabel("Your token").waitFor({ state: "hidden" });
  call.end(...answer(", three"));
  await exchangeOn(page).is("done");
});

test("a first question that failed is in the list until it is answered or deleted", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await say(page, "The first, in vain");
  (await upstream.nextCall()).respond(500, {});
  await exchangeOn(page).is("failed");
  await page.goto(server.url);
  const row = page.getByRole("link", { name: "The first, in vain" });
  await row.click();
  await exchangeOn(page).retry.click();
  (await upstream.nextCall()).end(...answer("At last"));
  await exchangeOn(page).is("done");
  await page.goto(server.url);
  await row.waitFor();
  assert.equal(await row.count(), 1);
});

test("a wait for a connection is never longer than anybody waits", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await page.clock.install();
  await say(page, "Count on");
  const call = await upstream.nextCall();
  call.write(delta("One"));
  await exchangeOn(page).shows("One");
  const body = { error: "Too many requests", detail: "Wait.", code: "rate_limited" };
  await page.route("**/answers/**", (route) =>
    route.fulfill({ status: 429, json: body, headers: { "retry-after": "86400" } }),
  );
  const refused = ended(page, (it) => it.url().includes("/answers/"));
  await page.evaluate(() => dispatchEvent(new Event("offline")));
  await page.clock.fastForward(1000);
  await refused;
  await page.unroute("**/answers/**");
  await page.clock.fastForward(60_000);
  call.end(...answer(", two"));
  await page.clock.fastForward(60_000);
  await exchangeOn(page).shows("One, two");
});

test("a wait that nobody means is no date", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  const body = { error: "Too many requests", detail: "Wait.", code: "rate_limited" };
  await page.route("**/chat", (route) =>
    route.fulfill({ status: 429, json: body, headers: { "retry-after": "1e999" } }),
  );
  await say(page, "Now?");
  await exchangeOn(page).is("failed");
  const again = exchangeOn(page).failure.locator("[data-problem=again]");
  assert.equal(await again.textContent(), "");
});
