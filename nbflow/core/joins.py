"""Joins: which nodes of the topology wait for which, and what they get from them.

Every node counts the results that it still needs; at zero it is ready. A node that has lost an
input counts how many more it can do without; below zero it is skipped. Knows results and counts;
when a unit has its turn, and what else follows from its end, is the scheduler's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbflow.core.retry import Kept
from nbflow.core.states import State
from nbflow.core.task import Unit
from nbflow.core.topology import Topology
from nbflow.errors import NbflowError

if TYPE_CHECKING:
    from nbflow.core.scheduler import Scheduler


class Joins:
    """The edges of one run.

    Args:
        scheduler: Runs what is ready.
        topology: The nodes and edges.
        values: The values of the inputs that aren't nodes.
        kept: What an earlier run leaves to this one.
    """

    def __init__(
        self, scheduler: Scheduler, topology: Topology, values: Mapping[str, Any], kept: Kept
    ) -> None:
        self._scheduler = scheduler
        self._topology = topology
        self._values = values
        self._results = scheduler.results
        self._live = scheduler.live
        self._needs = dict(topology.needs)
        for name in kept.settled:
            for successor in topology.successors[name]:
                self._needs[successor] -= name in self._results
        self._spare: dict[str, int] = {}
        """How many more inputs a node that has lost one can do without."""
        self._lost: set[str] = set()

    def begin(self) -> None:
        """Those that need nothing are ready."""
        for name, need in self._needs.items():
            if need <= 0 and name in self._live:
                self._scheduler.turns.queue(self._live[name])

    def inputs_of(self, unit: Unit) -> Mapping[str, Any]:
        """What a unit is called with; None for an input that has no result and isn't waited for."""
        if unit.share is not None:
            return unit.share.inputs
        node, inputs = unit.node, {}
        for name in node.inputs:
            if name in self._results:
                inputs[name] = self._results[name]
            elif name in self._values:
                inputs[name] = self._values[name]
            elif name in self._lost and node.passes_failures:
                inputs[name] = self._failure_of(name)
            elif name not in node.optional:
                inputs[name] = None
        return inputs

    def _failure_of(self, name: str) -> Any:
        """What there is in place of a node's result, for a node that takes failures as values."""
        partial = self._scheduler.groups.partial.get(name)
        if partial is not None:
            return partial
        return self._scheduler.errors.get(name) or NbflowError(f"{name} has no result.")

    def done(self, name: str, result: Any) -> None:
        """A node has a result: those that needed only this one more are ready."""
        self._results[name] = result
        for successor in self._topology.successors[name]:
            self._need_one_less(successor)

    def _need_one_less(self, name: str) -> None:
        self._needs[name] -= 1
        if self._needs[name]:
            return
        unit = self._live.get(name)
        if unit is not None and unit.state is State.QUEUED:
            self._scheduler.turns.queue(unit)
        if self._topology.nodes[name].wait is not None:
            self._cancel_unneeded(name)

    def _cancel_unneeded(self, name: str) -> None:
        """Cancel the inputs that a node can do without now, and that nobody else waits for."""
        front = list(self._topology.predecessors[name])
        while front:
            unit = self._live.get(front.pop())
            if unit is None or any(map(self._waits, self._topology.successors[unit.node.name])):
                continue
            self._scheduler.cancel_units([unit], unneeded=True)
            front.extend(self._topology.predecessors[unit.node.name])

    def _waits(self, name: str) -> bool:
        return name in self._live and self._needs[name] > 0

    def lose(self, name: str) -> None:
        """A node has no result: skip those that can no longer get what they need."""
        lost = deque([name])
        while lost:
            last = lost.popleft()
            self._lost.add(last)
            lost.extend(s for s in self._topology.successors[last] if self._skips(s))

    def _skips(self, name: str) -> bool:
        """Count the loss of one of a node's inputs; skip the node if that is one too many."""
        inputs = self._topology.predecessors[name]
        spare = self._spare.get(name, len(inputs) - self._topology.needs[name]) - 1
        self._spare[name] = spare
        unit = self._live.get(name)
        if spare >= 0 or unit is None or unit.state is not State.QUEUED or not self._needs[name]:
            return False
        if unit.node.passes_failures:
            self._need_one_less(name)
            return False
        self._scheduler.skip(unit, [source for source in inputs if source in self._lost])
        return True
