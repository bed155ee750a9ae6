/** Below an answer that is not complete. */
const NOTES = {
  streaming: "This answer is still being written.",
  stopped: "This answer was stopped.",
  interrupted: "This answer is not complete.",
  failed: "This answer is not complete.",
};

/** A conversation as Markdown, as the service writes it. @param {import("./server.js").KeptConversation} conversation */
export function markdownOf({ title, turns }) {
  const parts = [`# ${title.replace(/\s+/g, " ").trim()}\n`];
  for (const { role, content, state, error } of turns) {
    parts.push(`\n## ${role === "user" ? "User" : "Assistant"}\n`);
    if (content !== "") parts.push(`\n${content}\n`);
    // A code block that was cut off would swallow all turns below.
    if ((content.match(/^ {0,3}```/gm)?.length ?? 0) % 2 === 1) parts.push("```\n");
    const note = error ? `${error.error}.` : NOTES[state];
    if (note) parts.push(`\n*${note}*\n`);
  }
  return parts.join("");
}
