"""A flow as a program to be written in another language: its parts, in an order in which they run.

Says what each node is given, what it asks and how often, and refuses what LangGraph has no way to
say. Knows flows; knows no language.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbflow.core.vote import normalised
from nbflow.errors import FlowError
from nbflow.export.names import state_keys
from nbflow.export.quoting import Hole, Text, plain
from nbflow.models import model
from nbflow.writing.flow import Flow
from nbflow.writing.options import FlowOptions, NodeOptions, SideBySide
from nbflow.writing.prompt import fill, placeholders
from nbflow.writing.step import Step

VERBS = {"prompt": "ask", "template": "fill", "python": "run"}
"""How the function of a node begins, by its kind."""


@dataclass(frozen=True, slots=True)
class Score:
    """What says how good a sample is.

    Args:
        function: A function; None if it is a prompt.
        text: The prompt, whose one placeholder is the result.
        model: Whom it is sent to.
        settings: How that one should answer.
    """

    function: Callable[[Any], Any] | None
    text: str = ""
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """One node of the program.

    Args:
        name: The node's name.
        kind: `prompt`, `template` or `python`.
        text: The prompt or template.
        source: A function's code, if the flow has it.
        function: What a Python node calls.
        inputs: The names it reads whole.
        optional: The names it reads if the program is given them.
        after: The nodes it starts after.
        level: How many nodes stand before it on the longest way to it.
        elements: What it goes through, by the name of the element.
        models: Whom the prompt is sent to, by the name that the answer has.
        side_by_side: Whether the result is a mapping of the models' answers.
        own: The names of which each model reads its own answer.
        settings: How a model should answer.
        votes: How many samples vote.
        needed: How many of them must agree.
        key: What makes two answers the same, if that isn't the usual.
        best: Of how many samples the best is taken.
        score: What says which that is.
        attempts: How often a task is attempted.
        retry_on: Which failures are followed by another attempt; any if None.
        timeout_seconds: How long an attempt may take.
        limit: How many of its tasks run at once.
    """

    name: str
    kind: str
    text: str
    source: str
    function: Callable[..., Any] | None
    inputs: tuple[str, ...]
    optional: tuple[str, ...]
    after: tuple[str, ...]
    level: int
    elements: Mapping[str, str]
    models: Mapping[str, str | None]
    side_by_side: bool
    own: frozenset[str]
    settings: Mapping[str, Any]
    votes: int | None
    needed: int
    key: Callable[[Any], Any] | None
    best: int | None
    score: Score | None
    attempts: int
    retry_on: Callable[[Exception], bool] | None
    timeout_seconds: float | None
    limit: int | None

    @property
    def samples(self) -> int | None:
        """How many samples are taken; None if it isn't sampled."""
        return self.votes or self.best

    @property
    def fans_out(self) -> bool:
        """Whether it is many tasks."""
        return bool(self.elements or self.side_by_side or self.samples)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names it is given one by one or whole."""
        return (*self.elements, *self.inputs)

    @property
    def is_labelled(self) -> bool:
        """Whether its models' answers have other names than the models."""
        return any(label != model for label, model in self.models.items())

    def filled(self, expression: Callable[[str], str]) -> Text:
        """Its text, with an expression for the value of each placeholder."""
        return _filled(self.text, expression)


@dataclass(frozen=True, slots=True)
class Program:
    """A flow, ready to be written.

    Args:
        name: The flow's name.
        inputs: What it must be given.
        optional: What it may be given.
        parts: Its nodes, each behind those that it reads.
        jobs: How many tasks run at once.
        differences: What it doesn't do as nbflow does, each in a sentence.
    """

    name: str
    inputs: tuple[str, ...]
    optional: tuple[str, ...]
    parts: tuple[Part, ...]
    jobs: int | None
    differences: tuple[str, ...]

    @property
    def state(self) -> list[str]:
        """The names that have a value while it runs."""
        return [*self.inputs, *self.optional, *(part.name for part in self.parts)]

    @property
    def names(self) -> list[str]:
        """Those, and the names of elements."""
        elements = (name for part in self.parts for name in part.elements)
        return list(dict.fromkeys([*self.state, *elements]))

    @property
    def levels(self) -> list[list[Part]]:
        """The parts that can run at the same time, together."""
        ordered = sorted(self.parts, key=lambda part: part.level)
        return [list(group) for _, group in itertools.groupby(ordered, lambda part: part.level)]

    @property
    def ends(self) -> list[Part]:
        """The parts that nothing comes after."""
        read = {name for part in self.parts for name in part.after}
        return [part for part in self.parts if part.name not in read]


