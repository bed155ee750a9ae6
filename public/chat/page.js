import { actionsOn } from "./actions.js";
import { newId } from "./api.js";
import { forgetAsks, unkeptWords } from "./asks.js";
import { Conversation } from "./conversation.js";
import { Conversations } from "./conversations.js";
import { Draft } from "./draft.js";
import { imported } from "./imported.js";
import { chooseKeeper } from "./keep/choose.js";
import { copies } from "./keep/copies.js";
import { Lookout } from "./lookout.js";
import { Notices } from "./notices.js";
import { isId, Router } from "./router.js";
import { seenSince } from "./seen.js";
import { resumeStops } from "./stops.js";
import { save } from "./store.js";
import { withTimeout } from "./timeout.js";
import { Transcript } from "./transcript.js";
import { versionsOf } from "./turns.js";

/** Whoever has read for so long stays where they are. */
const SOUGHT_MS = 3_000;

/**
 * What the page shows, and what its parts know of each other. Events:
 *
 * - `opened`, `detail: { id }`: another conversation is shown; no `id`: a new one
 * - `changed`, `detail: { summary }`: a conversation has another title, time or state, or is new
 * - `removed`, `detail: { id }`: a conversation is gone
 * - `kept`, `detail: { keeper }`: it is known who keeps the conversations, or that has changed
 * - `keeperdelayed`: that cannot be known yet, since a file takes long to load
 *
 * Other parts may send `changed` and `removed`, too.
 *
 * @typedef {(conversation: Conversation, transcript: Transcript) => boolean} Target Leads to a place in a conversation
 *   that is shown, if it is there.
 */
export class Page extends EventTarget {
  /** Who keeps the conversations. @type {Promise<import("./keep/choose.js").Keeper>} */
  keeper;
  #api;
  #transcript;
  #notices;
  #composer;
  #isKeeperKnown = true;
  #standardModel;
  #draft;
  #router = new Router((id) => this.#show(id));
  #conversations = new Conversations();
  /** @type {Conversation | undefined} */
  #shown;
  /** Resolves when the conversation that is being opened is there, or cannot be had. @type {Promise<void> | undefined} */
  #opening;
  /** Whether the open conversation is not shown for want of a connection. */
  #isUnreachable = false;
  #lookout = new Lookout(() => (this.#isUnreachable ? this.#show(this.openId) : this.#look()));

