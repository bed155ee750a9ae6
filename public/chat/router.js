/** Where the page is: `/` is a new conversation, `/c/ID` a kept one. */

const NAME = "Assistant";
const KEPT = /^\/c\/(.*?)\/?$/;

export class Router {
  /** @param {(id: string | undefined) => void} onMove the person went back or forward */
  constructor(onMove) {
    addEventListener("popstate", () => onMove(this.id));
  }

  /** The id of the conversation in the address, which need not exist. @returns {string | undefined} */
  get id() {
    const [, id] = location.pathname.match(KEPT) ?? [];
    return id;
  }

  /**
   * @param {string | undefined} id
   * @param {{ replace?: boolean }} [options] whether going back leads past the address that is left
   */
  go(id, { replace = false } = {}) {
    const address = addressOf(id);
    if (address === location.pathname) return;
    history[replace ? "replaceState" : "pushState"](null, "", address);
  }

  /** @param {string} [title] of the conversation */
  title(title) {
    document.title = title ? `${title} – ${NAME}` : NAME;
    document.querySelector("#title").textContent = title || NAME;
  }
}

/** The address of a conversation. */
export function addressOf(id) {
  return id === undefined ? "/" : `/c/${id}`;
}
