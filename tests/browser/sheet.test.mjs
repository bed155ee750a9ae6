/** Where the sidebar is: beside the conversation, folded away, or in a sheet; and that the keyboard alone does it all. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { exchangeOn, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { OWNERS, sidebarOf, somebody } from "../support/sidebar.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, ...OWNERS },
  { owners: true, pages: true },
);
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

beforeEach(() => upstream.reset());

const opener = (page) => page.getByRole("button", { name: "Show the conversations" });
const closer = (page) => page.getByRole("button", { name: "Hide the conversations" });

/** What has the focus, by its name. */
const focused = (page) =>
  page.evaluate(() => {
    const { activeElement: it } = document;
    const { textContent } = it.labels?.[0] ?? it.querySelector(".title") ?? it;
    return it.ariaLabel ?? textContent.trim();
  });

test("on a wide screen the sidebar can be folded away, and stays so", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  const { page } = await visit(t, app.url, me.signedIn);
  const sidebar = sidebarOf(page);
  await sidebar.link("Tell me about bridges").waitFor();
  assert.equal(await opener(page).isVisible(), false);
  await closer(page).click();
  assert.equal(await sidebar.element.isVisible(), false);
  assert.equal(await focused(page), "Show the conversations");
  await page.reload();
  await page.getByRole("link", { name: "New conversation" }).waitFor();
  assert.equal(await sidebar.element.isVisible(), false);
  await opener(page).click();
  await sidebar.link("Tell me about bridges").waitFor();
  assert.equal(await focused(page), "Hide the conversations");
  await page.reload();
  await sidebar.link("Tell me about bridges").waitFor();
});

test("on a phone the sidebar is a sheet over the conversation", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges", { answer: "They carry loads" });
  const { page } = await visit(t, app.url, { ...me.signedIn, ...PHONE });
  const sidebar = sidebarOf(page);
  const sheet = page.getByRole("dialog", { name: "Conversations and settings" });
  assert.equal(await sheet.isVisible(), false);

  await opener(page).tap();
  await sheet.waitFor();
  await swipe(page, { from: 250, to: 215 });
  assert.equal(await sheet.isVisible(), true, "a slight push does not close it");
  await sidebar.link("Tell me about bridges").click();
  await page.waitForURL(`${app.url}/c/${id}`);
  await sheet.waitFor({ state: "hidden" });
  await exchangeOn(page).shows("They carry loads");

  const ways = {
    "its button": () => closer(page).tap(),
    Escape: () => page.keyboard.press("Escape"),
    "a tap beside it": () => page.touchscreen.tap(380, 400),
    "a swipe": () => swipe(page, { from: 250, to: 20 }),
  };
  for (const [way, close] of Object.entries(ways)) {
    await opener(page).tap();
    await sheet.waitFor();
    assert.ok(
      await sheet.evaluate((it) => it.contains(document.activeElement)),
      "the focus is in the sheet",
    );
    await close();
    await sheet.waitFor({ state: "hidden" });
    assert.equal(await focused(page), "Show the conversations", `after ${way}`);
  }
});

test("what is deleted in the sheet can be brought back there and after it has closed", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  const { page } = await visit(t, app.url, { ...me.signedIn, ...PHONE });
  const sidebar = sidebarOf(page);
  const undo = sidebar.toast.getByRole("button", { name: "Undo" });
  for (const isClosed of [false, true]) {
    await opener(page).tap();
    await sidebar.has(1);
    await page.getByRole("button", { name: "Options for Tell me about bridges" }).tap();
    await page.getByRole("menuitem", { name: "Delete" }).tap();
    await sidebar.has(0);
    if (isClosed) await closer(page).tap();
    await undo.tap();
    await sidebar.has(1);
    if (!isClosed) await closer(page).tap();
  }
});

