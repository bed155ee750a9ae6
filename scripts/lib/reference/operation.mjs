import { requestOf } from "../../../public/docs/request.js";
import { LANGUAGES } from "../../../public/docs/snippets.js";
import { folded, html, inline } from "./html.mjs";
import { field, fields, list, nameOf, schemaId } from "./schema.mjs";

/** Where the page is, until it is opened somewhere. */
const ORIGIN = "https://assistant.example.com";

/**
 * An operation with everything that it refers to.
 *
 * @typedef {object} Operation
 * @property {string} id
 * @property {string} method
 * @property {string} path
 * @property {string} summary
 * @property {string} [description]
 * @property {boolean} wantsToken whether it may want an access token
 * @property {object[]} parameters those that most operations have are `isShared`, and described once for all of them
 * @property {object} [body] the schema and the examples of its JSON
 * @property {[status: string, response: object][]} responses
 * @property {boolean} isStream whether a good answer is an event stream
 * @property {string[]} types the content types of a good answer
 */

/**
 * @param {object} document openapi.json
 * @returns {(Operation & { tag: string })[]}
 */
export function operationsOf(document) {
  const resolve = (value) => resolved(document, value);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const responses = Object.entries(operation.responses).map(([status, response]) => [
        status,
        resolve(response),
      ]);
      const good = responses.find(([status]) => status.startsWith("2"))[1].content ?? {};
      return {
        ...operation,
        id: operation.operationId,
        tag: operation.tags[0],
        method: method.toUpperCase(),
        path,
        wantsToken: operation.security.some((scheme) => Object.keys(scheme).length > 0),
        parameters: (operation.parameters ?? []).map((parameter) => {
          const { schema, ...rest } = resolve(parameter);
          return { ...rest, schema: resolve(schema) };
        }),
        body: bodyOf(operation, resolve),
        responses,
        types: Object.keys(good),
        isStream: "text/event-stream" in good,
      };
    }),
  );
  const all = operations.flatMap(({ parameters }) => parameters);
  for (const parameter of all) {
    const alike = all.filter(({ name }) => name === parameter.name);
    parameter.isShared = alike.length > operations.length / 2;
  }
  return operations;
}

function bodyOf({ requestBody }, resolve) {
  if (!requestBody) return undefined;
  const media = requestBody.content["application/json"];
  return {
    description: requestBody.description,
    schema: resolve(media.schema),
    examples: examplesOf(media),
  };
}

/** @returns {{ summary?: string, value: unknown }[]} */
function examplesOf({ example, examples = {} }) {
  return [...Object.values(examples), ...(example === undefined ? [] : [{ value: example }])];
}

function resolved(document, value) {
  if (!value.$ref) return value;
  const path = value.$ref.slice(2).split("/");
  const { $ref, ...beside } = value;
  return { ...path.reduce((inner, name) => inner[name], document), ...beside };
}

/** @param {Operation} operation */
export function renderOperation(operation) {
  const { id, method, path, summary, description, parameters, body, responses } = operation;
  const described = (title, some) =>
    some.length > 0 &&
    html`<h4>${title}</h4><dl class="fields">${some.map((each) => renderParameter(id, each))}</dl>`;
  return html`
<section class="operation" id="${id}" aria-labelledby="${id}-title">
<header>
<h3 id="${id}-title">${inline(summary)}</h3>
<p class="route"><span class="method ${method.toLowerCase()}">${method}</span> <code>${breakable(path)}</code></p>
${description && folded(description)}
</header>
<div class="use">
${renderForm(operation)}
${renderSnippets(operation)}
</div>
<div class="about">
${described("Parameters", parameters.filter(isPlain))}
${
  body &&
  html`<h4>Body</h4><p>${inline(body.description)}</p>${fields(body.schema)}
<p class="rules">${body.schema.description && inline(body.schema.description)}</p>`
}
${described(
  "Optional headers",
  parameters.filter((each) => isExtra(each) && !each.isShared),
)}
<h4>Responses</h4>
${responses.map(renderResponse)}
</div>
</section>`;
}

/** Optional headers have a place apart, because nearly every operation has some and most requests none. */
function isExtra({ in: place, required }) {
  return place === "header" && !required;
}

function isPlain(parameter) {
  return !isExtra(parameter);
}

/** A parameter and what it is for. @param {string} [operation] the id of its operation, unless it is shared */
export function renderParameter(operation, parameter) {
  const { name, in: place, required, description, schema } = parameter;
  const where = { path: "in the path", query: "in the query", header: "in a header" }[place];
  return field(name, schema, required, { description, where, id: aboutId(operation, parameter) });
}

function renderResponse([status, { description, headers = {}, content = {} }]) {
  const kind = { 2: "good", 3: "good" }[status[0]] ?? "bad";
  return html`<details class="response">
<summary><span class="status ${kind}">${status}</span> <span>${inline(description)}</span></summary>
<p class="headers">Headers: ${Object.keys(headers).map((name, index) => html`${index > 0 && ", "}${headerLink(name, headers[name])}`)}</p>
${Object.entries(headers)
  .filter(([, { $ref }]) => !$ref)
  .map(
    ([name, header]) => html`<dl class="fields">${field(name, header.schema, false, header)}</dl>`,
  )}
${Object.entries(content).map(([name, media]) => renderMedia(name, media))}
</details>`;
}

