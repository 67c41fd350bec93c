"""How the tasks of one node are nested, whatever the language: elements, models, samples.

Each way that is not the outermost becomes a function within the node's own. Knows no language.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from nbflow.export.layout import Block, Code, Statement
from nbflow.export.program import Part

Made: TypeAlias = tuple[Block, Code]
"""Statements, and the expression of what they have made."""


class FanOuts(ABC):
    """Writes how many tasks become one result; a language says how each way is written."""

    local: Mapping[str, str]
    """What each name is called within a function."""

    def fan(
        self,
        part: Part,
        call: Callable[[Sequence[str]], str],
        source: Callable[[str], str],
    ) -> Made:
        """How a node's tasks become its result: statements, and its expression.

        Args:
            part: A node that is many tasks.
            call: The call of one task, of what is its own: elements, model, number.
            source: The expression for what is iterated.
        """
        own = [self.local[name] for name in part.elements]
        outer = [*own, *(["model"] if part.side_by_side else [])]
        sampled = "vote" if part.votes else "best"
        blocks: list[Statement] = []
        body: Made | None = None
        if part.samples is not None:
            body = self.sampled(part, call([*outer, "number"]))
        if part.side_by_side:
            body = self.compared(part, self._nested(blocks, sampled, outer, body, call))
        if part.elements:
            name = "answers" if part.side_by_side else sampled
            inner = self._nested(blocks, name, own, body, call)
            body = self.gone_through(part, inner, source)
        assert body is not None
        return [*blocks, *body[0]], body[1]

    def _nested(
        self,
        blocks: list[Statement],
        name: str,
        parameters: Sequence[str],
        body: Made | None,
        call: Callable[[Sequence[str]], str],
    ) -> str:
        """Put what was made so far into a function of its own, to be called once for each."""
        if body is None:
            return call(parameters)
        blocks += self.within(name, parameters, *body[0], self.returned(body[1]))
        return f"{name}({', '.join(parameters)})"

    @abstractmethod
    def within(self, name: str, parameters: Sequence[str], *body: Statement) -> Block:
        """A function within a function."""

    @abstractmethod
    def returned(self, result: Code) -> Code:
        """A statement that returns a result."""

    @abstractmethod
    def sampled(self, part: Part, call: str) -> Made:
        """How its samples become one result."""

    @abstractmethod
    def compared(self, part: Part, call: str) -> Made:
        """How its models' answers become one result."""

    @abstractmethod
    def gone_through(self, part: Part, call: str, source: Callable[[str], str]) -> Made:
        """How the results for its elements become a list."""
