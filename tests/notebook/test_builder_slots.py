"""Widgets that come and go: what stays isn't touched, for somebody may type in it."""

from __future__ import annotations

from typing import Any

import ipywidgets
from hypothesis import given
from hypothesis import strategies as st

from nbflow.notebook.builder_slots import Slots

WIDGETS = [ipywidgets.Text() for _ in range(5)]

shown = st.lists(st.sampled_from(range(5)), unique=True).map(
    lambda numbers: [WIDGETS[number] for number in numbers]
)


def slot_of(slots: Slots, widget: Any) -> Any:
    return next(slot for slot in slots.children if slot.content is widget)


@given(st.lists(shown))
def test_what_is_shown_is_what_was_asked_for_in_its_order(steps):
    slots = Slots()
    for widgets in steps:
        slots.show(widgets)
        assert slots.shown == widgets
        hidden = [slot.layout.display == "none" for slot in slots.children]
        assert hidden == [slot.content is None for slot in slots.children]


@given(shown, st.data())
def test_what_stays_keeps_its_slot_and_its_number_when_others_go(before, data):
    slots = Slots()
    slots.show(before)
    places = {widget: slot_of(slots, widget) for widget in before}
    after = [one for one in before if data.draw(st.booleans())]
    first = slots.children
    slots.show(after)
    assert all(slot_of(slots, one) is places[one] for one in after)
    assert slots.children == first[: len(slots.children)]
    slots.show(before)
    assert all(slot_of(slots, one) is places[one] for one in after)


def test_a_new_one_at_the_end_moves_nobody():
    one, two, three = WIDGETS[:3]
    slots = Slots()
    slots.show([one, two])
    first = slots.children
    slots.show([one, two, three])
    assert slots.children[:2] == first


def test_two_that_change_places_touch_no_third():
    one, two, three = WIDGETS[:3]
    slots = Slots()
    slots.show([one, two, three])
    first, touched = slots.children, []
    for slot in first:
        slot.observe(lambda change: touched.append(change["owner"]), "children")
    slots.show([two, one, three])
    assert slots.children == first
    assert touched == [*first[:2]]
