/** What the service says, and what has happened on the page or elsewhere before that arrives. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, openTab, say, visit } from "../support/browser.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { hold, settle } from "../support/late.mjs";
import { sidebarOf } from "../support/sidebar.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const server = await startKeptPage(upstream);
const TOKEN = "token-of-the-test-0123456789";
const locked = await startKeptPage(upstream, { ACCESS_TOKENS: `me:${TOKEN}` });
/** Browsers log every response that is no success. */
const expected = /^Failed to load resource/;

beforeEach(() => upstream.reset());

const CONVERSATION = /\/conversations\/[^/?]+$/;
const LIST = /\/conversations\?$/;
const NOT_NOW = {
  status: 503,
  json: { error: "Not now", detail: "Again.", code: "store_unavailable" },
};
const questions = (page) => page.locator(".question p").allTextContents();
const titles = (page) => sidebarOf(page).titles.allTextContents();

const online = (page) => page.evaluate(() => dispatchEvent(new Event("online")));
async function ask(page, question, ...pieces) {
  await say(page, question);
  (await upstream.nextCall()).end(...answer(...pieces));
  await exchangeOn(page).is("done");
}

async function rename(page, from, to) {
  await sidebarOf(page).choose(from, "Rename");
  await page.getByRole("textbox", { name: "Title" }).fill(to);
  await page.keyboard.press("Enter");
}
/** Deletes without waiting for the message about it to go. */
async function remove(page, title) {
  await sidebarOf(page).choose(title, "Delete");
  const deleted = page.waitForResponse((it) => it.request().method() === "DELETE");
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide")));
  await deleted;
  await settle(page);
}

const copiesOf = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        indexedDB.open("assistant").onsuccess = ({ target }) => {
          const all = target.result.transaction("copies").objectStore("copies").getAll();
          all.onsuccess = () =>
            resolve(all.result.map(({ title, turns }) => [title, turns.length]));
        };
      }),
  );

test("an answer that has come and gone since the conversation was read stays on the page", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "The first", "One");
  const late = await hold(page, CONVERSATION);
  await online(page);
  await late.said;
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
  const late = await hold(page, CONVERSATION);
  await online(page);
  await late.said;
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
  const late = await hold(page, CONVERSATION);
  await online(page);
  await late.said;
  assert.equal((await late.said).status(), 404);
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
  const late = await hold(page, LIST);
  await online(page);
  await late.said;
  await ask(page, "A new conversation", "Yes");
  await late.arrive();
  await sidebarOf(page).titles.first().filter({ hasText: "A new conversation" }).waitFor();
});

test("a title that another tab has given stays when an answer ends that was running", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "The old title", "Yes");
  await say(page, "The second");
  const call = await upstream.nextCall();
  call.write(delta("Well"));
  await exchangeOn(page).shows("Well");
  const tab = await openTab(page, page.url());
  await exchangeOn(tab).shows("Well");
  const given = tab.waitForResponse((it) => it.request().method() === "PATCH");
  await rename(tab, "The old title", "The new title");
  await given;
  // The list alone tells of it.
  await page.route(CONVERSATION, (route) => route.fulfill(NOT_NOW));
  await online(page);
  await page.waitForFunction(() => document.title.startsWith("The new title"));
  call.end(delta(", yes"), finish("stop"), done);
  await exchangeOn(page).is("done");
  await settle(page);
  assert.equal((await titles(page))[0], "The new title");
});

test("a conversation that is being read is not read again because the list was", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "The first", "One");
  await settle(page);
  let readings = 0;
  page.on("request", (it) => {
    if (it.method() === "GET" && CONVERSATION.test(it.url())) readings += 1;
  });
  const late = await hold(page, CONVERSATION);
  const listed = page.waitForResponse(LIST);
  await online(page);
  await late.said;
  await listed;
  await settle(page);
  await late.arrive();
  await settle(page);
  assert.equal(readings, 1);
});

