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
 *
 * @typedef {object} Graph
 * @property {string | null} [svg]
 * @property {string[]} [lines] the graph in words, where there is no Graphviz
 * @property {string} [note]
 *
 * @typedef {object} BoardState
 * @property {RunState} run
 * @property {PaneState[]} panes
 * @property {Graph} graph
 * @property {number} column the least width of a pane, in pixels
 * @property {string} hint why buttons don't work; empty if they do
 *
 * @typedef {object} Frame
 * @property {RunState} [run]
 * @property {(PaneState & {from: number})[]} [panes] `blocks` replace those from number `from` on
 * @property {Graph} [graph]
 */

const FULL_PANES = 24;
const LOUDEST_FIRST = ["running", "failed", "queued", "cancelled", "skipped", "done"];
const GLYPHS = {
  queued: "○", running: "●", done: "✓", failed: "✕", cancelled: "⊘", skipped: "–",
};

/**
 * The state after one more frame; the state before is left as it was.
 * @param {BoardState} state
 * @param {Frame} frame
 * @returns {BoardState}
 */
export function fold(state, frame) {
  const changed = new Map((frame.panes ?? []).map((pane) => [pane.id, pane]));
  const panes = state.panes.map((pane) => {
    const news = changed.get(pane.id);
    if (!news) return pane;
    const { from, ...rest } = news;
    return { ...rest, blocks: [...pane.blocks.slice(0, from), ...news.blocks] };
  });
  return { ...state, run: frame.run ?? state.run, graph: frame.graph ?? state.graph, panes };
}

/**
 * The state when the kernel is gone: what hasn't ended never will.
 * @param {BoardState} state
 * @param {number} since seconds since the last frame was made
 * @returns {BoardState}
 */
