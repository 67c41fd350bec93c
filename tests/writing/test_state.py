"""States: their keys and reducers, what nodes return, and how updates are folded."""

from __future__ import annotations

import collections.abc
import operator
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, Required, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.errors import GraphError, InvalidUpdateError
from nbflow.types import Command, Overwrite, Send
from nbflow.writing.outcome import outcome_of
from nbflow.writing.schema import ROOT, Schema
from nbflow.writing.state import History, Visit


class Keys(TypedDict):
    a: int
    b: NotRequired[Annotated[list[int], operator.add]]
    c: Required[Annotated[str, operator.add]]


@dataclass
class Record:
    a: int = 0
    b: Annotated[list, operator.add] | None = None


def test_keys_may_say_whether_they_must_be_there():
    schema = Schema(Keys)
    assert list(schema.types) == ["a", "b", "c"]
    assert schema.reducers == {"b": operator.add, "c": operator.add}


def test_keys_with_a_reducer_begin_empty():
    assert Schema(Keys).empty() == {"b": [], "c": ""}


@pytest.mark.parametrize(
    ("type_", "empty"),
    [
        (list, []),
        (list[int], []),
        (dict[str, int], {}),
        (set[int], set()),
        (int, 0),
        (collections.abc.Sequence, []),
        (collections.abc.MutableMapping, {}),
    ],
)
def test_a_root_state_begins_empty(type_, empty):
    schema = Schema(Annotated[type_, operator.add])
    assert schema.is_root
    assert schema.empty() == {ROOT: empty}


def test_a_reducer_that_is_no_function_of_two_is_refused():
    with pytest.raises(GraphError, match="Invalid reducer"):
        Schema(Annotated[list, lambda a, b, c: a])


def test_annotations_that_are_no_functions_are_only_words():
    assert Schema(TypedDict("T", {"a": Annotated[int, "a number"]})).reducers == {}


def test_a_node_sees_a_new_dict_or_an_object_of_the_class():
    values = {"a": 1, "c": "x", "more": 2}
    assert Schema(Keys).read(values) == {"a": 1, "c": "x"}
    assert Schema(Record).read({"a": 1}) == Record(1)


def test_a_type_that_is_not_there_is_named():
    class Broken(TypedDict):
        a: Missing  # noqa: F821 - the point

    with pytest.raises(GraphError, match="Broken names a type that isn't there.*Missing"):
        Schema(Broken)


@pytest.mark.parametrize(
    ("returned", "update", "gotos"),
    [
        (None, [], ()),
        ({}, [], ()),
        ({"a": 1, "z": 2}, [("a", 1)], ()),
        (Record(a=3), [("a", 3)], ()),
        (Command(update={"a": 1}, goto="n"), [("a", 1)], ("n",)),
        (Command(update=[("a", 1), ("c", "x")]), [("a", 1), ("c", "x")], ()),
        ([Command(goto=["n", "m"]), {"a": 2}], [("a", 2)], ("n", "m")),
        (Command(goto=Send("n", 1)), [], (Send("n", 1),)),
    ],
    ids=str,
)
def test_what_a_node_returns_says(returned, update, gotos):
    outcome = outcome_of("node", returned, Schema(Keys).types)
    assert (outcome.update, outcome.gotos) == (update, gotos)


def test_a_command_for_the_parent_is_not_for_this_graph():
    command = Command(graph=Command.PARENT, update={"a": 1}, goto="n")
    outcome = outcome_of("node", command, Schema(Keys).types)
    assert (outcome.update, outcome.gotos, outcome.for_parent) == ([], (), (command,))


@pytest.mark.parametrize("returned", ["text", 1, [1], {1}])
def test_what_is_no_update_names_the_node(returned):
    with pytest.raises(InvalidUpdateError, match="'joke' must return an update"):
        outcome_of("joke", returned, Schema(Keys).types)


def history_of(schema: Any, first: list[tuple[str, Any]]) -> History:
    history = History(Schema(schema))
    history.first.update = first
    return history


def visit_after(history: History, update: list[tuple[str, Any]], *before: Visit) -> Visit:
    sources = before or (history.first,)
    step = 1 + max(visit.step for visit in sources)
    count = len(history.visits)
    visit = history.visit(f"n{count}", step, (count,), history.merged(sources))
    visit.update = update
    return visit


def test_two_that_overwrite_beside_each_other_contradict():
    history = history_of(Keys, [("b", [0])])
    visit_after(history, [("b", Overwrite([1]))])
    visit_after(history, [("b", Overwrite([2]))])
    with pytest.raises(InvalidUpdateError, match="'b'.*'n1' and 'n2'"):
        history.everything()


def test_beside_one_that_overwrites_others_do_not_count():
    history = history_of(Keys, [("b", [0])])
    visit_after(history, [("b", [1])])
    whole = visit_after(history, [("b", Overwrite([2]))])
    visit_after(history, [("b", [3])], whole)
    assert history.everything().values["b"] == [2, 3]


def test_an_overwrite_may_be_a_dict():
    history = history_of(Keys, [("b", [0])])
    visit_after(history, [("b", {"__overwrite__": [9]})])
    assert history.everything().values["b"] == [9]


def test_a_reader_of_two_sees_them_in_declared_order():
    history = history_of(Keys, [])
    one, two = visit_after(history, [("b", [1])]), visit_after(history, [("b", [2])])
    assert history.merged([two, one]).values["b"] == [1, 2]


def test_what_contradicts_may_be_shown_loosely():
    history = history_of(Keys, [("a", 0)])
    visits = [visit_after(history, [("a", 1)]), visit_after(history, [("a", 2)])]
    nothing = history.first.before
    assert history.folded(nothing, visits, loosely=True).values["a"] == 2


@given(st.data())
def test_a_visit_sees_the_fold_of_its_ancestors_in_order_of_step_and_rank(data):
    history = history_of(Keys, [("b", [0])])
    ancestors: dict[int, set[int]] = {0: set()}
    for number in range(1, data.draw(st.integers(1, 9)) + 1):
        chosen = data.draw(st.sets(st.integers(0, number - 1), min_size=1, max_size=3))
        shuffled = data.draw(st.permutations(sorted(chosen)))
        sources = [history.visits[index] for index in shuffled]
        ancestors[number] = chosen.union(*(ancestors[index] for index in chosen))
        visit = visit_after(history, [("b", [number])], *sources)
        past = sorted(
            ancestors[number],
            key=lambda index: (history.visits[index].step, history.visits[index].rank),
        )
        assert visit.before.values["b"] == past
