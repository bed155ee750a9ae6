/** Formulas in an answer: where they are found, how they are drawn, and that they can do no harm. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { Marked } from "marked";
import { BOUNDS, BoundedLexer } from "../../public/chat/answer/bounds.js";
import { FORMULA_EXTENSIONS } from "../../public/chat/answer/formula-syntax.js";
import { findings } from "../support/axe.mjs";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

const marked = new Marked({ gfm: true, breaks: true, ...BOUNDS, extensions: FORMULA_EXTENSIONS });

/** The sources of the formulas in a Markdown text. */
function formulasIn(markdown) {
  const found = marked.parse(markdown).matchAll(/<code class="formula[^"]*">([^<]*)<\/code>/g);
  return Array.from(found, ([, source]) =>
    source
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&quot;", '"')
      .replaceAll("&amp;", "&"),
  );
}

test("formulas are found, and nothing in them is taken for Markdown", async (t) => {
  for (const [markdown, ...sources] of [
    ["\\(x\\)", "\\(x\\)"],
    ["a \\(x_1 + y_2\\) and \\(a*b*c\\)", "\\(x_1 + y_2\\)", "\\(a*b*c\\)"],
    ["\\[ x \\\\ y \\]", "\\[ x \\\\ y \\]"],
    ["\\[\na\n=\nb\n- c\n+ d\n# e\n\\]", "\\[\na\n=\nb\n- c\n+ d\n# e\n\\]"],
    ["words\n\\[\na\n=\nb\n\\]\nwords", "\\[\na\n=\nb\n\\]"],
    ["$$\nx < y & z\n$$", "$$\nx < y & z\n$$"],
    ["so $$x^2$$ holds", "$$x^2$$"],
    ["1. words\n   \\[\n   x_1\n   =\n   y\n   \\]\n2. $x$", "\\[\nx_1\n=\ny\n\\]", "$x$"],
    ["> \\(x\\)", "\\(x\\)"],
    [
      "| \\(|a|\\) | b |\n|-|-|\n| $$c|d$$ | \\(e|f\\) |\n\nEnd \\(g\\)",
      "\\(|a|\\)",
      "$$c|d$$",
      "\\(e|f\\)",
      "\\(g\\)",
    ],
    ["| \\(a_1\\) | $b_1$ |\n|-|-|\n| $c$ | d |", "\\(a_1\\)", "$b_1$", "$c$"],
    ["*a $x*y$ b*", "$x*y$"],
    ["**a \\(x**y\\) b**", "\\(x**y\\)"],
    [
      "$x$, $2n$, $f(x)$, $\\alpha$ and $x_{max}$",
      "$x$",
      "$2n$",
      "$f(x)$",
      "$\\alpha$",
      "$x_{max}$",
    ],
    ["($n$)", "($n$)".slice(1, -1)],
    ["\\(\\text{if } \\$5\\)", "\\(\\text{if } \\$5\\)"],
    ["$a\\$b$", "$a\\$b$"],
  ]) {
    await t.test(markdown, () => assert.deepEqual(formulasIn(markdown), sources));
  }
  assert.match(marked.parse("*a $x*y$ b*"), /^<p><em>a <code.*<\/code> b<\/em><\/p>/);
});

test("amounts of dollars and other text stay text", async (t) => {
  for (const markdown of [
    "It costs $5, or $10 for two.",
    "$5-$10, $5/$6, US$5 and A$6",
    "between $5 and 10$.",
    "from $5 to 6$",
    "$HOME/$USER and $PATH$",
    "a $ b $ c",
    "\\$x\\$",
    "$5 million, $6 million$",
    "`$x$` and `\\(x\\)`",
    "```\n$x$ \\[y\\]\n```",
    "a \\[1\\], b \\[2\\] and \\[not a link\\](x)",
    "\\(\\) \\[ \\] $$$$ $$ $$",
    "\\(a\n\nb\\)",
    "\\[a\n\nb\\]",
    "$$ a\n\nb $$",
    `\\(${"x".repeat(4000)}\\)`,
    "$a\nb$",
  ]) {
    await t.test(markdown.slice(0, 40), () => assert.deepEqual(formulasIn(markdown), []));
  }
});

