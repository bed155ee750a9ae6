/**
 * What the answers of a model's server mean.
 *
 * @typedef {import("./answer.mjs").Answer} Answer
 *
 * @typedef {object} Finding One thing that was looked at.
 * @property {"good" | "soon" | "bad" | "open"} verdict `soon`: it will be bad; `open`: the server does not tell, which is
 *   no fault.
 * @property {string} text One line for a person. It has no secret and no text of the server's.
 */
import { isAboutModel, isFound, isMissing, isRefusal } from "./answer.mjs";
import { shutdownOf } from "./shutdown.mjs";

/** A model that is shut down within so many days has to be replaced now. */
const SOON_DAYS = 90;
const DAY_MS = 86_400_000;

export const PATHS = { chat_completions: "/chat/completions", responses: "/responses" };

export const good = (text) => ({ verdict: "good", text });
export const bad = (text) => ({ verdict: "bad", text });
export const open = (text) => ({ verdict: "open", text });

/**
 * @param {{ list: Answer, spoken: Answer, retrieved: Answer[] }} answers
 * @param {string | undefined} key
 * @param {Finding} api what the API's own path says: only what has looked at the key may look at the request
 */
export function keyFinding({ list, spoken, retrieved }, key, api) {
  const refusal = [spoken, list, ...retrieved].find(isRefusal);
  if (!key) return open(refusal ? "It wants a key; none is known here." : "No key is known here.");
  const isHeard = api.verdict === "good";
  if (refusal && isHeard) {
    return open(
      `It keeps its models from the key (status ${refusal.status}). That is no fault of a key that may only chat.`,
    );
  }
  if (refusal) return bad(refused(refusal.status));
  // LiteLLM has other words than 401 for a key that it does not know.
  const isPuzzled = list.status >= 400 && list.status < 500 && !isMissing(list);
  const isTaken = [list, ...retrieved].some(isFound) || (isHeard && !isPuzzled);
  return isTaken
    ? good("It does not refuse the key.")
    : open("It does not tell whether it takes the key.");
}

function refused(status) {
  return status === 403
    ? "It takes no requests with this key (status 403). The key is wrong, lacks a right, or has no credit left."
    : `It refuses the key (status ${status}). Replace OPENAI_API_KEY.`;
}

/** @param {Answer} answer to a request that no server can take @param {string} api */
export function apiFinding(answer, api) {
  const name = `OPENAI_API ${api}`;
  const { status, body, isPage, unread, failure } = answer;
  if (failure) return open(`${name}: ${failure}.`);
  if (isRefusal(answer)) return open(`${name}: not known without a good key.`);
  // A 404 may also be about the model, which the request lacks.
  if (isMissing(answer) && !isAboutModel(answer)) {
    const other = api === "responses" ? "chat_completions" : "responses";
    return bad(
      `${name}: the server has no ${PATHS[api]} (status ${status}). OPENAI_BASE_URL has to end where the API's paths ` +
        `begin, most often in /v1. Else set OPENAI_API to ${other}.`,
    );
  }
  if (status >= 300 && status < 400) {
    return bad(`${name}: the server sends elsewhere (status ${status}). Correct OPENAI_BASE_URL.`);
  }
  if (status === 503) {
    return open(`${name}: the server is overloaded, or still loading the model (status 503).`);
  }
  if (status >= 500) return open(`${name}: the server failed (status ${status}).`);
  if (isPage || (status < 300 && body === undefined && !unread)) {
    return bad(
      `${name}: something else answers there, with no JSON (status ${status}). Correct OPENAI_BASE_URL.`,
    );
  }
  if (status === 402) return bad(`${name}: the server wants to be paid first (status 402).`);
  if (status === 429) {
    return open(
      `${name}: the server takes no more requests for now, or no credit is left (status 429).`,
    );
  }
  if (unread) return open(`${name}: the answer (status ${status}) ${unread}.`);
  return good(`${name}: the server has it.`);
}

/**
 * @param {string} model
 * @param {Answer} list of all models
 * @param {Answer} own what the server says of this one
 */
export function modelFinding(model, list, own) {
  const listed = modelsIn(list);
  const names = [model, `models/${model}`, `${model}:latest`];
  const entries = listed.filter((each) => names.includes(each?.id));
  // Some servers answer with the whole list, whatever is asked for.
  if (isFound(own) && !Array.isArray(own.body.data ?? own.body)) entries.unshift(own.body);
  return entries.length > 0 ? presentFinding(model, entries) : absentFinding(model, list, own);
}

function modelsIn({ status, body }) {
  const models = body?.data ?? body;
  return status === 200 && Array.isArray(models) ? models : [];
}

function presentFinding(model, entries) {
  const shutdown = shutdownOf(entries);
  if (!shutdown) return good(`Model ${model}: it is there.`);
  const { day, ms } = shutdown;
  const left = Math.ceil((ms - Date.now()) / DAY_MS);
  if (left <= 0) return bad(`Model ${model}: it was shut down on ${day}. Set another one.`);
  if (left > SOON_DAYS)
    return good(`Model ${model}: it is there, until it is shut down on ${day}.`);
  const when = left === 1 ? "tomorrow" : `in ${left} days`;
  return {
    verdict: "soon",
    text: `Model ${model}: it is there, but is shut down ${when}, on ${day}. Set another one by then.`,
  };
}

/** Some servers take models that they do not list: Azure's deployments, a proxy's patterns. */
function absentFinding(model, list, own) {
  const isListing = modelsIn(list).length > 0;
  const isUnknown = (own.status === 404 || own.status === 400) && isAboutModel(own, model);
  if (isUnknown && isListing) {
    return bad(`Model ${model}: the server neither lists nor knows it. Is the name right?`);
  }
  if (isListing) {
    return open(`Model ${model}: the server does not list it, but may have it. Is the name right?`);
  }
  if (isUnknown) return open(`Model ${model}: the server does not know it. Is the name right?`);
  const unread = list.unread ?? own.unread;
  if (unread) return open(`Model ${model}: not known, as the server's answer ${unread}.`);
  const failure = list.failure ?? own.failure;
  if (failure) return open(`Model ${model}: ${failure}.`);
  return open(`Model ${model}: the server does not tell whether it has it.`);
}
