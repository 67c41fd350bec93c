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
 * @typedef {object} Frame
 * @property {RunState} [run]
 * @property {(PaneState & {from: number, keep?: number})[]} [panes] `blocks` replace all but the
 *   first `from` and the last `keep`
 * @property {Graph} [graph]
 * @property {string[]} [order] the ids of all panes, if there are new ones
 * @property {number} [column]
 * @property {{rows: Row[], notes: string[]}} [timeline]
 * @property {Partial<Cells>} [cells]
 */

const LOUDEST_FIRST = ["running", "failed", "queued", "cancelled", "skipped", "done"];
const GLYPHS = {
  queued: "○", running: "●", done: "✓", failed: "✕", cancelled: "⊘", skipped: "–",
};
/** @type {Record<string, string>} */
const STATE_OF = Object.fromEntries(Object.keys(GLYPHS).map((state) => [state[0], state]));
const GONE = "the kernel was restarted: run the cell again";
const SILENT = "the kernel doesn't answer: it may be busy with another cell";

/**
 * The state after one more frame; the state before is left as it was.
 * @param {BoardState} state
 * @param {Frame} frame
 * @returns {BoardState}
 */
export function fold(state, frame) {
  const known = new Map(state.panes.map((pane) => [pane.id, pane]));
  for (const { from, keep = 0, ...news } of frame.panes ?? []) {
    const before = known.get(news.id)?.blocks ?? [];
    const end = keep ? before.slice(-keep) : [];
    known.set(news.id, { ...news, blocks: [...before.slice(0, from), ...news.blocks, ...end] });
  }
  const order = frame.order ?? [...known.keys()]; // with cells it is theirs
  const panes = order.flatMap((id) => known.get(id) ?? []);
  const { run = state.run, graph = state.graph, column = state.column } = frame;
  const { timeline = state.timeline } = frame;
  const cells = frame.cells ? { ...state.cells, ...frame.cells } : state.cells;
  return { ...state, run, graph, column, timeline, cells, panes };
}

/**
 * The state when the kernel is gone: what hasn't ended never will.
 * @param {BoardState} state
 * @param {number} since seconds since the last frame was made
 * @returns {BoardState}
 */
export function cutOff(state, since) {
  if (state.run.state !== "running") return state;
  const cells = state.cells && { ...state.cells, states: state.cells.states.replace(/[qr]/g, "c") };
  const ended = { state: "cancelled", glyph: GLYPHS.cancelled };
  const panes = state.panes.map((pane) =>
    pane.state === "running" || pane.state === "queued"
      ? { ...pane, ...ended, elapsed: paneSeconds(pane, state.run, since) }
      : pane,
  );
  const { elapsed, work, running, summary } = state.run;
  const run = {
    ...state.run,
    ...ended,
    summary: `${summary} · the kernel was restarted`,
    elapsed: elapsed + since,
    work: work + since * running,
    running: 0,
  };
  const stop = (/** @type {Row} */ row) => ({
    ...row,
    state: row.state === "running" || row.state === "queued" ? ended.state : row.state,
    spans: row.spans.map(([kind, start, end]) => [kind, start, end ?? run.elapsed]),
    members: row.members.map(stop),
  });
  const timeline = { ...state.timeline, rows: state.timeline.rows.map(stop) };
  return { ...state, run, panes, cells, timeline };
}

/**
 * A duration for people; the same words as `seconds_text` in Python.
 * @param {number} seconds
 */
export function secondsText(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/**
 * Seconds a pane's task has taken, `since` seconds after the frame was made; null if it never ran.
 * @param {PaneState} pane
 * @param {RunState} run
 * @param {number} since
 */
export function paneSeconds(pane, run, since) {
  if (pane.elapsed !== null) return pane.elapsed;
  if (pane.state !== "running" || pane.started === null) return null;
  return Math.max(0, run.elapsed + since - pane.started);
}

/**
 * What stands beside a pane's name.
 * @param {PaneState} pane
 * @param {number | null} seconds
 */
export function paneStatus(pane, seconds) {
  const time = seconds === null ? "" : secondsText(seconds);
  return pane.state === "done" || pane.state === "running" ? time : `${pane.state} ${time}`.trim();
}

/**
 * The total line; the same words as `totals_text` in Python.
 * @param {RunState} run
 * @param {number} since seconds since the frame was made
 */
export function totalLine(run, since) {
  const elapsed = run.elapsed + since;
  const work = run.work + since * run.running;
  const parts = [`elapsed ${secondsText(elapsed)}`, `sum of branches ${secondsText(work)}`];
  if (elapsed > 0 && work > 0) parts.push(`speed-up ${(work / elapsed).toFixed(1)}×`);
  const noun = run.tokens === 1 ? "token" : "tokens";
  if (run.tokens) parts.push(`${run.tokens.toLocaleString("en")} ${noun}`);
  return parts.join(" · ");
}

/**
 * What stands in the header beside how far it is.
 * @param {RunState} run
 * @param {number} since seconds since the frame was made
 */
export function clockText(run, since) {
  const elapsed = run.elapsed + since;
  const work = run.work + since * run.running;
  const parts = [secondsText(elapsed)];
  if (run.tokens) parts.push(`${run.tokens.toLocaleString("en")} ${run.tokens === 1 ? "token" : "tokens"}`);
  if (elapsed > 0 && work > 0) parts.push(`${(work / elapsed).toFixed(1)}× speed-up`);
  return parts.join(" · ");
}

/**
 * The state of a box in the graph that stands for these panes.
 * @param {string[]} states
 */
export function boxState(states) {
  return LOUDEST_FIRST.find((state) => states.includes(state)) ?? "queued";
}

/**
 * What a box in the graph says.
 * @param {string} label
 * @param {PaneState[]} panes
 * @param {RunState} run
 * @param {number} since
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
 * What is known of a node: its pane as it was told last, in the state that it has now.
 * @param {BoardState} state
 * @param {number} at its place among the cells
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
    started: null, elapsed: null, blocks: [], can: "", items: 0, wide: false, cut: false,
  };
}

/**
 * The places of the cells that somebody wants to see, in their order.
 * @param {Cells} cells
 * @param {string} state a state, or "" for all
 * @param {string} search a part of a name
 */
export function wantedCells(cells, state, search) {
  const letter = state && state[0];
  const needle = search.toLowerCase();
  const found = [];
  for (let at = 0; at < cells.names.length; at += 1) {
    if (letter && cells.states[at] !== letter) continue;
    if (needle && !cells.names[at].toLowerCase().includes(needle)) continue;
    found.push(at);
  }
  return found;
}

/** @type {WeakMap<number[], Map<string, number>>} */
const PLACES = new WeakMap();

/**
 * The place of each cell by its id; it is found out once.
 * @param {Cells} cells
 */
function placesOf({ ids }) {
  let places = PLACES.get(ids);
  if (!places) {
    places = new Map(ids.map((number, at) => [`n${number}`, at]));
    PLACES.set(ids, places);
  }
  return places;
}

/**
 * How many cells are in each state.
 * @param {string} states
 * @returns {Record<string, number>}
 */
export function countStates(states) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const letter of states) counts[STATE_OF[letter]] = (counts[STATE_OF[letter]] ?? 0) + 1;
  return counts;
}

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

