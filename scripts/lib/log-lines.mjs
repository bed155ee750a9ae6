/**
 * What is said of an event, phrase by phrase: a field's name in braces stands for its value. A phrase is left out when
 * it has fields and none of them is there. Fields and events that are not named here are told as `name=value`.
 * @type {Record<string, string[]>}
 */
const PHRASES = {
  application_started: ["{model}", "{api}", "log level {log_level}"],
  anonymous_access: ["anyone who reaches the worker may chat"],
  request_received: ["{method} {path}", "{message_length} characters"],
  validation_error: ["{field}", "{rule}"],
  rate_limiter_failed: ["the request was let through", "{cause}"],
  upstream_retry: [
    "attempt {attempt} in {delay_ms} ms",
    "{code}",
    "upstream said {upstream_status}",
  ],
  stream_started: [
    "{model}",
    "at most {max_tokens} tokens",
    "upstream answered after {upstream_latency_ms} ms",
  ],
  chunk_sent: ["frame {sequence}", "{content_length} characters", "after {elapsed_ms} ms"],
  unknown_finish_reason: ["{reason} was told as other"],
  stream_error: ["{code}", "{cause}", "{recovery_action}"],
  response_complete: [
    "{http_status} {status} {end_reason}",
    "{duration_ms} ms",
    "first text {ttft_ms} ms",
    "{chunk_count} chunks",
    "{finish_reason}",
    "{usage.input_tokens}+{usage.output_tokens} tokens",
  ],
  panic: ["{cause}"],
  instance_lost: ["{cause}", "broken off: {correlation_ids}"],
  runtime_ended: [
    "{cause}",
    "{cut_requests} requests cut off",
    "starts again in {restart_in_ms} ms",
  ],
  server_stopped: ["{cut_requests} requests cut off"],
};

/** As wide as the longest name of an event, so that what follows stands below each other. */
const EVENT_WIDTH = Math.max(...Object.keys(PHRASES).map((event) => event.length));

/** Before every event's own fields. */
const HEAD = ["timestamp", "level", "event", "correlation_id"];

/** How a level is shown, and in which colour of a terminal. */
const LEVELS = new Map([
  ["DEBUG", ["DEBUG", "2"]],
  ["INFO", ["INFO", "36"]],
  ["WARNING", ["WARN", "33"]],
  ["ERROR", ["ERROR", "31"]],
]);
const FAINT = "2";

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/**
 * What would move a terminal's cursor, colour or cut a line, or turn the direction of what follows: control characters,
 * line separators, and the marks and overrides of bidirectional text.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * A log line of the worker for people: time of day here, level, the request's correlation id (the beginning of one that
 * is a UUID), event, facts. What is not one of its lines stays as it is, made safe to print.
 * @param {string} line
 * @param {{ color?: boolean }} [options]
 */
export function readable(line, { color = false } = {}) {
  const record = recordIn(line);
  if (record === undefined) return safe(line);
  const paint = (code, text) => (color && code ? `\x1b[${code}m${text}\x1b[0m` : text);
  const [level, levelColor] = LEVELS.get(record.level) ?? [record.level];
  const columns = [
    timeOfDay(record.timestamp),
    paint(levelColor, safe(level).padEnd(5)),
    paint(FAINT, shortId(record.correlation_id).padEnd(8)),
    safe(record.event).padEnd(EVENT_WIDTH),
    facts(record),
  ];
  return columns.join("  ").trimEnd();
}

/** Text that leaves a terminal as it was: what could do more is written as its escape. */
export function safe(text) {
  return text.replace(UNSAFE, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** @returns {Record<string, unknown> | undefined} */
function recordIn(line) {
  try {
    const record = JSON.parse(line);
    const isOurs = typeof record?.event === "string" && typeof record.level === "string";
    return isOurs ? record : undefined;
  } catch {
    return undefined;
  }
}

function timeOfDay(timestamp) {
  const time = new Date(String(timestamp));
  if (Number.isNaN(time.getTime())) return safe(String(timestamp));
  const [hours, minutes, seconds] = [time.getHours(), time.getMinutes(), time.getSeconds()].map(
    (number) => `${number}`.padStart(2, "0"),
  );
  return `${hours}:${minutes}:${seconds}.${`${time.getMilliseconds()}`.padStart(3, "0")}`;
}

function shortId(id = "-") {
  const text = safe(String(id));
  return UUID.test(text) ? text.slice(0, 8) : text;
}

function facts(record) {
  const fields = fieldsOf(record);
  const told = new Set(HEAD);
  const phrases = Object.hasOwn(PHRASES, record.event) ? PHRASES[record.event] : [];
  const sentences = phrases.flatMap((phrase) => filled(phrase, fields, told));
  const others = [...fields].filter(
    ([name, value]) => !told.has(name) && matters(name, value, fields),
  );
  return [...sentences, others.map(([name, value]) => pair(name, value)).join(" ")]
    .filter(Boolean)
    .join(", ");
}

/** The fields by their names; those of an object behind its own name and a dot. */
function fieldsOf(record) {
  const isObject = (value) => Object.prototype.toString.call(value) === "[object Object]";
  const fields = Object.entries(record).flatMap(([name, value]) =>
    isObject(value)
      ? Object.entries(value).map(([inner, part]) => [`${name}.${inner}`, part])
      : [[name, value]],
  );
  return new Map(fields);
}

/** A phrase with the values of its fields, which are told then; none when it has fields and none of them is there. */
function filled(phrase, fields, told) {
  let known = phrase.includes("{") ? 0 : 1;
  const text = phrase.replace(/\{([^}]+)\} ?/g, (place, name) => {
    if (!fields.has(name)) return "";
    known += 1;
    told.add(name);
    return place.replace(`{${name}}`, () => safe(asText(fields.get(name))));
  });
  return known > 0 ? [text.trim().replace(/^1 (character|chunk|request)s\b/, "1 $1")] : [];
}

/** Not what says nothing new: that there was no retry, and a sum of two numbers that are told. */
function matters(name, value, fields) {
  if (name === "retries") return value !== 0;
  if (name !== "usage.total_tokens") return true;
  return value !== fields.get("usage.input_tokens") + fields.get("usage.output_tokens");
}

/** `name=value`, in quotes where one could not see where it ends. */
function pair(name, value) {
  const text = asText(value);
  const isPlain = typeof value !== "string" || /^[^\s"=,]+$/.test(text);
  return `${safe(name)}=${safe(isPlain ? text : JSON.stringify(text))}`;
}

function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
