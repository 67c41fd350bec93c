from __future__ import annotations

import ast
import functools
import inspect
import traceback
from typing import Any

import pytest

from nbflow.errors import CellError
from nbflow.writing.cell import Bound, parse


def bind(body: str, line: str = "", **variables: Any) -> Bound:
    return parse(line, body).bind(dict(variables))


async def results(bound: Bound) -> dict[str, Any]:
    run = bound.flow.prepare(bound.inputs, hidden=bound.hidden).start()
    return (await run).results


@pytest.mark.parametrize(
    "first", ["import os", "from os import path", "# why\n\n# so", "@node(retries=1)", ""]
)
def test_what_a_python_cell_may_begin_with(first):
    assert parse("", f"{first}\nasync def joke(): return 1").form == "python"


@pytest.mark.parametrize("body", ["define: a word", "default: x", "importance: y"])
def test_what_only_looks_like_python(body):
    assert parse("", body).form != "python"


async def test_each_function_is_a_node_and_its_parameters_are_its_inputs():
    body = """\
def joke(topic): "A joke about {topic}"
async def facts(topic): return topic.upper()
def letters(topic):
    yield from topic
def both(joke, facts, letters, *, end="!"): return f"{joke}, {facts}, {letters}{end}"
"""
    assert await results(bind(body, "topic=cats")) == {
        "joke": "A joke about cats",
        "facts": "CATS",
        "letters": "cats",
        "both": "A joke about cats, CATS, cats!",
    }


async def test_a_coroutine_function_that_is_only_a_string_is_a_prompt_too():
    bound = bind('async def joke(topic): "About {topic}"', "topic=cats")
    assert await results(bound) == {"joke": "About cats"}


async def test_a_docstring_above_code_is_no_prompt():
    assert await results(bind('def note():\n    """Do nothing."""\n    pass')) == {"note": None}


async def test_a_default_stands_nearer_than_a_variable_and_farther_than_a_value():
    body = "def a(n=1): return n\ndef b(n): return n"
    assert await results(bind("def a(n=1): return n", n=2)) == {"a": 1}
    assert await results(bind("def a(n=1): return n", "n=3", n=2)) == {"a": "3"}
    assert await results(bind(body, n=2)) == {"a": 1, "b": 2}


async def test_a_parameter_takes_any_object():
    assert await results(bind("def a(make): return make(3)", make=range)) == {"a": range(3)}


def test_functions_stay_defined_in_the_notebook_and_node_does_not():
    namespace: dict[str, Any] = {}
    parse("", "@node(retries=2)\ndef a(x=1): return x").bind(namespace)
    assert namespace["a"]() == 1
    assert "node" not in namespace


def test_a_notebook_that_has_its_own_node_keeps_it():
    def own(**words):
        return lambda function: function

    namespace = {"node": own}
    parse("", "@node(anything=2)\ndef a(): return 1").bind(namespace)
    assert namespace["node"] is own


def test_a_node_may_be_called_node():
    namespace: dict[str, Any] = {}
    parse("", "def node(): return 1").bind(namespace)
    assert namespace["node"]() == 1


def test_other_statements_are_code_to_be_run_first():
    cell = parse("", "import math\nx = await thing()\ndef a(x): return math.floor(x)\ny = 2")
    assert cell.statements is not None
    assert cell.statements.co_flags & inspect.CO_COROUTINE
    assert parse("", "def a(): return 1").statements is None


def test_plain_statements_are_plain_code():
    cell = parse("", "import math\nclass Thing: pass\ndef a(): return Thing")
    namespace: dict[str, Any] = {}
    exec(cell.statements, namespace)
    assert {"math", "Thing"} <= set(namespace)
    assert "a" not in namespace


def test_futures_hold_for_the_whole_cell():
    body = "from __future__ import annotations\ndef a(x: Nonsense = 1): return x"
    assert bind(body).flow.steps[0].optional == ()


def test_the_source_of_a_node_is_its_text_with_decorators():
    body = "import os\n@node(retries=1)\ndef a(x):\n    # why\n    return x\ny = 1"
    (step,) = bind(body, x=1).flow.steps
    assert step.source == "@node(retries=1)\ndef a(x):\n    # why\n    return x"


def test_a_traceback_shows_the_line_of_the_cell():
    namespace: dict[str, Any] = {}
    parse("topic=1", "\n# first\ndef a(topic):\n    return 1 / 0  # here").bind(namespace)
    with pytest.raises(ZeroDivisionError) as caught:
        namespace["a"](1)
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert frame.filename.startswith("<fanout cell ")
    assert (frame.lineno, frame.line) == (5, "return 1 / 0  # here")
    assert inspect.getsource(namespace["a"]).startswith("def a(topic):")


