/** What a search needs beside its list: it is loaded with the first one. */
export { showFound } from "./found.js";
export { wayTo } from "./way.js";
