/** Conversations of a browser that has no room for them, may store nothing, or cannot read them any more. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { blockSiteData } from "../support/blocked.mjs";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { sidebarOf } from "../support/sidebar.mjs";
import { answer, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, HEARTBEAT_SECONDS: "0.3", MAX_RETRIES: "0" },
  { pages: true },
);

beforeEach(() => upstream.reset());

const LOST = "What is new is lost when this page is closed.";
const FULL = `Nothing can be kept on this device: it is full. ${LOST}`;

const texts = (call) => call.body.messages.slice(1).map(({ content }) => content);
const note = (page) => page.locator("#kept-here");
const questions = (page) => page.locator(".question p").allTextContents();

async function converse(page, question, ...contents) {
  await say(page, question);
  const call = await upstream.nextCall();
  call.end(...answer(...contents));
  await exchangeOn(page).is("done");
  return call;
}

/** Whether the page's database has room. Chromium itself takes half a minute to notice another limit. */
function makeRoom(page, hasRoom) {
  return page.evaluate((hasRoom) => {
    const { prototype } = IDBObjectStore;
    prototype.ownPut ??= prototype.put;
    prototype.put = hasRoom
      ? prototype.ownPut
      : () => {
          throw new DOMException("There is no room", "QuotaExceededError");
        };
  }, hasRoom);
}

/** Has the page look again, as when it is shown again. */
const lookAgain = (page) =>
  page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));

test("a device that is full is told of, and what is new is there until the page is closed", async (t) => {
  const { page } = await visit(t, app.url);
  const sidebar = sidebarOf(page);
  await converse(page, "There is room for this", "There is");
  assert.equal(await note(page).textContent(), "Kept in this browser only");
  await makeRoom(page, false);
  await converse(page, "And for this?", "No");
  await note(page).filter({ hasText: FULL }).waitFor();
  await sidebar.toast.filter({ hasText: FULL }).waitFor();
  await lookAgain(page);
  await page.getByRole("link", { name: "New conversation" }).click();
  await sidebar.link("There is room for this").click();
  await exchangeOn(page).shows("No");
  assert.deepEqual(await questions(page), ["There is room for this", "And for this?"]);
  await sidebar.has(1);
});

test("what there was no room for is kept once there is some", async (t) => {
  const { page } = await visit(t, app.url);
  const sidebar = sidebarOf(page);
  await makeRoom(page, false);
  await converse(page, "Who has no room?", "This device");
  await note(page).filter({ hasText: FULL }).waitFor();
  const first = page.url();
  await page.getByRole("link", { name: "New conversation" }).click();
  await makeRoom(page, true);
  await converse(page, "Is there some now?", "There is");
  await note(page).filter({ hasText: "Kept in this browser only" }).waitFor();
  await page.goto(first);
  await exchangeOn(page).shows("This device");
  await sidebar.has(2);
});

test("a device that was full before the page came is told of", async (t) => {
  const { page } = await visit(t, app.url);
  const session = await page.context().newCDPSession(page);
  await session.send("Storage.overrideQuotaForOrigin", { origin: app.url, quotaSize: 1 });
  await converse(page, "Is there room for this?", "No");
  await note(page).filter({ hasText: FULL }).waitFor();
  await converse(page, "Do you still know what I said?", "I do");
  assert.deepEqual(await questions(page), [
    "Is there room for this?",
    "Do you still know what I said?",
  ]);
});

test("a browser that may store nothing says so", async (t) => {
  const { page } = await visit(t, `${app.url}/favicon.svg`, { expected: /404/ });
  await blockSiteData(page);
  await page.goto(app.url);
  await converse(page, "Do you keep this?", "For now");
  await note(page)
    .filter({ hasText: `Nothing can be kept in this browser. ${LOST}` })
    .waitFor();
});

test("a database that was closed under the page is opened again", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "Remember the number 7", "I do");
  // Whoever wants to delete it has it closed first. A page that holds it open prevents that.
  const tab = await page.context().newPage();
  await tab.goto(`${app.url}/favicon.svg`);
  await tab.evaluate(
    () =>
      new Promise((resolve) => {
        const opening = indexedDB.open("assistant", 2);
        opening.onupgradeneeded = () => opening.transaction.abort();
        opening.onerror = (event) => {
          event.preventDefault();
          resolve();
        };
      }),
  );
  const call = await converse(page, "Which number?", "7");
  assert.deepEqual(texts(call), ["Remember the number 7", "I do", "Which number?"]);
  await page.reload();
  await exchangeOn(page).shows("7");
  assert.deepEqual(await questions(page), ["Remember the number 7", "Which number?"]);
});

test("a page whose conversations a newer one has taken over says what to do", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "Remember the number 7", "I do");
  await page.evaluate(
    () =>
      new Promise((resolve) => {
        const opening = indexedDB.open("assistant", 2);
        opening.onsuccess = () => {
          opening.result.close();
          resolve();
        };
      }),
  );
  await say(page, "Which number?");
  await exchangeOn(page).is("failed");
  const { failure } = exchangeOn(page);
  assert.equal(
    await failure.locator("[data-problem=error]").textContent(),
    "Another tab has a newer version of this page",
  );
  assert.equal(
    await failure.locator("[data-problem=detail]").textContent(),
    "Reload this one to go on.",
  );
  assert.equal(upstream.calls.length, 1);
});
