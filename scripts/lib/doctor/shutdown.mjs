/** When servers say that they shut a model down. */

/** A date as servers write it, with or without a time. */
const DATE = /^\d{4}-\d{2}-\d{2}(?:$|T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?$)/;

/** What of a model's entry tells it. */
const TELLING = [
  // OpenAI
  ({ shutdown_date }) => shutdown_date,
  // OpenRouter
  ({ expiration_date }) => expiration_date,
  // LiteLLM
  ({ deprecation_date }) => deprecation_date,
  // Azure
  ({ deprecation }) => deprecation?.inference,
];

/** Before this day no server spoke this API: what is older is some language's way to say "never". */
const FIRST_MS = Date.UTC(2020);
const LAST_MS = Date.UTC(9999);

/**
 * @param {any[]} entries what a server says of one model, in several places
 * @returns {{ ms: number, day: string } | undefined} the first date that one of them has
 */
export function shutdownOf(entries) {
  const ms = entries
    .flatMap((entry) => TELLING.map((tell) => timeOf(tell(entry))))
    .find((time) => time >= FIRST_MS && time < LAST_MS);
  return ms === undefined ? undefined : { ms, day: new Date(ms).toISOString().slice(0, 10) };
}

/** @returns {number} in milliseconds; `NaN` of what is no date */
function timeOf(value) {
  if (typeof value === "string" && DATE.test(value)) return Date.parse(value);
  return typeof value === "number" ? value * 1000 : Number.NaN;
}
