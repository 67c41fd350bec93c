/* The live board: draws a run's state and sends back what its buttons say.
 *
 * One model (a run) may have any number of views (places on the page). Each model folds the frames
 * that the kernel sends into one state; each view draws from it. The shape of state and frames is
 * `Changes` in frames.py. Everything is put in as text, except what Python has sanitised.
 */

/**
 * @typedef {object} RunState
 * @property {string} id
 * @property {string} name
 * @property {string} state
 * @property {string} glyph
 * @property {string} summary how far it is, in words
 * @property {number} elapsed seconds, when the frame was made
 * @property {number} work the sum of the branches' times in seconds, when the frame was made
 * @property {number} running how many tasks are running
 * @property {number} tokens
 *
 * @typedef {object} PaneState
 * @property {string} id
 * @property {string} branch
 * @property {string} state
 * @property {string} glyph
 * @property {string} detail
 * @property {string} count of a node with many tasks, how many are done: `3/7`
 * @property {boolean} join
 * @property {number | null} started seconds after the run did
 * @property {number | null} elapsed seconds, once it has ended
 * @property {string[]} blocks sanitised HTML
 * @property {string} can what it can do once the run has ended: `r` run again, `e` be edited
 * @property {string} stays why it can't be cancelled alone; empty if it can
 * @property {number} items how many tasks it has, if many
 * @property {boolean} wide whether it has a row of its own, as several models have
 * @property {boolean} cut whether there is more to say than its blocks do
 *
 * @typedef {[string, number, number | null]} Span what lasted, from when to when: seconds
 *
 * @typedef {object} Row
 * @property {string} id the node's
 * @property {string} branch
 * @property {string} label
 * @property {string} state
 * @property {Span[]} spans
 * @property {string} title
 * @property {boolean} critical
 * @property {Row[]} members
 *
 * @typedef {object} Cells very many nodes: of most of them nothing else is known
 * @property {number[]} ids the numbers in their ids
 * @property {string[]} names
 * @property {string} states the first letter of each state
 * @property {string[]} joins the ids of those that have a pane of their own
 *
 * @typedef {object} Graph
 * @property {string | null} [svg]
 * @property {string[]} [lines] the graph in words, where there is no Graphviz
 * @property {string} [note]
 * @property {string} [legend] what has to be explained of it
 *
 * @typedef {object} BoardState
 * @property {RunState} run
 * @property {PaneState[]} panes
 * @property {Graph} graph
 * @property {number} column the least width of a pane, in pixels
 * @property {string} hint why buttons don't work; empty if they do
 * @property {{rows: Row[], notes: string[]}} timeline
 * @property {Cells | null} cells
 *
 * @typedef {Partial<Pick<BoardState, "run" | "graph" | "column" | "timeline">> & News} Frame
 *
 * @typedef {object} News
 * @property {(PaneState & {from: number, keep?: number})[]} [panes] `blocks` replace all but the
 *   first `from` and the last `keep`
 * @property {string[]} [order] the ids of all panes, if there are new ones
 * @property {Partial<Cells>} [cells]
 */

/** @type {Record<string, string>} */
const GLYPHS = {
  queued: "○", running: "●", done: "✓", failed: "✕", cancelled: "⊘", skipped: "–",
};
const LOUDEST_FIRST = ["running", "failed", "queued", "cancelled", "skipped", "done"];
/** @type {Record<string, string>} */
const STATE_OF = Object.fromEntries(Object.keys(GLYPHS).map((state) => [state[0], state]));
const GONE = "the kernel was restarted: run the cell again";
const SILENT = "the kernel doesn't answer: it may be busy with another cell";
const ANSWER_MILLISECONDS = 5000;
const LOOK_MILLISECONDS = 60;
const WORDS_MOST = 3000; // of a text that is compared word by word
const ROW_PIXELS = 150; // the height of a pane among very many, as board.css has it
const ITEM_PIXELS = 26; // and of a task in a table
const ITEMS_AHEAD = 60; // tasks that are asked for at once

/** Called once for each model, so the store is shared by the views of one run and by no others. */
export default function board() {
  const store = createStore({ now: () => performance.now() });
  return {
    /** @param {{model: any}} context */
    initialize({ model }) {
      store.send = (message) => model.send(message);
      store.replace(model.get("view"));
      model.on("change:view", () => store.replace(model.get("view")));
      model.on("msg:custom", (/** @type {any} */ message) => {
        if (message.type === "frame") store.apply(message);
        else if (message.type === "whole") store.replace(message.view);
        else if (message.type === "answer") store.answer(message);
      });
      // ipywidgets says this of its models when their kernel restarts.
      model.on("comm_live_update", store.cutOff);
      store.send({ type: "ready" });
    },
    /** @param {{el: HTMLElement}} context */
    render({ el }) {
      return createView(el, store);
    },
  };
}

// The state, and what changes it

/** @typedef {ReturnType<typeof createStore>} Store */

/**
 * A model's state, its views, the buttons that were pressed and the questions that were asked.
 * @param {{now: () => number}} clock milliseconds
 */
export function createStore(clock) {
  /** @type {Set<() => void>} */
  const views = new Set();
  /** @type {Map<string, (answer: any) => void>} */
  const waiting = new Map();
  const own = randomId();
  let asked = 0;
  /** @param {BoardState} state */
  const tell = (state) => {
    store.state = state;
    store.at = clock.now();
    store.redraw();
  };
  const store = {
    /** @type {BoardState} */
    state: {
      run: {
        id: "", name: "", state: "running", glyph: GLYPHS.running, summary: "", elapsed: 0, work: 0,
        running: 0, tokens: 0,
      },
      panes: [], graph: {}, column: 260, hint: "", timeline: { rows: [], notes: [] }, cells: null,
    },
    at: clock.now(),
    /** @type {Set<string | null>} the branches whose Cancel was pressed; null is the run's */
    cancelling: new Set(),
    /** @type {(message: object) => void} */
    send: () => {},
    since: () => (store.state.run.state === "running" ? (clock.now() - store.at) / 1000 : 0),
    /** @param {BoardState} state */
    replace(state) {
      if (!state || !state.run) return;
      if (state.run.id !== store.state.run.id) store.cancelling.clear();
      tell(state);
    },
    /** @param {Frame} frame */
    apply: (frame) => tell(fold(store.state, frame)),
    /** The kernel restarts: nobody will say anything more. */
    cutOff() {
      for (const ask of [...waiting.keys()]) store.answer({ ask, problem: GONE });
      tell({ ...cutOff(store.state, store.since()), hint: GONE });
    },
    /** @param {string | null} branch */
    cancel(branch) {
      store.cancelling.add(branch);
      store.send({ type: "cancel", branch });
      store.redraw();
    },
    /**
     * Ask the kernel something. It may not answer: then the answer says so.
     * @param {object} message @returns {Promise<any>}
     */
    ask(message) {
      if (store.state.hint) return Promise.resolve({ problem: store.state.hint });
      asked += 1;
      const ask = `${own}-${asked}`;
      return new Promise((hear) => {
        waiting.set(ask, hear);
        setTimeout(() => store.answer({ ask, problem: SILENT }), ANSWER_MILLISECONDS);
        store.send({ ...message, ask });
      });
    },
    /** @param {any} message */
    answer(message) {
      const hear = waiting.get(message.ask);
      waiting.delete(message.ask);
      hear?.(message);
    },
    /** @param {() => void} draw */
    watch(draw) {
      views.add(draw);
      return () => views.delete(draw);
    },
    redraw() {
      for (const draw of views) draw();
    },
  };
  return store;
}

/** What tells views and their questions apart: the kernel's answers come to every page. */
function randomId() {
  return Math.random().toString(36).slice(2);
}

/**
 * The state after one more frame; the state before is left as it was.
 * @param {BoardState} state @param {Frame} frame @returns {BoardState}
 */
