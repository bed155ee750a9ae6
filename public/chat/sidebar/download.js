/** Long enough for a title, short enough for every file system. */
const MAX_NAME_LENGTH = 80;

/** What some file system refuses, and what could disguise the name's end: controls and marks of direction. */
const UNFIT = /[\p{C}\p{Zl}\p{Zp}\\/:*?"<>|]+/gu;
/** Windows keeps these names for devices. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)$/i;

/**
 * A file name that says a conversation's title and is valid everywhere.
 *
 * @param {string} title
 * @param {string} extension
 */
export function fileName(title, extension) {
  const spaced = title.replace(UNFIT, " ").replace(/\s+/g, " ");
  const bare = Array.from(spaced).slice(0, MAX_NAME_LENGTH).join("");
  const name = bare.replace(/^[\s.]+|[\s.]+$/g, "");
  return `${name === "" || DEVICE.test(name) ? "conversation" : name}.${extension}`;
}

/** Has the browser save a file. @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser reads the address before it returns to us, but some only a moment later.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
