/*! KaTeX: The MIT License, Copyright (c) 2013-2020 Khan Academy and other contributors */
import katex from "katex";

/** Turns a formula into a tree. Its text is untrusted: it loads nothing, and neither its cost nor its size is without bounds. */

/** Most nodes of a formula, and how deep they are nested. A browser lays out nested boxes by recursion. */
const MAX_NODES = 20_000;
const MAX_DEPTH = 150;

/** A formula that defines commands can stand for one that is a million times as long. */
const DEFINES = /\\(?:[egx]?def|(?:future)?let|(?:re)?newcommand|providecommand)(?![a-z])/i;

const OPTIONS = {
  // No links, no pictures, no attributes.
  trust: false,
  maxExpand: 500,
  /** The largest size that a formula may ask for, in em. */
  maxSize: 20,
  strict: "ignore",
  throwOnError: true,
};

/**
 * An element as plain data: what a worker has instead of a DOM. KaTeX fills it, and the page makes a real one of it. A
 * text is a string.
 */
class PlainElement {
  style = {};
  attributes = {};
  /** @type {(PlainElement | string)[]} */
  children = [];

  constructor(name, namespace) {
    this.name = name;
    this.namespace = namespace;
  }

  set className(name) {
    this.setAttribute("class", name);
  }

  setAttribute(name, value) {
    this.attributes[name] = String(value);
  }

  appendChild(child) {
    // A fragment has no name, and is not there any more when it is appended.
    if (child.name === "") this.children.push(...child.children);
    else this.children.push(child);
  }
}

globalThis.document = {
  createElement: (name) => new PlainElement(name, "http://www.w3.org/1999/xhtml"),
  createElementNS: (namespace, name) => new PlainElement(name, namespace),
  createTextNode: (text) => text,
  createDocumentFragment: () => new PlainElement(""),
};

/**
 * What a formula looks like.
 *
 * @param {string} source the formula with its delimiters
 * @returns {PlainElement | undefined} nothing for one that is wrong or too large
 */
export function formulaTree(source) {
  if (DEFINES.test(source)) return undefined;
  const [opening] = /^(?:\$\$?|\\.)/.exec(source);
  const text = source.slice(opening.length, -opening.length);
  const displayMode = opening === "$$" || opening === "\\[";
  try {
    const tree = katex.__renderToDomTree(text, { ...OPTIONS, displayMode });
    if (!tame(tree)) return undefined;
    const formula = document.createElement("span");
    formula.className = displayMode ? "formula display" : "formula";
    formula.setAttribute("dir", "ltr");
    formula.appendChild(tree.toNode());
    return formula;
  } catch {
    return undefined;
  }
}

/** Whether a tree is small enough. Takes out what the page's policy forbids: styles that are attributes. */
function tame(tree) {
  let count = 0;
  for (let level = [tree], depth = 0; level.length > 0; depth += 1) {
    count += level.length;
    if (count > MAX_NODES || depth > MAX_DEPTH) return false;
    for (const { attributes } of level) delete attributes?.style;
    level = level.flatMap(({ children = [] }) => children);
  }
  return true;
}