export function fold(state, frame) {
  const known = byId(state.panes);
  for (const { from, keep = 0, ...pane } of frame.panes ?? []) {
    const before = known.get(pane.id)?.blocks ?? [];
    const end = keep ? before.slice(-keep) : [];
    known.set(pane.id, { ...pane, blocks: [...before.slice(0, from), ...pane.blocks, ...end] });
  }
  const order = frame.order ?? [...known.keys()]; // with cells it is theirs
  const panes = order.flatMap((id) => known.get(id) ?? []);
  const { run, graph, column, timeline } = { ...state, ...frame };
  const cells = frame.cells ? /** @type {Cells} */ ({ ...state.cells, ...frame.cells }) : state.cells;
  return { ...state, run, graph, column, timeline, cells, panes };
}

/** @param {PaneState[]} panes */
function byId(panes) {
  return new Map(panes.map((pane) => [pane.id, pane]));
}

/**
 * The state when the kernel is gone: what hasn't ended never will.
 * @param {BoardState} state @param {number} since seconds since the last frame was made
 * @returns {BoardState}
 */
export function cutOff(state, since) {
  if (state.run.state !== "running") return state;
  const ended = { state: "cancelled", glyph: GLYPHS.cancelled };
  const summary = `${state.run.summary} · the kernel was restarted`;
  const run = { ...later(state.run, since), ...ended, summary, running: 0 };
  const panes = state.panes.map((pane) =>
    isOpen(pane) ? { ...pane, ...ended, elapsed: paneSeconds(pane, state.run, since) } : pane,
  );
  const cells = state.cells && { ...state.cells, states: state.cells.states.replace(/[qr]/g, "c") };
  /** @type {(row: Row) => Row} */
  const stop = (row) => ({
    ...row,
    state: isOpen(row) ? ended.state : row.state,
    spans: row.spans.map(([kind, start, end]) => [kind, start, end ?? run.elapsed]),
    members: row.members.map(stop),
  });
  const timeline = { ...state.timeline, rows: state.timeline.rows.map(stop) };
  return { ...state, run, panes, cells, timeline };
}

/** @param {{state: string}} one a pane or a row */
function isOpen({ state }) {
  return state === "queued" || state === "running";
}

/** A run, `since` seconds after the frame was made. @param {RunState} run @param {number} since */
function later(run, since) {
  return { ...run, elapsed: run.elapsed + since, work: run.work + since * run.running };
}

// The state in words

/** A duration for people; the same words as `seconds_text` in Python. @param {number} seconds */
export function secondsText(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** @param {number} count */
function numberText(count) {
  return count.toLocaleString("en");
}

/**
 * Seconds a pane's task has taken, `since` seconds after the frame was made; null if it never ran.
 * @param {PaneState} pane @param {RunState} run @param {number} since
 */
export function paneSeconds(pane, run, since) {
  if (pane.elapsed !== null) return pane.elapsed;
  if (pane.state !== "running" || pane.started === null) return null;
  return Math.max(0, run.elapsed + since - pane.started);
}

/** What stands beside a pane's name. @param {PaneState} pane @param {number | null} seconds */
export function paneStatus(pane, seconds) {
  const time = seconds === null ? "" : secondsText(seconds);
  return pane.state === "done" || pane.state === "running" ? time : `${pane.state} ${time}`.trim();
}

/**
 * What there is to say of a run in numbers; empty what isn't known.
 * @param {RunState} run @param {number} since seconds since the frame was made
 */
function figures(run, since) {
  const { elapsed, work, tokens } = later(run, since);
  return {
    elapsed: secondsText(elapsed),
    work: secondsText(work),
    faster: elapsed > 0 && work > 0 ? `${(work / elapsed).toFixed(1)}×` : "",
    tokens: tokens ? `${numberText(tokens)} ${tokens === 1 ? "token" : "tokens"}` : "",
  };
}

/**
 * The total line; the same words as `totals_text` in Python.
 * @param {RunState} run @param {number} since seconds since the frame was made
 */
export function totalLine(run, since) {
  const { elapsed, work, faster, tokens } = figures(run, since);
  const parts = [`elapsed ${elapsed}`, `sum of branches ${work}`, faster && `speed-up ${faster}`, tokens];
  return parts.filter(Boolean).join(" · ");
}

/**
 * What stands in the header beside how far it is.
 * @param {RunState} run @param {number} since seconds since the frame was made
 */
export function clockText(run, since) {
  const { elapsed, faster, tokens } = figures(run, since);
  return [elapsed, tokens, faster && `${faster} speed-up`].filter(Boolean).join(" · ");
}

/** The state of a box in the graph that stands for these panes. @param {string[]} states */
export function boxState(states) {
  return LOUDEST_FIRST.find((state) => states.includes(state)) ?? "queued";
}

/**
 * What a box in the graph says.
 * @param {string} label @param {PaneState[]} panes @param {RunState} run @param {number} since
 */
export function boxText(label, panes, run, since) {
  if (panes.length !== 1) {
    const done = panes.filter((pane) => pane.state === "done").length;
    return `${GLYPHS[boxState(panes.map((pane) => pane.state))]} ${label} ${done}/${panes.length}`;
  }
  const seconds = paneSeconds(panes[0], run, since);
  return `${panes[0].glyph} ${label}${seconds === null ? "" : ` ${secondsText(seconds)}`}`;
}

/**
 * What the second line of a box in the graph says; the same words as `Box.says` in Python.
 * @param {string} note what it says before anything runs
 * @param {string} counts what it counts, if not the tasks of its note
 * @param {PaneState[]} panes
 */
export function boxNote(note, counts, panes) {
  const count = panes.length === 1 && (note || counts) ? panes[0].count : "";
  return [note, counts ? `${count} ${counts}`.trim() : count].filter(Boolean).join(" · ");
}

/**
 * How many tasks are shown and how many there are.
 * @param {{total: number, counts: Record<string, number>}} known
 */
export function itemCount({ total, counts }) {
  const all = Object.values(counts).reduce((sum, one) => sum + one, 0);
  const states = Object.keys(GLYPHS).filter((state) => counts[state]);
  const parts = states.map((state) => `${GLYPHS[state]} ${numberText(counts[state])} ${state}`);
  const of = total === all ? "" : `${numberText(total)} of `;
  return `${of}${numberText(all)} · ${parts.join(" · ")}`;
}

/**
 * Why a button of a pane can't do its work now, and what does; empty if it can.
 * @param {string} letter `r` to run again, `e` to edit
 * @param {PaneState} pane @param {BoardState} state
 */
export function whyNot(letter, pane, state) {
  if (state.hint) return state.hint;
  if (state.run.state === "running") {
    return "the run goes on: when it has ended, %nbflow board shows it with buttons that work";
  }
  if (pane.can.includes(letter)) return "";
  if (letter === "e" && pane.can) return "its code isn't at hand here: change it where it is written";
  return "code calls it: run that again";
}

// Very many nodes

/**
 * What is known of a node: its pane as it was told last, in the state that it has now.
 * @param {BoardState} state @param {number} at its place among the cells
 * @param {Map<string, PaneState>} panes by id
 * @returns {PaneState}
 */
export function cellPane(state, at, panes) {
  const cells = /** @type {Cells} */ (state.cells);
  const id = `n${cells.ids[at]}`;
  const now = STATE_OF[cells.states[at]] ?? "queued";
  const known = panes.get(id);
  if (known) return known.state === now ? known : { ...known, state: now, glyph: GLYPHS[now] };
  return {
    id, branch: cells.names[at], state: now, glyph: GLYPHS[now], detail: "", count: "", join: false,
    started: null, elapsed: null, blocks: [], can: "", stays: "", items: 0, wide: false, cut: false,
  };
}

/**
 * The places of the cells that somebody wants to see, in their order.
 * @param {Cells} cells @param {string} state a state, or "" for all
 * @param {string} search a part of a name
 * @param {number[]} first the numbers in the ids of those that come first
 */
export function wantedCells(cells, state, search, first = []) {
  const letter = state && state[0];
  const needle = search.toLowerCase();
  const isWanted = (/** @type {number} */ at) =>
    (!letter || cells.states[at] === letter) && (!needle || cells.names[at].toLowerCase().includes(needle));
  const places = placesOf(cells);
  const sorted = first.flatMap((number) => places.get(`n${number}`) ?? []);
  return [...new Set([...sorted, ...cells.names.keys()])].filter(isWanted);
}

/** @type {WeakMap<number[], Map<string, number>>} */
const PLACES = new WeakMap();

/** The place of each cell by its id; it is found out once. @param {Cells} cells */
function placesOf({ ids }) {
  const places = PLACES.get(ids) ?? new Map(ids.map((number, at) => [`n${number}`, at]));
  PLACES.set(ids, places);
  return places;
}

/** How many cells are in each state. @param {string} states @returns {Record<string, number>} */
export function countStates(states) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const letter of states) counts[STATE_OF[letter]] = (counts[STATE_OF[letter]] ?? 0) + 1;
  return counts;
}

