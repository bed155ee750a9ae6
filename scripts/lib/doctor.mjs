/**
 * Asks the models' servers what can be known about them without buying an answer.
 *
 * @typedef {object} Finding One thing that was looked at.
 * @property {"good" | "bad" | "open"} verdict `open`: the server does not tell, which is no fault.
 * @property {string} text One line for a person. It has no secret and no text of the server's.
 *
 * @typedef {object} Patient
 * @property {"OPENAI" | "FALLBACK"} prefix of the variables that name it
 * @property {string} baseUrl `OPENAI_BASE_URL` or `FALLBACK_BASE_URL`
 * @property {string} [key] `OPENAI_API_KEY` or `FALLBACK_API_KEY`
 * @property {string} api `OPENAI_API`
 * @property {string[]} models those that may answer there
 */

/** Longest time for all of it, in milliseconds. */
export const PATIENCE_MS = 5000;

/** Most bytes of a list of models that are read. Servers that resell models list thousands. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;

/** A date as servers write it, with or without a time. */
const DATE = /^\d{4}-\d{2}-\d{2}(?:$|T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?$)/;

/** The fields by which servers tell when a model is shut down. */
const SHUTDOWN_FIELDS = ["shutdown_date", "expiration_date", "deprecation_date"];

const MARKS = { good: "✓", bad: "✗", open: "·" };

const PATHS = { chat_completions: "/chat/completions", responses: "/responses" };

/** What went wrong below HTTP, by the code of its cause. */
const UNREACHABLE = {
  ECONNREFUSED: "the connection is refused: nothing listens there",
  ECONNRESET: "the connection was closed",
  UND_ERR_SOCKET: "the connection was closed",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "its name cannot be looked up now",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no network",
};

/**
 * The configuration's part that concerns the models' servers: the usual one, and that of the fallbacks, if it is another
 * one or takes another key.
 * @param {NodeJS.ProcessEnv} vars those that the worker has accepted
 * @returns {Patient[]}
 */
export function patientsIn(vars) {
  const value = (name) => vars[name]?.trim() || undefined;
  const list = (name) => value(name)?.split(",") ?? [];
  const urlIn = (name) => value(name)?.replace(/\/+$/, "");
  const once = (models) => [...new Set(models.map((model) => model.trim()).filter(Boolean))];
  const asked = [value("OPENAI_MODEL") ?? "gpt-4", ...list("ALLOWED_MODELS")];
  const fallbacks = list("FALLBACK_MODELS");
  const main = {
    prefix: "OPENAI",
    baseUrl: urlIn("OPENAI_BASE_URL") ?? "https://api.openai.com/v1",
    key: value("OPENAI_API_KEY"),
    api: value("OPENAI_API") ?? "chat_completions",
    models: once(asked),
  };
  const fallback = {
    ...main,
    prefix: "FALLBACK",
    baseUrl: urlIn("FALLBACK_BASE_URL") ?? main.baseUrl,
    key: value("FALLBACK_BASE_URL")
      ? value("FALLBACK_API_KEY")
      : (value("FALLBACK_API_KEY") ?? main.key),
    models: once(fallbacks),
  };
  const isSame = fallback.baseUrl === main.baseUrl && fallback.key === main.key;
  if (isSame) return [{ ...main, models: once([...asked, ...fallbacks]) }];
  return fallback.models.length > 0 ? [main, fallback] : [main];
}

/**
 * Examines models' servers, all at the same time. It always comes back within `patienceMs`.
 *
 * @param {Patient[]} patients
 * @param {number} [patienceMs]
 * @returns {Promise<Finding[]>}
 */
export async function examineAll(patients, patienceMs = PATIENCE_MS) {
  const findings = await Promise.all(patients.map((patient) => examine(patient, patienceMs)));
  return findings.flat();
}

/**
 * @param {Patient} patient
 * @param {number} patienceMs
 * @returns {Promise<Finding[]>}
 */
async function examine({ prefix, baseUrl, key, api, models }, patienceMs) {
  const signal = AbortSignal.timeout(patienceMs);
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const call = (path, init) => answerTo(`${baseUrl}${path}`, { headers, signal, ...init });
  // No server takes a list for a request, so nothing is bought; only one that has the path says that it is wrong.
  const wrong = { method: "POST", body: "[]" };
  const json = { headers: { ...headers, "content-type": "application/json" } };
  const [list, spoken, ...retrieved] = await Promise.all([
    call("/models"),
    call(PATHS[api], { ...wrong, ...json }),
    ...models.map((model) => call(`/models/${encodeURIComponent(model)}`)),
  ]);
  const answers = [list, spoken, ...retrieved];
  const { host } = new URL(baseUrl);
  const seconds = patienceMs / 1000;
  if (answers.every(({ failure }) => failure)) {
    return [bad(`${host} cannot be reached: ${list.failure(seconds)}.`)];
  }
  return [
    good(`${host} answers.`),
    keyFinding(answers, key, prefix),
    apiFinding(spoken, api, seconds, prefix),
    ...models.map((model, index) => modelFinding(model, list, retrieved[index])),
  ];
}

