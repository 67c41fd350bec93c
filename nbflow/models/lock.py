"""A lock between processes, held by a file for as long as it is open.

The system lets go of it when its holder dies, so it never has to be broken.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

WAIT_SECONDS = 0.2
"""How often a lock that another process holds is tried again."""

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, while_waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock at `path` inside the block, among all processes that name the same file.

    Args:
        path: The file; it is made, stays empty, and is never removed.
        while_waiting: Called now and then until the lock is free; what it raises ends the wait.
    """
    with path.open("ab") as file:
        while not _try(file):
            while_waiting()
            time.sleep(WAIT_SECONDS)
        yield


def _try(file: IO[bytes]) -> bool:
    try:
        _lock(file)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks: whoever comes first replaces the file whole
        return True
    return True
