"""Laws of the literals: whatever a text holds, the program means exactly that text."""

from __future__ import annotations

import ast
import asyncio
import json
from types import ModuleType

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nbflow import Flow, ask
from nbflow.core.vote import normalised
from nbflow.export import export
from nbflow.export.quoting import Hole, pieces, plain, py_string, py_text, ts_string, ts_text
from nbflow.export.typescript_frame import included
from nbflow.writing.prompt import fill

from .test_python import ruff_diff
from .test_typescript import tsx

SIGNS = st.sampled_from(
    [*"ab {}{}`$\\'\"\n\r\t/*%#", "\u2028", "\u2029", "\0", "é", "€", "😀", "\ud800"]
)
TEXTS = st.text(SIGNS | st.characters(), max_size=60)
PARTS = st.lists(TEXTS | st.builds(Hole, st.sampled_from(["x", 'd["x"]'])), max_size=6)
VALUES = {"x": "<X>", "d": {"x": "<X>"}}


def meant(parts: list[str | Hole]) -> str:
    return "".join("<X>" if isinstance(part, Hole) else part for part in parts)


@given(TEXTS)
def test_a_python_string_means_the_text(text):
    assert ast.literal_eval(py_string(text)) == text


@given(PARTS)
def test_a_python_text_with_holes_means_the_text_filled(parts):
    assert eval(py_text(parts), dict(VALUES)) == meant(parts)


@given(PARTS, st.integers(12, 120))
def test_the_pieces_of_a_text_mean_the_whole_and_are_short(parts, width):
    cut = list(pieces(parts, py_text, width))
    assert eval(f"({' '.join(cut)})" if cut else "''", dict(VALUES)) == meant(parts)
    assert all(len(piece) <= width for piece in cut if "{" not in piece)


@given(TEXTS)
def test_what_a_comment_holds_ends_neither_comment_nor_string(text):
    shown = plain(text)
    assert not {"\n", "\r", "\u2028", "\u2029", '"', "\\", "`", "'"} & set(shown)
    assert "*/" not in shown


WORDS = st.sampled_from(["{topic}", "{{topic}}", "{x.y}", "word ", "a longer word\n"])
PROMPTS = st.lists(WORDS | TEXTS, min_size=1, max_size=8).map("".join).filter(str.strip)


# One process for many texts; a smaller batch would say no more, so there is no shrinking.
BATCHES = settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate])


@settings(max_examples=60, deadline=None)
@given(PROMPTS, TEXTS, st.sampled_from(["graph", "functional"]))
def test_an_exported_template_is_filled_as_nbflow_fills_it(text, value, form):
    flow = Flow(ask(text, name="a", template=True), name=value)
    module = ModuleType("exported")
    code = compile(export(flow, f"langgraph-python-{form}"), "x.py", "exec", dont_inherit=True)
    exec(code, module.__dict__)
    given_ = {"topic": value} if flow.inputs else {}
    if form == "graph":
        assert asyncio.run(module.fill_a(given_))["a"] == fill(text, {"topic": value})
    else:
        found = asyncio.run(module.fill_a.func(*given_.values()))
        assert found == fill(text, {"topic": value})


@BATCHES
@given(st.lists(st.lists(WORDS | SIGNS, min_size=1).map("".join).filter(str.strip), min_size=20))
def test_hostile_prompts_come_out_formatted(tmp_path_factory, texts):
    steps = (
        ask(text, name=f"n{n}", model='m"x', template=n % 2 == 0 or None)
        for n, text in enumerate(texts)
    )
    flow = Flow(*steps)
    folder = tmp_path_factory.mktemp("formatted")
    for form in ("graph", "functional"):
        file = export(flow, f"langgraph-python-{form}").save(folder / f"{form}.py")
        assert ruff_diff(file) == ""


@BATCHES
@given(st.lists(PARTS, min_size=40, max_size=40))
def test_typescript_literals_mean_the_text(node_folder, many):
    rows = [
        f"[{ts_text(parts)}, {' + '.join(pieces(parts, ts_text, 30)) or ts_string('')}]"
        for parts in many
    ]
    lines = [
        'const x = "<X>";',
        "const d = { x };",
        f"console.log(JSON.stringify([{', '.join(rows)}]));",
    ]
    (node_folder / "literals.ts").write_text("\n".join(lines), encoding="utf-8")
    found = json.loads(tsx(node_folder, "literals.ts"))
    assert found == [[meant(parts), meant(parts)] for parts in many]


ANSWERS = st.text(
    st.sampled_from("aB éÉßΣςσ.,!?-—'\"  \t\n\u2003Жж1ﬁ½") | st.characters(max_codepoint=0xFF),
    max_size=20,
)


@BATCHES
@given(st.lists(ANSWERS, min_size=100, max_size=100))
def test_typescript_takes_the_same_answers_for_equal(node_folder, answers):
    code = [
        included()["normalised"],
        f"console.log(JSON.stringify([{', '.join(map(ts_string, answers))}].map(normalised)));",
    ]
    (node_folder / "normalised.ts").write_text("\n".join(code), encoding="utf-8")
    found = json.loads(tsx(node_folder, "normalised.ts"))
    assert found == [normalised(answer) for answer in answers]
