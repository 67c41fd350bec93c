"""What holds for all tests: no wall clock decides, and nobody's own settings are seen.

The kernels and commands that a test starts don't see these either.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("nbflow", deadline=None)
settings.load_profile("nbflow")

_PERSONAL = ("IPYTHONDIR", "NBFLOW_BOARD", "NBFLOW_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL")


@pytest.fixture(scope="session", autouse=True)
def no_personal_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in _PERSONAL:
            patch.delenv(name, raising=False)
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield
