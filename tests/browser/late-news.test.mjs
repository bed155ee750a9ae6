/** What the service says of a conversation, and what has happened on the page before that arrives. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, openTab, say, visit } from "../support/browser.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { sidebarOf } from "../support/sidebar.mjs";
import { answer, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const server = await startKeptPage(upstream);
/** Browsers log every response that is no success. */
const expected = /^Failed to load resource/;

beforeEach(() => upstream.reset());

const CONVERSATION = /\/conversations\/[^/?]+$/;
const LIST = /\/conversations\?$/;
const questions = (page) => page.locator(".question p").allTextContents();

/** Has the page ask for what others have changed, and keeps from it what the service says to one such request. */
async function askAndHold(page, address) {
  const said = Promise.withResolvers();
  const mayArrive = Promise.withResolvers();
  let isHeld = false;
  await page.route(address, async (route) => {
    if (isHeld) return route.continue();
    isHeld = true;
    const response = await route.fetch();
    said.resolve(response.status());
    await mayArrive.promise;
    await route.fulfill({ response });
  });
  await page.evaluate(() => dispatchEvent(new Event("online")));
  return {
    status: await said.promise,
    async arrive() {
      const arrived = page.waitForResponse(address);
      mayArrive.resolve();
      await arrived;
    },
  };
}

async function ask(page, question, ...pieces) {
  await say(page, question);
  const call = await upstream.nextCall();
  call.end(...answer(...pieces));
  await exchangeOn(page).is("done");
}

test("an answer that has come and gone since the conversation was read stays on the page", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "The first", "One");
  const late = await askAndHold(page, CONVERSATION);
  await ask(page, "The second", "Two");
  await late.arrive();
  await ask(page, "The third", "Three");
  assert.deepEqual(await questions(page), ["The first", "The second", "The third"]);
  assert.deepEqual(
    upstream.calls
      .at(-1)
      .body.messages.slice(1)
      .map(({ content }) => content),
    ["The first", "One", "The second", "Two", "The third"],
  );
});

test("of two readings of a conversation, the one that was asked for later counts", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "The first", "One");
  const late = await askAndHold(page, CONVERSATION);
  const tab = await openTab(page, page.url());
  await exchangeOn(tab).shows("One");
  await ask(tab, "The second", "Two");
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await exchangeOn(page).shows("Two");
  await late.arrive();
  await ask(page, "The third", "Three");
  assert.deepEqual(await questions(page), ["The first", "The second", "The third"]);
});

test("a conversation that began since the page was told that there is none is not taken for a deleted one", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  const mayLeave = Promise.withResolvers();
  await page.route("**/chat", (route) => mayLeave.promise.then(() => route.continue()));
  await say(page, "The first");
  const late = await askAndHold(page, CONVERSATION);
  assert.equal(late.status, 404);
  mayLeave.resolve();
  (await upstream.nextCall()).end(...answer("One"));
  await exchangeOn(page).is("done");
  await late.arrive();
  await ask(page, "The second", "Two");
  assert.deepEqual(await questions(page), ["The first", "The second"]);
});

test("a conversation that has begun since the list was read is in the list", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "An older conversation", "Yes");
  await page.goto(server.url);
  await sidebarOf(page).titles.first().waitFor();
  const late = await askAndHold(page, LIST);
  await ask(page, "A new conversation", "Yes");
  await late.arrive();
  await sidebarOf(page).titles.first().filter({ hasText: "A new conversation" }).waitFor();
});

test("a title that was given since the conversation was read is the title", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "The old title", "Yes");
  const late = await askAndHold(page, CONVERSATION);
  await sidebarOf(page).choose("The old title", "Rename");
  await page.getByRole("textbox", { name: "Title" }).fill("The new title");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.title.startsWith("The new title"));
  await late.arrive();
  await ask(page, "Is it still?", "It is");
  assert.match(await page.title(), /^The new title/);
  await sidebarOf(page).titles.first().filter({ hasText: "The new title" }).waitFor();
});
