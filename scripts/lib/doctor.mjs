/**
 * Asks the model's server what can be known about it without buying an answer.
 *
 * @typedef {import("./doctor/findings.mjs").Finding} Finding
 *
 * @typedef {object} Patient
 * @property {string} baseUrl `OPENAI_BASE_URL`
 * @property {string} [key] `OPENAI_API_KEY`
 * @property {string} api `OPENAI_API`
 * @property {string[]} models those that clients may get
 */
import { answerTo } from "./doctor/answer.mjs";
import { apiFinding, bad, good, keyFinding, modelFinding, PATHS } from "./doctor/findings.mjs";

/** Longest time for all of it, in milliseconds. */
export const PATIENCE_MS = 5000;

/** Most models that are asked for one by one: more requests at once would be refused, and the list has them, too. */
const MAX_RETRIEVED = 20;

const MARKS = { good: "✓", soon: "!", bad: "✗", open: "·" };

/**
 * The configuration's part that concerns the model's server.
 * @param {NodeJS.ProcessEnv} vars those that the worker has accepted
 * @returns {Patient}
 */
export function patientIn(vars) {
  const value = (name) => vars[name]?.trim() || undefined;
  const allowed = value("ALLOWED_MODELS")?.split(",") ?? [];
  const models = [value("OPENAI_MODEL") ?? "gpt-4", ...allowed].map((model) => model.trim());
  return {
    baseUrl: (value("OPENAI_BASE_URL") ?? "https://api.openai.com/v1").replace(/\/+$/, ""),
    key: value("OPENAI_API_KEY"),
    api: value("OPENAI_API") ?? "chat_completions",
    models: [...new Set(models.filter(Boolean))],
  };
}

/**
 * Examines a model's server. It always comes back within `patienceMs`, and never fails.
 *
 * @param {Patient} patient
 * @param {number} [patienceMs]
 * @returns {Promise<Finding[]>}
 */
export async function examine({ baseUrl, key, api, models }, patienceMs = PATIENCE_MS) {
  if (!URL.canParse(baseUrl)) return [bad("OPENAI_BASE_URL is no address.")];
  if (key && !/^[!-~]+$/.test(key)) {
    return [bad("OPENAI_API_KEY must be visible ASCII characters without spaces.")];
  }
  const signal = AbortSignal.timeout(patienceMs);
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const call = (path, init) =>
    answerTo(`${baseUrl}${path}`, { headers, signal, ...init }, patienceMs / 1000);
  const wrong = (body) =>
    call(PATHS[api], {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body,
    });
  const [list, spoken, ...retrieved] = await Promise.all([
    call("/models"),
    spokenTo(wrong),
    ...models.slice(0, MAX_RETRIEVED).map((model) => call(`/models/${encodeURIComponent(model)}`)),
  ]);
  const { host } = new URL(baseUrl);
  if ([list, spoken, ...retrieved].every(({ failure }) => failure)) {
    return [bad(`${host} does not answer: ${list.failure}.`)];
  }
  const spoke = apiFinding(spoken, api);
  return [
    good(`${host} answers.`),
    keyFinding({ list, spoken, retrieved }, key, spoke),
    spoke,
    ...models.map((model, index) => modelFinding(model, list, retrieved[index] ?? {})),
  ];
}

/**
 * What the API says to a request that no server can take, so that nothing is bought. Only a server that has the API's
 * path says what is wrong with it.
 */
async function spokenTo(wrong) {
  const answer = await wrong("[]");
  // Some trip over what is no object, whatever the path and the key.
  return answer.status >= 500 ? wrong("{}") : answer;
}

/**
 * What the findings look like, one a line.
 * @param {Finding[]} findings
 */
export function lines(findings) {
  return findings.map(({ verdict, text }) => `${MARKS[verdict]} ${text}`);
}