def test_the_shells_own_syntax_is_python_once_it_is_transformed():
    def transform(text: str) -> str:
        lines = text.lstrip("\n").split("\n")
        joined = "\n".join(lines).replace("!ls \\\n  -l", "shell('ls -l')")
        ast.parse(joined)
        return joined

    body = "\n\nimport os\n!ls \\\n  -l\ndef a(topc): return topc"
    with pytest.raises(CellError) as caught:
        parse("", body, transform=transform).bind({"topic": 1})
    assert (caught.value.line, caught.value.column, caught.value.text) == (7, 7, "topc")


def test_valid_python_is_not_transformed():
    assert parse("", "def a(): return 1", transform=lambda text: 1 / 0).form == "python"


@pytest.mark.parametrize(
    ("body", "line", "text", "says"),
    [
        ("def a(:\n    pass", 2, ":", "Python can't read this"),
        ("def a():\n    return (1,\n", 3, "(1,", "never closed"),
        ("def é(): 'ü' +", 2, "", "Python can't read this"),
        ("def a():\nreturn 1", 3, "return", "indented block"),
        ("def a(): return 1\nreturn 5", 3, "return 5", "outside function"),
        ("def a(x, x): return 1", 2, "x", "duplicate argument"),
        ("import os", 2, "import os", "at least one function"),
        ("def a(*args): return 1", 2, "args", "plain parameter"),
        ("def a(*, é, **more): return 1", 2, "more", "plain parameter"),
        ("def a(x, /): return 1", 2, "x", "plain parameter"),
        ("def a(topc): return 1", 2, "topc", "'topic'"),
        ("def a(topc: int): return 1", 2, "topc", "'topic'"),
        ("def a(topic): 'é {topc}'", 2, "{topc}", "'topic'"),
        ('def a(topic):\n    """\n    é {topic} {topc}\n    """', 4, "{topc}", "'topic'"),
        ("def a(): return 1\ndef b(): 'x {a}'", 3, "{a}", "def b(a)"),
        ("def a(topic): f'x {topic}'", 2, "f'x {topic}'", "without the f"),
        ("def a(): '  '", 2, "a", "empty"),
        ("def a(b): return 1\nasync def b(a): return 2", 3, "a", "circle"),
        ("def a(a): return 1", 2, "a", "reads itself"),
        ("def a(): return 1\n\nasync def a(): return 2", 4, "a", "line 2"),
        ("@node\ndef a(): return 1", 2, "node", "@node(timeout=5)"),
        ("@node(\n  retry=2)\ndef a(): return 1", 3, "retry=2", "'retries'"),
        ("@node(seed=1, timeout='x')\ndef a(): 'x'", 2, "timeout='x'", "takes a number"),
        ("@node(template=True)\ndef a(): return 'x'", 3, "a", "template"),
        ("@node(votes=0)\ndef a(): 'x'", 2, "votes=0", "whole number"),
        ("@node(seed=5)\ndef a(): return 1", 2, "seed=5", "of no use"),
        ("@nod(seed=5)\ndef a(): return 1", 2, "@nod(seed=5)", "'node'"),
        ("def a(x=1/0): return 1", 2, "def a", "ZeroDivisionError"),
        ("@str\ndef a(): return 1", 2, "str", "no function"),
        ("@vote(0)\ndef a(): 'x'", 2, "vote(0)", "whole number"),
        ("@vote\ndef a(): 'x'", 2, "vote", "@vote(5)"),
        ("@each(doc='docs')\ndef a(doc): 'x {doc}'", 2, "'docs'", "unknown name 'docs'"),
        ("@each(dc='docs')\ndef a(doc): 'x {doc}'", 3, "a", "'doc'"),
        ("import functools\n@lru\ndef a(): 'x'", 3, "lru", "no prompt any more"),
        ("def a(x): 'about {x}'", 2, "x", "a function here"),
        ("def a(): 'x\x00'", 2, "def a", "null byte"),
    ],
)
def test_a_mistake_in_python_is_an_error_where_it_stands(mistake, body, line, text, says):
    error = mistake(body, topic="cats", x=len, lru=functools.cache)
    assert error.line == line
    assert error.text.startswith(text)
    assert says in error.problem


def test_own_decorators_named_like_later_ones_are_left_alone():
    def vote(count):
        return lambda function: function

    assert bind("@vote(5)\ndef a(): return 1", vote=vote).flow.steps[0].name == "a"


def test_nothing_of_a_cell_with_a_mistake_is_run():
    ran: list[int] = []
    with pytest.raises(CellError):
        parse("", "import os\nran.append(1)\ndef a(b): return 1\ndef b(a): return 1")
    assert ran == []
