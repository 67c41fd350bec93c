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
    elapsed: null, blocks: ["a", "b"], can: "", stays: "", items: 0, wide: false, cut: false, ...more,
  };
}

function state(...panes) {
  return {
    run: RUN, panes, graph: {}, column: 260, hint: "", timeline: { rows: [], notes: [] }, cells: null,
  };
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

test("the blocks at the end that are kept stay where they are", () => {
  const before = state(pane("n0", { blocks: ["a", "b", "c", "d"] }));
  const after = board.fold(before, { panes: [{ ...pane("n0"), from: 1, keep: 1, blocks: ["B"] }] });
  assert.deepEqual(after.panes[0].blocks, ["a", "B", "d"]);
  assert.ok(!("keep" in after.panes[0]));
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
  assert.equal(board.boxNote("vote of 5", "", [vote]), "vote of 5 · 4/5");
  assert.equal(board.boxNote("any of 3", "", [{ ...vote, count: "" }]), "any of 3");
});

test("one token is one token", () => {
  assert.match(board.totalLine({ ...RUN, tokens: 1 }, 0), / 1 token$/);
});

const CELLS = { ids: [0, 1, 2, 3], names: ["joke", "Poem", "story", "both"], states: "rdqf", joins: [] };

test("very many nodes are told by letters, and a pane that was told before has the state of now", () => {
  const before = { ...state(pane("n1")), cells: CELLS };
  const after = board.fold(before, { cells: { states: "ddqf" } });
  assert.deepEqual(after.cells.names, CELLS.names);
  const known = new Map(after.panes.map((one) => [one.id, one]));
  const cells = [0, 1, 2, 3].map((at) => board.cellPane(after, at, known));
  assert.deepEqual(cells.map((one) => one.state), ["done", "done", "queued", "failed"]);
  assert.deepEqual(cells.map((one) => one.branch), ["joke", "branch n1", "story", "both"]);
  assert.deepEqual(cells[1].blocks, ["a", "b"]);
});

test("cells are found by their state and by a part of their name, in whatever case", () => {
  assert.deepEqual(board.wantedCells(CELLS, "", ""), [0, 1, 2, 3]);
  assert.deepEqual(board.wantedCells(CELLS, "failed", ""), [3]);
  assert.deepEqual(board.wantedCells(CELLS, "", "O"), [0, 1, 2, 3]);
  assert.deepEqual(board.wantedCells(CELLS, "", "po"), [1]);
  assert.deepEqual(board.countStates("rrdf"), { running: 2, done: 1, failed: 1 });
});

test("a grid shows the rows in sight and one more on each side", () => {
  const places = board.gridPlaces(10000, 200, { width: 810, height: 600, top: 3000 });
  assert.equal(places.columns, 4);
  assert.equal(places.height, 2500 * 150);
  assert.deepEqual([places.from, places.to], [19 * 4, 25 * 4]);
  assert.deepEqual(board.gridPlaces(3, 200, { width: 100, height: 600, top: 0 }).columns, 1);
});

test("an axis is as long and marked as in Python", () => {
  assert.deepEqual([0, 0.72, 2.1, 3, 47].map(board.scaleOf), [0.1, 0.8, 3, 3, 50]);
  assert.deepEqual(board.ticksOf(3), [0, 1, 2, 3]);
  assert.deepEqual(board.ticksOf(0.8), [0, 0.2, 0.4, 0.6, 0.8]);
  assert.deepEqual(board.ticksOf(50), [0, 10, 20, 30, 40, 50]);
});

test("a bar goes on while what it shows does, and never past now", () => {
  assert.deepEqual(board.barPlace(["running", 1, null], 2, 4), { left: 25, width: 25 });
  assert.deepEqual(board.barPlace(["retrying", 1, 60], 2, 4), { left: 25, width: 25 });
  assert.deepEqual(board.barPlace(["done", 1, 1.5], 2, 4), { left: 25, width: 12.5 });
  assert.deepEqual(board.barPlace(["running", 3, null], 2, 4), { left: 75, width: 0 });
});

test("two texts differ word by word", () => {
  const pieces = board.diffWords("the cat sat on a mat", "the black cat sat on the mat");
  assert.deepEqual(pieces, [
    { kind: "same", text: "the " },
    { kind: "new", text: "black " },
    { kind: "same", text: "cat sat on " },
    { kind: "gone", text: "a" },
    { kind: "new", text: "the" },
    { kind: "same", text: " mat" },
  ]);
});

test("what is the same and gone is the one text, what is the same and new the other", () => {
  const words = ["a", "b", "c", " ", "\n", "dd"];
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 300; round += 1) {
    const [one, other] = [0, 1].map(() => Array.from({ length: random(12) }, () => words[random(6)]).join(""));
    const pieces = board.diffWords(one, other);
    const without = (kind) => pieces.filter((piece) => piece.kind !== kind).map((piece) => piece.text).join("");
    assert.equal(without("new"), one);
    assert.equal(without("gone"), other);
  }
  assert.deepEqual(board.diffWords("", ""), []);
  assert.deepEqual(board.diffWords("same", "same"), [{ kind: "same", text: "same" }]);
});

test("texts too long to be compared differ as a whole", () => {
  const long = (word) => Array.from({ length: 4000 }, () => word).join(" ");
  const pieces = board.diffWords(`${long("a")} end`, `${long("b")} end`);
  assert.deepEqual(pieces.map((piece) => piece.kind), ["gone", "new", "same"]);
});

test("a button that can't work says what does", () => {
  const ended = { ...state(), run: { ...RUN, state: "failed" } };
  const one = pane("n0", { can: "re" });
  assert.match(board.whyNot("r", one, state()), /%nbflow board/);
  assert.equal(board.whyNot("r", one, ended), "");
  assert.match(board.whyNot("e", pane("n0", { can: "r" }), ended), /where it is written/);
  assert.match(board.whyNot("r", pane("n0"), ended), /code calls it/);
  assert.equal(board.whyNot("r", one, { ...ended, hint: "use the stop button" }), "use the stop button");
});

test("an answer comes to whoever asked, and after a restart nobody waits", async () => {
  const store = board.createStore({ now: () => 0 });
  const sent = [];
  store.send = (message) => sent.push(message);
  const [first, second] = [store.ask({ type: "text", id: "n0" }), store.ask({ type: "text", id: "n1" })];
  store.answer({ ask: sent[1].ask, text: "second" });
  assert.equal((await second).text, "second");
  store.cutOff();
  assert.match((await first).problem, /restarted/);
  assert.match((await store.ask({ type: "text" })).problem, /restarted/);
  assert.equal(sent.length, 2);
});

test("the count of tasks names every state there is", () => {
  const text = board.itemCount({ total: 2, counts: { done: 1200, failed: 2 } });
  assert.equal(text, "2 of 1,202 · ✓ 1,200 done · ✕ 2 failed");
});

test("the header says how long, how many tokens and how much faster", () => {
  assert.equal(board.clockText({ ...RUN, tokens: 1234 }, 1), "3.0 s · 1,234 tokens · 1.7× speed-up");
  assert.equal(board.clockText({ ...RUN, work: 0, running: 0 }, 0), "2.0 s");
});
