"""What a run would do, in words: the answer to `--dry-run`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from nbflow.core.fanout import Best, Each, Variants
from nbflow.core.run import Run
from nbflow.core.topology import Node, Topology
from nbflow.views.words import counted
from nbflow.writing.asking import Scoring

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English text, good enough for an estimate."""

_UNKNOWN = "? (not known before it runs)"


def plan_text(run: Run, inputs: Mapping[str, Any]) -> str:
    """Nodes, edges, calls, tasks and an estimate of the tokens sent, of a run not yet started.

    Args:
        run: The run.
        inputs: What it was given. Nothing of it is drawn, only asked for its length.
    """
    nodes = run.topology.nodes.values()
    edges = sum(len(sources) for sources in run.topology.predecessors.values())
    tasks = tasks_by_node(run.topology, inputs)
    prompts = [prompt for node in nodes for prompt in _prompts_of(node, tasks[node.name])]
    total = _sum(tasks.values())
    calls = _sum(prompt.calls for prompt in prompts)
    flow = f"{counted(len(nodes), 'node')}, {counted(edges, 'edge')}"
    lines = [
        f"{flow}, {_counted(calls, 'model call')}{_to(prompts)}.",
        f"{_counted(total, 'task')} at most.",
    ]
    if prompts and calls is not None:
        characters = sum(len(prompt.text) * (prompt.calls or 0) for prompt in prompts)
        tokens = round(characters / CHARACTERS_PER_TOKEN)
        lines.append(
            f"About {counted(tokens, 'token')} of prompts, and whatever is filled into them."
        )
    lines.append("Dry run: nothing was called.")
    return "\n".join(lines)


def tasks_by_node(topology: Topology, inputs: Mapping[str, Any]) -> dict[str, int | None]:
    """How many tasks each node would have at most; None if that isn't known before it runs.

    Example:
        >>> from nbflow import Flow, each, vote
        >>> @vote(3)
        ... @each(doc="docs")
        ... def verdict(doc): return doc
        >>> tasks_by_node(Flow(verdict).topology, {"docs": ["a", "b"]})
        {'verdict': 6}
        >>> tasks_by_node(Flow(verdict).topology, {"docs": iter("ab")})
        {'verdict': None}
    """
    known = dict(inputs)
    tasks: dict[str, int | None] = {}
    for name in topology.order:
        if name not in topology.nodes:
            continue
        fans = topology.nodes[name].fan_out
        sizes = [fan.size(known) for fan in fans]
        tasks[name] = _product(sizes)
        if fans and isinstance(fans[0], Each) and sizes[0] is not None:
            known[name] = range(sizes[0])  # its result is a list as long
    return tasks


def _product(sizes: list[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None


def _sum(counts: Any) -> int | None:
    listed = list(counts)
    return None if None in listed else sum(listed)


def _counted(count: int | None, noun: str) -> str:
    return f"{_UNKNOWN} {noun}s" if count is None else counted(count, noun)


class _Prompt(NamedTuple):
    """A text that is sent so often, evenly to each of the models; None if that isn't known yet."""

    text: str
    models: list[str]
    calls: int | None


def _prompts_of(node: Node, tasks: int | None) -> Iterator[_Prompt]:
    """What a node's tasks send: their own prompt, and the one that scores what came of it."""
    if node.kind == "prompt":
        yield _Prompt(node.source, _models_of(node), tasks)
    for fan in node.fan_out:
        if isinstance(fan, Best) and isinstance(fan.score, Scoring):
            yield _Prompt(fan.score.step.source, [fan.score.asked.name], tasks)


def _to(prompts: list[_Prompt]) -> str:
    """How the calls are shared among the models: `: 6 to smollm2, 3 to openai:x`."""
    known: Counter[str] = Counter()
    unknown = set()
    for prompt in prompts:
        for name in prompt.models:
            if prompt.calls is None:
                unknown.add(name)
            else:
                known[name] += prompt.calls // len(prompt.models)
    counts = {name: f"{known[name]}" for name in known if name not in unknown}
    counts |= dict.fromkeys(sorted(unknown), "?")
    shares = ", ".join(f"{count} to {name}" for name, count in counts.items())
    return f": {shares}" if prompts else ""


def _models_of(node: Node) -> list[str]:
    for fan in node.fan_out:
        if isinstance(fan, Variants):
            return list(fan.variants)
    return [node.detail]
