"""A real kernel for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.notebook.kernel import Kernel


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """One kernel process with nbflow loaded, shared by a module's tests."""
    kernel = Kernel()
    yield kernel
    kernel.close()
