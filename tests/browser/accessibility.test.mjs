/** The page for those who see it badly or not at all, in each of its states and both themes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, delta, done, finish, startUpstream, usage } from "../support/upstream.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const upstream = await startUpstream();
const bindings = { OPENAI_BASE_URL: upstream.url, MAX_RETRIES: "0" };
const app = await startWorker(bindings, { pages: true });
const locked = await startWorker(
  { ...bindings, ACCESS_TOKENS: "me:owner-token-0123456789" },
  { pages: true },
);
const expected = /^Failed to load resource/;

beforeEach(() => upstream.reset());

const ANSWER =
  "# Title\n\nWords, `code` and [a link](https://example.com/).\n\n- item\n- [x] done\n\n> quote\n\n" +
  "```js\nconst a = 1;\n```\n\n| a | b |\n|-|-|\n| 1 | 2 |";

/** Shows that the page has no finding that would keep a person from using it. */
async function assertAccessible(page) {
  // The debugger's way in is not the page's: its policy stays as it is.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const findings = violations.flatMap(({ id, impact, nodes }) =>
    ["serious", "critical"].includes(impact)
      ? nodes.map((node) => `${id}: ${node.html}: ${node.failureSummary}`)
      : [],
  );
  assert.deepEqual(findings, []);
}

/** Each state of the page, by how it comes about. @type {Record<string, (page: any) => Promise<unknown>>} */
const STATES = {
  empty: async () => {},
  answered: async (page) => {
    await say(page, "Write something rich");
    (await upstream.nextCall()).end(delta(ANSWER), finish("length"), usage(3, 4), done);
    await exchangeOn(page).is("done");
    await exchangeOn(page).shows("Title");
  },
  streaming: async (page) => {
    await say(page, "Write something slowly");
    (await upstream.nextCall()).write(delta("Words that"));
    await exchangeOn(page).shows("Words that");
  },
  failed: async (page) => {
    await say(page, "Write something wrong");
    (await upstream.nextCall()).respond(500, {});
    await exchangeOn(page).is("failed");
  },
  trimmed: async (page) => {
    for (const letter of "abcdef") {
      await say(page, letter.repeat(4000));
      (await upstream.nextCall()).end(...answer(letter.repeat(4000)));
      await exchangeOn(page).is("done");
    }
    await page.locator(".forgotten").waitFor();
  },
  "too long": async (page) => {
    await page.getByLabel("Message", { exact: true }).fill("x".repeat(8001));
  },
  settings: async (page) => {
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Model").fill("not a model");
    await page.getByRole("button", { name: "Save" }).click();
  },
};

// Neither theme knows of the size, nor the size of the theme: two looks show both.
for (const [name, look] of Object.entries({
  "light, desktop": { colorScheme: "light", viewport: { width: 1280, height: 800 }, expected },
  "dark, phone": { colorScheme: "dark", viewport: { width: 390, height: 844 }, expected },
})) {
  for (const [state, reach] of Object.entries(STATES)) {
    test(`${state}, ${name}`, async (t) => {
      const { page } = await visit(t, app.url, look);
      await reach(page);
      await assertAccessible(page);
      const overflows = await page.evaluate(
        () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
      );
      assert.equal(overflows, false, "nothing is wider than the page");
    });
  }
  test(`asking for the token, ${name}`, async (t) => {
    const { page } = await visit(t, locked.url, look);
    await say(page, "Hello from outside");
    const field = page.getByLabel("Your token");
    await field.fill("wrong-token-0123456789");
    await field.press("Enter");
    await page.getByRole("alert").filter({ hasText: "not accepted" }).waitFor();
    await assertAccessible(page);
  });
}
