"""Other people's functions and objects as models.

Knows Python's ways to make text (functions, coroutines, generators, LangChain-like objects) and
that what they give may be anything; knows no server and no model of its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
)
from contextlib import aclosing
from typing import Any

from nbflow.core.threads import call_in_thread, iterate_in_thread
from nbflow.errors import ModelError
from nbflow.models.protocol import Message, Model, Settings, Usage

DOORS = ("astream", "ainvoke", "invoke")
"""The methods by which an object is known to be a model, the best one first."""


class FunctionModel(Model):
    """A function from a prompt to text, as a model.

    The function may be sync (it runs in a thread) or async, and return a str or yield chunks; it
    may also be a partial, a method or a callable object. Of the settings it gets those that its
    signature takes by name.

    Args:
        function: Takes the prompt.
        name: What the model is called; the function's own name if not given.

    Raises:
        ModelError: what was given can't be called, or is a class.

    Example:
        >>> def shout(prompt):
        ...     return prompt.upper()
        >>> FunctionModel(shout).invoke("a cat").content
        'A CAT'
    """

    def __init__(self, function: Callable[..., Any], *, name: str | None = None) -> None:
        _refuse_class(function)
        if not callable(function):
            raise ModelError(f"{type(function).__name__} can't be called, so it is no model.")
        self.function = function
        self.name = name or _function_name(function)

    async def generate(self, prompt: str, settings: Settings) -> AsyncGenerator[Message, None]:
        """Call the function and yield what it returns or yields."""
        call = functools.partial(self.function, prompt, **_accepted(self.function, settings))
        async with aclosing(_messages(call, self.function, self.name)) as messages:
            async for message in messages:
                yield message


class ObjectModel(Model):
    """An object with `astream`, `ainvoke` or `invoke`, such as a LangChain chat model, as a model.

    What it answers with may be a str or have a `content`: a str, or a list of blocks with text.
    Of the settings it gets those that its signature takes by name.

    Args:
        chat: The object.
        name: What the model is called; the object's `model_name`, `model` or class if not given.

    Raises:
        ModelError: the object has none of the three methods, or is a class.

    Example:
        >>> class Chat:
        ...     async def ainvoke(self, prompt):
        ...         return prompt.upper()
        >>> ObjectModel(Chat()).invoke("a cat").content
        'A CAT'
    """

    def __init__(self, chat: Any, *, name: str | None = None) -> None:
        _refuse_class(chat)
        if not is_chat(chat):
            raise ModelError(
                f"{type(chat).__name__} has none of {', '.join(DOORS)}, so it is no model."
            )
        self.chat = chat
        self.name = name or _object_name(chat)

    async def generate(self, prompt: str, settings: Settings) -> AsyncGenerator[Message, None]:
        """Ask through the best of the object's doors; the usage of all chunks comes as the last."""
        door = next(getattr(self.chat, name) for name in DOORS if _has(self.chat, name))
        given = _accepted(door, settings)
        call = functools.partial(door, prompt, **given)
        spent: list[Usage] = []
        try:
            async with aclosing(_messages(call, door, self.name)) as messages:
                async for message in messages:
                    if message.usage is not None:
                        spent.append(message.usage)
                    yield Message(message.content)
        except TypeError as error:
            if not any(repr(name) in str(error) for name in given):
                raise
            raise ModelError(f"{self.name} refuses a setting: {error}.") from error
        if spent:
            yield Message("", _total(self.name, spent))


def is_chat(candidate: object) -> bool:
    """Whether an object has one of the methods by which it can be asked.

    Example:
        >>> is_chat(print)
        False
    """
    return any(_has(candidate, name) for name in DOORS)


def _has(candidate: object, name: str) -> bool:
    return callable(getattr(candidate, name, None))


def _refuse_class(candidate: object) -> None:
    if isinstance(candidate, type):
        name = candidate.__name__
        raise ModelError(f"{name} is a class, not a model; make one of it: {name}(...).")


def _function_name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _object_name(chat: object) -> str:
    for attribute in ("model_name", "model"):
        name = getattr(chat, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(chat).__name__


def _accepted(function: Callable[..., Any], settings: Settings) -> dict[str, Any]:
    """The given settings that a function can take by keyword."""
    given = settings.given()
    if not given:
        return {}
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin may have no signature
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return given
    by_keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    takes = {parameter.name for parameter in parameters if parameter.kind in by_keyword}
    return {name: value for name, value in given.items() if name in takes}


def _runs_on_loop(function: Any) -> bool:
    """Whether calling a function only makes a coroutine or a generator, so needs no thread."""
    return any(
        test(candidate)
        for test in (
            inspect.iscoroutinefunction,
            inspect.isasyncgenfunction,
            inspect.isgeneratorfunction,
        )
        for candidate in (function, inspect.getattr_static(function, "__call__", None))
    )


async def _messages(
    call: Callable[[], Any], function: Any, name: str
) -> AsyncGenerator[Message, None]:
    """Call, on the loop or in a thread as the function needs it, and yield what comes of it."""
    answer = call() if _runs_on_loop(function) else await call_in_thread(call)
    if isinstance(answer, Awaitable):
        answer = await answer
    if isinstance(answer, Iterator):
        answer = iterate_in_thread(functools.partial(iter, answer))
    if not isinstance(answer, AsyncIterable):
        yield _message(answer, name)
        return
    pieces = aiter(answer)
    try:
        async for piece in pieces:
            yield _message(piece, name)
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


def _message(piece: Any, name: str) -> Message:
    """A message of what a stranger returned or yielded."""
    if isinstance(piece, Message):
        return piece
    text = _text(piece if isinstance(piece, str) else getattr(piece, "content", None))
    if text is None:
        raise ModelError(
            f"the model {name} gave {_a(type(piece).__name__)}; a model gives str, or yields str."
        )
    return Message(text, _usage(getattr(piece, "usage_metadata", None), name))


def _text(content: object) -> str | None:
    """The text of a message's content, skipping blocks of other things; None if it has none."""
    if isinstance(content, str):
        return str(content)
    if not isinstance(content, list):
        return None
    texts = (block.get("text", "") if isinstance(block, Mapping) else block for block in content)
    return "".join(text for text in texts if isinstance(text, str))


def _usage(metadata: object, name: str) -> Usage | None:
    if not isinstance(metadata, Mapping):
        return None
    counts = [metadata.get(key) for key in ("input_tokens", "output_tokens")]
    if not all(count is None or isinstance(count, int) for count in counts):
        return None
    return Usage(name, counts[0] or 0, counts[1] or 0)


def _total(name: str, spent: list[Usage]) -> Usage:
    """The sum of the chunks' usages: each counts only what the ones before it haven't."""
    return Usage(
        name, sum(one.input_tokens for one in spent), sum(one.output_tokens for one in spent)
    )


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
