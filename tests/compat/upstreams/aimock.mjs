import assert from "node:assert/strict";
import { LLMock } from "@copilotkit/aimock";
import manifest from "../../../package.json" with { type: "json" };
import { SERVER_KEY } from "../server.mjs";

const PATHS = { chat_completions: "/v1/chat/completions", responses: "/v1/responses" };
const MODEL = "gpt-4";

/** @type {import("../main.mjs").Upstream} */
export const aimock = {
  name: "aimock",
  title: "@copilotkit/aimock",
  version: manifest.devDependencies["@copilotkit/aimock"],
  apis: ["chat_completions", "responses"],
  settings: "OPENAI_BASE_URL, any key",
  async start() {
    // So small a piece cuts surrogate pairs in two, and each half comes in an event of its own.
    const mock = await startMock({ chunkSize: 3 });
    return { ...mock, key: SERVER_KEY, heard: ({ api, ...turn }) => mock.heard(PATHS[api], turn) };
  },
};

/**
 * Starts a mock whose answer tells the whole conversation, and whose journal tells what it was asked.
 *
 * @param {{ chunkSize: number }} options characters per event
 */
export async function startMock({ chunkSize }) {
  const mock = new LLMock({ host: "127.0.0.1", port: 0, chunkSize, logLevel: "silent" });
  mock.on({ predicate: () => true }, ({ messages }) => ({
    content: answerTo(messages),
    usage: { ...inChatCompletions(count(messages)), ...count(messages) },
  }));
  const baseUrl = `${await mock.start()}/v1`;
  return {
    baseUrl,
    model: MODEL,
    answer: ({ messages }) => answerTo(messages),
    usage: ({ messages }) => count(messages),
    /** Asserts what the mock was asked last, and where. */
    heard(path, { messages, maxTokens }) {
      const { body, ...request } = mock.getLastRequest();
      assert.equal(request.path, path, "the path that the mock was asked at");
      assert.deepEqual(body.messages, messages, "the conversation that the mock heard");
      assert.equal(body.max_tokens, maxTokens, "the token limit that the mock heard");
      assert.equal(body.model, MODEL);
    },
    stop: () => mock.stop(),
  };
}

function answerTo(messages) {
  const told = messages.map(({ role, content }) => `${role}: ${content}`).join("\n");
  return `${messages.length} 🙂 messages 👩‍👩‍👧:\n${told}\t"end"`;
}

function count(messages) {
  const [input_tokens, output_tokens] = [10 * messages.length, 7];
  return { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens };
}

function inChatCompletions({ input_tokens, output_tokens, total_tokens }) {
  return { prompt_tokens: input_tokens, completion_tokens: output_tokens, total_tokens };
}