test("offline, the title that was given last stays", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "The old title", "Yes");
  await settle(page);
  const given = page.waitForResponse((it) => it.request().method() === "PATCH");
  await rename(page, "The old title", "The new title");
  await given;
  await page.waitForFunction(() => document.title.startsWith("The new title"));
  await settle(page);
  await page.context().setOffline(true);
  await online(page);
  await sidebarOf(page).element.getByText("You are offline.").waitFor();
  assert.match(await page.title(), /^The new title/);
  assert.equal((await titles(page))[0], "The new title");
  await page.context().setOffline(false);
});

test("a title that was given since the conversation was read is the title", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "The old title", "Yes");
  const late = await hold(page, CONVERSATION);
  await online(page);
  await late.said;
  await sidebarOf(page).choose("The old title", "Rename");
  await page.getByRole("textbox", { name: "Title" }).fill("The new title");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.title.startsWith("The new title"));
  await late.arrive();
  await ask(page, "Is it still?", "It is");
  assert.match(await page.title(), /^The new title/);
  await sidebarOf(page).titles.first().filter({ hasText: "The new title" }).waitFor();
});

test("a reading that fails late does not close what a later one has shown", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "First", "One");
  const late = await hold(page, CONVERSATION);
  await page.reload();
  await late.said;
  await online(page);
  await exchangeOn(page).shows("One");
  await late.arrive((route) => route.fulfill(NOT_NOW));
  assert.deepEqual(await questions(page), ["First"]);
});

test("a reading that fails while a later one is under way leaves the word to that", async (t) => {
  const other = await visit(t, server.url, { expected });
  await ask(other.page, "Asked elsewhere", "One");
  // In a browser that has no copy to show instead.
  const { page } = await visit(t, `${server.url}/health`, { expected });
  const early = await hold(page, CONVERSATION, { isSent: false });
  await page.goto(other.page.url());
  await early.said;
  const late = await hold(page, CONVERSATION);
  await online(page);
  await late.said;
  await early.arrive((route) => route.abort());
  await late.arrive();
  assert.deepEqual(await questions(page), ["Asked elsewhere"]);
});

test("a question that is taken back is not asked by an earlier reading of its conversation", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "Other words", "One");
  await page.goto(server.url);
  await say(page, "Question one");
  const call = await upstream.nextCall();
  call.write(delta("Well"));
  await exchangeOn(page).shows("Well");
  await say(page, "Question two");
  await exchangeOn(page).is("queued");
  const late = await hold(page, CONVERSATION);
  await page.reload();
  await late.said;
  await sidebarOf(page).link("Other words").click();
  await exchangeOn(page).shows("One");
  await sidebarOf(page).link("Question one").click();
  await exchangeOn(page, 0).shows("Well");
  await exchangeOn(page).is("queued");
  await late.arrive();
  await exchangeOn(page).element.locator(".take-back").click();
  call.end(finish("stop"), done);
  await exchangeOn(page).is("done");
  await ask(page, "Question three", "Three");
  const asked = upstream.calls.map(({ body }) => body.messages.at(-1).content);
  assert.deepEqual(asked, ["Other words", "Question one", "Question three"]);
});

test("what is deleted while it is being read leaves no copy in this browser", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "Secret", "One");
  const late = await hold(page, CONVERSATION);
  await online(page);
  await late.said;
  await remove(page, "Secret");
  await late.arrive();
  assert.deepEqual(await copiesOf(page), []);
});

test("an older reading does not take the place of a newer copy", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "First", "One");
  const late = await hold(page, CONVERSATION);
  await online(page);
  await late.said;
  const tab = await openTab(page, page.url());
  await exchangeOn(tab).shows("One");
  await ask(tab, "Second", "Two");
  await online(page);
  await exchangeOn(page).shows("Two");
  await late.arrive();
  assert.deepEqual(await copiesOf(page), [["First", 4]]);
});

