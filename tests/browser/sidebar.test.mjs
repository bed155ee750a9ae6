/** The sidebar: the list of kept conversations, its search, and what can be done with each conversation. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { multiply } from "../support/kept-disk.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { Person } from "../support/person.mjs";
import { OWNERS, sidebarOf, somebody } from "../support/sidebar.mjs";
import { answer, answerWell, delta, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, MAX_ANSWERS_AT_ONCE: "20", ...OWNERS },
  { owners: true, pages: true },
);
const failing = /^Failed to load resource/;

beforeEach(() => upstream.reset());

const titlesOf = (sidebar) => sidebar.titles.allTextContents();
const isOpen = (page, id) => page.waitForURL(`${app.url}/c/${id}`);
/** Waits until the worker is done with a request about a conversation. */
async function told(method, id) {
  const { record } = await app.log(
    "request_received",
    (it) => it.method === method && it.path === `/conversations/${id}`,
  );
  await app.log("response_complete", record.correlation_id);
}

/** Conversations as the API lists them, by their times. */
function listed(times) {
  const conversations = Object.entries(times).map(([title, time]) => ({
    id: title.toLowerCase().replaceAll(" ", "-"),
    title,
    created_at: time,
    updated_at: time,
    turn_count: 2,
    state: "complete",
  }));
  return { json: { conversations, next: null } };
}

test("the conversations are listed by day; a click opens one and marks it", async (t) => {
  const me = somebody(app, upstream);
  const bridges = await me.keep("Tell me about bridges", { answer: "They carry loads" });
  await me.keep("Tell me about tunnels", { answer: "They go below" });
  const { page } = await visit(t, app.url, me.signedIn);
  const sidebar = sidebarOf(page);
  await sidebar.has(2);
  assert.deepEqual(await titlesOf(sidebar), ["Tell me about tunnels", "Tell me about bridges"]);
  assert.deepEqual(await sidebar.element.locator(".list h2").allTextContents(), ["Today"]);
  assert.equal(await sidebar.element.locator("[aria-current]").count(), 0);
  await sidebar.link("Tell me about bridges").click();
  await isOpen(page, bridges);
  await exchangeOn(page).shows("They carry loads");
  const current = sidebar.element.locator("[aria-current=page]");
  assert.equal(await current.locator(".title").textContent(), "Tell me about bridges");
  await sidebar.element.getByRole("link", { name: "New conversation" }).click();
  await page.getByRole("heading", { name: "What can I help you with?" }).waitFor();
  assert.equal(new URL(page.url()).pathname, "/");
  assert.equal(await current.count(), 0);
});

test("a row is a link, so that another button or key opens it in a tab of its own", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about ferries");
  const { page, faults } = await visit(t, app.url, me.signedIn);
  const opened = page.context().waitForEvent("page");
  await sidebarOf(page)
    .link("Tell me about ferries")
    .click({ modifiers: ["ControlOrMeta"] });
  const tab = await opened;
  await tab.waitForURL(`${app.url}/c/${id}`);
  assert.equal(page.url(), `${app.url}/`);
  faults.length = 0;
});

test("the days of a longer past", async (t) => {
  const me = somebody(app, upstream);
  const { page } = await visit(t, app.url, { ...me.signedIn, timezoneId: "Europe/Oslo" });
  await page.clock.setFixedTime("2026-03-31T10:00:00+02:00");
  const json = listed({
    "This morning": "2026-03-31T00:30:00.000000+02:00",
    "Last night": "2026-03-30T23:30:00.000000+02:00",
    "On Sunday": "2026-03-29T12:00:00.000000+02:00",
    "In the middle of the month": "2026-03-15T12:00:00.000000+01:00",
    "At carnival": "2026-02-17T12:00:00.000000+01:00",
    "Long ago": "2025-02-17T12:00:00.000000+01:00",
  });
  await page.route("**/conversations?*", (route) => route.fulfill(json));
  await page.reload();
  await sidebarOf(page).has(6);
  assert.deepEqual(await page.locator(".list h2, .list .title").allTextContents(), [
    "Today",
    "This morning",
    "Yesterday",
    "Last night",
    "Previous 7 days",
    "On Sunday",
    "Previous 30 days",
    "In the middle of the month",
    "February",
    "At carnival",
    "February 2025",
    "Long ago",
  ]);
});