test("the search for the ends of formulas is bounded", async (t) => {
  for (const piece of ["\\(", "\\[x", "$$a ", "$a_ ", "$$\n", "\\[\n", "*\\(_", "$", "\\\\("]) {
    await t.test(piece, () => {
      const lexer = new BoundedLexer(marked.defaults);
      const text = piece.repeat(16_000 / piece.length);
      lexer.lex(text);
      assert.ok(
        lexer.searchedForFormulas < 500_000 + text.length,
        `${lexer.searchedForFormulas} letters`,
      );
    });
  }
});

/** Gets a text as an answer, and waits until its formulas are drawn. */
async function shown(page, text, count = 1) {
  await say(page, "Please calculate");
  (await upstream.nextCall()).end(...answer(text));
  const exchange = exchangeOn(page);
  await exchange.isDrawn();
  if (count > 0)
    await exchange.answer
      .locator(".katex")
      .nth(count - 1)
      .waitFor({ state: "attached" });
  return exchange.answer;
}

test("what draws formulas is loaded with the first one, and nothing of it before", async (t) => {
  const { page, requests } = await visit(t, app.url);
  const loaded = () => requests.filter((each) => /formula|katex/i.test(each)).length;
  await shown(page, "It costs $5", 0);
  assert.equal(loaded(), 0);
  await shown(page, "It is \\(x\\)");
  assert.ok(loaded() > 0);
  await page.waitForFunction(() =>
    Array.from(document.fonts).some(
      ({ family, status }) => family.includes("KaTeX_Math") && status === "loaded",
    ),
  );
});

test("what finds out what a formula looks like runs beside the page, and never in it", async (t) => {
  const { page } = await visit(t, app.url);
  await shown(page, "It is \\(x\\)");
  const workers = page.workers().map((worker) => new URL(worker.url()).pathname);
  assert.deepEqual(
    workers.filter((each) => !each.endsWith("/sw.js")).map((each) => each.replace(/-\w+\.js/, "")),
    ["/assets/formula-worker"],
  );
  const inPage = await page.evaluate(() =>
    performance.getEntriesByType("resource").filter(({ name }) => name.includes("formula-tree")),
  );
  assert.deepEqual(inPage, []);
});

for (const [what, script] of [
  ["takes too long", 'addEventListener("message", () => postMessage("ready"))'],
  ["does not load in time", ""],
])
  test(`a formula that ${what} shows its source, and later ones are drawn`, async (t) => {
    const { page } = await visit(t, app.url);
    await page.clock.install();
    const worker = "**/assets/formula-worker-*.js";
    const body = `export const address = import.meta.url; ${script}`;
    const fulfil = (route) => route.fulfill({ body, contentType: "text/javascript" });
    // The page imports it for its address, and then the first worker is made of it.
    await page.route(worker, fulfil, { times: 2 });
    await say(page, "Please calculate");
    const started = page.waitForEvent("worker");
    // Once it has begun, it may be ended before the text is drawn.
    const ended = started.then((it) => it.waitForEvent("close"));
    (await upstream.nextCall()).end(...answer("It is \\(x\\)"));
    const exchange = exchangeOn(page);
    await exchange.isDrawn();
    await started;
    // Its first message may be on its way still.
    await page.clock.runFor(31_000);
    await page.clock.runFor(3_000);
    await ended;
    assert.equal(await exchange.answer.locator("code.formula").textContent(), "\\(x\\)");
    const later = await shown(page, "It is \\(y\\)");
    assert.equal(await later.locator("annotation").textContent(), "y");
  });

test("a formula whose style cannot be loaded shows its source, and is drawn with later ones", async (t) => {
  const { page } = await visit(t, app.url, { expected: /^Failed to load resource/ });
  const context = page.context();
  const style = "**/assets/chat/answer-*.css";
  const { promise: isRefused, resolve: refused } = Promise.withResolvers();
  await context.route(style, (route) => {
    // The service worker loads its own.
    if (route.request().serviceWorker()) return route.continue();
    refused();
    return route.abort();
  });
  const first = await shown(page, "It is \\(x\\)", 0);
  await isRefused;
  assert.equal(await first.locator("code.formula").textContent(), "\\(x\\)");
  await context.unroute(style);
  // The next one may come while the first is still being given up.
  await shown(page, "It is \\(y\\)", 0);
  await shown(page, "It is \\(z\\)");
  await exchangeOn(page, 0).answer.locator(".katex").waitFor();
  const forEars = exchangeOn(page, 0).answer.locator(".katex-mathml");
  assert.equal(await forEars.evaluate((it) => getComputedStyle(it).position), "absolute");
});

