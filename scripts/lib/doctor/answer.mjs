/**
 * Asks a model's server one thing, and tells its answers apart.
 *
 * @typedef {object} Answer
 * @property {number} [status] none if the server cannot be reached
 * @property {any} [body] its JSON, if it is some
 * @property {boolean} [isPage] whether it is a web page
 * @property {string} [unread] why its body is not known, after the word "answer"
 * @property {string} [failure] why there is none
 */

/** Most bytes of a body that are read. Servers that resell models list thousands. */
const MAX_BYTES = 16 * 1024 * 1024;

/** What went wrong below HTTP, by the code of its cause. */
const FAILURES = {
  ECONNREFUSED: "the connection is refused: nothing listens there",
  ECONNRESET: "the connection was closed",
  UND_ERR_SOCKET: "the connection was closed",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "its name cannot be looked up now",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no network",
  ETIMEDOUT: "nothing answers there",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS, so its address may begin with http:",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "it does not speak TLS, so its address may begin with http:",
};

/** The codes of a certificate that cannot be trusted. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|HOSTNAME_MISMATCH/;

/**
 * @param {string} url
 * @param {RequestInit} init its `signal` ends the wait
 * @param {number} seconds how long that wait is
 * @returns {Promise<Answer>} It never fails.
 */
export async function answerTo(url, init, seconds) {
  let response;
  try {
    // A redirect would carry the key to wherever it points.
    response = await fetch(url, { ...init, redirect: "manual" });
  } catch (error) {
    return { failure: isTimeout(error) ? `nothing came within ${seconds} s` : reason(error.cause) };
  }
  const { status } = response;
  try {
    return { status, ...contentOf(await textOf(response)) };
  } catch (error) {
    return { status, unread: isTimeout(error) ? `did not end within ${seconds} s` : "broke off" };
  }
}

const isTimeout = ({ name }) => name === "TimeoutError";

/** @param {any} cause why `fetch` has failed */
function reason(cause) {
  const code = String(cause?.code ?? "");
  if (Object.hasOwn(FAILURES, code)) return FAILURES[code];
  if (CERTIFICATE.test(code)) return `its certificate is not accepted (${code})`;
  if (/SSL|TLS|EPROTO/.test(code)) return `there is no TLS connection to it (${code})`;
  if (cause?.name === "HTTPParserError") return "it does not speak HTTP";
  if (cause?.message === "bad port") return "Node.js never connects to this port";
  return "the connection failed";
}

/** The body, or nothing of one that is too long. */
async function textOf({ body }) {
  const chunks = [];
  let room = MAX_BYTES;
  for await (const chunk of body ?? []) {
    room -= chunk.length;
    if (room < 0) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function contentOf(text) {
  if (text === undefined) return { unread: `is longer than ${MAX_BYTES / 1024 / 1024} MiB` };
  try {
    return { body: JSON.parse(text) };
  } catch {
    return { isPage: text.trimStart().startsWith("<") };
  }
}

/**
 * Whether the server has looked at the key, and does not take it. A firewall refuses with a page, too.
 * @param {Answer} answer
 */
export function isRefusal(answer) {
  const { status, isPage } = answer;
  if (status === 401) return true;
  if (status === 403) return !isPage;
  // Gemini's way.
  return status === 400 && /api.?key/i.test(words(answer));
}

/**
 * Whether an error is about a model, and not about the path.
 * @param {Answer} answer
 * @param {string} [name] the model's, which may have the word in it
 */
export function isAboutModel(answer, name = "") {
  return /\bmodel\b|model_not_found|deployment/i.test(words(answer).replaceAll(name, ""));
}

/** All that an error says. It is the server's, so it is only searched and never shown. */
function words({ body }) {
  return JSON.stringify(body ?? "");
}

/** @param {Answer} answer to a GET */
export function isFound({ status, body }) {
  return status === 200 && typeof body === "object" && body !== null && !body.error;
}

/** @param {Answer} answer */
export function isMissing({ status }) {
  return status === 404 || status === 405 || status === 501;
}