/**
 * Where the panes of very many nodes stand, and which of them are in sight.
 * @param {number} count @param {number} column the least width of a pane, in pixels
 * @param {{width: number, height: number, top: number}} sight of the box that scrolls, in pixels
 */
export function gridPlaces(count, column, { width, height, top }) {
  const columns = Math.max(1, Math.floor(width / column));
  const first = Math.max(0, Math.floor(top / ROW_PIXELS) - 1);
  const last = Math.ceil((top + height) / ROW_PIXELS) + 1;
  return {
    columns,
    height: Math.ceil(count / columns) * ROW_PIXELS,
    from: Math.min(count, first * columns),
    to: Math.min(count, last * columns),
  };
}

// Times as lengths

/**
 * The length of an axis on which so many seconds fit; the same as `scale_of` in Python.
 * @param {number} seconds
 */
export function scaleOf(seconds) {
  if (seconds <= 0.1) return 0.1;
  const power = 10 ** Math.floor(Math.log10(seconds));
  const step = [1, 2, 3, 4, 5, 6, 8, 10].find((one) => one * power >= seconds * (1 - 1e-9)) ?? 10;
  return Number((step * power).toFixed(9));
}

/** Where an axis is marked, in seconds; the same as `ticks_of` in Python. @param {number} scale */
export function ticksOf(scale) {
  const power = 10 ** Math.floor(Math.log10(scale) + 1e-9);
  const fits = (/** @type {number} */ one) => one * power * 5 >= scale * (1 - 1e-9);
  const step = ([0.2, 0.5, 1, 2].find(fits) ?? 2) * power;
  const count = Math.round(scale / step) + 1;
  return Array.from({ length: count }, (_, at) => Number((at * step).toFixed(9)));
}

/**
 * Where a bar begins and how long it is, in percent of the axis.
 * @param {Span} span @param {number} now seconds
 * @param {number} scale seconds
 */
export function barPlace([, start, end], now, scale) {
  const last = end === null ? now : Math.min(end, now);
  const percent = (/** @type {number} */ seconds) => Number(((100 * seconds) / scale).toFixed(2));
  return { left: percent(start), width: percent(Math.max(0, last - start)) };
}

// Two texts, word by word

/** @typedef {"same" | "gone" | "new"} Fate of a word */

/**
 * What became of a text: what is the same, what is gone and what is new. In each stretch of changes
 * all that is gone comes first.
 * @param {string} before @param {string} after
 * @returns {{kind: Fate, text: string}[]}
 */
export function diffWords(before, after) {
  const [a, b] = [before, after].map((text) => text.match(/\s+|\S+/g) ?? []);
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < shorter - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  /** @type {[Fate, string][]} */
  const steps = [
    ["same", a.slice(0, start).join("")],
    ...diffMiddle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ["same", a.slice(a.length - end).join("")],
  ];
  const stretches = [{ same: "", gone: "", new: "" }];
  for (const [kind, text] of steps) {
    const last = stretches[stretches.length - 1];
    if (kind === "same" && (last.gone || last.new)) stretches.push({ same: text, gone: "", new: "" });
    else last[kind] += text;
  }
  const kinds = /** @type {Fate[]} */ (["same", "gone", "new"]);
  return stretches.flatMap((one) => kinds.map((kind) => ({ kind, text: one[kind] }))).filter(({ text }) => text);
}

/**
 * The longest common subsequence, by dynamic programming; very long texts differ as a whole.
 * @param {string[]} a @param {string[]} b @returns {[Fate, string][]}
 */
function diffMiddle(a, b) {
  if (a.length > WORDS_MOST || b.length > WORDS_MOST) return [["gone", a.join("")], ["new", b.join("")]];
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width); // of what follows (i, j)
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const at = i * width + j;
      if (a[i] === b[j]) common[at] = common[at + width + 1] + 1;
      else common[at] = Math.max(common[at + width], common[at + 1]);
    }
  }
  /** @type {[Fate, string][]} */
  const steps = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const isGone = j === b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1]);
    const kind = i < a.length && a[i] === b[j] ? "same" : isGone ? "gone" : "new";
    steps.push([kind, kind === "new" ? b[j] : a[i]]);
    if (kind !== "new") i += 1;
    if (kind !== "gone") j += 1;
  }
  return steps;
}

// What a page is made of

/**
 * An element with its class, or its attributes, and its children.
 * @param {string} tag @param {string | Record<string, string>} attributes
 * @param {...(Node | string)} children @returns {any}
 */
function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  setAttributes(made, typeof attributes === "string" ? { class: attributes } : attributes);
  made.append(...children);
  return made;
}

/**
 * Set attributes only if they are others: what didn't change isn't touched.
 * @param {Element} node @param {Record<string, string>} attributes
 */
function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
}

/** @param {Node} node @param {string} text */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Where a node stands. What a browser makes of a style is spelled otherwise, so ours is noted.
 * @param {HTMLElement} node @param {string} place
 */
function setPlace(node, place) {
  if (node.dataset.place === place) return;
  node.dataset.place = place;
  node.style.cssText = place;
}

/**
 * Make these the first nodes of a parent, in this order; those that are right aren't touched.
 * @param {Element} parent @param {Element[]} nodes
 */
function arrange(parent, nodes) {
  nodes.forEach((node, at) => {
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
  });
}

/**
 * @param {string} text what it says to who sees it
 * @param {string} label what it says to who hears it
 * @param {() => void} press @param {string} name its class
 * @returns {HTMLButtonElement}
 */
function createButton(text, label, press, name = "nbflow-button") {
  const button = element("button", { type: "button", class: name, "aria-label": label }, text);
  button.addEventListener("click", press);
  return button;
}

/** @param {HTMLButtonElement} button @param {string} why it can't be pressed; empty if it can */
function turnOff(button, why) {
  button.disabled = why !== "";
  setAttributes(button, { title: why || (button.getAttribute("aria-label") ?? "") });
}

/**
 * @param {HTMLButtonElement} button @param {string} text what it says before it is pressed
 * @param {boolean} pressed @param {string} hint
 */
function drawCancel(button, text, pressed, hint) {
  setText(button.querySelector(".nbflow-label") ?? button, pressed ? "cancelling…" : text);
  turnOff(button, hint);
  button.disabled ||= pressed;
}

/** @param {string} label @returns {HTMLInputElement} */
function createSearch(label) {
  return element("input", { type: "search", class: "nbflow-control", "aria-label": label, placeholder: label });
}

/** @param {string} label @param {HTMLOptionElement[]} options @returns {HTMLSelectElement} */
function createSelect(label, options = []) {
  return element("select", { class: "nbflow-control", "aria-label": label }, ...options);
}

/** @param {string} label */
function createSort(label) {
  const options = ["order", "time", "length"].map((by) => new Option(by === "order" ? "in order" : `by ${by}`, by));
  return createSelect(label, options);
}

