"""Who asks for the one server, who waits for it, and when it isn't wanted any more."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from nbflow.errors import ModelError
from nbflow.models import host as hosting
from nbflow.models.host import Host, Served


class Process:
    """A process that lives until it is told not to."""

    stdin = stdout = None

    def __init__(self):
        self.code = None

    def poll(self):
        return self.code

    def wait(self, timeout=None):
        self.code = 0


@pytest.fixture
def started(monkeypatch):
    """The servers that were started, none of which is a real one."""
    servers = []

    def start(weights):
        servers.append(Served("http://127.0.0.1:1/v1", "key", Process()))
        return servers[-1]

    monkeypatch.setattr(hosting, "start", start)
    return servers


def at_once(check_wanted):
    return Path("weights")


async def test_all_who_come_first_share_one_server(started):
    host = Host(at_once)
    servers = await asyncio.gather(*(host.served() for _ in range(20)))
    assert len(started) == 1
    assert all(server is started[0] for server in servers)


async def test_threads_with_loops_of_their_own_share_it_too(started):
    host = Host(at_once)

    def ask():
        with asyncio.Runner() as runner:
            return runner.run(host.served())

    servers = await asyncio.gather(*(asyncio.to_thread(ask) for _ in range(8)))
    assert len(started) == 1
    assert all(server is started[0] for server in servers)


async def test_a_server_that_died_is_replaced(started):
    host = Host(at_once)
    first = await host.served()
    first.process.code = -9
    second = await host.served()
    assert second is started[1]


async def test_a_failure_reaches_everybody_and_the_next_call_tries_again(started):
    tries = []
    all_have_asked = threading.Event()

    def find(check_wanted):
        tries.append(None)
        if len(tries) == 1:
            all_have_asked.wait()
            raise ModelError("offline")
        return Path("weights")

    host = Host(find)
    asked = [asyncio.ensure_future(host.served()) for _ in range(3)]
    await asyncio.sleep(0)
    all_have_asked.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {str(outcome) for outcome in outcomes} == {"offline"}
    assert await host.served() is started[0]


class Fetching:
    """Weights that come when the test lets them."""

    def __init__(self):
        self.begun = threading.Event()
        self.abandoned = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, check_wanted):
        self.begun.set()
        while not self.go_on.wait(0.001):
            try:
                check_wanted()
            except BaseException:
                self.abandoned.set()
                raise
        return Path("weights")


async def test_one_who_is_cancelled_leaves_the_others_waiting(started):
    fetching = Fetching()
    host = Host(fetching)
    first, second = (asyncio.create_task(host.served()) for _ in range(2))
    await asyncio.to_thread(fetching.begun.wait)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    assert not fetching.abandoned.is_set()
    fetching.go_on.set()
    assert await second is started[0]


async def test_when_all_are_cancelled_the_fetching_stops_and_may_begin_again(started):
    fetching = Fetching()
    host = Host(fetching)
    asked = asyncio.create_task(host.served())
    await asyncio.to_thread(fetching.begun.wait)
    asked.cancel()
    await asyncio.to_thread(fetching.abandoned.wait)
    assert started == []
    fetching.go_on.set()
    assert await host.served() is started[0]


def test_a_server_shows_no_key():
    assert "key" not in repr(Served("http://127.0.0.1:1/v1", "the-key", Process()))


def test_weights_that_are_none_are_an_error_and_leave_no_process(tmp_path):
    pytest.importorskip("xllamacpp")
    wrong = tmp_path / "weights.gguf"
    wrong.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="the embedded model can't be loaded: "):
        hosting.start(wrong)
