import DOMPurify from "dompurify";
import { marked } from "marked";

/** A Swagger UI plugin that replaces or wraps some of its parts. */
export function parts({ React: { createElement } }) {
  /** The original makes HTML itself, but the page's policy lets only DOMPurify do that. */
  const Markdown = ({ source = "", className = "" }) =>
    createElement("div", {
      className: `renderedMarkdown ${className}`,
      dangerouslySetInnerHTML: { __html: safeHtml(source) },
    });

  /** Folds the headers: every response has at least eight, mostly the same ones. */
  const foldHeaders = (Headers) => (props) =>
    createElement(
      "details",
      { className: "headers" },
      createElement("summary", null, "Headers"),
      createElement(Headers, props),
    );

  // Names that screen readers need for the list of examples and for the editor.
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
