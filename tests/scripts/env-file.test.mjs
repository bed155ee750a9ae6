/** Files of variables, such as `.dev.vars`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { variablesIn } from "../../scripts/lib/env-file.mjs";

test("a blank value is blank, whatever the next line is", () => {
  for (const blank of ["", " ", "\t", "  \t "]) {
    for (const end of ["\n", "\r\n"]) {
      const { A, B } = variablesIn(`A=${blank}${end}B=x${end}`);
      assert.deepEqual([A, B], ["", "x"], JSON.stringify(blank + end));
    }
  }
});

test("other values are as Node reads them", () => {
  const text = "A= x \nexport B='y '\nC=\"a =  \n b\"\n# D=z\n";
  assert.deepEqual({ ...variablesIn(text) }, { A: "x", B: "y ", C: "a =  \n b" });
});
