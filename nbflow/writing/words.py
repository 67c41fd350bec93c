"""A node's and a run's options as the words that say them, in headers, lines and decorators.

The way back from `options`: from a checked value to what a person would have written. Knows no
syntax but that of a word.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.core.policies import OnError, Rate
from nbflow.errors import FlowError, ModelError
from nbflow.writing.options import FlowOptions, NodeOptions, SideBySide, side_by_side
from nbflow.writing.variables import is_variable

_UNITS = ((1.0, "s"), (60.0, "min"), (3600.0, "h"))


@dataclass(frozen=True, slots=True)
class Word:
    """An option, and the value that its author gave it."""

    name: str
    value: Any

    @property
    def plain(self) -> Any:
        """The value as a number or a text.

        Example:
            >>> Word("rate", Rate.parse("60/min")).plain, Word("wait", 1).plain
            ('60/min', 'any')
        """
        match self.name, self.value:
            case _, Rate():
                return rate_text(self.value)
            case "wait", 1:
                return "any"
            case _, float():
                return int(self.value) if self.value == int(self.value) else self.value
            case _:
                return self.value

    @property
    def typed(self) -> Any:
        """The value as a person types it; an object that has no text stays as it is.

        Example:
            >>> Word("retries", 2).typed, Word("model", side_by_side(["a", "b"])).typed
            ('2', 'a,b')
        """
        if isinstance(self.value, SideBySide):
            is_list = all(label == one for label, one in self.value.items())
            return ",".join(self.value) if is_list else self.value
        plain = self.plain
        return str(plain) if isinstance(plain, str | int | float) else self.value


def typed_words(words: Mapping[str, Any]) -> dict[str, Any]:
    """Checked options as a person types them.

    Example:
        >>> typed_words({"retries": 2, "rate": Rate(60, 60.0)})
        {'retries': '2', 'rate': '60/min'}
    """
    return {name: Word(name, value).typed for name, value in words.items()}


def written_words(options: NodeOptions | FlowOptions) -> Iterator[Word]:
    """The options that were given, in the order of their table.

    Example:
        >>> [word.name for word in written_words(NodeOptions(timeout=2.0, retries=1))]
        ['timeout', 'retries']
    """
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value is None or value is False:
            continue
        if isinstance(options, FlowOptions) and field.name == "on_error":
            if value != OnError.FINISH:
                yield Word(field.name, str(OnError(value).value))
        else:
            yield Word(field.name, value)


def rate_text(rate: Rate) -> str:
    """A rate as `Rate.parse` reads it.

    Raises:
        FlowError: no such text has it.

    Example:
        >>> rate_text(Rate(60, 60.0)), rate_text(Rate(5, 2.5))
        ('60/min', '5/2.5s')
    """
    candidates = [f"{rate.count}/{unit}" for seconds, unit in _UNITS if seconds == rate.seconds]
    candidates += [f"{rate.count}/{_number(rate.seconds / s)}{unit}" for s, unit in _UNITS]
    for text in candidates:
        try:
            if Rate.parse(text) == rate:
                return text
        except ValueError:
            continue
    raise FlowError(f"the rate {rate.count} in {rate.seconds!r} s can't be written in a cell.")


def _number(value: float) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return text or "0"


def model_word(owner: str, spec: Any, namespace: Mapping[str, Any]) -> str:
    """What names a model, or several, where a word stands.

    Args:
        owner: Whose model it is, for the error.
        spec: What names the model in Python.
        namespace: The notebook's variables.

    Raises:
        FlowError: it is an object that no variable holds.

    Example:
        >>> model_word("joke", str.upper, {"shout": str.upper})
        'shout'
        >>> model_word("joke", side_by_side(["smollm2", "openai:a"]), {})
        'smollm2,openai:a'
    """
    if isinstance(spec, SideBySide):
        holder = _holder_of_several(spec, namespace)
        if holder:
            return holder
        words = [model_word(owner, one, namespace) for one in spec.values()]
        if list(side_by_side(words)) == list(spec):
            return ",".join(words)
        raise FlowError(
            f"the models of {owner} have names of their own; give the mapping to a variable of the "
            "notebook, and a cell can name that."
        )
    if isinstance(spec, str):
        return spec
    held = [name for name, value in _variables(namespace) if value is spec]
    if not held:
        raise FlowError(
            f"the model of {owner} is a Python object that no variable of the notebook holds; "
            "give it to one, and a cell can name it."
        )
    return held[0]


def model_expression(owner: str, spec: Any, namespace: Mapping[str, Any]) -> str:
    """The same as Python says it.

    Example:
        >>> model_expression("joke", SideBySide(a="smollm2"), {})
        "{'a': 'smollm2'}"
    """
    if not isinstance(spec, SideBySide):
        word = model_word(owner, spec, namespace)
        return repr(word) if isinstance(spec, str) else word
    are_texts = all(isinstance(one, str) for one in spec.values())
    holder = "" if are_texts else _holder_of_several(spec, namespace)
    if holder:
        return holder
    said = {label: model_expression(owner, one, namespace) for label, one in spec.items()}
    if are_texts and side_by_side(list(spec.values())) == spec:
        return f"[{', '.join(said.values())}]"
    return f"{{{', '.join(f'{label!r}: {one}' for label, one in said.items())}}}"


def _variables(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in namespace.items():
        if name.isidentifier() and not name.startswith("_") and is_variable(name, namespace):
            yield name, value


def _holder_of_several(spec: SideBySide, namespace: Mapping[str, Any]) -> str:
    for name, value in _variables(namespace):
        if isinstance(value, list | tuple | Mapping):
            try:
                if side_by_side(value) == spec:
                    return name
            except (ModelError, TypeError):
                continue
    return ""


_BARE = re.compile(r"[^\s\"'][^\s]*")


def quoted(text: str, *, first: bool = False) -> str:
    r"""A value as a word of a header or a line, in quotes if it needs them.

    Args:
        text: The value, on one line.
        first: Whether it stands alone, so that `=` and dashes in it would say something.

    Example:
        >>> print(quoted("cats"), quoted("black cats"), quoted('a "b"'), quoted(""))
        cats "black cats" "a \"b\"" ""
    """
    is_plain = _BARE.fullmatch(text) is not None
    if is_plain and not (first and re.search(r"[=\"']|^-", text)):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unexpanded(line: str) -> str:
    r"""A magic's line that IPython, which fills in `{x}` and `$x`, makes this line of.

    Example:
        >>> unexpanded('about="{x} for $5"')
        'about="{{x}} for $$5"'
    """
    chunks = re.split(r"([{}])", line)
    return "".join(2 * chunk if chunk in "{}" else _undollared(chunk) for chunk in chunks if chunk)


def _undollared(chunk: str) -> str:
    """A text without braces whose dollars stay: IPython leaves those within single quotes."""

    def doubled(match: re.Match[str]) -> str:
        return f"${match[0]}" if chunk.count("'", match.end()) % 2 == 0 else match[0]

    return re.sub(r"\$+(?=[\w.])", doubled, chunk)
