/** Code in an answer: read and drawn once while it grows, coloured by a worker, copied to the letter. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { Marked } from "marked";
import { Fence } from "../../public/chat/answer/fence.js";
import { findings } from "../support/axe.mjs";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { settle } from "../support/late.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

/** The code of a block that comes in these pieces, and what follows it. */
function read(pieces) {
  let waiting = "";
  let opened;
  let code = "";
  let isClosed = false;
  for (const [at, piece] of pieces.entries()) {
    waiting += piece;
    if (!opened) {
      opened = Fence.open(waiting);
      waiting = waiting.slice(opened?.length ?? 0);
    }
    const isRest = at === pieces.length - 1;
    if (!opened || isClosed || (waiting === "" && !isRest)) continue;
    const step = opened.fence.read(waiting, isRest);
    code += step.code;
    waiting = waiting.slice(step.length);
    isClosed = step.isClosed;
  }
  return { language: opened?.language, code, rest: waiting };
}

test("a block that grows is read as Markdown reads it, however it is split", async (t) => {
  for (const text of [
    "```js\na\n```\nb",
    "\n\n~~~ py x=1\na\n```\n~~~~  \nb",
    "````\n```\na\n```\n````",
    "```\na ```\n  ```\nb",
    "```\n    ```\n```",
    "```\n\n\na\n\n```\n",
    "```\n```\nb",
    "```js\na\nb",
    "```js\na\n``",
    "```js\na\n`` b\n```",
    "```js\n`\n``\n```",
    "```\na\n```js\nb\n```",
  ]) {
    await t.test(text, () => {
      const [token] = new Marked().lexer(text).filter(({ type }) => type === "code");
      const known = {
        language: token.lang.match(/^\S*/)[0],
        code: token.text && `${token.text.replace(/\n$/, "")}\n`,
      };
      for (const pieces of [[text], text.split(""), text.match(/[\s\S]{1,3}/g)]) {
        const { language, code } = read(pieces);
        assert.deepEqual({ language, code: code === "" ? "" : code.replace(/\n?$/, "\n") }, known);
      }
    });
  }
});

test("what is no fence is left to Markdown", () => {
  for (const text of ["```js", "``\na\n", "``` a`b\n", "  ```\n", "a\n```\n", "> ```\n"]) {
    assert.equal(Fence.open(text), undefined, text);
  }
});

/** Gets an answer, and waits until all of it is drawn. */
async function shown(page, ...frames) {
  await say(page, "Please write code");
  (await upstream.nextCall()).end(...frames);
  await exchangeOn(page).isDrawn();
  return exchangeOn(page).answer;
}

/** The coloured words of a code block. */
const coloured = (block) =>
  block
    .locator("[class^=c-]")
    .evaluateAll((all) => all.map((each) => [each.className.slice(2), each.textContent]));

test("code is coloured in the language that the model names", async (t) => {
  const { page } = await visit(t, app.url);
  for (const [language, code, expected] of [
    [
      "js",
      'const a = "b"; // c',
      [
        ["keyword", "const"],
        ["string", '"b"'],
        ["comment", "// c"],
      ],
    ],
    [
      "Python",
      "def f(): pass",
      [
        ["keyword", "def"],
        ["title", "f"],
        ["keyword", "pass"],
      ],
    ],
    [
      "shell",
      'echo "$HOME"',
      [
        ["type", "echo"],
        ["string", '"'],
        ["property", "$HOME"],
        ["string", '"'],
      ],
    ],
    [
      "html",
      "<b>a</b>",
      [
        ["keyword", "b"],
        ["keyword", "b"],
      ],
    ],
    [
      "diff",
      "+a\n-b",
      [
        ["added", "+a"],
        ["removed", "-b"],
      ],
    ],
  ]) {
    await t.test(language, async () => {
      const block = (await shown(page, ...answer(`\`\`\`${language}\n${code}\n\`\`\``))).locator(
        ".code",
      );
      await block.locator("[class^=c-]").first().waitFor();
      assert.deepEqual(await coloured(block), expected);
      assert.equal(await block.locator("pre").textContent(), `${code}\n`);
    });
  }
});

test("code in a language that is not known, or in none, is shown as it is", async (t) => {
  const { page, requests } = await visit(t, app.url);
  const text = ["klingon", "constructor", "__proto__", "../x", ""].map(
    (name) => `\`\`\`${name}\nif 1\n\`\`\`\n`,
  );
  const block = await shown(page, ...answer(`${text.join("\n")}\n\`\`\`js\nif (1);\n\`\`\``));
  await block.locator(".c-keyword").waitFor();
  assert.equal(await block.locator("[class^=c-]").count(), 2, "only the last block is coloured");
  assert.deepEqual(
    requests.filter((each) => /klingon|constructor|proto|%2e/i.test(each)),
    [],
  );
});