function headerLink(name, { $ref }) {
  return $ref
    ? html`<a href="#header-${nameOf($ref)}"><code>${name}</code></a>`
    : html`<code>${name}</code>`;
}

function renderMedia(name, media) {
  const { schema } = media;
  const codes = schema.properties?.code?.enum;
  return html`<div class="media">
<p><code>${name}</code>${schema.$ref && html`: <a href="#${schemaId(nameOf(schema.$ref))}">${nameOf(schema.$ref)}</a>`}${codes && html` whose <code>code</code> is ${list(codes, " or ")}`}</p>
${examplesOf(media).map(
  ({
    summary,
    value,
  }) => html`<figure>${summary && html`<figcaption>${inline(summary)}</figcaption>`}
<pre tabindex="0"><code>${typeof value === "string" ? value : JSON.stringify(value, null, 2)}</code></pre></figure>`,
)}
</div>`;
}

/** The form is hidden until a script can send it. */
function renderForm({ id, method, path, parameters, body, types, isStream, wantsToken }) {
  return html`<form class="try" id="${id}-try" data-method="${method}" data-path="${path}"${isStream && html` data-stream`}${wantsToken && html` data-token`} autocomplete="off" aria-labelledby="${id}-try-title" hidden>
<h4 id="${id}-try-title">Try it</h4>
${parameters.filter(isPlain).map((each) => renderInput(id, each))}
${types.length > 1 && renderTypes(id, types)}
${body && renderBody(id, body)}
${
  parameters.some(isExtra) &&
  html`<details class="more"><summary>Optional headers</summary>${parameters.filter(isExtra).map((each) => renderInput(id, each))}</details>`
}
<p class="buttons"><button type="submit" class="main">Send</button><button type="button" class="plain" name="cancel" hidden>Cancel</button></p>
<div class="result" hidden></div>
</form>`;
}

function renderInput(operation, parameter) {
  const { name, in: place, required, schema } = parameter;
  const id = `${operation}-${name}`;
  const example = exampleOf(parameter);
  return html`<label for="${id}">${name}</label>
<input id="${id}" name="${name}" data-in="${place}" type="text" placeholder="${example ?? schema.default}"${
    required && html` data-example="${example}"`
  }${place === "path" && html` required`} autocapitalize="off" spellcheck="false" aria-describedby="${aboutId(operation, parameter)}">`;
}

function exampleOf({ example, schema }) {
  return example ?? schema.const ?? schema.examples?.[0];
}

/** Where a parameter is described. */
function aboutId(operation, { name, isShared }) {
  return `${isShared ? "all" : operation}-about-${name}`;
}

function renderTypes(operation, types) {
  const id = `${operation}-accept`;
  return html`<label for="${id}">Accept</label><select id="${id}" name="accept">${types.map((each) => html`<option>${each}</option>`)}</select>`;
}

function renderBody(operation, { examples }) {
  const text = (example) => JSON.stringify(example.value, null, 2);
  const id = `${operation}-body`;
  return html`${
    examples.length > 1 &&
    html`<label for="${operation}-example">Example</label>
<select id="${operation}-example" name="example">${examples.map((each) => html`<option value="${text(each)}">${each.summary}</option>`)}</select>`
  }<label for="${id}">Body</label>
<textarea id="${id}" name="body" spellcheck="false" rows="${text(examples[0]).split("\n").length}">${text(examples[0])}</textarea>`;
}

/** One for each language; style sheets alone show the one that is chosen. */
function renderSnippets(operation) {
  const { id, body, parameters, isStream, wantsToken } = operation;
  const request = requestOf(
    operation,
    parameters
      .filter(({ required }) => required)
      .map((each) => ({ ...each, value: `${exampleOf(each)}` })),
    { body: body && JSON.stringify(body.examples[0].value) },
  );
  const told = { origin: ORIGIN, wantsToken, isStream, mayBeEmpty: false };
  const names = Object.keys(LANGUAGES);
  return html`<div class="snippets" data-for="${id}">
<div class="snippet-head">
<fieldset><legend class="unseen">Language</legend>${names.map(
    (name, index) =>
      html`<label><input type="radio" name="${id}-language" value="${name}"${index === 0 && html` checked`}><span>${LANGUAGES[name].name}</span></label>`,
  )}</fieldset>
<button type="button" class="small" name="copy" hidden>Copy</button>
</div>
${names.map(
  (name) =>
    html`<pre tabindex="0" data-language="${name}"><code>${LANGUAGES[name].write(request, told)}</code></pre>`,
)}
</div>`;
}

/** A path may break behind each slash. */
function breakable(path) {
  return path.split(/(?<=.\/)/).map((part, index) => html`${index > 0 && html`<wbr>`}${part}`);
}
