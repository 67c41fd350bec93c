"""Exported Python, run on the real LangGraph and compared with nbflow's own run."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import re as regex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from math import floor as down
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nbflow import Flow, ask, best, each, node, vote
from nbflow.errors import FlowError
from nbflow.export import export
from nbflow.export.names import state_keys
from nbflow.writing.cell import parse

from . import flows
from .flows import CASES, FORMS, RUNS, call_model, expected


def loaded(source: str) -> ModuleType:
    module = ModuleType("exported")
    code = compile(source, "exported.py", "exec", dont_inherit=True)
    exec(code, module.__dict__)
    return module


async def ran(
    flow: Flow, form: str, inputs: dict[str, Any], model: Any = call_model, **names: Any
) -> dict[str, Any]:
    """What an exported program returns that asks a model, and has other names set from outside."""
    module = loaded(export(flow, f"langgraph-python-{form}"))
    vars(module).update(names, call_model=model)
    found: dict[str, Any] = await getattr(module, RUNS[form]).ainvoke(inputs)
    return found


@pytest.fixture(params=RUNS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(("name", "form"), FORMS)
async def test_an_exported_program_returns_what_the_flow_does(name, form):
    case = CASES[name]
    found = await ran(case.flow, form, case.inputs)
    wanted = await expected(case)
    keys = state_keys([*case.inputs, *wanted])
    assert {one: found[keys[one]] for one in wanted} == wanted


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_exported_python_is_formatted(name, form, tmp_path):
    file = export(CASES[name].flow, f"langgraph-python-{form}").save(tmp_path / "program.py")
    assert ruff_diff(file) == ""


def ruff_diff(*files: Path) -> str:
    """What ruff would change, with the width of line that it and black have by themselves."""
    pytest.importorskip("ruff", reason="ruff isn't installed: extra [dev]")
    words = ["format", "--diff", "--isolated", "--target-version=py311"]
    command = [sys.executable, "-m", "ruff", *words, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


async def test_both_forms_stream_the_nodes_as_they_end():
    module = loaded(export(CASES["cats"].flow, "langgraph-python"))
    module.call_model = call_model
    nodes = [name async for part in module.graph.astream({"topic": "cats"}) for name in part]
    assert (sorted(nodes[:3]), nodes[3:]) == (
        ["ask_joke", "ask_poem", "ask_story"],
        ["fill_combined"],
    )


async def test_retries_are_kept(form):
    calls: list[str] = []

    async def flaky(prompt: str, model: Any, settings: Any) -> str:
        calls.append(prompt)
        if calls.count(prompt) == 1:
            raise ValueError("once")
        return prompt

    flow = Flow(
        ask("one", name="a", retries=1), each(x="xs")(ask("{x}", name="b", retries=1))
    ).options(model=flows.StandIn("m"))
    found = await ran(flow, form, {"xs": ["p", "q"]}, flaky, asyncio=_Hurried())
    assert (found["a"], found["b"], len(calls)) == ("one", ["p", "q"], 6)


class _Hurried:
    """asyncio, but that its sleeps take no time."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        return None


async def test_a_timeout_is_kept(form):
    async def stuck(prompt: str, model: Any, settings: Any) -> str:
        await asyncio.Event().wait()
        return ""

    for flow in (
        Flow(ask("one", name="a", timeout=0.01)),
        Flow(vote(2)(ask("one", name="a", timeout=0.01))),
    ):
        with pytest.raises(Exception, match=r"(?i)timed? ?out|every sample failed"):
            await ran(flow, form, {}, stuck)


async def test_a_sample_that_fails_has_no_voice(form):
    async def sometimes(prompt: str, model: Any, settings: dict[str, Any]) -> str:
        if settings["seed"] % 2:
            raise ValueError("odd")
        return f"even {settings['seed'] // 4}"

    flow = Flow(vote(5)(ask("one", name="a", seed=2)))
    assert (await ran(flow, form, {}, sometimes))["a"] == "even 1"


