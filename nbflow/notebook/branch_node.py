"""The node that a branch which is being written would be: as a draft, and as code.

Every mistake is a `CellError` whose place is a field, or a piece of the text. Knows the grammar of
cells by its parts; runs nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from nbflow.errors import FlowError
from nbflow.notebook.branch import Branch, Kind
from nbflow.notebook.branch_place import EACH, NAME, field_place
from nbflow.writing.cell_text import forget
from nbflow.writing.draft import Draft
from nbflow.writing.header import Header
from nbflow.writing.options import NodeOptions, node_options
from nbflow.writing.place import Place
from nbflow.writing.python import Function, read_python
from nbflow.writing.python_prompt import Definition
from nbflow.writing.python_text import decorator_lines, function_text
from nbflow.writing.sections import body_lines, section_of
from nbflow.writing.source import Source
from nbflow.writing.step import Step, add_options

_KINDS: Mapping[str, Kind] = {"template": "template", "python": "python"}
"""The kinds of the shapes that aren't ways to ask a model."""
_SKETCH = "def {}(topic):\n    return topic.upper()"


@dataclass(frozen=True, slots=True)
class Node:
    """What a branch says: a draft of its node, and what runs before.

    Args:
        draft: The node.
        function: The function that its text is, of code.
        statements: Code beside that function, such as imports.
    """

    draft: Draft
    function: Function | None = None
    statements: CodeType | None = None

    def forget(self) -> None:
        """Drop what tracebacks would show of it, for it isn't run."""
        forget(self.function)


def node_of(branch: Branch, transform: Callable[[str], str] | None = None) -> Node:
    """The node that a branch says.

    Args:
        branch: The branch.
        transform: Makes Python of IPython's own syntax.

    Raises:
        CellError: the first mistake. The first line of a prompt is line 1; code begins at line 2.

    Example:
        >>> list(node_of(Branch(1, "joke", text="About {topic}")).draft.reads)
        ['topic']
    """
    options, places = _read_words(branch)
    if branch.kind == "python":
        return _node_of_code(branch, options, places, transform)
    elements = {one: field_place(EACH, one) for one, _ in branch.elements}
    sources = {one: field_place(EACH, source) for one, source in branch.elements}
    header = Header(branch.name, field_place(NAME, branch.name), options, places, elements, sources)
    lines = branch.text.split("\n") if branch.text.strip() else []
    section = section_of(header, [Place(row, 1, line) for row, line in enumerate(lines, 1)])
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
) -> Node:
    lines = list(body_lines(branch.text.replace("\r\n", "\n").replace("\r", "\n")))
    if not branch.text.strip():
        raise Place(2, 1, "").error(
            f"{branch.name!r} has no code yet; it is one function: def {branch.name}(topic): ..."
        )
    functions, statements = read_python(f"%%branch {branch.name}", lines, transform)
    if len(functions) > 1:
        raise functions[1].place.error(
            "a branch is one function; put the other into one of its own."
        )
    (function,) = functions
    if function.name != branch.name:
        raise function.place.error(
            f"the function is called {function.name!r} and its branch {branch.name!r}; give both "
            "one name."
        )
    draft = Optioned(function, node_options(options), places) if options else function
    return Node(draft, function, statements)


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


def code_of(branch: Branch, namespace: Mapping[str, Any]) -> tuple[str, str]:
    """A branch as Python: what stands beside its function, and the function with all its options.

    Raises:
        CellError: it can't be read.
        FlowError: no code says it.
    """
    node = node_of(branch)
    node.forget()
    if node.function is None:
        return "", function_text(node.draft.step(dict(namespace)), namespace)
    options, _ = _read_words(branch)
    source, definition = node.function.source, node.function.definition
    lines = decorator_lines(branch.name, node_options(options), namespace)
    return beside(source, [definition]), "\n".join([*lines, source.text_of(definition)])


def beside(source: Source, functions: Iterable[Definition]) -> str:
    """What stands beside some functions in a text, such as imports."""
    pieces, end = [], 1
    for function in functions:
        first = min([function.lineno, *(one.lineno for one in function.decorator_list)])
        pieces.append(source.shown[end : first - 1])
        end = function.end_lineno or function.lineno
    texts = ["\n".join(lines).strip("\n") for lines in (*pieces, source.shown[end:])]
    return "\n\n".join(text for text in texts if text.strip())


def reshaped(branch: Branch, shape: str) -> Branch:
    """A branch as another kind: `prompt`, `template`, `python`, `vote` or `each`.

    What it was before stays as far as the new kind has a use for it.

    Example:
        >>> reshaped(Branch(1, "joke", text="About {topic}"), "python").text
        "def joke(topic): 'About {topic}'"
    """
    kind = _KINDS.get(shape, "prompt")
    text = branch.text
    if kind == "python" and branch.kind != "python":
        text = _as_code(branch)
    elif branch.kind == "python" and kind != "python":
        text = _as_prompt(branch)
    words = {word: value for word, value in branch.words.items() if word != "votes"}
    elements: tuple[tuple[str, str], ...] = ()
    if shape == "vote":
        words["votes"] = "5"
    elif shape == "each":
        elements = branch.elements or (("item", "items"),)
        text = text if text.strip() or branch.elements else "Write about {item}"
    return dataclasses.replace(branch, kind=kind, words=words, elements=elements, text=text)


def _as_code(branch: Branch) -> str:
    plain = dataclasses.replace(branch, words={}, elements=())
    try:
        return code_of(plain, {})[1] if branch.text.strip() else _SKETCH.format(branch.name)
    except FlowError:
        return _SKETCH.format(branch.name)


def _as_prompt(branch: Branch) -> str:
    """The text of code that is only a prompt; of other code, nothing that a model could read."""
    try:
        node = node_of(branch)
        node.forget()
        step = node.draft.step({})
    except FlowError:
        return ""
    return step.source if step.function is None else ""