test("a thousand conversations are loaded as the list is scrolled", async (t) => {
  const server = await startKeptPage(upstream);
  const question = { message: "Question 0", conversation_id: "kept-0" };
  await (await new Person(server).ask(question)).text();
  await server.kill();
  multiply(server.folder, 1000);
  await server.start();
  const { page, requests } = await visit(t, server.url);
  const sidebar = sidebarOf(page);
  await sidebar.rows.first().waitFor();
  const pages = () => requests.filter((url) => /conversations\?(?!limit=1$)/.test(url)).length;
  await page.waitForFunction(() => document.querySelectorAll(".list li").length >= 30);
  assert.ok(pages() <= 3, `${pages()} pages are loaded at first`);
  const scroller = page.locator("#list-scroller");
  while ((await sidebar.rows.count()) < 1000) {
    const count = await sidebar.rows.count();
    await scroller.evaluate((it) => it.scrollTo(0, it.scrollHeight));
    await page.waitForFunction(
      (count) => document.querySelectorAll(".list li").length > count,
      count,
    );
  }
  await page.waitForFunction(() => document.querySelector("#list-end p").textContent === "");
  assert.equal(new Set(await titlesOf(sidebar)).size, 1000);
});

const HOSTILE = {
  markup: "<img src=x onerror=alert(1)><script>alert(2)</script>",
  "a right-to-left override": "invoice \u202Egpj.exe\u202C bridge",
  emoji: "👩‍👩‍👧‍👦 🇳🇴 bridge 😀",
  "a word without end": `bridge${"e".repeat(180)}`,
  "right-to-left": "الجسر bridge معلق",
};

test("a search shows where its words are found; whatever a title or a text says is text", async (t) => {
  const me = somebody(app, upstream);
  for (const title of Object.values(HOSTILE)) {
    await me.keep("A question", { title, answer: `The <b onclick=x>bridge</b> of ${title}` });
  }
  await me.keep("Something else");
  const { page } = await visit(t, app.url, me.signedIn);
  const sidebar = sidebarOf(page);
  await sidebar.has(6);
  await sidebar.search.fill("BRIDGE");
  await sidebar.has(5);
  assert.deepEqual(new Set(await titlesOf(sidebar)), new Set(Object.values(HOSTILE)));
  const snippets = await sidebar.element.locator(".snippet").allTextContents();
  assert.equal(snippets.filter((each) => each.includes("<b onclick=x>bridge</b>")).length, 5);
  const marks = await sidebar.element.locator(".snippet mark").allTextContents();
  assert.ok(marks.length >= 5 && marks.every((mark) => mark.startsWith("bridge")), `${marks}`);
  const elements = await sidebar.rows.locator("a *:not(span, mark)").count();
  assert.equal(elements, 0, "no text has become an element");
  for (const row of await sidebar.rows.all()) {
    assert.ok(await row.evaluate((it) => it.scrollWidth <= it.clientWidth), "no row is too wide");
  }
  await page.locator("#list-status").filter({ hasText: "5 conversations found" }).waitFor();
  await sidebar.search.fill("nowhere to be found");
  await sidebar.element.getByText("Nothing found for “nowhere to be found”").waitFor();
  await sidebar.search.press("Escape");
  await sidebar.has(6);
  assert.equal(await sidebar.element.locator(".snippet mark").count(), 0);
});

test("a search that is quicker than the list is done when it can be", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  await me.keep("Something else");
  const { page } = await visit(t, `${app.url}/health`, { ...me.signedIn, expected: /404/ });
  const asked = Promise.withResolvers();
  await page.route("**/conversations?limit=1", (route) => asked.resolve(route));
  await page.goto(app.url);
  const sidebar = sidebarOf(page);
  const route = await asked.promise;
  await sidebar.search.fill("bridges");
  await sidebar.search.press("Enter");
  await route.continue();
  await sidebar.has(1);
  assert.deepEqual(await titlesOf(sidebar), ["Tell me about bridges"]);
  await sidebar.search.press("Escape");
  await sidebar.has(2);
});

