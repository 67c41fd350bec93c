"""Exported Python, run on the real LangGraph and compared with nbflow's own run."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import re as regex
import subprocess
import sys
from math import floor as down
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nbflow import Flow, ask, each, node, vote
from nbflow.export import export
from nbflow.export.names import state_keys
from nbflow.writing.cell import parse

from . import flows
from .flows import CASES, call_model, expected, forms

pytest.importorskip("langgraph", reason="the real langgraph isn't installed: extra [langgraph]")


def loaded(source: str) -> ModuleType:
    module = ModuleType("exported")
    code = compile(source, "exported.py", "exec", dont_inherit=True)
    exec(code, module.__dict__)
    return module


async def ran(flow: Flow, target: str, runs: str, inputs: dict[str, Any]) -> dict[str, Any]:
    module = loaded(export(flow, target))
    module.call_model = call_model
    found: dict[str, Any] = await getattr(module, runs).ainvoke(inputs)
    return found


@pytest.mark.parametrize(("name", "target", "runs"), forms("python"))
async def test_an_exported_program_returns_what_the_flow_does(name, target, runs):
    case = CASES[name]
    found = await ran(case.flow, target, runs, case.inputs)
    wanted = await expected(case)
    keys = state_keys([*case.inputs, *wanted])
    assert {one: found[keys[one]] for one in wanted} == wanted


@pytest.mark.parametrize(("name", "target", "runs"), forms("python"))
def test_exported_python_is_formatted(name, target, runs, tmp_path):
    file = export(CASES[name].flow, target).save(tmp_path / "program.py")
    assert ruff_diff(file) == ""


def ruff_diff(*files: Path) -> str:
    """What ruff would change."""
    pytest.importorskip("ruff", reason="ruff isn't installed: extra [dev]")
    words = ["format", "--diff", "--isolated", "--line-length=100", "--target-version=py311"]
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


@pytest.mark.parametrize("form", ["graph", "functional"])
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
    module = loaded(export(flow, f"langgraph-python-{form}"))
    module.call_model = flaky
    module.asyncio = _Hurried()
    found = await getattr(module, _runs(form)).ainvoke({"xs": ["p", "q"]})
    assert (found["a"], found["b"], len(calls)) == ("one", ["p", "q"], 6)


class _Hurried:
    """asyncio, but that its sleeps take no time."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        return None


@pytest.mark.parametrize("form", ["graph", "functional"])
async def test_a_timeout_is_kept(form):
    async def stuck(prompt: str, model: Any, settings: Any) -> str:
        await asyncio.Event().wait()
        return ""

    for flow in (
        Flow(ask("one", name="a", timeout=0.01)),
        Flow(vote(2)(ask("one", name="a", timeout=0.01))),
    ):
        module = loaded(export(flow, f"langgraph-python-{form}"))
        module.call_model = stuck
        with pytest.raises(Exception, match=r"(?i)timed? ?out|every sample failed"):
            await getattr(module, _runs(form)).ainvoke({})


def _runs(form: str) -> str:
    return "graph" if form == "graph" else "workflow"


@pytest.mark.parametrize("form", ["graph", "functional"])
async def test_a_sample_that_fails_has_no_voice(form):
    async def sometimes(prompt: str, model: Any, settings: dict[str, Any]) -> str:
        if settings["seed"] % 2:
            raise ValueError("odd")
        return f"even {settings['seed'] // 4}"

    flow = Flow(vote(5)(ask("one", name="a", seed=2)))
    module = loaded(export(flow, f"langgraph-python-{form}"))
    module.call_model = sometimes
    assert (await getattr(module, _runs(form)).ainvoke({}))["a"] == "even 1"


@pytest.mark.parametrize("form", ["graph", "functional"])
async def test_what_should_agree_and_does_not_fails(form):
    async def own(prompt: str, model: Any, settings: dict[str, Any]) -> str:
        return str(settings["seed"])

    flow = Flow(vote(4, min_agreement=0.5)(ask("one", name="a", seed=2)))
    module = loaded(export(flow, f"langgraph-python-{form}"))
    module.call_model = own
    with pytest.raises(ValueError, match="no answer has 2 samples"):
        await getattr(module, _runs(form)).ainvoke({})


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

    found = await ran(Flow(used), "langgraph-python", "graph", {"topic": "cat"})
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


async def test_decorators_of_others_stay_and_nbflows_go():
    @vote(1)
    @node(timeout=5)
    @functools.lru_cache
    def cached(topic):
        return topic * 2

    source = export(Flow(cached), "langgraph-python")
    assert "@functools.lru_cache" in source
    assert "@vote" not in source
    assert (await ran(Flow(cached), "langgraph-python", "graph", {"topic": "x"}))["cached"] == "xx"


@pytest.mark.parametrize("form", ["graph", "functional"])
async def test_generators_give_their_text_or_their_list(form):
    def letters(topic):
        yield from topic

    async def numbers(topic):
        for sign in topic:
            yield ord(sign)

    found = await ran(
        Flow(letters, numbers), f"langgraph-python-{form}", _runs(form), {"topic": "ab"}
    )
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
    found = await ran(flow, "langgraph-python-functional", "workflow", {"x": 4, "ns": [1, 2]})
    assert (found["root"], found["twice"]) == (4.0, [4.0, 8.0])
