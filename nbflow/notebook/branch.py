"""A branch that is being written: what stands in its fields, and the node that it would be.

A plain value. Every mistake is a `CellError` whose place is a field, or a piece of the text. Knows
the grammar of cells by its parts; knows no widgets, and runs nothing.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Literal

from nbflow.errors import FlowError
from nbflow.writing.cell_text import forget
from nbflow.writing.draft import Draft
from nbflow.writing.header import MODEL_WORDS, Header
from nbflow.writing.options import NODE_WORDS, NodeOptions, node_options
from nbflow.writing.place import Place
from nbflow.writing.prompt import placeholders
from nbflow.writing.python import read_python
from nbflow.writing.python_text import decorator_lines, function_text
from nbflow.writing.sections import Section, body_lines, section_of
from nbflow.writing.source import Source
from nbflow.writing.step import Step, add_options
from nbflow.writing.words import Word

Kind = Literal["prompt", "template", "python"]

NAME, EACH, TEXT = "name", "each", "text"
"""The fields that every branch has; the others are called as the options in them."""

FIELDS = (NAME, EACH, *NODE_WORDS)
"""The fields but the text: the places in them have negative lines, a line for each."""

_SAMPLES = (*MODEL_WORDS, "votes", "min_agreement")


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch that is being written.

    Args:
        id: Tells it from others while its name changes.
        name: What others read it as, an identifier.
        kind: A prompt, a template or a Python function.
        text: The prompt, the template or the code.
        words: Its options: as they were typed, or objects that have no text.
        elements: What is iterated: the name of an element, and where it comes from.
        typed_name: What stands in the field of its name, if that can't be one.
    """

    id: int
    name: str
    kind: Kind = "prompt"
    text: str = ""
    words: Mapping[str, Any] = field(default_factory=dict)
    elements: tuple[tuple[str, str], ...] = ()
    typed_name: str = ""

    @property
    def said(self) -> dict[str, Any]:
        """The options that a branch of this kind has a use for; others wait for another kind."""
        unused = {"prompt": (), "template": _SAMPLES, "python": MODEL_WORDS}[self.kind]
        return {
            word: value
            for word, value in self.words.items()
            if word not in unused and value not in ("", None)
        }

    @property
    def shape(self) -> str:
        """Its kind as a person sees it: of prompts, those that vote or go through a list too.

        Example:
            >>> Branch(1, "a", words={"votes": "5"}).shape, Branch(1, "a", "python").shape
            ('vote', 'python')
        """
        if self.kind != "prompt":
            return self.kind
        if self.elements:
            return "each"
        return "vote" if "votes" in self.said else "prompt"

    def renamed(self, old: str, new: str) -> Branch:
        """The same, reading another name.

        Example:
            >>> Branch(1, "a", text="{b} and {{b}} and {c}").renamed("b", "d").text
            '{d} and {{b}} and {c}'
        """
        is_own = any(element == old for element, _ in self.elements)
        sources = tuple((one, new if source == old else source) for one, source in self.elements)
        text = self.text
        if not is_own:
            rename = _renamed_in_code if self.kind == "python" else _renamed_in_prompt
            text = rename(text, old, new)
        return dataclasses.replace(self, text=text, elements=sources)

    def called(self, name: str) -> Branch:
        """The same by another name."""
        text = self.text
        if self.kind == "python":
            text = re.sub(
                rf"(?m)^((?:async\s+)?def\s+){re.escape(self.name)}\b", rf"\g<1>{name}", text
            )
        return dataclasses.replace(self, name=name, text=text, typed_name="")


@dataclass(frozen=True, slots=True)
class Node:
    """What a branch says: a draft of its node, and what runs before.

    Args:
        draft: The node.
        statements: Code beside its function, such as imports.
        lines: That code's text and the function's, apart.
    """

    draft: Draft
    statements: CodeType | None = None
    lines: tuple[str, str] = ("", "")


def field_place(name: str, shown: str = "") -> Place:
    """The place of a field.

    Example:
        >>> field_at(field_place("retries", "x").line)
        'retries'
    """
    return Place(-1 - FIELDS.index(name), 1, shown or name)


def field_at(line: int) -> str:
    """The field whose place has a line, which is negative."""
    return FIELDS[-1 - line]


