/** The same answers as both APIs stream them. */
import { delta, done, event, finish, refusal, usage } from "./upstream.mjs";

/** An event of the Responses stream, with its type in both places where upstream puts it. */
export const responseEvent = (type, fields = {}) =>
  `event: ${type}\n${event({ type, sequence_number: 0, ...fields })}`;

const responseEnd = (status, fields) =>
  responseEvent(`response.${status}`, {
    response: { id: "resp_1", object: "response", status, ...fields },
  });

/**
 * How each API says a thing.
 *
 * @type {Record<string, Record<"text" | "refuse" | "stop" | "length" | "filtered" | "fail", (...args: any[]) => string>>}
 */
export const DIALECTS = {
  chat_completions: {
    text: delta,
    refuse: refusal,
    stop: (input, output) => finish("stop") + usage(input, output) + done,
    length: (input, output) => finish("length") + usage(input, output) + done,
    filtered: (input, output) => finish("content_filter") + usage(input, output) + done,
    fail: (code) => event({ error: { code, message: "canary" } }),
  },
  responses: {
    text: (text) => responseEvent("response.output_text.delta", { delta: text }),
    refuse: (text) => responseEvent("response.refusal.delta", { delta: text }),
    stop: (input, output) => responseEnd("completed", { usage: counts(input, output) }),
    length: (input, output) => incomplete("max_output_tokens", input, output),
    filtered: (input, output) => incomplete("content_filter", input, output),
    fail: (code) => responseEnd("failed", { error: { code, message: "canary" } }),
  },
};

function incomplete(reason, input, output) {
  return responseEnd("incomplete", {
    incomplete_details: { reason },
    usage: counts(input, output),
  });
}

function counts(input, output) {
  return { input_tokens: input, output_tokens: output, total_tokens: input + output };
}
