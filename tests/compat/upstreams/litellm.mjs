import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { freePort } from "../../support/script.mjs";
import { pythonEnvironment } from "../python.mjs";
import { SERVER_KEY, Server, temporaryFolder } from "../server.mjs";
import { startMock } from "./aimock.mjs";

const VERSION = "1.102.4";
const MODEL = "behind-litellm";

/** It would look these up on the network while it starts; copies of them are in the package. */
const LOCAL = ["MODEL_COST_MAP", "ANTHROPIC_BETA_HEADERS", "AUTOROUTER_PRESETS", "BLOG_POSTS"];

/** @type {import("../main.mjs").Upstream} */
export const litellm = {
  name: "litellm",
  title: "LiteLLM proxy, in front of aimock",
  version: VERSION,
  apis: ["chat_completions", "responses"],
  settings: "OPENAI_BASE_URL, OPENAI_MODEL, its master key",
  async start() {
    const { python } = await pythonEnvironment(`litellm-${VERSION}`, {
      requirements: [`litellm[proxy]==${VERSION}`],
      takes: "about 2 minutes",
    });
    // It cannot pass on half a surrogate pair, so the pieces are large.
    const mock = await startMock({ chunkSize: 10_000 });
    const config = join(temporaryFolder(), "config.yaml");
    writeFileSync(config, JSON.stringify(configuration(mock.baseUrl)));
    const port = await freePort();
    const args = ["--config", config, "--host", "127.0.0.1", "--port", `${port}`];
    const env = Object.fromEntries(LOCAL.map((name) => [`LITELLM_LOCAL_${name}`, "True"]));
    return {
      ...mock,
      server: new Server(join(dirname(python), "litellm"), [...args, "--telemetry", "False"], env),
      baseUrl: `http://127.0.0.1:${port}/v1`,
      model: MODEL,
      key: SERVER_KEY,
      // Whatever LiteLLM is asked by, it asks such a backend for Chat Completions.
      heard: (turn) => mock.heard("/v1/chat/completions", turn),
    };
  },
};

/** JSON is YAML. */
function configuration(backend) {
  return {
    model_list: [
      {
        model_name: MODEL,
        // The provider for any server on one's own machine, which LiteLLM asks for Chat Completions only.
        litellm_params: { model: "lm_studio/gpt-4", api_base: backend, api_key: "any" },
      },
    ],
    general_settings: { master_key: SERVER_KEY },
  };
}