/** A notebook has commands on single keys: what is typed here is none. @param {Element} root */
function keepKeys(root) {
  for (const kind of ["keydown", "keyup", "keypress"]) {
    root.addEventListener(kind, (event) => event.stopPropagation());
  }
}

/**
 * Put a text on the clipboard, also where a page isn't allowed to do it in the new way.
 * @param {string} text
 */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", {});
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

/** @param {Element} node */
function isSelectedIn(node) {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed || !selection.rangeCount) return false;
  return selection.getRangeAt(0).intersectsNode(node);
}

// The board, from its top to its bottom

/**
 * One view of a model.
 * @param {HTMLElement} el @param {Store} store @returns {() => void} takes it away
 */
function createView(el, store) {
  const comparison = createComparison(store);
  const head = createHead(store, comparison.button);
  const graph = createGraph(goTo);
  const panes = createPanes(store, draw);
  const timeline = createTimeline(goTo);
  const meant = "speed-up: the sum of the branches' times divided by the elapsed time";
  const total = element("div", { class: "nbflow-total", title: meant });
  const board = element(
    "div", "nbflow-board nbflow-live", head.root, graph.root, comparison.root, ...panes.roots, timeline.root, total,
  );
  el.append(board);
  const saved = emptySaved(board);

  function draw() {
    const { id, state } = store.state.run;
    setAttributes(board, { "data-run": id, "data-state": state });
    head.draw();
    comparison.draw();
    panes.draw();
    tick();
  }

  /** What goes on between frames too. */
  function tick() {
    const { state } = store;
    const since = store.since();
    head.tick(since);
    panes.tick(since);
    graph.draw(state, since, panes.inSight());
    timeline.draw(state, since);
    setText(total, totalLine(state.run, since));
  }

  /** Bring a node's pane into sight. @param {string} id */
  function goTo(id) {
    panes.goTo(id);
    light(id);
  }

  /** @param {string | null | undefined} id the node whose box, pane and bars are lit, if any */
  function light(id) {
    for (const lit of board.querySelectorAll(".nbflow-lit")) lit.classList.remove("nbflow-lit");
    if (!id) return;
    for (const one of board.querySelectorAll(`[data-id="${CSS.escape(id)}"]`)) one.classList.add("nbflow-lit");
  }

  for (const kind of ["mouseover", "focusin"]) {
    board.addEventListener(kind, (/** @type {any} */ { target }) =>
      light(target.closest("[data-id]")?.getAttribute("data-id")),
    );
  }
  board.addEventListener("mouseleave", () => light(null));
  draw();
  const unwatch = store.watch(draw);
  const timer = setInterval(() => store.state.run.state === "running" && tick(), 100);
  return () => {
    unwatch();
    clearInterval(timer);
    saved.close();
    panes.close();
    board.remove();
  };
}

/**
 * Empty the copy of a board that its notebook saves beside it, so that a page has each board once.
 * It is only the page that loses it; the notebook keeps it.
 * @param {Element} board
 */
function emptySaved(board) {
  function empty() {
    const area = board.closest(".jp-OutputArea");
    if (!area) return;
    changed.disconnect();
    for (const saved of area.querySelectorAll(".nbflow-saved-board")) saved.replaceChildren();
    changed.observe(area, { childList: true });
    for (const output of area.children) {
      if (!output.contains(board)) changed.observe(output, { childList: true, subtree: true });
    }
  }
  const changed = new MutationObserver(empty);
  const placed = new ResizeObserver(empty); // the page puts it somewhere, perhaps later
  placed.observe(board);
  return {
    close() {
      changed.disconnect();
      placed.disconnect();
    },
  };
}

/**
 * What the run is and how far; the buttons for all of it.
 * @param {Store} store @param {HTMLButtonElement} compare
 */
function createHead(store, compare) {
  const title = element("strong", "nbflow-title");
  const pill = element("span", "nbflow-pill");
  const summary = element("span", { class: "nbflow-summary", role: "status" });
  const clock = element("span", "nbflow-clock");
  const hint = element("span", "nbflow-hint");
  const cancel = createButton("Cancel run", "Cancel run", () => store.cancel(null));
  const buttons = element("span", "nbflow-actions", compare, cancel);
  return {
    root: element("div", "nbflow-head", title, pill, summary, clock, hint, buttons),
    draw() {
      const { run, hint: why } = store.state;
      const isRunning = run.state === "running";
      setText(title, run.name || "run");
      setText(pill, `${run.glyph} ${run.state}`);
      setText(summary, run.summary);
      setText(hint, isRunning || why === GONE ? why : "");
      cancel.hidden = !isRunning;
      drawCancel(cancel, "Cancel run", store.cancelling.has(null), why);
    },
    /** @param {number} since */
    tick: (since) => setText(clock, clockText(store.state.run, since)),
  };
}

/**
 * The graph: put in whenever there is another, then coloured by attributes.
 * @param {(id: string) => void} goTo
 */
function createGraph(goTo) {
  const picture = element("div", { class: "nbflow-picture", tabindex: "0", role: "group", "aria-label": "graph" });
  const legend = element("div", "nbflow-legend");
  const zooms = element(
    "span", "nbflow-zooms",
    createButton("−", "Zoom out", () => zoom(1 / 1.25)),
    createButton("+", "Zoom in", () => zoom(1.25)),
    createButton("Fit", "Zoom to fit", () => zoom(0)),
  );
  const root = element("div", "nbflow-graph", picture, element("div", "nbflow-below", legend, zooms));
  const signs = Object.entries(GLYPHS).map(([state, glyph]) =>
    element("span", "nbflow-sign", element("span", { class: "nbflow-glyph", "data-state": state }, glyph), ` ${state}`),
  );
  /** @type {Graph | null} */
  let shown = null;
  /** @type {ReturnType<typeof createBox>[]} */
  let boxes = [];
  /** @type {Element[]} */
  let arrows = [];
  let width = 0;
  let height = 0;
  let scale = 0; // as somebody has zoomed it; 0 before

  /** @param {number} factor 0 to fit */
  function zoom(factor) {
    const svg = picture.querySelector("svg");
    if (!svg || !width) return;
    const fit = Math.min(1.5, picture.clientWidth / width, 400 / height);
    scale = factor ? Math.min(6, Math.max(0.1, (scale || svg.clientWidth / width || 1) * factor)) : fit;
    svg.style.maxWidth = "none";
    svg.style.width = `${width * scale}px`;
    svg.style.height = "auto";
  }

  /** @param {Graph} graph */
  function put(graph) {
    shown = graph;
    [boxes, arrows] = [[], []];
    picture.replaceChildren();
    if (graph.svg) putPicture(graph.svg);
    else if (graph.lines) {
      const lines = graph.lines.map((line) => element("div", {}, line));
      picture.append(...lines, element("div", "nbflow-detail", graph.note ?? ""));
    }
    legend.replaceChildren(...signs);
    if (graph.legend) {
      legend.append(element("span", "nbflow-sign", element("span", "nbflow-dashes"), graph.legend));
    }
    zooms.hidden = !graph.svg;
    root.hidden = !picture.childNodes.length;
  }

  /** @param {string} text */
  function putPicture(text) {
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
    const svg = document.importNode(parsed.documentElement, true);
    width = Number(svg.getAttribute("width")) || 0;
    height = Number(svg.getAttribute("height")) || 1;
    svg.setAttribute("role", "group"); // its boxes can be pressed, which a picture's parts can't
    picture.append(svg);
    arrows = Array.from(svg.querySelectorAll("g.edge"));
    boxes = Array.from(svg.querySelectorAll("g.node"), (node) => createBox(node, goTo));
    if (scale) zoom(1);
  }

  return {
    root,
    /**
     * @param {BoardState} state @param {number} since
     * @param {Map<string, PaneState>} panes those in sight, by id
     */
    draw(state, since, panes) {
      if (state.graph !== shown) put(state.graph);
      /** @type {Map<string | null, string>} */
      const states = new Map();
      for (const box of boxes) {
        const members = membersOf(box.ids, panes, state);
        if (members.length) states.set(box.name, box.draw(members, state.run, since));
      }
      for (const arrow of arrows) {
        const source = states.get(arrow.getAttribute("data-source"));
        if (source) setAttributes(arrow, { "data-state": source });
      }
    },
  };
}

