"""How the tasks of one node are nested, whatever the language: elements, models, samples.

Each way that is not the outermost becomes a function within the node's own. Knows what a task is
given; knows no language.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from nbflow.export.layout import Block, Bracket, Code, Statement
from nbflow.export.program import Part, Program

Made: TypeAlias = tuple[Block, Code]
"""Statements, and the expression of what they have made."""


class Types(NamedTuple):
    """What a language calls its types."""

    anything: str
    text: str
    number: str
    list: str
    mapping: str


class FanOuts(ABC):
    """Writes what tasks are given and how many become one; a language says in which words."""

    program: Program
    local: Mapping[str, str]
    """What each name is called within a function."""
    node: Mapping[str, str]
    """What the function of each node is called."""
    types: Types

    def type_of(self, part: Part) -> str:
        """The type of a node's result."""
        if part.elements:
            return self.types.list
        if part.side_by_side:
            return self.types.mapping
        return self.types.anything if part.kind == "python" else self.types.text

    def own_parameters(self, part: Part) -> list[str]:
        """What one task of a node with many is given of its own, with types."""
        own = [f"{self.local[name]}: {self.types.anything}" for name in part.elements]
        own += [f"model: {self.types.text}"] if part.side_by_side else []
        return own + ([f"number: {self.types.number}"] if part.samples is not None else [])

    def alike(self, part: Part) -> list[str]:
        """What every task of a node is given alike."""
        return [*(self.local[name] for name in part.inputs), *(["rest"] if part.optional else [])]

    def alike_typed(self, part: Part) -> list[str]:
        """The same as parameters."""
        rest = [f"rest: {self.types.mapping}"] if part.optional else []
        return [*map(self._typed, part.inputs), *rest]

    def iterated(self, part: Part) -> list[str]:
        """What a node goes through."""
        return [self.local[source] for source in dict.fromkeys(part.elements.values())]

    def iterated_typed(self, part: Part) -> list[str]:
        """The same as parameters."""
        return list(map(self._typed, dict.fromkeys(part.elements.values())))

    def _typed(self, name: str) -> str:
        types = [self.type_of(part) for part in self.program.parts if part.name == name]
        return f"{self.local[name]}: {types[0] if types else self.types.anything}"

    def as_text(self, part: Part, name: str, ref: Callable[[str], str]) -> str:
        """The expression for a name in the text of a node's task."""
        expression = ref(name)
        if name in part.own:
            expression = self.helped("own_answer", f"{expression}, model")
        elif name not in part.elements and self._is_text(name):
            return expression
        return self.helped("as_text", expression)

    def _is_text(self, name: str) -> bool:
        found = (part for part in self.program.parts if part.name == name)
        return any(self.type_of(part) == self.types.text for part in found)

    def fan_of_calls(self, part: Part) -> Made:
        """How a node's tasks become its result, if each is a call of the node's function."""

        def call(own: Sequence[str]) -> Code:
            return Bracket(f"{self.node[part.name]}(", [*own, *self.alike(part)], ")")

        return self.fan(part, call, self.local.__getitem__)

    def fan(
        self,
        part: Part,
        call: Callable[[Sequence[str]], Code],
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
        call: Callable[[Sequence[str]], Code],
    ) -> Code:
        """Put what was made so far into a function of its own, to be called once for each."""
        if body is None:
            return call(parameters)
        blocks += self.within(name, parameters, *body[0], self.returned(body[1]))
        return Bracket(f"{name}(", parameters, ")")

    @abstractmethod
    def helped(self, helper: str, arguments: str) -> str:
        """The call of a function that the program brings with it."""

    @abstractmethod
    def within(self, name: str, parameters: Sequence[str], *body: Statement) -> Block:
        """A function within a function."""

    @abstractmethod
    def returned(self, result: Code) -> Code:
        """A statement that returns a result."""

    @abstractmethod
    def sampled(self, part: Part, call: Code) -> Made:
        """How its samples become one result."""

    @abstractmethod
    def compared(self, part: Part, call: Code) -> Made:
        """How its models' answers become one result."""

    @abstractmethod
    def gone_through(self, part: Part, call: Code, source: Callable[[str], str]) -> Made:
        """How the results for its elements become a list."""
