import { ask, ChatError } from "./api.js";
import { Composer } from "./composer.js";
import { newExchange, requestFor } from "./conversation.js";
import { keepForOffline } from "./offline/register.js";
import { SettingsDialog } from "./settings-dialog.js";
import { loadConversation, loadSettings, loadToken, saveConversation, saveToken } from "./store.js";
import { TokenDialog } from "./token-dialog.js";
import { Transcript } from "./transcript.js";

const newButton = document.querySelector("#new-conversation");
const restoreButton = document.querySelector("#restore");
const tokenDialog = new TokenDialog();
new SettingsDialog();
const transcript = new Transcript((exchange) => retry(exchange));
const composer = new Composer({ onSend: send, onStop: () => current?.abort() });

let exchanges = loadConversation();
/** The conversation before this one, while this one is empty. */
let previous = [];
/** Stops the answer that is coming. @type {AbortController | undefined} */
let current;
/** Whether the page is being left. That cuts off the answer, which must not be saved as a failure. */
let leaving = false;

show();
newButton.addEventListener("click", () => switchTo([], exchanges));
restoreButton.addEventListener("click", () => switchTo(previous, []));
for (const example of document.querySelectorAll(".examples button")) {
  example.addEventListener("click", () => composer.write(example.textContent));
}
document.addEventListener("keydown", (event) => {
  const isEscape = event.key === "Escape" && !event.isComposing && !event.defaultPrevented;
  if (isEscape && !document.querySelector("dialog[open]")) current?.abort();
});
// A phone may end a hidden page without further events.
addEventListener("visibilitychange", save);
addEventListener("pagehide", () => {
  save();
  leaving = true;
});
addEventListener("pageshow", () => {
  leaving = false;
});
composer.focus();
keepForOffline({ mayReload: () => !current });

function send(message) {
  const exchange = newExchange(message);
  exchanges.push(exchange);
  previous = [];
  transcript.add(exchange);
  newButton.disabled = false;
  restoreButton.hidden = true;
  run(exchange);
}

function retry(exchange) {
  if (current) return;
  Object.assign(exchange, newExchange(exchange.question));
  transcript.restart(exchange);
  composer.focus();
  run(exchange);
}

function switchTo(conversation, from) {
  current?.abort();
  previous = from;
  exchanges = conversation;
  show();
  save();
  composer.focus();
}

function show() {
  transcript.clear();
  for (const exchange of exchanges) transcript.add(exchange);
  if (exchanges.length > 0) transcript.rememberedSince(requestOf(exchanges.at(-1)).since);
  newButton.disabled = exchanges.length === 0;
  restoreButton.hidden = previous.length === 0;
}

function save() {
  if (!leaving) saveConversation(exchanges);
}

/** Gets the answer to an exchange's question, and records how it ended. */
async function run(exchange) {
  const abort = new AbortController();
  current = abort;
  composer.setBusy(true);
  save();
  try {
    await answer(exchange, abort.signal);
    exchange.state = "done";
  } catch (error) {
    if (abort.signal.aborted) exchange.state = "stopped";
    else Object.assign(exchange, { state: "failed", problem: problemOf(error) });
  }
  transcript.end(exchange);
  // By now a new conversation may have begun, even its first answer.
  if (current !== abort) return;
  current = undefined;
  composer.setBusy(false);
  save();
}

/** Sends the request, and asks for an access token as often as the API does and the person enters one. */
async function answer(exchange, signal) {
  const { body, since } = requestOf(exchange);
  transcript.rememberedSince(since);
  for (;;) {
    const token = loadToken();
    try {
      return await receive(exchange, ask(body, { token, signal }));
    } catch (error) {
      if (!(error instanceof ChatError) || error.status !== 401) throw error;
      saveToken(undefined);
      const given = await tokenDialog.ask(token !== undefined);
      if (given === undefined) throw error;
      saveToken(given);
    }
  }
}

function requestOf(exchange) {
  const earlier = exchanges.slice(0, exchanges.indexOf(exchange));
  return requestFor(earlier, exchange.question, loadSettings());
}

async function receive(exchange, frames) {
  const started = performance.now();
  for await (const { content, is_final, finish_reason, usage } of frames) {
    if (is_final) Object.assign(exchange, { finishReason: finish_reason, usage });
    if (!content) continue;
    exchange.firstTokenMs ??= performance.now() - started;
    exchange.answer += content;
    transcript.append(exchange, content);
  }
}

function problemOf(error) {
  if (error instanceof ChatError) return error.problem;
  console.error(error);
  return {
    error: "Something went wrong on this page",
    detail: "Reload it and try again.",
    code: "page_error",
  };
}
