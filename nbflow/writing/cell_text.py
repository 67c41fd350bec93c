"""From a flow back to the `%%fanout` cell that says it: the way back from `cell`.

What it writes, the parser reads as the same nodes, options and values; what no cell can say is an
error that names it. Knows the three forms; knows nothing of notebooks.
"""

from __future__ import annotations

import dataclasses
import itertools
import keyword
import linecache
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nbflow.errors import CellError, FlowError
from nbflow.writing.cell import Cell, parse
from nbflow.writing.flow import Flow
from nbflow.writing.header import MODEL_WORDS, is_header, slip
from nbflow.writing.line import LINE_OPTIONS
from nbflow.writing.options import PYTHON_WORDS, FlowOptions
from nbflow.writing.place import Place
from nbflow.writing.python_text import function_text
from nbflow.writing.step import Step, ask
from nbflow.writing.words import (
    model_word,
    quoted,
    unexpanded,
    written_words,
)


def cell_text(
    flow: Flow,
    *,
    values: Mapping[str, str] | None = None,
    out: str | None = None,
    namespace: Mapping[str, Any] | None = None,
) -> str:
    r"""The `%%fanout` cell that is equivalent to a flow.

    Prompts and templates become sections; if there is a function among the nodes, or a text that no
    section can hold, all of them become functions.

    Args:
        flow: The flow.
        values: Inputs that the magic's line gives, by name.
        out: The variable that gets the run; by default the flow's name, if a variable can have it.
        namespace: The notebook's variables: a model that is an object is called as one of them.

    Returns:
        The cell, without a line break at its end. IPython fills `{x}` and `$x` into its first line,
        so there they are escaped.

    Raises:
        FlowError: a node, an option or a value can't be written in a cell.

    Example:
        >>> from nbflow import ask
        >>> flow = Flow(ask("A joke about {topic}", name="joke", retries=2), name="run")
        >>> print(cell_text(flow.options(jobs=4), values={"topic": "black cats"}))
        %%fanout -o run -j 4 topic="black cats"
        [joke] retries=2
        A joke about {topic}
    """
    there = namespace or {}
    steps = [_useful(step) for step in flow.steps]
    line = line_text(flow.chosen, values or {}, _out(flow.name) if out is None else out, there)
    written = sections_text if all(map(_fits_section, steps)) else functions_text
    body = written(steps, there)
    _check(line, body, steps, there)
    return f"%%fanout {unexpanded(line)}".rstrip() + f"\n{body}"


def line_text(
    options: FlowOptions,
    values: Mapping[str, str],
    out: str = "",
    namespace: Mapping[str, Any] | None = None,
) -> str:
    """What stands behind the magic's name, before IPython has expanded anything in it.

    Raises:
        FlowError: a value has more than one line, or a model has no name.

    Example:
        >>> line_text(FlowOptions(jobs=2, on_error="keep"), {"topic": "cats"}, "run")
        '-o run -j 2 --on-error keep topic=cats'
    """
    said = {"out": out} if out else {}
    for word in written_words(options):
        plain = word.plain if word.name != "model" else ""
        said[word.name] = str(plain) or model_word("the flow", word.value, namespace or {})
    parts = [f"{_flag(word)} {quoted(value, first=True)}" for word, value in said.items()]
    return " ".join([*parts, *(_value(name, value) for name, value in values.items())])


def _flag(word: str) -> str:
    option = next(option for option in LINE_OPTIONS if option.word == word)
    return option.short or option.flag


def _value(name: str, value: str) -> str:
    if len(value.splitlines()) > 1 or value.splitlines() not in ([], [value]):
        raise FlowError(
            f"the value of {name!r} has more than one line, so it doesn't fit the magic's line; "
            "give it to a variable of that name."
        )
    return f"{name}={quoted(value)}"


def _out(name: str) -> str:
    return name if name.isidentifier() and not keyword.iskeyword(name) else ""


def _useful(step: Step) -> Step:
    """A step without what only a model would hear, if it calls none."""
    if step.kind == "prompt":
        return step
    nothing: dict[str, Any] = dict.fromkeys(MODEL_WORDS)
    return dataclasses.replace(step, options=dataclasses.replace(step.options, **nothing))