test("what was found in a model's thinking is shown without its tags", async (t) => {
  const me = somebody(app, upstream);
  const answer = "<think>A bridge, then.</think>Like a <thinker>";
  await me.keep("How does it hang?", { title: "Hanging", answer });
  const { page } = await visit(t, app.url, me.signedIn);
  const sidebar = sidebarOf(page);
  await sidebar.search.fill("bridge");
  const snippet = sidebar.element.locator(".snippet", { hasText: "bridge" });
  assert.equal(
    (await snippet.textContent()).trim(),
    "How does it hang?  A bridge, then. Like a <thinker>",
  );
});

test("only the latest search counts: an earlier one ends with the first key that follows", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  await me.keep("Tell me about tunnels");
  const { page } = await visit(t, app.url, me.signedIn);
  await page.clock.install();
  await page.reload();
  const sidebar = sidebarOf(page);
  await sidebar.has(2);
  await page.clock.pauseAt(Date.now() + 60_000);
  const slow = Promise.withResolvers();
  await page.route("**/conversations?q=bridges*", (route) => slow.resolve(route));
  await sidebar.search.fill("bridges");
  await page.clock.runFor(200);
  await slow.promise;
  const ended = page.waitForEvent("requestfailed", (it) => it.url().includes("q=bridges"));
  await sidebar.search.fill("tunnels");
  await ended;
  await page.clock.runFor(200);
  await sidebar.has(1);
  assert.deepEqual(await titlesOf(sidebar), ["Tell me about tunnels"]);
});

test("a title is changed in its place: Enter keeps it, Escape does not", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges");
  await me.keep("Tell me about tunnels");
  const { page } = await visit(t, app.url, me.signedIn);
  const sidebar = sidebarOf(page);
  await sidebar.choose("Tell me about bridges", "Rename");
  const field = sidebar.element.getByLabel("Title");
  assert.equal(await field.inputValue(), "Tell me about bridges");
  await field.fill("Never mind");
  await field.press("Escape");
  assert.deepEqual(await titlesOf(sidebar), ["Tell me about tunnels", "Tell me about bridges"]);
  await sidebar.choose("Tell me about bridges", "Rename");
  await field.fill("  <b>Bridges</b> 🌉  ");
  await field.press("Enter");
  await told("PATCH", id);
  await page.waitForFunction(
    () => document.querySelector(".title").textContent === "<b>Bridges</b> 🌉",
  );
  assert.equal((await me.person.conversation(id)).title, "<b>Bridges</b> 🌉");
  const focused = await page.evaluate(() => document.activeElement.title);
  assert.equal(focused, "<b>Bridges</b> 🌉", "the focus follows the row to the top");
});

test("a title that could not be changed is the old one again, and the page says why", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  const { page } = await visit(t, app.url, { ...me.signedIn, expected: failing });
  const sidebar = sidebarOf(page);
  await sidebar.has(1);
  await page.route("**/conversations/*", (route) => route.abort());
  await sidebar.choose("Tell me about bridges", "Rename");
  await sidebar.element.getByLabel("Title").fill("Bridges");
  await sidebar.element.getByLabel("Title").press("Enter");
  await sidebar.toast
    .filter({ hasText: "The title could not be changed. No connection." })
    .waitFor();
  assert.deepEqual(await titlesOf(sidebar), ["Tell me about bridges"]);
});

test("a title that could not be given to what only a search has found leaves the list as it was", async (t) => {
  const me = somebody(app, upstream);
  const { page } = await visit(t, `${app.url}/health`, { ...me.signedIn, expected: failing });
  await page.route(/\/conversations(\?|\/)/, (route) => {
    const { search } = new URL(route.request().url());
    if (route.request().method() === "PATCH") return route.abort();
    const title = search.includes("q=") ? "Zebra" : "Recent";
    return route.fulfill(listed({ [title]: "2026-01-01T00:00:00Z" }));
  });
  await page.goto(app.url);
  const sidebar = sidebarOf(page);
  await sidebar.link("Recent").waitFor();
  await sidebar.search.fill("zebra");
  await sidebar.choose("Zebra", "Rename");
  await sidebar.element.getByRole("textbox", { name: "Title" }).fill("Stripes");
  await page.keyboard.press("Enter");
  await sidebar.toast.filter({ hasText: "The title could not be changed." }).waitFor();
  await sidebar.search.fill("");
  await sidebar.link("Recent").waitFor();
  assert.deepEqual(await titlesOf(sidebar), ["Recent"]);
});

