"""All that is written of a flow, as one value: made of a flow or a cell, and a cell again.

Knows the grammar of cells by its parts; knows nothing of mistakes, undo or widgets.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbflow.errors import FlowError
from nbflow.notebook.branch import Branch, branch_of, branch_of_step
from nbflow.notebook.branch_node import beside, code_of, node_of
from nbflow.writing.cell import Cell, parse
from nbflow.writing.cell_text import check_names, functions_together, line_text, sections_text
from nbflow.writing.flow import Flow
from nbflow.writing.options import flow_options
from nbflow.writing.words import typed_words, unexpanded, written_words


@dataclass(frozen=True, slots=True)
class State:
    """All that there is to undo.

    Args:
        branches: In their order.
        values: What was typed for each input, by its name.
        options: Options of the run as they were typed, or objects that have no text.
        out: The variable that gets the run.
    """

    branches: tuple[Branch, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    out: str = ""


def state_of_flow(flow: Flow, ids: Iterator[int], namespace: Mapping[str, Any]) -> State:
    """A flow, to be written on.

    Raises:
        FlowError: it has a function whose code isn't at hand.
    """
    branches = tuple(branch_of_step(step, next(ids), namespace) for step in flow.steps)
    options = {word.name: word.value for word in written_words(flow.chosen)}
    is_variable = flow.name.isidentifier() and not keyword.iskeyword(flow.name)
    return State(branches, {}, typed_words(options), flow.name if is_variable else "")


def state_of_cell(
    text: str, ids: Iterator[int], transform: Callable[[str], str] | None = None
) -> State:
    r"""The text of a `%%fanout` cell, to be written on.

    Raises:
        FlowError: it can't be read.

    Example:
        >>> state_of_cell("%%fanout topic=cats\njoke: About {topic}", iter([1])).values
        {'topic': 'cats'}
    """
    head, _, body = text.strip("\n").partition("\n")
    magic, _, line = head.strip().partition(" ")
    if magic != "%%fanout":
        raise FlowError(f"a cell to load begins with %%fanout, not with {magic!r}.")
    cell = parse(line, body, transform=transform)
    branches = [branch_of(draft, next(ids)) for draft in cell.drafts]
    if cell.statements is not None:
        _put_statements(branches, cell)
    said = cell.line
    return State(tuple(branches), dict(said.values), typed_words(said.options), said.out or "")


def _put_statements(branches: list[Branch], cell: Cell) -> None:
    """Put the cell's other statements above the first branch that is code."""
    drafts: Any = cell.drafts
    definitions = [draft.definition for draft in drafts]
    first = next((n for n, one in enumerate(branches) if one.kind == "python"), 0)
    source, branch = drafts[first].source, branches[first]
    text = f"{beside(source, definitions)}\n\n{source.text_of(definitions[first])}"
    branches[first] = Branch(branch.id, branch.name, "python", text)


def cell_of_state(state: State, values: Mapping[str, str], namespace: Mapping[str, Any]) -> str:
    """The equivalent `%%fanout` cell.

    Args:
        state: What was written.
        values: Of its values those that are read.
        namespace: The notebook's variables: a model that is an object is called as one of them.

    Raises:
        FlowError: something is wrong, or can't be written in a cell.

    Example:
        >>> print(cell_of_state(State((Branch(1, "joke", text="A joke"),), out="run"), {}, {}))
        %%fanout -o run
        [joke]
        A joke
    """
    if not state.branches:
        raise FlowError("there is no branch yet, so there is no cell.")
    line = line_text(flow_options(state.options), values, state.out, namespace)
    body = _body(state.branches, namespace)
    check_names(line, body, [branch.name for branch in state.branches])
    return f"%%fanout {unexpanded(line)}".rstrip() + f"\n{body}"


def draft_of_state(state: State, values: Mapping[str, str]) -> str:
    """What is written, in the form of a cell, whatever is wrong with it: to be read by a person.

    Args:
        state: What was written.
        values: Of its values those to be shown.

    Example:
        >>> print(draft_of_state(State((Branch(1, "a", text="{b}", words={"retries": "x"}),)), {}))
        %%fanout
        [a] retries=x
        {b}
    """
    options = {f"--{word.replace('_', '-')}": said for word, said in state.options.items()}
    options |= {"--out": state.out} if state.out else {}
    said = [f"{word} {_plain(value)}" for word, value in options.items()]
    said += [f"{name}={value}" for name, value in values.items()]
    parts = [" ".join(["%%fanout", *said]), *map(_draft_of_branch, state.branches)]
    return "\n".join(parts[:2]) + "".join(f"\n\n{part}" for part in parts[2:])


def _draft_of_branch(branch: Branch) -> str:
    if branch.kind == "python":
        return branch.text
    words = [f"{word}={_plain(value)}" for word, value in branch.said.items()]
    words += [f"for {one} in {source}" for one, source in branch.elements]
    words += ["template"] if branch.kind == "template" else []
    return " ".join([f"[{branch.name}]", *words]) + f"\n{branch.text}"


def _plain(value: Any) -> str:
    """A value that was typed; of an object its type, for its repr may tell anything."""
    return value if isinstance(value, str) else f"<{type(value).__name__}>"


def _body(branches: tuple[Branch, ...], namespace: Mapping[str, Any]) -> str:
    if not any(one.kind == "python" or "\r" in one.text for one in branches):
        steps = [node_of(branch).draft.step(dict(namespace)) for branch in branches]
        return sections_text(steps, namespace)
    parts = [code_of(branch, namespace) for branch in branches]
    others = "\n".join(other for other, _ in parts if other)
    functions = functions_together([function for _, function in parts])
    return f"{others}\n\n\n{functions}" if others else functions