/**
 * Where an axis is marked, in seconds; the same as `ticks_of` in Python.
 * @param {number} scale
 */
export function ticksOf(scale) {
  const power = 10 ** Math.floor(Math.log10(scale) + 1e-9);
  const fits = (/** @type {number} */ one) => one * power * 5 >= scale * (1 - 1e-9);
  const step = ([0.2, 0.5, 1, 2].find(fits) ?? 2) * power;
  const count = Math.round(scale / step) + 1;
  return Array.from({ length: count }, (_, at) => Number((at * step).toFixed(9)));
}

/**
 * Where a bar begins and how long it is, in percent of the axis.
 * @param {Span} span
 * @param {number} now seconds
 * @param {number} scale seconds
 */
export function barPlace([, start, end], now, scale) {
  const last = end === null ? now : Math.min(end, now);
  const percent = (/** @type {number} */ seconds) => Number(((100 * seconds) / scale).toFixed(2));
  return { left: percent(start), width: percent(Math.max(0, last - start)) };
}

const WORDS_MOST = 3000;

/**
 * What became of a text, word by word: what is the same, what is gone and what is new.
 *
 * The longest common subsequence, by dynamic programming; of very long texts what differs is taken
 * as a whole.
 * @param {string} before
 * @param {string} after
 * @returns {{kind: "same" | "gone" | "new", text: string}[]}
 */
export function diffWords(before, after) {
  const a = before.match(/\s+|[^\s]+/g) ?? [];
  const b = after.match(/\s+|[^\s]+/g) ?? [];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const middle = diffMiddle(a.slice(start, a.length - end), b.slice(start, b.length - end));
  const pieces = [["same", a.slice(0, start)], ...middle, ["same", a.slice(a.length - end)]];
  /** @type {any[]} */
  const found = [];
  for (const [kind, words] of pieces) {
    const text = words.join("");
    if (!text) continue;
    if (found.length && found[found.length - 1].kind === kind) found[found.length - 1].text += text;
    else found.push({ kind, text });
  }
  return found;
}

/**
 * @param {string[]} a
 * @param {string[]} b
 * @returns {[string, string[]][]}
 */
function diffMiddle(a, b) {
  if (a.length > WORDS_MOST || b.length > WORDS_MOST) return [["gone", a], ["new", b]];
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width); // of what follows (i, j)
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const at = i * width + j;
      if (a[i] === b[j]) common[at] = common[at + width + 1] + 1;
      else common[at] = Math.max(common[at + width], common[at + 1]);
    }
  }
  /** @type {[string, string[]][]} */
  const pieces = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      pieces.push(["same", [a[i]]]);
      i += 1;
      j += 1;
    } else if (j === b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      pieces.push(["gone", [a[i]]]);
      i += 1;
    } else {
      pieces.push(["new", [b[j]]]);
      j += 1;
    }
  }
  return grouped(pieces);
}

/**
 * Within a stretch of changes, first all that is gone and then all that is new.
 * @param {[string, string[]][]} pieces
 */
function grouped(pieces) {
  /** @type {[string, string[]][]} */
  const found = [];
  let gone = /** @type {string[]} */ ([]);
  let added = /** @type {string[]} */ ([]);
  const flush = () => {
    if (gone.length) found.push(["gone", gone]);
    if (added.length) found.push(["new", added]);
    [gone, added] = [[], []];
  };
  for (const [kind, [word]] of pieces) {
    if (kind === "gone") gone.push(word);
    else if (kind === "new") added.push(word);
    else {
      flush();
      found.push(["same", [word]]);
    }
  }
  flush();
  return found;
}

/**
 * Why a button of a pane can't do its work now, and what does; empty if it can.
 * @param {string} letter `r` to run again, `e` to edit
 * @param {PaneState} pane
 * @param {BoardState} state
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

const ANSWER_MILLISECONDS = 5000;

/**
 * A model's state, its views, the buttons that were pressed and the questions that were asked.
 * @param {{now: () => number}} clock milliseconds
 */