def _fits_section(step: Step) -> bool:
    if step.function is not None or "\r" in step.source:
        return False
    if any(getattr(step.options, word) is not None for word in PYTHON_WORDS - {"each"}):
        return False
    try:
        plain = ask(step.source, name=step.name, each=step.options.each)
    except FlowError:
        return False
    return (plain.inputs, plain.optional) == (step.inputs, step.optional)


def sections_text(steps: Iterable[Step], namespace: Mapping[str, Any]) -> str:
    """Prompts and templates as sections, a blank line between them."""
    return "\n\n".join(section_text(step, namespace) for step in steps)


def section_text(step: Step, namespace: Mapping[str, Any]) -> str:
    """A prompt or a template as a section: its header, and its text below."""
    header = " ".join([f"[{step.name}]", *header_words(step, namespace)])
    return f"{header}\n{escaped(step.source)}"


def header_words(step: Step, namespace: Mapping[str, Any]) -> list[str]:
    """The options of a prompt or a template, as they stand behind its name.

    Example:
        >>> header_words(ask("About {doc}", name="a", each={"doc": "docs"}, votes=3), {})
        ['for doc in docs', 'votes=3']
    """
    said = [f"for {element} in {source}" for element, source in (step.options.each or {}).items()]
    for word in written_words(step.options):
        if word.name == "each":
            continue
        if word.name == "template":
            said.append(word.name)
            continue
        is_model = word.name == "model"
        plain = model_word(repr(step.name), word.value, namespace) if is_model else str(word.plain)
        said.append(f"{word.name}={quoted(plain)}")
    return said


def escaped(text: str) -> str:
    r"""A text as it stands under a header: no line of it is one, and none at its ends is lost.

    Example:
        >>> print(escaped("\n[joke]\nand [this](link)"))
        \
        \[joke]
        and [this](link)
    """
    lines = [_escaped_line(line) for line in text.split("\n")]
    for end in {0, len(lines) - 1}:
        if not lines[end].replace("\\", "").strip():
            lines[end] = f"\\{lines[end]}"
    return "\n".join(lines)


def _escaped_line(line: str) -> str:
    bare = line.lstrip("\\")
    if not bare.startswith("["):
        return line
    means_header = is_header(bare) or slip(Place(1, 1, bare), "a prompt") is not None
    return f"\\{line}" if means_header else line


def functions_text(steps: Iterable[Step], namespace: Mapping[str, Any]) -> str:
    """All nodes as functions."""
    return functions_together([function_text(step, namespace) for step in steps])


def functions_together(texts: Sequence[str]) -> str:
    """Functions one below the other, blank lines around those with more than one line.

    Example:
        >>> print(functions_together(["def a(): 1", "def b(): 2"]))
        def a(): 1
        def b(): 2
    """
    body = texts[0]
    for before, text in itertools.pairwise(texts):
        body += ("\n\n\n" if "\n" in before + text else "\n") + text
    return body


def _check(line: str, body: str, steps: list[Step], namespace: Mapping[str, Any]) -> None:
    """Refuse a text that says something else: better no cell than another flow."""
    cell = check_names(line, body, [step.name for step in steps])
    for step, draft in zip(steps, cell.drafts, strict=True):
        if cell.form == "python":
            is_lost = {*draft.reads} != {*step.inputs, *step.optional}
        else:
            is_lost = draft.step(dict(namespace)) != step
        if is_lost:
            raise _lost(step.name)


def check_names(line: str, body: str, names: list[str]) -> Cell:
    """The cell that a text is read as.

    Raises:
        FlowError: it is none, or one of other nodes.
    """
    try:
        cell = parse(line, body)
    except CellError as error:
        raise FlowError(f"this flow can't be written as a cell: {error}") from None
    for draft in cell.drafts:
        forget(draft)
    read = [draft.name for draft in cell.drafts]
    if read != names:
        raise _lost(next((name for name in names if name not in read), names[-1]))
    return cell


def _lost(name: str) -> FlowError:
    return FlowError(f"{name!r} can't be written in a cell so that nothing of it is lost.")


def forget(draft: object) -> None:
    """Drop what tracebacks would show of a node that isn't run."""
    source = getattr(draft, "source", None)
    if source is not None:
        linecache.cache.pop(source.filename, None)
