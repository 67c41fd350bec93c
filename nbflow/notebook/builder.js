// The one part of the builder that ipywidgets has no control for: a text with placeholders. They
// are coloured as it is typed, completed after `{`, and offered as buttons. The same widget shows a
// finished cell, to be copied; another puts the cursor into controls of ipywidgets. Texts and names
// are only ever textContent and values.

const SEND_MILLISECONDS = 120;
const HOLD_MILLISECONDS = 5000;
const EDITED = "input, select, textarea, [contenteditable=true]";
const HOLE = /\{\{[\p{L}_][\p{L}\p{N}_]*\}\}|\{([\p{L}_][\p{L}\p{N}_]*)\}/gu;
const OPEN = /(?<!\{)\{([\p{L}_][\p{L}\p{N}_]*)?$/u;

/**
 * A text in pieces: text, what is a known name, what is a name and not known, what is wrong.
 * @param {string} text
 * @param {string[]} names
 * @param {number[][]} marks line and column from 1, and a length, of what is wrong
 * @returns {{text: string, kind: string}[]}
 */
export function pieces(text, names, marks = []) {
  const known = new Set(names);
  const wrong = spans(text, marks);
  const cuts = [];
  for (const hole of text.matchAll(HOLE)) {
    const kind = hole[1] === undefined ? "literal" : known.has(hole[1]) ? "known" : "unknown";
    cuts.push({ start: hole.index, end: hole.index + hole[0].length, kind });
  }
  const kept = cuts.filter((cut) => !wrong.some((one) => one.start < cut.end && cut.start < one.end));
  const found = [...kept, ...wrong].sort((one, other) => one.start - other.start);
  const made = [];
  let at = 0;
  for (const { start, end, kind } of found) {
    if (start < at) continue;
    if (start > at) made.push({ text: text.slice(at, start), kind: "" });
    made.push({ text: text.slice(start, end), kind });
    at = end;
  }
  if (at < text.length) made.push({ text: text.slice(at), kind: "" });
  return made;
}

/** Lines and columns, in characters as Python counts them, as offsets in a JavaScript string. */
export function spans(text, marks) {
  const lines = text.split("\n");
  const found = [];
  for (const [line, column, length] of marks) {
    if (line < 1 || line > lines.length) continue;
    const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    const characters = [...lines[line - 1]];
    const start = before + characters.slice(0, column - 1).join("").length;
    const inside = characters.slice(column - 1, column - 1 + length).join("");
    if (inside) found.push({ start, end: start + inside.length, kind: "wrong" });
  }
  return found;
}

/** What has been typed of a name after an open brace before the caret; null if there is none. */
export function typed(text, caret) {
  const match = OPEN.exec(text.slice(0, caret));
  return match ? match[1] ?? "" : null;
}

/** The names that go on as was typed. */
export function fitting(names, start) {
  return names.filter((name) => name.startsWith(start) && name !== start);
}

/**
 * A text with a placeholder put in place of a selection, or of the one that is being typed.
 * @returns {{text: string, caret: number}}
 */
export function withName(text, start, end, name) {
  const begun = typed(text, start);
  const from = begun === null ? start : start - begun.length - 1;
  const to = begun !== null && text[end] === "}" ? end + 1 : end;
  return { text: `${text.slice(0, from)}{${name}}${text.slice(to)}`, caret: from + name.length + 2 };
}

/** What stands between a text and a placeholder that a button puts behind it. */
function gap(before) {
  if (typed(before, before.length) !== null) return "";
  if (before.endsWith("}")) return "\n\n";
  return /[\p{L}\p{N}.,:;!?]$/u.test(before) ? " " : "";
}

/** A text with a placeholder put in by a button: not right behind a word, or behind another. */
export function withNameApart(text, start, end, name) {
  const between = gap(text.slice(0, start));
  const spaced = `${text.slice(0, start)}${between}${text.slice(start)}`;
  return withName(spaced, start + between.length, end + between.length, name);
}

/** The spaces that a new line of code begins with. */
export function indentation(text, caret) {
  const line = text.slice(text.lastIndexOf("\n", caret - 1) + 1, caret);
  return /^ */.exec(line)[0] + (line.trimEnd().endsWith(":") ? "    " : "");
}

function element(tag, className, attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Only where the page offers its application, as JupyterLab does when it is started so. */
const INSERT = "notebook:insert-cell-below";

function renderCopy({ model, el }) {
  const box = element("div", "nbflow-cell-copy");
  const text = element("pre", "nbflow-copy-text", { tabindex: "0", role: "textbox", "aria-readonly": "true" });
  const button = element("button", "nbflow-builder-button", { type: "button" });
  const below = element("button", "nbflow-builder-button", { type: "button" });
  const said = element("span", "nbflow-builder-note", { role: "status" });
  button.textContent = "Copy";
  below.textContent = "Put it into a new cell";
  below.hidden = !window.jupyterapp?.commands?.hasCommand(INSERT);
  box.append(text, button, below, said);
  el.append(box);
  const draw = () => {
    text.textContent = model.get("value");
    text.setAttribute("aria-label", model.get("label"));
    said.textContent = "";
  };
  const focus = focusing(model, () => button, (isThere) => isThere && box.scrollIntoView({ block: "nearest" }));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(model.get("value"));
      said.textContent = "Copied. Paste it into a new cell.";
    } catch {
      getSelection().selectAllChildren(text);
      said.textContent = "It is selected: press Ctrl+C, or ⌘C.";
    }
  });
  below.addEventListener("click", async () => {
    await window.jupyterapp.commands.execute(INSERT);
    window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource(model.get("value"));
    said.textContent = "It is in the cell below.";
  });
  const stopWatching = tellWhenGone(model, el);
  model.on("change:value change:label", draw);
  model.on("change:wanted", focus);
  draw();
  focus();
  return () => {
    stopWatching();
    model.off("change:value change:label", draw);
    model.off("change:wanted", focus);
  };
}

