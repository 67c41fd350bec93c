"""What a retry keeps of an ended run: what was done, and what nobody needed.

Knows records and topologies; runs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbflow.core.attempt import Emitter
from nbflow.core.events import Kind
from nbflow.core.fanout import Each
from nbflow.core.record import GroupRecord, Life, RunRecord, TaskRecord
from nbflow.core.states import State
from nbflow.core.task import Unit
from nbflow.core.topology import Node, Topology
from nbflow.errors import NbflowError


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier run of the same nodes leaves to another.

    Args:
        record: Of the earlier run.
        settled: The nodes that don't run again.
        results: What those of them returned that have a result.
        parts: What those tasks returned that needn't run again, by node and number.
        errors: What those of the settled nodes failed with that did.
        lost: The settled nodes that have no result though others may have wanted it.
    """

    record: RunRecord = field(default_factory=RunRecord)
    settled: frozenset[str] = frozenset()
    results: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)
    errors: Mapping[str, BaseException] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    def check_repeatable(self, topology: Topology, values: Mapping[str, Any]) -> None:
        """Refuse to run a node again whose elements can't be had again.

        Raises:
            NbflowError: they came from a generator.
        """
        for node in topology.nodes.values():
            if node.name not in self.settled:
                _check_repeatable(node, values)

    def repeat(self, topology: Topology, emit: Emitter) -> None:
        """Say of every settled node again what the earlier run's record says of it."""
        for name in topology.order:
            if name in self.settled:
                _repeat(self.record, topology.nodes[name], name, emit)


def kept_of(  # noqa: PLR0917 - what an ended run has
    topology: Topology,
    record: RunRecord,
    results: Mapping[str, Any],
    errors: Mapping[str, BaseException],
    parts: Mapping[str, Mapping[int, Any]],
    anew: Collection[str] | None = None,
) -> Kept:
    """What an ended run has that another one of the same nodes needn't do again.

    Args:
        topology: Of the run that is to come.
        record: The ended run's record.
        results: What its nodes returned.
        errors: What they failed with.
        parts: What single tasks of nodes without a result returned, if that may be kept.
        anew: The nodes that run whatever came of them, the rest keeping even their failures; None
            for all that weren't done though somebody needed them. What depends on one that runs
            again runs again too.
    """
    again: set[str] = set()
    for name in topology.order:
        runs = _is_open(record.life(name)) if anew is None else name in anew
        if runs or record.life(name) is None or again.intersection(topology.predecessors[name]):
            again.add(name)
    settled = frozenset(topology.nodes.keys() - again)
    lost = (name for name in topology.order if name in settled and name not in results)
    return Kept(
        record,
        settled,
        {name: result for name, result in results.items() if name in settled},
        {name: parts[name] for name in parts if settled.issuperset(topology.predecessors[name])},
        {name: error for name, error in errors.items() if name in settled},
        tuple(name for name in lost if _is_open(record.life(name))),
    )


def _is_open(life: Life | None) -> bool:
    """Whether somebody may still want a result that isn't there."""
    return life is None or not (life.state is State.DONE or life.unneeded)


def _check_repeatable(node: Node, values: Mapping[str, Any]) -> None:
    for fan_out in node.fan_out:
        for source in fan_out.sources.values() if isinstance(fan_out, Each) else ():
            if isinstance(values.get(source), Iterator | AsyncIterator):
                raise NbflowError(
                    f"{node.name!r} can't be run again: the elements of {source!r} came from a "
                    "generator, which gives them only once. Give the flow a list of them."
                )


def _repeat(record: RunRecord, node: Node, id: str, emit: Emitter) -> None:  # noqa: A002 - its name
    """Say again what a record says of a node's task or group, as reused."""
    life = record.tasks.get(id) or record.groups[id]
    unit = Unit(id, node)
    queued: dict[str, Any] = {} if life.of is None else {"of": life.of}
    started: dict[str, Any] = {"attempt": 1}
    ended: dict[str, Any] = {"text": life.text, "reused": True}
    if isinstance(life, GroupRecord):
        queued |= {"group": life.kind, "label": life.label, "size": life.size}
        started["size"] = life.size
        ended["outcome"] = life.outcome
    elif life.display is not None:
        ended["display"] = life.display
    emit(Kind.QUEUED, unit, queued)
    if life.started is not None:
        emit(Kind.STARTED, unit, started)
    for member in life.members if isinstance(life, GroupRecord) else ():
        _repeat(record, node, member, emit)
    for output in life.outputs if isinstance(life, TaskRecord) else ():
        emit(Kind.OUTPUT, unit, output)
    if life.state is State.DONE:
        emit(Kind.DONE, unit, ended)
    elif life.state is State.CANCELLED:
        emit(Kind.CANCELLED, unit, {"unneeded": True} if life.unneeded else {})
    elif life.state is State.SKIPPED:
        emit(Kind.SKIPPED, unit, {"because": list(record.because(life.node))})
    elif life.error is not None:
        error = life.error
        data = {"type": error.type, "message": error.message, "traceback": error.traceback}
        emit(Kind.FAILED, unit, data)