test("what colours code is loaded with the first code", async (t) => {
  const { page, requests } = await visit(t, app.url);
  const scripts = () => requests.filter((each) => each.endsWith(".js")).length;
  await shown(page, ...answer("No code, and no formula"));
  const before = scripts();
  const block = await shown(page, ...answer("```js\nif (1);\n```"));
  await block.locator(".c-keyword").waitFor();
  assert.ok(scripts() > before);
});

test("code whose colours cannot be loaded stays plain, asks for them now and then, and gets them once they can be", async (t) => {
  const { page } = await visit(t, app.url, { expected: /^Failed to load resource/ });
  const style = "**/assets/chat/answer-*.css";
  let refused = 0;
  await page.context().route(style, (route) => {
    // The service worker loads its own.
    if (route.request().serviceWorker()) return route.continue();
    refused += 1;
    return route.abort();
  });
  await page.clock.install();
  await say(page, "Please write code");
  const call = await upstream.nextCall();
  call.write(delta("```js\nif (0);\n"));
  const block = exchangeOn(page).answer.locator(".code");
  while (refused < 3) {
    await page.clock.runFor(2_000);
    await settle(page);
  }
  // By now it waits for longer than all of these lines take.
  for (let line = 1; line <= 20; line += 1) {
    call.write(delta(`if (${line});\n`));
    await block.getByText(`if (${line});`).waitFor();
  }
  assert.ok(refused <= 4, `${refused} requests`);
  assert.equal(await block.locator("[class^=c-]").count(), 0);
  await page.context().unroute(style);
  await page.clock.runFor(60_000);
  await block.locator(".c-keyword").nth(20).waitFor();
  const colourOf = (element) => element.evaluate((it) => getComputedStyle(it).color);
  const keyword = block.locator(".c-keyword").first();
  assert.notEqual(await colourOf(keyword), await colourOf(block.locator("pre")));
  call.end(finish("stop"), done);
});

test("code that came without its colours gets them once there is a connection", async (t) => {
  const { page } = await visit(t, app.url, { expected: /ERR_FAILED/ });
  await page.route("**/assets/colours-*", (route) => route.abort(), { times: 1 });
  const failed = page.waitForEvent("requestfailed");
  const block = await shown(page, ...answer("```js\nif (1);\n```"));
  await failed;
  assert.equal(await block.locator("pre").textContent(), "if (1);\n");
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await block.locator(".c-keyword").waitFor();
});

test("code is coloured while it grows, and its button and its place stay", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Please write code");
  const call = await upstream.nextCall();
  call.write(delta("Look:\n\n```js\n"), delta("const first = 1;\nlet "));
  const block = exchangeOn(page).answer.locator(".code");
  await block.locator(".c-keyword", { hasText: "const" }).waitFor();
  const handle = await block.elementHandle();
  await block.getByRole("button").focus();
  call.write(delta("second = /* a\n"), delta("b */ 2;\n```\n\nThat is all"));
  await exchangeOn(page).shows("That is all");
  await block.locator(".c-comment", { hasText: "/* a\nb */" }).waitFor();
  assert.equal(await handle.evaluate((node) => node.isConnected), true);
  assert.equal(
    await block.getByRole("button").evaluate((node) => node === document.activeElement),
    true,
  );
  call.end(finish("stop"), done);
  await exchangeOn(page).is("done");
  assert.equal(
    await block.locator("pre").textContent(),
    "const first = 1;\nlet second = /* a\nb */ 2;\n",
  );
});

test("code in a list keeps its colours while the list grows", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Please write a list");
  const call = await upstream.nextCall();
  call.write(delta("1. Do this:\n\n   ```js\n   const first = 1;\n"));
  const block = exchangeOn(page).answer.locator("li .code");
  const keyword = block.locator(".c-keyword");
  await keyword.waitFor();
  const handle = await keyword.elementHandle();
  call.write(delta("   done();\n   ```\n\n2. Then *that*"));
  await exchangeOn(page).shows("that");
  call.end(delta(".\n\nThe end"), finish("stop"), done);
  await exchangeOn(page).isDrawn();
  assert.equal(await handle.evaluate((node) => node.isConnected), true);
  assert.equal(await block.locator("pre").textContent(), "const first = 1;\ndone();\n");
});

