"""What the models' tests share: the embedded model's weights, fetched once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nbflow.errors import ModelError
from nbflow.models import fetch


@pytest.fixture(scope="session")
def weights() -> Path:
    """The real weights; without a network the tests that need them are skipped, except in CI."""
    try:
        return fetch.fetch()
    except ModelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the embedded model's weights aren't here: {error}")
