/**
 * A request as a program would send it, in several languages. The token is never part of it: snippets are copied into
 * chats and repositories.
 *
 * @typedef {import("./request.js").Request} Request
 * @typedef {object} Told
 * @property {string} origin where the service is
 * @property {boolean} wantsToken whether the request may have to carry an access token
 * @property {boolean} isStream whether a good answer is an event stream
 * @property {boolean} mayBeEmpty whether it may also be `204`, because it asks for the rest of an answer
 */

/** @type {Record<string, { name: string, write: (request: Request, told: Told) => string }>} */
export const LANGUAGES = {
  curl: { name: "curl", write: curl },
  js: { name: "JavaScript", write: javaScript },
  python: { name: "Python", write: python },
};

const LOST = "The connection was lost: the answer is not complete.";

function curl({ method, address, headers, body }, { origin, wantsToken, isStream }) {
  const usual = body === undefined ? "GET" : "POST";
  const options = [
    isStream && "-N",
    method === "HEAD" ? "-I" : method !== usual && `-X ${method}`,
    quoteForShell(origin + address),
  ];
  const lines = [
    ["curl", ...options].filter(Boolean).join(" "),
    ...(wantsToken ? [`-H "Authorization: Bearer \${CHAT_TOKEN:-none}"`] : []),
    ...headers.map(([name, value]) => `-H ${quoteForShell(`${name}: ${value}`)}`),
    // curl reads a file where the data begins with an @.
    ...(body === undefined
      ? []
      : [`${body.startsWith("@") ? "--data-raw" : "-d"} ${quoteForShell(body)}`]),
  ];
  return lines.join(" \\\n  ");
}

function javaScript({ method, address, headers, body }, told) {
  const { origin, wantsToken, isStream, mayBeEmpty } = told;
  const fields = headers.map(([name, value]) => `    ${keyInJs(name)}: ${JSON.stringify(value)},`);
  if (wantsToken) fields.unshift("    Authorization: `Bearer $" + "{CHAT_TOKEN}`,");
  const data = parsed(body);
  const options = [
    method !== "GET" && `  method: ${JSON.stringify(method)},`,
    ...(fields.length > 0 ? ["  headers: {", ...fields, "  },"] : []),
    body !== undefined &&
      `  body: ${data === undefined ? JSON.stringify(body) : `JSON.stringify(${indented(data)})`},`,
  ].filter(Boolean);
  const call = [
    JSON.stringify(origin + address),
    options.length > 0 && `{\n${options.join("\n")}\n}`,
  ];
  return [
    isStream && "// npm install eventsource-parser",
    isStream && 'import { EventSourceParserStream } from "eventsource-parser/stream";\n',
    wantsToken && 'const { CHAT_TOKEN = "none" } = process.env;',
    `const response = await fetch(${call.filter(Boolean).join(", ")});`,
    "if (!response.ok) throw new Error(await response.text());",
    mayBeEmpty && "if (response.status === 204) process.exit(); // Nothing more will come.",
    isStream ? JS_STREAM : "console.log(response.status, await response.text());",
  ]
    .filter(Boolean)
    .join("\n");
}

const JS_STREAM = `
let isWhole = false;
const text = response.body.pipeThrough(new TextDecoderStream());
for await (const { data } of text.pipeThrough(new EventSourceParserStream())) {
  const { content, is_final, error, detail } = JSON.parse(data);
  if (error) throw new Error(\`\${error}: \${detail}\`);
  process.stdout.write(content);
  isWhole = is_final;
}
if (!isWhole) throw new Error(${JSON.stringify(LOST)});`;

function python({ method, address, headers, body }, told) {
  const { origin, wantsToken, isStream, mayBeEmpty } = told;
  const data = parsed(body);
  const own = headers.filter(([name]) => data === undefined || name !== "Content-Type");
  const fields = own.map(([name, value]) => `${inPython(name)}: ${inPython(value)},`);
  if (wantsToken) fields.unshift('"Authorization": f"Bearer {token}",');
  const request = [
    `"method": ${inPython(method)},`,
    `"url": ${inPython(origin + address)},`,
    ...(fields.length > 0 ? ['"headers": {', ...fields.map((each) => `    ${each}`), "},"] : []),
    body !== undefined &&
      (data === undefined ? `"content": ${inPython(body)},` : `"json": ${inPython(data, "    ")},`),
    '"timeout": 60,',
  ].filter(Boolean);
  return [
    `# pip install httpx${isStream ? " httpx-sse" : ""}`,
    wantsToken && "import os",
    "import httpx",
    isStream && "from httpx_sse import connect_sse",
    "",
    wantsToken && 'token = os.environ.get("CHAT_TOKEN", "none")',
    `request = {\n${request.map((line) => `    ${line}`).join("\n")}\n}`,
    isStream ? streamInPython(mayBeEmpty) : PYTHON_WHOLE,
  ]
    .filter((line) => line !== false)
    .join("\n");
}

const PYTHON_WHOLE = `response = httpx.request(**request)
response.raise_for_status()
print(response.status_code, response.text)`;

const PYTHON_EMPTY = `    if events.response.status_code == 204:
        raise SystemExit  # Nothing more will come.
`;

const streamInPython = (mayBeEmpty) => `whole = False
with httpx.Client() as client, connect_sse(client, **request) as events:
    if events.response.is_error:
        raise SystemExit(events.response.read().decode())
${mayBeEmpty ? PYTHON_EMPTY : ""}    for event in events.iter_sse():
        frame = event.json()
        if "error" in frame:
            raise SystemExit(f"{frame['error']}: {frame['detail']}")
        print(frame["content"], end="", flush=True)
        whole = frame["is_final"]
if not whole:
    raise SystemExit(${JSON.stringify(LOST)})`;

function quoteForShell(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function keyInJs(name) {
  return /^\w+$/.test(name) ? name : JSON.stringify(name);
}

/** What a body says, if it is JSON. */
function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function indented(data) {
  return JSON.stringify(data, null, 2).replaceAll("\n", "\n  ");
}

/** A value as Python writes it: in one line if that is short. */
function inPython(data, indent = "") {
  if (data === null) return "None";
  if (data === true) return "True";
  if (data === false) return "False";
  if (typeof data !== "object") return JSON.stringify(data);
  const isList = Array.isArray(data);
  const inner = `${indent}    `;
  const items = isList
    ? data.map((value) => inPython(value, inner))
    : Object.entries(data).map(([key, value]) => `${inPython(key)}: ${inPython(value, inner)}`);
  const [open, close] = isList ? "[]" : "{}";
  const line = open + items.join(", ") + close;
  if (line.length <= 60 && !line.includes("\n")) return line;
  return `${open}\n${items.map((item) => `${inner}${item},\n`).join("")}${indent}${close}`;
}