test("everything in the sidebar can be done by keyboard alone", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges");
  const other = await me.keep("Tell me about tunnels");
  const { page } = await visit(t, app.url, me.signedIn);
  const sidebar = sidebarOf(page);
  await sidebar.has(2);
  await closer(page).focus();
  const order = [await focused(page)];
  while (order.length < 9) {
    await page.keyboard.press("Tab");
    order.push(await focused(page));
  }
  assert.deepEqual(order, [
    "Hide the conversations",
    "New conversation",
    "Search the conversations",
    "Tell me about tunnels",
    "Options for Tell me about tunnels",
    "Tell me about bridges",
    "Options for Tell me about bridges",
    "Settings",
    "API (opens in a new tab)",
  ]);

  const options = page.getByRole("button", { name: "Options for Tell me about bridges" });
  await options.focus();
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "Rename");
  assert.equal(await options.getAttribute("aria-expanded"), "true");
  await page.keyboard.press("ArrowUp");
  assert.equal(await focused(page), "Delete");
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(page), "Rename");
  await page.keyboard.press("End");
  assert.equal(await focused(page), "Delete");
  await page.keyboard.press("Escape");
  assert.equal(await options.getAttribute("aria-expanded"), "false");
  assert.equal(await focused(page), "Options for Tell me about bridges");

  await page.keyboard.press("Enter");
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await sidebar.has(1);
  assert.equal(await focused(page), "Undo", "it could not be reached in time otherwise");
  await page.keyboard.press("Enter");
  await sidebar.has(2);
  assert.equal(await focused(page), "Tell me about bridges");

  await page.keyboard.press("Enter");
  await page.waitForURL(`${app.url}/c/${id}`);
  await sidebar.search.focus();
  await page.keyboard.type("tunnels");
  await sidebar.has(1);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${app.url}/c/${other}`);
});

test("Escape in the sidebar does not stop an answer that is coming", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  const { page } = await visit(t, app.url, me.signedIn);
  const sidebar = sidebarOf(page);
  await sidebar.has(1);
  const calling = upstream.nextCall();
  await page.getByLabel("Message", { exact: true }).fill("A long question");
  await page.keyboard.press("Enter");
  const call = await calling;
  call.open();
  await sidebar.has(2);
  await page.getByRole("button", { name: "Options for Tell me about bridges" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await sidebar.search.fill("bridges");
  await sidebar.search.press("Escape");
  await exchangeOn(page).is("streaming");
  await page.getByRole("button", { name: "Stop" }).click();
  await exchangeOn(page).is("stopped");
});

test("nothing on the page is wider than a narrow or magnified window", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  for (const width of [320, 640, 1024]) {
    const viewport = { width, height: 512 };
    const { page } = await visit(t, app.url, { ...me.signedIn, viewport });
    await page.locator("#message").waitFor();
    const wide = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(wide, 0, `at ${width} px`);
  }
});

test("for fingers, everything that can be touched is at least 44 px high", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  const { page } = await visit(t, app.url, { ...me.signedIn, ...PHONE });
  const small = () =>
    page.evaluate(() =>
      Array.from(document.querySelectorAll("a, button, input:not([type=checkbox]), textarea"))
        .filter((it) => it.checkVisibility() && !it.matches(".unseen, .answer *"))
        .filter((it) => it.getBoundingClientRect().height < 44)
        .map((it) => it.outerHTML.slice(0, 120)),
    );
  await page.locator("#message").waitFor();
  assert.deepEqual(await small(), []);
  await opener(page).tap();
  await sidebarOf(page).has(1);
  assert.deepEqual(await small(), []);
  await page.getByRole("button", { name: "Settings" }).tap();
  assert.deepEqual(await small(), []);
});

test("without scripts there are no buttons that do nothing", async (t) => {
  const { page } = await visit(t, app.url, { javaScriptEnabled: false });
  await page.locator("noscript .welcome").waitFor();
  for (const role of ["button", "link", "textbox", "searchbox"]) {
    assert.equal(await page.getByRole(role).count(), 0, role);
  }
});

/** Moves a finger sideways over the sheet. */
async function swipe(page, { from, to }) {
  const input = await page.context().newCDPSession(page);
  const touch = (type, x) =>
    input.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: type === "touchEnd" ? [] : [{ x, y: 500 }],
    });
  await touch("touchStart", from);
  for (let step = 1; step <= 5; step++) await touch("touchMove", from + ((to - from) * step) / 5);
  // A finger that is lifted in motion flings, and the browser takes the next tap for one that stops the fling: no click.
  await pause(200);
  await touch("touchEnd");
  await input.detach();
}
