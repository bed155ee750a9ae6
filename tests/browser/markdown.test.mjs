/** What a model wrote, as the page shows it; a model may have read, and repeat, whatever a stranger has written. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

/** Has a text answered in one piece, and waits until all of it is drawn. */
async function shown(page, text) {
  await say(page, "Please write something");
  (await upstream.nextCall()).end(...answer(text));
  const exchange = exchangeOn(page);
  await exchange.is("done");
  await drawn(page);
  return exchange.answer;
}

/** Waits until the end of the answer has been told, which is when it is drawn. */
function drawn(page) {
  return page.waitForFunction(() => document.querySelector("#announcer").textContent !== "");
}

/** The HTML of an answer. */
function htmlOf(element) {
  return element.evaluate((node) => node.innerHTML.replace('<div class="live"></div>', "").trim());
}

test("Markdown becomes what it says", async (t) => {
  const { page } = await visit(t, app.url);
  for (const [markdown, html] of [
    [
      "a *b* **c** `d<e>` ~~f~~",
      "<p>a <em>b</em> <strong>c</strong> <code>d&lt;e&gt;</code> <del>f</del></p>",
    ],
    ["one\ntwo", "<p>one<br>two</p>"],
    ["# a\r\n\r\nb", "<h1>a</h1>\n<p>b</p>"],
    ["3. a\n4. b", '<ol start="3">\n<li>a</li><li>b</li></ol>'],
    ["- [x] a\n- [ ] b", '<ul>\n<li class="task">☑ a</li><li class="task">☐ b</li></ul>'],
    ["> a", "<blockquote>\n<p>a</p>\n</blockquote>"],
    [
      "https://example.com/?a=1&b=2",
      '<p><a href="https://example.com/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">https://example.com/?a=1&amp;b=2</a></p>',
    ],
    [
      "|a|b|\n|-|-:|\n|c|d|",
      '<div class="table" tabindex="0"><table>\n<thead>\n<tr>\n<th>a</th>\n<th align="right">b</th>\n</tr>\n</thead>\n' +
        '<tbody><tr>\n<td>c</td>\n<td align="right">d</td>\n</tr>\n</tbody></table></div>',
    ],
    ["a<br>b <kbd>c</kbd>", "<p>a<br>b <kbd>c</kbd></p>"],
  ]) {
    await t.test(markdown, async () => {
      assert.equal(await htmlOf(await shown(page, markdown)), html);
    });
  }
});

test("code is shown as it is, and can be copied", async (t) => {
  const permissions = ["clipboard-read", "clipboard-write"];
  const { page } = await visit(t, app.url, { permissions });
  const code = 'if (a < b && "c") {\n\treturn `😀`;\n}\n';
  const shownAnswer = await shown(page, `~~~js\n${code}~~~`);
  assert.equal(await shownAnswer.locator("pre").textContent(), code);
  assert.equal(await shownAnswer.locator(".code-head span").textContent(), "js");
  await shownAnswer.getByRole("button", { name: "Copy code" }).click();
  await shownAnswer.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), code);
});

test("an answer is copied as it was written", async (t) => {
  const permissions = ["clipboard-read", "clipboard-write"];
  const { page } = await visit(t, app.url, { permissions });
  await shown(page, "**a**\n\n- b");
  await page.getByRole("button", { name: "Copy", exact: true }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "**a**\n\n- b");
});

