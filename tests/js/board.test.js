// The pure parts of board.js. What it does to a page is tested in test_board_dom.py.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const path = new URL("../../nbflow/notebook/board.js", import.meta.url);
const source = await readFile(path, "utf8"); // it is a module, but no package says so
const board = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const RUN = {
  id: "r1", name: "cats", state: "running", glyph: "●", summary: "0 of 2 done", elapsed: 2, work: 3,
  running: 2, tokens: 0,
};

function pane(id, more = {}) {
  return {
    id, branch: `branch ${id}`, state: "running", glyph: "●", detail: "", join: false, started: 0.5,
    elapsed: null, blocks: ["a", "b"], ...more,
  };
}

function state(...panes) {
  return { run: RUN, panes, graph: {}, column: 260, hint: "" };
}

test("a frame changes only the panes it names", () => {
  const before = state(pane("n0"), pane("n1"));
  const after = board.fold(before, { panes: [{ ...pane("n1", { state: "done" }), from: 2, blocks: [] }] });
  assert.equal(after.panes[0], before.panes[0]);
  assert.equal(after.panes[1].state, "done");
});

test("new blocks replace those from the given number on", () => {
  const after = board.fold(state(pane("n0")), { panes: [{ ...pane("n0"), from: 1, blocks: ["B", "c"] }] });
  assert.deepEqual(after.panes[0].blocks, ["a", "B", "c"]);
  assert.ok(!("from" in after.panes[0]));
});

test("the state before is left as it was", () => {
  const before = state(pane("n0"));
  const copy = structuredClone(before);
  board.fold(before, { run: { ...RUN, state: "done" }, panes: [{ ...pane("n0"), from: 0, blocks: [] }] });
  assert.deepEqual(before, copy);
});

test("hearing a frame twice is hearing it once", () => {
  const frame = { run: { ...RUN, elapsed: 9 }, panes: [{ ...pane("n0"), from: 1, blocks: ["x"] }] };
  const once = board.fold(state(pane("n0")), frame);
  assert.deepEqual(board.fold(once, frame), once);
});

test("a frame that doesn't mention the graph leaves it", () => {
  const before = { ...state(pane("n0")), graph: { svg: "<svg/>" } };
  assert.equal(board.fold(before, { run: RUN }).graph, before.graph);
  assert.equal(board.fold(before, { graph: { lines: [] } }).graph.svg, undefined);
});

test("durations read as in Python", () => {
  const texts = [0.04, 12.34, 59.96, 125, 7260].map(board.secondsText);
  assert.deepEqual(texts, ["0.0 s", "12.3 s", "1 min 0 s", "2 min 5 s", "2 h 1 min"]);
});

test("a running pane's time goes on between frames", () => {
  assert.equal(board.paneSeconds(pane("n0"), RUN, 0.25), 1.75);
});

test("a pane that has ended keeps its time, and one that never ran has none", () => {
  assert.equal(board.paneSeconds(pane("n0", { state: "done", elapsed: 1.2 }), RUN, 9), 1.2);
  assert.equal(board.paneSeconds(pane("n0", { state: "queued", started: null }), RUN, 9), null);
});

test("a state that isn't plain is named beside the time", () => {
  assert.equal(board.paneStatus(pane("n0", { state: "failed" }), 1), "failed 1.0 s");
  assert.equal(board.paneStatus(pane("n0", { state: "queued" }), null), "queued");
  assert.equal(board.paneStatus(pane("n0", { state: "done" }), 1), "1.0 s");
});

test("the total line counts the work of what is running", () => {
  assert.equal(board.totalLine(RUN, 1), "elapsed 3.0 s · sum of branches 5.0 s · speed-up 1.7×");
  assert.match(board.totalLine({ ...RUN, tokens: 1234 }, 0), / · 1,234 tokens$/);
});

test("a box of many branches has the state that most needs to be seen", () => {
  assert.equal(board.boxState(["done", "failed", "done"]), "failed");
  assert.equal(board.boxState(["failed", "running"]), "running");
  assert.equal(board.boxState(["done", "done"]), "done");
});

test("a box of many branches counts those that are done", () => {
  const done = pane("n0", { state: "done" });
  assert.equal(board.boxText("b0 … b1", [done, pane("n1")], RUN, 0), "● b0 … b1 1/2");
  assert.equal(board.boxText("b0", [pane("n0")], RUN, 0), "● b0 1.5 s");
});

test("the clock stands still once the run has ended", () => {
  let now = 0;
  const store = board.createStore({ now: () => now });
  store.replace(state(pane("n0")));
  now = 2000;
  assert.equal(store.since(), 2);
  store.apply({ run: { ...RUN, state: "done" } });
  now = 9000;
  assert.equal(store.since(), 0);
});

test("every view of a model is told, until it goes away", () => {
  const store = board.createStore({ now: () => 0 });
  const told = [];
  const forget = store.watch(() => told.push("one"));
  store.watch(() => told.push("two"));
  store.apply({ run: RUN });
  forget();
  store.apply({ run: RUN });
  assert.deepEqual(told, ["one", "two", "two"]);
});

test("a model says at once that somebody shows it", () => {
  const said = [];
  const model = { get: () => state(pane("n0")), on: () => {}, send: (message) => said.push(message) };
  board.default().initialize({ model });
  assert.deepEqual(said, [{ type: "ready" }]);
});

test("when the kernel is gone, what hasn't ended is cancelled and its clock stands", () => {
  const before = state(pane("n0"), pane("n1", { state: "done", elapsed: 1 }), pane("n2", { state: "queued", started: null }));
  const after = board.cutOff(before, 1.5);
  assert.deepEqual(after.panes.map((one) => one.state), ["cancelled", "done", "cancelled"]);
  assert.deepEqual(after.panes.map((one) => one.elapsed), [3, 1, null]);
  assert.deepEqual([after.run.state, after.run.elapsed, after.run.work], ["cancelled", 3.5, 6]);
  assert.match(after.run.summary, /kernel was restarted/);
  assert.deepEqual(board.cutOff(after, 9), after);
});

test("a box of many tasks counts them on its second line", () => {
  const vote = { ...pane("n0"), count: "4/5" };
  assert.equal(board.boxNote("vote of 5", [vote]), "vote of 5 · 4/5");
  assert.equal(board.boxNote("any of 3", [{ ...vote, count: "" }]), "any of 3");
});

test("one token is one token", () => {
  assert.match(board.totalLine({ ...RUN, tokens: 1 }, 0), / 1 token$/);
});
