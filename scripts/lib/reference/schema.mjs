import { html, inline } from "./html.mjs";

/** Where the reference describes a schema. */
export function schemaId(name) {
  return `schema-${name}`;
}

/** The name that a reference ends with: `#/components/schemas/Turn` is about `Turn`. */
export function nameOf($ref) {
  return $ref.split("/").at(-1);
}

/** All named schemas. @param {Record<string, object>} schemas */
export function renderSchemas(schemas) {
  return Object.entries(schemas).map(
    ([name, schema]) => html`<section class="schema" id="${schemaId(name)}">
<h3><code>${name}</code></h3>
<p>${schema.description && inline(schema.description)}</p>
${schema.properties ? fields(schema) : html`<p class="rules">${type(schema)}${rules(schema)}</p>`}
</section>`,
  );
}

/** The fields of an object. */
export function fields({ properties = {}, required = [] }) {
  const rows = Object.entries(properties).map(([name, schema]) =>
    field(name, schema, required.includes(name)),
  );
  return html`<dl class="fields">${rows}</dl>`;
}

/**
 * A field or a parameter, as a term and its description.
 *
 * @param {string} name
 * @param {object} schema
 * @param {boolean} isRequired
 * @param {{ description?: string, where?: string, id?: string }} [more] a description instead of the schema's, where a
 *   parameter is sent, and an id to point at the description
 */
export function field(name, schema, isRequired, { description, where, id } = {}) {
  const words = description ?? schema.description;
  return html`<div><dt><code>${name}</code> <span class="type">${type(schema)}${where && `, ${where}`}</span>${
    isRequired && html` <span class="required">required</span>`
  }</dt><dd${id && html` id="${id}"`}>${words && inline(words)}${rules(schema)}</dd></div>`;
}

/** What a schema is, in a few words. */
export function type(schema) {
  const { $ref, oneOf, anyOf, items, contentSchema } = schema;
  const kinds = oneOf ?? anyOf;
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if ($ref) return html`<a href="#${schemaId(nameOf($ref))}">${nameOf($ref)}</a>`;
  if (kinds) return kinds.map((each, index) => html`${index > 0 && " or "}${type(each)}`);
  if (contentSchema) return html`text of ${type(contentSchema)}`;
  return [schema.type].flat().map((name, index) => {
    const or = index > 0 && " or ";
    return name === "array" && items ? html`${or}array of ${type(items)}` : html`${or}${name}`;
  });
}

/** The rules that a value keeps, as the end of its description. */
function rules(schema) {
  const { minLength, maxLength, minimum, maximum, maxItems, pattern, format } = schema;
  const said = [
    range(minLength, maxLength, "character", "characters"),
    range(minimum, maximum),
    range(undefined, maxItems, "item", "items"),
    schema.default !== undefined && html`default <code>${JSON.stringify(schema.default)}</code>`,
    format && html`format <code>${format}</code>`,
    // A pattern that only says "not blank" helps nobody who reads it.
    pattern?.length < 60 && html`matches <code>${pattern}</code>`,
    schema.enum && html`one of ${list(schema.enum)}`,
  ].filter(Boolean);
  if (said.length === 0) return "";
  return html` <span class="rules">${said.map((each, index) => html`${index > 0 && " · "}${each}`)}</span>`;
}

function range(least, most, one = "", many = "") {
  const unit = most === 1 ? one : many;
  if (least === undefined && most === undefined) return undefined;
  if (most === undefined) return least > 0 && `at least ${least} ${least === 1 ? one : many}`;
  if (least === undefined) return `at most ${most} ${unit}`;
  return `${least}–${most} ${unit}`;
}

/** Values in a row. @param {string} [last] what stands before the last one */
export function list(values, last = ", ") {
  return values.map((value, index) => {
    const before = index === values.length - 1 ? last : ", ";
    return html`${index > 0 && before}<code>${value}</code>`;
  });
}
