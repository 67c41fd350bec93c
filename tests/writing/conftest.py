"""A model for cells that are only parsed and bound."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nbflow.errors import CellError
from nbflow.models import set_default_model
from nbflow.writing.cell import parse


@pytest.fixture(autouse=True)
def default_model():
    """A default model that answers with its prompt, whatever this machine has installed."""
    set_default_model(lambda prompt: prompt)
    yield
    set_default_model(None)


@pytest.fixture
def mistake() -> Callable[..., CellError]:
    """The error of a cell, checked to point at the text it quotes, in its own words."""

    def find(body: str, line: str = "", **variables: object) -> CellError:
        with pytest.raises(CellError) as caught:
            parse(line, body).bind(dict(variables))
        error = caught.value
        cell = [f"%%fanout {line}", *body.split("\n")]
        assert cell[error.line - 1][error.column - 1 :].startswith(error.text)
        return error

    return find
