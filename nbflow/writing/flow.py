"""A flow from Python functions and prompts, and the four ways to run it.

Compiles what a person wrote into the core's nodes. Knows models; knows nothing of notebooks.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from nbflow import blocking
from nbflow.core.context import emit
from nbflow.core.events import Kind, Sink
from nbflow.core.run import Run
from nbflow.core.scheduler import Describe
from nbflow.core.task import text_of
from nbflow.core.topology import Mode, Node, Topology
from nbflow.errors import FlowError, nearest
from nbflow.models import Model, Settings, default_model, model
from nbflow.writing.options import FlowOptions, NodeOptions, flow_options, node_options
from nbflow.writing.prompt import fill, placeholders

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS_ATTRIBUTE = "__nbflow_options__"


@dataclass(frozen=True, slots=True)
class Step:
    """One node as its author wrote it: a function, or a prompt or template.

    Args:
        name: An identifier.
        function: What runs; None for a prompt or a template.
        source: The prompt or the template; the code, if its text is at hand.
        options: What its author said of it.
        inputs: The names it must be given.
        optional: The names it takes if something of that name is there.
    """

    name: str
    function: Callable[..., Any] | None
    source: str
    options: NodeOptions = NodeOptions()
    inputs: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """`python`, `template` or `prompt`."""
        if self.function is not None:
            return "python"
        return "template" if self.options.template else "prompt"


def ask(prompt: str, *, name: str, **options: Any) -> Step:
    """A prompt as a node of a flow: it is filled in and sent to a model.

    Args:
        prompt: The text; each `{identifier}` in it is an input.
        name: The node's name, an identifier.
        **options: `model`, `temperature`, `max_tokens`, `seed`, `timeout` (s), `retries`, or
            `template=True` to fill in and call nothing.

    Raises:
        FlowError: the name is no identifier, or an option can't be.

    Example:
        >>> ask("Write a joke about {topic}", name="joke", retries=2).inputs
        ('topic',)
    """
    _check_identifier(name)
    inputs = tuple(dict.fromkeys(hole.name for hole in placeholders(prompt)))
    return Step(name, None, prompt, node_options(options), inputs)


def node(**options: Any) -> Callable[[F], F]:
    """Give a function the options of a node; it stays the function it was.

    Args:
        **options: `model`, `temperature`, `max_tokens`, `seed` (for a function that is a prompt),
            `timeout` (s), `retries`.

    Raises:
        FlowError: an option can't be.

    Example:
        >>> @node(timeout=5, retries=2)
        ... def facts(topic):
        ...     return f"All about {topic}"
        >>> facts("cats")
        'All about cats'
    """
    read = node_options(options)
    if read.template:
        raise FlowError("a function can't be a template; return the text, or use ask(...).")

    def decorate(function: F) -> F:
        setattr(function, _OPTIONS_ATTRIBUTE, read)
        return function

    return decorate


def step_of(function: Callable[..., Any]) -> Step:
    """A function as a node: its parameters are its inputs, a lone string is a prompt.

    Raises:
        FlowError: its name is no identifier, or a parameter can't be given by name.

    Example:
        >>> def joke(topic): "Write a joke about {topic}"
        >>> step_of(joke).kind
        'prompt'
    """
    name = getattr(function, "__name__", "")
    _check_identifier(name, f"{function!r} has no name to call its node by; ")
    options = getattr(function, _OPTIONS_ATTRIBUTE, NodeOptions())
    parameters = inspect.signature(function).parameters.values()
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise FlowError(
                f"{name}({parameter}) can't be a node: each of its inputs needs a name of its own."
            )
    required = tuple(p.name for p in parameters if p.default is p.empty)
    optional = tuple(p.name for p in parameters if p.default is not p.empty)
    if _is_prompt(function):
        step = ask(inspect.cleandoc(function.__doc__ or ""), name=name)
        stray = [hole for hole in step.inputs if hole not in (*required, *optional)]
        if stray:
            shown = f"{{{stray[0]}}}"
            raise FlowError(
                f"the prompt {name!r} reads {shown}, which is no parameter of it. "
                f"{nearest(stray[0], (*required, *optional))}"
            )
        return dataclasses.replace(step, options=options, inputs=required, optional=optional)
    return Step(name, function, "", options, required, optional)


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

    def __init__(self, *nodes: Callable[..., Any] | Step, name: str = "") -> None:
        self.steps = tuple(n if isinstance(n, Step) else step_of(_callable(n)) for n in nodes)
        if not self.steps:
            raise FlowError("a flow needs at least one node.")
        self.name = name
        self._options = FlowOptions()
        self._topology = Topology(self._nodes(self.steps, frozenset()))

    @property
    def topology(self) -> Topology:
        """The nodes and edges."""
        return self._topology

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names a run must be given."""
        return self._topology.values

    def options(self, **words: Any) -> Flow:
        """The same flow with other options of its run.

        Args:
            **words: `model`, `jobs`, `timeout` (s), `retries`, `on_error` (`finish`, `stop` or
                `keep`), `seed`.

        Raises:
            FlowError: an option can't be.
        """
        flow = Flow(*self.steps, name=self.name)
        flow._options = flow_options(words, self._options)
        return flow

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
        bound = {step.name: self._model_of(step) for step in self.steps if step.kind == "prompt"}
        shown = {
            name: "" if name in hidden or _SECRET.search(name) else _short(inputs[name])
            for name in inputs
        }
        return Run(
            self._bound_topology(frozenset(inputs), bound),
            inputs,
            self._options.run_options(),
            name=self.name,
            shown_values=shown,
            sinks=sinks,
            describe=describe,
        )

    def _bound_topology(self, given: frozenset[str], models: Mapping[str, Model]) -> Topology:
        if not models and not any(step.optional for step in self.steps):
            return self._topology
        return Topology(self._nodes(self.steps, given, models))

    def _nodes(
        self,
        steps: tuple[Step, ...],
        given: frozenset[str],
        models: Mapping[str, Model] | None = None,
    ) -> Iterator[Node]:
        """The steps as the core runs them; without models, only their edges are right."""
        there = given | {step.name for step in steps}
        for step in steps:
            inputs = (*step.inputs, *(name for name in step.optional if name in there))
            asked = (models or {}).get(step.name)
            yield Node(
                name=step.name,
                function=step.function or self._written(step, asked),
                inputs=inputs,
                kind=step.kind,
                source=step.source,
                detail=asked.name if asked is not None else "",
                policy=step.options.policy(),
                mode=Mode.INLINE if step.kind == "template" else None,
            )

    def _written(self, step: Step, asked: Model | None) -> Callable[..., Any]:
        if asked is None:
            return _filling(step.source)
        return _asking(step.source, asked, step.options.settings(self._options))

    def _model_of(self, step: Step) -> Model:
        spec = self._options.model if step.options.model is None else step.options.model
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


