/** Conversations on the page: answers, stopping, history, settings, reloads and scrolling. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, delta, done, finish, startUpstream, usage } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, OPENAI_MODEL: "house", HEARTBEAT_SECONDS: "0.3" },
  { pages: true },
);

beforeEach(() => upstream.reset());

/** Has a question answered. */
async function converse(page, question, ...parts) {
  await say(page, question);
  (await upstream.nextCall()).end(...parts);
  await exchangeOn(page).is("done");
}

test("an answer appears as it streams", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Tell me about bridges");
  const exchange = exchangeOn(page);
  assert.equal(await exchange.question.textContent(), "Tell me about bridges");
  const call = await upstream.nextCall();
  call.write(delta("They carry "));
  await exchange.shows("They carry");
  await exchange.is("streaming");
  assert.equal(await exchange.answer.textContent(), "They carry \n");
  assert.equal(await exchange.figures.isVisible(), false);
  assert.equal(await exchange.again.isVisible(), false);
  call.write(delta("**loads**"));
  await exchange.shows("They carry loads");
  call.end(delta("."), finish("stop"), usage(1234, 5), done);
  await exchange.is("done");
  await exchange.shows("They carry loads.");
  assert.match(
    await exchange.figures.textContent(),
    /^(?:house · )?1,234 tokens in, 5 out · first token after (\d+ ms|\d+\.\d s)$/,
  );
  assert.equal(await exchange.ending.textContent(), "");
  assert.equal(await exchange.retry.isVisible(), false);
});

test("an answer is signed by the model that gave it, where another one was asked for", async (t) => {
  const falling = await startWorker(
    { OPENAI_BASE_URL: upstream.url, OPENAI_MODEL: "house", FALLBACK_MODELS: "guest" },
    { pages: true },
  );
  const { page } = await visit(t, falling.url);
  await say(page, "Who are you?");
  (await upstream.nextCall()).respond(402, "");
  (await upstream.nextCall()).end(...answer("I am a guest"));
  const exchange = exchangeOn(page);
  await exchange.is("done");
  assert.match(await exchange.figures.textContent(), /^guest · first token after/);
});

test("only the finished answer is announced", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Hello there, assistant");
  const call = await upstream.nextCall();
  call.write(delta("Good "));
  await exchangeOn(page).shows("Good");
  const status = page.getByRole("status");
  assert.equal(await status.textContent(), "");
  call.end(delta("morning to `you`"), finish("stop"), done);
  await status.filter({ hasText: "Good morning to you" }).waitFor();
});

test("what is announced pauses between items, cells and lines", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Hello there, list something");
  const text = "- one\n- two\n\n| a | b |\n|-|-|\n| c | d |\n\nthree<br>four";
  (await upstream.nextCall()).end(...answer(text));
  const status = page.getByRole("status");
  await status.filter({ hasText: "four" }).waitFor();
  assert.deepEqual((await status.textContent()).split("\n"), [
    ...["one", "two", "a", "b", "c", "d", "three", "four"],
  ]);
});

test("the page says how an answer ended, unless the model finished it", async (t) => {
  const { page } = await visit(t, app.url);
  const frame = (fields) => `data: ${JSON.stringify({ correlation_id: "x", ...fields })}\n\n`;
  for (const [reason, words] of [
    ["stop", ""],
    ["length", "Cut off at the length limit"],
    ["content_filter", "Stopped by the content filter"],
    ["refusal", "Declined by the model"],
    ["tool_calls", "The model asked for a tool, which this assistant does not have"],
    ["other", "Ended for an unknown reason"],
    ["a-reason-of-tomorrow", "Ended for an unknown reason"],
    ["constructor", "Ended for an unknown reason"],
  ]) {
    const body =
      frame({ content: "Hi", sequence: 0, is_final: false }) +
      frame({ content: "", sequence: 1, is_final: true, finish_reason: reason });
    const contentType = "text/event-stream; charset=utf-8";
    await page.route("**/chat", (route) => route.fulfill({ contentType, body }));
    await say(page, `Hello, ending with ${reason}`);
    const exchange = exchangeOn(page);
    await exchange.is("done");
    assert.equal(await exchange.ending.textContent(), words);
    assert.equal(await exchange.failure.isVisible(), false);
    await page.unroute("**/chat");
  }
});

test("stop ends the call to the model and keeps what has arrived", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Write a novel");
  const call = await upstream.nextCall();
  call.write(delta("It was a dark night"));
  const exchange = exchangeOn(page);
  await exchange.shows("It was a dark night");
  await page.getByRole("button", { name: "Stop" }).click();
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  await exchange.is("stopped");
  assert.equal(await exchange.answer.textContent(), "It was a dark night\n");
  assert.equal(await exchange.ending.textContent(), "Stopped");
  await exchange.retry.click();
  (await upstream.nextCall()).end(...answer("It was a bright day"));
  await exchange.is("done");
  await exchange.shows("It was a bright day");
  assert.doesNotMatch(await exchange.answer.textContent(), /dark/);
});

