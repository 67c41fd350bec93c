// The pure parts of builder.js. What it does to a page is tested in tests/browser/test_builder.py.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const path = new URL("../../nbflow/notebook/builder.js", import.meta.url);
const source = await readFile(path, "utf8"); // it is a module, but no package says so
const builder = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const kinds = (text, names, marks) => builder.pieces(text, names, marks).map(({ text, kind }) => [text, kind]);

test("placeholders are told apart from text and from each other", () => {
  assert.deepEqual(kinds("a {b} {{b}} {c} {x.y} {}", ["b"]), [
    ["a ", ""], ["{b}", "known"], [" ", ""], ["{{b}}", "literal"], [" ", ""], ["{c}", "unknown"], [" {x.y} {}", ""],
  ]);
});

test("the pieces are the text, whatever is in it", () => {
  for (const text of ["", "{", "{{a}", "{a}{a}", "<b>{a}</b>", "é{é}日本{本}", "😀{a}", "{a\nb}", "\u0000{a}"]) {
    assert.equal(builder.pieces(text, ["a"], [[1, 1, 3], [9, 9, 9]]).map((one) => one.text).join(""), text);
  }
});

test("what is wrong is marked in characters, as Python counts them", () => {
  assert.deepEqual(kinds("x\n😀 {topc}!", [], [[2, 3, 6]]), [["x\n😀 ", ""], ["{topc}", "wrong"], ["!", ""]]);
});

test("a name is being typed after an open brace, and not after two", () => {
  assert.equal(builder.typed("About {to", 9), "to");
  assert.equal(builder.typed("About {", 7), "");
  for (const text of ["About {{to", "About {to}", "About { to", "About"]) assert.equal(builder.typed(text, text.length), null);
});

test("only names that go on are offered", () => {
  assert.deepEqual(builder.fitting(["topic", "tone", "joke"], "to"), ["topic", "tone"]);
  assert.deepEqual(builder.fitting(["topic"], "topic"), []);
});

test("a name takes the place of what was typed of it, and of a selection", () => {
  assert.deepEqual(builder.withName("About {to and", 9, 9, "topic"), { text: "About {topic} and", caret: 13 });
  assert.deepEqual(builder.withName("About {to}", 9, 9, "topic"), { text: "About {topic}", caret: 13 });
  assert.deepEqual(builder.withName("About cats", 6, 10, "topic"), { text: "About {topic}", caret: 13 });
});

test("a name that a button puts in stands apart from what is before it", () => {
  const put = (text, start = text.length, end = start) => builder.withNameApart(text, start, end, "joke");
  assert.deepEqual(put("{story}"), { text: "{story}\n\n{joke}", caret: 15 });
  assert.deepEqual(put("Here:"), { text: "Here: {joke}", caret: 12 });
  for (const before of ["", "Here ", "(", "Line\n"]) assert.equal(put(before).text, `${before}{joke}`);
  assert.deepEqual(put("Here {jo", 8), { text: "Here {joke}", caret: 11 });
  assert.deepEqual(put("a b c", 2, 3), { text: "a {joke} c", caret: 8 });
});

test("a new line of code begins below the one above, or deeper after a colon", () => {
  assert.equal(builder.indentation("def a():", 8), "    ");
  assert.equal(builder.indentation("def a():\n    b", 14), "    ");
  assert.equal(builder.indentation("x", 1), "");
});

test("only keys that would type something are kept from the notebook", () => {
  assert.ok(builder.isPlain({ key: "d" }));
  for (const event of [{ key: "s", ctrlKey: true }, { key: "Enter" }, { key: "c", metaKey: true }]) {
    assert.ok(!builder.isPlain(event));
  }
});
