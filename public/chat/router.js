/** Where the page is: `/` is a new conversation, and so is `/c/`; `/c/ID` is a kept one. */

const NAME = "Assistant";
const KEPT = /^\/c\/(.*?)\/?$/;

export class Router {
  /** @param {(id: string | undefined) => void} onMove the person went back or forward */
  constructor(onMove) {
    addEventListener("popstate", () => onMove(this.id));
    if (this.id === undefined) this.go(undefined, { replace: true });
  }

  /** The id of the conversation in the address, which need not exist. @returns {string | undefined} */
  get id() {
    const [, id] = location.pathname.match(KEPT) ?? [];
    return id || undefined;
  }

  /**
   * @param {string | undefined} id
   * @param {{ replace?: boolean }} [options] whether going back leads past the address that is left
   */
  go(id, { replace = false } = {}) {
    const address = addressOf(id);
    if (address === location.pathname + location.hash) return;
    history[replace ? "replaceState" : "pushState"](null, "", address);
  }

  /** Query and snippet of what the address says is sought. From then on, it says so no more. @returns {[string, string] | undefined} */
  takeSought() {
    const { find, in: snippet } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    if (!find || !snippet) return undefined;
    this.go(this.id, { replace: true });
    return [find, snippet];
  }

  /** @param {string} [title] of the conversation */
  title(title) {
    document.title = title ? `${title} – ${NAME}` : NAME;
    document.querySelector("#title").textContent = title || NAME;
  }
}

/** Whether a conversation can have this id. @param {string} id */
export function isId(id) {
  return /^[\w-]{1,64}$/.test(id);
}

/** The address of a conversation. */
function addressOf(id) {
  return id === undefined ? "/" : `/c/${id}`;
}
