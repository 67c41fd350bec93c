"""Messages in a graph's state: a list to which nodes add, and in which they may replace.

Knows messages as dicts, pairs of role and text, texts, and any object with `content`: those of
other libraries stay what they are.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


def add_messages(left: Any, right: Any) -> list[Any]:
    """A reducer: add messages to a list; one with a known id replaces that one.

    Example:
        >>> [m.content for m in add_messages([("user", "hello")], {"content": "hi"})]
        ['hello', 'hi']
    """
    merged = [message_of(value) for value in _listed(left)]
    for value in _listed(right):
        new = message_of(value)
        removes = getattr(new, "type", "") == "remove"
        if removes and new.id == REMOVE_ALL_MESSAGES:
            merged = []
            continue
        place = next((i for i, old in enumerate(merged) if old.id == new.id), None)
        if place is None:
            if removes:
                raise ValueError(f"there is no message with the id {new.id!r} to remove.")
            merged.append(new)
        elif removes:
            del merged[place]
        else:
            merged[place] = new
    return merged


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


class MessagesState(TypedDict):
    """A state of messages, to which nodes add."""

    messages: Annotated[list[Any], add_messages]