def _filled(text: str, expression: Callable[[str], str]) -> Text:
    """A prompt with expressions for its placeholders, and `{{x}}` read as the text `{x}`."""
    filled: list[str | Hole] = []
    start = 0
    for hole in placeholders(text):
        filled += [fill(text[start : hole.offset], {}), Hole(expression(hole.name))]
        start = hole.offset + len(hole.name) + 2
    filled.append(fill(text[start:], {}))
    return [part for part in filled if part]


def score_text(score: Score, expression: str) -> Text:
    """A score's prompt, with an expression for the result."""
    return _filled(score.text, lambda _name: expression)


def program_of(flow: Flow) -> Program:
    """What a flow does, as a program.

    Raises:
        FlowError: a node does what LangGraph has no way to say; it says which.

    Example:
        >>> from nbflow import ask
        >>> program = program_of(Flow(ask("About {topic}", name="joke"), name="cats"))
        >>> program.inputs, [part.name for part in program.parts]
        (('topic',), ['joke'])
    """
    options = flow.chosen
    varied = {step.name for step in flow.steps if _models(step, options)[1]}
    names = {step.name for step in flow.steps}
    levels = _levels(flow)
    parts = [_part(step, flow, frozenset(varied), levels[step.name]) for step in flow.steps]
    read = (name for step in flow.steps for name in _filled_in(step) if name not in names)
    inputs = tuple(dict.fromkeys((*flow.inputs, *read)))
    optional = dict.fromkeys(name for part in parts for name in part.optional)
    return Program(
        name=flow.name,
        inputs=inputs,
        optional=tuple(name for name in optional if name not in inputs),
        parts=tuple(sorted(parts, key=lambda part: part.level)),
        jobs=options.jobs,
        differences=tuple(_differences(flow)),
    )


def _levels(flow: Flow) -> dict[str, int]:
    levels: dict[str, int] = {}
    for name in flow.topology.order:
        before = flow.topology.predecessors[name]
        levels[name] = 1 + max((levels[one] for one in before), default=-1)
    return levels


def _part(step: Step, flow: Flow, varied: frozenset[str], level: int) -> Part:
    _refuse(step)
    options, default = step.options, flow.chosen
    names = {one.name for one in flow.steps}
    elements = options.each or {}
    models, side_by_side = _models(step, default)
    retries = default.retries if options.retries is None else options.retries
    timeout = default.timeout if options.timeout is None else options.timeout
    reads_own = {*varied, *(one for one, source in elements.items() if source in varied)}
    if side_by_side:
        _refuse_models_as_elements(step, flow, varied)
    _refuse_reserved_parameters(step)
    whole = (*step.inputs, *(name for name in step.optional if name in names), *_filled_in(step))
    sources = set(elements.values())
    return Part(
        name=step.name,
        kind=step.kind,
        text="" if step.kind == "python" else step.source,
        source=step.source if step.kind == "python" else "",
        function=step.function,
        inputs=tuple(name for name in dict.fromkeys(whole) if name not in sources),
        optional=tuple(
            name for name in step.optional if name not in names and step.kind == "python"
        ),
        after=flow.topology.predecessors[step.name],
        level=level,
        elements=elements,
        models=models,
        side_by_side=side_by_side,
        own=frozenset(reads_own) if side_by_side else frozenset(),
        settings=options.settings(default).given(),
        votes=options.votes,
        needed=max(1, math.ceil((options.min_agreement or 0) * (options.votes or 1) - 1e-9)),
        key=None if options.key is normalised else options.key,
        best=options.best,
        score=_score(options, default),
        attempts=1 if step.kind == "template" else 1 + (retries or 0),
        retry_on=options.retry_on,
        timeout_seconds=None if step.kind == "template" else timeout,
        limit=options.jobs or default.jobs,
    )