/**
 * Whether the person types elsewhere by now: the kernel wants the cursor somewhere when it answers a
 * button, which may be late. Where we put it ourselves, and nothing was typed, it may be taken from.
 * @param {Element} one where the kernel wants it
 */
function isElsewhere(one) {
  const now = document.activeElement;
  return now !== one && now !== page().given && Boolean(now?.closest(EDITED));
}

/** Put the cursor into an element, unless the person types elsewhere; whether it is there now. */
function give(one) {
  if (isElsewhere(one)) return false;
  one.focus();
  page().given = one;
  return true;
}

/**
 * What puts the cursor where the kernel wants it.
 * @param {() => HTMLElement | null} find
 * @param {(isThere: boolean) => void} shown
 */
function focusing(model, find, shown = () => {}) {
  return () => {
    if (!model.get("wanted")) return;
    // Later, for what is taken back within its own event is never sent to the kernel.
    requestAnimationFrame(() => whenShown(find, (one) => {
      if (!model.get("wanted")) return; // another view of it was quicker
      shown(give(one));
      model.set("wanted", typeof model.get("wanted") === "string" ? "" : false);
      model.save_changes();
    }));
  };
}

/** Nothing to be seen: it puts the cursor into controls of the builder that it is in. */
function renderCursor({ model, el }) {
  el.hidden = true;
  const find = () => {
    const [control] = el.closest(".nbflow-builder")?.getElementsByClassName(model.get("wanted")) ?? [];
    return control?.matches("button") ? control : control?.querySelector(EDITED) ?? null;
  };
  const focus = focusing(model, find);
  model.on("change:wanted", focus);
  focus();
  return () => model.off("change:wanted", focus);
}

const GONE = "The kernel was restarted, and this builder with it. Its flow is kept as a cell above: run this cell again, and load that one with “From cell”.";

/** Say once in a builder that its kernel has been restarted; what it shows can't be changed any more. */
function tellWhenGone(model, el) {
  const tell = () => {
    const builder = el.closest(".nbflow-builder");
    if (!builder || "nbflowGone" in builder.dataset) return;
    builder.dataset.nbflowGone = "";
    const note = element("p", "nbflow-gone", { role: "status" });
    note.textContent = GONE;
    const seen = builder.getBoundingClientRect();
    builder.prepend(note);
    if (seen.top < window.innerHeight && seen.bottom > 0) note.scrollIntoView({ block: "center" });
  };
  model.on("comm_live_update", tell);
  return () => model.off("comm_live_update", tell);
}

/**
 * Whether a key without Ctrl, Alt or ⌘ would type something. JupyterLab takes such keys for its
 * shortcuts (`d` `d` deletes a cell) wherever no text is being edited, on a button too.
 */
export function isPlain(event) {
  return event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
}

/**
 * What the builders of a page share: every widget has this module for itself.
 * @returns {{kept: string, until: number, given: Element | null, editors: number, keepsKeys: boolean}}
 */
function page() {
  window.nbflowBuilders ??= { kept: "", until: 0, given: null, editors: 0, keepsKeys: false };
  return window.nbflowBuilders;
}

/**
 * Keep a key that is typed between the press of a button that makes a new text and the moment that
 * text is there, for a space would press the button again. Whether it was kept.
 */
function keeps(event) {
  if (performance.now() > page().until || !isPlain(event)) return false;
  page().kept += event.key;
  return true;
}

/** Put what was kept into a text; whether there was anything. */
function putKept(area) {
  const { kept } = page();
  Object.assign(page(), { kept: "", until: 0 });
  area.setRangeText(kept, area.selectionStart, area.selectionEnd, "end");
  return kept !== "";
}

