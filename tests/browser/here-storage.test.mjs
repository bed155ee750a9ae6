/** Conversations that the browser keeps, whatever becomes of its storage and of the service. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, openTab, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const bindings = { OPENAI_BASE_URL: upstream.url, HEARTBEAT_SECONDS: "0.3", MAX_RETRIES: "0" };
const app = await startWorker(bindings, { pages: true });
const kept = await startWorker(
  { ...bindings, ANONYMOUS_OWNER: "true" },
  { pages: true, owners: true },
);
/** Browsers log every response that is no success. */
const expected = /^Failed to load resource/;

beforeEach(() => upstream.reset());

const fieldOf = (page) => page.getByLabel("Message", { exact: true });
const questions = (page) => page.locator(".question p").allTextContents();
const texts = (call) => call.body.messages.slice(1).map(({ content }) => content);
const rows = (page) => page.locator("#sidebar .list li");

async function converse(page, question, ...contents) {
  await say(page, question);
  (await upstream.nextCall()).end(...answer(...contents));
  await exchangeOn(page).is("done");
}

test("answers to two tabs that end at the same time are both kept", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "Who is there?", "Both");
  const tab = await openTab(page, page.url());
  await exchangeOn(tab).shows("Both");
  // It takes long between what a tab reads and what it writes.
  for (const each of [page, tab]) {
    const session = await each.context().newCDPSession(each);
    await session.send("Emulation.setCPUThrottlingRate", { rate: 8 });
  }
  for (let round = 0; round < 5; round += 1) {
    for (const each of [page, tab]) await fieldOf(each).fill(`Round ${round}`);
    const send = () => document.querySelector("#send").click();
    await Promise.all([page.evaluate(send), tab.evaluate(send)]);
    const calls = [await upstream.nextCall(), await upstream.nextCall()];
    for (const call of calls) call.end(...answer("Well"));
    for (const each of [page, tab]) await exchangeOn(each).is("done");
  }
  const answers = await page.evaluate(async () => {
    const of = (request) =>
      new Promise((resolve) => {
        request.onsuccess = () => resolve(request.result);
      });
    const database = await of(indexedDB.open("assistant"));
    const store = database.transaction("conversations").objectStore("conversations");
    const [{ turns }] = await of(store.getAll());
    database.close();
    return turns.filter(({ role }) => role === "assistant").map(({ content }) => content);
  });
  assert.deepEqual(answers, ["Both", ...Array(10).fill("Well")]);
});

test("a question in a conversation whose storage was cleared is given back", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  await page.evaluate(
    () =>
      new Promise((resolve) => {
        indexedDB.deleteDatabase("assistant").onsuccess = resolve;
      }),
  );
  await say(page, "The second");
  await page.getByRole("heading", { name: "This conversation is gone" }).waitFor();
  assert.equal(await fieldOf(page).inputValue(), "The second");
  await page.getByRole("button", { name: "New conversation" }).click();
  await converse(page, "The second, anew", "Two");
  await page.reload();
  await exchangeOn(page).shows("Two");
});

test("a conversation goes on in this browser, as a whole, when the service keeps nothing any more", async (t) => {
  const { page } = await visit(t, kept.url, { expected });
  await converse(page, "The first", "One");
  const body = { error: "None kept", detail: "None.", code: "conversations_unavailable" };
  const refuse = (route) => route.fulfill({ status: 409, json: body });
  await page.route(/\/conversations/, refuse);
  await page.route("**/chat", (route) =>
    route.request().postDataJSON().conversation_id ? refuse(route) : route.continue(),
  );
  await say(page, "The second");
  const call = await upstream.nextCall();
  assert.deepEqual(texts(call), ["The first", "One", "The second"]);
  call.end(...answer("Two"));
  await exchangeOn(page).is("done");
  await page.reload();
  await exchangeOn(page, 1).shows("Two");
  assert.deepEqual(await questions(page), ["The first", "The second"]);
});