test("what draws formulas and cannot be loaded is not asked for with every word, and draws them once it comes", async (t) => {
  const { page } = await visit(t, app.url, { expected: /^Failed to load resource/ });
  const file = "**/assets/formula-*.js";
  let asked = 0;
  await page.route(file, (route) => {
    asked += 1;
    return route.fulfill({ status: 404 });
  });
  await page.clock.install();
  await say(page, "Please calculate");
  const call = await upstream.nextCall();
  const refused = page.waitForResponse(file);
  call.write(delta("It is \\(x\\)"));
  const { answer } = exchangeOn(page);
  await answer.locator("code.formula").waitFor();
  await refused;
  // Waits grow to half a minute, so that by now the next one is far away.
  while (asked < 7) await page.clock.runFor(1_000);
  await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 100);
  const before = asked;
  let text = "It is \\(x\\)";
  for (let words = 0; words < 20; words += 1) {
    text += " so";
    call.write(delta(" so"));
    while (!(await answer.textContent()).includes(text)) await page.clock.runFor(20);
  }
  // On a busy machine, that may be as long as the next try waits.
  assert.ok(before > 0 && asked <= before + 1, `${asked - before} requests for 20 words`);
  await page.unroute(file);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  call.end(finish("stop"), done);
  await page.clock.resume();
  await answer.locator(".katex").waitFor();
});

test("a formula has its letters for eyes and its MathML for ears", async (t) => {
  const { page } = await visit(t, app.url);
  const element = await shown(page, "So \\(\\frac{a}{b}\\), and\n\n$$\n\\sqrt{2} \\ne 1\n$$", 2);
  assert.equal(await element.locator("math mfrac").count(), 1);
  assert.equal(await element.locator(".display math msqrt").count(), 1);
  assert.equal(await element.locator(".katex-html[aria-hidden=true]").count(), 2);
  assert.deepEqual(await findings(page), []);
});

test("a formula is announced as it is written, drawn or not", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Please calculate");
  const call = await upstream.nextCall();
  call.write(delta("So \\(\\frac{a}{b}\\), and\n\n$$\\sqrt{2}$$\n\n"));
  await exchangeOn(page).answer.locator(".katex").nth(1).waitFor();
  call.end(delta("or \\(\\nonsense\\)"), finish("stop"), done);
  await exchangeOn(page).isDrawn();
  const words = await page.locator("#announcer").textContent();
  assert.equal(words, "So \\frac{a}{b}, and\n\\sqrt{2}\nor \\nonsense");
});

test("a wrong formula shows its source", async (t) => {
  const { page } = await visit(t, app.url);
  for (const source of [
    "\\(\\frac{a}\\)",
    "\\(\\nonsense\\)",
    "$$\\begin{x}$$",
    "\\(}{\\)",
    "\\(\\def\\a{b}\\a\\)",
  ]) {
    await t.test(source, async () => {
      const element = await shown(page, `a ${source} b \\(c\\)`);
      assert.equal(await element.locator("code.formula").textContent(), source);
    });
  }
});

/** Formulas that would leave, load, run or swell if they were drawn as they ask. */
const HOSTILE = [
  "\\href{javascript:window.hurt=1}{click}",
  "\\url{javascript:window.hurt=1}",
  "\\href{https://evil.example/}{click}",
  "\\includegraphics{https://evil.example/pixel.png}",
  "\\htmlClass{unseen}{x} \\htmlId{message}{x} \\htmlStyle{position:fixed}{x} \\htmlData{a=b}{x}",
  "\\text{<script>window.hurt=1</script><img src=x onerror=window.hurt=1>}",
  "\\rule{99999em}{99999em}",
  "\\hspace{99999em} x \\kern{-99999em} y",
  "\\raisebox{99999em}{x}",
  "\\def\\a{\\a\\a}\\a",
  "\\newcommand{\\a}{xxxxxxxxxx}\\a",
  "\\gdef\\x{hurt}\\x",
  "\\fcolorbox{red}{blue}{x} \\pmb{y}",
  "\\color{red} x \\colorbox{url(https://evil.example/)}{x}",
  `${"{".repeat(1000)}x${"}".repeat(1000)}`,
  `${"x^{".repeat(500)}x${"}".repeat(500)}`,
  `${"\\sqrt".repeat(400)} x`,
  `${"\\frac1".repeat(400)} x`,
  `${"\\left(".repeat(200)}x${"\\right)".repeat(200)}`,
  `\\begin{matrix}${"&".repeat(2500)}\\end{matrix}`,
];

