/** Answers in languages that are written from right to left, and what is wider than the page. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

async function shown(page, text) {
  await say(page, "Please write something");
  (await upstream.nextCall()).end(...answer(text));
  await exchangeOn(page).isDrawn();
  return exchangeOn(page).answer;
}

/** The direction of an element, and the side that its text is on. */
const sideOf = (locator) =>
  locator.first().evaluate((node) => {
    const { direction, textAlign } = getComputedStyle(node);
    const isRight = textAlign === "right" || (textAlign === "start" && direction === "rtl");
    return [direction, isRight ? "right" : "left"];
  });

test("each block is read from the side where it begins, and code from the left", async (t) => {
  const { page } = await visit(t, app.url);
  const element = await shown(
    page,
    "שלום world\n\nHello עולם\n\n`code` ואז מילים\n\n- פריט\n- item\n  - inner\n\n1. one\n\n> ציטוט\n\n" +
      "| עמודה | b |\n|-|-|\n| words, here | 2 |\n\n```js\n// הערה\n```\n\n\\(x\\) הוא מספר\n\n$$\ny\n$$",
  );
  await element.locator(".katex").nth(1).waitFor();
  const right = ["rtl", "right"];
  const left = ["ltr", "left"];
  for (const [name, expected] of Object.entries({
    "p:has-text('שלום')": right,
    "p:has-text('Hello')": left,
    "p:has-text('ואז')": right,
    "ul > li": right,
    "ul > li:has-text('item')": right,
    "ol > li": left,
    "blockquote p": right,
    th: right,
    "td:has-text('words')": right,
    pre: left,
    "p:has-text('מספר')": right,
    ".formula": left,
    ".formula.display": left,
  })) {
    assert.deepEqual(await sideOf(element.locator(name)), expected, name);
  }
  const [list, marker] = await element
    .locator("ul")
    .first()
    .evaluate((node) => {
      const { paddingRight, paddingLeft } = getComputedStyle(node);
      return [Number.parseFloat(paddingRight), Number.parseFloat(paddingLeft)];
    });
  assert.ok(list > 0 && marker === 0, "the list's marks are on its right");
});

test("a wide table scrolls by itself, and shows that there is more", async (t) => {
  const { page } = await visit(t, app.url, { viewport: { width: 390, height: 844 } });
  const cells = "| some words ".repeat(12);
  const element = await shown(
    page,
    `${cells}|\n${"|-".repeat(12)}|\n${cells}|\n\n| a | b |\n|-|-|\n| 1 | 2 |`,
  );
  const [wide, narrow] = await element.locator(".table").all();
  const shadesOf = async (table) => {
    const { data, width } = await columns(table);
    return { left: data[0], right: data[width - 1] };
  };
  const atStart = await shadesOf(wide);
  assert.ok(atStart.right < atStart.left, "a shade on the right");
  await wide.evaluate((node) => node.scrollTo(10_000, 0));
  const atEnd = await shadesOf(wide);
  assert.ok(atEnd.left < atEnd.right, "a shade on the left");
  const still = await shadesOf(narrow);
  assert.equal(still.left, still.right, "no shade where there is no more");
});

/** How light each column of a table's lower edge is on the screen. */
async function columns(table) {
  const picture = await table.screenshot();
  return table.page().evaluate(async (bytes) => {
    const image = await createImageBitmap(new Blob([new Uint8Array(bytes)], { type: "image/png" }));
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 6, image.width, 1);
    return {
      width: image.width,
      data: Array.from({ length: image.width }, (_, at) => data[4 * at]),
    };
  }, Array.from(picture));
}

test("what is written is read from the side where it begins", async (t) => {
  const { page } = await visit(t, app.url);
  const field = page.getByLabel("Message", { exact: true });
  await field.fill("שלום world");
  assert.deepEqual(await sideOf(field), ["rtl", "right"]);
  await field.fill("Hello עולם");
  assert.deepEqual(await sideOf(field), ["ltr", "left"]);
  await field.fill("");
  await shown(page, "שלום");
  await exchangeOn(page).edit.click();
  const edit = page.getByLabel("Edit your message");
  await edit.fill("שלום world");
  assert.deepEqual(await sideOf(edit), ["rtl", "right"]);
});
