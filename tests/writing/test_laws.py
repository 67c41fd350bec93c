"""What holds for every cell, also for one that a cat wrote by walking over the keyboard."""

from __future__ import annotations

import re
import warnings

from hypothesis import example, given
from hypothesis import strategies as st

from nbflow.errors import CellError
from nbflow.models import Message, Model
from nbflow.writing.cell import Cell, parse
from nbflow.writing.cell_text import escaped
from nbflow.writing.completion import complete
from nbflow.writing.place import Place, words
from nbflow.writing.prompt import fill, placeholders


class Mute(Model):
    name = "mute"

    async def generate(self, prompt, settings):
        yield Message("")


PIECES = [
    "[joke]", "[my joke]", "[1st]", "[ ]", "[x](y)", "[joke", "joke]", "joke:", "poem: a",
    "{topic}", "{joke}", "{poem}", "{{x}}", "{", "}", "\\[joke]", "\\[ x \\]", "retries=2",
    "retries", "=", "template", "model=smollm2", "model=mute", "votes=5", "for x in y", "wait=any",
    "temperature=hot", "'", '"', '"a b"', "def joke(topic):", "def poem(joke): '{joke}'",
    "async def facts(): 'x'", "@node(retries=1)", "@node", "@vote(3)", "import os",
    "from x import y", "    'About {topic}'", "    return 1", "lambda", "%time 1", "!ls",
    "# a comment", "-j", "4", "-m", "mute", "-o", "run", "--on-error", "stop", "--bg",
    "--timeout=5", "--reuse", "--dry-run", "topic=cats", "é", "日本", "²", "\t", " ", "\u2028",
    "\x0c", "\x00", "(", ")", ",", "\\", "f'{topic}'", "*args", "/",
]  # fmt: skip

texts = st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map(" ".join))
lines = texts.map(lambda text: " ".join(text.split()))
bodies = st.lists(texts).map("\n".join)
names = st.from_regex(r"[a-zé_][a-z0-9_]{0,5}", fullmatch=True)

NAMESPACE = {"mute": Mute(), "topics": ["a"], "_secret": "x", "os": warnings}


def bound(line: str, body: str) -> CellError | Cell:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # Python's own, as in any cell
        try:
            cell = parse(line, body)
            if cell.form != "python":  # it would run what was generated
                cell.bind(dict(NAMESPACE))
        except CellError as error:
            return error
    return cell


@given(lines, bodies)
@example("", "def a():\n\tif x:\n        y")
@example("", "def a(): 'é' + (")
@example("", "@é(\ndef a(): 1")
@example("", "def a(\x00): 1")
@example("", "def \ud800(): 1")
@example("", "def a(): '\ud800'")
@example("", "from __future__ import nothing\ndef a(): 1")
@example("", "def a(): 1\n\x0cdef a(): 2")
@example("", "def a(b, b): 1")
@example("", "import a\n" + "(" * 300)
@example("", "def a(): 1\n" + "-" * 5000 + "1")
def test_any_text_is_a_cell_or_one_error_that_points_at_the_text_it_quotes(line, body):
    came = bound(line, body)
    if isinstance(came, CellError):
        cell = [f"%%fanout {line}", *body.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
        assert cell[came.line - 1][came.column - 1 :].startswith(came.text)
        assert "\n" not in came.problem or "\n" in came.text


@given(lines.map(lambda line: re.sub(r"[\"']", "", line) + " --help"), bodies)
def test_help_never_fails_on_the_body(line, body):
    assert parse(line, body).line.help


@given(
    st.dictionaries(
        names,
        st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n")))
        .map("\n".join)
        .filter(lambda prompt: prompt.strip()),
        min_size=1,
    )
)
def test_sections_come_back_as_they_were_written(prompts):
    written = [f"[{name}]\n{escaped(prompt)}" for name, prompt in prompts.items()]
    cell = bound("", "\n".join(written))
    if isinstance(cell, CellError):
        assert any(
            word in cell.problem for word in ("unknown name", "circle", "itself", "here, not")
        )
        return
    for draft in cell.drafts:
        assert draft.prompt == prompts[draft.name].replace("\r\n", "\n").replace("\r", "\n")


@given(st.dictionaries(names, st.text()), st.text())
def test_a_value_is_filled_in_once_and_never_read_again(values, text):
    prompt = "".join(f"{{{name}}}|" for name in values)
    assert fill(prompt, values) == "".join(f"{value}|" for value in values.values())
    holes = {hole.name for hole in placeholders(text)}
    assert fill(text, dict.fromkeys(holes, "")) == fill(text, dict.fromkeys(holes, ""))


@given(st.text())
def test_each_placeholder_stands_where_it_is_said_to(text):
    for hole in placeholders(text):
        assert text[hole.offset :].startswith(f"{{{hole.name}}}")
        assert hole.name.isidentifier()


@given(names, st.text(st.characters(blacklist_characters="\r\n")))
def test_any_value_can_be_written_in_quotes(name, value):
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    (word,) = words(Place(1, 1, f'{name}="{quoted}"'))
    assert (word.key, word.value) == (name, value)


@given(lines, bodies, st.integers(0, 400), st.lists(names))
def test_completion_never_fails_and_only_adds_to_what_was_typed(line, body, cursor, variables):
    cell = f"%%fanout {line}\n{body}"
    cursor = min(cursor, len(cell))
    found, start = complete(cell, cursor, variables)
    assert 0 <= start <= cursor
    assert all(text.startswith(cell[start:cursor]) for text in found)
