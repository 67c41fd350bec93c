"""What a run would do, in words: the answer to `--dry-run`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from nbflow.core.fanout import Each, Variants
from nbflow.core.run import Run
from nbflow.core.topology import Node, Topology

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
    asked = [node for node in nodes if node.kind == "prompt"]
    total = _sum(tasks.values())
    calls = _sum(tasks[node.name] for node in asked)
    lines = [
        f"{len(nodes)} nodes, {edges} edges, {_shown(calls)} model calls{_to(asked, tasks)}.",
        f"{_shown(total)} tasks at most.",
    ]
    if asked and calls is not None:
        characters = sum(len(node.source) * (tasks[node.name] or 0) for node in asked)
        tokens = round(characters / CHARACTERS_PER_TOKEN)
        lines.append(f"About {tokens} tokens of prompts, and whatever is filled into them.")
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


def _shown(count: int | None) -> str:
    return _UNKNOWN if count is None else str(count)


def _to(asked: list[Node], tasks: Mapping[str, int | None]) -> str:
    """How the calls are shared among the models: `: 6 to smollm2, 3 to openai:x`."""
    known: Counter[str] = Counter()
    unknown = set()
    for node in asked:
        names = _models_of(node)
        count = tasks[node.name]
        for name in names:
            if count is None:
                unknown.add(name)
            else:
                known[name] += count // len(names)
    counts = {name: f"{known[name]}" for name in known if name not in unknown}
    counts |= dict.fromkeys(sorted(unknown), "?")
    return f": {', '.join(f'{count} to {name}' for name, count in counts.items())}" if asked else ""


def _models_of(node: Node) -> list[str]:
    for fan in node.fan_out:
        if isinstance(fan, Variants):
            return list(fan.variants)
    return [node.detail]
