/** Kept conversations on the page: their addresses, and finding them again. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, openTab, say, visit } from "../support/browser.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { sidebarOf } from "../support/sidebar.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const TOKEN = "owner-token-0123456789";
const server = await startKeptPage(upstream);
const locked = await startKeptPage(upstream, { ACCESS_TOKENS: `me:${TOKEN}` });
/** Browsers log every response that is no success. */
const expected = /^Failed to load resource/;

beforeEach(() => upstream.reset());

const pathOf = (page) => new URL(page.url()).pathname;
const fieldOf = (page) => page.getByLabel("Message", { exact: true });
const questions = (page) => page.locator(".question p").allTextContents();

async function converse(page, question, ...contents) {
  await say(page, question);
  (await upstream.nextCall()).end(...answer(...contents));
  await exchangeOn(page).is("done");
}

test("a conversation gets an address, at which a reload and another device find it", async (t) => {
  const { page } = await visit(t, server.url);
  await converse(page, "What is the capital of Peru?", "Li", "ma");
  assert.match(
    pathOf(page),
    /^\/c\/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assert.equal(await page.title(), "What is the capital of Peru? – Assistant");
  await page.reload();
  await exchangeOn(page).shows("Lima");
  assert.equal(await exchangeOn(page).figures.textContent(), "house", "which model answered");
  const { page: phone } = await visit(t, page.url());
  await exchangeOn(phone).shows("Lima");
  await converse(phone, "And of Chile?", "Santiago");
  assert.deepEqual(
    upstream.calls
      .at(-1)
      .body.messages.slice(1)
      .map(({ content }) => content),
    ["What is the capital of Peru?", "Lima", "And of Chile?"],
  );
});

test("what another device has added appears when the page is looked at again", async (t) => {
  const { page } = await visit(t, server.url);
  await converse(page, "Here I begin", "Good");
  const { page: phone } = await visit(t, page.url());
  await exchangeOn(phone).shows("Good");
  await page.clock.install();
  await converse(phone, "There I go on", "Better");
  await page.clock.fastForward(5000);
  await page.evaluate(() => dispatchEvent(new Event("focus")));
  await exchangeOn(page).shows("Better");
  assert.deepEqual(await questions(page), ["Here I begin", "There I go on"]);
});

test("the page looks again though the clock was set back", async (t) => {
  const { page } = await visit(t, server.url);
  await converse(page, "Here I begin", "Good");
  await page.clock.install();
  const looked = page.waitForResponse(page.url().replace("/c/", "/conversations/"));
  await page.evaluate(() => dispatchEvent(new Event("focus")));
  await looked;
  const { page: phone } = await visit(t, page.url());
  await converse(phone, "There I go on", "Better");
  await page.clock.setSystemTime(Date.now() - 3_600_000);
  await page.evaluate(() => dispatchEvent(new Event("focus")));
  await exchangeOn(page).shows("Better");
});

test("a new conversation leaves the old one where it is, and back and forward lead through them", async (t) => {
  const { page } = await visit(t, server.url);
  await converse(page, "The first one", "One");
  const first = page.url();
  const heading = page.getByRole("heading", { level: 1 });
  assert.equal(await heading.textContent(), "The first one");
  await page.getByRole("link", { name: "New conversation" }).click();
  assert.equal(pathOf(page), "/");
  assert.equal(await page.title(), "Assistant");
  assert.equal(await heading.textContent(), "Assistant");
  await page.getByRole("heading", { name: "What can I help you with?" }).waitFor();
  await converse(page, "The second one", "Two");
  assert.equal(upstream.calls.at(-1).body.messages.length, 2, "the old one is not sent along");
  const second = page.url();
  await page.goBack();
  await exchangeOn(page).shows("One");
  assert.equal(page.url(), first);
  assert.deepEqual(await questions(page), ["The first one"]);
  await page.goForward();
  await exchangeOn(page).shows("Two");
  assert.equal(page.url(), second);
});

test("an answer goes on while another conversation is shown", async (t) => {
  const { page } = await visit(t, server.url);
  await say(page, "Take your time");
  const call = await upstream.nextCall();
  const address = page.url();
  await page.getByRole("link", { name: "New conversation" }).click();
  await converse(page, "Something in between", "Yes");
  call.end(...answer("Here it is"));
  await page.goto(address);
  await exchangeOn(page).shows("Here it is");
});

test("an address without a conversation says so, and has a way on", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  for (const path of ["/c/nobody-knows-it", "/c/not%20an%20id", "/c/a/b"]) {
    await page.goto(server.url + path);
    await page.getByRole("heading", { name: "There is no such conversation" }).waitFor();
    assert.equal(await page.locator(".exchange").count(), 0);
  }
  await page.locator("#notice").getByRole("button", { name: "New conversation" }).click();
  await page.getByRole("heading", { name: "What can I help you with?" }).waitFor();
  assert.equal(pathOf(page), "/");
});

