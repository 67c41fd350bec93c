"""A flow from Python functions and prompts, and the four ways to run it.

Compiles what a person wrote into the core's nodes. Knows models; knows nothing of notebooks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from nbflow import blocking
from nbflow.core.events import Sink
from nbflow.core.fanout import FanOut, Variant
from nbflow.core.run import Run
from nbflow.core.scheduler import Describe
from nbflow.core.topology import Mode, Node, Topology
from nbflow.core.values import text_of
from nbflow.errors import FlowError, nearest
from nbflow.models import Model, default_model, model
from nbflow.writing.asking import Scoring, asking, filling, own_answers
from nbflow.writing.fan import fans_of
from nbflow.writing.options import FlowOptions, SideBySide, flow_options
from nbflow.writing.step import Step, ask, node, step_of

if TYPE_CHECKING:
    from nbflow.views.drawn import DrawnGraph

__all__ = ["Flow", "Step", "ask", "node", "step_of"]


_Bound: TypeAlias = Model | dict[str, Model]
"""The model that a prompt is sent to, or several, by name."""


class Flow:
    """Nodes and the edges between them. An input that names a node is an edge from it.

    Args:
        *nodes: Functions, and prompts made by `ask`.
        name: What the views call it.

    Raises:
        FlowError: two nodes of one name, a cycle, or a node that can't be one.

    Example:
        >>> def shout(text): return text.upper()
        >>> def twice(shout): return shout + shout
        >>> Flow(twice, shout).run(text="cat")["twice"]
        'CATCAT'
    """

    renderer: ClassVar[Callable[[Flow], Mapping[str, Any]]]
    """Draws the graph for a notebook; the views bring it."""

    exporter: ClassVar[Callable[[Flow, str], str]]
    """Writes the flow as the source of another program; the export layer brings it."""
    drawer: ClassVar[Callable[[Flow], DrawnGraph]]
    """Makes a graph of it that has a method for each way to be drawn; the views bring it too."""

    def __init__(self, *nodes: Callable[..., Any] | Step, name: str = "") -> None:
        self.steps = tuple(n if isinstance(n, Step) else step_of(_callable(n)) for n in nodes)
        if not self.steps:
            raise FlowError("a flow needs at least one node.")
        self.name = name
        self._options = FlowOptions()
        self._topology = Topology(self._nodes(frozenset()))

    @property
    def topology(self) -> Topology:
        """The nodes and edges."""
        return self._topology

    @property
    def chosen(self) -> FlowOptions:
        """The options that its runs have."""
        return self._options

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names a run must be given."""
        return self._topology.values

    def get_graph(self) -> DrawnGraph:
        """The graph, to be drawn: `draw_mermaid()`, `draw_png()`, `draw_svg()`, `draw_ascii()`.

        Example:
            >>> def shout(text): return text.upper()
            >>> Flow(shout, name="loud").get_graph()
            <DrawnGraph 'loud': 3 nodes, 2 edges>
        """
        return Flow.drawer(self)

    def options(self, **words: Any) -> Flow:
        """The same flow with other options of its run.

        Args:
            **words: `model` (several as a list, `"A,B"` or by name: every prompt is sent to each
                and its result is a dict), `jobs`, `timeout` (s), `retries`, `rate` (`"60/min"`, of
                each model), `on_error` (`finish`, `stop` or `keep`), `seed`.

        Raises:
            FlowError: an option can't be.
        """
        flow = Flow(*self.steps, name=self.name)
        flow._options = flow_options(words, self._options)
        if isinstance(flow._options.model, SideBySide):
            flow._topology = Topology(flow._nodes(frozenset()))
        return flow

    def with_steps(self, steps: Iterable[Step]) -> Flow:
        """A flow of other steps with the options of this one.

        Raises:
            FlowError: two of one name, or a cycle.
        """
        flow = Flow(*steps, name=self.name)
        flow._options = self._options
        if isinstance(flow._options.model, SideBySide):
            flow._topology = Topology(flow._nodes(frozenset()))
        return flow

    def export(self, target: str) -> str:
        """The flow as the source of a LangGraph program that does what the flow does.

        Args:
            target: `langgraph-python-graph`, `langgraph-python-functional`,
                `langgraph-typescript-graph` or `langgraph-typescript-functional`.

        Raises:
            FlowError: there is no such target, or a node does what the target can't.
        """
        return Flow.exporter(self, target)

    def run(self, **inputs: Any) -> Run:
        """Run the flow and return when it has ended; works in a notebook's running loop too.

        Raises:
            FlowError: an input is missing or unknown.
            ModelError: a model can't be had.
            RunError: a branch failed.
            KeyboardInterrupt: it was interrupted; every branch was cancelled first.
        """
        return blocking.run(self.arun(**inputs))

    async def arun(self, **inputs: Any) -> Run:
        """Run the flow and return when it has ended. Cancelling the caller cancels the run.

        Raises:
            FlowError: an input is missing or unknown.
            ModelError: a model can't be had.
            RunError: a branch failed.
        """
        return await self.start(**inputs)

    def start(self, **inputs: Any) -> Run:
        """Start a run on the running event loop and return its handle at once.

        Raises:
            FlowError: an input is missing or unknown.
            ModelError: a model can't be had.
            RuntimeError: no event loop is running.
        """
        return self.prepare(inputs).start()

    def prepare(
        self,
        inputs: Mapping[str, Any],
        *,
        hidden: frozenset[str] = frozenset(),
        sinks: tuple[Sink, ...] = (),
        describe: Describe | None = None,
    ) -> Run:
        """A run that has not been started: everything that can be wrong before it is checked.

        Args:
            inputs: The value of each input, by name.
            hidden: Inputs whose values no view may show.
            sinks: Called with every event of the run.
            describe: What the `done` event says of a Python node's result beside its text.

        Raises:
            FlowError: an input is missing or unknown.
            ModelError: a model can't be had.
        """
        self._check_inputs(inputs)
        bound = {step.name: self._models_of(step) for step in self.steps if step.kind == "prompt"}
        run = Run(
            self._bound_topology(frozenset(inputs), bound),
            inputs,
            self._options.run_options(),
            name=self.name,
            shown_values=shown_values(inputs, hidden),
            sinks=sinks,
            describe=describe,
        )
        run.origin = self
        return run

    def _bound_topology(self, given: frozenset[str], models: Mapping[str, _Bound]) -> Topology:
        if not models and not any(step.optional or step.options.best for step in self.steps):
            return self._topology
        return Topology(self._nodes(given, models))

    def _nodes(
        self, given: frozenset[str], models: Mapping[str, _Bound] | None = None
    ) -> Iterator[Node]:
        """The steps as the core runs them; without models, only their edges are right."""
        there = given | {step.name for step in self.steps}
        varied = self._varied()
        for step in self.steps:
            inputs = (*step.inputs, *(name for name in step.optional if name in there))
            asked = (models or {}).get(step.name)
            one = asked if isinstance(asked, Model) else None
            yield Node(
                name=step.name,
                function=step.function or self._written(step, asked),
                inputs=tuple(dict.fromkeys(inputs)),
                kind=step.kind,
                source=step.source,
                detail=", ".join(asked) if isinstance(asked, dict) else one.name if one else "",
                policy=step.options.policy(),
                mode=Mode.INLINE if step.kind == "template" else None,
                fan_out=self._fans_of(step, asked, varied, bound=models is not None),
                wait=step.options.wait,
                passes_failures=step.options.on_error == "pass",
                optional=frozenset(step.optional).intersection(inputs),
                resource=one.name if one else "",
            )

    def _written(self, step: Step, asked: _Bound | None) -> Callable[..., Any]:
        if isinstance(asked, dict):
            asked = next(iter(asked.values()))
        return filling(step.source) if asked is None else self._asking(step, asked)

    def _asking(self, step: Step, asked: Model, own: Any = None) -> Callable[..., Any]:
        options = step.options
        sampled = options.votes is not None or options.best is not None
        settings = options.settings(self._options)
        return asking(step.source, asked, settings, sampled=sampled, own=own)

    def _fans_of(
        self, step: Step, asked: _Bound | None, varied: frozenset[str], *, bound: bool
    ) -> tuple[FanOut, ...]:
        variants = {}
        if step.name in varied and not isinstance(asked, dict):
            variants = dict.fromkeys(self._spec_of(step), Variant(filling(step.source)))
        elif isinstance(asked, dict):
            self._refuse_models_as_elements(step, varied)
            for label, one in asked.items():
                own = own_answers(label, varied, step.options.each or {})
                variants[label] = Variant(self._asking(step, one, own), one.name)
        score = step.options.score
        if score is None or not bound:
            return fans_of(step.options, variants)
        return fans_of(step.options, variants, self._score(score))

    def _refuse_models_as_elements(self, step: Step, varied: frozenset[str]) -> None:
        for source in (step.options.each or {}).values():
            read = next((one for one in self.steps if one.name == source), None)
            if source in varied and read is not None and not read.options.each:
                raise FlowError(
                    f"{step.name!r} can't go through {source!r}, which has one answer of each "
                    "model and no list; go through a function's list of them instead."
                )

    def _score(self, score: Any) -> Callable[[Any], Any]:
        if not isinstance(score, Step):
            return score  # type: ignore[no-any-return]
        if score.function is not None:
            return score.function
        asked = self._models_of(score)
        first = next(iter(asked.values())) if isinstance(asked, dict) else asked
        return Scoring(score, first, score.options.settings(self._options))

    def _varied(self) -> frozenset[str]:
        """The prompts that several models are asked."""
        several = (
            step.name
            for step in self.steps
            if step.kind == "prompt" and isinstance(self._spec_of(step), SideBySide)
        )
        return frozenset(several)

    def _spec_of(self, step: Step) -> Any:
        return self._options.model if step.options.model is None else step.options.model

    def _models_of(self, step: Step) -> _Bound:
        spec = self._spec_of(step)
        if isinstance(spec, SideBySide):
            return {label: model(one) for label, one in spec.items()}
        return default_model() if spec is None else model(spec)

    def _check_inputs(self, inputs: Mapping[str, Any]) -> None:
        taken = {name for step in self.steps for name in (*step.inputs, *step.optional)}
        for name in inputs:
            if name not in taken or name in self._topology.nodes:
                raise FlowError(
                    f"nothing in this flow reads {name!r}. {nearest(name, self.inputs)}"
                )
        missing = [name for name in self.inputs if name not in inputs]
        if missing:
            shown = ", ".join(repr(name) for name in missing)
            raise FlowError(f"the flow needs a value for {shown}, such as run({missing[0]}=...).")

    def _repr_mimebundle_(self, **_: Any) -> Mapping[str, Any]:
        return Flow.renderer(self)

    def __repr__(self) -> str:
        edges = [
            f"{' + '.join(sources)} -> {name}"
            for name, sources in self._topology.predecessors.items()
            if sources
        ]
        alone = [step.name for step in self.steps if not self._topology.predecessors[step.name]]
        return f"<Flow {self.name!r}: {'; '.join([', '.join(alone), *edges])}>"


def _callable(function: Any) -> Callable[..., Any]:
    if not callable(function):
        raise FlowError(
            f"{function!r} can't be a node: give functions, or prompts as ask(text, name=...)."
        )
    return function  # type: ignore[no-any-return]


_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
_SHORT_CHARACTERS = 40


def shown_values(inputs: Mapping[str, Any], hidden: frozenset[str] = frozenset()) -> dict[str, str]:
    """What a view shows of each input: a short text; nothing of a hidden one, or one like a key.

    Example:
        >>> shown_values({"topic": "cats", "api_key": "k-1", "docs": []}, frozenset({"docs"}))
        {'topic': 'cats', 'api_key': '', 'docs': ''}
    """
    return {
        name: "" if name in hidden or _SECRET.search(name) else _short(value)
        for name, value in inputs.items()
    }


def _short(value: Any) -> str:
    """A value as a short text on one line."""
    text = " ".join(text_of(value).split())
    return text if len(text) <= _SHORT_CHARACTERS else text[: _SHORT_CHARACTERS - 1] + "…"