/** Scroll to the board that a run brings, once it is there. */
function showBoard(builder, frames = 300) {
  const board = builder.querySelector(".nbflow-builder-board .nbflow-board");
  if (board && board !== builder.nbflowBoard) {
    builder.nbflowBoard = board;
    builder.querySelector(".nbflow-builder-foot").scrollIntoView({ block: "start" });
  } else if (frames && builder.isConnected) requestAnimationFrame(() => showBoard(builder, frames - 1));
}

function keepKeys() {
  if (page().keepsKeys) return;
  page().keepsKeys = true;
  const builderOf = ({ target }) => target instanceof Element && target.closest(".nbflow-builder");
  const listen = (event) => {
    // on the target: JupyterLab looks from there upwards, and its selectors match the target itself
    if (builderOf(event)) event.target.toggleAttribute("data-lm-suppress-shortcuts", isPlain(event));
    if (!event.target.closest?.(EDITED) && keeps(event)) {
      event.preventDefault(); // the notebook may have taken the focus: it would take keys as commands
      event.stopPropagation();
    }
  };
  const stay = (event) => {
    const builder = builderOf(event);
    const button = builder && event.target.closest("button");
    if (!button) return;
    if (button.classList.contains("nbflow-adds")) Object.assign(page(), { kept: "", until: performance.now() + HOLD_MILLISECONDS });
    if (button.classList.contains("nbflow-run")) showBoard(builder);
    const hold = () => {
      const now = document.activeElement;
      const isLost = !builder.contains(now) && !now?.closest(EDITED);
      if (!isLost && !now.disabled) return;
      builder.tabIndex = -1;
      builder.focus({ preventScroll: true }); // the button is gone or off, or the notebook took the focus
    };
    for (const milliseconds of [0, 100, 400]) setTimeout(hold, milliseconds);
    setTimeout(() => document.activeElement === document.body && hold(), 1200);
  };
  const use = ({ target }) => {
    if (target === page().given) page().given = null;
  };
  for (const kind of ["keydown", "pointerdown", "input"]) window.addEventListener(kind, use, true);
  window.addEventListener("keydown", listen, true); // before JupyterLab's listener on the document
  window.addEventListener("click", stay, true);
}

/** Call back with an element once it is in the page, for a view is drawn before it is put there. */
function whenShown(find, callback, frames = 60) {
  const one = find();
  if (one?.isConnected && one.offsetParent) callback(one);
  else if (frames) requestAnimationFrame(() => whenShown(find, callback, frames - 1));
}

const MOVES = { ArrowDown: 1, ArrowUp: -1 };

/**
 * The names that are offered below a text while one of them is typed into it.
 * @param {HTMLTextAreaElement} area
 * @param {string} id
 * @param {(name: string) => void} insert
 */
function nameList(area, id, insert) {
  const box = element("ul", "nbflow-names", { id, role: "listbox" });
  let chosen = 0;
  box.hidden = true;
  const close = () => {
    box.hidden = true;
    area.removeAttribute("aria-activedescendant");
  };
  const choose = (number) => {
    const items = [...box.children];
    chosen = (number + items.length) % items.length;
    items.forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
    area.setAttribute("aria-activedescendant", items[chosen].id);
    items[chosen].scrollIntoView({ block: "nearest" });
  };
  const item = (name, at) => {
    const made = element("li", "nbflow-name-offered", { role: "option", id: `${id}-${at}` });
    made.textContent = name;
    made.addEventListener("mousedown", (event) => {
      event.preventDefault();
      insert(name);
    });
    return made;
  };
  const offer = (names) => {
    if (!names.length) {
      close();
      return;
    }
    box.replaceChildren(...names.map(item));
    box.hidden = false;
    choose(0);
  };
  /** Whether it has a use for a key. */
  const takes = ({ key }) => {
    if (box.hidden) return false;
    if (key in MOVES) choose(chosen + MOVES[key]);
    else if (key === "Enter" || key === "Tab") insert(box.children[chosen].textContent);
    else if (key === "Escape") close();
    else return false;
    return true;
  };
  return { box, close, offer, takes };
}

/** A button for each name, which puts it into the text. */
function drawChips(chips, names, label, insert) {
  const now = JSON.stringify([names, label]);
  if (chips.dataset.names === now) return;
  chips.dataset.names = now;
  chips.setAttribute("aria-label", `Insert into ${label}`);
  const said = element("span", "nbflow-builder-note");
  said.textContent = "Insert";
  const chip = (name) => {
    const made = element("button", "nbflow-put", { type: "button", "aria-label": `Insert {${name}}` });
    made.textContent = `{${name}}`;
    made.addEventListener("click", () => insert(name));
    return made;
  };
  chips.replaceChildren(...(names.length ? [said, ...names.map(chip)] : []));
}

