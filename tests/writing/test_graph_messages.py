"""Messages in a graph's state: added, replaced by their ids, and taken away."""

from __future__ import annotations

from typing import Any

import pytest

from nbflow.graph import add_messages
from nbflow.graph.message import REMOVE_ALL_MESSAGES, Message, RemoveMessage


def texts(messages: list[Any]) -> list[Any]:
    return [(message.type, message.content) for message in messages]


@pytest.mark.parametrize(
    "given",
    ["hello", ("user", "hello"), {"role": "user", "content": "hello"}, Message("hello")],
    ids=str,
)
def test_a_message_may_be_written_in_many_ways(given):
    assert texts(add_messages([], given)) == [("human", "hello")]


def test_roles_have_the_names_of_langchain():
    given = [("assistant", "a"), ("system", "s"), ("ai", "b")]
    assert texts(add_messages([], given)) == [("ai", "a"), ("system", "s"), ("ai", "b")]


def test_messages_get_an_id_each():
    first, second = add_messages("one", "two")
    assert first.id
    assert first.id != second.id


def test_a_known_id_replaces_in_place():
    old = [Message("a", id="1"), Message("b", id="2")]
    assert texts(add_messages(old, Message("c", id="1"))) == [("human", "c"), ("human", "b")]


def test_what_came_in_is_left_as_it_was():
    old = [Message("a", id="1")]
    add_messages(old, Message("b", id="1"))
    assert old[0].content == "a"


def test_a_message_may_be_taken_away_and_come_again():
    old = [Message("a", id="1"), Message("b", id="2")]
    assert texts(add_messages(old, RemoveMessage("1"))) == [("human", "b")]
    assert texts(add_messages(old, [RemoveMessage("1"), RemoveMessage("1")])) == [("human", "b")]
    again = add_messages(old, [RemoveMessage("1"), Message("c", id="1")])
    assert texts(again) == [("human", "c"), ("human", "b")]


def test_all_messages_may_be_taken_away():
    old = [Message("a", id="1")]
    assert texts(add_messages(old, [RemoveMessage(REMOVE_ALL_MESSAGES), "new"])) == [
        ("human", "new")
    ]


def test_a_message_that_is_not_there_cannot_be_taken_away():
    with pytest.raises(ValueError, match="doesn't exist .*'9'"):
        add_messages([], RemoveMessage("9"))


def test_what_is_no_message_is_refused():
    with pytest.raises((TypeError, NotImplementedError)):
        add_messages([], 3)
