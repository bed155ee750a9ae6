/** JSON lines without secrets. */

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"];
const SECRET_NAME = /api_key|authorization|secret|password|token(?!s)/i;
const CREDENTIALS = /\bsk-[\w*.-]+|(?<=\bbearer[ \t+:=]+)[^\s"',;]+/gi;

export class Log {
  #lowest;
  #secrets;

  constructor({ logLevel, secrets }) {
    this.#lowest = LEVELS.indexOf(logLevel);
    // The longest first: it may contain another one.
    this.#secrets = secrets.toSorted((a, b) => b.length - a.length);
  }

  info(event, id, fields) {
    this.#write("INFO", console.log, event, id, fields);
  }

  warn(event, id, fields) {
    this.#write("WARNING", console.warn, event, id, fields);
  }

  error(event, id, fields) {
    this.#write("ERROR", console.error, event, id, fields);
  }

  #write(level, print, event, id, fields) {
    if (LEVELS.indexOf(level) < this.#lowest) return;
    const timestamp = new Date().toISOString().replace("Z", "000+00:00");
    const line = { timestamp, level, event, correlation_id: id, ...fields };
    print(JSON.stringify(line, (name, value) => this.#redact(name, value)));
  }

  #redact(name, value) {
    if (SECRET_NAME.test(name)) return "REDACTED";
    if (typeof value !== "string") return value;
    let text = value;
    for (const secret of this.#secrets) text = text.replaceAll(secret, "REDACTED");
    return text.replace(CREDENTIALS, "REDACTED");
  }
}
