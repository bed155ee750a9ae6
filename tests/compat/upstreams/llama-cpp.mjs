import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../support/script.mjs";
import { pythonEnvironment } from "../python.mjs";
import { SERVER_KEY, Server, temporaryFolder } from "../server.mjs";
import { MODEL, prompt, weights } from "./smollm2.mjs";

const VERSION = "2026.10.11549";
const SCRIPT = fileURLToPath(new URL("llama_cpp.py", import.meta.url));

/** @type {import("../main.mjs").Upstream} */
export const llamaCpp = {
  name: "llama.cpp",
  title: "llama.cpp's server (xllamacpp), SmolLM2-135M",
  version: VERSION,
  apis: ["chat_completions", "responses"],
  settings: "OPENAI_BASE_URL, its key",
  async start() {
    const { python } = await pythonEnvironment(`xllamacpp-${VERSION}`, {
      requirements: [`xllamacpp==${VERSION}`],
      takes: "about 10 seconds",
    });
    const port = await freePort();
    const prompts = temporaryFolder();
    const options = [await weights(), MODEL, `${port}`, SERVER_KEY, prompts];
    return {
      server: new Server(python, ["-u", SCRIPT, ...options]),
      baseUrl: `http://127.0.0.1:${port}/v1`,
      model: MODEL,
      key: SERVER_KEY,
      usage: () => "always",
      // In Responses it calls an answer completed even when the token limit ended it.
      whenCut: { chat_completions: "length", responses: "stop" },
      heard({ messages }) {
        const last = readdirSync(prompts).sort().at(-1);
        const read = readFileSync(join(prompts, last), "utf8");
        assert.equal(read, prompt(messages), "the prompt that the model read");
      },
    };
  },
};
