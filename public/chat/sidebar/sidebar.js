import { isUnanswered } from "../asks.js";
import { imported } from "../imported.js";
import { loadPart } from "../lazy.js";
import { withTimeout } from "../timeout.js";
import { Frame } from "./frame.js";
import { ConversationList } from "./list.js";
import { Listing } from "./listing.js";
import { Menu } from "./menu.js";
import { explain, Notes } from "./notes.js";
import { Removals } from "./removal.js";
import { Search } from "./search.js";
import { Toast } from "./toast.js";

/** How often the list is read again while an answer is running, which may be on another device. */
const RUNNING_MS = 10_000;

/** After so long, results are listed without marks. */
const PARTS_MS = 1000;

/** Why a conversation of the list cannot be found. */
const MISSING = "This conversation has no answer yet, or is gone.";

const DELAYED =
  "Your conversations have not loaded yet. Check that you are online, or reload the page.";
const KEPT_HERE = "Kept in this browser only";

/** The kept conversations: the list with its search, and what can be done with each of them. */
export class Sidebar {
  #page;
  #keeper;
  /** @type {Listing | undefined} */
  #all;
  /** What a search has found. @type {Listing | undefined} */
  #found;
  /** What a search is about to find. @type {Listing | undefined} */
  #finding;
  /** The titles that conversations were last given here. @type {Map<string, string>} */
  #given = new Map();
  /** Loaded with the first search. @type {typeof import("./search-parts.js") | undefined} */
  #searchParts;
  /** @type {string | undefined} */
  #openId;
  /** The conversation that was open when it was deleted. @type {string | undefined} */
  #closedId;
  #timer = 0;
  #menu = new Menu(document.querySelector("#row-menu"));
  /** Short messages, of other parts too. */
  toast = new Toast();
  #frame = new Frame((place) => {
    this.#menu.close();
    this.toast.moveTo(place);
  });
  #list = new ConversationList({
    onOpen: (summary) => this.#open(summary),
    onMenu: (row) => {
      const isThere = !isUnanswered(row.summary.id);
      const act = (name, byKey) => this.#act(row, name, byKey);
      this.#menu.toggle(row.button, act, (name) => isThere || name === "delete");
    },
  });
  #notes;
  #search;
  #removals = new Removals(this.toast, {
    remove: (id) => this.#keeper.remove(id),
    onUndo: (id) => this.#restore(id),
    onRemoved: (id) => this.#tell("removed", { id }),
    onFailure: (error) => this.#fail("The conversation could not be deleted.", error),
  });

  /**
   * @param {import("../page.js").Page} page
   * @param {() => Promise<unknown>} askForToken
   */
  constructor(page, askForToken) {
    this.#page = page;
    this.#notes = new Notes({
      onMore: () => this.#load(),
      onToken: () => askForToken().then(() => this.#load()),
    });
    this.#search = new Search({
      onSearch: (query, signal) => this.#find(query, signal),
      onEnd: () => {
        this.#found = undefined;
        this.#show();
      },
    });
    page.addEventListener("kept", ({ detail }) => this.#use(detail.keeper));
    page.addEventListener("keeperdelayed", () => this.toast.tell(DELAYED));
    page.addEventListener("opened", ({ detail }) => this.#opened(detail.id));
    page.addEventListener("changed", ({ detail }) => this.#update(detail.summary));
    page.addEventListener("removed", ({ detail }) => this.#forget(detail.id));
    for (const link of document.querySelectorAll(".new-conversation")) {
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        this.#open();
      });
    }
    addEventListener("keydown", (event) => this.#pressed(event));
    addEventListener("pageshow", ({ persisted }) => persisted && this.refresh());
    addEventListener("online", () => this.refresh());
    document.addEventListener("visibilitychange", () => !document.hidden && this.refresh());
    this.#notes.loading();
  }

  /** Lists everything anew. */
  reset() {
    this.#search.clear();
    this.#begin();
  }

  /** Resolves when nothing is waiting to be deleted any more. */
  settle() {
    return this.#removals.settle();
  }

  /** Takes in what other devices have changed. */
  async refresh() {
    try {
      await this.#all?.refresh();
      if (!this.#all?.isCopy)
        for (const each of this.#all?.summaries ?? []) this.#page.retitle(each);
      this.#show();
    } catch {
      // What is known stays on the page, and the next time may be better.
      this.#watch();
    }
  }

  /** Ctrl+K, or Command+K, goes to the search. A browser that fills in a form presses keys without a name. */
  #pressed(event) {
    const isSearch = event.key?.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
    if (!isSearch || event.shiftKey || event.altKey || isInDialog()) return;
    event.preventDefault();
    this.#frame.show();
    this.#search.focus();
  }

  #use(keeper) {
    this.#keeper = keeper;
    const note = document.querySelector("#kept-here");
    note.hidden = keeper.kind !== "browser";
    // The note is out of sight on a phone.
    keeper.onTrouble?.((trouble) => {
      note.hidden = !trouble && keeper.kind !== "browser";
      note.textContent = trouble || KEPT_HERE;
      if (trouble) this.toast.tell(trouble);
    });
    this.#removals.resume();
    this.#begin();
    // Somebody may be quicker than the service.
    this.#search.begin();
  }

  #begin() {
    this.#found = undefined;
    this.#all = new Listing(this.#keeper);
    this.#notes.loading();
    this.#load();
  }

  async #load() {
    const listing = this.#found ?? this.#all;
    try {
      await listing?.more();
      this.#show();
    } catch (error) {
      if (listing === (this.#found ?? this.#all)) this.#notes.failed(error);
    }
  }

  async #find(query, signal) {
    if (!this.#keeper) return;
    const found = new Listing(this.#keeper, { query, signal });
    this.#finding = found;
    try {
      // Without it, what is found is listed all the same.
      const parts = withTimeout(
        imported(() => import("./search-parts.js")),
        PARTS_MS,
      ).catch(() => undefined);
      await found.more();
      this.#searchParts = await parts;
    } catch (error) {
      if (!signal.aborted) this.#notes.failed(error);
      return;
    }
    if (signal.aborted) return;
    this.#found = found;
    this.#show();
    document.querySelector("#list-scroller").scrollTop = 0;
  }

  #show() {
    const listing = this.#found ?? this.#all;
    // A row that moves would lose the focus, and half a title would be taken for the whole.
    if (!listing || document.querySelector(".rename")) return;
    const { query, isComplete, isCopy } = listing;
    const shown = listing.summaries.filter(({ id }) => !this.#removals.isHidden(id));
    const parts = query ? this.#searchParts : undefined;
    this.#list.show(shown, { openId: this.#openId, query, parts });
    this.#notes.listed({ count: shown.length, isComplete, isCopy, query });
    this.#watch();
  }

  /** Reads the list again soon if it says that an answer is running: only the page that reads the answer is told. */
  #watch() {
    clearTimeout(this.#timer);
    const isRunning = this.#all?.summaries.some(({ state }) => state === "streaming");
    if (isRunning && !document.hidden) this.#timer = setTimeout(() => this.refresh(), RUNNING_MS);
  }

  #open({ id, snippet } = {}) {
    this.#frame.closeSheet();
    this.#page.open(id, snippet && this.#searchParts?.targetOf(this.#found.query, snippet));
  }

  #opened(id) {
    this.#openId = id;
    this.#list.mark(id);
    this.#list.row(id)?.element.scrollIntoView({ block: "nearest" });
  }

  #update(summary) {
    for (const each of [this.#all, this.#found, this.#finding]) each?.update(summary);
    this.#show();
  }

  #forget(id) {
    this.#given.delete(id);
    for (const each of [this.#all, this.#found, this.#finding]) each?.remove(id);
    this.#show();
  }

  #act(row, name, byKey) {
    const { summary } = row;
    if (name === "rename") row.rename((title) => this.#rename(summary, title));
    if (name === "export") this.#export(summary);
    if (name === "delete") this.#remove(summary.id, byKey);
  }

  async #rename({ id, title: oldTitle }, title) {
    if (title === oldTitle) return this.#show();
    this.#given.set(id, title);
    this.#update({ id, title });
    // It may have been given another one since, or be deleted.
    const isNews = () => this.#given.get(id) === title;
    try {
      await this.#keeper.rename(id, title);
      if (!isNews()) return;
    } catch (error) {
      if (!isNews()) return;
      this.#update({ id, title: oldTitle });
      return this.#fail("The title could not be changed.", error);
    }
    // The service counts a new title as a change, so the row moves to the top.
    this.#tell("changed", { summary: { id, title, updated_at: new Date().toISOString() } });
  }

  async #export({ id, title }) {
    try {
      const parts = Promise.all([
        loadPart(() => import("./download.js")),
        this.#keeper.markdown(id),
      ]);
      const [{ download, fileName }, text] = await this.toast.during("Exporting…", parts);
      download(new Blob([text], { type: "text/markdown;charset=utf-8" }), fileName(title, "md"));
    } catch (error) {
      this.#fail("The conversation could not be exported.", error);
    }
  }

  #remove(id, byKey) {
    const neighbour = this.#list.neighbour(id);
    this.#removals.begin(id);
    this.#show();
    this.#closedId = id === this.#openId ? id : undefined;
    if (this.#closedId) this.#page.open(undefined);
    // By keyboard, Undo could not be reached in time.
    if (byKey) this.toast.focus(() => neighbour?.focus());
    else if (!this.#closedId) neighbour?.focus();
  }

  #restore(id) {
    this.#show();
    if (this.#closedId === id && this.#openId === undefined) this.#page.open(id);
    else this.#list.row(id)?.focus();
  }

  #fail(what, error) {
    this.#show();
    this.toast.tell(`${what} ${error.status === 404 ? MISSING : explain(error)}`);
  }

  #tell(type, detail) {
    this.#page.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Whether a dialog other than the sheet is open. */
function isInDialog() {
  return document.querySelector("dialog:modal:not(#sheet)") !== null;
}