/**
 * A box of the graph, which may stand for many nodes: who presses it goes to the first one's pane.
 * @param {Element} node @param {(id: string) => void} goTo
 */
function createBox(node, goTo) {
  const says = (/** @type {string} */ name) => node.getAttribute(`data-${name}`) ?? "";
  const ids = says("nodes").split(" ");
  const title = node.querySelector("title");
  const [line, below] = node.querySelectorAll("text");
  setAttributes(node, { tabindex: "0", role: "button" });
  if (ids.length === 1) setAttributes(node, { "data-id": ids[0] });
  node.addEventListener("click", () => goTo(ids[0]));
  node.addEventListener("keydown", (/** @type {any} */ event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    goTo(ids[0]);
  });
  return {
    ids,
    name: says("node"),
    /** @param {PaneState[]} members @param {RunState} run @param {number} since @returns {string} its state */
    draw(members, run, since) {
      const state = boxState(members.map((pane) => pane.state));
      const text = boxText(says("label"), members, run, since);
      const note = boxNote(says("note"), says("counts"), members);
      const label = `${[text, note].filter(Boolean).join(" ")}, ${state}: go to its pane`;
      setAttributes(node, { "data-state": state, "aria-label": label });
      if (line) setText(line, text);
      if (below) setText(below, note);
      if (title) setText(title, `${says("branch")}: ${state}`);
      return state;
    },
  };
}

/**
 * What is known of the nodes in a box: all, or of very many out of sight only their states.
 * @param {string[]} ids @param {Map<string, PaneState>} panes those in sight, by id
 * @param {BoardState} state @returns {PaneState[]}
 */
function membersOf(ids, panes, state) {
  if (!state.cells) return ids.flatMap((id) => panes.get(id) ?? []);
  const places = placesOf(state.cells);
  return ids.map((id) => cellPane(state, places.get(id) ?? -1, panes));
}

/** Any two outputs side by side, once somebody asks for it. @param {Store} store */
function createComparison(store) {
  const selects = ["first", "second"].map((which) => createSelect(`The ${which} output`));
  const result = element("div", { "aria-live": "polite" });
  const root = element("div", "nbflow-comparison", element("div", "nbflow-tools", ...selects), result);
  const button = createButton("Compare", "Compare two outputs", () => {
    root.hidden = !root.hidden;
    draw();
    if (!root.hidden) compare();
  });
  let shown = "";
  root.hidden = true;
  for (const select of selects) select.addEventListener("change", compare);
  keepKeys(root);

  async function compare() {
    const texts = await Promise.all(selects.map(({ value }) => store.ask({ type: "text", id: value })));
    const problem = texts.find((text) => text.problem)?.problem;
    const [one, other] = selects.map((select) => select.selectedOptions[0]?.textContent ?? "");
    result.replaceChildren(problem ?? createDiff(one, texts[0].text, other, texts[1].text));
  }

  function draw() {
    const branches = branchesOf(store.state);
    button.hidden = branches.length < 2;
    turnOff(button, store.state.hint);
    setAttributes(button, { "aria-expanded": String(!root.hidden) });
    const now = JSON.stringify(branches);
    if (root.hidden || now === shown) return;
    shown = now;
    selects.forEach((select, number) => {
      const had = select.value;
      select.replaceChildren(...branches.map(({ id, name }) => new Option(name, id)));
      select.value = had;
      if (select.selectedIndex < 0) select.selectedIndex = Math.min(number, branches.length - 1);
    });
  }

  return { root, button, draw };
}

/** The branches that can be compared. @param {BoardState} state */
function branchesOf({ cells, panes }) {
  if (!cells) return panes.map(({ id, branch }) => ({ id, name: branch }));
  return cells.ids.slice(0, 500).map((number, at) => ({ id: `n${number}`, name: cells.names[at] }));
}

/** @param {string} one @param {string} before @param {string} other @param {string} after */
function createDiff(one, before, other, after) {
  const tags = { same: "span", gone: "del", new: "ins" };
  const pieces = diffWords(before, after).map(({ kind, text }) => element(tags[kind], {}, text));
  const only = [element("del", {}, `only in ${one}`), " · ", element("ins", {}, `only in ${other}`)];
  return element(
    "div", "nbflow-compared",
    element("div", "nbflow-muted", ...only),
    element("pre", "nbflow-plain nbflow-diff", ...pieces),
  );
}

// The panes

/**
 * Every pane, joins below the others; of very many nodes those in sight, and what finds the others.
 * @param {Store} store @param {() => void} redraw draws the board
 */
