/**
 * The phrases of each event: a field's name in braces stands for its value. A phrase is left out when the event has
 * none of its fields. Fields that no phrase names, and those of other events, are printed as `name=value`.
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
    "upstream answered {upstream_status}",
  ],
  stream_started: [
    "{model}",
    "at most {max_tokens} tokens",
    "upstream answered after {upstream_latency_ms} ms",
  ],
  chunk_sent: ["frame {sequence}", "{content_length} characters", "after {elapsed_ms} ms"],
  unknown_finish_reason: ["{reason} was reported as other"],
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
  runtime_ended: ["{cause}", "{cut_requests} requests cut off", "restarts in {restart_in_ms} ms"],
  server_stopped: ["{cut_requests} requests cut off"],
};

/** The width of the longest event name: the column after it is aligned. */
const EVENT_WIDTH = Math.max(...Object.keys(PHRASES).map((event) => event.length));

/** The fields that every event has, which come first. */
const HEAD = ["timestamp", "level", "event", "correlation_id"];

/** How a level is printed, and the terminal colour of it. */
const LEVELS = new Map([
  ["DEBUG", ["DEBUG", "2"]],
  ["INFO", ["INFO", "36"]],
  ["WARNING", ["WARN", "33"]],
  ["ERROR", ["ERROR", "31"]],
]);
const FAINT = "2";

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/**
 * Characters that could move a terminal's cursor, change its colours, break a line or reverse the text after them:
 * control characters, line separators, and the marks and overrides of bidirectional text.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it has to match.
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * A log line of the worker for people: local time, level, the request's correlation id (a UUID is shortened), event,
 * facts. Any other line stays as it is, made safe to print.
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

/** Text without effects on a terminal: characters that have any are escaped. */
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

/** The fields by their names; a field of an object is `object.field`. */
function fieldsOf(record) {
  const isObject = (value) => Object.prototype.toString.call(value) === "[object Object]";
  const fields = Object.entries(record).flatMap(([name, value]) =>
    isObject(value)
      ? Object.entries(value).map(([inner, part]) => [`${name}.${inner}`, part])
      : [[name, value]],
  );
  return new Map(fields);
}

/** A phrase with the values of its fields, whose names are added to `told`; none when all its fields are missing. */
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

/** Whether a field says anything new: not zero retries, and not the sum of two numbers that are printed. */
function matters(name, value, fields) {
  if (name === "retries") return value !== 0;
  if (name !== "usage.total_tokens") return true;
  return value !== fields.get("usage.input_tokens") + fields.get("usage.output_tokens");
}

/** `name=value`, in quotes when the value's end would not be clear. */
function pair(name, value) {
  const text = asText(value);
  const isPlain = typeof value !== "string" || /^[^\s"=,]+$/.test(text);
  return `${safe(name)}=${safe(isPlain ? text : JSON.stringify(text))}`;
}

function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
