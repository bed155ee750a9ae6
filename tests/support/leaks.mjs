/**
 * Everything that a test run keeps secret: keys, access tokens, and whatever a person or the model says. It is noted as
 * it is used, and when a worker ends, none of it may be in any of its log lines.
 */

/** What is shorter than this occurs in innocent lines too. */
const MIN_LENGTH = 8;

/** So much of a long text tells it; a line may hold the start of it alone. */
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

/** Whether a text has a word in it, and is more than one character again and again. */
function isTelling(text) {
  return /\p{L}{3}/u.test(text) && !/^(.)\1*$/s.test(text);
}

/** Notes what is said in the body of a chat; a body that is no chat says nothing. */
export function noteBody(body) {
  try {
    const { message, history } = JSON.parse(body);
    keepSecret(message);
    keepSecret(...history.map((turn) => turn.content));
  } catch {
    // There is no history, or it is none, or this is no JSON: what was said in good form is noted.
  }
}

/**
 * The first of these texts that holds a secret, as it is or in the forms that JSON and URLs give it, and the secret.
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