function createPanes(store, redraw) {
  const spot = element("div", "nbflow-spot"); // for those of very many that are expanded
  const grid = element("div", "nbflow-panes");
  const joins = element("div", "nbflow-joins");
  const space = element("div", "nbflow-space"); // as high as very many panes would be
  const filter = createFilter(store, () => {
    grid.scrollTop = 0;
    redraw();
  });
  const view = randomId();
  /** @type {Map<string, ReturnType<typeof createPane>>} by id */
  const panes = new Map();
  /** @type {Set<string>} */
  const expanded = new Set();
  /** @type {Map<string, number>} how far those out of sight are scrolled, if not to their end */
  const scrolled = new Map();
  /** @type {Map<string, PaneState>} what those in sight show, by id */
  let inSight = new Map();
  let run = "";
  let looked = ""; // what the kernel was told is in sight
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let looking;

  /** @param {string} id */
  function expand(id) {
    if (!expanded.delete(id)) expanded.add(id);
    redraw();
    panes.get(id)?.root.querySelector(".nbflow-expand")?.focus();
  }

  const sight = () => ({
    width: grid.clientWidth || 900, height: grid.clientHeight || 640, top: grid.scrollTop,
  });

  /**
   * The panes that are drawn, in their order, each with its home and its place there.
   * @returns {{pane: PaneState, home: HTMLElement, place: string}[]}
   */
  function wanted() {
    const { cells, panes: all } = store.state;
    if (cells) return wantedOf(cells);
    return all.map((pane) => ({ pane, home: pane.join ? joins : grid, place: "" }));
  }

  /** @param {Cells} cells */
  function wantedOf(cells) {
    const { state } = store;
    const known = byId(state.panes);
    const places = placesOf(cells);
    const apart = [...new Set([...expanded, ...cells.joins])].filter((id) => places.has(id));
    const found = filter.find(cells).filter((at) => !apart.includes(`n${cells.ids[at]}`));
    const { columns, height, from, to } = gridPlaces(found.length, state.column, sight());
    const indices = new Set(Array.from({ length: to - from }, (_, at) => from + at));
    for (const [id, { root }] of panes) {
      if (root.parentNode === grid && isHeld(root)) indices.add(found.indexOf(places.get(id) ?? -1));
    }
    indices.delete(-1);
    space.style.height = `${height}px`;
    return [
      ...apart.map((id) => ({
        pane: cellPane(state, places.get(id) ?? -1, known), home: expanded.has(id) ? spot : joins, place: "",
      })),
      ...[...indices].sort((a, b) => a - b).map((index) => ({
        pane: cellPane(state, found[index], known), home: grid, place: placeInGrid(index, columns),
      })),
    ];
  }

  function draw() {
    const { run: now, cells, column } = store.state;
    if (now.id !== run) {
      run = now.id;
      for (const { root } of panes.values()) root.remove();
      panes.clear();
    }
    grid.classList.toggle("nbflow-many", Boolean(cells));
    grid.style.setProperty("--nbflow-column", `${column}px`);
    filter.root.hidden = !cells;
    if (cells) {
      filter.draw(cells);
      setAttributes(grid, { tabindex: "0", role: "group", "aria-label": `${cells.ids.length} branches` });
    }
    drawPanes();
  }

  function drawPanes() {
    const all = wanted().map((one) => {
      const { pane } = one;
      const isNew = !panes.has(pane.id);
      const shown = panes.get(pane.id) ?? createPane(pane, store, expand);
      panes.set(pane.id, shown);
      // Asked of all before any is drawn: it costs a layout.
      const isAtEnd = isNew ? !scrolled.has(pane.id) : shown.isAtEnd();
      return { ...one, shown, isNew, follows: pane.state === "running" && isAtEnd };
    });
    inSight = byId(all.map(({ pane }) => pane));
    for (const [id, { root, body, isAtEnd }] of panes) {
      if (inSight.has(id)) continue;
      if (isAtEnd()) scrolled.delete(id);
      else scrolled.set(id, body.scrollTop);
      root.remove();
      panes.delete(id);
    }
    for (const home of [spot, grid, joins]) {
      const roots = all.filter((one) => one.home === home).map(({ shown }) => shown.root);
      arrange(home, home === grid && store.state.cells ? [space, ...roots] : roots);
    }
    const grown = [];
    for (const { pane, place, shown, isNew, follows } of all) {
      setPlace(shown.root, place);
      if (shown.draw(pane, expanded.has(pane.id)) && follows) grown.push(shown.body);
      if (isNew && scrolled.has(pane.id)) shown.body.scrollTop = scrolled.get(pane.id);
    }
    for (const body of grown) body.scrollTop = body.scrollHeight;
    if (store.state.cells) lookSoon();
  }

  /** Tell the kernel which panes are in sight; it tells only those whole. */
  function lookSoon() {
    const numbers = () => [...inSight.keys()].map((id) => Number(id.slice(1)));
    if (looking || store.state.hint || `${run} ${numbers()}` === looked) return;
    looking = setTimeout(() => {
      const ids = numbers();
      looking = undefined;
      looked = `${run} ${ids}`;
      store.send({ type: "look", view, ids });
    }, LOOK_MILLISECONDS);
  }

  /** Bring a node's pane into sight. @param {string} id */
  function goTo(id) {
    const { cells, column } = store.state;
    if (cells && !panes.has(id)) {
      filter.reset();
      const { columns } = gridPlaces(cells.ids.length, column, sight());
      grid.scrollTop = Math.floor((placesOf(cells).get(id) ?? 0) / columns) * ROW_PIXELS;
      redraw();
    }
    const root = panes.get(id)?.root;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    root?.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
    root?.focus({ preventScroll: true });
  }

  const redrawMany = () => store.state.cells && redraw();
  grid.addEventListener("scroll", redrawMany);
  const resized = new ResizeObserver(redrawMany);
  resized.observe(grid);
  document.addEventListener("selectionchange", drawPanes); // what somebody has let go can be drawn
  return {
    roots: [filter.root, spot, grid, joins],
    inSight: () => inSight,
    draw,
    /** @param {number} since */
    tick(since) {
      for (const [id, pane] of inSight) panes.get(id)?.tick(pane, paneSeconds(pane, store.state.run, since));
    },
    goTo,
    close() {
      clearTimeout(looking);
      resized.disconnect();
      document.removeEventListener("selectionchange", drawPanes);
    },
  };
}

/** @param {number} index @param {number} columns */
function placeInGrid(index, columns) {
  const [row, column] = [Math.floor(index / columns), index % columns];
  return `left:${(100 * column) / columns}%;top:${row * ROW_PIXELS}px;width:${100 / columns}%`;
}

/**
 * Whether somebody has selected something in a pane, or is in it: then it stays, even out of sight.
 * @param {Element} pane
 */
function isHeld(pane) {
  return isSelectedIn(pane) || pane.contains(document.activeElement);
}

/**
 * What narrows very many panes down: a button for each state, and a search; and what sorts them, as
 * they are when that is chosen and again when the run has ended, so that none moves while it is read.
 * @param {Store} store @param {() => void} changed
 */
function createFilter(store, changed) {
  let wanted = "";
  let sorted = ""; // by what, and in which state of the run
  /** @type {number[]} the numbers in their ids, if they are sorted */
  let numbers = [];
  const search = createSearch("Search branches");
  const sort = createSort("Sort branches");
  /** @type {[string, HTMLButtonElement][]} */
  const chips = ["", ...LOUDEST_FIRST].map((state) => {
    const press = () => {
      wanted = wanted === state ? "" : state;
      changed();
    };
    const chip = createButton("", "", press, "nbflow-button nbflow-chip");
    if (state) chip.dataset.state = state;
    return [state, chip];
  });
  search.addEventListener("input", changed);
  sort.addEventListener("change", order);
  keepKeys(search);
  keepKeys(sort);

  async function order() {
    const { id, state } = store.state.run;
    const now = `${sort.value} ${id} ${state}`;
    if (now === sorted) return;
    sorted = now;
    const answer = sort.value === "order" ? {} : await store.ask({ type: "order", sort: sort.value });
    if (now !== sorted) return;
    numbers = answer.numbers ?? [];
    changed();
  }

  return {
    root: element("div", "nbflow-tools", ...chips.map(([, chip]) => chip), search, sort),
    /** @param {Cells} cells */
    find: (cells) => wantedCells(cells, wanted, search.value, numbers),
    reset() {
      [wanted, sorted, numbers] = ["", "", []];
      [search.value, sort.value] = ["", "order"];
    },
    /** @param {Cells} cells */
    draw(cells) {
      if (sort.value !== "order") order();
      const counts = countStates(cells.states);
      for (const [state, chip] of chips) {
        const count = state ? counts[state] ?? 0 : cells.names.length;
        const text = state ? `${GLYPHS[state]} ${numberText(count)} ${state}` : `all ${numberText(count)}`;
        chip.hidden = !count && wanted !== state;
        setText(chip, text);
        setAttributes(chip, { "aria-label": `Show ${text}`, "aria-pressed": String(wanted === state) });
      }
    },
  };
}

/**
 * One pane: made once, then told what changed.
 * @param {PaneState} first @param {Store} store @param {(id: string) => void} expand
 */
