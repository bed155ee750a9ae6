/**
 * What `wrangler tail --format json` prints, in pieces: an envelope for each request, which has its log lines in it.
 *
 * @typedef {object} Envelope
 * @property {string} outcome How the request ended for the runtime.
 * @property {boolean} [truncated] Whether log lines of the request were left out.
 * @property {{ level: string, message: unknown[] }[]} [logs]
 * @property {{ name: string, message: unknown }[]} [exceptions]
 * @property {{ request?: { method: string, url: string }, type?: string, message?: string }} [event]
 */

/** Ends of a request of which the worker's own lines tell. */
const USUAL = ["ok", "canceled", "responseStreamDisconnected"];

/** Puts envelopes together from the lines of their JSON, which is indented. */
export class Envelopes {
  /** @type {string[]} */
  #begun = [];

  /**
   * @param {string} line
   * @returns {{ envelope?: Envelope, text?: string }} what the line completes, or text that is no part of an envelope
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
 * What there is to tell of an envelope.
 * @param {Envelope} envelope
 * @returns {{ lines: string[], notes: string[] }} the worker's log lines as it wrote them, and what the runtime says
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