test("what is selected stays selected while the text grows and when it is complete", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Please write something");
  const call = await upstream.nextCall();
  call.write(delta("Some *words* of it"));
  await exchangeOn(page).shows("Some words of it");
  await page.evaluate(() => {
    const words = document.querySelector(".answer em");
    getSelection().setBaseAndExtent(words.previousSibling, 2, words.firstChild, 3);
  });
  call.write(delta(" and **more**"));
  await exchangeOn(page).shows("and more");
  call.end(delta("\n\nThe end"), finish("stop"), done);
  await exchangeOn(page).isDrawn();
  assert.equal(await page.evaluate(() => `${getSelection()}`), "me wor");
});

const EVERY_COLOUR =
  '```js\n// comment\n@meta const title = (a) => "string" + 1; new Type(); console.log({ property: 1 });\nf();\n```\n\n' +
  "```diff\n+ added\n- removed\n@@ -1 +1 @@\n```\n";

for (const colorScheme of ["light", "dark"]) {
  test(`every colour of code can be read: ${colorScheme}`, async (t) => {
    const { page } = await visit(t, app.url, { colorScheme });
    const element = await shown(page, ...answer(EVERY_COLOUR));
    for (const name of "comment keyword string number title type property meta added removed".split(
      " ",
    )) {
      await element.locator(`.c-${name}`).first().waitFor();
    }
    assert.deepEqual(await findings(page), []);
  });
}

test("hostile code is shown, and neither runs nor holds anything up", async (t) => {
  const { page } = await visit(t, app.url);
  for (const [language, code] of [
    ["html", "<script>window.hurt=1</script><img src=x onerror=window.hurt=1>"],
    ["markdown", "[a](javascript:window.hurt=1) <b onclick=window.hurt=1>"],
    ["js", `${"`${".repeat(500)}x`],
    ["js", "/".repeat(5000)],
    ["cpp", "a ".repeat(5000)],
    ["xml", "<a ".repeat(3000)],
    ["python", "'''\"\"\"".repeat(800)],
  ]) {
    await t.test(code.slice(0, 30), async () => {
      const element = await shown(
        page,
        ...answer(`\`\`\`${language}\n${code}\n\`\`\`\n\n\`\`\`js\nif (1);\n\`\`\``),
      );
      assert.equal(await element.locator("pre").first().textContent(), `${code}\n`);
      await element.locator(".code").nth(1).locator(".c-keyword").waitFor();
      assert.equal(await page.evaluate(() => window.hurt), undefined);
    });
  }
});

test("a long block keeps its frame to the end, and is coloured only at its start", async (t) => {
  const permissions = ["clipboard-read", "clipboard-write"];
  const { page } = await visit(t, app.url, { permissions });
  const code = "const answer = 42; // the answer\n".repeat(3000);
  const element = await shown(
    page,
    delta("```js\n"),
    delta(code),
    delta("```\n\nThe end"),
    finish("stop"),
    done,
  );
  assert.equal(await element.locator("pre").count(), 1);
  assert.equal(await element.locator("p", { hasText: "The end" }).count(), 1);
  assert.equal(await element.locator("pre").textContent(), code);
  const lines = element.locator(".lines");
  await page.locator("#scroller").evaluate((node) => node.scrollTo(0, 0));
  await lines.nth(20).locator(".c-keyword").first().waitFor({ state: "attached" });
  // One piece is coloured in each frame, so by now all of them would be.
  await page.evaluate(async () => {
    for (let frame = 0; frame < 120; frame += 1) await new Promise(requestAnimationFrame);
  });
  assert.equal(await lines.nth(120).locator("span").count(), 0);
  assert.equal(await lines.last().locator("span").count(), 0);
  await element.getByRole("button", { name: "Copy code" }).click();
  await element.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), code);
});

test("the button of a long block stays in sight", async (t) => {
  const { page } = await visit(t, app.url);
  const element = await shown(
    page,
    ...answer(`\`\`\`js\n${"a();\n".repeat(200)}\`\`\`\n\n${"b\n\n".repeat(50)}`),
  );
  await page.locator("#scroller").evaluate((node) => node.scrollTo(0, 1500));
  const top = await element
    .locator(".code-head")
    .evaluate((node) => node.getBoundingClientRect().top);
  const edge = await page.locator("#scroller").evaluate((node) => node.getBoundingClientRect().top);
  assert.ok(Math.abs(top - edge) < 2, `${top} is not at the scroller's top, ${edge}`);
  await element.getByRole("button", { name: "Copy code" }).click({ trial: true });
});
