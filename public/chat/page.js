import { newId } from "./api.js";
import { forgetAsks, loadDraft, onAsksElsewhere, saveDraft } from "./asks.js";
import { Conversation } from "./conversation.js";
import { historyOf, requestFor } from "./history.js";
import { chooseKeeper } from "./keep/choose.js";
import { copies } from "./keep/copies.js";
import { Router } from "./router.js";
import { load, loadSettings, save } from "./store.js";
import { Transcript } from "./transcript.js";
import { versionsOf } from "./turns.js";

const MISSING = {
  title: "There is no such conversation",
  text: "It may have been deleted, or it belongs to another access token.",
  textHere:
    "It may have been deleted. Each browser keeps its own conversations: it may also be in another one.",
  action: "New conversation",
};
const UNREACHABLE = { title: "This conversation could not be opened", action: "Try again" };

const LOCKED = {
  title: "This conversation needs your access token",
  text: "Enter it, and the conversation is shown.",
  action: "Enter your access token",
};

const VALID_ID = /^[\w-]{1,64}$/;

/** The open conversation is not looked at again sooner than this. */
const LOOK_MS = 2000;

/**
 * What the page shows, and what its parts know of each other. Events:
 *
 * - `opened`, `detail: { id }`: another conversation is shown; no `id`: a new one
 * - `changed`, `detail: { summary }`: a conversation has another title, time or state, or is new
 * - `removed`, `detail: { id }`: a conversation is gone
 * - `kept`, `detail: { keeper }`: it is known who keeps the conversations, or that has changed
 *
 * Other parts may send `changed` and `removed`, too.
 */
export class Page extends EventTarget {
  /** Who keeps the conversations. @type {Promise<import("./keep/server.js").ServerKeeper>} */
  keeper;
  #api;
  #transcript;
  #composer;
  #isKeeperKnown = true;
  #standardModel;
  #router = new Router((id) => this.#show(id));
  /** Those that are shown, or whose answers are being read. @type {Map<string, Conversation>} */
  #conversations = new Map();
  /** @type {Conversation | undefined} */
  #shown;
  /** Whether the conversation that is being opened is there. @type {Promise<boolean> | undefined} */
  #opening;
  /** Whether the open conversation is not shown for want of a connection. */
  #isUnreachable = false;
  #lookedAt = 0;

