"""How one node becomes many tasks, and how their results become the node's.

A `FanOut` is a frozen description; it hands out `Share`s, what each task is given, and makes the
`Fold` that takes their results one by one, in whatever order they come. The scheduler owns the
tasks; nothing here runs one. Whatever the order, the same results fold into the same value.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any, ClassVar

from nbflow.core.sources import awaited, elements, lines_of
from nbflow.core.threads import call_in_thread


@dataclass(frozen=True, slots=True)
class Share:
    """What one task of a fan-out is given.

    Args:
        label: Names it among its siblings: the task's id is `node[label]`.
        inputs: The node's inputs, with what is this task's own in their place.
        function: What to call instead of the node's function.
        resource: What it uses, instead of what the node does.
    """

    label: str
    inputs: Mapping[str, Any]
    function: Callable[..., Any] | None = None
    resource: str | None = None


class Fold(ABC):
    """Takes the results of a fan-out's tasks, numbered from 0 in the order of their shares."""

    tolerant: ClassVar[bool] = False
    """True if the node can do without some of the results."""

    def __init__(self) -> None:
        self.errors: dict[int, BaseException] = {}
        """What the tasks raised that failed or were cancelled."""

    @abstractmethod
    def add(self, index: int, result: Any, worth: Any) -> None:
        """Take one result, and what `FanOut.judge` said of it."""

    def lose(self, index: int, error: BaseException) -> None:
        """Take note that one task has no result."""
        self.errors[index] = error

    @property
    def decided(self) -> bool:
        """True once no result that is still to come can change anything."""
        return False

    @abstractmethod
    def result(self) -> Any:
        """What the node returns, once all are there or it is decided.

        Raises:
            Exception: what the node fails with.
        """

    def data(self) -> Mapping[str, Any]:
        """What the record keeps of it: plain data."""
        return {}

    def told(self, index: int, worth: Any) -> Mapping[str, Any]:  # noqa: ARG002 - most need none
        """What the record is told of a result before it is taken: plain data."""
        return {}

    @property
    def kept(self) -> Mapping[int, Any]:
        """The results so far, by number."""
        return {}

    def partial(self) -> Any:
        """What there is, if the node as a whole has no result; None if that is nothing."""
        return None


class FanOut(ABC):
    """A way in which one node becomes many tasks."""

    kind: ClassVar[str]
    """What the record and the views call it."""

    @abstractmethod
    def shares(self, inputs: Mapping[str, Any]) -> Iterator[Share] | AsyncIterator[Share]:
        """What each task is given, drawn one by one when there is room for one more."""

    @abstractmethod
    def size(self, inputs: Mapping[str, Any]) -> int | None:
        """How many tasks there will be, if that can be known beforehand."""

    async def judge(self, result: Any) -> Any:  # noqa: ARG002 - for those who override it
        """What the fold wants to know of a result beside itself; part of the task."""
        return None

    @abstractmethod
    def fold(self) -> Fold:
        """A new, empty fold."""

    @property
    @abstractmethod
    def label(self) -> str:
        """For people, as it is written: `for doc in docs`, `vote of 5`."""


def failed_together(fold: Fold, total: int) -> ExceptionGroup[Exception]:
    """The one exception of a node some of whose tasks failed, in the order of its tasks."""
    errors = (fold.errors[index] for index in sorted(fold.errors))
    failures = [error for error in errors if isinstance(error, Exception)]
    tasks = "1 task" if total == 1 else f"{total} tasks"
    have = "has" if len(fold.errors) == 1 else "have"
    return ExceptionGroup(f"{len(fold.errors)} of {tasks} {have} no result", failures)


@dataclass(frozen=True, slots=True)
class Each(FanOut):
    """One task for each element of an iterable; of several iterables, for each combination.

    The first is drawn lazily. The others are drawn once, whole: every combination needs them again.

    Args:
        sources: The input that is iterated, by the parameter that is given the elements.

    Example:
        >>> each = Each({"doc": "docs"})
        >>> [share.inputs for share in each.shares({"docs": ["a", "b"], "style": "short"})]
        [{'style': 'short', 'doc': 'a'}, {'style': 'short', 'doc': 'b'}]
    """

    kind: ClassVar[str] = "each"
    sources: Mapping[str, str]

    def shares(self, inputs: Mapping[str, Any]) -> Iterator[Share] | AsyncIterator[Share]:
        """What each task is given."""
        rest = {name: value for name, value in inputs.items() if name not in self.sources.values()}
        iterables = [elements(inputs[source], source) for source in self.sources.values()]
        at_hand = [iterable for iterable in iterables if isinstance(iterable, Iterator)]
        if len(at_hand) == len(iterables):
            return self._drawn(at_hand, rest)
        return self._awaited([awaited(iterable) for iterable in iterables], rest)

    def _drawn(self, iterables: list[Iterator[Any]], rest: dict[str, Any]) -> Iterator[Share]:
        others = [list(iterable) for iterable in iterables[1:]]
        number = 0
        for first in iterables[0]:
            for combination in _product(first, others):
                yield self._share(number, combination, rest)
                number += 1

    async def _awaited(
        self, iterables: list[AsyncIterator[Any]], rest: dict[str, Any]
    ) -> AsyncIterator[Share]:
        others = [[element async for element in iterable] for iterable in iterables[1:]]
        number = 0
        try:
            async for first in iterables[0]:
                for combination in _product(first, others):
                    yield self._share(number, combination, rest)
                    number += 1
        finally:
            close = getattr(iterables[0], "aclose", None)
            if close is not None:
                await close()

    def _share(self, number: int, combination: tuple[Any, ...], rest: dict[str, Any]) -> Share:
        own = dict(zip(self.sources, combination, strict=True))
        return Share(str(number), {**rest, **own})

    def size(self, inputs: Mapping[str, Any]) -> int | None:
        """How many tasks there will be."""
        total = 1
        for source in self.sources.values():
            value = inputs.get(source)
            if isinstance(value, str):
                value = lines_of(value)
            if not isinstance(value, Sized):
                return None
            total *= len(value)
        return total

    def fold(self) -> Fold:
        """An empty fold."""
        return _List()

    @property
    def label(self) -> str:
        """For people, as it is written."""
        return " ".join(f"for {name} in {source}" for name, source in self.sources.items())


