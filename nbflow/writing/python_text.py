"""A node as a function of a cell in Python form: the text that `python` reads back.

A function's own text is kept, as far as it says what the node does; a prompt becomes a function
whose whole body is a string. Runs nothing, and knows nothing of a cell's other forms.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import inspect
import keyword
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from nbflow.errors import FlowError
from nbflow.writing.options import PYTHON_WORDS, NodeOptions, node_options
from nbflow.writing.python import LENT
from nbflow.writing.step import Step
from nbflow.writing.words import Word, model_expression, written_words

_INDENT = "    "


def function_text(step: Step, namespace: Mapping[str, Any]) -> str:
    r"""A node as a function.

    Args:
        step: The node.
        namespace: The notebook's variables, among them the models that are no text.

    Raises:
        FlowError: no text says what the node does.

    Example:
        >>> from nbflow import ask
        >>> print(function_text(ask("A\n{topic}", name="joke", retries=2), {}).splitlines()[:2])
        ['@node(retries=2)', 'def joke(topic):']
        >>> print(function_text(ask("About {topic}", name="joke", template=True), {}))
        @node(template=True)
        def joke(topic): 'About {topic}'
    """
    for name in (step.name, *step.inputs, *step.optional):
        if keyword.iskeyword(name):
            raise FlowError(f"{name!r} is a word of Python, so no function can have or read it.")
    if step.function is not None:
        return _code_text(step, namespace)
    decorators = decorator_lines(step.name, step.options, namespace)
    head = f"def {step.name}({', '.join(_parameters(step))}):"
    return "\n".join([*decorators, _with_prompt(head, step.source)])


def _with_prompt(head: str, prompt: str) -> str:
    """A prompt on the line of its function, which keeps it exactly; if it can, on its own lines."""
    return f"{head}\n{_block(prompt)}" if _can_be_block(prompt) else f"{head} {prompt!r}"


def _block(prompt: str) -> str:
    inner = prompt.rstrip('"')
    quoted = inner.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    quoted += r"\"" * (len(prompt) - len(inner))
    lines = f'"""{quoted}"""'.split("\n")
    return "\n".join(_INDENT + line if line else "" for line in lines)


def _can_be_block(prompt: str) -> bool:
    """Whether a prompt of several lines keeps its text if it stands indented."""
    lines = prompt.split("\n")
    if len(lines) == 1 or not all(line.isprintable() for line in lines):
        return False
    value = ast.literal_eval(_block(prompt).lstrip())
    return inspect.cleandoc(value) == prompt


def _parameters(step: Step) -> Iterator[str]:
    """What a function takes to read what the step does."""
    each = step.options.each or {}
    for name in step.inputs:
        elements = [element for element, source in each.items() if source == name]
        yield from elements or [name]
    for name in step.optional:
        yield f"{name}=None"


def decorator_lines(
    name: str,
    options: NodeOptions,
    namespace: Mapping[str, Any],
    expressions: Mapping[str, str] | None = None,
) -> list[str]:
    """The lines above a function that say its options.

    Args:
        name: The node's name, for errors.
        options: Its options.
        namespace: Where models and functions may have names.
        expressions: How values that only Python can say were written.

    Raises:
        FlowError: a value has no name.

    Example:
        >>> decorator_lines("a", NodeOptions(votes=5, min_agreement=0.5, timeout=2.0), {})
        ['@vote(5, min_agreement=0.5)', '@node(timeout=2)']
    """
    words = {
        word.name: _expression(word, name, namespace, expressions or {})
        for word in written_words(options)
    }
    lines = []
    if each := options.each:
        pairs = (f'{element}="{source}"' for element, source in each.items())
        lines.append(f"@each({', '.join(pairs)})")
        words.pop("each")
    for word, also in (("votes", ("key", "min_agreement")), ("best", ("score",))):
        if word in words:
            more = [f"{other}={words.pop(other)}" for other in also if other in words]
            decorator = "vote" if word == "votes" else word
            lines.append(f"@{decorator}({', '.join([words.pop(word), *more])})")
    if words:
        lines.append(f"@node({', '.join(f'{word}={said}' for word, said in words.items())})")
    return lines


def _expression(
    word: Word, name: str, namespace: Mapping[str, Any], expressions: Mapping[str, str]
) -> str:
    if word.name == "model":
        return model_expression(repr(name), word.value, namespace)
    if word.name == "each":
        return ""
    if word.name not in PYTHON_WORDS or word.name == "best":
        return repr(word.plain)
    said = expressions.get(word.name) or _name_of(word.value, namespace)
    if not said:
        raise FlowError(
            f"the {word.name} of {name!r} has no name that a cell could call it by; "
            "give it to a variable of the notebook."
        )
    return said


def _name_of(value: Any, namespace: Mapping[str, Any]) -> str:
    """The variable, the builtin or the method of one that a value is; empty if it is none.

    Example:
        >>> _name_of(len, {}), _name_of(str.strip, {}), _name_of(ast.parse, {"read": ast.parse})
        ('len', 'str.strip', 'read')
    """
    for name, one in namespace.items():
        if one is value and name.isidentifier() and not name.startswith("_"):
            return name
    name = getattr(value, "__qualname__", "")
    first, *rest = name.split(".")
    found = namespace.get(first, vars(builtins).get(first))
    for part in rest:
        found = getattr(found, part, None)
    return name if name and found is value else ""


def _code_text(step: Step, namespace: Mapping[str, Any]) -> str:
    text = source_of(step)
    definition = _definition(step, text)
    said = said_above(definition)
    if _says(said, step.options):
        return text
    expressions = {word: ast.unparse(value) for word, value in said.items() if word is not None}
    lines = text.split("\n")
    for decorator in reversed(definition.decorator_list):
        if _called(decorator) in LENT:
            del lines[decorator.lineno - 1 : decorator.end_lineno]
    more = decorator_lines(step.name, step.options, namespace, expressions)
    return "\n".join([*more, *lines])


def source_of(step: Step) -> str:
    """The text of a function that is a node.

    Raises:
        FlowError: it isn't at hand, or the function needs more than its text.
    """
    if step.source:
        return textwrap.dedent(step.source).strip("\n")
    function: Any = step.function
    hidden = inspect.unwrap(function).__code__.co_freevars if inspect.isfunction(function) else ()
    if hidden:
        raise FlowError(
            f"{step.name!r} reads {hidden[0]!r} of the function that it was defined in, which no "
            "cell has; make it a parameter."
        )
    try:
        return textwrap.dedent(inspect.getsource(function)).strip("\n")
    except (OSError, TypeError):
        raise FlowError(
            f"the code of {step.name!r} isn't at hand, so no cell can have it; define it in a cell."
        ) from None


def _definition(step: Step, text: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        body = []
    definition = body[0] if len(body) == 1 else None
    if not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        raise FlowError(f"the code of {step.name!r} is no function that a cell could have.")
    if definition.name != step.name:
        raise FlowError(
            f"the function of {step.name!r} is called {definition.name!r}; give both one name."
        )
    return definition


def _called(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")


_POSITIONAL = {"vote": "votes", "best": "best"}


def said_above(definition: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str | None, ast.expr]:
    """The words of a function's own decorators, each with its expression."""
    said: dict[str | None, ast.expr] = {}
    for decorator in definition.decorator_list:
        name = _called(decorator)
        if not isinstance(decorator, ast.Call) or name not in LENT:
            continue
        if decorator.args:
            said[_POSITIONAL.get(name)] = decorator.args[0]
        keywords = {one.arg: one.value for one in decorator.keywords}
        if name == "each":
            keys: list[ast.expr | None] = [ast.Constant(key) for key in keywords]
            said["each"] = ast.Dict(keys, list(keywords.values()))
        else:
            said.update({"votes" if key == "n" else key: one for key, one in keywords.items()})
    return said


def _says(said: Mapping[str | None, ast.expr], options: NodeOptions) -> bool:
    """Whether the words of decorators are the options of a node, as far as text tells."""
    plain = {}
    for word, value in said.items():
        if word is None:
            return False
        if word in PYTHON_WORDS - {"each", "best"} or word == "model":
            plain[word] = getattr(options, word)
            continue
        try:
            plain[word] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError):
            return False
    callables: dict[str, Any] = {
        word: plain.pop(word) for word in [*plain] if word in {"retry_on", "key", "score", "model"}
    }
    if any(value is None for value in callables.values()):
        return False
    try:
        read = dataclasses.replace(node_options(plain), **callables)
    except FlowError:
        return False
    return read == options