  /**
   * @param {object} parts
   * @param {import("./api.js").Api} parts.api
   * @param {import("./composer.js").Composer} parts.composer
   * @param {() => string | undefined} parts.standardModel the model that answers when none is chosen, if it is known
   */
  constructor({ api, composer, standardModel }) {
    super();
    this.#api = api;
    this.#transcript = new Transcript(this.#actions());
    this.#composer = composer;
    this.#standardModel = standardModel;
    this.addEventListener("changed", ({ detail }) => this.#renamed(detail.summary));
    this.addEventListener("removed", ({ detail }) => this.#forget(detail.id));
    onAsksElsewhere((id) => this.#conversations.get(id)?.takeInAsks());
    addEventListener("online", () =>
      this.#isUnreachable ? this.#show(this.openId) : this.#look(),
    );
    addEventListener("pageshow", ({ persisted }) => persisted && this.#look());
    addEventListener("focus", () => this.#lookSoon());
    document.addEventListener("visibilitychange", () => document.hidden || this.#lookSoon());
  }

  /** Begins: finds out who keeps the conversations, and shows the one in the address. */
  start() {
    this.#choose();
    this.#show(this.openId);
  }

  /** The id of the conversation that is shown; none: a new one. @returns {string | undefined} */
  get openId() {
    return this.#router.id;
  }

  /** Whether no answer is being read. */
  get isAtRest() {
    return Array.from(this.#conversations.values()).every(({ isBusy }) => !isBusy);
  }

  /** Shows a conversation, or a new one. @param {string} [id] */
  open(id) {
    this.#router.go(id);
    this.#show(id);
  }

  /** Shows what could not be shown without the access token, now that there is one. */
  signedIn() {
    if (!this.#isKeeperKnown) this.#choose();
    if (this.#shown === undefined && this.openId !== undefined) this.#show(this.openId);
  }

  /** Sends a message in the conversation that is shown, once it is known. */
  async send(message) {
    const conversation = this.#shown ?? this.#begin();
    this.#shown = conversation;
    this.#transcript.toEnd();
    if (this.#opening && !(await this.#opening)) return this.#composer.write(message);
    conversation.ask(message);
    this.#transcript.toEnd();
  }

  /** Stops the answer that is running in the conversation that is shown. */
  stop() {
    this.#shown?.stop();
  }

  /** Saves what the person has begun to write. */
  draft(text) {
    saveDraft(this.openId, text);
  }

  /** Leaves nothing in this browser of conversations that somebody else keeps. */
  async forgetAll() {
    for (const conversation of this.#conversations.values()) conversation.close();
    forgetAsks();
    save("kept-by", undefined);
    await copies.clear();
  }

  /** What a person can do with an exchange. @returns {import("./transcript.js").Actions} */
  #actions() {
    const onShown = (act) => (exchange, more) => act(this.#shown, exchange, more);
    // What was clicked may be gone then.
    const asking = (act) =>
      onShown((...args) => {
        act(...args);
        this.#composer.focusUnlessTouch();
      });
    return {
      retry: asking((it, exchange) => it.retry(exchange)),
      goOn: asking((it, exchange) => it.goOn(exchange)),
      edit: asking((it, exchange, message) => it.edit(exchange, message)),
      send: asking((it, exchange) => it.send(exchange)),
      choose: onShown((it, exchange) => {
        it.choose(exchange);
        this.#transcript.reveal(exchange);
      }),
      takeBack: onShown((it, exchange) => {
        it.takeBack(exchange);
        const { text } = this.#composer;
        this.#composer.write(text === "" ? exchange.question : `${exchange.question}\n\n${text}`);
      }),
      signIn: onShown(async (it, exchange) => {
        if (!(await this.#api.signIn())) return;
        it.signedIn(exchange);
      }),
    };
  }

  #choose() {
    const choice = chooseKeeper(this.#api);
    this.keeper = choice.then(({ keeper }) => keeper);
    choice.then(({ keeper, isKnown, takenId }) => {
      this.#isKeeperKnown = isKnown;
      this.#tell("kept", { keeper });
      if (takenId !== undefined && this.openId === undefined) this.open(takenId);
    });
  }

  #begin() {
    this.#isUnreachable = false;
    const id = newId();
    const conversation = this.#conversation(id);
    this.#router.go(id, { replace: true });
    this.#tell("opened", { id });
    return conversation;
  }

  #conversation(id) {
    const isShown = () => this.#shown === conversation;
    const conversation = new Conversation(id, () => this.keeper, {
      onPath: () => isShown() && this.#showPath(),
      onText: (exchange, text) => isShown() && this.#transcript.append(exchange, text),
      onState: (exchange) => {
        if (!isShown()) return;
        this.#transcript.update(exchange);
        this.#composer.setBusy(conversation.running !== undefined);
      },
      onEnd: (exchange) => {
        if (!isShown()) return this.#drop(conversation);
        this.#showPath();
        this.#transcript.end(exchange);
      },
      onSummary: () => this.#tell("changed", { summary: summaryOf(conversation) }),
      onGone: () => this.#gone(conversation),
      standardModel: this.#standardModel,
      isKeeperNew: async () => {
        this.#choose();
        return (await this.keeper).kind === "browser";
      },
    });
    this.#conversations.set(id, conversation);
    return conversation;
  }

  #show(id) {
    this.#isUnreachable = false;
    const left = this.#shown;
    this.#shown = undefined;
    this.#opening = undefined;
    if (left) this.#drop(left);
    this.#transcript.clear();
    this.#composer.text = loadDraft(id);
    this.#composer.setBusy(false);
    this.#router.title();
    this.#tell("opened", { id });
    if (id === undefined) this.#transcript.welcome();
    else if (VALID_ID.test(id)) this.#openKept(id);
    else this.#missing();
  }

  #openKept(id) {
    const conversation = this.#conversations.get(id) ?? this.#conversation(id);
    this.#shown = conversation;
    if (conversation.exchanges.length > 0) this.#showPath();
    else this.#opening = this.#load(conversation);
    if (!this.#opening) this.#look();
    this.#transcript.toEnd();
  }

  /** @returns {Promise<boolean>} whether there is something to show, or another conversation is shown by now */
  async #load(conversation) {
    this.#transcript.loading();
    try {
      await conversation.load();
    } catch (error) {
      if (this.#shown !== conversation) return true;
      const isMissing = error.status === 404;
      this.#close(isMissing ? this.#missing : () => this.#unreachable(conversation.id, error));
      return false;
    }
    if (this.#shown !== conversation) return true;
    this.#opening = undefined;
    this.#transcript.toEnd();
    return true;
  }

  #showPath() {
    const { path, exchanges, title, running, isCopy } = this.#shown;
    const earlier = path.slice(0, -1);
    const since = isKeptHere() ? sinceHere(earlier, path) : historyOf(earlier).since;
    this.#transcript.show(path, {
      since,
      isCopy,
      versionsOf: (exchange) => versionsOf(exchange, exchanges),
    });
    this.#composer.setBusy(running !== undefined);
    this.#router.title(title);
  }

  #missing() {
    const text = isKeptHere() ? MISSING.textHere : MISSING.text;
    this.#transcript.notice({ ...MISSING, text, onAction: () => this.open() });
  }

  #unreachable(id, { problem, status }) {
    const text = problem ? `${problem.error}. ${problem.detail}` : "Reload the page.";
    if (status === 401) {
      return this.#transcript.notice({ ...LOCKED, onAction: () => this.#api.signIn() });
    }
    this.#isUnreachable = true;
    this.#transcript.notice({ ...UNREACHABLE, text, onAction: () => this.#show(id) });
  }

  #lookSoon() {
    if (Date.now() - this.#lookedAt >= LOOK_MS) this.#look();
  }

  /** Takes in what has happened to the open conversation elsewhere. */
  async #look() {
    this.#lookedAt = Date.now();
    const conversation = this.#shown;
    try {
      await conversation?.load();
    } catch (error) {
      if (error.status === 404) this.#gone(conversation);
    }
  }

  /** Another device has deleted a conversation. */
  #gone(conversation) {
    conversation.close();
    forgetAsks(conversation.id);
    if (conversation === this.#shown) this.#close(this.#missing);
    this.#conversations.delete(conversation.id);
  }

  /** Shows something in the place of the open conversation. What is sent now begins a new one. */
  #close(show) {
    this.#conversations.delete(this.#shown.id);
    this.#shown = undefined;
    this.#opening = undefined;
    this.#composer.setBusy(false);
    show.call(this);
  }

  #renamed({ id, title }) {
    const conversation = this.#conversations.get(id);
    if (!conversation || !title) return;
    conversation.title = title;
    if (conversation === this.#shown) this.#router.title(title);
  }

  #forget(id) {
    this.#conversations.get(id)?.close();
    this.#conversations.delete(id);
    forgetAsks(id);
    if (id === this.openId) this.open();
  }

  /** A conversation that is left goes on only as long as an answer is being read. */
  #drop(conversation) {
    if (!conversation.isBusy) this.#conversations.delete(conversation.id);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Whether it is this browser that keeps the conversations. */
function isKeptHere() {
  return load("kept-by") === "browser";
}

/** From which exchange on the model sees a conversation that the browser keeps. */
function sinceHere(earlier, path) {
  return requestFor(earlier, path.at(-1)?.question ?? "", loadSettings()).since;
}

/** @param {Conversation} conversation */
function summaryOf({ id, title, updatedAt, exchanges }) {
  const { state } = exchanges.at(-1);
  return {
    id,
    title,
    updated_at: updatedAt,
    turn_count: 2 * exchanges.length,
    state: { done: "complete", queued: "streaming" }[state] ?? state,
  };
}
