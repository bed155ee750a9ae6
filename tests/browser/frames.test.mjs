/** How much work an answer makes in one animation frame, and how long frames take on a slow phone. */
import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

/** How much slower than this machine. How long frames take is told, and decides nothing: the machine may be busy. */
const THROTTLING = 6;

const CODE = Array.from(
  { length: 40 },
  (_, n) => `  const value${n} = await load("part ${n}", { retries: ${n} }); // the next part`,
).join("\n");
const PART = `## A heading

The energy of a body is \\(E = mc^2\\), where *m* is its mass and \\(c\\) the speed of light. The sum of **all** of them is
written as \\(\\sum_{i=1}^{n} x_i\\), and costs $5, not $10. See [the page](https://example.com/) for \`more\` of it.

\\[
\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}
\\]

1. First, *gather* what there is, with \\(a_1 \\le b_1\\).
2. Then look at each \`item\` of it:
   - the small ones,
   - and the **large** ones, as \\(\\frac{a}{b} > 1\\).

| what | how much | why |
|------|---------:|-----|
| one  | \\(x_1\\)  | for the first |
| two  | 22       | for *the second* |

\`\`\`js
async function gather() {
${CODE}
}
\`\`\`

`;

/** An answer of about 3 000 tokens. */
const ANSWER = PART.repeat(3);
/** What comes at a time, about ten tokens, and how long after the piece before it. Few models write faster. */
const PIECES = ANSWER.match(/[\s\S]{1,40}/g);
const PACE_MS = 40;

/** What the page logs when all of it is there, coloured: a question by the test would be work of its own. */
const DRAWN = "drawn";

test("a long answer with code and formulas makes little work at a time", async (t) => {
  const { page } = await visit(t, app.url);
  await page.getByLabel("Message", { exact: true }).fill("Please write at length");
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: THROTTLING });
  const browser = page.context().browser();
  const categories = ["devtools.timeline", "disabled-by-default-devtools.timeline"];
  await browser.startTracing(page, { categories });
  await page.evaluate(watch);
  const drawn = page.waitForEvent("console", (message) => message.text() === DRAWN);
  await page.keyboard.press("Enter");
  const call = await upstream.nextCall();
  // Nothing waits for this pace, and the page is asked nothing meanwhile: that would be work of its own.
  for (const piece of PIECES) {
    call.write(delta(piece));
    await pause(PACE_MS);
  }
  call.end(finish("stop"), done);
  await drawn;
  const { forced, mostStyled } = work(JSON.parse(await browser.stopTracing()).traceEvents);
  const { frames, mostNodes, mostKinds, codeNodes } = await page.evaluate(() => window.work);
  frames.sort((a, b) => a - b);
  const share = (part) => Math.round(frames[Math.floor((frames.length - 1) * part)]);
  t.diagnostic(
    `${frames.length} frames at ${THROTTLING}x: median ${share(0.5)} ms, p99 ${share(0.99)} ms, longest ${share(1)} ms; ` +
      `most nodes in one: ${mostNodes}; most styled at once: ${mostStyled}; layouts forced: ${forced}`,
  );
  assert.ok(mostNodes <= 300, `${mostNodes} nodes in one frame`);
  assert.equal(mostKinds, 1, "text, formulas and colours have their own frames");
  assert.ok(mostStyled <= 300, `${mostStyled} elements styled at once`);
  assert.ok(forced <= 5, `${forced} layouts forced by a script, beside those of the frames`);
  assert.equal(codeNodes, 3, "a code block is drawn once, however much it grows");
});

/**
 * What the browser did: the layouts that a script forced in an animation frame, and the most elements styled at once.
 *
 * @param {{ name: string, ph: string, pid: number, tid: number, ts: number, dur: number, args: any }[]} events
 */
function work(events) {
  const scripts = events.filter(({ name }) => name === "FireAnimationFrame");
  const forced = events.filter(
    ({ name, pid, tid, ts }) =>
      name === "Layout" &&
      scripts.some((it) => it.pid === pid && it.tid === tid && it.ts <= ts && ts < it.ts + it.dur),
  );
  const styled = events.map(({ name, args }) =>
    // One that was under way when the tracing ended tells no count.
    name === "UpdateLayoutTree" ? (args.elementCount ?? 0) : 0,
  );
  return { forced: forced.length, mostStyled: Math.max(...styled) };
}

/** Records, in the page, how long frames take, how many nodes each of them adds, and for how many kinds of things. */
function watch() {
  window.work = { frames: [], mostNodes: 0, mostKinds: 0, codeNodes: 0 };
  const exchanges = document.querySelector("#exchanges");
  const kinds = new Set();
  const kindOf = ({ target, addedNodes, removedNodes }) => {
    if (removedNodes[0]?.matches?.("code.formula")) return "a formula";
    if (Array.from(addedNodes).some((node) => node.matches?.("[class^=c-]"))) return "colours";
    return target.matches(".blocks") ? "text" : undefined;
  };
  const size = (node) => 1 + (node.querySelectorAll?.("*").length ?? 0);
  let nodes = 0;
  new MutationObserver((records) => {
    for (const kind of records.map(kindOf)) if (kind) kinds.add(kind);
    for (const node of records.flatMap(({ addedNodes }) => Array.from(addedNodes))) {
      nodes += size(node);
      if (node.matches?.(".code")) window.work.codeNodes += 1;
    }
  }).observe(exchanges, { childList: true, subtree: true });
  let last = performance.now();
  const next = (now) => {
    window.work.frames.push(now - last);
    window.work.mostNodes = Math.max(window.work.mostNodes, nodes);
    window.work.mostKinds = Math.max(window.work.mostKinds, kinds.size);
    nodes = 0;
    kinds.clear();
    last = now;
    const answer = exchanges.lastElementChild;
    const code = answer?.dataset.state === "done" && answer.querySelectorAll(".code")[2];
    if (code && code.querySelectorAll(".c-keyword").length > 40) console.log("drawn");
    else requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}