test("what is copied without the clipboard of https can be pasted", async (t) => {
  const { page } = await visit(t, app.url);
  await shown(page, "**a** 😀");
  await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await page.getByRole("button", { name: "Copy", exact: true }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const field = page.getByLabel("Message", { exact: true });
  await field.press("Control+V");
  assert.equal(await field.inputValue(), "**a** 😀");
});

/** Text that would run, load or send something if it were taken for HTML, or its links for harmless. */
const HOSTILE = [
  "<script>window.hurt = 1</script>",
  "a <script>window.hurt = 1</script> b",
  '<img src=x onerror="window.hurt = 1">',
  '<img src="https://evil.example/pixel.png">',
  "<svg onload=window.hurt=1><script>window.hurt=1</script></svg>",
  '<svg><a xlink:href="javascript:window.hurt=1"><text y=20>click</text></a></svg>',
  '<iframe src="https://evil.example/"></iframe>',
  '<iframe srcdoc="<script>parent.hurt = 1</script>"></iframe>',
  '<object data="https://evil.example/"></object><embed src="https://evil.example/">',
  "<style>body { background: url(https://evil.example/) }</style>",
  '<link rel=stylesheet href="https://evil.example/x.css"><base href="https://evil.example/">',
  '<meta http-equiv=refresh content="0;url=https://evil.example/">',
  '<form action="https://evil.example/"><input name=a autofocus onfocus="window.hurt=1"><button>Go</button></form>',
  '<p style="position:fixed;inset:0" onclick="window.hurt=1" id=message class=unseen>x</p>',
  '<a href="javascript:window.hurt=1">click</a>',
  "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=window.hurt=1&gt;'>",
  "<noscript><p title='</noscript><img src=x onerror=window.hurt=1>'>",
  "<details open ontoggle=window.hurt=1>x</details>",
  "<br onclick=window.hurt=1>",
  "[click](javascript:window.hurt=1)",
  "[click](JaVaScRiPt&colon;window.hurt=1)",
  "[click](<java\tscript:window.hurt=1>)",
  "[click](data:text/html;base64,PHNjcmlwdD53aW5kb3cuaHVydD0xPC9zY3JpcHQ+)",
  "[click](vbscript:x) [click](file:///etc/passwd) [click](//evil.example/) [click](/health)",
  "<javascript:window.hurt=1>",
  '[click](https://example.com "a\\" onmouseover=\\"window.hurt=1")',
  "![pixel](https://evil.example/pixel.png)",
  '![a" onerror="window.hurt=1](https://evil.example/x.png)',
  "![x](javascript:window.hurt=1)",
  "![x](data:image/svg+xml,<svg/onload=window.hurt=1>)",
  '```"><script>window.hurt=1</script>\ncode\n```',
  "```js onload=window.hurt=1\n</code></pre><script>window.hurt = 1</script>\n```",
  "| <script>window.hurt=1</script> | <img src=x onerror=window.hurt=1> |\n|-|-|\n| a | b |",
  "[a]: javascript:window.hurt=1\n\n[a]",
  "<!-- --!><script>window.hurt=1</script>",
  "<![CDATA[<script>window.hurt=1</script>]]>",
  "</div></li></ol></main><script>window.hurt=1</script>",
];

/** The elements that an answer may consist of, and their attributes. */
const ELEMENTS =
  "a blockquote br button code del div em h1 h2 h3 h4 h5 h6 hr kbd li mark ol p pre span strong sub sup table tbody td th thead tr u ul";
const ATTRIBUTES = "align class href rel start tabindex target title type";

test("hostile text is shown, and nothing of it happens", async (t) => {
  const { page, faults } = await visit(t, app.url);
  for (const text of HOSTILE) {
    await t.test(text, async () => {
      const element = await shown(page, text);
      const found = await element.evaluate((node) => {
        const all = Array.from(node.querySelectorAll("*"));
        return {
          elements: all.map((each) => each.localName),
          attributes: all.flatMap((each) => each.getAttributeNames()),
          links: all
            .flatMap((each) => (each.href ? [each] : []))
            .map((each) => [each.href, each.target, each.rel]),
          hurt: window.hurt,
        };
      });
      const strange = (names, known) => names.filter((name) => !known.split(" ").includes(name));
      assert.deepEqual(strange(found.elements, ELEMENTS), []);
      assert.deepEqual(strange(found.attributes, ATTRIBUTES), []);
      for (const [href, target, rel] of found.links) {
        assert.match(href, /^(https?|mailto):/);
        assert.ok(!href.startsWith(app.url), "no link of a model's leads into our own origin");
        assert.deepEqual([target, rel], ["_blank", "noopener noreferrer"]);
      }
      await element.evaluate((node) => {
        for (const each of node.querySelectorAll(":not(a[href], button)")) each.click();
      });
      assert.equal(await page.evaluate(() => window.hurt), undefined);
      assert.deepEqual(faults, []);
    });
  }
});

test("HTML is shown as it was written", async (t) => {
  const { page } = await visit(t, app.url);
  const element = await shown(
    page,
    'Use <div class="a"> here.\n\n<table>\n  <tr><td>1</td></tr>\n</table>',
  );
  assert.equal(
    (await element.textContent()).trim(),
    'Use <div class="a"> here.\n<table>\n  <tr><td>1</td></tr>\n</table>',
  );
});

test("a picture becomes a link to it", async (t) => {
  const { page } = await visit(t, app.url);
  const element = await shown(page, "![A cat](https://example.com/cat.png)");
  assert.equal(
    await htmlOf(element),
    '<p><a href="https://example.com/cat.png" target="_blank" rel="noopener noreferrer">A cat</a></p>',
  );
});

test("a text streamed in any pieces is shown as in one", async (t) => {
  const { page } = await visit(t, app.url);
  const text =
    "# Title\n\nA paragraph\nof two lines.\r\n\r\n1. one\n\n2. two\n   - inner\n\n10. ten\n\n```py\nprint(1)\n\n\nprint(2)\n```\n" +
    "Setext\n===\n\n> quote\nlazy\n\n|a|b|\n|-|-|\n|1|2|\n\n---\n\nLast **words** 👋🏽";
  const whole = await htmlOf(await shown(page, text));
  await say(page, "Please write it slowly");
  const call = await upstream.nextCall();
  const exchange = exchangeOn(page);
  for (const letter of text) {
    call.write(delta(letter));
    // Each letter is drawn before the next one comes.
    if (/\S/.test(letter)) await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  call.end(finish("stop"), done);
  await exchange.is("done");
  await exchange.shows("Last words");
  assert.equal(
    (await htmlOf(exchange.answer)).replaceAll(/>\s+</g, "><"),
    whole.replaceAll(/>\s+</g, "><"),
  );
});

/** The longest that the page may leave a key or a finger without an answer, on a busy machine. */
const LONGEST_TASK_MS = 500;

/** Has the page note the longest of its tasks, as `window.longest`. */
function watchTasks(page) {
  return page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries())
        window.longest = Math.max(window.longest, duration);
    }).observe({ type: "longtask" });
  });
}