function createPane({ id, branch }, store, expand) {
  const glyph = element("span", "nbflow-glyph");
  const status = element("span", "nbflow-status");
  const detail = element("div", "nbflow-detail");
  const said = element("div", { class: "nbflow-said", role: "status" });
  const extra = element("div", {});
  const body = createBody(branch, ask);
  const buttons = {
    cancel: createAction("Cancel", branch, () => store.cancel(branch)),
    retry: createAction("Retry", branch, retry),
    edit: createAction("Edit", branch, edit),
    copy: createAction("Copy", branch, copy, ""),
    expand: createAction("Expand", branch, () => expand(id), ""),
  };
  const name = element("strong", { class: "nbflow-name", title: branch }, branch);
  const actions = element("span", "nbflow-actions", ...Object.values(buttons));
  const root = element(
    "section",
    { class: "nbflow-pane", tabindex: "-1", role: "group", "aria-label": branch, "data-branch": branch, "data-id": id },
    element("div", "nbflow-pane-head", glyph, name, status, actions), detail, said, body.root, extra,
  );
  buttons.copy.title = "copy its text";
  /** @type {ReturnType<typeof createItems> | null} */
  let table = null;

  /** Ask the kernel about this node, and say what is wrong if anything is. @param {object} message */
  async function ask(message) {
    const answer = await store.ask({ ...message, id });
    setText(said, answer.problem ?? "");
    return answer;
  }

  function retry() {
    setText(said, "asked the kernel …");
    ask({ type: "retry" });
  }

  async function copy() {
    const { text, problem } = await store.ask({ type: "text", id });
    await copyText(problem ? body.root.innerText : text);
    setText(said, "copied");
    setTimeout(() => said.textContent === "copied" && setText(said, ""), 2000);
  }

  async function edit() {
    const isEdited = () => extra.querySelector(".nbflow-edit");
    if (isEdited()) return;
    const { text = "", problem } = await ask({ type: "source" });
    if (problem || isEdited()) return;
    const run = (/** @type {string} */ edited) => store.ask({ type: "edit", id, text: edited });
    const editor = createEditor(branch, text, run, () => buttons.edit.focus());
    extra.append(editor.root);
    editor.area.focus();
  }

  return {
    root,
    body: body.root,
    /** Whether its end is in sight. */
    isAtEnd: () => body.root.scrollHeight - body.root.scrollTop - body.root.clientHeight < 8,
    /**
     * @param {PaneState} pane @param {boolean} isExpanded
     * @returns {boolean} whether there is more of a text that is being written
     */
    draw(pane, isExpanded) {
      const { state, cancelling } = store;
      const hasTable = isExpanded && pane.items > 0;
      setAttributes(root, { "data-state": pane.state });
      root.classList.toggle("nbflow-expanded", isExpanded);
      root.classList.toggle("nbflow-wide", pane.wide);
      setText(glyph, pane.glyph);
      glyph.title = pane.state;
      setText(detail, pane.detail);
      buttons.cancel.hidden = !isOpen(pane);
      buttons.retry.hidden = isOpen(pane);
      buttons.edit.hidden = isOpen(pane);
      drawCancel(buttons.cancel, "Cancel", cancelling.has(null) || cancelling.has(branch), state.hint || pane.stays);
      turnOff(buttons.retry, whyNot("r", pane, state));
      turnOff(buttons.edit, whyNot("e", pane, state));
      const title = isExpanded ? "as it was" : "all of it, as wide as the board";
      setAttributes(buttons.expand, { "aria-expanded": String(isExpanded), title });
      if (hasTable && !table) {
        table = createItems(pane, (message) => store.ask({ ...message, id }));
        extra.append(table.root);
      }
      if (table) table.root.hidden = !hasTable;
      if (hasTable) table?.draw(state);
      body.root.hidden = hasTable && !pane.blocks.length;
      return body.draw(pane, isExpanded);
    },
    /** @param {PaneState} pane @param {number | null} seconds */
    tick: (pane, seconds) => setText(status, paneStatus(pane, seconds)),
  };
}

/**
 * A button of a pane; in a narrow one its icon stands for its text.
 * @param {string} verb @param {string} branch @param {() => void} press @param {string} text
 */
function createAction(verb, branch, press, text = verb) {
  const button = createButton("", `${verb} ${branch}`, press, `nbflow-button nbflow-${verb.toLowerCase()}`);
  button.append(element("span", "nbflow-icon"), element("span", "nbflow-label", text));
  return button;
}

/**
 * What a node says: block by block, or all of a long text once somebody wants it.
 * @param {string} branch @param {(message: object) => Promise<any>} ask
 */
function createBody(branch, ask) {
  const label = `what ${branch} says`;
  const root = element("div", { class: "nbflow-pane-text", tabindex: "0", role: "group", "aria-label": label });
  /** @type {string[]} the blocks that are there */
  let drawn = [];
  let wanted = ""; // which text is wanted whole; empty if none is
  /** @type {{blocks?: string[], text?: string, note?: string}} */
  let whole = {};

  /** @param {string} key */
  async function fetchWhole(key) {
    wanted = key;
    whole = {};
    const answer = await ask({ type: "full" });
    if (wanted !== key) return;
    whole = answer;
    if (answer.blocks) drawn = drawBlocks(root, drawn, answer.blocks);
    else if (answer.text) {
      drawn = [];
      root.replaceChildren(
        element("pre", "nbflow-plain", answer.text),
        element("div", "nbflow-muted", answer.note ?? ""),
      );
    }
  }

  return {
    root,
    /**
     * @param {PaneState} pane @param {boolean} isWhole
     * @returns {boolean} whether there is more of a text that is being written
     */
    draw(pane, isWhole) {
      const key = isWhole && pane.cut ? `${pane.elapsed}` : "";
      if (key && key !== wanted) fetchWhole(key);
      if (key && whole.text) return false;
      if (!key && wanted) {
        [wanted, whole, drawn] = ["", {}, []];
        root.replaceChildren();
      }
      const before = drawn;
      drawn = drawBlocks(root, drawn, whole.blocks ?? pane.blocks);
      return drawn !== before && pane.state === "running";
    },
  };
}

/**
 * Replace the blocks that changed. Somebody's selection stays, and what somebody opened stays open.
 * @param {HTMLElement} body @param {string[]} before the blocks that are there
 * @param {string[]} now @returns {string[]} the blocks that are there afterwards
 */
function drawBlocks(body, before, now) {
  const length = Math.max(before.length, now.length);
  const changed = Array.from({ length }, (_, at) => at).filter((at) => before[at] !== now[at]);
  if (!changed.length) return before;
  const old = Array.from(body.children);
  if (changed.some((at) => old[at] && isSelectedIn(old[at]))) return before;
  for (const at of changed) {
    if (at >= now.length) {
      old[at].remove();
      continue;
    }
    const block = element("div", "nbflow-block");
    block.innerHTML = now[at]; // nbflow: sanitised
    const details = block.querySelector("details");
    if (details && old[at]?.querySelector("details")?.open) details.open = true;
    if (old[at]) old[at].replaceWith(block);
    else body.append(block);
  }
  return now;
}

/**
 * Where a node's text is changed, and the node run again.
 * @param {string} branch @param {string} text @param {(text: string) => Promise<any>} ask
 * @param {() => void} closed
 */
function createEditor(branch, text, ask, closed) {
  const rows = String(Math.min(16, text.split("\n").length + 2));
  const label = `Text of ${branch}`;
  const area = element("textarea", { class: "nbflow-source", "aria-label": label, rows, spellcheck: "false" });
  const problem = element("div", { class: "nbflow-problem", role: "alert" });
  const run = async () => {
    setText(problem, "");
    const answer = await ask(area.value);
    if (answer.problem) setText(problem, answer.problem);
    else root.remove();
  };
  const close = () => {
    root.remove();
    closed();
  };
  const root = element(
    "div", "nbflow-edit", area, problem,
    createButton("Run", `Run ${branch} as edited`, run),
    createButton("Close", `Close the editor of ${branch}`, close),
  );
  area.value = text;
  keepKeys(root);
  root.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") close();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  });
  return { root, area };
}

/**
 * The tasks of a node as a table: of many only those in sight, which the kernel is asked for.
 * @param {PaneState} pane @param {(message: object) => Promise<any>} ask
 */