test("stop works when the model's server has answered, before the first word", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Think about it");
  const call = await upstream.nextCall();
  call.open();
  await page.getByRole("button", { name: "Stop" }).click();
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  await exchangeOn(page).is("stopped");
});

test("earlier turns are sent along", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "What is the capital of Peru?", ...answer("Li", "ma"));
  await converse(page, "  And of Chile? 🇨🇱\n", ...answer("Santiago"));
  assert.equal(await page.locator(".exchange").count(), 2);
  const [, { body }] = upstream.calls;
  assert.deepEqual(body.messages, [
    { role: "system", content: "You are a helpful assistant." },
    { role: "user", content: "What is the capital of Peru?" },
    { role: "assistant", content: "Lima" },
    { role: "user", content: "And of Chile? 🇨🇱" },
  ]);
  assert.equal(body.model, "house");
  assert.equal(body.max_tokens, 2000);
});

test("a history that is too long is trimmed, and the page shows where", async (t) => {
  const { page } = await visit(t, app.url);
  for (const letter of "abcde") {
    await converse(page, letter.repeat(4000), ...answer(letter.repeat(4000)));
  }
  await converse(page, "Where were we?", ...answer("Here"));
  const { messages } = upstream.calls.at(-1).body;
  assert.deepEqual(
    messages.slice(1).map(({ content }) => content[0]),
    [..."bbccddee", "W"],
  );
  const texts = await page.locator("#exchanges > li .question p, .forgotten").allTextContents();
  assert.deepEqual(
    texts.map((text) => text[0]),
    ["a", "T", "b", "c", "d", "e", "W"],
  );
  assert.equal(
    texts[1],
    "The conversation is long: the assistant no longer sees what is above this line",
  );
  await page.reload();
  await page.locator(".exchange + .forgotten + .exchange").waitFor();
});

test("the settings are sent with each message and survive a reload", async (t) => {
  const { page } = await visit(t, app.url);
  // Without a list of models, the settings take the model's name.
  await page.route("**/models", (route) => route.fulfill({ json: {} }));
  await page.reload();
  const open = async () => {
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("dialog").waitFor();
  };
  await open();
  await page.getByLabel("Model", { exact: true }).fill("openai/gpt-x:1");
  await page.getByLabel("Longest answer, in tokens").fill("many");
  await page.getByRole("button", { name: "Save" }).click();
  assert.equal(
    await page.locator("#settings-problem").textContent(),
    "The longest answer must be a whole number of at least 1. Correct it, or leave it empty for the default.",
  );
  await page.getByLabel("Longest answer, in tokens").fill("77");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await converse(page, "Hello there", ...answer("Hi"));
  await page.reload();
  await converse(page, "Hello again", ...answer("Hi"));
  for (const { body } of upstream.calls) {
    assert.equal(body.model, "openai/gpt-x:1");
    assert.equal(body.max_tokens, 77);
  }
  await open();
  assert.equal(await page.getByLabel("Model", { exact: true }).inputValue(), "openai/gpt-x:1");
  await page.getByLabel("Model", { exact: true }).fill("");
  await page.getByLabel("Longest answer, in tokens").fill("");
  await page.getByRole("button", { name: "Save" }).click();
  await converse(page, "Hello once more", ...answer("Hi"));
  assert.equal(upstream.calls.at(-1).body.model, "house");
});

test("a conversation survives a reload and can be continued", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "Remember the **number** 7", ...answer("I do, *gladly*"));
  await page.reload();
  const exchange = exchangeOn(page);
  assert.equal(await exchange.question.textContent(), "Remember the **number** 7");
  await exchange.shows("I do, gladly");
  await converse(page, "Which number?", ...answer("7"));
  assert.deepEqual(
    upstream.calls
      .at(-1)
      .body.messages.slice(1)
      .map(({ content }) => content),
    ["Remember the **number** 7", "I do, *gladly*", "Which number?"],
  );
});

test("a reader who has scrolled up stays there while the answer grows", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Write a long list");
  const call = await upstream.nextCall();
  call.write(delta("A line\n\n".repeat(60)));
  const exchange = exchangeOn(page);
  const lines = (count) =>
    page.waitForFunction((n) => document.querySelectorAll(".answer p").length === n, count);
  await lines(60);
  const scroller = page.locator("#scroller");
  const left = () => scroller.evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight);
  assert.ok((await left()) < 2, "the end is in sight");
  await scroller.evaluate((it) => it.scrollTo(0, 100));
  const jump = page.getByRole("button", { name: "Jump to latest" });
  await jump.waitFor();
  call.end(delta("Another line\n\n".repeat(60)), finish("stop"), done);
  await exchange.is("done");
  await lines(120);
  assert.equal(await scroller.evaluate((it) => it.scrollTop), 100);
  await jump.click();
  await jump.waitFor({ state: "hidden" });
  assert.ok((await left()) < 2, "the end is in sight again");
});
