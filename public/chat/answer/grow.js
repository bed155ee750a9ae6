import { CodeBlock } from "./code-block.js";
import { isFormulaOf } from "./formulas.js";

/**
 * Gives an element the content of another one that goes on where it ends. What both have stays in place: it is not laid
 * out again, and neither its selection nor its colours are lost.
 *
 * @param {Element} element
 * @param {ParentNode} fresh loses the nodes that are taken over
 * @param {number} [from] how many nodes of the element stay as they are, before this content
 */
export function grow(element, fresh, from = 0) {
  let index = from;
  for (const node of Array.from(fresh.childNodes)) {
    const current = element.childNodes[index];
    if (!current) element.append(node);
    else if (!goesOn(current, node)) current.replaceWith(node);
    index += 1;
  }
  while (element.childNodes.length > index) element.lastChild.remove();
}

/** Makes a node go on as another one, if it can. */
function goesOn(current, node) {
  if (isFormulaOf(current, node) || current.isEqualNode(node)) return true;
  if (current.nodeName !== node.nodeName) return false;
  if (current.nodeType === Node.TEXT_NODE) return textGoesOn(current, node.data);
  if (current.matches(".code")) return CodeBlock.goesOn(current, node);
  const isAlike = current.cloneNode().isEqualNode(node.cloneNode());
  if (!isAlike || current.matches(".formula")) return false;
  grow(current, node);
  return true;
}

function textGoesOn(current, text) {
  if (text.startsWith(current.data)) current.appendData(text.slice(current.length));
  else current.data = text;
  return true;
}
