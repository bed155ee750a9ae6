/** How the page shows a model's Markdown. The text is untrusted: a model may repeat what a stranger wrote. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

/** Gets a text as an answer in one piece, and waits until all of it is drawn. */
async function shown(page, text) {
  await say(page, "Please write something");
  (await upstream.nextCall()).end(...answer(text));
  const exchange = exchangeOn(page);
  await exchange.isDrawn();
  return exchange.answer;
}

/** The HTML of an answer's blocks, but for their directions, which have a test of their own. */
function htmlOf(element) {
  return element.evaluate((node) =>
    Array.from(node.querySelectorAll(".blocks"), (blocks) => blocks.innerHTML)
      .join("")
      .replace(/ dir="(?:auto|ltr)"/g, "")
      .trim(),
  );
}

test("Markdown is rendered", async (t) => {
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
      '<p><a href="https://example.com/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer" class="bare">https://example.com/?a=1&amp;b=2</a></p>',
    ],
    [
      "|a|b|\n|-|-:|\n|c|d|",
      '<div class="table" tabindex="0" role="group" aria-label="Table"><table>\n<thead>\n<tr>\n<th>a</th>\n<th align="right">b</th>\n</tr>\n</thead>\n' +
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

test("copying works without the clipboard API, which needs https", async (t) => {
  const { page } = await visit(t, app.url);
  await shown(page, "**a** 😀");
  await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await page.getByRole("button", { name: "Copy", exact: true }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const field = page.getByLabel("Message", { exact: true });
  await field.press("Control+V");
  assert.equal(await field.inputValue(), "**a** 😀");
});

/** Text that would run, load or send something if its HTML or its links were let through. */
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

/** The elements and attributes that an answer may have. */
const ELEMENTS =
  "a blockquote br button code del div em h1 h2 h3 h4 h5 h6 hr kbd li mark ol p pre span strong sub sup table tbody td th thead tr u ul";
const ATTRIBUTES = "align aria-label class dir href rel role start tabindex target title type";

test("hostile text is shown and does nothing", async (t) => {
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
        assert.ok(!href.startsWith(app.url), "no link in an answer leads to our own origin");
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

test("HTML is shown as text", async (t) => {
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

test("an image becomes a link to it", async (t) => {
  const { page } = await visit(t, app.url);
  const element = await shown(page, "![A cat](https://example.com/cat.png)");
  assert.equal(
    await htmlOf(element),
    '<p><a href="https://example.com/cat.png" target="_blank" rel="noopener noreferrer">A cat</a></p>',
  );
});

test("a text that is streamed letter by letter looks the same as in one piece", async (t) => {
  const { page } = await visit(t, app.url);
  const text =
    "# Title\n\nA paragraph\nof two lines.\r\n\r\n1. one\n\n2. two\n   - inner\n\n10. ten\n\n```py\nprint(1)\n\n\nprint(2)\n```\n" +
    "Setext\n===\n\n> quote\nlazy\n\n|a|b|\n|-|-|\n|1|2|\n\n---\n\nLast **words** 👋🏽";
  const isColoured = (element) => element.locator(".c-number").nth(1).waitFor();
  const inOnePiece = await shown(page, text);
  await isColoured(inOnePiece);
  const whole = await htmlOf(inOnePiece);
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
  await isColoured(exchange.answer);
  assert.equal(
    (await htmlOf(exchange.answer)).replaceAll(/>\s+</g, "><"),
    whole.replaceAll(/>\s+</g, "><"),
  );
});

test("a word that is wider than a phone is broken, in whatever block it stands", async (t) => {
  const { page } = await visit(t, app.url, { viewport: { width: 390, height: 800 } });
  const word = `https://example.org/${"path".repeat(40)}`;
  const quoted = `> ${word}\n\n- ${word}\n\n  > ${word}\n\n1. [ ] ${word}\n\n# ${word}\n\n\`${word}\``;
  await say(page, "Please quote");
  (await upstream.nextCall()).end(
    ...answer(`<think>${word}\n\n${quoted}</think>${word}\n\n${quoted}`),
  );
  await exchangeOn(page).is("done");
  await page.locator(".thinking summary").click();
  await page.locator(".thought h1").waitFor();
  const wide = await page.evaluate(() => {
    const { right } = document.querySelector("#exchanges").getBoundingClientRect();
    const all = Array.from(document.querySelectorAll(".answer *"));
    return all.filter((it) => it.getBoundingClientRect().right > right + 1).map((it) => it.tagName);
  });
  assert.deepEqual(wide, []);
});
