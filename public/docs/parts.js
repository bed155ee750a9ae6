import DOMPurify from "dompurify";
import { marked } from "marked";

/** Swagger UI's parts that are shown in our own way, as a plugin of it. */
export function parts({ React: { createElement } }) {
  /** Its own makes HTML of text, which the page's policy allows to DOMPurify alone. */
  const Markdown = ({ source = "", className = "" }) =>
    createElement("div", {
      className: `renderedMarkdown ${className}`,
      dangerouslySetInnerHTML: { __html: safeHtml(source) },
    });

  /** Every response has eight headers or more, mostly the same ones: they open on demand. */
  const foldHeaders = (Headers) => (props) =>
    createElement(
      "details",
      { className: "headers" },
      createElement("summary", null, "Headers"),
      createElement(Headers, props),
    );

  // Without these, a screen reader has no name for what is chosen or written.
  const nameExamples = (ExamplesSelect) => (props) =>
    createElement(
      "label",
      { className: "examples" },
      props.showLabels === false && createElement("span", { className: "unseen" }, "Example"),
      createElement(ExamplesSelect, props),
    );
  const nameEditor = (TextArea) => (props) =>
    createElement(TextArea, { "aria-label": "Request body", ...props });

  return {
    wrapComponents: {
      Markdown: () => Markdown,
      headers: foldHeaders,
      ExamplesSelect: nameExamples,
      TextArea: nameEditor,
    },
  };
}

/** @returns {TrustedHTML} */
function safeHtml(markdown) {
  return DOMPurify.sanitize(marked.parse(markdown), { RETURN_TRUSTED_TYPE: true });
}
