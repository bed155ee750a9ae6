/** The page by keyboard alone, and the field for a message. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, HEARTBEAT_SECONDS: "0.3" },
  { pages: true },
);

beforeEach(() => upstream.reset());

const messageOf = (call) => call.body.messages.at(-1).content;
const field = (page) => page.getByLabel("Message", { exact: true });

/** The name of what has the focus. */
function focused(page) {
  return page.evaluate(() => {
    const { activeElement: element } = document;
    return element.ariaLabel ?? element.labels?.[0]?.textContent ?? element.textContent.trim();
  });
}

test("the page can be typed into at once; Enter sends, Shift+Enter starts a new line", async (t) => {
  const { page } = await visit(t, app.url);
  await page.keyboard.type("first line");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("second line");
  assert.equal(await field(page).inputValue(), "first line\nsecond line");
  assert.equal(upstream.calls.length, 0);
  await page.keyboard.press("Enter");
  const call = await upstream.nextCall();
  assert.equal(messageOf(call), "first line\nsecond line");
  assert.equal(await field(page).inputValue(), "");
  call.end(...answer("ok"));
  await exchangeOn(page).is("done");
});

test("Enter that accepts a word of an input method sends nothing", async (t) => {
  const { page } = await visit(t, app.url);
  const input = await page.context().newCDPSession(page);
  await input.send("Input.imeSetComposition", {
    text: "にほん",
    selectionStart: 3,
    selectionEnd: 3,
  });
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(".exchange").count(), 0);
  await input.send("Input.insertText", { text: "日本" });
  await page.keyboard.press("Enter");
  const call = await upstream.nextCall();
  assert.equal(messageOf(call), "日本");
  call.end(...answer("ok"));
});

test("a blank message is not sent", async (t) => {
  const { page } = await visit(t, app.url);
  await page.keyboard.press("Enter");
  await page.keyboard.type("  ");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(".exchange").count(), 0);
  assert.equal(await page.getByRole("button", { name: "Send" }).isDisabled(), true);
});

test("while an answer is coming, the next message can be written, and waits when it is sent", async (t) => {
  const { page } = await visit(t, app.url);
  await page.keyboard.type("one question");
  await page.keyboard.press("Enter");
  const call = await upstream.nextCall();
  await page.keyboard.type("another question");
  await page.keyboard.press("Enter");
  assert.equal(await field(page).inputValue(), "");
  await exchangeOn(page).is("queued");
  assert.equal(upstream.calls.length, 1);
  call.end(...answer("ok"));
  assert.equal(messageOf(await upstream.nextCall()), "another question");
});

test("Escape stops the answer", async (t) => {
  const { page } = await visit(t, app.url);
  await page.keyboard.type("a long question");
  await page.keyboard.press("Enter");
  const call = await upstream.nextCall();
  call.write(delta("Well"));
  await exchangeOn(page).shows("Well");
  await page.keyboard.press("Escape");
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  await exchangeOn(page).is("stopped");
});

test("Tab reaches everything on the page, in visual order", async (t) => {
  const { page } = await visit(t, app.url);
  await page.keyboard.type("show me code");
  await page.keyboard.press("Enter");
  (await upstream.nextCall()).end(...answer("```js\n1\n```\n\n[a link](https://example.com/)"));
  await exchangeOn(page).is("done");
  await exchangeOn(page).shows("a link");
  await page.getByRole("link", { name: "API" }).focus();
  const order = [await focused(page)];
  while (order.length < 11) {
    await page.keyboard.press("Tab");
    order.push(await focused(page));
  }
  assert.deepEqual(order, [
    "API (opens in a new tab)",
    "house",
    "Conversation",
    "Edit this message",
    "Copy code",
    "1",
    "a link",
    "Copy",
    "Another answer",
    "About this answer",
    "Message",
  ]);
});

test("stop, retry and settings work by keyboard, and the focus returns", async (t) => {
  const { page } = await visit(t, app.url);
  await page.keyboard.type("a question to stop");
  await page.keyboard.press("Enter");
  const call = await upstream.nextCall();
  call.open();
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Stop");
  await page.keyboard.press("Enter");
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  await exchangeOn(page).is("stopped");
  assert.equal(await focused(page), "Message");
  await page.keyboard.press("Shift+Tab");
  assert.equal(await focused(page), "Retry");
  await page.keyboard.press("Enter");
  (await upstream.nextCall()).end(...answer("ok"));
  await exchangeOn(page).is("done");
  assert.equal(await focused(page), "Message");

  await page.getByRole("button", { name: "Settings" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  assert.equal(await focused(page), "Longest answer, in tokens");
  await page.keyboard.type("100");
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "Settings");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").isVisible(), false);
});

test("an example is put into the field for the person to finish", async (t) => {
  const { page } = await visit(t, app.url);
  const example = page.getByRole("button", { name: "Explain how a suspension bridge" });
  await example.focus();
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "Message");
  await page.keyboard.type(", for a child");
  await page.keyboard.press("Enter");
  assert.equal(
    messageOf(await upstream.nextCall()),
    "Explain how a suspension bridge carries its load, for a child",
  );
});

test("a counter shows how many characters are left, counting an emoji as one", async (t) => {
  const { page } = await visit(t, app.url);
  const counter = page.locator("#counter");
  for (const [count, words] of [
    [7500, ""],
    [7501, "499 left"],
    [8000, "0 left"],
    [8001, "1 character too long"],
    [8002, "2 characters too long"],
  ]) {
    await field(page).fill("😀".repeat(count));
    assert.equal(await counter.textContent(), words);
  }
  await field(page).press("Enter");
  assert.equal(
    await page.locator(".exchange").count(),
    0,
    "a message that is too long is not sent",
  );
  assert.equal(await field(page).getAttribute("aria-invalid"), "true");
  await field(page).fill("😀".repeat(8000));
  await field(page).press("Enter");
  assert.equal(messageOf(await upstream.nextCall()), "😀".repeat(8000));
});