test("of two readings of the list, the one that was asked for later counts", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "Alpha", "One");
  const late = await hold(page, LIST);
  await online(page);
  await late.said;
  const tab = await openTab(page, server.url);
  await ask(tab, "Beta", "Two");
  await online(page);
  await sidebarOf(page).link("Beta").waitFor();
  await late.arrive();
  assert.equal((await titles(page))[0], "Beta");
});

for (const [what, act] of [
  ["says what was", undefined],
  ["fails", (route) => route.fulfill(NOT_NOW)],
])
  test(`a first list that ${what} late does not undo a later one`, async (t) => {
    const { page } = await visit(t, server.url, { expected });
    await ask(page, `Old title ${what}`, "One");
    const address = page.url();
    const late = await hold(page, LIST);
    await page.goto(server.url);
    await late.said;
    const tab = await openTab(page, address);
    await rename(tab, `Old title ${what}`, `New title ${what}`);
    await tab.waitForFunction((what) => document.title.startsWith(`New title ${what}`), what);
    await online(page);
    await sidebarOf(page).link(`New title ${what}`).waitFor();
    await late.arrive(act);
    assert.equal((await titles(page))[0], `New title ${what}`);
    assert.equal(await sidebarOf(page).element.getByText("could not be loaded").count(), 0);
  });

test("of two titles, the one that was given later stays", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "Title A", "One");
  const late = await hold(page, CONVERSATION, { method: "PATCH" });
  await rename(page, "Title A", "Title B");
  await late.said;
  await rename(page, "Title B", "Title C");
  await page.waitForFunction(() => document.title.startsWith("Title C"));
  await late.arrive();
  assert.match(await page.title(), /^Title C/);
  assert.equal((await titles(page))[0], "Title C");
});

for (const [what, act] of [
  ["well", undefined],
  ["badly", (route) => route.abort()],
])
  test(`a title that arrives ${what} after its conversation was deleted does not bring it back`, async (t) => {
    const { page } = await visit(t, server.url, { expected });
    await ask(page, `Ephemeral ${what}`, "One");
    const late = await hold(page, CONVERSATION, { method: "PATCH" });
    await rename(page, `Ephemeral ${what}`, `Fleeting ${what}`);
    await late.said;
    await remove(page, `Fleeting ${what}`);
    await late.arrive(act);
    const left = (await titles(page)).filter((each) => each.endsWith(what));
    assert.deepEqual(left, []);
  });

test("a search that was asked before a title was given shows that title", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "Zebra", "One");
  const late = await hold(page, /\/conversations\?q=/);
  await page.locator("#search").fill("Zebra");
  await late.said;
  await rename(page, "Zebra", "New title");
  await page.waitForFunction(() => document.title.startsWith("New title"));
  await late.arrive();
  await page.locator(".snippet").filter({ hasText: "Zebra" }).first().waitFor();
  assert.deepEqual(await titles(page), ["New title"]);
});

test("a search that was asked before a deletion does not find what is deleted", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await ask(page, "Giraffe", "One");
  const late = await hold(page, /\/conversations\?q=/);
  await page.locator("#search").fill("Giraffe");
  await late.said;
  await remove(page, "Giraffe");
  await late.arrive();
  await page.waitForFunction(() =>
    /\?q=/.test(
      performance
        .getEntriesByType("resource")
        .map((e) => e.name)
        .join(),
    ),
  );
  await settle(page);
  assert.ok(!(await titles(page)).includes("Giraffe"));
});

test("a list of models that fails late does not hide a newer one", async (t) => {
  const { page } = await visit(t, `${locked.url}/health`, { expected });
  const late = await hold(page, /\/models$/, { isSent: false });
  await page.goto(locked.url);
  await late.said;
  await page.locator("#token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await page.locator("#choose-model").waitFor();
  await late.arrive((route) => route.abort());
  assert.ok(await page.locator("#choose-model").isVisible());
});