def node_of(
    branch: Branch,
    transform: Callable[[str], str] | None = None,
    *,
    head: str = "",
    first_line: int = 1,
) -> Node:
    """The node that a branch says.

    Args:
        branch: The branch.
        transform: Makes Python of IPython's own syntax.
        head: The line above its code, for tracebacks.
        first_line: The line of a prompt's first line. Code begins at line 2 always, below its head.

    Raises:
        CellError: the first mistake.

    Example:
        >>> list(node_of(Branch(1, "joke", text="About {topic}")).draft.reads)
        ['topic']
    """
    options, places = _read_words(branch)
    if branch.kind == "python":
        return _node_of_code(branch, options, places, transform, head)
    elements = {one: field_place(EACH, one) for one, _ in branch.elements}
    sources = {one: field_place(EACH, source) for one, source in branch.elements}
    header = Header(branch.name, field_place(NAME, branch.name), options, places, elements, sources)
    lines = branch.text.split("\n")
    text = [Place(number, 1, line) for number, line in enumerate(lines, first_line)]
    if not branch.text.strip():
        text = []
    section = section_of(header, text)
    return Node(dataclasses.replace(section, prompt=branch.text))


def _read_words(branch: Branch) -> tuple[dict[str, Any], dict[str, Place]]:
    options: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for word, value in branch.said.items():
        place = places[word] = field_place(word, str(value) if isinstance(value, str) else word)
        try:
            options[word] = getattr(node_options({word: value}), word)
        except FlowError as error:
            raise place.error(str(error)) from None
    if branch.elements:
        options["each"] = dict(branch.elements)
        places["each"] = field_place(EACH)
    if branch.kind == "template":
        options["template"] = True
    return options, places


def _node_of_code(
    branch: Branch,
    options: dict[str, Any],
    places: dict[str, Place],
    transform: Callable[[str], str] | None,
    head: str,
) -> Node:
    lines = list(body_lines(branch.text.replace("\r\n", "\n").replace("\r", "\n")))
    if not branch.text.strip():
        raise Place(2, 1, "").error(
            f"{branch.name!r} has no code yet; it is one function: def {branch.name}(topic): ..."
        )
    drafts, statements = read_python(head, lines, transform)
    if len(drafts) > 1:
        raise drafts[1].place.error("a branch is one function; put the other into one of its own.")
    (function,) = drafts
    if function.name != branch.name:
        raise function.place.error(
            f"the function is called {function.name!r} and its branch {branch.name!r}; give both "
            "one name."
        )
    draft: Draft = function
    if options:
        draft = Optioned(function, node_options(options), places)
    return Node(draft, statements, _apart(function.source, function.definition))


def _apart(source: Source, definition: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, str]:
    text = source.text_of(definition)
    first = min([definition.lineno, *(one.lineno for one in definition.decorator_list)])
    others = [*source.shown[1 : first - 1], *source.shown[definition.end_lineno :]]
    return "\n".join(others).strip("\n"), text


@dataclass(frozen=True, slots=True)
class Optioned:
    """A draft with more said of it than its text says."""

    draft: Draft
    more: NodeOptions
    options: Mapping[str, Place]

    @property
    def name(self) -> str:
        """Its name."""
        return self.draft.name

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.draft.place

    @property
    def reads(self) -> Mapping[str, Place]:
        """What it reads: what is iterated, and not its elements."""
        return self._without_elements(self.draft.reads)

    @property
    def required(self) -> Mapping[str, Place]:
        """Those of them that must stand for something."""
        return self._without_elements(self.draft.required)

    def _without_elements(self, reads: Mapping[str, Place]) -> Mapping[str, Place]:
        each = self.more.each or {}
        kept = {name: place for name, place in reads.items() if name not in each}
        return kept | dict.fromkeys(each.values(), self.options.get("each", self.place))

    def step(self, namespace: dict[str, Any]) -> Step:
        """The node, as its text and its options say together."""
        step = self.draft.step(namespace)
        try:
            return add_options(step, self.more)
        except FlowError as error:
            named = [place for word, place in self.options.items() if word in str(error)]
            raise (named[0] if named else self.place).error(str(error)) from None


def _renamed_in_prompt(text: str, old: str, new: str) -> str:
    parts, end = [], 0
    for hole in placeholders(text):
        if hole.name == old:
            parts += [text[end : hole.offset], f"{{{new}}}"]
            end = hole.offset + len(old) + 2
    return "".join([*parts, text[end:]])


def _renamed_in_code(text: str, old: str, new: str) -> str:
    """The code with every use of a name replaced; as it was, if it can't be read."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    lines = text.split("\n")
    for row, column in sorted(set(_uses(tree, old, lines)), reverse=True):
        line = lines[row]
        start = len(line.encode()[:column].decode(errors="replace"))
        lines[row] = line[:start] + new + line[start + len(old) :]
    return "\n".join(lines)


def _uses(tree: ast.Module, name: str, lines: list[str]) -> Iterator[tuple[int, int]]:
    """Where a name stands, as a row and a column in bytes, both from 0."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=found) | ast.Name(id=found) if found == name:
                yield node.lineno - 1, node.col_offset
            case ast.Constant(value=str()):
                yield from _holes(node, name, lines)
            case _:
                pass


