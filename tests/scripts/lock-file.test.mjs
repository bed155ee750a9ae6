/** package-lock.json: every machine installs exactly the packages that were reviewed. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const lock = JSON.parse(readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8"));
const packages = Object.entries(lock.packages).filter(([path]) => path !== "");

test("every package has the digest of its contents", () => {
  // npm leaves it out for a package that is not for the machine on which the file was written.
  const without = packages.flatMap(([path, { version, integrity = "" }]) =>
    /^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)
      ? []
      : `npm view ${path.replace(/^.*node_modules\//, "")}@${version} dist.integrity`,
  );
  assert.ok(packages.length > 100);
  assert.deepEqual(without, [], "these commands tell what is missing");
});

test("every package comes from the registry", () => {
  const elsewhere = packages.filter(
    ([, { resolved, link }]) =>
      link || (resolved && !resolved.startsWith("https://registry.npmjs.org/")),
  );
  assert.deepEqual(elsewhere, []);
});