def _check_identifier(name: str, problem: str = "") -> None:
    if not name.isidentifier():
        raise FlowError(f"{problem}{name!r} is not an identifier such as 'joke' or 'first_draft'.")


def _filling(text: str) -> Callable[..., str]:
    def fill_in(**inputs: Any) -> str:
        return fill(text, inputs)

    return fill_in


def _asking(text: str, asked: Model, settings: Settings) -> Callable[..., Any]:
    async def send(**inputs: Any) -> Any:
        async with aclosing(asked.astream(fill(text, inputs), settings)) as messages:
            async for message in messages:
                if message.usage is not None:
                    emit(Kind.USAGE, **dataclasses.asdict(message.usage))
                if message.content:
                    yield message.content

    return send


def _reference() -> None:
    """The body of a function that is only a string."""


async def _async_reference() -> None:
    """The same of a coroutine function."""


def _is_prompt(function: Callable[..., Any]) -> bool:
    """Whether a function's whole body is a string: it then compiles like `_reference`."""
    if not inspect.isfunction(function):
        return False
    reference = _async_reference if inspect.iscoroutinefunction(function) else _reference
    return bool(function.__doc__) and function.__code__.co_code == reference.__code__.co_code


_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
_SHORT_CHARACTERS = 40


def _short(value: Any) -> str:
    """A value as a short text on one line."""
    text = " ".join(text_of(value).split())
    return text if len(text) <= _SHORT_CHARACTERS else text[: _SHORT_CHARACTERS - 1] + "…"
