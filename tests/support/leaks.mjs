/**
 * Everything that must not be logged in a test run: keys, access tokens, and whatever a person or the model says. It is
 * collected as it is used, and searched for in a worker's log when the worker ends.
 */

/** Anything shorter may occur in an innocent line. */
const MIN_LENGTH = 8;

/** Of a long text only the start is searched for, since a line may hold no more than that. */
const MAX_LENGTH = 200;

/** @type {Set<string>} */
const secrets = new Set();

/** Notes texts that no log line may hold. @param {...unknown} texts */
export function keepSecret(...texts) {
  for (const text of texts) {
    const start = typeof text === "string" ? text.trim().slice(0, MAX_LENGTH) : "";
    if (start.length >= MIN_LENGTH && isTelling(start)) {
      secrets.add(start);
    }
  }
}

/** Whether a text holds a word, and is more than one character repeated. */
function isTelling(text) {
  return /\p{L}{3}/u.test(text) && !/^(.)\1*$/s.test(text);
}

/** Notes what the body of a chat says. A body that is no chat says nothing. */
export function noteBody(body) {
  try {
    const { message, history } = JSON.parse(body);
    keepSecret(message);
    keepSecret(...history.map((turn) => turn.content));
  } catch {
    // The body is no JSON, or it has no valid history. What was valid up to there has been noted.
  }
}

/**
 * The first of these texts that holds a secret, and the secret. It is found as it is, as JSON and as URLs write it.
 *
 * @param {string[]} texts
 * @returns {{ secret: string, text: string } | undefined} nothing when there is none
 */
export function leakIn(texts, kept = secrets) {
  const all = texts.join("\n");
  const formsOf = (secret) => [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret.toWellFormed()),
  ];
  for (const secret of kept) {
    const form = formsOf(secret).find((each) => all.includes(each));
    if (form !== undefined) {
      return { secret, text: texts.find((text) => text.includes(form)) ?? all };
    }
  }
}