  /**
   * @param {object} parts
   * @param {import("./api.js").Api} parts.api
   * @param {import("./composer.js").Composer} parts.composer
   * @param {() => string | undefined} parts.standardModel the model that answers when none is chosen, if it is known
   */
  constructor({ api, composer, standardModel }) {
    super();
    this.#api = api;
    const transcript = () => this.#transcript;
    this.#transcript = new Transcript(
      actionsOn({ shown: () => this.#shown, transcript, composer, api }),
    );
    this.#notices = new Notices((notice) => this.#transcript.notice(notice), {
      onBegin: () => this.#beginHere(),
      onRetry: () => this.#show(this.openId),
      onSignIn: () => api.signIn(),
    });
    this.#composer = composer;
    this.#draft = new Draft(composer);
    this.#standardModel = standardModel;
    this.addEventListener("changed", ({ detail }) => this.retitle(detail.summary));
    this.addEventListener("removed", ({ detail }) => this.#forget(detail.id));
    globalThis.addEventListener("pagehide", () => this.#shown?.saveEdits());
  }

  /** Begins: finds out who keeps the conversations, and shows the one in the address. */
  start() {
    this.#chooseKeeper();
    this.#show(this.openId);
    resumeStops(() => this.keeper);
  }

  /** The id of the conversation that is shown; none: a new one. @returns {string | undefined} */
  get openId() {
    return this.#router.id;
  }

  /** Whether no answer is being read. */
  get isAtRest() {
    return this.#conversations.areAtRest;
  }

  /**
   * Shows a conversation that is in the list, or a new one.
   *
   * @param {string} [id]
   * @param {Target} [target] leads to a place in it
   */
  open(id, target) {
    this.#router.go(id);
    this.#show(id, { isListed: true, target });
  }

  /** Shows what could not be shown without the access token, now that there is one. */
  signedIn() {
    if (!this.#isKeeperKnown) this.#chooseKeeper();
    resumeStops(() => this.keeper);
    if (this.#shown === undefined && this.openId !== undefined) this.#show(this.openId);
  }

  /** Sends a message in the conversation that is shown. */
  send(message) {
    if (this.#opening) return this.#sendOnceOpen(message);
    this.#shown ??= this.#begin();
    this.#transcript.toEnd();
    this.#shown.ask(message);
    this.#transcript.toEnd();
  }

  /** Until it is known what a message follows, it stays in the field, where it is neither lost nor sent astray. */
  async #sendOnceOpen(message) {
    const conversation = this.#shown;
    this.#composer.giveBack(message);
    await this.#opening;
    const isOpen = conversation === this.#shown && !this.#opening;
    if (isOpen && this.#composer.text === message) this.#composer.submit();
  }

  /** Stops the answer that is running in the conversation that is shown. */
  stop() {
    this.#shown?.stop();
  }

  /** Saves what the person has begun to write. */
  draft(text) {
    this.#draft.save(text);
  }

  /** Goes on with nothing, and saves nothing more. */
  close() {
    this.#draft.show();
    this.#conversations.closeAll();
  }

  /** Leaves nothing in this browser of conversations that somebody else keeps. */
  async forgetAll() {
    this.#draft.save("");
    this.#conversations.closeAll();
    forgetAsks();
    save("kept-by", undefined);
    await copies.clear();
  }

  #chooseKeeper() {
    const choice = chooseKeeper(this.#api, () => this.#tell("keeperdelayed"));
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
    this.#draft.show(id);
    const conversation = this.#conversation(id);
    this.#router.go(id, { replace: true });
    this.#tell("opened", { id });
    return conversation;
  }

  #conversation(id) {
    const isShown = () => this.#shown === conversation;
    const conversation = new Conversation(id, () => this.keeper, {
      onPath: () => isShown() && this.#showPath(),
      onText: (...grown) => isShown() && this.#transcript.append(...grown),
      onState: (exchange) => {
        if (!isShown()) return;
        this.#transcript.update(exchange);
        this.#composer.setBusy(conversation.running !== undefined);
      },
      onEnd: (exchange) => {
        if (!isShown()) return this.#conversations.leave(conversation);
        this.#showPath();
        this.#transcript.end(exchange);
      },
      onSummary: () => this.#tell("changed", { summary: conversation.summary }),
      onGone: () => this.#gone(conversation),
      onUnasked: (questions) => this.#draft.giveBack(id, questions),
      standardModel: this.#standardModel,
      switchToBrowser: async () => {
        this.#chooseKeeper();
        return (await this.keeper).kind === "browser";
      },
    });
    this.#conversations.add(conversation);
    return conversation;
  }

  #show(id, { isListed = false, target } = {}) {
    this.#isUnreachable = false;
    const left = this.#shown;
    this.#shown = undefined;
    this.#opening = undefined;
    if (left) this.#conversations.leave(left);
    this.#transcript.clear();
    this.#draft.show(id);
    this.#composer.setBusy(false);
    this.#router.title();
    this.#tell("opened", { id });
    if (id === undefined) this.#transcript.welcome();
    else if (isId(id)) this.#openKept(id, isListed, target);
    else this.#notices.missing(false);
  }

  #openKept(id, isListed, target) {
    const conversation = this.#conversations.get(id) ?? this.#conversation(id);
    this.#shown = conversation;
    if (conversation.exchanges.length === 0) {
      this.#opening = this.#load(conversation, isListed, target);
      return;
    }
    this.#showPath();
    this.#lookout.look();
    this.#goTo(target);
  }

  /** Goes to a place in the conversation, or to where the person goes on. @param {Target} [target] */
  #goTo(target) {
    if (target?.(this.#shown, this.#transcript)) return;
    this.#transcript.restorePosition();
    const sought = this.#router.takeSought();
    if (sought) this.#goToSought(this.#shown, sought);
  }

  /** Goes to what a search has found, unless what that takes comes late. */
  async #goToSought(conversation, sought) {
    const { text } = this.#composer;
    const loading = withTimeout(
      imported(() => import("./sidebar/search-parts.js")),
      SOUGHT_MS,
    );
    const parts = await loading.catch(() => undefined);
    // Whoever has begun to write stays there.
    if (conversation === this.#shown && text === this.#composer.text) {
      parts?.targetOf(...sought)(conversation, this.#transcript);
    }
  }

  async #load(conversation, isListed, target) {
    this.#transcript.loading();
    try {
      await conversation.load();
    } catch (error) {
      if (this.#shown !== conversation) return;
      if (error.status === 404) this.#gone(conversation, isListed);
      else this.#failed(error);
      return;
    }
    if (this.#shown !== conversation) return;
    this.#opening = undefined;
    this.#goTo(target);
  }

  #failed(error) {
    this.#close();
    if (error.status === 401) return this.#notices.locked();
    this.#isUnreachable = true;
    this.#notices.unreachable(error);
  }

  #showPath() {
    const { path, exchanges, title, running, isCopy, hasNews } = this.#shown;
    this.#transcript.show(path, {
      since: seenSince(path),
      isCopy,
      hasNews,
      versionsOf: (exchange) => versionsOf(exchange, exchanges),
    });
    this.#composer.setBusy(running !== undefined);
    this.#router.title(title);
  }

  /** Shows a new conversation, with what is written in the place of this one. */
  #beginHere() {
    const words = this.#composer.text;
    this.draft("");
    this.open();
    this.#composer.giveBack(words);
  }

  /** Takes in what has happened to the open conversation elsewhere. */
  async #look() {
    const conversation = this.#shown;
    try {
      await conversation?.load();
    } catch (error) {
      if (error.status === 404) this.#gone(conversation);
    }
  }

  /**
   * A conversation does not exist, or not any more. What the person has written in it is not lost.
   *
   * @param {Conversation} conversation
   * @param {boolean} [wasThere]
   */
  #gone(conversation, wasThere = true) {
    const { id, exchanges } = conversation;
    const isShown = conversation === this.#shown;
    const words = unkeptWords(id, exchanges, isShown ? this.#composer.text : undefined);
    conversation.close();
    if (isShown) this.#close();
    this.#tell("removed", { id });
    // In its place, a new one begins.
    if (isShown) this.#draft.show();
    this.#draft.giveBack(undefined, [words]);
    if (isShown) this.#notices[wasThere ? "gone" : "missing"](words !== "");
  }

  /** Shows the open conversation no more. What is sent now begins a new one. */
  #close() {
    this.#conversations.drop(this.#shown.id);
    this.#shown = undefined;
    this.#opening = undefined;
    this.#composer.setBusy(false);
    this.#router.title();
  }

  /** Takes in a title that a conversation was given. @param {{ id?: string, title?: string }} summary */
  retitle({ id, title }) {
    const conversation = this.#conversations.get(id);
    if (!title || !conversation || conversation.title === title) return;
    conversation.title = title;
    conversation.changes += 1;
    if (conversation === this.#shown) this.#router.title(title);
  }

  #forget(id) {
    this.#conversations.forget(id);
    if (id === this.#shown?.id) this.open();
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