export function cutOff(state, since) {
  if (state.run.state !== "running") return state;
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
  return { ...state, run, panes };
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
 * What the second line of a box in the graph says.
 * @param {string} note what it says before anything runs
 * @param {PaneState[]} panes
 */
export function boxNote(note, panes) {
  return panes.length === 1 && panes[0].count ? `${note} · ${panes[0].count}` : note;
}

/**
 * A model's state, its views, and the buttons that were pressed.
 * @param {{now: () => number}} clock milliseconds
 */
export function createStore(clock) {
  /** @type {Set<() => void>} */
  const views = new Set();
  const store = {
    /** @type {BoardState} */
    state: { run: emptyRun(), panes: [], graph: {}, column: 260, hint: "" },
    at: clock.now(),
    /** @type {Set<string | null>} the branches whose Cancel was pressed; null is the run's */
    cancelling: new Set(),
    since: () => (store.state.run.state === "running" ? (clock.now() - store.at) / 1000 : 0),
    /** @param {BoardState} state */
    replace(state) {
      if (!state || !state.run) return;
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
      store.state = cutOff(store.state, store.since());
      store.told();
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
 * @param {string} label what it says to who hears it
 * @param {() => void} press
 */
function cancelButton(document, label, press) {
  const button = /** @type {HTMLButtonElement} */ (element(document, "button", "nbflow-button"));
  button.type = "button";
  button.setAttribute("aria-label", label);
  button.addEventListener("click", press);
  return button;
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} text what it says before it is pressed
 * @param {boolean} pressed
 * @param {string} hint
 */
function drawButton(button, text, pressed, hint) {
  setText(button, pressed ? "cancelling…" : text);
  button.disabled = pressed || hint !== "";
  button.title = hint;
}

/**
 * One pane: made once, then told what changed.
 * @param {Document} document
 * @param {PaneState} first
 * @param {(branch: string) => void} cancel
 */
function createPane(document, first, cancel) {
  const glyph = element(document, "span", "nbflow-glyph");
  const status = element(document, "span", "nbflow-status");
  const name = element(document, "strong", "nbflow-name", first.branch);
  const button = cancelButton(document, `Cancel ${first.branch}`, () => cancel(first.branch));
  const detail = element(document, "div", "nbflow-detail");
  const body = element(document, "div", "nbflow-pane-text");
  const head = element(document, "div", "nbflow-pane-head", glyph, name, status, button);
  const root = element(document, "section", "nbflow-pane", head, detail, body);
  name.title = first.branch;
  body.tabIndex = -1;
  root.dataset.branch = first.branch;
  root.setAttribute("aria-label", first.branch);
  /** @type {string[]} */
  let drawn = [];
  return {
    root,
    /**
     * @param {PaneState} pane
     * @param {boolean} pressed
     * @param {string} hint
     */
    draw(pane, pressed, hint) {
      setAttribute(root, "data-state", pane.state);
      setText(glyph, pane.glyph);
      glyph.title = pane.state;
      setText(detail, pane.detail);
      button.hidden = pane.state !== "queued" && pane.state !== "running";
      drawButton(button, "Cancel", pressed, hint);
      drawn = drawBlocks(body, drawn, pane.blocks, pane.state === "running");
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
 * Replace the blocks that changed. The end stays in sight if it was; somebody's selection stays.
 * @param {HTMLElement} body
 * @param {string[]} before the blocks that are there
 * @param {string[]} now
 * @param {boolean} follows whether the end is what matters
 * @returns {string[]} the blocks that are there afterwards
 */
function drawBlocks(body, before, now, follows) {
  let same = 0;
  while (same < before.length && same < now.length && before[same] === now[same]) same += 1;
  if (same === before.length && same === now.length) return before;
  const old = Array.from(body.children).slice(same);
  if (old.some(isSelectedIn)) return before;
  const wasAtEnd = body.scrollHeight - body.scrollTop - body.clientHeight < 8;
  for (const child of old) child.remove();
  for (const html of now.slice(same)) {
    const block = element(body.ownerDocument, "div", "nbflow-block");
    block.innerHTML = html; // nbflow: sanitised
    body.append(block);
  }
  if (follows && wasAtEnd) body.scrollTop = body.scrollHeight;
  return now;
}

/** @param {Element} node */
function isSelectedIn(node) {
  const selection = node.ownerDocument.getSelection?.();
  if (!selection || selection.isCollapsed || !selection.rangeCount) return false;
  return selection.getRangeAt(0).intersectsNode(node);
}

/**
 * The graph: put in once, then coloured by attributes.
 * @param {HTMLElement} root
 */
function createGraph(root) {
  /** @type {Graph | null} */
  let shown = null;
  /** @type {{node: Element, texts: Element[], title: Element | null, ids: string[]}[]} */
  let boxes = [];
  /** @type {Element[]} */
  let arrows = [];

  /** @param {Graph} graph */
  function put(graph) {
    shown = graph;
    root.replaceChildren();
    boxes = [];
    arrows = [];
    if (graph.svg) {
      const parsed = new DOMParser().parseFromString(graph.svg, "image/svg+xml");
      root.append(root.ownerDocument.importNode(parsed.documentElement, true));
      arrows = Array.from(root.querySelectorAll("g.edge"));
      boxes = Array.from(root.querySelectorAll("g.node"), (node) => ({
        node,
        texts: Array.from(node.querySelectorAll("text")),
        title: node.querySelector("title"),
        ids: (node.getAttribute("data-nodes") ?? "").split(" "),
      }));
    } else if (graph.lines) {
      for (const line of graph.lines) root.append(element(root.ownerDocument, "div", "", line));
      root.append(element(root.ownerDocument, "div", "nbflow-detail", graph.note ?? ""));
    }
    root.hidden = !root.childNodes.length;
  }

  return {
    /**
     * @param {BoardState} state
     * @param {number} since
     */
    draw(state, since) {
      if (state.graph !== shown) put(state.graph);
      const panes = new Map(state.panes.map((pane) => [pane.id, pane]));
      /** @type {Map<string | null, string>} */
      const states = new Map();
      for (const { node, texts, title, ids } of boxes) {
        const members = ids.flatMap((id) => panes.get(id) ?? []);
        const now = boxState(members.map((pane) => pane.state));
        states.set(node.getAttribute("data-node"), now);
        setAttribute(node, "data-state", now);
        const label = node.getAttribute("data-label") ?? "";
        const said = boxText(label, members, state.run, since);
        if (texts[0]) setText(texts[0], said);
        const note = boxNote(node.getAttribute("data-note") ?? "", members);
        if (texts[1]) setText(texts[1], note);
        if (title) setText(title, `${node.getAttribute("data-branch")}: ${now}`);
      }
      for (const arrow of arrows) {
        const source = states.get(arrow.getAttribute("data-source"));
        if (source) setAttribute(arrow, "data-state", source);
      }
    },
  };
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
  const button = cancelButton(document, "Cancel run", () => cancel(null));
  const head = element(document, "header", "nbflow-head", title, pill, summary, clock, hint, button);
  const drawing = element(document, "div", "nbflow-graph");
  const grid = element(document, "div", "nbflow-panes");
  const joins = element(document, "div", "nbflow-joins");
  const total = element(document, "footer", "nbflow-total");
  const board = element(document, "div", "nbflow-board", head, drawing, grid, joins, total);
  summary.setAttribute("role", "status");
  total.title = "speed-up: the sum of the branches' times divided by the elapsed time";
  drawing.hidden = true;
  el.append(board);
  const graph = createGraph(drawing);
  /** @type {Map<string, ReturnType<typeof createPane>>} */
  const panes = new Map();

  function draw() {
    const { run, hint: why } = store.state;
    setAttribute(board, "data-run", run.id);
    setAttribute(board, "data-state", run.state);
    setText(title, run.name || "run");
    setText(pill, `${run.glyph} ${run.state}`);
    setText(summary, run.summary);
    setText(hint, run.state === "running" ? why : "");
    button.hidden = run.state !== "running";
    drawButton(button, "Cancel run", store.cancelling.has(null), why);
    grid.style.setProperty("--nbflow-column", `${store.state.column}px`);
    grid.classList.toggle("nbflow-many", store.state.panes.length > FULL_PANES);
    for (const pane of store.state.panes) {
      let shown = panes.get(pane.id);
      if (!shown) {
        shown = createPane(document, pane, cancel);
        panes.set(pane.id, shown);
        (pane.join ? joins : grid).append(shown.root);
      }
      const pressed = store.cancelling.has(null) || store.cancelling.has(pane.branch);
      shown.draw(pane, pressed, why);
    }
    tick();
  }

  function tick() {
    const { run } = store.state;
    const since = store.since();
    setText(clock, secondsText(run.elapsed + since));
    setText(total, totalLine(run, since));
    for (const pane of store.state.panes) {
      panes.get(pane.id)?.tick(pane, paneSeconds(pane, run, since));
    }
    graph.draw(store.state, since);
  }

  draw();
  const unwatch = store.watch(draw);
  const timer = setInterval(() => store.state.run.state === "running" && tick(), 100);
  document.addEventListener("selectionchange", draw);
  return () => {
    unwatch();
    clearInterval(timer);
    document.removeEventListener("selectionchange", draw);
    board.remove();
  };
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
