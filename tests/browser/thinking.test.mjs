/** What a model thinks before it answers is folded, and is no part of the answer. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { ThinkingSplitter, withoutThinking } from "../../public/chat/answer/thinking.js";
import { exchangeOn, openTab, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { answer, delta, done, event, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const server = await startKeptPage(upstream);
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

/** What a splitter makes of a text that comes in these pieces. */
function split(pieces) {
  const splitter = new ThinkingSplitter();
  let parts = [];
  for (const part of [...pieces.map((piece) => splitter.take(piece)), splitter.end()]) {
    if (part.takesBack) parts = parts.map(({ thinking }) => ({ thinking, answer: "" }));
    parts.push(part);
  }
  const joined = (name) => parts.map((part) => part[name]).join("");
  return [joined("thinking"), joined("answer")];
}

const TEXTS = [
  ["<think>Hm</think>Yes", "Hm", "Yes"],
  ["<think>\nHm\n</think>\n\nYes", "\nHm\n", "\n\nYes"],
  ["\n <Thinking>Hm</THINKING>Yes", "Hm", "Yes"],
  ["<reasoning>a < b </think> </reason</reasoning> c", "a < b </think> </reason", " c"],
  ["<think>Hm", "Hm", ""],
  ["<think>Hm</thi", "Hm</thi", ""],
  ["<think></think>Yes", "", "Yes"],
  ["<think>a</think><think>b</think>", "a", "<think>b</think>"],
  // The first tag is in the prompt.
  ["Hm\n</think>\n\nYes", "Hm\n", "\n\nYes"],
  ["Hm.</THINK>Yes", "Hm.", "Yes"],
  ["</think>Yes", "", "Yes"],
  ["Hm `a` b</think>Yes", "Hm `a` b", "Yes"],
  ["a ` b\n</think>Yes", "a ` b\n", "Yes"],
  ["```\n</think>\n```\nHm\n</think>Yes", "```\n</think>\n```\nHm\n", "Yes"],
  ["Hm</think>a</think>b", "Hm", "a</think>b"],
  // No thinking: the tag is code.
  ["Use `</think>` here", "", "Use `</think>` here"],
  ["```html\n</think>\n```\n", "", "```html\n</think>\n```\n"],
  ["~~~\na\n</think>", "", "~~~\na\n</think>"],
  ["Code:\n\n    </think>\n", "", "Code:\n\n    </think>\n"],
  // No thinking: the tag is not at the start, not complete or another one.
  ["Yes <think>Hm</think>", "", "Yes <think>Hm</think>"],
  ["<thin", "", "<thin"],
  ["<thinker>Hm</thinker>", "", "<thinker>Hm</thinker>"],
  ["<think >Hm</think>", "", "<think >Hm</think>"],
  [" \n ", "", " \n "],
  ["", "", ""],
];

test("thinking is told from the answer, however the text is split", async (t) => {
  for (const [text, thinking, words] of TEXTS) {
    await t.test(text, () => {
      assert.deepEqual(split([text]), [thinking, words]);
      assert.deepEqual(split(text.split("")), [thinking, words]);
      for (let at = 1; at < text.length; at += 1) {
        assert.deepEqual(split([text.slice(0, at), text.slice(at)]), [thinking, words], `at ${at}`);
      }
      assert.equal(withoutThinking(text), words.trimStart());
    });
  }
});

test("thinking is folded while it comes, and says how long it took", async (t) => {
  const { page } = await visit(t, app.url);
  await page.clock.install();
  await say(page, "Please think about it");
  const call = await upstream.nextCall();
  call.write(delta("<think>"), delta("First, **this**."));
  const fold = exchangeOn(page).answer.locator("details");
  await fold.getByText("Thinking…").waitFor();
  assert.equal(await fold.getAttribute("open"), null);
  assert.equal(await exchangeOn(page).element.locator(".waiting").isVisible(), false);
  await page.clock.runFor(71_600);
  call.write(delta(" Then that."));
  await fold.locator("summary").click();
  await page.clock.runFor(1000);
  await fold.getByText("First, this. Then that.").waitFor();
  assert.equal(await fold.locator("strong").textContent(), "this");
  call.write(delta("</think>\n\nThe answer"));
  await fold.getByText("Thought for 1 min 12 s").waitFor();
  assert.equal(await fold.getAttribute("open"), "", "what is being read stays open");
  call.end(finish("stop"), done);
  await page.clock.runFor(1000);
  await exchangeOn(page).is("done");
});

test("what turns out to be thinking moves into the fold, with the time it took", async (t) => {
  const { page } = await visit(t, app.url);
  await page.clock.install();
  await say(page, "Please think about it");
  const call = await upstream.nextCall();
  call.write(delta("First, **this**."));
  const { answer: shown } = exchangeOn(page);
  await shown.locator(":scope > .blocks").getByText("First, this.").waitFor();
  await page.clock.runFor(12_000);
  call.write(delta("\n</think>\n\nThe *answer*"));
  await page.clock.runFor(1000);
  await shown.getByText(/^Thought for 1\d s$/).waitFor();
  call.end(finish("stop"), done);
  await page.clock.runFor(1000);
  await exchangeOn(page).is("done");
  assert.equal(
    (await shown.locator(":scope > .blocks").allTextContents()).join("").trim(),
    "The answer",
  );
  await shown.locator("summary").click();
  await page.clock.runFor(1000);
  assert.equal(await shown.locator(".thought strong").textContent(), "this");
});

