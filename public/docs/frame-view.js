import { createParser } from "eventsource-parser";
import { seconds } from "./units.js";

/** How many frames are shown: the newest. */
const MAX_FRAMES = 2000;

/** An answer's frames as they come, and the text that they make together. */
export class FrameView {
  #list;
  #box;
  #text = document.createTextNode("");
  #place;
  #started;
  #count = 0;
  #left = 0;
  /** What came since the page was last drawn. */
  #rows = [];
  #words = "";
  #firstAfter;
  /** The last frame that says how the answer ended. */
  #final;
  #parser = createParser({
    onEvent: (event) => this.#onEvent(event),
    onComment: (comment) => this.#add(`: ${comment}`, "comment"),
  });

  /** @param {HTMLElement} place @param {number} started when the request was sent */
  constructor(place, started) {
    this.#place = place;
    this.#started = started;
    this.#list = place.querySelector(".frames ol");
    this.#box = place.querySelector(".answer-text");
    this.#box.append(this.#text);
    for (const part of place.querySelectorAll(".joined, .frames")) part.hidden = false;
  }

  /** @param {string} text of the body, cut anywhere */
  feed(text) {
    this.#parser.feed(text);
  }

  /** @returns {{ text: string, isGood: boolean }} how the answer ended */
  end() {
    this.#draw();
    this.#place.querySelector(".joined h5").textContent = "The answer";
    const frames = this.#count === 1 ? "1 frame" : `${this.#count.toLocaleString("en")} frames`;
    const first =
      this.#firstAfter === undefined ? "" : `, the first text after ${seconds(this.#firstAfter)}`;
    return {
      text: `${frames}${first}, ${ending(this.#final)}`,
      isGood: this.#final?.error === undefined && this.#final !== undefined,
    };
  }

  #onEvent({ id, data }) {
    this.#count++;
    this.#add(id === undefined ? `data: ${data}` : `id: ${id}\ndata: ${data}`);
    const frame = parsed(data);
    if (frame.is_final) this.#final = frame;
    if (typeof frame.content !== "string" || frame.content === "") return;
    this.#firstAfter ??= performance.now() - this.#started;
    this.#words += frame.content;
  }

  #add(text, kind = "frame") {
    if (this.#rows.length === 0) requestAnimationFrame(() => this.#draw());
    this.#rows.push({ text, kind, after: performance.now() - this.#started });
  }

  /** Draws what has come. An end that the person has in view stays in view. */
  #draw() {
    if (this.#rows.length === 0) return;
    const follow = [this.#list, this.#box].filter(isAtEnd);
    this.#list.append(...this.#rows.splice(0).map(row));
    this.#text.appendData(this.#words);
    this.#words = "";
    const excess = this.#list.children.length - MAX_FRAMES;
    for (let each = 0; each < excess; each++) this.#list.firstElementChild.remove();
    this.#left += Math.max(0, excess);
    if (this.#left > 0) {
      this.#place.querySelector(".frames h5").textContent =
        `Frames, without the first ${this.#left.toLocaleString("en")}`;
    }
    for (const each of follow) each.scrollTop = each.scrollHeight;
  }
}

function row({ text, kind, after }) {
  const item = document.createElement("li");
  item.className = kind;
  const time = document.createElement("span");
  time.textContent = `+${seconds(after)}`;
  const code = document.createElement("code");
  code.append(...breakable(text));
  item.append(time, code);
  return item;
}

/** A frame may break between its fields, without anything added to what is copied. */
function breakable(text) {
  return text
    .split(/(?<=,)(?=")/)
    .flatMap((part, index) => (index > 0 ? [document.createElement("wbr"), part] : [part]));
}

function isAtEnd({ scrollHeight, scrollTop, clientHeight }) {
  return scrollHeight - scrollTop - clientHeight < 8;
}

/** How an answer ended, in words. */
function ending(final) {
  if (final === undefined) return "and no final frame: the answer is not complete";
  if (final.error !== undefined) return `then the error ${final.code}`;
  const { finish_reason, usage } = final;
  const tokens = usage ? ` (${usage.input_tokens} tokens in, ${usage.output_tokens} out)` : "";
  return `ended with ${finish_reason}${tokens}`;
}

/** A frame is an object; what a proxy may have put in between is shown, but says nothing. */
function parsed(data) {
  try {
    return Object(JSON.parse(data));
  } catch {
    return {};
  }
}