export function createStore(clock) {
  /** @type {Set<() => void>} */
  const views = new Set();
  /** @type {Map<string, (answer: any) => void>} */
  const waiting = new Map();
  const own = Math.random().toString(36).slice(2);
  let asked = 0;
  const store = {
    /** @type {BoardState} */
    state: {
      run: emptyRun(), panes: [], graph: {}, column: 260, hint: "",
      timeline: { rows: [], notes: [] }, cells: null,
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
      store.state = state;
      store.told();
    },
    /** @param {Frame} frame */
    apply(frame) {
      store.state = fold(store.state, frame);
      store.told();
    },
    /** The kernel restarts: nobody will say anything more. */
    cutOff() {
      store.state = { ...cutOff(store.state, store.since()), hint: GONE };
      for (const [ask, tell] of waiting) {
        waiting.delete(ask);
        tell({ problem: GONE });
      }
      store.told();
    },
    /**
     * Ask the kernel something. It may not answer: then the answer says so.
     * @param {object} message
     * @returns {Promise<any>}
     */
    ask(message) {
      if (store.state.hint) return Promise.resolve({ problem: store.state.hint });
      asked += 1;
      const ask = `${own}-${asked}`;
      return new Promise((tell) => {
        waiting.set(ask, tell);
        setTimeout(() => store.answer({ ask, problem: SILENT }), ANSWER_MILLISECONDS);
        store.send({ ...message, ask });
      });
    },
    /** @param {any} message */
    answer(message) {
      const tell = waiting.get(message.ask);
      waiting.delete(message.ask);
      tell?.(message);
    },
    told() {
      store.at = clock.now();
      for (const draw of views) draw();
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

/** @returns {RunState} */
function emptyRun() {
  return {
    id: "", name: "", state: "running", glyph: "●", summary: "", elapsed: 0, work: 0, running: 0,
    tokens: 0,
  };
}

/**
 * An element with a class and children.
 * @param {Document} document
 * @param {string} tag
 * @param {string} name
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
function element(document, tag, name, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...children);
  return made;
}

/**
 * Set a text only if it is another: what didn't change isn't touched.
 * @param {Node} node
 * @param {string} text
 */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {Element} node
 * @param {string} name
 * @param {string} value
 */
function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/**
 * @param {Document} document
 * @param {string} text what it says to who sees it
 * @param {string} label what it says to who hears it
 * @param {() => void} press
 * @returns {HTMLButtonElement}
 */
function createButton(document, text, label, press) {
  const button = /** @type {HTMLButtonElement} */ (element(document, "button", "nbflow-button", text));
  button.type = "button";
  button.setAttribute("aria-label", label);
  button.addEventListener("click", press);
  return button;
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} why it can't be pressed; empty if it can
 */
function turnOff(button, why) {
  button.disabled = why !== "";
  setAttribute(button, "title", why || (button.getAttribute("aria-label") ?? ""));
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} text what it says before it is pressed
 * @param {boolean} pressed
 * @param {string} hint
 */
function drawButton(button, text, pressed, hint) {
  setText(button.querySelector(".nbflow-label") ?? button, pressed ? "cancelling…" : text);
  button.disabled = pressed || hint !== "";
  setAttribute(button, "title", hint || (button.getAttribute("aria-label") ?? ""));
}

/**
 * A labelled control.
 * @param {Document} document
 * @param {string} tag `input` or `select`
 * @param {string} label
 * @param {string[]} choices
 */
function createControl(document, tag, label, choices = []) {
  const control = /** @type {HTMLInputElement} */ (element(document, tag, "nbflow-control"));
  control.setAttribute("aria-label", label);
  for (const choice of choices) {
    const option = /** @type {HTMLOptionElement} */ (element(document, "option", "", choice || "all states"));
    option.value = choice;
    control.append(option);
  }
  if (tag === "input") {
    control.type = "search";
    control.placeholder = label;
  }
  return control;
}

/**
 * Put a text on the clipboard, also where a page isn't allowed to do it in the new way.
 * @param {Document} document
 * @param {string} text
 */
async function copyText(document, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = /** @type {HTMLTextAreaElement} */ (element(document, "textarea", ""));
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

/**
 * What the parts of a board may do with a node.
 * @typedef {object} Doings
 * @property {(branch: string) => void} cancel
 * @property {(id: string) => void} expand
 * @property {(message: object) => Promise<any>} ask
 */

/**
 * One pane: made once, then told what changed.
 * @param {Document} document
 * @param {PaneState} first
 * @param {Doings} doings
 */
function createPane(document, first, doings) {
  const { id, branch } = first;
  const glyph = element(document, "span", "nbflow-glyph");
  const status = element(document, "span", "nbflow-status");
  const name = element(document, "strong", "nbflow-name", branch);
  const detail = element(document, "div", "nbflow-detail");
  const body = element(document, "div", "nbflow-pane-text");
  const extra = element(document, "div", "nbflow-extra");
  const said = element(document, "div", "nbflow-said");
  const buttons = {
    cancel: createButton(document, "Cancel", `Cancel ${branch}`, () => doings.cancel(branch)),
    retry: createButton(document, "Retry", `Retry ${branch}`, () => act({ type: "retry" })),
    edit: createButton(document, "Edit", `Edit ${branch}`, () => edit()),
    copy: createButton(document, "", `Copy ${branch}`, () => copy()),
    expand: createButton(document, "", `Expand ${branch}`, () => doings.expand(id)),
  };
  for (const [kind, button] of Object.entries(buttons)) {
    const label = element(document, "span", "nbflow-label", button.textContent ?? "");
    button.classList.add(`nbflow-${kind}`);
    button.replaceChildren(element(document, "span", "nbflow-icon"), label);
  }
  const actions = element(document, "span", "nbflow-actions", ...Object.values(buttons));
  const head = element(document, "div", "nbflow-pane-head", glyph, name, status, actions);
  const root = element(document, "section", "nbflow-pane", head, detail, said, body, extra);
  name.title = branch;
  body.tabIndex = 0;
  body.setAttribute("role", "group");
  body.setAttribute("aria-label", `what ${branch} says`);
  root.tabIndex = -1;
  root.dataset.branch = branch;
  root.dataset.id = id;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", branch);
  said.setAttribute("role", "status");
  /** @type {string[]} */
  let drawn = [];
  /** @type {{key: string, blocks: string[] | null, text: string, note: string} | null} */
  let whole = null;
  /** @type {ReturnType<typeof createItems> | null} */
  let table = null;
  let now = first;

  /** @param {object} message */
  async function act(message) {
    setText(said, "asked the kernel …");
    const answer = await doings.ask({ ...message, id });
    setText(said, answer.problem ?? "");
    return !answer.problem;
  }

  async function copy() {
    const answer = await doings.ask({ type: "text", id });
    await copyText(document, answer.problem ? body.innerText : answer.text);
    setText(said, "copied");
    setTimeout(() => said.textContent === "copied" && setText(said, ""), 2000);
  }

  async function edit() {
    if (extra.querySelector("form")) return;
    const { text = "", problem } = await doings.ask({ type: "source", id });
    setText(said, problem ?? "");
    if (problem || extra.querySelector("form")) return;
    const area = /** @type {HTMLTextAreaElement} */ (element(document, "textarea", "nbflow-source"));
    area.setAttribute("aria-label", `Text of ${branch}`);
    area.value = text;
    area.rows = Math.min(16, text.split("\n").length + 2);
    area.spellcheck = false;
    const form = element(document, "form", "nbflow-edit", area);
    const problemLine = element(document, "div", "nbflow-problem");
    problemLine.setAttribute("role", "alert");
    const run = async () => {
      setText(problemLine, "");
      const answer = await doings.ask({ type: "edit", id, text: area.value });
      if (answer.problem) setText(problemLine, answer.problem);
      else form.remove();
    };
    const close = () => {
      form.remove();
      buttons.edit.focus();
    };
    form.append(
      problemLine,
      createButton(document, "Run", `Run ${branch} as edited`, run),
      createButton(document, "Close", `Close the editor of ${branch}`, close),
    );
    form.addEventListener("submit", (event) => event.preventDefault());
    for (const kind of ["keydown", "keyup", "keypress"]) {
      form.addEventListener(kind, (event) => {
        event.stopPropagation(); // a notebook has commands on single keys
        if (kind !== "keydown" || !(event instanceof KeyboardEvent)) return;
        if (event.key === "Escape") close();
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
      });
    }
    extra.append(form);
    area.focus();
  }

  /**
   * All of a long text, once somebody wants it.
   * @param {boolean} expanded
   */
  async function fetchWhole(expanded) {
    const key = `${now.elapsed}`;
    if (!expanded || !now.cut || whole?.key === key) return;
    whole = { key, blocks: null, text: "", note: "" };
    const answer = await doings.ask({ type: "full", id });
    if (whole?.key !== key) return;
    if (answer.problem) setText(said, answer.problem);
    else whole = { key, blocks: answer.blocks ?? null, text: answer.text ?? "", note: answer.note ?? "" };
    drawWhole();
  }

  function drawWhole() {
    if (whole?.blocks) drawn = drawBlocks(body, drawn, whole.blocks);
    else if (whole?.text) {
      body.replaceChildren(
        element(document, "pre", "nbflow-plain", whole.text),
        element(document, "div", "nbflow-muted", whole.note),
      );
      drawn = [];
    }
  }

  return {
    root,
    body,
    /** Whether its end is in sight; to be asked before anything is drawn, for it costs a layout. */
    isAtEnd: () => body.scrollHeight - body.scrollTop - body.clientHeight < 8,
    /**
     * @param {PaneState} pane
     * @param {BoardState} state
     * @param {boolean} pressed whether Cancel was
     * @param {boolean} expanded
     * @returns {boolean} whether there is more of a text that is being written
     */
    draw(pane, state, pressed, expanded) {
      now = pane;
      const isOpen = pane.state === "queued" || pane.state === "running";
      setAttribute(root, "data-state", pane.state);
      root.classList.toggle("nbflow-expanded", expanded);
      root.classList.toggle("nbflow-wide", pane.wide);
      setText(glyph, pane.glyph);
      glyph.title = pane.state;
      setText(detail, pane.detail);
      buttons.cancel.hidden = !isOpen;
      drawButton(buttons.cancel, "Cancel", pressed, state.hint);
      for (const [letter, button] of [["r", buttons.retry], ["e", buttons.edit]]) {
        const one = /** @type {HTMLButtonElement} */ (button);
        one.hidden = isOpen;
        turnOff(one, whyNot(/** @type {string} */ (letter), pane, state));
      }
      setAttribute(buttons.expand, "aria-expanded", String(expanded));
      buttons.expand.title = expanded ? "as it was" : "all of it, as wide as the board";
      buttons.copy.title = "copy its text";
      if (expanded && pane.items && !table) {
        table = createItems(document, pane, doings.ask);
        extra.append(table.root);
      }
      if (table) {
        table.root.hidden = !expanded || !pane.items;
        if (expanded) table.draw(state);
      }
      body.hidden = Boolean(table && expanded && !pane.blocks.length);
      fetchWhole(expanded);
      if (expanded && pane.cut && (whole?.blocks || whole?.text)) return false;
      if (!expanded && whole) {
        whole = null;
        body.replaceChildren();
        drawn = [];
      }
      const before = drawn;
      drawn = drawBlocks(body, drawn, pane.blocks);
      return drawn !== before && pane.state === "running";
    },
    /**
     * @param {PaneState} pane
     * @param {number | null} seconds
     */
    tick(pane, seconds) {
      setText(status, paneStatus(pane, seconds));
    },
  };
}

/**
 * Replace the blocks that changed. Somebody's selection stays, and what somebody opened stays open.
 * @param {HTMLElement} body
 * @param {string[]} before the blocks that are there
 * @param {string[]} now
 * @returns {string[]} the blocks that are there afterwards
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
    const block = element(body.ownerDocument, "div", "nbflow-block");
    block.innerHTML = now[at]; // nbflow: sanitised
    const details = block.querySelector("details");
    if (details && old[at]?.querySelector("details")?.open) details.open = true;
    if (old[at]) old[at].replaceWith(block);
    else body.append(block);
  }
  return now;
}

/** @param {Element} node */
function isSelectedIn(node) {
  const selection = node.ownerDocument.getSelection?.();
  if (!selection || selection.isCollapsed || !selection.rangeCount) return false;
  return selection.getRangeAt(0).intersectsNode(node);
}

const ITEM_PIXELS = 26;
const ITEMS_AHEAD = 60;

/**
 * The tasks of a node as a table: of many only those in sight, which the kernel is asked for.
 * @param {Document} document
 * @param {PaneState} pane
 * @param {(message: object) => Promise<any>} ask
 */
function createItems(document, pane, ask) {
  const states = createControl(document, "select", `State of the tasks of ${pane.branch}`, ["", ...Object.keys(GLYPHS)]);
  const search = createControl(document, "input", `Search the tasks of ${pane.branch}`);
  const sort = createControl(document, "select", `Sort the tasks of ${pane.branch}`, ["order", "time", "length"]);
  const count = element(document, "span", "nbflow-muted");
  const tools = element(document, "div", "nbflow-tools", states, search, sort, count);
  const list = element(document, "div", "nbflow-item-list");
  const space = element(document, "div", "nbflow-item-space");
  const below = element(document, "div", "nbflow-item-text");
  const root = element(document, "div", "nbflow-items", tools, list, below);
  count.setAttribute("role", "status");
  list.tabIndex = 0;
  list.setAttribute("role", "list");
  list.setAttribute("aria-label", `tasks of ${pane.branch}`);
  below.setAttribute("aria-live", "polite");
  list.append(space);
  /** @type {{total: number, start: number, rows: any[]}} */
  let known = { total: pane.items, start: 0, rows: [] };
  /** @type {string[]} the tasks that are compared, at most two */
  let chosen = [];
  let shown = "";
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
      const answer = await ask({
        type: "items", id: pane.id, state: states.value, search: search.value, sort: sort.value,
        start: first(), count: ITEMS_AHEAD,
      });
      if (answer.problem) {
        setText(count, answer.problem);
        break;
      }
      known = answer;
      setText(count, itemCount(answer));
      put();
      if (!answer.rows.length) break;
    }
    asking = false;
  }

  function put() {
    space.style.height = `${known.total * ITEM_PIXELS}px`;
    list.style.height = `${Math.min(12, Math.max(1, known.total)) * ITEM_PIXELS + 2}px`;
    const had = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.key;
    space.replaceChildren(...known.rows.map((row, at) => createRow(row, known.start + at)));
    if (had) {
      for (const one of space.querySelectorAll("[data-key]")) {
        if (one instanceof HTMLElement && one.dataset.key === had) one.focus();
      }
    }
  }

  /**
   * @param {any} row
   * @param {number} at
   */
  function createRow(row, at) {
    const box = /** @type {HTMLInputElement} */ (element(document, "input", ""));
    box.type = "checkbox";
    box.checked = chosen.includes(row.task);
    box.dataset.key = `box ${row.task}`;
    box.setAttribute("aria-label", `Compare ${row.label}`);
    box.addEventListener("change", () => choose(row.task, box.checked));
    const glyph = element(document, "span", "nbflow-glyph", row.glyph);
    glyph.title = row.state;
    const time = row.seconds === null ? "" : secondsText(row.seconds);
    const line = createButton(document, row.line || row.state, `${row.label}: ${row.state}. ${row.line}`, () => open(row.task));
    line.className = "nbflow-line";
    line.dataset.key = `line ${row.task}`;
    const made = element(
      document, "div", "nbflow-item-row", box, glyph,
      element(document, "span", "nbflow-muted nbflow-number", row.label), line,
      element(document, "span", "nbflow-muted nbflow-number", `${row.characters.toLocaleString("en")} ch`),
      element(document, "span", "nbflow-muted nbflow-number", time),
    );
    made.dataset.state = row.state;
    made.style.top = `${at * ITEM_PIXELS}px`;
    made.setAttribute("role", "listitem");
    made.setAttribute("aria-posinset", String(at + 1));
    made.setAttribute("aria-setsize", String(known.total));
    return made;
  }

  /** @param {string} task */
  async function open(task) {
    shown = shown === task ? "" : task;
    if (!shown) return below.replaceChildren();
    const answer = await ask({ type: "text", id: pane.id, task });
    if (shown !== task) return;
    below.replaceChildren(
      element(document, "strong", "", task),
      element(document, "pre", "nbflow-plain", answer.problem ?? (answer.text || "(no text)")),
    );
  }

  /**
   * @param {string} task
   * @param {boolean} wanted
   */
  async function choose(task, wanted) {
    chosen = wanted ? [...chosen, task].slice(-2) : chosen.filter((one) => one !== task);
    put();
    shown = "";
    if (chosen.length < 2) return below.replaceChildren();
    const texts = await Promise.all(chosen.map((one) => ask({ type: "text", id: pane.id, task: one })));
    below.replaceChildren(createDiff(document, chosen[0], texts[0].text ?? "", chosen[1], texts[1].text ?? ""));
  }

  const again = () => {
    stale = true;
    list.scrollTop = 0;
    refresh();
  };
  states.addEventListener("change", again);
  search.addEventListener("input", again);
  sort.addEventListener("change", again);
  list.addEventListener("scroll", () => refresh());
  for (const kind of ["keydown", "keyup", "keypress"]) {
    root.addEventListener(kind, (event) => event.stopPropagation());
  }
  return {
    root,
    /** @param {BoardState} state */
    draw(state) {
      const now = `${state.run.id} ${state.run.state} ${Math.floor(state.run.elapsed)}`;
      if (now !== seen) stale = true; // at most once a second while it runs
      seen = now;
      refresh();
    },
  };
}

/**
 * How many tasks are shown and how many there are.
 * @param {{total: number, counts: Record<string, number>}} known
 */
export function itemCount({ total, counts }) {
  const all = Object.values(counts).reduce((sum, one) => sum + one, 0);
  const parts = Object.keys(GLYPHS).filter((state) => counts[state]).map((state) => `${GLYPHS[state]} ${counts[state].toLocaleString("en")} ${state}`);
  const of = total === all ? "" : `${total.toLocaleString("en")} of `;
  return `${of}${all.toLocaleString("en")} · ${parts.join(" · ")}`;
}

/**
 * Two texts, word by word.
 * @param {Document} document
 * @param {string} one
 * @param {string} before
 * @param {string} other
 * @param {string} after
 */
function createDiff(document, one, before, other, after) {
  const tags = { same: "span", gone: "del", new: "ins" };
  const pieces = diffWords(before, after).map(({ kind, text }) => element(document, tags[kind], "", text));
  const legend = element(
    document, "div", "nbflow-muted",
    element(document, "del", "", `only in ${one}`), " · ", element(document, "ins", "", `only in ${other}`),
  );
  const text = element(document, "pre", "nbflow-plain nbflow-diff", ...pieces);
  return element(document, "div", "nbflow-compared", legend, text);
}

/**
 * Any two outputs side by side, once somebody asks for it.
 * @param {Document} document
 * @param {(message: object) => Promise<any>} ask
 */
function createComparison(document, ask) {
  const selects = ["first", "second"].map((which) => createControl(document, "select", `The ${which} output`));
  const result = element(document, "div", "");
  const root = element(document, "div", "nbflow-comparison", element(document, "div", "nbflow-tools", ...selects), result);
  result.setAttribute("aria-live", "polite");
  let names = "";
  async function compare() {
    const texts = await Promise.all(selects.map(({ value }) => ask({ type: "text", id: value })));
    const problem = texts.find((text) => text.problem)?.problem;
    const labels = selects.map((select) => /** @type {any} */ (select).selectedOptions[0]?.textContent ?? "");
    if (problem) return result.replaceChildren(problem);
    result.replaceChildren(createDiff(document, labels[0], texts[0].text, labels[1], texts[1].text));
  }
  for (const select of selects) select.addEventListener("change", compare);
  for (const kind of ["keydown", "keyup", "keypress"]) {
    root.addEventListener(kind, (event) => event.stopPropagation());
  }
  return {
    root,
    compare,
    /** @param {{id: string, name: string}[]} branches */
    draw(branches) {
      const now = JSON.stringify(branches);
      if (now === names) return;
      names = now;
      selects.forEach((select, number) => {
        const had = select.value;
        select.replaceChildren(...branches.map(({ id, name }) => {
          const option = /** @type {HTMLOptionElement} */ (element(document, "option", "", name));
          option.value = id;
          return option;
        }));
        select.value = branches.some(({ id }) => id === had) ? had : (branches[number] ?? branches[0])?.id ?? "";
      });
    },
  };
}

const UNSEEN = Object.fromEntries(Object.entries(GLYPHS).map(([state, glyph]) => [
  state, /** @type {any} */ ({ state, glyph, started: null, elapsed: null, count: "" }),
]));

/**
 * What is known of the nodes in a box: all, or of very many only their states.
 * @param {string[]} ids
 * @param {Map<string, PaneState>} panes those in sight
 * @param {BoardState} state
 * @returns {PaneState[]}
 */
function membersOf(ids, panes, { cells }) {
  if (!cells) return ids.flatMap((id) => panes.get(id) ?? []);
  const places = placesOf(cells);
  if (ids.length === 1 && panes.has(ids[0])) return [/** @type {PaneState} */ (panes.get(ids[0]))];
  return ids.map((id) => UNSEEN[STATE_OF[cells.states[places.get(id) ?? -1]] ?? "queued"]);
}

/**
 * The graph: put in whenever there is another, then coloured by attributes.
 * @param {HTMLElement} root
 * @param {(id: string) => void} goTo
 */
function createGraph(root, goTo) {
  const document = root.ownerDocument;
  const picture = element(document, "div", "nbflow-picture");
  const legend = element(document, "div", "nbflow-legend");
  const zooms = element(
    document, "span", "nbflow-zooms",
    createButton(document, "−", "Zoom out", () => zoom(1 / 1.25)),
    createButton(document, "+", "Zoom in", () => zoom(1.25)),
    createButton(document, "Fit", "Zoom to fit", () => zoom(0)),
  );
  picture.tabIndex = 0;
  picture.setAttribute("role", "group");
  picture.setAttribute("aria-label", "graph");
  root.append(picture, element(document, "div", "nbflow-below", legend, zooms));
  /** @type {Graph | null} */
  let shown = null;
  /** @type {{node: Element, texts: Element[], title: Element | null, ids: string[]}[]} */
  let boxes = [];
  /** @type {Element[]} */
  let arrows = [];
  let width = 0;
  let height = 0;
  let scale = 0;

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
    picture.replaceChildren();
    boxes = [];
    arrows = [];
    if (graph.svg) putPicture(graph.svg);
    else if (graph.lines) {
      for (const line of graph.lines) picture.append(element(document, "div", "", line));
      picture.append(element(document, "div", "nbflow-detail", graph.note ?? ""));
    }
    const signs = Object.entries(GLYPHS).map(([state, glyph]) => {
      const sign = element(document, "span", "nbflow-glyph", glyph);
      sign.dataset.state = state;
      return element(document, "span", "nbflow-sign", sign, ` ${state}`);
    });
    legend.replaceChildren(...signs);
    if (graph.legend) {
      const sample = element(document, "span", "nbflow-dashes");
      legend.append(element(document, "span", "nbflow-sign", sample, graph.legend));
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
    boxes = Array.from(svg.querySelectorAll("g.node"), (node) => {
      const ids = (node.getAttribute("data-nodes") ?? "").split(" ");
      node.setAttribute("tabindex", "0");
      node.setAttribute("role", "button");
      if (ids.length === 1) node.setAttribute("data-id", ids[0]);
      node.addEventListener("click", () => goTo(ids[0]));
      node.addEventListener("keydown", (event) => {
        if (!(event instanceof KeyboardEvent) || (event.key !== "Enter" && event.key !== " ")) return;
        event.preventDefault();
        event.stopPropagation();
        goTo(ids[0]);
      });
      const texts = Array.from(node.querySelectorAll("text"));
      return { node, texts, title: node.querySelector("title"), ids };
    });
    if (scale) zoom(1);
  }

  return {
    /**
     * @param {BoardState} state
     * @param {number} since
     * @param {Map<string, PaneState>} panes by id
     * @param {boolean} isTick whether nothing has changed but the time
     */
    draw(state, since, panes, isTick) {
      if (state.graph !== shown) {
        put(state.graph);
        isTick = false;
      }
      /** @type {Map<string | null, string>} */
      const states = new Map();
      for (const { node, texts, title, ids } of boxes) {
        const one = ids.length === 1 ? panes.get(ids[0]) : undefined;
        if (isTick && one?.state !== "running") continue;
        const label = node.getAttribute("data-label") ?? "";
        const branch = node.getAttribute("data-branch");
        const members = membersOf(ids, panes, state);
        if (!members.length) continue;
        const now = boxState(members.map((pane) => pane.state));
        states.set(node.getAttribute("data-node"), now);
        setAttribute(node, "data-state", now);
        const said = boxText(label, members, state.run, since);
        if (texts[0]) setText(texts[0], said);
        const counts = node.getAttribute("data-counts") ?? "";
        const note = boxNote(node.getAttribute("data-note") ?? "", counts, members);
        if (texts[1]) setText(texts[1], note);
        if (title) setText(title, `${branch}: ${now}`);
        setAttribute(node, "aria-label", `${[said, note].filter(Boolean).join(" ")}, ${now}: go to its pane`);
      }
      for (const arrow of arrows) {
        const source = states.get(arrow.getAttribute("data-source"));
        if (source) setAttribute(arrow, "data-state", source);
      }
    },
  };
}

/**
 * The timeline: rows are made once, and their bars move.
 * @param {HTMLElement} root
 * @param {(id: string) => void} goTo
 */
function createTimeline(root, goTo) {
  const document = root.ownerDocument;
  const rows = element(document, "div", "nbflow-rows");
  const axis = element(document, "div", "nbflow-axis");
  const notes = element(document, "div", "nbflow-notes");
  root.append(rows, axis, notes);
  rows.setAttribute("role", "list");
  rows.setAttribute("aria-label", "timeline");
  axis.setAttribute("aria-hidden", "true");
  /** @type {any} */
  let shown = null;
  let scale = 0;
  /** @type {Map<string, ReturnType<typeof createRow>>} */
  const known = new Map();
  /** @type {Set<string>} */
  const opened = new Set();

  /**
   * @param {string} key
   * @param {Row} row
   */
  function createRow(key, row) {
    const name = createButton(document, "", "", () => goTo(row.id));
    const fold = createButton(document, "▸", `Tasks of ${row.branch}`, () => {
      if (!opened.delete(key)) opened.add(key);
      put();
    });
    const track = element(document, "span", "nbflow-track");
    const made = element(document, "div", "nbflow-row", element(document, "span", "nbflow-row-head", fold, name), track);
    name.className = "nbflow-row-name";
    fold.className = "nbflow-fold";
    made.setAttribute("role", "listitem");
    made.dataset.branch = row.branch;
    made.dataset.id = row.id;
    return { made, name, fold, track, row, bars: /** @type {HTMLElement[]} */ ([]) };
  }

  function put() {
    const wanted = /** @type {Row[]} */ (shown.rows).flatMap((row) => {
      const members = opened.has(row.id) ? row.members : [];
      return [[row.id, row, false], ...members.map((one) => [`${row.id} ${one.label}`, one, true])];
    });
    const keys = new Set(wanted.map(([key]) => key));
    for (const [key, one] of known) {
      if (keys.has(key)) continue;
      one.made.remove();
      known.delete(key);
    }
    /** @type {Element | null} */
    let last = null;
    for (const [key, row, isMember] of /** @type {[string, Row, boolean][]} */ (wanted)) {
      const one = known.get(key) ?? createRow(key, row);
      known.set(key, one);
      one.row = row;
      putRow(one, row, isMember, opened.has(key));
      const next = last ? last.nextSibling : rows.firstChild;
      if (next !== one.made) rows.insertBefore(one.made, next);
      last = one.made;
    }
    setText(notes, shown.notes.join("\n"));
    root.hidden = !shown.rows.length;
  }

  /**
   * @param {ReturnType<typeof createRow>} one
   * @param {Row} row
   * @param {boolean} isMember
   * @param {boolean} isOpen
   */
  function putRow(one, row, isMember, isOpen) {
    setAttribute(one.made, "data-state", row.state);
    one.made.classList.toggle("nbflow-member", isMember);
    one.made.classList.toggle("nbflow-critical", row.critical);
    if (one.made.title !== row.title) one.made.title = row.title;
    setText(one.name, `${GLYPHS[row.state]} ${row.label}${row.critical ? " ◆" : ""}`);
    setAttribute(one.name, "aria-label", `${row.title}. Go to its pane.`);
    one.fold.hidden = !row.members.length;
    setText(one.fold, isOpen ? "▾" : "▸");
    setAttribute(one.fold, "aria-expanded", String(isOpen));
    while (one.bars.length > row.spans.length) one.bars.pop()?.remove();
    row.spans.forEach(([kind], at) => {
      const bar = one.bars[at] ?? element(document, "span", "");
      setAttribute(bar, "class", `nbflow-span nbflow-span-${kind}`);
      if (!one.bars[at]) one.track.append(bar);
      one.bars[at] = bar;
    });
  }

  return {
    /**
     * @param {BoardState} state
     * @param {number} since
     */
    draw(state, since) {
      const isNew = state.timeline !== shown;
      if (isNew) {
        shown = state.timeline;
        put();
      }
      const now = state.run.elapsed + since;
      const length = scaleOf(now);
      if (length !== scale) {
        scale = length;
        axis.replaceChildren(...ticksOf(scale).map((tick) => element(document, "span", "", `${tick} s`)));
      }
      for (const { row, bars } of known.values()) {
        row.spans.forEach((span, at) => {
          const { left, width } = barPlace(span, now, scale);
          const place = `left:${left}%;width:${width}%`;
          if (bars[at] && bars[at].dataset.place !== place) {
            bars[at].dataset.place = place;
            bars[at].style.cssText = place;
          }
        });
      }
    },
  };
}

const ROW_PIXELS = 150;

/**
 * Where the panes of very many nodes stand, and which of them are in sight.
 * @param {number} count
 * @param {number} column the least width of a pane, in pixels
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

/**
 * What narrows very many panes down: a button for each state, and a search.
 * @param {Document} document
 * @param {() => void} changed
 */
function createFilter(document, changed) {
  const search = createControl(document, "input", "Search branches");
  const chips = new Map(["", ...LOUDEST_FIRST].map((state) => {
    const chip = createButton(document, "", "", () => {
      filter.state = filter.state === state ? "" : state;
      changed();
    });
    chip.classList.add("nbflow-chip");
    if (state) chip.dataset.state = state;
    return [state, chip];
  }));
  const root = element(document, "div", "nbflow-tools", ...chips.values(), search);
  search.addEventListener("input", changed);
  for (const kind of ["keydown", "keyup", "keypress"]) {
    search.addEventListener(kind, (event) => event.stopPropagation());
  }
  const filter = {
    root,
    state: "",
    search: () => search.value,
    reset() {
      filter.state = "";
      search.value = "";
    },
    /** @param {Cells} cells */
    draw(cells) {
      const counts = countStates(cells.states);
      for (const [state, chip] of chips) {
        const count = state ? counts[state] ?? 0 : cells.names.length;
        const text = state ? `${GLYPHS[state]} ${count.toLocaleString("en")} ${state}` : `all ${count.toLocaleString("en")}`;
        chip.hidden = !count && filter.state !== state;
        setText(chip, text);
        setAttribute(chip, "aria-label", `Show ${text}`);
        setAttribute(chip, "aria-pressed", String(filter.state === state));
      }
    },
  };
  return filter;
}

/**
 * One view of a model.
 * @param {HTMLElement} el
 * @param {ReturnType<typeof createStore>} store
 * @param {(message: object) => void} send
 * @returns {() => void} takes it away
 */
export function createView(el, store, send) {
  const document = el.ownerDocument;
  const view = Math.random().toString(36).slice(2);
  store.send = send;
  /** @param {string | null} branch */
  const cancel = (branch) => {
    store.cancelling.add(branch);
    send({ type: "cancel", branch });
    store.redraw();
  };
  const title = element(document, "strong", "nbflow-title");
  const pill = element(document, "span", "nbflow-pill");
  const summary = element(document, "span", "nbflow-summary");
  const clock = element(document, "span", "nbflow-clock");
  const hint = element(document, "span", "nbflow-hint");
  const compare = createButton(document, "Compare", "Compare two outputs", () => {
    comparison.root.hidden = !comparison.root.hidden;
    draw();
    if (!comparison.root.hidden) comparison.compare();
  });
  const button = createButton(document, "Cancel run", "Cancel run", () => cancel(null));
  const doers = element(document, "span", "nbflow-actions", compare, button);
  const head = element(document, "div", "nbflow-head", title, pill, summary, clock, hint, doers);
  const drawing = element(document, "div", "nbflow-graph");
  const spot = element(document, "div", "nbflow-spot");
  const grid = element(document, "div", "nbflow-panes");
  const space = element(document, "div", "nbflow-space");
  const joins = element(document, "div", "nbflow-joins");
  const times = element(document, "div", "nbflow-timeline");
  const total = element(document, "div", "nbflow-total");
  const comparison = createComparison(document, store.ask);
  const filter = createFilter(document, () => {
    grid.scrollTop = 0;
    draw();
  });
  const board = element(
    document, "div", "nbflow-board", head, drawing, comparison.root, filter.root, spot, grid, joins, times, total,
  );
  summary.setAttribute("role", "status");
  total.title = "speed-up: the sum of the branches' times divided by the elapsed time";
  drawing.hidden = true;
  comparison.root.hidden = true;
  el.append(board);
  const graph = createGraph(drawing, goTo);
  const timeline = createTimeline(times, goTo);
  /** @type {Map<string, ReturnType<typeof createPane>>} */
  let panes = new Map();
  /** @type {Map<string, PaneState>} the panes in sight */
  let inSight = new Map();
  /** @type {Set<string>} */
  const expanded = new Set();
  /** @type {Map<string, number>} how far somebody scrolled a pane that went out of sight */
  const scrolled = new Map();
  let run = "";
  let looked = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let looking;

  const doings = {
    cancel,
    ask: store.ask,
    /** @param {string} id */
    expand(id) {
      if (!expanded.delete(id)) expanded.add(id);
      draw();
      panes.get(id)?.root.querySelector(".nbflow-expand")?.focus();
    },
  };

  /**
   * Bring a node's pane into sight.
   * @param {string} id
   */
  function goTo(id) {
    const { cells, column } = store.state;
    if (cells && !panes.get(id)?.root.isConnected) {
      filter.reset();
      const at = cells.ids.indexOf(Number(id.slice(1)));
      const { columns } = gridPlaces(cells.ids.length, column, sight());
      grid.scrollTop = Math.floor(at / columns) * ROW_PIXELS;
      draw();
    }
    const root = panes.get(id)?.root;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    root?.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
    root?.focus({ preventScroll: true });
    light(id);
  }

  /** @param {string | undefined} id the node whose box, pane and bars are lit; none if undefined */
  function light(id) {
    for (const lit of board.querySelectorAll(".nbflow-lit")) lit.classList.remove("nbflow-lit");
    if (!id) return;
    for (const one of board.querySelectorAll(`[data-id="${CSS.escape(id)}"]`)) one.classList.add("nbflow-lit");
  }

  /** @param {Event} event */
  function lightThat(event) {
    const target = event.target instanceof Element ? event.target.closest("[data-id]") : null;
    light(target?.getAttribute("data-id") ?? undefined);
  }
  for (const kind of ["mouseover", "focusin"]) board.addEventListener(kind, lightThat);
  board.addEventListener("mouseleave", () => light(undefined));

  const sight = () => ({
    width: grid.clientWidth || 900, height: grid.clientHeight || 640, top: grid.scrollTop,
  });

  /**
   * The panes that are drawn, in their order, each with its home and its place there.
   * @returns {{pane: PaneState, home: HTMLElement, place: string}[]}
   */
  function wanted() {
    const { state } = store;
    const { cells } = state;
    if (!cells) {
      return state.panes.map((pane) => ({ pane, home: pane.join ? joins : grid, place: "" }));
    }
    const known = new Map(state.panes.map((pane) => [pane.id, pane]));
    const apart = new Set([...expanded, ...cells.joins]);
    const placeOf = placesOf(cells);
    const found = [...apart].filter((id) => placeOf.has(id)).map((id) => ({
      pane: cellPane(state, placeOf.get(id) ?? 0, known),
      home: expanded.has(id) ? spot : joins,
      place: "",
    }));
    const shown = wantedCells(cells, filter.state, filter.search())
      .filter((at) => !apart.has(`n${cells.ids[at]}`));
    const { columns, height, from, to } = gridPlaces(shown.length, state.column, sight());
    space.style.height = `${height}px`;
    const kept = new Set();
    const add = (/** @type {number} */ index) => {
      kept.add(index);
      const left = (100 * (index % columns)) / columns;
      const top = Math.floor(index / columns) * ROW_PIXELS;
      const place = `left:${left}%;top:${top}px;width:${100 / columns}%`;
      found.push({ pane: cellPane(state, shown[index], known), home: grid, place });
    };
    for (let index = from; index < to; index += 1) add(index);
    // What somebody has selected or is in stays, even out of sight.
    for (const [id, { root }] of panes) {
      if (root.parentNode !== grid || (!isSelectedIn(root) && !root.contains(document.activeElement))) continue;
      const index = shown.indexOf(placeOf.get(id) ?? -1);
      if (index >= 0 && !kept.has(index)) add(index);
    }
    return found;
  }

  function draw() {
    const { state } = store;
    const { hint: why } = state;
    if (state.run.id !== run) {
      run = state.run.id;
      for (const { root } of panes.values()) root.remove();
      panes = new Map();
      looked = "";
    }
    setAttribute(board, "data-run", state.run.id);
    setAttribute(board, "data-state", state.run.state);
    setText(title, state.run.name || "run");
    setText(pill, `${state.run.glyph} ${state.run.state}`);
    setText(summary, state.run.summary);
    setText(hint, state.run.state === "running" || why === GONE ? why : "");
    button.hidden = state.run.state !== "running";
    drawButton(button, "Cancel run", store.cancelling.has(null), why);
    compare.hidden = (state.cells?.ids.length ?? state.panes.length) < 2;
    turnOff(compare, why);
    setAttribute(compare, "aria-expanded", String(!comparison.root.hidden));
    if (!comparison.root.hidden) comparison.draw(branches(state));
    const { cells } = state;
    grid.classList.toggle("nbflow-many", Boolean(cells));
    grid.style.setProperty("--nbflow-column", `${state.column}px`);
    filter.root.hidden = !cells;
    if (cells) {
      filter.draw(cells);
      if (space.parentNode !== grid) grid.replaceChildren(space);
      grid.tabIndex = 0;
      grid.setAttribute("role", "group");
      grid.setAttribute("aria-label", `${cells.ids.length} branches`);
    }
    drawPanes();
    tick(false);
  }

  function drawPanes() {
    const { state } = store;
    /** @type {Map<Element, Element>} */
    const last = new Map();
    const follow = [];
    inSight = new Map();
    const all = wanted();
    const atEnd = new Set(all.filter(({ pane }) => pane.state === "running" && (panes.get(pane.id)?.isAtEnd() ?? true)));
    for (const one of all) {
      const { pane, home, place } = one;
      let shown = panes.get(pane.id);
      if (!shown) {
        shown = createPane(document, pane, doings);
        panes.set(pane.id, shown);
      }
      inSight.set(pane.id, pane);
      const isBack = !shown.root.isConnected;
      if (place) {
        if (shown.root.parentNode !== home) home.append(shown.root);
      } else {
        const next = last.has(home) ? last.get(home)?.nextSibling : home.firstChild;
        if (next !== shown.root) home.insertBefore(shown.root, next ?? null);
        last.set(home, shown.root);
      }
      if (shown.root.dataset.place !== place) {
        shown.root.dataset.place = place;
        shown.root.style.cssText = place;
      }
      const pressed = store.cancelling.has(null) || store.cancelling.has(pane.branch);
      if (shown.draw(pane, state, pressed, expanded.has(pane.id)) && atEnd.has(one)) follow.push(shown.body);
      if (isBack && scrolled.has(pane.id)) shown.body.scrollTop = scrolled.get(pane.id) ?? 0;
    }
    for (const [id, { root, body }] of panes) {
      if (inSight.has(id)) continue;
      if (root.isConnected) scrolled.set(id, body.scrollTop);
      root.remove();
      panes.delete(id);
    }
    for (const body of follow) body.scrollTop = body.scrollHeight; // at once: it costs a layout
    if (state.cells) lookSoon();
  }

  /** Tell the kernel which panes are in sight; it tells only those whole. */
  function lookSoon() {
    const ids = [...inSight.keys()].map((id) => Number(id.slice(1)));
    const now = ids.join(" ");
    if (now === looked || looking || store.state.hint) return;
    looking = setTimeout(() => {
      looking = undefined;
      looked = now;
      send({ type: "look", view, ids });
      lookSoon();
    }, 60);
  }

  /** @param {boolean} isTick whether nothing has changed but the time */
  function tick(isTick = true) {
    const { run: now } = store.state;
    const since = store.since();
    setText(clock, clockText(now, since));
    setText(total, totalLine(now, since));
    for (const [id, pane] of inSight) panes.get(id)?.tick(pane, paneSeconds(pane, now, since));
    graph.draw(store.state, since, inSight, isTick);
    timeline.draw(store.state, since);
  }

  draw();
  const unwatch = store.watch(draw);
  const timer = setInterval(() => store.state.run.state === "running" && tick(), 100);
  const again = () => store.state.cells && draw();
  grid.addEventListener("scroll", again);
  const resized = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(again);
  resized?.observe(grid);
  const letGo = () => drawPanes();
  document.addEventListener("selectionchange", letGo);
  return () => {
    unwatch();
    clearInterval(timer);
    clearTimeout(looking);
    resized?.disconnect();
    document.removeEventListener("selectionchange", letGo);
    board.remove();
  };
}

/**
 * The branches that can be compared.
 * @param {BoardState} state
 */
function branches({ cells, panes }) {
  if (!cells) return panes.map(({ id, branch }) => ({ id, name: branch }));
  return cells.ids.slice(0, 500).map((number, at) => ({ id: `n${number}`, name: cells.names[at] }));
}

/** Called once for each model, so the store is shared by the views of one run and by no others. */
export default function board() {
  const store = createStore({ now: () => performance.now() });
  return {
    /** @param {{model: any}} context */
    initialize({ model }) {
      store.replace(model.get("view"));
      model.on("change:view", () => store.replace(model.get("view")));
      model.on("msg:custom", (/** @type {any} */ message) => {
        if (message.type === "frame") store.apply(message);
        else if (message.type === "whole") store.replace(message.view);
        else if (message.type === "answer") store.answer(message);
      });
      // ipywidgets says this of its models when their kernel restarts.
      model.on("comm_live_update", store.cutOff);
      model.send({ type: "ready" });
    },
    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      return createView(el, store, (message) => model.send(message));
    },
  };
}