test("a title is kept although the page is left at once", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges");
  const { page } = await visit(t, app.url, me.signedIn);
  const sidebar = sidebarOf(page);
  const asked = Promise.withResolvers();
  const left = Promise.withResolvers();
  await page.route(`**/conversations/${id}`, async (route) => {
    asked.resolve();
    await left.promise;
    await route.continue();
  });
  await sidebar.choose("Tell me about bridges", "Rename");
  await sidebar.element.getByRole("textbox", { name: "Title" }).fill("Bridges");
  await page.keyboard.press("Enter");
  await asked.promise;
  await page.goto("about:blank");
  left.resolve();
  await told("PATCH", id);
  assert.equal((await me.person.conversation(id)).title, "Bridges");
});

test("the menu of a conversation stays open while an answer grows", async (t) => {
  const me = somebody(app, upstream);
  const { page } = await visit(t, app.url, me.signedIn);
  const calling = upstream.nextCall();
  await say(page, "Tell me everything");
  const call = await calling;
  const grow = async (word) => {
    call.write(delta(`${word}\n\n`.repeat(60)));
    await exchangeOn(page).answer.getByText(word).nth(58).waitFor();
    await page.waitForFunction(() => {
      const { scrollHeight, scrollTop, clientHeight } = document.querySelector("#scroller");
      return scrollHeight - scrollTop - clientHeight < 2;
    });
    // The page is told that it has scrolled in the frame behind that.
    await page.evaluate(() => new Promise((told) => requestAnimationFrame(() => setTimeout(told))));
  };
  await grow("first");
  await sidebarOf(page).link("Tell me everything").hover();
  await page.getByRole("button", { name: "Options for Tell me everything" }).click();
  await grow("second");
  assert.ok(await page.getByRole("menuitem", { name: "Rename" }).isVisible());
  call.end(...answer("."));
  await exchangeOn(page).is("done");
});

test("a deleted conversation is gone at once, and back after Undo", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges", { answer: "They carry loads" });
  const { page } = await visit(t, `${app.url}/c/${id}`, me.signedIn);
  const sidebar = sidebarOf(page);
  await exchangeOn(page).shows("They carry loads");
  await sidebar.choose("Tell me about bridges", "Delete");
  await sidebar.has(0);
  await page.getByRole("heading", { name: "What can I help you with?" }).waitFor();
  assert.equal(new URL(page.url()).pathname, "/", "the open one gives way to a new conversation");
  await sidebar.toast.getByRole("button", { name: "Undo" }).click();
  await sidebar.has(1);
  await isOpen(page, id);
  await exchangeOn(page).shows("They carry loads");
  assert.equal(await sidebar.toast.isVisible(), false);
  assert.deepEqual(await me.ids(), [id]);
});

test("a deletion waits some seconds, longer while it is pointed at, and is then for good", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges");
  const other = await me.keep("Tell me about tunnels");
  const { page } = await visit(t, app.url, me.signedIn);
  await page.clock.install();
  await page.reload();
  const sidebar = sidebarOf(page);
  await sidebar.has(2);
  await sidebar.choose("Tell me about bridges", "Delete");
  await sidebar.has(1);
  await sidebar.toast.hover();
  await page.clock.runFor(60_000);
  assert.deepEqual(await me.ids(), [other, id]);
  await sidebar.search.hover();
  await page.clock.runFor(20_000);
  await told("DELETE", id);
  assert.deepEqual(await me.ids(), [other]);
  assert.equal(await sidebar.toast.isVisible(), false);
});

test("a deletion holds when the page is left before its time is over", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges");
  const other = await me.keep("Tell me about tunnels");
  const { page } = await visit(t, app.url, me.signedIn);
  const sidebar = sidebarOf(page);
  await sidebar.choose("Tell me about bridges", "Delete");
  await sidebar.has(1);
  await page.goto(`${app.url}/health`);
  await told("DELETE", id);
  assert.deepEqual(await me.ids(), [other]);
});

