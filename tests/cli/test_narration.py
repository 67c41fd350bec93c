"""A run told on a terminal."""

from __future__ import annotations

from nbflow.cli.narration import Narrator
from nbflow.core.events import Event, Kind
from nbflow.core.policies import RunOptions
from nbflow.core.run import Run
from nbflow.core.topology import Node, Topology
from nbflow.core.vote import Vote
from tests.core.virtual import run_virtually


def test_a_value_that_stays_hidden_is_told_as_its_name_alone():
    told: list[str] = []
    node = {"name": "joke", "kind": "prompt", "inputs": [], "source": "", "detail": ""}
    values = {"topic": "cats", "animal": ""}
    data = {"name": "", "values": values, "nodes": [node]}
    Narrator(told.append, 60)(Event("r1", 0, Kind.RUN_STARTED, None, None, 0.0, 0.0, data))
    assert told == ["", "joke (topic = cats, animal)"]


def test_many_tasks_are_told_as_what_they_came_to():
    answers = iter(["yes", "no", "yes", "yes", "no"])

    async def verdict() -> str:
        return next(answers)

    told: list[str] = []
    narrator = Narrator(told.append, 80)
    run = Run(Topology([Node("verdict", verdict, fan_out=(Vote(5),))]), {}, RunOptions(jobs=1))
    run.listen(narrator)

    async def ended() -> None:
        await run.start()

    run_virtually(ended())
    assert [line.strip() for line in told[2:5]] == [
        "✓ verdict  done in 0.0 s",
        "yes",
        "agreement 75 % · dissenter 1 · 1 call saved",
    ]
    assert told[-1].startswith("  elapsed")
