"""Python values and exceptions as the plain data that events carry and views show."""

from __future__ import annotations

import asyncio
import os
import traceback
from itertools import dropwhile
from pathlib import Path
from typing import Any

from nbflow.errors import NbflowError

_CORE = f"{Path(__file__).parent}{os.sep}"
_CALLERS = (f"{Path(__file__).parents[1]}{os.sep}", f"{Path(asyncio.__file__).parent}{os.sep}")
"""Whose code stands between the engine and a branch's own; in C it isn't seen."""
_NESTED = f"{os.sep}nest_asyncio2.py"
"""What stands there too where a loop runs in a loop; nobody imports it before that."""


def text_of(value: Any) -> str:
    """A value as the text that views show.

    Example:
        >>> text_of("as it is"), text_of({"n": 1}), text_of(None)
        ('as it is', "{'n': 1}", '')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - any object may be shown, also a broken one
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


def begin_in_own_code(error: BaseException) -> None:
    """Take from an exception's traceback what stands before the code of whoever called or wrote it.

    The frames of this library and of asyncio, which are many and say nothing to them, are left out
    as far as the first of another file. If there is none, all stay, for the mistake may be here;
    but of an `NbflowError`, which says what is wrong, only the last.
    """
    own, last = error.__traceback__, None
    while own is not None and _is_between(own.tb_frame.f_code.co_filename):
        own, last = own.tb_next, own
    if own is None and isinstance(error, NbflowError):
        own = last
    if own is not None:
        error.__traceback__ = own


def _is_between(file: str) -> bool:
    return file.startswith(_CALLERS) or file.endswith(_NESTED)


def error_data(error: BaseException) -> dict[str, str]:
    """An exception as the plain data of an event; the traceback begins in the branch's own code."""
    return {
        "type": type(error).__name__,
        "message": _message_of(error),
        "traceback": _traceback_of(error),
    }


def _traceback_of(error: BaseException) -> str:
    try:
        lines = traceback.TracebackException.from_exception(error)
        stack = [frame for frame in lines.stack if not frame.filename.startswith(_CORE)]
        own = list(dropwhile(lambda frame: _is_between(frame.filename), stack))
        lines.stack = traceback.StackSummary.from_list(own or stack or list(lines.stack))
        return "".join(lines.format())
    except Exception:  # noqa: BLE001 - any exception may fail, also one with broken __notes__
        return ""


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - any exception may fail, also one with a broken __str__
        return ""
