/** A text of a megabyte in the field costs no more for each key than the browser's own work. */
import assert from "node:assert/strict";
import test from "node:test";
import { characters } from "../../public/chat/history.js";
import { visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";

const app = await startWorker({ OPENAI_BASE_URL: "http://127.0.0.1:9/v1" }, { pages: true });

const LONG = "a word 🎉 and more\n".repeat(50_000);

test("a long draft is saved when the typing pauses or the page goes, not for each key", async (t) => {
  const { page } = await visit(t, app.url);
  const field = page.getByLabel("Message", { exact: true });
  await page.evaluate((text) => {
    window.saved = 0;
    const { setItem } = Storage.prototype;
    Storage.prototype.setItem = function (key, value) {
      if (key.startsWith("draft")) window.saved += 1;
      setItem.call(this, key, value);
    };
    const field = document.querySelector("#message");
    field.value = text;
    for (let key = 0; key < 20; key += 1) {
      field.setRangeText("x", field.value.length, field.value.length, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }, LONG);
  assert.equal(await page.evaluate(() => window.saved), 0);
  await page.reload();
  assert.equal(await field.inputValue(), `${LONG}${"x".repeat(20)}`);
});

test("the characters of a long text are counted as of a short one", () => {
  for (const text of ["", "a", "🎉", "a🎉\ud83c", "\ude00\ud83c", "e\u0301", LONG]) {
    assert.equal(characters(text), [...text].length);
  }
});
