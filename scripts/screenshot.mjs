/** Takes the picture of the page that README.md shows: `node scripts/screenshot.mjs`. */
import { join } from "node:path";
import { assistantWithPages, keepingIn } from "./lib/assistant.mjs";
import { build } from "./lib/build.mjs";
import { ensureChromium } from "./lib/chromium.mjs";
import { kib, main, say } from "./lib/main.mjs";
import { ROOT } from "./lib/paths.mjs";
import { makeTemporary } from "./lib/temporary.mjs";
import { Workerd } from "./lib/workerd.mjs";

const PICTURE = join(ROOT, "docs", "page.png");

/** What was asked before. */
const EARLIER = [
  "A week of vegetarian dinners",
  "Rename photos by the date they were taken",
  "Decline an invitation kindly",
];

const QUESTION = "Explain how a suspension bridge carries its load";
const ANSWER = `The deck hangs from its cables, and the load reaches the ground in four steps:

1. **Deck → hangers.** Each vertical hanger lifts the stretch of road beneath it.
2. **Hangers → main cables.** The cables collect all those pulls and carry them in *tension*.
3. **Cables → towers.** The towers take the weight in *compression*.
4. **Cables → anchorages.** At both ends, blocks of concrete hold the cables back.

The flatter the cable, the harder it pulls. For a span \\(L\\), a sag \\(d\\) and a load \\(w\\) per metre:

$$H = \\frac{w L^2}{8 d}$$

\`\`\`python
def pull(load, span, sag):
    return load * span**2 / (8 * sag)  # newtons
\`\`\`

So half the sag means twice the pull.`;

await main(async () => {
  await build();
  const executablePath = await ensureChromium();
  const { LLMock } = await import("@copilotkit/aimock");
  const { chromium } = await import("playwright-core");

  const model = new LLMock({ host: "127.0.0.1", port: 0, logLevel: "silent" });
  model.on(
    { predicate: () => true },
    { content: ANSWER, usage: { prompt_tokens: 29, completion_tokens: 187, total_tokens: 216 } },
    { streamingProfile: { ttft: 300 } },
  );
  const env = {
    ...process.env,
    OPENAI_API_KEY: "stand-in",
    OPENAI_BASE_URL: `${await model.start()}/v1`,
    ANONYMOUS_OWNER: "true",
    // A name alone, for a picture that does not age with the models.
    OPENAI_MODEL: "Model",
  };
  const pages = assistantWithPages(join(ROOT, "build", "public"));
  const worker = { assistant: keepingIn(makeTemporary("personal-ai-assistant-"), pages) };
  const runtime = new Workerd(worker, { env, onLine: () => {} });
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const browser = await chromium.launch({ executablePath, args });
  try {
    const page = await browser.newPage({
      colorScheme: "light",
      deviceScaleFactor: 1.5,
      reducedMotion: "reduce",
      viewport: { width: 1180, height: 800 },
    });
    const address = `http://127.0.0.1:${await runtime.listening()}`;
    for (const [number, message] of EARLIER.toReversed().entries()) await keep(message, number);
    await page.goto(address);
    await page.getByRole("button", { name: QUESTION }).click();
    await page.keyboard.press("Enter");
    await page.locator('.exchange[data-state="done"]').waitFor();
    await page.locator(".katex-display").waitFor();
    await page.locator("code .c-keyword").first().waitFor();
    const picture = await page.screenshot({ path: PICTURE });
    say(`${PICTURE}: ${kib(picture.length)}`);

    async function keep(message, number) {
      const response = await fetch(`${address}/chat`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ message, conversation_id: `earlier-${number}` }),
      });
      await response.text();
    }
  } finally {
    await browser.close();
    await runtime.stop();
    await model.stop();
  }
});
