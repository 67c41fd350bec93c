"""A run told on a terminal."""

from __future__ import annotations

from nbflow.cli.narration import Narrator
from nbflow.core.events import Event, Kind


def test_a_value_that_stays_hidden_is_told_as_its_name_alone():
    told: list[str] = []
    node = {"name": "joke", "kind": "prompt", "inputs": [], "source": "", "detail": ""}
    values = {"topic": "cats", "animal": ""}
    data = {"name": "", "values": values, "nodes": [node]}
    Narrator(told.append, 60)(Event("r1", 0, Kind.RUN_STARTED, None, None, 0.0, 0.0, data))
    assert told == ["", "joke (topic = cats, animal)"]