test("after a reload in its middle nobody knows how long it took", async (t) => {
  const { page } = await visit(t, server.url);
  await say(page, "Please think about it");
  const call = await upstream.nextCall();
  call.write(delta("<think>First this."));
  const fold = exchangeOn(page).answer.locator("details");
  await fold.getByText("Thinking…").click();
  await fold.getByText("First this.").waitFor();
  await page.reload();
  await fold.getByText("Thinking…").click();
  await fold.getByText("First this.").waitFor();
  await page.clock.install();
  await page.clock.fastForward(5000);
  call.write(delta(" Then that."));
  await page.clock.runFor(100);
  await fold.getByText("Then that.").waitFor();
  call.end(delta("</think>Yes"), finish("stop"), done);
  await page.clock.runFor(1000);
  await fold.getByText("Thought", { exact: true }).waitFor();
});

test("after a reload at its end nobody knows how long it took", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Please think about it");
  (await upstream.nextCall()).end(...answer("<think>Hm, *well*.</think>Yes"));
  await exchangeOn(page).isDrawn();
  await page.reload();
  const fold = exchangeOn(page).answer.locator("details");
  await fold.getByText("Thought", { exact: true }).click();
  await fold.getByText("Hm, well.").waitFor();
});

test("only the answer is copied and announced", async (t) => {
  const permissions = ["clipboard-read", "clipboard-write"];
  const { page } = await visit(t, app.url, { permissions });
  await say(page, "Please think about it");
  (await upstream.nextCall()).end(...answer("<think>Hm</think>\n\n**Yes**, it is."));
  await exchangeOn(page).isDrawn();
  assert.equal(await page.locator("#announcer").textContent(), "Yes, it is.");
  await page.getByRole("button", { name: "Copy", exact: true }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "**Yes**, it is.");
});

test("what a model thinks is as harmless as what it answers", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Please think about it");
  const hostile = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>';
  (await upstream.nextCall()).end(...answer(`<think>${hostile}</think>Yes`));
  await exchangeOn(page).isDrawn();
  const fold = exchangeOn(page).answer.locator("details");
  await fold.locator("summary").click();
  await fold.getByText("onerror").waitFor();
  assert.equal(await fold.locator("img, script").count(), 0);
  assert.equal(await page.evaluate(() => window.hurt), undefined);
});

/** An event with which the model's server tells apart what the model thinks. */
const thought = (reasoning) => event({ choices: [{ index: 0, delta: { reasoning } }] });

for (const [keeper, url] of [
  ["the service", server.url],
  ["the browser", app.url],
]) {
  test(`what a server tells apart is folded, kept by ${keeper}, and not sent again`, async (t) => {
    const { page } = await visit(t, url);
    await say(page, "Please think about it");
    const call = await upstream.nextCall();
    call.write(thought("First, **this**."));
    const fold = exchangeOn(page).answer.locator("details");
    await fold.getByText("Thinking…").click();
    await fold.getByText("First, this.").waitFor();
    assert.equal(await exchangeOn(page).element.locator(".waiting").isVisible(), false);
    const tab = await openTab(page, page.url());
    const other = exchangeOn(tab).answer.locator("details");
    await other.getByText("Thinking…").click();
    await other.getByText("First, this.").waitFor();
    call.end(thought(" Then that."), delta("The answer"), finish("stop"), done);
    for (const each of [page, tab]) {
      await exchangeOn(each).isDrawn();
      await exchangeOn(each).answer.getByText("First, this. Then that.").waitFor();
      assert.equal(await exchangeOn(each).answer.locator("details").count(), 1);
      await exchangeOn(each).answer.getByText("The answer", { exact: true }).waitFor();
    }
    await page.reload();
    await fold.getByText("Thought", { exact: true }).click();
    await fold.getByText("First, this. Then that.").waitFor();
    await exchangeOn(page).answer.getByText("The answer", { exact: true }).waitFor();
    await say(page, "And now?");
    const next = await upstream.nextCall();
    assert.deepEqual(
      next.body.messages.slice(1).map(({ content }) => content),
      ["Please think about it", "The answer", "And now?"],
    );
    next.end(...answer("Yes"));
    await exchangeOn(page).is("done");
  });
}

test("a reload while the model thinks loses nothing of it where the browser keeps it", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Please think about it");
  const call = await upstream.nextCall();
  call.write(thought("First this."));
  const fold = exchangeOn(page).answer.locator("details");
  await fold.getByText("Thinking…").waitFor();
  await page.reload();
  await exchangeOn(page).is("interrupted");
  await fold.locator("summary").click();
  await fold.getByText("First this.").waitFor();
});