function createItems({ branch, items }, ask) {
  const options = Object.keys(GLYPHS).map((state) => new Option(state));
  const states = createSelect(`State of the tasks of ${branch}`, [new Option("all states", ""), ...options]);
  const search = createSearch(`Search the tasks of ${branch}`);
  const sort = createSort(`Sort the tasks of ${branch}`);
  const count = element("span", { class: "nbflow-muted", role: "status" });
  const space = element("div", "nbflow-item-space");
  const label = `tasks of ${branch}`;
  const list = element("div", { class: "nbflow-item-list", tabindex: "0", role: "list", "aria-label": label }, space);
  const below = element("div", { class: "nbflow-item-text", "aria-live": "polite" });
  const tools = element("div", "nbflow-tools", states, search, sort, count);
  const root = element("div", "nbflow-items", tools, list, below);
  /** @type {{total: number, start: number, rows: any[]}} */
  let known = { total: items, start: 0, rows: [] };
  /** @type {string[]} the tasks that are compared, at most two */
  let chosen = [];
  let opened = "";
  let asking = false;
  let stale = true;
  let seen = "";

  const first = () => Math.max(0, Math.floor(list.scrollTop / ITEM_PIXELS) - 5);
  const isKnown = () => {
    const from = first();
    const to = Math.min(known.total, from + Math.ceil(list.clientHeight / ITEM_PIXELS) + 10);
    return from >= known.start && to <= known.start + known.rows.length;
  };

  async function refresh() {
    if (asking) return;
    asking = true;
    while (stale || !isKnown()) {
      stale = false;
      const wanted = { state: states.value, search: search.value, sort: sort.value };
      const answer = await ask({ type: "items", ...wanted, start: first(), count: ITEMS_AHEAD });
      setText(count, answer.problem ?? itemCount(answer));
      if (answer.problem) break;
      known = answer;
      put();
      if (!answer.rows.length) break;
    }
    asking = false;
  }

  function put() {
    space.style.height = `${known.total * ITEM_PIXELS}px`;
    list.style.height = `${Math.min(12, Math.max(1, known.total)) * ITEM_PIXELS + 2}px`;
    const had = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.key;
    space.replaceChildren(...known.rows.map((row, at) => createItem(row, known.start + at)));
    if (had) space.querySelector(`[data-key="${CSS.escape(had)}"]`)?.focus();
  }

  /** @param {any} row @param {number} at */
  function createItem(row, at) {
    const { task, state, line } = row;
    const box = element("input", { type: "checkbox", "aria-label": `Compare ${row.label}` });
    const said = createButton(line || state, `${row.label}: ${state}. ${line}`, () => open(task), "nbflow-line");
    const figure = (/** @type {string} */ text) => element("span", "nbflow-muted nbflow-number", text);
    box.checked = chosen.includes(task);
    box.addEventListener("change", () => choose(task, box.checked));
    box.dataset.key = `box ${task}`;
    said.dataset.key = `line ${task}`;
    const made = element(
      "div",
      {
        class: "nbflow-item-row", "data-state": state, role: "listitem",
        "aria-posinset": String(at + 1), "aria-setsize": String(known.total),
      },
      box, element("span", { class: "nbflow-glyph", title: state }, row.glyph), figure(row.label), said,
      figure(`${numberText(row.characters)} ch`), figure(row.seconds === null ? "" : secondsText(row.seconds)),
    );
    made.style.top = `${at * ITEM_PIXELS}px`;
    return made;
  }

  /** @param {string} task */
  async function open(task) {
    opened = opened === task ? "" : task;
    if (!opened) return below.replaceChildren();
    const answer = await ask({ type: "text", task });
    if (opened !== task) return;
    const text = answer.problem ?? (answer.text || "(no text)");
    below.replaceChildren(element("strong", {}, task), element("pre", "nbflow-plain", text));
  }

  /** @param {string} task @param {boolean} isWanted */
  async function choose(task, isWanted) {
    chosen = isWanted ? [...chosen, task].slice(-2) : chosen.filter((one) => one !== task);
    put();
    opened = "";
    if (chosen.length < 2) return below.replaceChildren();
    const [one, other] = chosen;
    const texts = await Promise.all(chosen.map((which) => ask({ type: "text", task: which })));
    below.replaceChildren(createDiff(one, texts[0].text ?? "", other, texts[1].text ?? ""));
  }

  const again = () => {
    stale = true;
    list.scrollTop = 0;
    refresh();
  };
  states.addEventListener("change", again);
  search.addEventListener("input", again);
  sort.addEventListener("change", again);
  list.addEventListener("scroll", refresh);
  keepKeys(root);
  return {
    root,
    /** @param {BoardState} state */
    draw({ run }) {
      const now = `${run.id} ${run.state} ${Math.floor(run.elapsed)}`;
      if (now !== seen) stale = true; // at most once a second while it runs
      seen = now;
      refresh();
    },
  };
}

// The timeline

/** Rows are made once, and their bars move. @param {(id: string) => void} goTo */
function createTimeline(goTo) {
  const rows = element("div", { class: "nbflow-rows", role: "list", "aria-label": "timeline" });
  const axis = element("div", { class: "nbflow-axis", "aria-hidden": "true" });
  const notes = element("div", "nbflow-notes");
  const root = element("div", "nbflow-timeline", rows, axis, notes);
  /** @type {BoardState["timeline"]} */
  let shown = { rows: [], notes: [] };
  let scale = 0;
  let now = 0;
  /** @type {Map<string, ReturnType<typeof createRow>>} */
  const known = new Map();
  /** @type {Set<string>} */
  const opened = new Set();

  /** @param {string} key */
  function toggle(key) {
    if (!opened.delete(key)) opened.add(key);
    put();
    place();
  }

  function put() {
    /** @type {Map<string, Row>} */
    const wanted = new Map();
    for (const row of shown.rows) {
      wanted.set(row.id, row);
      for (const one of opened.has(row.id) ? row.members : []) wanted.set(`${row.id} ${one.label}`, one);
    }
    for (const [key, { root: gone }] of known) {
      if (wanted.has(key)) continue;
      gone.remove();
      known.delete(key);
    }
    for (const [key, row] of wanted) {
      const one = known.get(key) ?? createRow(row, goTo, () => toggle(key));
      known.set(key, one);
      one.draw(row, key !== row.id, opened.has(key));
    }
    arrange(rows, [...wanted.keys()].map((key) => known.get(key)?.root));
    setText(notes, shown.notes.join("\n"));
    root.hidden = !shown.rows.length;
  }

  function place() {
    for (const row of known.values()) row.place(now, scale);
  }

  return {
    root,
    /** @param {BoardState} state @param {number} since */
    draw(state, since) {
      now = state.run.elapsed + since;
      if (state.timeline !== shown) {
        shown = state.timeline;
        put();
      }
      const length = scaleOf(now);
      if (length !== scale) {
        scale = length;
        axis.replaceChildren(...ticksOf(scale).map((tick) => element("span", {}, `${tick} s`)));
      }
      place();
    },
  };
}

/**
 * @param {Row} first @param {(id: string) => void} goTo
 * @param {() => void} toggle unfolds its members, or folds them
 */
function createRow({ id, branch }, goTo, toggle) {
  const name = createButton("", "", () => goTo(id), "nbflow-row-name");
  const fold = createButton("▸", `Tasks of ${branch}`, toggle, "nbflow-fold");
  const track = element("span", "nbflow-track");
  const root = element(
    "div", { class: "nbflow-row", role: "listitem", "data-branch": branch, "data-id": id },
    element("span", "nbflow-row-head", fold, name), track,
  );
  /** @type {Span[]} */
  let spans = [];
  return {
    root,
    /** @param {Row} row @param {boolean} isMember @param {boolean} isOpened */
    draw(row, isMember, isOpened) {
      spans = row.spans;
      setAttributes(root, { "data-state": row.state, title: row.title });
      root.classList.toggle("nbflow-member", isMember);
      root.classList.toggle("nbflow-critical", row.critical);
      setText(name, `${GLYPHS[row.state]} ${row.label}${row.critical ? " ◆" : ""}`);
      setAttributes(name, { "aria-label": `${row.title}. Go to its pane.` });
      fold.hidden = !row.members.length;
      setText(fold, isOpened ? "▾" : "▸");
      setAttributes(fold, { "aria-expanded": String(isOpened) });
      while (track.children.length > spans.length) track.lastChild.remove();
      while (track.children.length < spans.length) track.append(element("span", {}));
      spans.forEach(([kind], at) => {
        setAttributes(track.children[at], { class: `nbflow-span nbflow-span-${kind}` });
      });
    },
    /** @param {number} now seconds @param {number} scale seconds */
    place(now, scale) {
      spans.forEach((span, at) => {
        const { left, width } = barPlace(span, now, scale);
        setPlace(track.children[at], `left:${left}%;width:${width}%`);
      });
    },
  };
}