async def test_what_should_agree_and_does_not_fails(form):
    async def own(prompt: str, model: Any, settings: dict[str, Any]) -> str:
        return str(settings["seed"])

    flow = Flow(vote(4, min_agreement=0.5)(ask("one", name="a", seed=2)))
    with pytest.raises(ValueError, match="no answer has 2 samples"):
        await ran(flow, form, {}, own)


def test_a_program_runs_from_the_command_line(tmp_path):
    flow = Flow(ask("About {topic}", name="a", template=True))
    file = export(flow, "langgraph-python").save(tmp_path / "program.py")
    made = subprocess.run(
        [sys.executable, str(file), '{"topic": "cats"}'], capture_output=True, text=True, check=True
    )
    assert json.loads(made.stdout)["a"] == "About cats"


async def test_a_function_brings_what_it_uses():
    words = {"a": [1, 2]}

    def helper(text):
        return regex.sub("a", "b", text)

    def used(topic, times=LIMIT):
        return [helper(topic) * times, math.sqrt(4), down(2.5), words["a"], MARK_AT_TOP]

    found = await ran(Flow(used), "graph", {"topic": "cat"})
    assert found["used"] == ["cbt" * 3, 2.0, 2, [1, 2], "!"]


LIMIT = 3
MARK_AT_TOP = "!"
API_KEY = "sk-12345"


def test_a_secret_is_read_from_the_environment_and_never_written():
    def asks(topic):
        return topic + API_KEY

    source = export(Flow(asks), "langgraph-python")
    assert "sk-12345" not in source
    assert 'API_KEY = os.environ["API_KEY"]' in source


@pytest.mark.parametrize(
    "api_keys", [b"sk-12345", ["sk-12345"], {"a": "sk-12345"}, {"a": [{"token": "sk-12345"}]}]
)
def test_a_secret_that_is_no_text_is_refused(api_keys):
    def asks(topic):
        return topic, api_keys

    with pytest.raises(FlowError, match="'asks' can't be exported.*'api_keys'"):
        export(Flow(asks), "langgraph-python")


async def test_functions_may_be_named_as_something_within_the_program(form):
    def state(topic):
        return f"state of {topic}"

    def answer(state):
        return f"answer to {state}"

    def rest(answer, other=""):
        return f"rest of {answer}{other}"

    def score(text):
        return -len(text)

    def prompt(text):
        return text[:1]

    rated = best(2, score=score)(ask("a {topic}", name="rated", seed=1))
    agreed = vote(2, key=prompt)(ask("b {topic}", name="agreed", seed=1))
    flow = Flow(state, vote(3)(answer), rest, rated, agreed).options(model=flows.StandIn("m"))
    wanted = (await flow.arun(topic="cats")).results
    found = await ran(flow, form, {"topic": "cats"})
    assert {name: found[name] for name in wanted} == wanted


async def test_nodes_may_be_named_as_something_within_the_program(form):
    names = ["found", *(f"a_name_that_is_rather_long_{n}" for n in range(4))]
    flow = Flow(*(ask(name, name=name, template=True) for name in names))
    assert await ran(flow, form, {}) == {name: name for name in names}


async def test_decorators_of_others_stay_and_nbflows_go():
    @vote(1)
    @node(timeout=5)
    @functools.lru_cache
    def cached(topic):
        return topic * 2

    source = export(Flow(cached), "langgraph-python")
    assert "@functools.lru_cache" in source
    assert "@vote" not in source
    assert (await ran(Flow(cached), "graph", {"topic": "x"}))["cached"] == "xx"


async def test_generators_give_their_text_or_their_list(form):
    def letters(topic):
        yield from topic

    async def numbers(topic):
        for sign in topic:
            yield ord(sign)

    found = await ran(Flow(letters, numbers), form, {"topic": "ab"})
    assert (found["letters"], found["numbers"]) == ("ab", [97, 98])


