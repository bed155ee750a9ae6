/** What shows search results, in one file that is loaded with the first search. */
export { targetOf } from "../search-target.js";
export { showFound } from "./marks.js";
export { plainWords } from "./plain-words.js";
