/** The whole conversation is printed, and nothing that could only be clicked. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

const LONG = "word ".repeat(60);
const ANSWER =
  `<think>Hm, **hm**.</think>\n\n# Title\n\n${`${LONG}\n\n`.repeat(30)}[a link](https://example.com/page)\n\n` +
  `https://example.com/bare\n\n\`\`\`text\n${"x".repeat(300)}\n\`\`\`\n\n| ${"a | ".repeat(30)}\n|${"-|".repeat(30)}\n`;

async function printed(t, options) {
  const { page } = await visit(t, app.url, options);
  await say(page, "Please write something long");
  (await upstream.nextCall()).end(...answer(ANSWER));
  await exchangeOn(page).isDrawn();
  return page;
}

test("all of a long conversation is on paper, none of it cut off", async (t) => {
  const page = await printed(t);
  await page.emulateMedia({ media: "print" });
  const { all, width, clipped } = await page.evaluate(() => {
    const boxes = Array.from(document.querySelectorAll(".answer *"));
    return {
      all: document.documentElement.scrollHeight - document.querySelector(".exchange").scrollHeight,
      width: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      clipped: boxes
        .filter((each) => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0)
        .filter((each) => getComputedStyle(each).overflowX !== "visible")
        .map((each) => each.className),
    };
  });
  assert.ok(all >= 0 && all < 200, "the page is as high as the conversation");
  assert.ok(width <= 0, `${width} px too wide`);
  assert.deepEqual(clipped, []);
});

test("buttons, fields and the sidebar are not printed; who speaks is", async (t) => {
  const page = await printed(t);
  await page.emulateMedia({ media: "print" });
  for (const each of await page.locator("button, textarea, input, summary + button").all()) {
    assert.equal(await each.isVisible(), false, await each.evaluate((node) => node.outerHTML));
  }
  for (const name of ["You", "Assistant"]) {
    const box = await exchangeOn(page)
      .element.getByRole("heading", { name, exact: true })
      .boundingBox();
    assert.ok(box.height > 8 && box.width > 8, name);
  }
});

test("links tell where they lead, unless they say so already", async (t) => {
  const page = await printed(t);
  await page.emulateMedia({ media: "print" });
  const after = (name) =>
    page.getByRole("link", { name }).evaluate((node) => getComputedStyle(node, "::after").content);
  assert.equal(await after("a link"), '" (https://example.com/page)"');
  assert.equal(await after("https://example.com/bare"), "none");
});

test("what was thought is unfolded for paper, and folded again", async (t) => {
  const page = await printed(t);
  const fold = exchangeOn(page).answer.locator("details");
  await page.evaluate(() => {
    window.unfolded = [];
    addEventListener("beforeprint", () => {
      const { open, textContent } = document.querySelector("details.thinking");
      window.unfolded.push([open, textContent.trim()]);
    });
  });
  const pdf = await page.pdf();
  assert.deepEqual(await page.evaluate(() => window.unfolded), [[true, "ThoughtHm, hm."]]);
  assert.equal(await fold.getAttribute("open"), null);
  assert.ok(pdf.toString("latin1").match(/\/Type \/Page\b/g).length >= 3, "several sheets");
});

test("the dark theme is printed dark on white", async (t) => {
  const page = await printed(t, { colorScheme: "dark" });
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  const colour = await exchangeOn(page)
    .answer.locator("p")
    .first()
    .evaluate((node) => getComputedStyle(node).color);
  assert.equal(colour, "rgb(31, 30, 28)");
});

test("a version that is printed as soon as it is shown has its formulas", async (t) => {
  const { page } = await visit(t, app.url);
  const text = Array.from({ length: 30 }, (_, n) => `\\(x_{${n}}\\)`).join(" ");
  await say(page, "Please calculate");
  (await upstream.nextCall()).end(...answer(text));
  await exchangeOn(page).answer.locator(".katex").nth(29).waitFor();
  await exchangeOn(page).is("done");
  await exchangeOn(page).again.click();
  (await upstream.nextCall()).end(...answer("Nothing"));
  await exchangeOn(page).is("done");
  const previous = page.getByRole("button", { name: "Previous version of the answer" });
  const drawn = await previous.evaluate((button) => {
    button.click();
    dispatchEvent(new Event("beforeprint"));
    return document.querySelectorAll(".katex").length;
  });
  assert.equal(drawn, 30);
});
