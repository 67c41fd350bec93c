"""The real embedded model."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import urllib.request
from urllib.parse import urlsplit

import pytest

from nbflow.errors import ModelError
from nbflow.models import EmbeddedModel, embedded, model

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("weights")]


async def slots_at_work() -> int:
    """How many answers its server is writing now."""
    served = await embedded._hosts[0].served()
    url = served.base_url.removesuffix("/v1") + "/slots"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {served.key}"})

    def ask():
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    return sum(slot["is_processing"] for slot in await asyncio.to_thread(ask))


async def slots_at_last() -> int:
    """How many answers its server is writing once it has stopped all that it can."""
    async with asyncio.timeout(30):
        while busy := await slots_at_work():  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(0.01)
    return busy


async def test_an_answer_is_text_with_its_usage():
    answer = await EmbeddedModel().ainvoke("Write a joke about cats", max_tokens=8)
    assert answer.content
    assert answer.usage.model == "smollm2"
    assert 0 < answer.usage.output_tokens <= 9


async def test_three_answers_are_written_at_once():
    order = []

    async def watch(name):
        async for _ in EmbeddedModel().astream(f"Write a {name} about cats", max_tokens=24):
            order.append(name)

    await asyncio.gather(*map(watch, ("joke", "story", "poem")))
    order.clear()  # the first time, the servers came up one after another
    await asyncio.gather(*map(watch, ("joke", "story", "poem")))
    last_start = max(order.index(name) for name in set(order))
    first_end = min(len(order) - order[::-1].index(name) for name in set(order))
    assert last_start < first_end


async def test_the_same_seed_gives_the_same_answer():
    asked = [EmbeddedModel().ainvoke("Say hello", seed=7, max_tokens=12) for _ in range(2)]
    first, second = [await one for one in asked]
    assert first.content == second.content


async def test_cancelling_stops_the_generation():
    started = asyncio.Event()

    async def watch():
        async for _ in EmbeddedModel().astream("Write a long story", max_tokens=1500):
            started.set()

    watching = asyncio.create_task(watch())
    await started.wait()
    assert await slots_at_work() == 1
    watching.cancel()
    assert await slots_at_last() == 0


async def test_leaving_the_stream_stops_the_generation():
    stream = EmbeddedModel().astream("Write a long story", max_tokens=1500)
    await anext(stream)
    await stream.aclose()
    assert await slots_at_last() == 0


async def test_its_server_is_an_endpoint_for_those_who_have_its_key(monkeypatch):
    served = await embedded._hosts[0].served()
    asked = model(f"openai:smollm2@{served.base_url}")
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with pytest.raises(ModelError, match="the key was refused"):
        await asked.ainvoke("hello")
    monkeypatch.setenv("OPENAI_API_KEY", served.key)
    assert (await asked.ainvoke("hello", max_tokens=4)).content


async def test_a_prompt_that_is_too_long_is_said_to_be():
    with pytest.raises(ModelError, match="too long for smollm2, which can hold 2048 tokens"):
        await EmbeddedModel().ainvoke("cat " * 3000)


async def test_it_is_loaded_once_for_all_models_and_loops():
    before = await embedded._hosts[0].served()

    def ask():
        EmbeddedModel().invoke("hello", max_tokens=2)

    await asyncio.gather(*(asyncio.to_thread(ask) for _ in range(3)))
    assert await embedded._hosts[0].served() is before


async def test_a_server_that_was_killed_is_started_again():
    served = await embedded._hosts[0].served()
    served.process.kill()
    served.process.wait()
    assert (await EmbeddedModel().ainvoke("hello", max_tokens=4)).content


LEAVING = """
import contextlib, os, sys, threading
from nbflow.models import EmbeddedModel, embedded

begun = threading.Event()

async def write():
    async for _ in EmbeddedModel().astream("Write a long story", max_tokens=1500):
        begun.set()

def branch():
    import asyncio
    with contextlib.suppress(BaseException):
        asyncio.run(write())

threading.Thread(target=branch, daemon=True).start()
begun.wait()
print(embedded._hosts[0]._served.base_url, flush=True)
"""


def is_listening(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port)).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("leave", "code"),
    [("", 0), ("sys.exit(7)", 7), ("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", -9)],
)
def test_a_process_that_leaves_in_mid_answer_takes_the_server_along(leave, code):
    left = subprocess.run(
        [sys.executable, "-W", "error", "-c", LEAVING + leave],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (left.returncode, left.stderr) == (code, "")
    while is_listening(left.stdout.strip()):  # the test's own timeout is the limit
        pass
