/** Questions that wait for a running answer, whatever becomes of that and of the page. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, openTab, say, visit } from "../support/browser.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const server = await startKeptPage(upstream);
/** Browsers log every response that is no success. */
const expected = /^Failed to load resource|error occurred when fetching the script/;

beforeEach(() => upstream.reset());

const end = [finish("stop"), done];
const fieldOf = (page) => page.getByLabel("Message", { exact: true });
const questions = (page) => page.locator(".question p").allTextContents();
const asked = (call) => call.body.messages.slice(1).map(({ content }) => content);
const newConversation = (page) => page.getByRole("link", { name: "New conversation" });

/** Has an answer run, and questions wait for it. */
async function begin(page, ...waiting) {
  await say(page, "The first");
  const call = await upstream.nextCall();
  call.write(delta("One"));
  await exchangeOn(page).shows("One");
  for (const question of waiting) await say(page, question);
  return call;
}

test("what waits is given back once when an answer is stopped, also after another conversation was shown", async (t) => {
  const { page } = await visit(t, server.url);
  const first = await begin(page, "The second", "The third", "The fourth");
  await newConversation(page).click();
  first.end(...end);
  (await upstream.nextCall()).write(delta("Two"));
  await page.goBack();
  await exchangeOn(page, 1).shows("Two");
  await page.getByRole("button", { name: "Stop" }).click();
  await exchangeOn(page, 1).is("stopped");
  await page.reload();
  await exchangeOn(page, 1).shows("Two");
  assert.equal(await fieldOf(page).inputValue(), "The third\n\nThe fourth");
});

test("a question that is asked while an answer is being stopped is sent once it has stopped", async (t) => {
  const { page } = await visit(t, server.url);
  await begin(page);
  const held = Promise.withResolvers();
  await page.route("**/stop", async (route) => {
    await held.promise;
    await route.continue();
  });
  await page.getByRole("button", { name: "Stop" }).click();
  await say(page, "Rather this");
  await exchangeOn(page).is("queued");
  held.resolve();
  const call = await upstream.nextCall();
  assert.deepEqual(asked(call), ["The first", "One", "Rather this"]);
  call.end(...answer("Gladly"));
  await exchangeOn(page).shows("Gladly");
});

test("what waits for a question that failed is asked behind that question as it was edited", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await say(page, "The first");
  const call = await upstream.nextCall();
  await say(page, "The second");
  call.respond(500, {});
  await exchangeOn(page, 0).is("failed");
  await exchangeOn(page, 0).edit.click();
  await page.getByLabel("Edit your message").fill("The first, but better");
  await page.getByLabel("Edit your message").press("Enter");
  (await upstream.nextCall()).end(...answer("One"));
  const second = await upstream.nextCall();
  assert.deepEqual(asked(second), ["The first, but better", "One", "The second"]);
  second.end(...answer("Two"));
  await exchangeOn(page, 1).shows("Two");
  assert.deepEqual(await questions(page), ["The first, but better", "The second"]);
});

test("all that waits for an interrupted answer is asked behind its next version, and is shown", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await begin(page, "The second", "The third");
  await server.kill();
  await exchangeOn(page, 0).status.filter({ hasText: "Connection lost" }).waitFor();
  await server.start();
  await exchangeOn(page, 0).is("interrupted");
  await exchangeOn(page, 0).retry.click();
  for (const word of ["One", "Two", "Three"]) (await upstream.nextCall()).end(...answer(word));
  await exchangeOn(page, 2).shows("Three");
  assert.deepEqual(await questions(page), ["The first", "The second", "The third"]);
});

test("a question that waits keeps its place through a reload while the server is away", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await say(page, "Before all");
  (await upstream.nextCall()).end(...answer("Yes"));
  await exchangeOn(page).is("done");
  await page.evaluate(() => navigator.serviceWorker.ready);
  await begin(page, "The second");
  await server.kill();
  await page.reload();
  await exchangeOn(page).is("queued");
  assert.deepEqual(await questions(page), ["Before all", "The second"]);
  await server.start();
  await page.reload();
  await exchangeOn(page, 1).is("interrupted");
  assert.deepEqual(await questions(page), ["Before all", "The first", "The second"]);
  await exchangeOn(page, 1).retry.click();
  (await upstream.nextCall()).end(...answer("One"));
  const call = await upstream.nextCall();
  assert.deepEqual(asked(call), ["Before all", "Yes", "The first", "One", "The second"]);
  call.end(...answer("Two"));
  await exchangeOn(page, 2).shows("Two");
});

test("a question that is sent before its conversation is there stays in the field until it is", async (t) => {
  const { page } = await visit(t, server.url);
  (await begin(page)).end(...end);
  await exchangeOn(page).is("done");
  const address = page.url();
  const tab = await openTab(page, "about:blank");
  let held = Promise.withResolvers();
  await tab.route("**/conversations/*", async (route) => {
    await held.promise;
    await route.continue();
  });
  await tab.goto(address);
  await say(tab, "The second");
  assert.equal(await fieldOf(tab).inputValue(), "The second");
  // Neither a reload nor another conversation loses it or sends it astray.
  await tab.reload();
  assert.equal(await fieldOf(tab).inputValue(), "The second");
  await fieldOf(tab).press("Enter");
  await newConversation(tab).click();
  held.resolve();
  held = Promise.withResolvers();
  await tab.goBack();
  await fieldOf(tab).press("Enter");
  held.resolve();
  const call = await upstream.nextCall();
  assert.deepEqual(asked(call), ["The first", "One", "The second"]);
  call.end(...answer("Two"));
  await exchangeOn(tab).shows("Two");
  assert.equal(await fieldOf(tab).inputValue(), "");
  assert.equal(upstream.calls.length, 2);
});

test("what another device has asked is shown once what waited here is given back", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await begin(page, "The second", "The third");
  await page.context().setOffline(true);
  await exchangeOn(page, 0).status.filter({ hasText: "You are offline" }).waitFor();
  const id = new URL(page.url()).pathname.replace("/c/", "");
  const { turns } = await (await fetch(`${server.url}/conversations/${id}`)).json();
  await fetch(`${server.url}/answers/${turns.at(-1).answer_id}/stop`, { method: "POST" });
  upstream.script((call) => call.end(...answer("Elsewhere, too")));
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ message: "Asked elsewhere", conversation_id: id });
  await (await fetch(`${server.url}/chat`, { method: "POST", headers, body })).text();
  await page.context().setOffline(false);
  await exchangeOn(page).shows("Elsewhere, too");
  assert.deepEqual(await questions(page), ["The first", "Asked elsewhere"]);
  assert.equal(await fieldOf(page).inputValue(), "The second\n\nThe third");
});
