"""Voting: the same question several times, and the answer that most samples agree on.

It is over as soon as no other answer can win, whatever the samples still to come may say; so its
result is the one that all samples would have given. Source of the idea: Wang et al.,
"Self-Consistency Improves Chain of Thought Reasoning in Language Models", ICLR 2023.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nbflow.core.fanout import FanOut, Fold, Share, failed_together
from nbflow.core.values import text_of
from nbflow.errors import NbflowError


class NoAgreement(NbflowError):  # noqa: N818 - says what there was none of
    """A vote whose strongest answer had too few of the samples behind it."""


def normalised(answer: Any) -> Hashable:
    """An answer without case, punctuation and superfluous space, so that equal ones are equal.

    Example:
        >>> normalised("  The Octopus! ") == normalised("the octopus")
        True
        >>> normalised(["a", 1]) == normalised(["a", 1])
        True
    """
    if not isinstance(answer, str):
        return answer if isinstance(answer, Hashable) else repr(answer)
    folded = unicodedata.normalize("NFKC", answer).casefold()
    kept = "".join(" " if _is_punctuation(sign) else sign for sign in folded)
    return " ".join(kept.split()) or folded.strip()


def _is_punctuation(sign: str) -> bool:
    return unicodedata.category(sign).startswith("P")


@dataclass(frozen=True, slots=True)
class Vote(FanOut):
    """Several samples, of which the answer that most agree on is the result; of equals the first.

    A sample that fails has no voice; the node fails if all do.

    Args:
        count: How many samples, 1 or more.
        key: What makes two answers the same: equal keys. Called on the event loop, so quick.
        min_agreement: The share of all `count` samples, from 0 to 1, that must agree.
    """

    kind: ClassVar[str] = "vote"
    count: int
    key: Callable[[Any], Hashable] = normalised
    min_agreement: float = 0.0

    def shares(self, inputs: Mapping[str, Any]) -> Iterator[Share]:
        """The same for each sample."""
        for number in range(self.count):
            yield Share(str(number), inputs)

    def size(self, inputs: Mapping[str, Any]) -> int:  # noqa: ARG002 - it never depends on them
        """How many samples there may be."""
        return self.count

    async def judge(self, result: Any) -> Hashable:
        """The key by which the answer is counted."""
        key = self.key(result)
        hash(key)  # a key that can't be counted fails this sample, not the vote
        return key

    def fold(self) -> Fold:
        """An empty tally."""
        return Tally(self.count, self.min_agreement)

    @property
    def label(self) -> str:
        """For people: `vote of 5`."""
        return f"vote of {self.count}"


_UNHEARD = object()


class Tally(Fold):
    """The count of a vote's answers.

    Example:
        >>> tally = Tally(5)
        >>> for index, answer in enumerate(["yes", "no", "yes", "yes"]):
        ...     tally.add(index, answer, answer)
        >>> tally.decided, tally.result(), tally.data()["saved"]
        (True, 'yes', 1)
    """

    tolerant = True

    def __init__(self, count: int, min_agreement: float = 0.0) -> None:
        super().__init__()
        self._count = count
        self._needed = math.ceil(min_agreement * count - 1e-9)
        self._samples: dict[Hashable, list[int]] = {}
        self._answers: dict[int, Any] = {}
        self._open = set(range(count))

    def add(self, index: int, result: Any, worth: Any) -> None:
        """Count one answer."""
        self._answers[index] = result
        self._samples.setdefault(worth, []).append(index)
        self._open.discard(index)

    def told(self, index: int, worth: Any) -> Mapping[str, Any]:
        """Which sample gave the same answer first, so that a view can count while it goes on."""
        return {"agrees": self._samples.get(worth, [index])[0]}

    def lose(self, index: int, error: BaseException) -> None:
        """Count a sample without an answer."""
        super().lose(index, error)
        self._open.discard(index)

    @property
    def decided(self) -> bool:
        """True once no other answer can win."""
        if not self._open:
            return True
        if not self._samples:
            return False
        leader = self._ranked()[0]
        votes = len(self._samples[leader])
        if max(map(len, self._samples.values())) + len(self._open) < self._needed:
            return True  # nobody can get as many as it takes
        return votes >= self._needed and not any(
            self._may_overtake(other, leader) for other in (*self._samples, _UNHEARD)
        )

    def _may_overtake(self, other: Hashable, leader: Hashable) -> bool:
        """Whether an answer, also one that nobody has given yet, could still win."""
        if other == leader:
            return False
        indices = self._samples.get(other, [])
        most, least = len(indices) + len(self._open), len(self._samples[leader])
        if most != least:
            return most > least
        return min(*indices, *self._open, self._count) < min(self._samples[leader])

    def _ranked(self) -> list[Hashable]:
        """The answers, the winner first: by votes, then by the number of the first sample."""
        samples = self._samples
        return sorted(samples, key=lambda key: (-len(samples[key]), min(samples[key])))

    def result(self) -> Any:
        """The answer with the most votes, as it was first given."""
        if not self._samples:
            raise failed_together(self, len(self.errors))
        winner = self._ranked()[0]
        votes = len(self._samples[winner])
        if votes < self._needed:
            raise NoAgreement(
                f"no answer has the {self._needed} of {self._count} samples behind it that "
                f"min_agreement asks for; the strongest has {votes}."
            )
        return self._answers[min(self._samples[winner])]

    def data(self) -> Mapping[str, Any]:
        """The tally: each answer as first given, its votes and samples; agreement; calls saved."""
        ranked = [sorted(self._samples[key]) for key in self._ranked()]
        heard = len(self._answers)
        return {
            "tally": [
                {"answer": text_of(self._answers[own[0]]), "votes": len(own), "samples": own}
                for own in ranked
            ],
            "agreement": len(ranked[0]) / heard if ranked else 0.0,
            "dissenters": sorted(index for samples in ranked[1:] for index in samples),
            "heard": heard,
            "failed": len(self.errors),
            "saved": len(self._open),
        }