/** The text in colours, which lies below the one that is typed. */
function drawPaint(paint, made) {
  const span = ({ text, kind }) => {
    const one = element("span", kind ? `nbflow-hole nbflow-hole-${kind}` : "");
    one.textContent = text;
    return one;
  };
  paint.replaceChildren(...made.map(span), document.createTextNode("\n "));
}

/** The elements of an editor, one below the other in a box. */
function editorParts() {
  const number = page().editors++;
  const list = `nbflow-names-${number}`;
  const wrong = `nbflow-wrong-${number}`;
  const paint = element("pre", "nbflow-paint", { "aria-hidden": "true" });
  const area = element("textarea", "nbflow-area", {
    spellcheck: "true", rows: "2", autocomplete: "off",
    "aria-autocomplete": "list", "aria-controls": list, "aria-describedby": wrong,
  });
  const chips = element("div", "nbflow-puts", { role: "group" });
  const error = element("div", "nbflow-wrong-text", { id: wrong, role: "status" });
  const sheet = element("div", "nbflow-sheet");
  const box = element("div", "nbflow-editor");
  sheet.append(paint, area);
  box.append(sheet, chips, error);
  return { list, paint, area, chips, error, sheet, box };
}

function renderEditor({ model, el }) {
  const { list, paint, area, chips, error, sheet, box } = editorParts();
  el.append(box);

  const insert = (name, put = withName) => {
    const made = put(area.value, area.selectionStart, area.selectionEnd, name);
    area.value = made.text;
    area.focus();
    area.setSelectionRange(made.caret, made.caret);
    offers.close();
    color();
    send();
  };
  const offers = nameList(area, list, insert);
  sheet.after(offers.box);

  let timer = 0;
  const send = () => {
    clearTimeout(timer);
    timer = 0;
    if (model.get("value") === area.value) return;
    model.set("value", area.value);
    model.save_changes();
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(send, SEND_MILLISECONDS);
  };
  /** The names that the text can read; code has parameters instead. */
  const names = () => (model.get("code") ? [] : [...model.get("own"), ...model.get("names")]);
  const scroll = () => { paint.scrollTop = area.scrollTop; };
  const color = () => {
    const marks = area.value === model.get("value") ? model.get("marks") : []; // or they are stale
    const made = pieces(area.value, names(), marks);
    const isCode = model.get("code");
    drawPaint(paint, isCode ? made.map((one) => (one.kind === "wrong" ? one : { ...one, kind: "" })) : made);
    scroll();
  };
  const offer = () => {
    const begun = area.selectionStart === area.selectionEnd ? typed(area.value, area.selectionStart) : null;
    offers.offer(begun === null ? [] : fitting(names(), begun));
  };
  const keys = (event) => {
    event.stopPropagation(); // or the notebook takes them for its shortcuts
    if (offers.takes(event)) {
      event.preventDefault();
    } else if (event.key === "Enter" && model.get("code") && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      const begin = area.selectionStart;
      area.setRangeText(`\n${indentation(area.value, begin)}`, begin, area.selectionEnd, "end");
      color();
      later();
    }
  };
  const draw = () => {
    if (!timer && area.value !== model.get("value")) area.value = model.get("value");
    area.setAttribute("aria-label", model.get("label"));
    area.setAttribute("placeholder", model.get("placeholder"));
    for (const one of [area, paint]) one.classList.toggle("nbflow-code", model.get("code"));
    const wrong = model.get("error");
    area.setAttribute("aria-invalid", String(Boolean(wrong)));
    box.classList.toggle("nbflow-wrong", Boolean(wrong));
    if (error.textContent !== wrong) error.textContent = wrong;
    drawChips(chips, names(), model.get("label"), (name) => insert(name, withNameApart));
    color();
  };
  const focus = focusing(model, () => area, (isThere) => {
    if (isThere || page().kept) area.setSelectionRange(area.value.length, area.value.length);
    if (putKept(area)) area.dispatchEvent(new Event("input"));
  });

  area.addEventListener("input", () => { color(); offer(); later(); });
  area.addEventListener("keydown", keys);
  area.addEventListener("click", offer);
  area.addEventListener("scroll", scroll);
  area.addEventListener("blur", () => { offers.close(); send(); });
  const changes = "change:value change:names change:own change:marks change:error change:label change:code change:placeholder";
  const stopWatching = tellWhenGone(model, el);
  model.on(changes, draw);
  model.on("change:wanted", focus);
  draw();
  focus();
  return () => {
    stopWatching();
    send();
    model.off(changes, draw);
    model.off("change:wanted", focus);
  };
}

export default {
  initialize({ model }) {
    keepKeys();
    model.send({ type: "ready" });
  },
  render(context) {
    if (typeof context.model.get("wanted") === "string") return renderCursor(context);
    return context.model.get("copy") ? renderCopy(context) : renderEditor(context);
  },
};
