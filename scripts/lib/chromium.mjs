import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { aptInstall, mayInstallOnDebian } from "./debian.mjs";
import { Failure } from "./process.mjs";
import { step } from "./progress.mjs";

/** Chromium without windows. With it, the browser tests take a third less of the processor's time. */
const SHELL = "chromium-headless-shell";

/** Where Chromium or Chrome may be: paths, and names to look for on `PATH`. */
const PLACES = [
  `/usr/bin/${SHELL}`,
  SHELL,
  "/usr/bin/chromium",
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const HOW =
  "Install it (Debian: 'apt-get install chromium-headless-shell'; macOS: 'brew install --cask chromium'), or set CHROMIUM_BIN to " +
  "the path of a Chromium or Chrome that you have.";

/**
 * The browser for the tests of the pages. Where it is missing and we may install it, we do.
 * @returns {Promise<string>} its path
 */
export async function ensureChromium() {
  const path = findChromium();
  if (path && (process.env.CHROMIUM_BIN || path.endsWith(SHELL))) return path;
  if (!mayInstallOnDebian()) {
    if (path) return path;
    throw new Failure(`The browser tests need Chromium. ${HOW}`);
  }
  try {
    await install(SHELL);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (path) return path;
    // Older releases have no such package.
    await install("chromium");
  }
  const installed = findChromium();
  if (installed) return installed;
  throw new Failure(`Debian's package was installed, but no browser was found. ${HOW}`);
}

function install(name) {
  return step("Set-up: installing Chromium from Debian's packages (about 1 minute)", () =>
    aptInstall([name]),
  );
}

/**
 * The path of the browser, if one is installed.
 * @throws {Failure} when CHROMIUM_BIN names no program
 */
export function findChromium() {
  const chosen = process.env.CHROMIUM_BIN;
  if (!chosen) return PLACES.flatMap(candidates).find(isProgram);
  const path = candidates(chosen).find(isProgram);
  if (path) return path;
  throw new Failure(`CHROMIUM_BIN is '${chosen}', which is not a program. Correct or unset it.`);
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