test("a second deletion ends the wait of the first", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges");
  const kept = await me.keep("Tell me about tunnels");
  const { page } = await visit(t, app.url, me.signedIn);
  const sidebar = sidebarOf(page);
  await sidebar.choose("Tell me about bridges", "Delete");
  await sidebar.choose("Tell me about tunnels", "Delete");
  await told("DELETE", id);
  await sidebar.toast.getByRole("button", { name: "Undo" }).click();
  await sidebar.has(1);
  assert.deepEqual(await titlesOf(sidebar), ["Tell me about tunnels"]);
  assert.deepEqual(await me.ids(), [kept]);
});

test("a conversation that could not be deleted comes back, and the page says why", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  const { page } = await visit(t, app.url, { ...me.signedIn, expected: failing });
  const sidebar = sidebarOf(page);
  await sidebar.has(1);
  await page.route("**/conversations/*", (route) => route.abort());
  await sidebar.choose("Tell me about bridges", "Delete");
  await sidebar.has(0);
  // Escape ends the wait.
  await sidebar.toast.getByRole("button", { name: "Undo" }).press("Escape");
  await sidebar.toast
    .filter({ hasText: "The conversation could not be deleted. No connection." })
    .waitFor();
  await sidebar.has(1);
  assert.deepEqual(await titlesOf(sidebar), ["Tell me about bridges"]);
});

test("a conversation is exported as Markdown, in a file that is named after it", async (t) => {
  const me = somebody(app, upstream);
  const title = "Bridges / 🌉: which?";
  await me.keep("Tell me about bridges", { title, answer: "They *carry* loads" });
  const { page } = await visit(t, app.url, me.signedIn);
  const downloading = page.waitForEvent("download");
  await sidebarOf(page).choose(title, "Export as Markdown");
  const file = await downloading;
  assert.equal(file.suggestedFilename(), "Bridges 🌉 which.md");
  const text = readFileSync(await file.path(), "utf8");
  assert.match(text, /They \*carry\* loads/);
});

test("an answer that runs, here or on another device, is marked until it is over", async (t) => {
  const me = somebody(app, upstream);
  const called = upstream.nextCall();
  const asked = me.person.ask({ message: "Write a novel", conversation_id: "novel" });
  const elsewhere = await called;
  elsewhere.write(delta("Once"));
  await (await asked).next();
  const { page } = await visit(t, app.url, me.signedIn);
  await page.clock.install();
  await page.reload();
  const sidebar = sidebarOf(page);
  const running = (title) => sidebar.row(title).locator(".running");
  await running("Write a novel").waitFor();
  const calling = upstream.nextCall();
  await say(page, "And a poem");
  const here = await calling;
  here.write(delta("Roses"));
  await running("And a poem").waitFor();
  here.end(...answer(" are red"));
  await running("And a poem").waitFor({ state: "hidden" });
  elsewhere.end(...answer(" upon a time"));
  await (await asked).text();
  await page.clock.runFor(11_000);
  await running("Write a novel").waitFor({ state: "hidden" });
});

test("a list that could not be loaded says so, and can be tried again", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  const { page } = await visit(t, app.url, { ...me.signedIn, expected: failing });
  let isDown = true;
  await page.route(/conversations\?(?!limit=1$)/, (route) =>
    isDown ? route.abort() : route.continue(),
  );
  await page.reload();
  const sidebar = sidebarOf(page);
  await sidebar.element.getByText("The list could not be loaded. No connection.").waitFor();
  isDown = false;
  await sidebar.element.getByRole("button", { name: "Try again" }).click();
  await sidebar.has(1);
});

test("offline the list has what can still be read, and everything once the network is back", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges", { answer: "They carry loads" });
  await me.keep("Tell me about tunnels");
  const { page } = await visit(t, `${app.url}/c/${id}`, { ...me.signedIn, expected: failing });
  const sidebar = sidebarOf(page);
  await exchangeOn(page).shows("They carry loads");
  await sidebar.has(2);
  await page.context().setOffline(true);
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await sidebar.element.getByText("You are offline. These can still be read.").waitFor();
  assert.deepEqual(await titlesOf(sidebar), ["Tell me about bridges"]);
  await page.context().setOffline(false);
  await sidebar.has(2);
  await sidebar.element.getByText("You are offline.").waitFor({ state: "detached" });
});
