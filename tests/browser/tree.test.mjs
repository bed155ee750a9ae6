/** What a page knows of a conversation, and what it takes in from elsewhere. */
import assert from "node:assert/strict";
import test from "node:test";
import { newExchange } from "../../public/chat/exchange.js";
import { Tree } from "../../public/chat/tree.js";

/** Exchanges as they are kept, each as its name and that of its parent. */
function kept(...pairs) {
  const all = new Map();
  for (const [name, parent] of pairs) {
    const exchange = newExchange(name, all.get(parent));
    Object.assign(exchange, { answerId: name, turnId: `${name}!`, answer: "a", state: "done" });
    all.set(name, exchange);
  }
  return [...all.values()];
}

const none = { isRead: () => false, onText() {}, onState() {} };
const take = (tree, ...pairs) => tree.follow(() => tree.merge(kept(...pairs), none));
const pathOf = (tree) => tree.path.map(({ answerId }) => answerId).join(" ");
const named = (tree, name) => tree.exchanges.find(({ answerId }) => answerId === name);

test("what is known stays the same object, and what is new hangs on it", () => {
  const tree = new Tree();
  take(tree, ["a"]);
  const [first] = tree.exchanges;
  take(tree, ["a"], ["b", "a"]);
  assert.equal(tree.exchanges[0], first);
  assert.equal(tree.path[0], first);
});

test("whoever sees the newest exchange follows what is newer, and nobody else does", () => {
  const tree = new Tree();
  take(tree, ["a"], ["b", "a"]);
  take(tree, ["a"], ["b", "a"], ["c", "a"]);
  assert.equal(pathOf(tree), "a c");
  tree.choose(named(tree, "b"));
  take(tree, ["a"], ["b", "a"], ["c", "a"], ["d", "a"]);
  assert.equal(pathOf(tree), "a b");
  assert.equal(tree.hasNews, false);
});

test("a question that is being edited stays on the path, until what is newer is behind it", () => {
  const tree = new Tree();
  take(tree, ["a"], ["b", "a"]);
  named(tree, "b").edit = "better";
  take(tree, ["a"], ["b", "a"], ["c", "a"]);
  assert.equal(pathOf(tree), "a b");
  assert.equal(tree.hasNews, true);
  take(tree, ["a"], ["b", "a"], ["c", "a"], ["d", "b"]);
  assert.equal(pathOf(tree), "a b d");
  assert.equal(tree.hasNews, false);
});

test("once nothing is being edited any more, what is newer is followed", () => {
  const tree = new Tree();
  take(tree, ["a"], ["b", "a"]);
  named(tree, "b").edit = "better";
  take(tree, ["a"], ["b", "a"], ["c", "a"]);
  named(tree, "b").edit = undefined;
  take(tree, ["a"], ["b", "a"], ["c", "a"]);
  assert.equal(pathOf(tree), "a c");
});

test("what another tab has queued leads nobody away from an edit", () => {
  const tree = new Tree();
  take(tree, ["a"], ["b", "a"]);
  named(tree, "b").edit = "better";
  tree.follow(() =>
    tree.restore([{ answerId: "q", parentId: "a", message: "q", state: "queued" }]),
  );
  assert.equal(pathOf(tree), "a b");
  assert.equal(tree.hasNews, true);
});

test("an edit that was begun earlier is shown, wherever it is", () => {
  const tree = new Tree();
  take(tree, ["a"], ["b", "a"], ["c", "a"]);
  tree.resume(new Map([["b", "better"]]));
  assert.equal(pathOf(tree), "a b");
  assert.equal(named(tree, "b").edit, "better");
  assert.equal(tree.hasNews, true);
});

test("a question that nobody keeps stays where it is", () => {
  const tree = new Tree();
  take(tree, ["a"]);
  tree.add(newExchange("mine", tree.tip));
  const mine = tree.tip;
  take(tree, ["a"]);
  assert.equal(tree.tip, mine);
  tree.remove(mine);
  take(tree, ["a"]);
  assert.equal(pathOf(tree), "a");
});

test("what is kept below a question that nobody keeps is found behind it", () => {
  const tree = new Tree();
  take(tree, ["a"]);
  tree.add(Object.assign(newExchange("b", named(tree, "a")), { answerId: "b", state: "failed" }));
  tree.add(Object.assign(newExchange("c", named(tree, "b")), { answerId: "c" }));
  take(tree, ["a"], ["c", "a"]);
  take(tree, ["a"], ["c", "a"], ["d"]);
  assert.equal(pathOf(tree), "d");
  tree.choose(named(tree, "a"));
  assert.equal(pathOf(tree), "a b c");
});

test("what waits for one version of an answer waits for the next", () => {
  const tree = new Tree();
  take(tree, ["a"]);
  const [first] = tree.exchanges;
  tree.add({ ...newExchange("waits", first), state: "queued" });
  tree.add(newExchange("again", undefined));
  const again = tree.tip;
  assert.equal(tree.adopt(first, again), true);
  assert.deepEqual(tree.waitingFor(first), []);
  assert.deepEqual(
    tree.path.map(({ question }) => question),
    ["again", "waits"],
  );
});

test("all that waits for an answer is behind its next version, in the order of asking", () => {
  const tree = new Tree();
  take(tree, ["a"]);
  const [first] = tree.exchanges;
  for (const question of ["waits", "waits, too"]) {
    tree.add({ ...newExchange(question, tree.tip), state: "queued" });
  }
  tree.add(newExchange("again", undefined));
  tree.adopt(first, tree.tip);
  assert.deepEqual(
    tree.path.map(({ question }) => question),
    ["again", "waits", "waits, too"],
  );
});

test("whoever watches an answer run is not led away from it", () => {
  const tree = new Tree();
  take(tree, ["a"], ["b", "a"]);
  named(tree, "b").state = "streaming";
  const options = { ...none, isRead: ({ answerId }) => answerId === "b" };
  tree.follow(() => tree.merge(kept(["a"], ["b", "a"], ["c"]), options));
  assert.equal(pathOf(tree), "a b");
  assert.equal(tree.hasNews, true);
});

test("a question whose answer before it is not known stands at the end, and is in its place once that is known", () => {
  const tree = new Tree();
  const waits = (answerId, parentId) => ({ answerId, parentId, message: "q", state: "queued" });
  // The one that follows may have been saved first.
  const asks = [waits("e", "d"), waits("d", "c")];
  tree.follow(() => {
    tree.merge(kept(["a"], ["b", "a"]), none);
    tree.restore(asks);
  });
  assert.equal(pathOf(tree), "a b d e");
  assert.equal(named(tree, "d").parentId, "c", "what it follows is not forgotten");
  assert.equal(named(tree, "e").parentId, undefined);
  tree.follow(() => {
    tree.merge(kept(["a"], ["b", "a"], ["c", "a"]), none);
    tree.restore(asks);
  });
  assert.equal(pathOf(tree), "a c d e");
  assert.equal(named(tree, "d").parentId, undefined);
});
