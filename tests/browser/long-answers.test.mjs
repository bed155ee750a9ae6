/** Long and odd answers leave the page responsive. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

/**
 * Most letters and nodes that are drawn at a time. Between two of these pieces, the page looks at the clock and leaves
 * the rest for the next frame.
 */
const MAX_LETTERS = 16_500;
const MAX_NODES = 10_000;

/** Records the largest pieces that are drawn, and returns a function that checks them. */
async function watchPieces(t, page) {
  await page.evaluate(() => {
    window.most = { letters: 0, nodes: 0, longestTask: 0 };
    const count = (what, number) => {
      window.most[what] = Math.max(window.most[what], number);
    };
    new MutationObserver((records) => {
      for (const { addedNodes, oldValue, target } of records) {
        if (oldValue !== null) count("letters", target.length - oldValue.length);
        for (const node of addedNodes) {
          // These are added empty. Each growth counts by itself.
          const grows = ".exchange, .blocks, .plain-text, .code, .lines";
          if (node.nodeType !== Node.ELEMENT_NODE || node.matches(grows)) continue;
          count("nodes", node.querySelectorAll("*").length);
          count("letters", node.textContent.length);
        }
      }
    }).observe(document.querySelector("#exchanges"), {
      childList: true,
      characterData: true,
      characterDataOldValue: true,
      subtree: true,
    });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) count("longestTask", Math.round(duration));
    }).observe({ type: "longtask" });
  });
  return async () => {
    const { letters, nodes, longestTask } = await page.evaluate(() => window.most);
    t.diagnostic(`at most ${letters} letters, ${nodes} nodes; longest task: ${longestTask} ms`);
    assert.ok(letters <= MAX_LETTERS, `${letters} letters at a time`);
    assert.ok(nodes <= MAX_NODES, `${nodes} nodes at a time`);
  };
}

const nextFrame = (page) => page.evaluate(() => new Promise(requestAnimationFrame));

test("the longest paragraph that is rendered does not freeze the page, whole or as it grows", async (t) => {
  // One text of each kind that is slow to parse; bounds.test.mjs counts the cost of the others.
  for (const piece of ["**a**", "[*a", "> - ", "``a`", "<a ", "a.b_"]) {
    await t.test(piece, async (t) => {
      const { page } = await visit(t, app.url);
      const checkPieces = await watchPieces(t, page);
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
      await checkPieces();
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
      const checkPieces = await watchPieces(t, page);
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
      await checkPieces();
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
