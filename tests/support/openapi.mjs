/**
 * Checks that `openapi.json` documents whatever the worker answers: its status, its headers and its body.
 */
import { readFileSync } from "node:fs";
import { STATUS_CODES } from "node:http";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** The document as it is served. */
export const document = JSON.parse(
  readFileSync(new URL("../../public/openapi.json", import.meta.url), "utf8"),
);

/** What HTTP and Cloudflare say about any message, and the document therefore need not. */
const FRAMING = [
  "cf-cache-status",
  "connection",
  "content-length",
  "content-type",
  "date",
  "keep-alive",
  "transfer-encoding",
];

// A schema beside a $ref narrows it without repeating the type.
const ajv = addFormats(new Ajv2020({ allErrors: true, strictTypes: false }));
const { paths, components } = closed(document);
ajv.addVocabulary(["components"]);
ajv.addSchema({ components }, "openapi.json");
const { ChatRequest, ContentFrame, ReasoningFrame, FinalFrame, ErrorFrame, FrameId } =
  components.schemas;

/** The paths with an id in them. */
const TEMPLATES = Object.entries(paths)
  .filter(([path]) => path.includes("{"))
  .map(([path, operations]) => [new RegExp(`^${path.replace("{id}", "[^/]+")}$`), operations]);

/**
 * Checks a response of `fetch`, and the request body of a stream. The stream itself is left to the test, which reads
 * its frames as fast as it likes; `frames.mjs` checks each.
 */
export async function checkResponse({ body, ...request }, response) {
  const { status, headers } = response;
  const isStream = headers.get("content-type")?.startsWith("text/event-stream");
  const text = isStream ? undefined : await response.clone().text();
  checkAnswer(request, { status, headers, text });
  if (isStream && body) {
    check("A body that the worker takes", ChatRequest, JSON.parse(Buffer.from(body).toString()));
  }
}

/**
 * Checks an answer.
 *
 * @param {{ method?: string, path: string, pages?: boolean }} request `pages` are served beside the worker
 * @param {{ status: number, headers: Headers, text?: string }} answer `text` is the body where it is no stream
 */
export function checkAnswer({ method = "GET", path, pages }, { status, headers, text }) {
  const what = `${method} ${path}: ${status} ${STATUS_CODES[status]}`;
  const operations = operationsOf(path.replace(/\?.*/s, ""));
  const operation = operations?.[method.toLowerCase()];
  // Every answer of the worker has an id. Of the files in front of it, the document describes only itself.
  if (pages && operation === undefined && !headers.has("x-correlation-id")) {
    return;
  }
  const response = resolve((operation?.responses ?? elsewhere(method, operations))[status]);
  if (response === undefined) {
    throw new Error(`${what} is not documented in openapi.json`);
  }
  checkHeaders(what, response.headers, headers);
  if (method !== "HEAD") {
    checkBody(what, response.content, headers.get("content-type"), text);
  }
}

/**
 * Checks a frame of the event stream.
 *
 * @param {any} frame
 * @param {string} [id] Its id, which only frames of a kept answer have. Their last one tells where it is kept.
 */
export function checkFrame(frame, id) {
  const ending = frame.error === undefined ? FinalFrame : ErrorFrame;
  const adding = frame.reasoning === undefined ? ContentFrame : ReasoningFrame;
  const schema = frame.is_final ? ending : adding;
  const what = `The frame ${JSON.stringify(frame).slice(0, 400)}`;
  check(what, schema, frame);
  if (id !== undefined) check(`${what}: its id '${id}'`, FrameId, id);
  const isKept = id !== undefined && frame.is_final;
  for (const field of ["turn_id", "history_turns"]) {
    if (Object.hasOwn(frame, field) !== isKept) {
      throw new Error(
        `${what} ${isKept ? "lacks" : "has"} '${field}', as only a kept answer has it`,
      );
    }
  }
}

/** What the document says of a path. A path with an id is that of its template. */
function operationsOf(path) {
  return paths[path] ?? TEMPLATES.find(([pattern]) => pattern.test(path))?.[1];
}

/** What a $ref to a component leads to. */
function resolve(node) {
  const [, kind, name] = node?.$ref?.match(/#\/components\/(\w+)\/(.+)$/) ?? [];
  return kind === undefined ? node : components[kind][name];
}

/** What the document says about every operation that it does not list. */
function elsewhere(method, operations) {
  const { NotFound, MethodNotAllowed, OriginNotAllowed, MalformedHost, Preflight } =
    components.responses;
  const refusals = { 400: MalformedHost, 403: OriginNotAllowed };
  if (method === "OPTIONS") {
    return { 204: Preflight, ...refusals };
  }
  return {
    ...(operations === undefined ? { 404: NotFound } : { 405: MethodNotAllowed }),
    ...refusals,
  };
}

function checkHeaders(what, documented, headers) {
  for (const [name, node] of Object.entries(documented)) {
    const { required, schema } = resolve(node);
    const value = headers.get(name);
    if (value === null && required) {
      throw new Error(`${what} lacks the header ${name}, which openapi.json promises`);
    }
    if (value !== null) {
      const typed = schema.type === "integer" ? Number(value) : value;
      check(`${what}: the header ${name} '${value}'`, schema, typed);
    }
  }
  const known = [...FRAMING, ...Object.keys(documented).map((name) => name.toLowerCase())];
  const unknown = [...headers.keys()].filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new Error(`${what} has headers that openapi.json does not name: ${unknown.join(", ")}`);
  }
}

function checkBody(what, content, contentType, text) {
  const type = contentType?.split(";")[0];
  if (content === undefined) {
    if (text !== "") {
      throw new Error(`${what} has a body, of which openapi.json does not tell: ${text}`);
    }
  } else if (content[type] === undefined) {
    throw new Error(`${what} is of the type ${contentType}, which openapi.json does not name`);
  } else if (type === "application/json") {
    check(`${what}: the body ${text}`, content[type].schema, JSON.parse(text));
  } else if (type === "application/jsonl") {
    const lines = text.split("\n").slice(0, -1);
    for (const line of lines) {
      check(`${what}: the line ${line}`, content[type].schema.contentSchema, JSON.parse(line));
    }
  }
}

function check(what, schema, value) {
  const validate = ajv.compile(schema);
  if (!validate(value)) {
    const faults = validate.errors.map(({ instancePath, message, params }) =>
      `${instancePath} ${message} ${JSON.stringify(params)}`.trim(),
    );
    throw new Error(`${what} is not as openapi.json says: ${faults.join("; ")}`);
  }
}

/**
 * The document, with every object closed. Clients are told to expect more fields one day; a test must see none that is
 * not documented. An object that says itself that it takes more, as requests do, stays open.
 */
function closed(node) {
  if (Array.isArray(node)) {
    return node.map(closed);
  }
  if (typeof node !== "object" || node === null) {
    return node;
  }
  const entries = Object.entries(node).map(([key, value]) =>
    // A schema that is compiled on its own still finds the components.
    key === "$ref" ? [key, `openapi.json${value}`] : [key, closed(value)],
  );
  const isObject = node.type === "object" && node.properties !== undefined;
  return { ...(isObject && { additionalProperties: false }), ...Object.fromEntries(entries) };
}
