/** The focus in the sidebar, while other devices change what is listed. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { ended, settle } from "../support/late.mjs";
import { OWNERS, sidebarOf, somebody } from "../support/sidebar.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, MAX_ANSWERS_AT_ONCE: "20", ...OWNERS },
  { owners: true, pages: true },
);

beforeEach(() => upstream.reset());

/** Somebody's page with two conversations, the older one below, which can be made to move up. */
async function twoConversations(t) {
  const me = somebody(app, upstream);
  const older = await me.keep("About bridges", { title: "Bridges" });
  await me.keep("About tunnels", { title: "Tunnels" });
  const { page } = await visit(t, app.url, me.signedIn);
  const sidebar = sidebarOf(page);
  await sidebar.has(2);
  /** Another device asks on in the older conversation, and asks in a new one; the page looks again. */
  const goOnElsewhere = async () => {
    await me.person.exchange(upstream, { message: "Go on", conversation_id: older }, {}, ["Yes"]);
    await me.keep("About roads", { title: "Roads" });
    await page.evaluate(() => dispatchEvent(new Event("online")));
  };
  return { me, page, sidebar, goOnElsewhere };
}

const listed = (page, first) =>
  page.waitForFunction(
    (first) => document.querySelector("#sidebar .title").textContent === first,
    first,
  );

const focusedTitle = (page) =>
  page.evaluate(() => document.activeElement.querySelector(".title")?.textContent);

for (const [key, title] of [
  ["Enter", "Bridges of the world"],
  ["Escape", "Bridges"],
]) {
  test(`a title is written in peace when its row is to move, up to ${key}`, async (t) => {
    const { page, sidebar, goOnElsewhere } = await twoConversations(t);
    await sidebar.choose("Bridges", "Rename");
    const field = sidebar.element.getByLabel("Title");
    await field.fill("Bridges of");
    const refreshed = ended(page, (it) => it.url().endsWith("/conversations?"));
    await goOnElsewhere();
    await refreshed;
    await settle(page);
    assert.equal(await field.inputValue(), "Bridges of");
    await page.keyboard.type(" the world");
    await page.keyboard.press(key);
    await sidebar.row(title).waitFor();
    await sidebar.has(3);
    assert.equal(await focusedTitle(page), title);
  });
}

test("a row that moves keeps the focus", async (t) => {
  const { page, sidebar, goOnElsewhere } = await twoConversations(t);
  await sidebar.link("Bridges").focus();
  await goOnElsewhere();
  await listed(page, "Roads");
  assert.equal(await focusedTitle(page), "Bridges");
});
