import DOMPurify from "dompurify";

document
  .querySelector("main")
  .append(DOMPurify.sanitize("<p>Hello</p>", { RETURN_DOM_FRAGMENT: true }));
