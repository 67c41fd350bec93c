"""One node as its author wrote it: a prompt, a template or a Python function, and its options.

Knows how functions are written and what a prompt reads; knows no models and no edges.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from nbflow.errors import FlowError, nearest
from nbflow.writing.options import NodeOptions, node_options
from nbflow.writing.prompt import placeholders

OPTIONS_ATTRIBUTE = "__nbflow_options__"
"""Where a function keeps what its decorators said of its node."""


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


S = TypeVar("S", bound=Callable[..., Any] | Step)


def ask(prompt: str, *, name: str, **options: Any) -> Step:
    """A prompt as a node of a flow: it is filled in and sent to a model.

    Args:
        prompt: The text; each `{identifier}` in it is an input.
        name: The node's name, an identifier.
        **options: `model`, `temperature`, `max_tokens`, `seed`, `timeout` (s), `retries`, or
            `template=True` to fill in and call nothing; and every other word of `node`.

    Raises:
        FlowError: the name is no identifier, or an option can't be.

    Example:
        >>> ask("Write a joke about {topic}", name="joke", retries=2).inputs
        ('topic',)
    """
    _check_identifier(name)
    inputs = tuple(dict.fromkeys(hole.name for hole in placeholders(prompt)))
    return add_options(Step(name, None, prompt, inputs=inputs), node_options(options))


def node(**options: Any) -> Callable[[S], S]:
    """Give a function the options of a node; it stays the function it was.

    Args:
        **options: `model`, `temperature`, `max_tokens`, `seed` (for a function that is a prompt),
            `template=True` (for one that is only filled in), `timeout` (s), `retries`,
            `retry_on` (an exception's type, several, or a function),
            `rate` (`"60/min"`), `jobs`, `wait` (`"all"`, `"any"` or how many inputs),
            `on_error="pass"` (what an input failed with is a value), and what `each`, `vote` and
            `best` say: `each`, `votes`, `key`, `min_agreement`, `best`, `score`.

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

    def decorate(target: S) -> S:
        if isinstance(target, Step):
            return add_options(target, read)  # type: ignore[return-value]
        before = getattr(target, OPTIONS_ATTRIBUTE, NodeOptions())
        setattr(target, OPTIONS_ATTRIBUTE, _merged(before, read))
        return target

    return decorate


def add_options(step: Step, more: NodeOptions) -> Step:
    """A step with more said of it: what is iterated takes the place of its elements.

    Raises:
        FlowError: its options don't go together, or it has no such input.

    Example:
        >>> add_options(ask("About {doc}", name="a"), NodeOptions(each={"doc": "docs"})).inputs
        ('docs',)
    """
    options = _merged(step.options, more)
    options.check()
    given = more.each or {}
    there = (*step.inputs, *step.optional)
    for element, source in given.items():
        if element not in there:
            raise FlowError(f"{step.name!r} reads no {element!r}. {nearest(element, there)}")
        if source in there and source not in given:
            raise FlowError(
                f"{step.name!r} reads {source!r} both whole and one by one, as {element!r}; "
                "keep one."
            )
    required = [given.get(name, name) for name in step.inputs]
    required += [given[name] for name in step.optional if name in given]
    optional = tuple(name for name in step.optional if name not in given)
    inputs = tuple(dict.fromkeys(required))
    return dataclasses.replace(step, options=options, inputs=inputs, optional=optional)


def _merged(before: NodeOptions, more: NodeOptions) -> NodeOptions:
    said = {field.name: getattr(more, field.name) for field in dataclasses.fields(more)}
    changes = {
        word: value for word, value in said.items() if value is not None and value is not False
    }
    if before.each and more.each:
        changes["each"] = {**before.each, **more.each}
    return dataclasses.replace(before, **changes)


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
    options = getattr(function, OPTIONS_ATTRIBUTE, None)
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
        step = dataclasses.replace(step, inputs=required, optional=optional)
    else:
        step = Step(name, function, "", inputs=required, optional=optional)
        if options is not None and options.template:
            raise FlowError(
                "a function with code can't be a template; return the text, or make a string its "
                "whole body."
            )
    return step if options is None else add_options(step, options)


def _check_identifier(name: str, problem: str = "") -> None:
    if not name.isidentifier():
        raise FlowError(f"{problem}{name!r} is not an identifier such as 'joke' or 'first_draft'.")


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