def _product(first: Any, others: list[list[Any]]) -> Iterator[tuple[Any, ...]]:
    combinations: list[tuple[Any, ...]] = [(first,)]
    for other in others:
        combinations = [(*before, element) for before in combinations for element in other]
    return iter(combinations)


class _List(Fold):
    """All results, in the order of their shares."""

    def __init__(self) -> None:
        super().__init__()
        self._results: dict[int, Any] = {}

    def add(self, index: int, result: Any, worth: Any) -> None:  # noqa: ARG002 - all are kept
        """Take one result."""
        self._results[index] = result

    def result(self) -> list[Any]:
        """What the node returns."""
        if self.errors:
            raise failed_together(self, len(self._results) + len(self.errors))
        return self.partial()

    @property
    def kept(self) -> Mapping[int, Any]:
        """The results so far."""
        return self._results

    def partial(self) -> list[Any]:
        """The results in their places; in the place of one that is missing, its exception."""
        last = max((*self._results, *self.errors), default=-1)
        missing = asyncio.CancelledError("it had not finished")
        return [
            self._results[index] if index in self._results else self.errors.get(index, missing)
            for index in range(last + 1)
        ]


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several ways to run a node.

    Args:
        function: What is called.
        resource: What it uses, such as a model.
    """

    function: Callable[..., Any]
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Variants(FanOut):
    """One task for each of several functions, such as the same prompt on several models.

    Args:
        variants: By the name that its result will have.
    """

    kind: ClassVar[str] = "variants"
    variants: Mapping[str, Variant]

    def shares(self, inputs: Mapping[str, Any]) -> Iterator[Share]:
        """What each task is given."""
        for name, variant in self.variants.items():
            yield Share(name, inputs, variant.function, variant.resource)

    def size(self, inputs: Mapping[str, Any]) -> int:  # noqa: ARG002 - it never depends on them
        """How many tasks there will be."""
        return len(self.variants)

    def fold(self) -> Fold:
        """An empty fold."""
        return _ByName(tuple(self.variants))

    @property
    def label(self) -> str:
        """For people, as it is written."""
        return f"on {', '.join(self.variants)}"


class _ByName(_List):
    """All results by name."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self._names = names

    def partial(self) -> Any:
        """What there is."""
        return dict(zip(self._names, super().partial(), strict=False))


@dataclass(frozen=True, slots=True)
class Best(FanOut):
    """Several samples, of which the one with the highest score is the result; of equals the first.

    A sample that fails, or whose score does, is out; the node fails if all are.

    Args:
        count: How many samples, 1 or more.
        score: Gives a number; sync (called in a thread) or async.
    """

    kind: ClassVar[str] = "best"
    count: int
    score: Callable[[Any], Any]

    def shares(self, inputs: Mapping[str, Any]) -> Iterator[Share]:
        """What each task is given."""
        for number in range(self.count):
            yield Share(str(number), inputs)

    def size(self, inputs: Mapping[str, Any]) -> int:  # noqa: ARG002 - it never depends on them
        """How many tasks there will be."""
        return self.count

    async def judge(self, result: Any) -> float:
        """What the fold counts by."""
        score = await _called(self.score, result)
        number = float(score)
        if number != number:  # noqa: PLR0124 - not a number
            raise ValueError("the score is not a number")
        return number

    def fold(self) -> Fold:
        """An empty fold."""
        return _Best()

    @property
    def label(self) -> str:
        """For people, as it is written."""
        return f"best of {self.count}"


class _Best(Fold):
    tolerant = True

    def __init__(self) -> None:
        super().__init__()
        self._results: dict[int, Any] = {}
        self._scores: dict[int, float] = {}

    def add(self, index: int, result: Any, worth: Any) -> None:
        """Take one result."""
        self._results[index], self._scores[index] = result, worth

    @property
    def _winner(self) -> int:
        return min(self._scores, key=lambda index: (-self._scores[index], index))

    def result(self) -> Any:
        """What the node returns."""
        if not self._scores:
            raise failed_together(self, len(self.errors))
        return self._results[self._winner]

    def data(self) -> Mapping[str, Any]:
        """Plain data for the record."""
        if not self._scores:
            return {}
        scores = {str(index): self._scores[index] for index in sorted(self._scores)}
        return {"scores": scores, "winner": str(self._winner)}


async def _called(function: Callable[[Any], Any], value: Any) -> Any:
    """Call a function that may be sync or async."""
    if inspect.iscoroutinefunction(function):
        return await function(value)
    answer = await call_in_thread(function, value)
    return await answer if inspect.isawaitable(answer) else answer
