/** The API reference: Swagger UI over our own `openapi.json`, with nothing from elsewhere. */
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import notices from "swagger-ui-dist/swagger-ui-es-bundle.js.LICENSE.txt";
import { parts } from "./parts.js";

followTheSystem(matchMedia("(prefers-color-scheme: dark)"));
linkNotices();

SwaggerUI({
  domNode: document.getElementById("reference"),
  url: "/openapi.json",
  // A validator would be asked beyond our origin.
  validatorUrl: null,
  deepLinking: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  // The colours of the usual one are too weak on its ground.
  syntaxHighlight: { theme: "tomorrow-night" },
  plugins: [parts],
});

/** Swagger UI takes its dark colours from a class. */
function followTheSystem(dark) {
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();
}

/** Their address tells their content, and so is known only to what was bundled with them. */
function linkNotices() {
  const link = document.createElement("a");
  link.href = notices;
  link.textContent = "Notices of its parts";
  document.querySelector("footer").append(link);
}