def _filled_in(step: Step) -> tuple[str, ...]:
    """What a prompt that is a function has a default for, and can't be filled in without."""
    if step.kind == "python":
        return ()
    read = {hole.name for hole in placeholders(step.source)}
    return tuple(name for name in step.optional if name in read)


def _refuse(step: Step) -> None:
    """Refuse what no edge of LangGraph says."""
    if step.options.wait is not None:
        raise FlowError(
            f"{step.name!r} can't be exported: it starts as soon as {step.options.wait} of its "
            "inputs are there (wait), and a node of LangGraph waits for all of them. Let it wait "
            "for all, or write that node by hand."
        )
    if step.options.on_error == "pass":
        raise FlowError(
            f"{step.name!r} can't be exported: it reads the failures of its inputs "
            "(on_error=pass), and a failure ends a run of LangGraph. Catch them in those nodes, or "
            "leave the option out."
        )


def _refuse_models_as_elements(step: Step, flow: Flow, varied: frozenset[str]) -> None:
    """What a run refuses, an exported program would do wrongly."""
    through = varied.intersection((step.options.each or {}).values())
    for one in flow.steps:
        if one.name in through and not one.options.each:
            raise FlowError(
                f"{step.name!r} can't go through {one.name!r}, which has one answer of each "
                "model and no list; go through a function's list of them instead."
            )


def _refuse_reserved_parameters(step: Step) -> None:
    """A default is only left out of a call by its name, which must then be the state's key."""
    for name, key in state_keys(step.optional).items():
        if name != key and step.kind == "python":
            raise FlowError(
                f"{step.name!r} can't be exported: its parameter {name!r} can't be a key of a "
                "state; rename it."
            )


def _models(step: Step, default: FlowOptions) -> tuple[Mapping[str, str | None], bool]:
    """Whom a prompt is sent to, and whether that is said of several, side by side."""
    if step.kind != "prompt":
        return {}, False
    spec = default.model if step.options.model is None else step.options.model
    if isinstance(spec, SideBySide):
        return {name: _model_name(one) for name, one in spec.items()}, True
    return {"": _model_name(spec)}, False


def _model_name(spec: Any) -> str | None:
    if spec is None:
        return None
    return spec.strip() if isinstance(spec, str) else model(spec).name


def _score(options: NodeOptions, default: FlowOptions) -> Score | None:
    score = options.score
    if not isinstance(score, Step):
        return None if score is None else Score(score)
    if score.function is not None:
        return Score(score.function)
    own = default.model if score.options.model is None else score.options.model
    first = next(iter(own.values())) if isinstance(own, SideBySide) else own
    return Score(None, score.source, _model_name(first), score.options.settings(default).given())


def _asked(flow: Flow) -> Iterator[str]:
    """The names of the models that are asked, each once."""
    steps = [step for step in flow.steps if step.kind == "prompt"]
    scores = [one.options.score for one in flow.steps]
    steps += [one for one in scores if isinstance(one, Step) and one.kind == "prompt"]
    found = (name for step in steps for name in _models(step, flow.chosen)[0].values())
    return iter(dict.fromkeys(name for name in found if name is not None))


def _differences(flow: Flow) -> Iterator[str]:
    words = flow.chosen
    strangers = [name for name in _asked(flow) if not name.startswith("openai:")]
    if strangers:
        named = ", ".join(map(plain, strangers))
        yield f"Only nbflow knows these models; say what they are where one is asked: {named}."
    if words.rate is not None or any(step.options.rate is not None for step in flow.steps):
        yield "The rate isn't kept: limit it in the model's client."
    if words.jobs is not None:
        yield (
            f"At most {words.jobs} nodes run at once, and at most as many tasks of each node; "
            "nbflow counts them together."
        )
    if words.on_error != "stop":
        yield "The first failure ends the run; nbflow lets independent branches finish."