test("a hostile formula is harmless", async (t) => {
  const { page, faults } = await visit(t, app.url);
  for (const source of HOSTILE) {
    await t.test(source.slice(0, 60), async () => {
      const element = await shown(page, `\\(${source}\\)\n\n\\(x\\)`);
      const found = await element.evaluate((node) => ({
        links: node.querySelectorAll("a, img, script, iframe, [onerror]").length,
        names: Array.from(
          node.querySelectorAll("[id], [data-a], .unseen"),
          (each) => each.outerHTML,
        ),
        widest: Math.max(
          ...Array.from(node.querySelectorAll("*"), (each) => each.getBoundingClientRect().width),
        ),
        tallest: node.getBoundingClientRect().height,
        hurt: window.hurt,
      }));
      assert.equal(found.links, 0);
      assert.deepEqual(found.names, []);
      assert.ok(found.tallest < 5000, `${found.tallest} px high`);
      assert.equal(found.hurt, undefined);
      assert.deepEqual(faults, []);
      const { scrollWidth, clientWidth } = await page.evaluate(() => document.documentElement);
      assert.equal(scrollWidth, clientWidth);
    });
  }
});

test("a command that one formula defines is unknown to the next", async (t) => {
  const { page } = await visit(t, app.url);
  const element = await shown(page, "\\(\\gdef\\x{y}\\x\\) \\(\\x\\) \\(z\\)");
  assert.equal(await element.locator("code.formula").count(), 2);
});

test("formulas that grow letter by letter look the same as in one piece", async (t) => {
  const { page } = await visit(t, app.url);
  const text =
    "So \\(a_1*b\\) and $c$ hold:\n\n\\[\nx\n=\n\\frac{1}{2}\n\\]\n\n- it is $5\n- or $$y_1$$";
  const html = (element) =>
    element.evaluate((node) =>
      Array.from(node.querySelectorAll(".blocks"), (blocks) => blocks.innerHTML)
        .join("")
        .replace(/>\s+</g, "><"),
    );
  const whole = await html(await shown(page, text, 4));
  await say(page, "Please calculate slowly");
  const call = await upstream.nextCall();
  for (const letter of text) {
    call.write(delta(letter));
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  call.end(finish("stop"), done);
  const exchange = exchangeOn(page);
  await exchange.is("done");
  await exchange.answer.locator(".katex").nth(3).waitFor();
  await exchange.isDrawn();
  assert.equal(await html(exchange.answer), whole);
});

test("a formula that turns out to be code is shown as code", async (t) => {
  const { page } = await visit(t, app.url);
  await say(page, "Please calculate in code");
  const call = await upstream.nextCall();
  const { answer } = exchangeOn(page);
  call.write(delta("This is `\\(x\\)"));
  await answer.locator(".katex").waitFor();
  call.end(delta("`, as it is written"), finish("stop"), done);
  await exchangeOn(page).is("done");
  await answer.getByText("as it is written").waitFor();
  assert.equal(await answer.locator("code:not(.formula)").textContent(), "\\(x\\)");
  assert.equal(await answer.locator(".katex").count(), 0);
});

for (const [kind, text, least] of [
  ["different", Array.from({ length: 100 }, (_, n) => `\\(x_{${n}}\\)`).join(" "), 1],
  ["equal", "\\(x\\) ".repeat(100), 2],
]) {
  test(`many ${kind} formulas take their turns while an answer comes`, async (t) => {
    const { page } = await visit(t, app.url);
    await shown(page, "\\(x\\)");
    await page.evaluate(() => {
      window.mostAtOnce = 0;
      const count = (nodes) =>
        nodes.reduce((sum, each) => sum + (each.querySelectorAll?.(".katex").length ?? 0), 0);
      new MutationObserver((records) => {
        const drawn = records.flatMap(({ addedNodes }) => Array.from(addedNodes));
        window.mostAtOnce = Math.max(window.mostAtOnce, count(drawn));
      }).observe(document.body, { childList: true, subtree: true });
    });
    await say(page, "Please calculate a lot");
    const call = await upstream.nextCall();
    call.write(delta(text));
    await exchangeOn(page).answer.locator(".katex").nth(99).waitFor();
    const most = await page.evaluate(() => window.mostAtOnce);
    assert.ok(most >= least && most <= 10, `${most} at once`);
    call.end(finish("stop"), done);
    await exchangeOn(page).is("done");
  });
}
