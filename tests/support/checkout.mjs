/** A checkout of our own, in which a test may set what a person sets in theirs. */
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Folders that the build looks into, and what tells where the checkout is or is a test's to set. */
const COPIED = ["public", "scripts", "src", "wrangler.toml"];
const LEFT_OUT = [".dev.vars", ".git", ".wrangler", "tests"];

/**
 * Makes one, which goes when the process ends: until then, what was started in it may write to it. The build and the node
 * modules are the real ones.
 *
 * @param {{ devVars?: Record<string, string>, wranglerToml?: (text: string) => string }} [options] `.dev.vars`, and what
 *   to make of the shipped `wrangler.toml`
 * @returns {string} its folder
 */
export function checkout({ devVars, wranglerToml } = {}) {
  const folder = makeTemporary("checkout-");
  for (const name of readdirSync(ROOT).filter((name) => !LEFT_OUT.includes(name))) {
    if (COPIED.includes(name)) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    else symlinkSync(join(ROOT, name), join(folder, name));
  }
  if (devVars) {
    const lines = Object.entries(devVars).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(join(folder, ".dev.vars"), lines.join(""));
  }
  if (wranglerToml) {
    const path = join(folder, "wrangler.toml");
    writeFileSync(path, wranglerToml(readFileSync(path, "utf8")));
  }
  return folder;
}
