import assert from "node:assert/strict";
import { freePort } from "../../support/script.mjs";
import { pythonEnvironment } from "../python.mjs";
import { SERVER_KEY, Server } from "../server.mjs";
import { MODEL, prompt, weights } from "./smollm2.mjs";

const VERSION = "0.3.36";

/** How it logs how much of a prompt it has read before, in an earlier turn, and how much is new. */
const PREFIX = /Llama\.generate: (\d+) prefix-match hit, remaining (\d+) prompt tokens to eval/g;

/** @type {import("../main.mjs").Upstream} */
export const llamaCppPython = {
  name: "llama-cpp-python",
  title: "llama-cpp-python, SmolLM2-135M",
  version: VERSION,
  apis: ["chat_completions"],
  settings: "OPENAI_BASE_URL, its key",
  async start() {
    const { python } = await pythonEnvironment(`llama-cpp-python-${VERSION}`, {
      requirements: [`llama-cpp-python[server]==${VERSION}`],
      takes: "it is compiled: about 5 minutes",
    });
    const port = await freePort();
    const model = ["--model", await weights(), "--model_alias", MODEL, "--n_ctx", "4096"];
    const access = ["--host", "127.0.0.1", "--port", `${port}`, "--api_key", SERVER_KEY];
    const server = new Server(python, ["-u", "-m", "llama_cpp.server", ...model, ...access]);
    const origin = `http://127.0.0.1:${port}`;
    return {
      server,
      baseUrl: `${origin}/v1`,
      model: MODEL,
      key: SERVER_KEY,
      // It takes `stream_options`, and counts nothing all the same.
      usage: () => "never",
      whenCut: { chat_completions: "length" },
      heard: ({ messages }) => assertRead(server, origin, messages),
    };
  },
};

/** Asserts that it read this conversation, and knew its beginning from the turn before. */
async function assertRead(server, origin, messages) {
  const turn = messages.length / 2;
  if (turn === 1) return;
  const [, known, fresh] = (await server.printed(PREFIX, turn - 1)).map(Number);
  assert.equal(known + fresh, await countTokens(origin, messages), "tokens of the prompt");
  const before = await countTokens(origin, messages.slice(0, -2));
  assert.ok(known >= before, `it knew ${known} tokens of the ${before} that it had read before`);
}

async function countTokens(origin, messages) {
  const response = await fetch(`${origin}/extras/tokenize/count`, {
    method: "POST",
    headers: { authorization: `Bearer ${SERVER_KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ input: prompt(messages) }),
  });
  return (await response.json()).count;
}
