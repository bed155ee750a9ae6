/** The API reference: Swagger UI with our `openapi.json`. It loads nothing from other origins. */
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import notices from "swagger-ui-dist/swagger-ui-es-bundle.js.LICENSE.txt";
import { parts } from "./parts.js";

followTheSystem(matchMedia("(prefers-color-scheme: dark)"));
linkNotices();

SwaggerUI({
  domNode: document.getElementById("reference"),
  url: "/openapi.json",
  // The default validator is another origin's.
  validatorUrl: null,
  deepLinking: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  // The default theme has too little contrast.
  syntaxHighlight: { theme: "tomorrow-night" },
  plugins: [parts],
});

/** Swagger UI has a class for its dark colours. */
function followTheSystem(dark) {
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();
}

/** The file's name has a hash, which only the bundle knows. */
function linkNotices() {
  const link = document.createElement("a");
  link.href = notices;
  link.textContent = "Third-party notices";
  document.querySelector("footer").append(link);
}