test("the address of conversations without an id is a new conversation", async (t) => {
  const { page } = await visit(t, `${server.url}/c/`);
  await page.getByRole("heading", { name: "What can I help you with?" }).waitFor();
  assert.equal(pathOf(page), "/");
  await converse(page, "Where am I?", "At the beginning");
  assert.match(pathOf(page), /^\/c\/[\w-]{36}$/);
});

test("a conversation that another device has deleted is gone when the page is looked at again", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await converse(page, "Delete me elsewhere", "As you like");
  const id = pathOf(page).slice("/c/".length);
  await fetch(`${server.url}/conversations/${id}`, { method: "DELETE" });
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await page.getByRole("heading", { name: "This conversation is gone" }).waitFor();
  assert.equal(await page.title(), "Assistant");
  assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Assistant");
  await sidebarOf(page).link("Delete me elsewhere").waitFor({ state: "detached" });
  await converse(page, "Then another one", "Gladly");
  assert.notEqual(pathOf(page).slice("/c/".length), id);
});

test("a conversation that is deleted elsewhere while its answer runs is gone, and nothing more is asked in it", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await say(page, "Shall this be deleted?");
  const call = await upstream.nextCall();
  call.write(delta("Perhaps"));
  await exchangeOn(page).shows("Perhaps");
  await say(page, "This waits in vain");
  const id = page.url().split("/").at(-1);
  await fetch(`${server.url}/conversations/${id}`, { method: "DELETE" });
  await page.getByRole("heading", { name: "This conversation is gone" }).waitFor();
  assert.equal(await fieldOf(page).inputValue(), "This waits in vain");
  await page.reload();
  await page.getByRole("heading", { name: "There is no such conversation" }).waitFor();
  assert.equal(await fieldOf(page).inputValue(), "This waits in vain");
  assert.equal(upstream.calls.length, 1);
});

test("a conversation that was deleted elsewhere leaves the list when it is opened", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await converse(page, "Nobody needs me", "I see");
  const id = pathOf(page).slice("/c/".length);
  await fieldOf(page).fill("What I was about to say");
  await page.getByRole("link", { name: "New conversation" }).click();
  await fetch(`${server.url}/conversations/${id}`, { method: "DELETE" });
  await sidebarOf(page).link("Nobody needs me").click();
  await page.getByRole("heading", { name: "This conversation is gone" }).waitFor();
  await sidebarOf(page).link("Nobody needs me").waitFor({ state: "detached" });
  await page.getByText("What you had written in it is in the field below.").waitFor();
  assert.equal(await fieldOf(page).inputValue(), "What I was about to say");
  await page.locator("#notice").getByRole("button", { name: "New conversation" }).click();
  await page.getByRole("heading", { name: "What can I help you with?" }).waitFor();
  assert.equal(await fieldOf(page).inputValue(), "What I was about to say");
  await page.reload();
  assert.equal(await fieldOf(page).inputValue(), "What I was about to say");
});

