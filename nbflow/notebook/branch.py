"""A branch that is being written: what stands in its fields.

A plain value, made of what a person types, of a node in a cell or of a node of a flow. Knows no
widgets; what node it would be, `branch_node` knows.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nbflow.errors import FlowError
from nbflow.notebook.naming import renamed_in_code, renamed_in_prompt
from nbflow.writing.header import MODEL_WORDS
from nbflow.writing.prompt import placeholders
from nbflow.writing.python_prompt import prompt_of
from nbflow.writing.python_text import function_text
from nbflow.writing.sections import Section
from nbflow.writing.step import Step
from nbflow.writing.words import typed_words, written_words

Kind = Literal["prompt", "template", "python"]

_UNUSED = {
    "prompt": (),
    "template": (*MODEL_WORDS, "votes", "min_agreement"),
    "python": MODEL_WORDS,
}


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
        return {
            word: value
            for word, value in self.words.items()
            if word not in _UNUSED[self.kind] and value not in ("", None)
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
            >>> one_by_one = Branch(1, "sum", text="{doc}", elements=(("doc", "docs"),))
            >>> one_by_one.renamed("docs", "pages").elements, one_by_one.renamed("doc", "x").text
            ((('doc', 'pages'),), '{doc}')
        """
        sources = tuple((one, new if source == old else source) for one, source in self.elements)
        text = self.text
        if old not in dict(self.elements):
            rename = renamed_in_code if self.kind == "python" else renamed_in_prompt
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


def branch_of(draft: Any, number: int = 0) -> Branch:
    """A node of a cell as a branch to be written on.

    Args:
        draft: What the parser made of it.
        number: The branch's id.
    """
    if isinstance(draft, Section):
        words = dict(draft.words)
        elements = tuple((words.pop("each", None) or {}).items())
        kind: Kind = "template" if words.pop("template", False) else "prompt"
        return Branch(number, draft.name, kind, draft.prompt, typed_words(words), elements)
    prompt = _plain_prompt(draft, number)
    if prompt is not None:
        return prompt
    return Branch(number, draft.name, "python", draft.source.text_of(draft.definition))


def _plain_prompt(draft: Any, number: int) -> Branch | None:
    """A function that is a prompt and nothing else, for it is nothing to run its `def`."""
    definition = draft.definition
    arguments = definition.args
    if arguments.defaults or arguments.kwonlyargs or definition.returns:
        return None
    if any(argument.annotation for argument in arguments.args):
        return None
    if not all(_is_plain(decorator) for decorator in definition.decorator_list):
        return None
    if prompt_of(definition) is None:
        return None
    try:
        made = branch_of_step(draft.step({}), number, {})
    except FlowError:
        return None
    return None if made.kind == "python" else made


def _is_plain(decorator: ast.expr) -> bool:
    """Whether a decorator only says options, and those as numbers and texts."""
    match decorator:
        case ast.Call(func=ast.Name(id="node" | "vote" | "each"), args=args, keywords=keywords):
            given = [*args, *(keyword.value for keyword in keywords)]
            return all(_is_literal(one) for one in given)
    return False


def _is_literal(value: ast.expr) -> bool:
    values = value.elts if isinstance(value, ast.List) else [value]
    return all(isinstance(one, ast.Constant) for one in values)


def branch_of_step(step: Step, number: int, namespace: Mapping[str, Any]) -> Branch:
    """A node of a flow as a branch to be written on.

    Raises:
        FlowError: it is a function whose code isn't at hand.

    Example:
        >>> from nbflow import ask
        >>> branch_of_step(ask("About {topic}", name="joke", retries=2), 1, {}).words
        {'retries': '2'}
    """
    words = {word.name: word.value for word in written_words(step.options)}
    is_template = words.pop("template", False)
    elements = tuple(words.pop("each", {}).items())
    holes = dict.fromkeys(hole.name for hole in placeholders(step.source))
    plain = words.keys().isdisjoint({"key", "best", "score", "retry_on"}) and not step.optional
    reads = tuple(dict.fromkeys(dict(elements).get(name, name) for name in holes))
    if step.function is None and plain and reads == step.inputs:
        kind: Kind = "template" if is_template else "prompt"
        return Branch(number, step.name, kind, step.source, typed_words(words), elements)
    return Branch(number, step.name, "python", function_text(step, namespace))