test("no paragraph that is rendered freezes the page, whole or as it grows", async (t) => {
  for (const piece of [
    "__a*",
    "_*a",
    "__a__",
    "**a**",
    "[*a",
    "*_a ",
    "- ",
    "> - ",
    "``a`",
    "<a ",
    "a.b_",
  ]) {
    await t.test(piece, async (t) => {
      const { page } = await visit(t, app.url);
      await watchTasks(page);
      const text = piece
        .repeat(Math.ceil(16_000 / piece.length))
        .slice(0, 15_900)
        .concat("x");
      for (const size of [text.length, 300]) {
        await say(page, `Please write something odd in pieces of ${size}`);
        const call = await upstream.nextCall();
        for (let at = 0; at < text.length; at += size) {
          call.write(delta(text.slice(at, at + size)));
          if (size < text.length) await page.evaluate(() => new Promise(requestAnimationFrame));
        }
        call.end(finish("stop"), done);
        await exchangeOn(page).is("done");
        await drawn(page);
      }
      const longest = await page.evaluate(() => window.longest);
      t.diagnostic(`${piece}: longest task ${longest} ms`);
      assert.ok(longest <= LONGEST_TASK_MS, `the longest task took ${longest} ms`);
    });
  }
});

test("a megabyte of text does not freeze the page", async (t) => {
  for (const [what, piece, last] of [
    [
      "paragraphs",
      "A paragraph with *some* `words` in it, and [a link](https://example.com/).\n\n",
      "The end",
    ],
    ["one paragraph", "word ", "The end"],
    ["one word", "x".repeat(80), "The end"],
    ["one code block", "const a = 1; // code\n", "The end"],
    ["one list", "- an item with *some* words\n", "The end"],
    ["one table", "| a | b | c |\n", "The end"],
    ["nested quotes", ">", "The end"],
    ["brackets that are never closed", "[", "The end"],
    ["emphasis that is never closed", "*a **b ", "The end"],
  ]) {
    await t.test(what, async (t) => {
      const { page } = await visit(t, app.url);
      await watchTasks(page);
      const start =
        { "one code block": "```\n", "one table": "| a | b | c |\n|-|-|-|\n" }[what] ?? "";
      const chunk = piece.repeat(Math.ceil(10_000 / piece.length));
      await say(page, "Please write a book");
      const call = await upstream.nextCall();
      call.write(delta(start));
      await call.flood(delta(chunk), Math.ceil(1_000_000 / chunk.length));
      call.end(delta(`\n\n${last}`), finish("stop"), done);
      await exchangeOn(page).is("done");
      await drawn(page);
      const { length, longest } = await page.evaluate(() => ({
        length: document.querySelector(".answer").textContent.length,
        longest: window.longest,
      }));
      assert.ok(length > 100_000, `${length} characters are there`);
      t.diagnostic(`${what}: longest task ${longest} ms`);
      assert.ok(longest <= LONGEST_TASK_MS, `the longest task took ${longest} ms`);
    });
  }
});

test("of blocks that are tiny, only so many are drawn in one go", async (t) => {
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
    [`${"> a\n\n".repeat(2000)}`, "blockquote", 2000],
  ]) {
    await t.test(tag, async () => {
      const element = await shown(page, `Words.\n\n${text}`);
      assert.equal(await element.locator(tag).count(), expected);
      // Between two blocks there is a line end.
      assert.ok((await page.evaluate(() => window.mostAtOnce)) <= 200);
    });
  }
});