test("questions and edits of a conversation that was deleted elsewhere come back into the field", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await converse(page, "Say something", "Something");
  const id = pathOf(page).slice("/c/".length);
  await say(page, "Say more");
  const call = await upstream.nextCall();
  await say(page, "And then this");
  await exchangeOn(page, 0).element.hover();
  await page.evaluate(() => document.querySelector(".edit").click());
  await page.getByLabel("Edit your message").fill("Say nothing");
  await fieldOf(page).fill("And this at last");
  await fetch(`${server.url}/conversations/${id}`, { method: "DELETE" });
  await page.getByRole("heading", { name: "This conversation is gone" }).waitFor();
  const words = "Say more\n\nAnd then this\n\nSay nothing\n\nAnd this at last";
  assert.equal(await fieldOf(page).inputValue(), words);
  call.cut();
});

test("what waited in a conversation that was deleted while no page was open is not asked", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await say(page, "The first of all");
  const call = await upstream.nextCall();
  call.write(delta("Well"));
  await exchangeOn(page).shows("Well");
  await say(page, "This waits for nothing");
  await exchangeOn(page).is("queued");
  const address = page.url();
  await page.goto("about:blank");
  await fetch(`${server.url}/conversations/${address.split("/").at(-1)}`, { method: "DELETE" });
  await page.goto(address);
  await page.getByRole("heading", { name: "There is no such conversation" }).waitFor();
  assert.equal(await fieldOf(page).inputValue(), "This waits for nothing");
  assert.equal(upstream.calls.length, 1);
});

test("a message that is sent while its conversation is still loading follows what is there", async (t) => {
  const { page } = await visit(t, server.url);
  await converse(page, "What I said before", "What you said before");
  const address = page.url();
  let load;
  const held = new Promise((resolve) => {
    load = resolve;
  });
  await page.route("**/conversations/*", async (route) => {
    await held;
    await route.continue();
  });
  await page.goto(address);
  await page.getByText("Loading the conversation").waitFor();
  await say(page, "What I say now");
  load();
  const call = await upstream.nextCall();
  assert.equal(call.body.messages.length, 4);
  call.end(...answer("What you say now"));
  await exchangeOn(page).shows("What you say now");
  assert.equal(await page.locator(".exchange").count(), 2);
});

test("without a connection, a conversation that was opened before can still be read", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await converse(page, "Keep this at hand", "Always");
  await page.reload();
  await exchangeOn(page).shows("Always");
  await page.route("**/conversations**", (route) => route.abort("internetdisconnected"));
  await page.reload();
  await exchangeOn(page).shows("Always");
  const note = page.getByText("No connection. This is the conversation as you last opened it.");
  await note.waitFor();
  await page.unroute("**/conversations**");
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await note.waitFor({ state: "hidden" });
});

test("a conversation that was opened without a token is shown once there is one", async (t) => {
  const { page } = await visit(t, locked.url, { expected });
  await page.getByLabel("Your token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await converse(page, "Only for me", "Only for you");
  const { page: other } = await visit(t, page.url(), { expected });
  await other.getByRole("button", { name: "Not now" }).click();
  await other.getByRole("heading", { name: "This conversation needs your access token" }).waitFor();
  await other.locator("#notice").getByRole("button", { name: "Enter your access token" }).click();
  await other.getByLabel("Your token").fill(TOKEN);
  await other.keyboard.press("Enter");
  await exchangeOn(other).shows("Only for you");
});

test("what is begun to be written waits in its conversation", async (t) => {
  const { page } = await visit(t, server.url);
  const field = page.getByLabel("Message", { exact: true });
  await field.fill("A thought for later");
  await page.reload();
  assert.equal(await field.inputValue(), "A thought for later");
  await converse(page, "Something else first", "Fine");
  await field.fill("A second thought");
  await page.getByRole("link", { name: "New conversation" }).click();
  assert.equal(await field.inputValue(), "");
  await page.goBack();
  await exchangeOn(page).shows("Fine");
  assert.equal(await field.inputValue(), "A second thought");
  const tab = await openTab(page, page.url());
  assert.equal(await tab.getByLabel("Message", { exact: true }).inputValue(), "A second thought");
});
