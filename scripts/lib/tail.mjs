/**
 * What `wrangler tail --format json` prints for each request: its log lines and how it ended.
 *
 * @typedef {object} Envelope
 * @property {string} outcome How the request ended, in the runtime's words.
 * @property {boolean} [truncated] Whether some of the request's log lines are missing.
 * @property {{ level: string, message: unknown[] }[]} [logs]
 * @property {{ name: string, message: unknown }[]} [exceptions]
 * @property {{ request?: { method: string, url: string }, type?: string, message?: string }} [event]
 */

/** Outcomes that the worker's own log lines report. */
const USUAL = ["ok", "canceled", "responseStreamDisconnected"];

/** Parses envelopes from the lines of their indented JSON. */
export class Envelopes {
  /** The lines of an incomplete envelope. @type {string[]} */
  #begun = [];

  /**
   * @param {string} line
   * @returns {{ envelope?: Envelope, text?: string }} the envelope that the line completes, or text outside of any
   */
  feed(line) {
    if (this.#begun.length === 0 && !line.startsWith("{")) return { text: line };
    this.#begun.push(line);
    if (!line.endsWith("}") || (this.#begun.length > 1 && line !== "}")) return {};
    const json = this.#begun.join("\n");
    this.#begun = [];
    try {
      return { envelope: JSON.parse(json) };
    } catch {
      return { text: json };
    }
  }
}

/**
 * What to print of an envelope.
 * @param {Envelope} envelope
 * @returns {{ lines: string[], notes: string[] }} the worker's log lines, and what the runtime adds to them
 */
export function toldBy({ outcome, truncated, logs = [], exceptions = [], event }) {
  const lines = [];
  const notes = [];
  for (const { level, message } of logs) {
    const text = message.map(asText).join(" ");
    if (isRecord(text)) lines.push(text);
    else notes.push(`${level}: ${text}`);
  }
  for (const { name, message } of exceptions) notes.push(`${name}: ${asText(message)}`);
  if (event?.type && event.message) notes.push(`${event.type}: ${event.message}`);
  const where = event?.request ? ` (${event.request.method} ${event.request.url})` : "";
  if (outcome && !USUAL.includes(outcome)) notes.push(`The request ended with ${outcome}${where}.`);
  if (truncated) notes.push(`Cloudflare left out log lines of a request${where}.`);
  return { lines, notes };
}

function isRecord(text) {
  try {
    return typeof JSON.parse(text)?.event === "string";
  } catch {
    return false;
  }
}

function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