async def test_functions_of_a_cell_are_exported():
    body = (
        "import math\nLIMIT = 2\ndef root(x): return math.sqrt(x) * LIMIT\n"
        "@each(n='ns')\n@node(retries=1)\ndef twice(n, root):\n    return n * root\n"
    )
    namespace: dict[str, Any] = {"ns": [1, 2]}
    cell = parse("x=4", body)
    exec(cell.statements, namespace)
    flow = cell.bind(namespace).flow
    found = await ran(flow, "functional", {"x": 4, "ns": [1, 2]})
    assert (found["root"], found["twice"]) == (4.0, [4.0, 8.0])


async def test_a_long_string_in_a_function_keeps_its_lines(form):
    def letter(topic):
        """A docstring that is
        on two lines.
        """
        return f"""
        Dear {topic},
            as ever
        """

    wanted = (await Flow(letter).arun(topic="cats")).results
    assert (await ran(Flow(letter), form, {"topic": "cats"}))["letter"] == wanted["letter"]
    source = export(Flow(letter), f"langgraph-python-{form}")
    assert '    on two lines.\n    """\n' in source


async def test_nodes_and_inputs_may_be_named_as_what_langgraph_gives_a_task(form):
    names = ["config", "runtime", "store", "writer", "previous"]
    last = ask("".join(f"{{{name}}}" for name in names), name="last", template=True)
    flow = Flow(*(ask(f"{name} {{writer}}", name=name, template=True) for name in names[:3]), last)
    wanted = (await flow.arun(writer="w", previous="p")).results
    found = await ran(flow, form, {"writer": "w", "previous": "p"})
    assert {name: found[name] for name in wanted} == wanted


async def test_a_model_with_a_label_is_asked_by_its_own_name(form):
    several = {"small": flows.StandIn("a"), "large": "openai:b"}
    found = await ran(Flow(ask("one", name="a", model=several)), form, {})
    assert found["a"] == {"small": "[a -] one", "large": "[openai:b -] one"}


async def test_a_method_of_a_type_may_be_a_key(form):
    flow = Flow(vote(3, key=str.lower)(ask("one?", name="a", seed=1)))
    assert "str.lower(answer)" in export(flow, f"langgraph-python-{form}")
    wanted = (await flow.options(model=flows.StandIn("m")).arun()).results
    assert await ran(flow.options(model=flows.StandIn("m")), form, {}) == wanted


async def test_functions_may_be_named_as_something_that_the_program_has_no_need_of(form):
    def elements(topic, a="a", b="b"):
        return [topic, a, b]

    def attempts(elements):
        return len(elements)

    found = await ran(Flow(elements, attempts), form, {"topic": "x", "b": "y"})
    assert (found["elements"], found["attempts"]) == (["x", "a", "y"], 3)


async def test_what_a_function_imports_may_be_what_the_program_imports_too(form):
    def typed(topic: Iterable[Any]) -> Mapping[str, Any]:
        return {"topic": topic}

    flow = Flow(typed, ask("{typed}", name="a", template=True))
    assert (await ran(flow, form, {"topic": "x"}))["a"] == "topic:\nx"


def test_what_is_copied_is_laid_out_too(form, tmp_path):
    def used(topic, first="1", second="2"):
        return [topic, PROMPT, TABLE]

    file = export(Flow(used), f"langgraph-python-{form}").save(tmp_path / "program.py")
    assert ruff_diff(file) == ""
    module = loaded(file.read_text())
    assert (module.PROMPT, module.TABLE) == (PROMPT, TABLE)


PROMPT = "Say \"yes\", or\nsay 'no'.\n" * 4
TABLE = {"a long name": ["a long text", "and another that is long too", ("x",)], "b": {2, 1}, 3: ()}


def test_the_state_is_a_class_whatever_its_keys_are_called():
    flow = Flow(ask("{größe}", name="all", template=True), ask("{all}", name="len", template=True))
    source = export(flow, "langgraph-python-graph")
    assert "class State(TypedDict, total=False):" in source
    assert "    größe: Any\n    all: str\n    len: str\n" in source