test("without a network, what this browser keeps is listed where the service keeps what is new", async (t) => {
  const { page } = await visit(t, app.url, { expected });
  await converse(page, "Kept here", "Yes");
  await page.evaluate(() => localStorage.setItem("kept-by", '"server"'));
  await page.route(/\/conversations/, (route) => route.abort());
  await page.goto(app.url);
  await rows(page).first().getByRole("link", { name: "Kept here" }).waitFor();
  await page.getByText("You are offline. These can still be read.").waitFor();
  const search = page.getByRole("searchbox", { name: "Search the conversations" });
  await search.fill("something else");
  await page.getByText("The list could not be loaded. No connection.").waitFor();
  await search.fill("yes");
  await rows(page).filter({ hasText: "Kept here Yes" }).waitFor();
});

test("a first question that fails takes nothing away of what is asked at that moment", async (t) => {
  const { page } = await visit(t, app.url, { expected });
  await page.evaluate(() => {
    const { transaction } = IDBDatabase.prototype;
    // Another tab asks whenever the conversation is there without a question.
    IDBDatabase.prototype.transaction = function (stores, mode) {
      if (mode === "readwrite" && stores.includes("conversations")) {
        const store = transaction.call(this, "conversations", mode).objectStore("conversations");
        store.getAll().onsuccess = ({ target }) => {
          const [found] = target.result;
          if (found?.turns.length !== 0) return;
          const shared = { created_at: found.created_at };
          const asked = { ...shared, id: "1", parent_id: null, role: "user", content: "Edited" };
          const reply = { ...shared, id: "2", parent_id: "1", role: "assistant", content: "Kept" };
          const ended = { ...reply, answer_id: "3", state: "complete" };
          store.put({ ...found, turns: [asked, ended] });
        };
      }
      return transaction.call(this, stores, mode);
    };
  });
  await page.route("**/chat", (route) => route.abort());
  await say(page, "As it was first");
  await exchangeOn(page).is("failed");
  await page.reload();
  await exchangeOn(page).shows("Kept");
});

test("a search that is overtaken reads no further", async (t) => {
  const { page } = await visit(t, app.url);
  for (const word of ["One", "Two", "Three"]) {
    await page.getByRole("link", { name: "New conversation" }).click();
    await converse(page, `${word} of three`, "Well");
  }
  await page.evaluate(() => {
    const { get } = IDBObjectStore.prototype;
    globalThis.read = 0;
    IDBObjectStore.prototype.get = function (id) {
      if (this.name === "conversations") globalThis.read += 1;
      // The person goes on typing.
      if (globalThis.read === 1)
        document.querySelector("#search").dispatchEvent(new Event("input"));
      return get.call(this, id);
    };
  });
  await page.getByRole("searchbox", { name: "Search the conversations" }).fill("two");
  await page.locator("#list-status", { hasText: "One conversation found" }).waitFor();
  assert.equal(await page.evaluate(() => globalThis.read), 1 + 3);
});

for (const [name, { url }] of Object.entries({ browser: app, service: kept })) {
  test(`a database that does not open holds up nothing that the ${name} keeps`, async (t) => {
    const { page: first } = await visit(t, `${url}/favicon.svg`);
    // A page that does not close it holds up whoever wants to delete it, and all who come later.
    await first.evaluate(
      () =>
        new Promise((resolve) => {
          const opening = indexedDB.open("assistant", 1);
          opening.onsuccess = () => {
            globalThis.held = opening.result;
            indexedDB.deleteDatabase("assistant").onblocked = resolve;
          };
        }),
    );
    const page = await openTab(first, url);
    await converse(page, "Are you there?", "I am");
    await rows(page).filter({ hasText: "Are you there?" }).waitFor();
    if (name === "browser") {
      const note = page.locator("#kept-here", { hasText: "Nothing can be kept in this browser." });
      await note.waitFor();
    }
    await page.getByRole("link", { name: "New conversation" }).click();
    await rows(page).getByRole("link", { name: "Are you there?" }).click();
    await exchangeOn(page).shows("I am");
  });
}