def _holes(text: ast.Constant, name: str, lines: list[str]) -> Iterator[tuple[int, int]]:
    """Where `{name}`, or the name alone, stands in a text of the code."""
    if text.value == name and text.lineno == text.end_lineno:
        source = lines[text.lineno - 1].encode()[text.col_offset : text.end_col_offset]
        at = source.find(name.encode())
        if at >= 0:
            yield text.lineno - 1, text.col_offset + at
        return
    for row in range(text.lineno - 1, text.end_lineno or text.lineno):
        for hole in placeholders(lines[row]):
            if hole.name == name:
                yield row, len(lines[row][: hole.offset + 1].encode())


def branch_of(draft: Any, number: int) -> Branch:
    """A node of a cell as a branch to be written on.

    Args:
        draft: What the parser made of it.
        number: The branch's id.
    """
    if isinstance(draft, Section):
        words = {word: value for word, value in draft.words.items() if word != "each"}
        kind: Kind = "template" if words.pop("template", False) else "prompt"
        elements = tuple((draft.words.get("each") or {}).items())
        return Branch(number, draft.name, kind, draft.prompt, typed_words(words), elements)
    step = None if draft.definition.decorator_list else _plain_prompt(draft)
    if step is not None:
        return Branch(number, draft.name, "prompt", step.source)
    return Branch(number, draft.name, "python", draft.source.text_of(draft.definition))


def _plain_prompt(draft: Any) -> Step | None:
    """The step of a function that is a prompt and nothing else; running its `def` does nothing."""
    arguments = draft.definition.args
    if arguments.defaults or arguments.kwonlyargs or draft.definition.returns:
        return None
    if any(argument.annotation for argument in arguments.args):
        return None
    step: Step = draft.step({})
    holes = [hole.name for hole in placeholders(step.source)]
    is_same = step.kind == "prompt" and step.inputs == tuple(dict.fromkeys(holes))
    return step if is_same else None


def branch_of_step(step: Step, number: int, namespace: Mapping[str, Any]) -> Branch:
    """A node of a flow as a branch to be written on.

    Raises:
        FlowError: it is a function whose code isn't at hand.

    Example:
        >>> from nbflow import ask
        >>> branch_of_step(ask("About {topic}", name="joke", retries=2), 1, {}).words
        {'retries': '2'}
    """
    words = {
        one.name: getattr(step.options, one.name)
        for one in dataclasses.fields(step.options)
        if getattr(step.options, one.name) not in (None, False) and one.name != "template"
    }
    elements = tuple((words.pop("each", None) or {}).items())
    holes = dict.fromkeys(hole.name for hole in placeholders(step.source))
    plain = {*words}.isdisjoint({"key", "best", "score", "retry_on"}) and not step.optional
    reads = tuple(dict.fromkeys(dict(elements).get(name, name) for name in holes))
    if step.function is None and plain and reads == step.inputs:
        kind: Kind = "template" if step.kind == "template" else "prompt"
        return Branch(number, step.name, kind, step.source, typed_words(words), elements)
    return Branch(number, step.name, "python", function_text(step, namespace))


def typed_words(words: Mapping[str, Any]) -> dict[str, Any]:
    """Checked options as a person would type them; what has no text stays as it is."""
    typed: dict[str, Any] = {}
    for word, value in words.items():
        plain = Word(word, value).plain
        if word == "model":
            many = isinstance(value, dict) and all(
                isinstance(one, str) and one == label for label, one in value.items()
            )
            typed[word] = ",".join(value) if many else value
        else:
            typed[word] = str(plain) if isinstance(plain, str | int | float) else value
    return typed


def code_of(branch: Branch, namespace: Mapping[str, Any]) -> tuple[str, str]:
    """A branch as Python: what stands beside its function, and the function with all its options.

    Raises:
        CellError: it can't be read.
        FlowError: no code says it.
    """
    node = node_of(branch)
    forget_node(node)
    if branch.kind != "python":
        return "", function_text(node.draft.step(dict(namespace)), namespace)
    options, _ = _read_words(branch)
    others, function = node.lines
    lines = decorator_lines(branch.name, node_options(options), namespace)
    return others, "\n".join([*lines, function])


def forget_node(node: Node) -> None:
    """Drop what tracebacks would show of a node that isn't run."""
    draft = node.draft.draft if isinstance(node.draft, Optioned) else node.draft
    forget(draft)
