/*! highlight.js: BSD 3-Clause License, Copyright (c) 2006, Ivan Sagalaev */
import hljs from "highlight.js/lib/core";
import { languageOf } from "./languages.js";

/** The colours' names, and the scopes of highlight.js that have them. Every other scope looks like what it is in. */
const SCOPES = {
  "": "subst",
  comment: "comment quote",
  keyword: "keyword literal selector-tag name section meta.keyword variable.language tag.name",
  string: "string regexp link char.escape code",
  number: "number symbol bullet variable.constant",
  title: "title title.function title.function.invoke selector-id selector-class",
  type: "type built_in title.class title.class.inherited class",
  property: "attr attribute property variable template-variable selector-attr selector-pseudo",
  meta: "meta doctag template-tag meta.prompt",
  added: "addition",
  removed: "deletion",
  strong: "strong",
  emphasis: "emphasis",
};
export const NAMES = Object.keys(SCOPES);
const KINDS = new Map(
  NAMES.flatMap((name, kind) => SCOPES[name].split(" ").map((scope) => [scope, kind])),
);

/** Takes what highlight.js finds, and writes down how long each colour goes on. */
class Runs {
  kinds = [];
  lengths = [];
  #open = [0];

  addText(text) {
    this.#add(this.#open.at(-1), text.length);
  }

  openNode(scope) {
    this.#open.push(KINDS.get(scope) ?? this.#open.at(-1));
  }

  closeNode() {
    this.#open.pop();
  }

  startScope(scope) {
    this.openNode(scope);
  }

  endScope() {
    this.closeNode();
  }

  __addSublanguage({ kinds, lengths }) {
    for (const [at, kind] of kinds.entries()) this.#add(kind || this.#open.at(-1), lengths[at]);
  }

  finalize() {}

  toHTML() {
    return "";
  }

  #add(kind, length) {
    if (length === 0) return;
    const last = this.kinds.length - 1;
    if (this.kinds[last] === kind) this.lengths[last] += length;
    else {
      this.kinds.push(kind);
      this.lengths.push(length);
    }
  }
}

hljs.configure({ __emitter: Runs });

/**
 * Loads a language, and those that it may contain.
 *
 * @param {string} name as models write it
 * @returns {Promise<string | undefined>} its name, if it is known
 */
export async function loadLanguage(name) {
  const language = languageOf(name);
  if (!language) return undefined;
  await Promise.all(
    language.parts.map(async ({ name, load }) => {
      if (!hljs.getLanguage(name)) hljs.registerLanguage(name, (await load()).default);
    }),
  );
  return language.name;
}

/**
 * The colours of a text.
 *
 * @param {string | undefined} language
 * @param {string} text
 * @returns {{ kinds: Uint8Array, lengths: Uint32Array }} indexes of `NAMES`, and how many letters each goes on
 */
export function tokens(language, text) {
  if (!language) return { kinds: new Uint8Array(), lengths: new Uint32Array() };
  const { _emitter: runs } = hljs.highlight(text, { language, ignoreIllegals: true });
  return { kinds: Uint8Array.from(runs.kinds), lengths: Uint32Array.from(runs.lengths) };
}
