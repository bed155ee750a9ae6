/** Long and odd answers leave the page responsive. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

/** Longest time that the page may take to react to a key or a finger, on a busy machine. */
const MAX_TASK_MS = 500;

/** Records how long the page's longest task takes, and returns a function that checks it. */
async function watchTasks(t, page) {
  await page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries())
        window.longest = Math.max(window.longest, duration);
    }).observe({ type: "longtask" });
  });
  return async () => {
    const longest = await page.evaluate(() => window.longest);
    t.diagnostic(`longest task: ${longest} ms`);
    assert.ok(longest <= MAX_TASK_MS, `the longest task took ${longest} ms`);
  };
}

const nextFrame = (page) => page.evaluate(() => new Promise(requestAnimationFrame));

test("the longest paragraph that is rendered does not freeze the page, whole or as it grows", async (t) => {
  // One text of each kind that is slow to parse; bounds.test.mjs counts the cost of the others.
  for (const piece of ["**a**", "[*a", "> - ", "``a`", "<a ", "a.b_"]) {
    await t.test(piece, async (t) => {
      const { page } = await visit(t, app.url);
      const checkTasks = await watchTasks(t, page);
      const text = `${piece.repeat(16_000 / piece.length).slice(0, 15_900)}x`;
      for (const size of [text.length, 1000]) {
        await say(page, `Please write something odd in pieces of ${size}`);
        const call = await upstream.nextCall();
        for (let at = 0; at < text.length; at += size) {
          call.write(delta(text.slice(at, at + size)));
          await nextFrame(page);
        }
        call.end(finish("stop"), done);
        await exchangeOn(page).isDrawn();
      }
      await checkTasks();
    });
  }
});

test("half a megabyte of text does not freeze the page, and all of it is shown", async (t) => {
  for (const [what, piece, start = ""] of [
    ["paragraphs", "A paragraph with *some* `words`, and [a link](https://example.com/).\n\n"],
    ["one word", "x".repeat(80)],
    ["one code block", "const a = 1; // code\n", "```\n"],
    ["one list", "- an item with *some* words\n"],
    ["one table", "| a | b | c |\n", "| a | b | c |\n|-|-|-|\n"],
    ["nested quotes", ">"],
    ["emphasis that is never closed", "*a **b "],
  ]) {
    await t.test(what, async (t) => {
      const { page } = await visit(t, app.url);
      const checkTasks = await watchTasks(t, page);
      const chunk = piece.repeat(Math.ceil(10_000 / piece.length));
      await say(page, "Please write a book");
      const call = await upstream.nextCall();
      call.write(delta(start));
      await call.flood(delta(chunk), 50);
      call.end(delta("\n\nThe end"), finish("stop"), done);
      await exchangeOn(page).isDrawn();
      const letters = (text) => text.replace(/[^a-z]/gi, "");
      const shown = await exchangeOn(page).answer.evaluate((node) => {
        for (const head of node.querySelectorAll(".code-head")) head.remove();
        return node.textContent;
      });
      const link = /\(https[^)]*\)/g;
      assert.equal(
        letters(shown).length,
        letters(`${(start + chunk.repeat(50)).replace(link, "")}The end`).length,
      );
      await checkTasks();
    });
  }
});

test("only so many tiny blocks are drawn at a time", async (t) => {
  const { page } = await visit(t, app.url);
  await page.evaluate(() => {
    window.mostAtOnce = 0;
    new MutationObserver((records) => {
      const added = records.map(({ addedNodes }) => addedNodes.length);
      window.mostAtOnce = Math.max(window.mostAtOnce, ...added);
    }).observe(document.body, { childList: true, subtree: true });
  });
  for (const [text, tag, expected] of [
    ["```\n".repeat(4000), "pre", 2000],
    ["---\n".repeat(2000), "hr", 2000],
    ["> a\n\n".repeat(2000), "blockquote", 2000],
  ]) {
    await t.test(tag, async () => {
      await say(page, "Please write something tiny");
      (await upstream.nextCall()).end(delta(`Words.\n\n${text}`), finish("stop"), done);
      const exchange = exchangeOn(page);
      await exchange.isDrawn();
      assert.equal(await exchange.answer.locator(tag).count(), expected);
      // Each of at most 100 blocks is followed by a line end.
      assert.ok((await page.evaluate(() => window.mostAtOnce)) <= 200);
    });
  }
});
