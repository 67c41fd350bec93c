"""Messages in a graph's state: a list to which nodes add, and in which they may replace.

Knows messages as dicts, pairs of role and text, texts, and any object with `content`: those of
other libraries stay what they are.
"""

from __future__ import annotations

import importlib
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypedDict


@dataclass(frozen=True, slots=True)
class MessageChunk:
    """A piece of what a model says, in the `messages` stream.

    Args:
        content: The text.
        id: The same for all pieces of one answer.
    """

    content: str
    id: str = ""
    type: str = "AIMessageChunk"


@dataclass(slots=True)
class Message:
    """One message.

    Args:
        content: The text.
        type: Who says it: `human`, `ai`, `system` or another role.
        id: Unique; one with the same id replaces it.
    """

    content: Any
    type: str = "human"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class RemoveMessage:
    """Takes a message out of the list.

    Args:
        id: Of the message that goes.
    """

    id: str
    content: str = ""
    type: str = "remove"


REMOVE_ALL_MESSAGES = "__remove_all__"

_TYPES = {"user": "human", "assistant": "ai"}


def message_of(value: Any) -> Any:
    """A message from what a person may write.

    Raises:
        TypeError: it is none.

    Example:
        >>> message = message_of(("user", "hello"))
        >>> message.type, message.content
        ('human', 'hello')
    """
    if not hasattr(value, "content"):
        langchain = sys.modules.get("langchain_core.messages")
        if convert := getattr(langchain, "convert_to_messages", None):
            [value] = convert([value])  # who has imported LangChain expects its messages
    if hasattr(value, "content"):
        if getattr(value, "id", None) is None:
            value.id = str(uuid.uuid4())
        return value
    if isinstance(value, str):
        return Message(value)
    if isinstance(value, Mapping) and "content" in value:
        role = str(value.get("role", value.get("type", "human")))
        id_ = str(value.get("id") or uuid.uuid4())
        return Message(value["content"], _TYPES.get(role) or role, id_)
    if isinstance(value, Sequence) and len(value) == 2:  # noqa: PLR2004 - role and text
        role, content = value
        return Message(content, _TYPES.get(str(role), str(role)))
    raise TypeError(f"{value!r} is no message: give a text, a pair of role and text, or a dict.")


def is_message(value: Any) -> bool:
    """Whether it is a message, of this library or of another."""
    return hasattr(value, "content") and hasattr(value, "type") and hasattr(value, "id")


def content_of(message: Any) -> str:
    """What a message says, without what isn't text."""
    content = getattr(message, "content", "")
    if isinstance(content, str):
        return content
    return "".join(_texts(content))


def _texts(blocks: Iterable[Any]) -> Iterable[str]:
    for block in blocks:
        if isinstance(block, str):
            yield block
        elif isinstance(block, Mapping) and isinstance(block.get("text"), str):
            yield block["text"]


def said_by(value: Any) -> str | None:
    r"""What texts and messages say, alone or in a list; None if it is anything else.

    Example:
        >>> said_by([Message("Ha.", "ai"), "Ho."]), said_by([1])
        ('Ha.\n\nHo.', None)
    """
    if isinstance(value, str):
        return value
    several = value if isinstance(value, list) else [value]
    if not several or not _speaks(several[0]) or not all(map(_speaks, several)):
        return None
    return "\n\n".join([one if isinstance(one, str) else content_of(one) for one in several])


def _speaks(value: Any) -> bool:
    return isinstance(value, str) or is_message(value)


def add_messages(left: Any = None, right: Any = None, *, format: str | None = None) -> Any:  # noqa: A002 - LangGraph's word
    """A reducer: add messages to a list; one with a known id replaces that one.

    Args:
        left: The list so far.
        right: One message or several; a `RemoveMessage` takes one away.
        format: `langchain-openai` for messages of LangChain with contents as OpenAI has them. With
            nothing else, this gives the reducer: `Annotated[list, add_messages(format=...)]`.

    Raises:
        ValueError: a message is to be removed that isn't there.

    Example:
        >>> [m.content for m in add_messages([("user", "hello")], ("ai", "hi"))]
        ['hello', 'hi']
    """
    if left is None and right is None:
        return partial(add_messages, format=format)
    merged = [message_of(value) for value in _listed(left)]
    new = [message_of(value) for value in _listed(right)]
    places = {message.id: place for place, message in enumerate(merged)}
    gone: set[str] = set()
    for message in new:
        removes = getattr(message, "type", "") == "remove"
        if removes and message.id == REMOVE_ALL_MESSAGES:
            merged, places, gone = [], {}, set()
        elif message.id not in places:
            if removes:
                raise ValueError(
                    f"Attempting to delete a message with an ID that doesn't exist ({message.id!r})"
                )
            places[message.id] = len(merged)
            merged.append(message)
        elif removes:
            gone.add(message.id)
        else:
            gone.discard(message.id)
            merged[places[message.id]] = message
    kept = [message for message in merged if message.id not in gone]
    return kept if format is None else _formatted(kept, format)


def _formatted(messages: list[Any], format: str) -> list[Any]:  # noqa: A002 - LangGraph's word
    if format != "langchain-openai":
        raise ValueError(f"unrecognized format={format!r}; there is 'langchain-openai'.")
    langchain = importlib.import_module("langchain_core.messages")
    plain = langchain.convert_to_openai_messages(messages)
    converted: list[Any] = langchain.convert_to_messages(plain)
    return converted


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


class MessagesState(TypedDict):
    """A state of messages, to which nodes add."""

    messages: Annotated[list[Any], add_messages]
