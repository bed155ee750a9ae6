import { FrameView } from "./frame-view.js";
import { seconds } from "./units.js";

/** Most of a body that is shown, in UTF-16 units. The rest is not even read. */
const MAX_SHOWN_LENGTH = 200_000;

const template = document.querySelector("#result");

/**
 * Sends a request and shows what comes back, as it comes.
 *
 * @param {HTMLElement} place
 * @param {import("./request.js").Request} request
 * @param {object} options
 * @param {string} [options.token]
 * @param {AbortSignal} options.signal
 * @param {(response: Response) => { title: string, go: () => void }[]} options.next what can be done with the answer
 * @param {() => void} options.onDemand leads to where an access token is entered
 */
export async function showResult(place, request, { token, signal, next, onDemand }) {
  place.replaceChildren(template.content.cloneNode(true));
  // What scrolls has to be reached by keyboard.
  for (const each of place.querySelectorAll(".scrolls")) each.tabIndex = 0;
  place.hidden = false;
  const line = place.querySelector(".status-line");
  line.textContent = "Sent. Waiting for an answer …";
  const started = performance.now();
  const since = () => `${seconds(performance.now() - started)}`;
  let response;
  try {
    response = await send(request, token, signal);
  } catch (error) {
    line.textContent = signal.aborted
      ? `Cancelled after ${since()}.`
      : error instanceof TypeError
        ? `Nothing answered (${error.message}). Is the service running?`
        : error.message;
    line.classList.add("bad");
    return;
  }
  const told = `${response.status} ${NAMES[response.status] ?? ""}`.trim();
  line.replaceChildren(badge(told, response.ok), ` after ${since()}`);
  showHeaders(place.querySelector(".received"), response.headers);
  showNext(place.querySelector(".next"), [
    ...next(response),
    ...(response.status === 401 ? [{ title: "Enter your access token", go: onDemand }] : []),
  ]);
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  const show = isStream ? showFrames : showBody;
  const ending = await show(place, response, started).catch(() =>
    signal.aborted
      ? { text: "cancelled", isGood: false }
      : { text: "the connection was lost", isGood: false },
  );
  line.replaceChildren(badge(told, response.ok), ` ${ending.text}, ${since()} in all`);
  line.classList.toggle("bad", !ending.isGood);
}

async function send({ method, address, headers, body }, token, signal) {
  const all = [...headers];
  if (token) all.push(["Authorization", `Bearer ${token}`]);
  return await fetch(address, { method, headers: all, body, signal, cache: "no-store" });
}

async function showFrames(place, response, started) {
  const view = new FrameView(place, started);
  for await (const text of textOf(response)) view.feed(text);
  return view.end();
}

async function showBody(place, response) {
  const pre = place.querySelector(".body");
  const code = pre.querySelector("code");
  let text = "";
  for await (const part of textOf(response)) {
    text += part;
    pre.hidden = false;
    if (text.length > MAX_SHOWN_LENGTH) break;
    code.textContent = text;
  }
  const isCut = text.length > MAX_SHOWN_LENGTH;
  code.textContent = isCut ? text.slice(0, MAX_SHOWN_LENGTH) : pretty(text, response);
  const size = `${text.length.toLocaleString("en")} characters`;
  if (isCut) return { text: `more than is shown here: the first ${size}`, isGood: true };
  return { text: text === "" ? "without a body" : `with ${size}`, isGood: true };
}

/** The body as it comes. */
async function* textOf(response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** JSON is easier to read with line ends. */
function pretty(text, response) {
  if (!response.headers.get("content-type")?.startsWith("application/json")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function showHeaders(list, headers) {
  for (const [name, value] of headers) {
    const term = document.createElement("dt");
    const description = document.createElement("dd");
    term.textContent = name;
    description.textContent = value;
    list.append(term, description);
  }
}

function showNext(place, steps) {
  place.hidden = steps.length === 0;
  for (const { title, go } of steps) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = title;
    button.addEventListener("click", go);
    place.append(button);
  }
}

function badge(text, isGood) {
  const element = document.createElement("span");
  element.className = `status ${isGood ? "good" : "bad"}`;
  element.textContent = text;
  return element;
}

/** HTTP/2 sends none. */
const NAMES = {
  200: "OK",
  204: "No Content",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};
