/**
 * The API reference as HTML, from openapi.json. It is made when the pages are built, so that it can be read at once, and
 * without scripts; those only send requests.
 */
import { folded, html, inline, markdown } from "./html.mjs";
import { operationsOf, renderOperation, renderParameter } from "./operation.mjs";
import { field, renderSchemas } from "./schema.mjs";

/** Methods that programs rarely send themselves. */
const FOLDED = ["HEAD", "OPTIONS"];

/**
 * @param {object} document openapi.json
 * @returns {Record<string, { toString(): string }>} the HTML for each comment of docs.html that asks for some
 */
export function renderReference(document) {
  const operations = operationsOf(document);
  const shown = operations.filter(({ method }) => !FOLDED.includes(method));
  const rest = operations.filter(({ method }) => FOLDED.includes(method));
  const tags = document.tags
    .map((tag) => ({ ...tag, operations: shown.filter((each) => each.tag === tag.name) }))
    .filter((tag) => tag.operations.length > 0);
  const { info, components } = document;
  return {
    contents: html`${renderContents(tags)}`,
    summary: html`${inline(info.summary)}`,
    version: html`${info.version}`,
    operations: html`${tags.map(renderTag)}${renderRest(rest)}`,
    about: html`${markdown(info.description)}${renderShared(operations)}`,
    schemas: html`${renderSchemas(components.schemas)}`,
    headers: html`${renderHeaders(components.headers)}`,
  };
}

function renderContents(tags) {
  return tags.map(
    ({ name, operations }) =>
      html`<li><span>${name}</span><ul>${operations.map(
        ({ id, method, summary }) =>
          html`<li><a href="#${id}"><span class="method ${method.toLowerCase()}">${method}</span> ${summary}</a></li>`,
      )}</ul></li>`,
  );
}

function renderTag({ name, description, operations }) {
  return html`<section class="tag" aria-labelledby="tag-${name}">
<h2 id="tag-${name}">${name}</h2>
${folded(description)}
${operations.map((each) => renderOperation(each))}
</section>`;
}

function renderRest(operations) {
  return html`<details class="rest" id="rest">
<summary>${FOLDED.join(" and ")}: ${operations.length} more operations, which browsers and monitors send</summary>
${operations.map((each) => renderOperation(each))}
</details>`;
}

/** What nearly every operation takes. */
function renderShared(operations) {
  const all = operations.flatMap(({ parameters }) => parameters).filter(({ isShared }) => isShared);
  const once = new Map(all.map((parameter) => [parameter.name, parameter]));
  return html`<dl class="fields">${Array.from(once.values(), (each) => renderParameter(undefined, each))}</dl>`;
}

function renderHeaders(headers) {
  return html`<dl class="fields">${Object.entries(headers).map(([id, { schema, description }]) =>
    field(id.replace(/^File-/, ""), schema, false, { description, id: `header-${id}` }),
  )}</dl>`;
}
