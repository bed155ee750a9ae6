import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { mayInstallOnDebian } from "./debian.mjs";
import { say } from "./main.mjs";
import { Failure, run } from "./process.mjs";

/** Where browsers of this kind are; a name alone is looked for on `PATH`. */
const PLACES = [
  "/usr/bin/chromium",
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const HOW =
  "Install it with your system's packages (Debian: 'apt-get install chromium'; macOS: 'brew install --cask chromium'), " +
  "or set CHROMIUM_BIN to the program of a Chromium or Chrome that you have.";

/**
 * The browser that tests the pages, which is installed where it is missing and may be.
 * @returns {Promise<string>} the path of its program
 */
export async function ensureChromium() {
  const path = findChromium();
  if (path) return path;
  if (!mayInstallOnDebian()) throw new Failure(`The browser tests need Chromium. ${HOW}`);
  say("Set-up: installing Chromium from Debian's packages (about 1 minute)");
  const apt = { env: { DEBIAN_FRONTEND: "noninteractive" }, quiet: true };
  await run("apt-get", ["update"], apt);
  await run("apt-get", ["install", "--yes", "--no-install-recommends", "chromium"], apt);
  const installed = findChromium();
  if (installed) return installed;
  throw new Failure(`Debian's package has brought no Chromium that can be found. ${HOW}`);
}

/**
 * The browser that is there.
 * @throws {Failure} when CHROMIUM_BIN names none
 */
export function findChromium() {
  const chosen = process.env.CHROMIUM_BIN;
  if (!chosen) return PLACES.flatMap(candidates).find(isProgram);
  const path = candidates(chosen).find(isProgram);
  if (path) return path;
  throw new Failure(
    `CHROMIUM_BIN is '${chosen}', and there is no such program. Correct or unset it.`,
  );
}

function candidates(place) {
  if (isAbsolute(place)) return [place];
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, place));
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