/**
 * What the findings look like, one a line.
 * @param {Finding[]} findings
 */
export function lines(findings) {
  return findings.map(({ verdict, text }) => `${MARKS[verdict]} ${text}`);
}

/**
 * @typedef {object} Answer
 * @property {number} [status]
 * @property {any} [body] its JSON, if it is some
 * @property {(seconds: number) => string} [failure] why there is none
 *
 * @returns {Promise<Answer>}
 */
async function answerTo(url, init) {
  try {
    const response = await fetch(url, { redirect: "manual", ...init });
    return { status: response.status, body: parsed(await textOf(response)) };
  } catch (error) {
    return { failure: reason(error) };
  }
}

function reason(error) {
  if (error.name === "TimeoutError") return (seconds) => `no answer within ${seconds} s`;
  const code = error.cause?.code ?? "";
  if (Object.hasOwn(UNREACHABLE, code)) return () => UNREACHABLE[code];
  const isTls = /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO/.test(code);
  return () => (isTls ? `its certificate is not accepted (${code})` : "the connection failed");
}

/** The body, or nothing of one that is too long. */
async function textOf({ body }) {
  const chunks = [];
  let room = MAX_LIST_BYTES;
  for await (const chunk of body ?? []) {
    room -= chunk.length;
    if (room < 0) return "";
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {Answer[]} answers */
function keyFinding(answers, key, prefix) {
  const [refusal] = answers.filter(({ status }) => status === 401 || status === 403);
  if (!key) {
    return open(refusal ? "It wants a key; none is known here." : "No key is known here.");
  }
  if (refusal) {
    return bad(`It refuses the key (status ${refusal.status}). Replace ${prefix}_API_KEY.`);
  }
  return good("It does not refuse the key.");
}

/** @param {Answer} answer to a request that no server can take */
function apiFinding({ status, body, failure }, api, seconds, prefix) {
  const name = `OPENAI_API ${api}`;
  if (failure) return open(`${name}: ${failure(seconds)}.`);
  // A 404 in the API's own words is about the request, not about the path.
  const isMissing = (status === 404 && !body?.error) || status === 405;
  if (isMissing) {
    const other = api === "responses" ? "chat_completions" : "responses";
    return bad(
      `${name}: the server has no ${PATHS[api]} (status ${status}). ${prefix}_BASE_URL ends in the API's /v1, and ` +
        `OPENAI_API may also be ${other}.`,
    );
  }
  if (status === 401 || status === 403) return open(`${name}: not known without a good key.`);
  if (status >= 300 && status < 400) {
    return bad(
      `${name}: the server sends elsewhere (status ${status}). Correct ${prefix}_BASE_URL.`,
    );
  }
  if (status >= 500) return open(`${name}: the server failed (status ${status}).`);
  return good(`${name}: the server has it.`);
}

/**
 * @param {string} model
 * @param {Answer} list of all models
 * @param {Answer} own what the server says of this one
 */
function modelFinding(model, list, own) {
  const listed = Array.isArray(list.body?.data) ? list.body.data : [];
  const names = [model, `models/${model}`, `${model}:latest`];
  const entry = [own.body, ...listed].find((each) => names.includes(each?.id));
  if (!entry) return absentFinding(model, listed, own);
  const date = SHUTDOWN_FIELDS.map((field) => entry[field]).find(
    (value) => typeof value === "string" && DATE.test(value),
  );
  if (date === undefined) return good(`Model ${model}: it is there.`);
  const day = date.slice(0, "YYYY-MM-DD".length);
  const isOver = Date.parse(date) <= Date.now();
  const what = isOver ? "it was shut down on" : "it is there, but will be shut down on";
  return bad(`Model ${model}: ${what} ${day}. Set another one.`);
}

/** Some servers take models that they do not list: Azure's deployments, a proxy's patterns. */
function absentFinding(model, listed, own) {
  if (own.status === 200) return good(`Model ${model}: it is there.`);
  const isUnknown = own.status === 404 && own.body?.error;
  if (isUnknown && listed.length > 0) {
    return bad(`Model ${model}: the server neither lists nor knows it. Is its name right?`);
  }
  if (listed.length > 0) return open(`Model ${model}: the server does not list it.`);
  return open(`Model ${model}: the server does not tell whether it has it.`);
}

const good = (text) => ({ verdict: "good", text });
const bad = (text) => ({ verdict: "bad", text });
const open = (text) => ({ verdict: "open", text });
