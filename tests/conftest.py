"""No test sees the settings of whoever runs it, nor do the kernels and commands that it starts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

_PERSONAL = ("IPYTHONDIR", "NBFLOW_BOARD", "NBFLOW_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL")


@pytest.fixture(scope="session", autouse=True)
def no_personal_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in _PERSONAL:
            patch.delenv(name, raising=False)
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield
