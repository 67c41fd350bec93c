"""The decorators that make many tasks of one node: `each`, `vote` and `best`.

They only add to the options of a function or a step; what comes of these, the core knows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from nbflow.core.fanout import Best, Each, FanOut, Variant, Variants
from nbflow.core.vote import Vote, normalised
from nbflow.errors import FlowError
from nbflow.writing.options import NodeOptions
from nbflow.writing.step import Step, node

S = TypeVar("S", bound=Callable[..., Any] | Step)


def each(**sources: str) -> Callable[[S], S]:
    """One task for each element of an input; of several, for each combination of their elements.

    What reads the node gets the list of the results, in the order of the elements. An input may be
    any iterable, also a generator, which is drawn only as fast as tasks have room.

    Args:
        **sources: The name of the input that is iterated, by the parameter that gets its elements.

    Raises:
        FlowError: a source is no name.

    Example:
        >>> from nbflow import Flow
        >>> @each(doc="docs")
        ... def length(doc):
        ...     return len(doc)
        >>> Flow(length).run(docs=["one", "three"])["length"]
        [3, 5]
    """
    if not sources:
        raise FlowError('each takes what is iterated: each(doc="docs").')
    return node(each=sources)


def vote(
    n: int,
    *,
    key: Callable[[Any], Hashable] | None = None,
    min_agreement: float | None = None,
) -> Callable[[S], S]:
    """Several samples of a node; its result is the answer that most of them agree on.

    It is over as soon as no other answer can win. Of equals the earliest wins.

    Args:
        n: How many samples, 1 or more.
        key: What makes two answers the same: equal keys. By default they are compared without
            case, punctuation and superfluous space.
        min_agreement: The share of all samples, from 0 to 1, that must agree, or the node fails.

    Raises:
        FlowError: a value can't be.

    Example:
        >>> from nbflow import Flow, ask
        >>> flow = Flow(vote(3)(ask("Is water wet? Yes or no.", name="wet")))
        >>> flow.options(model=lambda prompt: "Yes!").run()["wet"]
        'Yes!'
    """
    if callable(n):
        raise FlowError("vote takes how many samples: vote(5).")
    return node(votes=n, key=key, min_agreement=min_agreement)


def best(n: int, *, score: Callable[[Any], Any] | Step) -> Callable[[S], S]:
    """Several samples of a node; its result is the one with the highest score, of equals the first.

    Args:
        n: How many samples, 1 or more.
        score: A function from a result to a number; or a prompt with one placeholder, which gets
            the result: the first number in the model's answer is the score.

    Raises:
        FlowError: a value can't be.

    Example:
        >>> from nbflow import Flow
        >>> lengths = iter([3, 5, 4])
        >>> @best(3, score=lambda result: result)
        ... def longest():
        ...     return next(lengths)
        >>> Flow(longest).run()["longest"]
        5
    """
    if callable(n):
        raise FlowError("best takes how many samples and a score: best(3, score=...).")
    if isinstance(score, Step) and (score.kind == "template" or len(score.inputs) != 1):
        raise FlowError(
            f"the score {score.name!r} must be a prompt with one placeholder, which gets the "
            f"result; it has {len(score.inputs)}."
        )
    return node(best=n, score=score)


def fans_of(
    options: NodeOptions,
    variants: dict[str, Variant] | None = None,
    score: Callable[[Any], Any] = len,
) -> tuple[FanOut, ...]:
    """How a node becomes many tasks, the outermost way first.

    Args:
        options: What was said of it.
        variants: What is called for each model, if there are several.
        score: What says how good a sample is.

    Example:
        >>> [fan.label for fan in fans_of(NodeOptions(votes=3, each={"doc": "docs"}))]
        ['for doc in docs', 'vote of 3']
    """
    fans: list[FanOut] = []
    if options.each:
        fans.append(Each(options.each))
    if variants:
        fans.append(Variants(variants))
    if options.votes is not None:
        key = normalised if options.key is None else options.key
        fans.append(Vote(options.votes, key, options.min_agreement or 0.0))
    elif options.best is not None:
        fans.append(Best(options.best, score))
    return tuple(fans)
