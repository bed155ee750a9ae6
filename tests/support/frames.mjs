import { checkFrame } from "./openapi.mjs";
import { within } from "./within.mjs";

/**
 * The contract's frames: written as a test expects them, and read as a client gets them.
 *
 * @typedef {object} Block
 * @property {string} raw What arrived, its blank line included.
 * @property {any} [frame] The parsed JSON of a `data:` line.
 * @property {string} [id] The id of a kept answer's frame.
 * @property {string} [comment] The text of a comment line.
 */

/**
 * A frame that adds text, byte for byte.
 *
 * @param {string | { reasoning: string }} content
 */
export function frame(correlationId, sequence, content) {
  const fields = typeof content === "string" ? { content } : { content: "", ...content };
  return encode({ ...fields, sequence, is_final: false, correlation_id: correlationId });
}

/**
 * The frame that ends a stream, byte for byte.
 *
 * @param {object} ending `finish_reason` and `usage`, or `error`, `detail` and `code`, in this order.
 */
export function finalFrame(correlationId, sequence, ending) {
  return encode({
    content: "",
    sequence,
    is_final: true,
    correlation_id: correlationId,
    ...ending,
  });
}

/** A whole stream, byte for byte. */
export function frames(correlationId, contents, ending) {
  const texts = contents.map((content, sequence) => frame(correlationId, sequence, content));
  return texts.join("") + finalFrame(correlationId, contents.length, ending);
}

/**
 * Reads a response block by block, each as soon as its blank line has come. Whoever stops reading leaves: the
 * connection is closed.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<Block, void, void>}
 */
export async function* readFrames(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  try {
    for (let read = await next(reader); !read.done; read = await next(reader)) {
      text += decoder.decode(read.value, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        yield parseBlock(`${block}\n\n`);
      }
    }
  } finally {
    await reader.cancel();
  }
  if (text + decoder.decode() !== "") {
    throw new Error(`The stream ended inside a block: ${JSON.stringify(text)}`);
  }
}

/** Checks every whole block of a stream that was read as one text. */
export function checkBlocks(text) {
  for (const block of text.split("\n\n").slice(0, -1)) {
    parseBlock(`${block}\n\n`);
  }
}

function next(reader) {
  return within(reader.read(), "the next bytes of the stream");
}

function encode(value) {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** @returns {Block} */
function parseBlock(raw) {
  if (raw.startsWith(": ")) {
    return { raw, comment: raw.slice(2, -2) };
  }
  const [, id, data] = raw.match(/^(?:id: ([^\r\n]*)\n)?data: ([^\r\n]*)\n\n$/) ?? [];
  if (data === undefined) {
    throw new Error(`Neither one data line nor a comment: ${JSON.stringify(raw)}`);
  }
  const frame = JSON.parse(data);
  checkFrame(frame, id);
  return { raw, frame, ...(id !== undefined && { id }) };
}
