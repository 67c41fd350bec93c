"""Exported TypeScript, type-checked and run under Node on the real LangGraph."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nbflow.export import export
from nbflow.export.names import state_keys

from .flows import CASES, FORMS, RUNS, expected


def tsx(folder: Path, *words: str) -> str:
    command = ["node", "--import", "tsx", *words]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.fixture(scope="session")
def programs(node_folder: Path) -> Path:
    """The folder with every case in both forms as a program."""
    for name, form in FORMS:
        source = export(CASES[name].flow, f"langgraph-typescript-{form}")
        source.save(node_folder / "programs" / f"{name}-{form}.ts")
    return node_folder


@pytest.fixture(scope="session")
def results(programs: Path) -> dict[str, Any]:
    """What each program returns."""
    cases = {
        f"{name}-{form}": {
            "file": f"./programs/{name}-{form}.ts",
            "runs": RUNS[form],
            "inputs": CASES[name].inputs,
        }
        for name, form in FORMS
    }
    (programs / "cases.json").write_text(json.dumps(cases))
    found: dict[str, Any] = json.loads(tsx(programs, "run.ts", "cases.json"))
    return found


@pytest.mark.parametrize(("name", "form"), FORMS)
async def test_an_exported_program_returns_what_the_flow_does(results, name, form):
    wanted = await expected(CASES[name])
    keys = state_keys([*CASES[name].inputs, *wanted])
    assert {one: results[f"{name}-{form}"][keys[one]] for one in wanted} == wanted


def test_exported_programs_pass_the_type_checker(programs):
    command = ["node", "node_modules/typescript/bin/tsc", "--noEmit", "-p", "."]
    made = subprocess.run(command, cwd=programs, capture_output=True, text=True, check=False)
    assert (made.stdout, made.returncode) == ("", 0)
