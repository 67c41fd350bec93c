"""OpenAI-compatible endpoints, on servers that behave and servers that don't."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from nbflow.errors import ModelError
from nbflow.models import EndpointModel, Message, Usage, model
from tests.models.wire import begin, chunk, refuse, say, send, serving

KEY = "sk-THE-SECRET-0123456789"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def told(error):
    """All that a person could see of an error, with its causes."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(error)


async def refused(answer, **options):
    """The error that a server's answer leads to."""
    with serving(answer) as wire, pytest.raises(ModelError) as caught:
        await EndpointModel("m", base_url=wire.base_url, **options).ainvoke("hello")
    assert KEY not in told(caught.value)
    return caught.value


async def test_an_answer_streams_and_ends_with_its_usage():
    with serving(say("soft", " paws")) as wire:
        chunks = [c async for c in model(f"openai:m@{wire.base_url}").astream("Write")]
    assert chunks == [Message("soft"), Message(" paws"), Message("", Usage("m", 7, 2))]


async def test_the_request_has_the_prompt_the_key_and_only_the_given_settings():
    with serving(say("ok")) as wire:
        asked = EndpointModel("m", base_url=wire.base_url, extra={"repeat_penalty": 1.5})
        await asked.ainvoke("hello", max_tokens=5, temperature=0)
    (body,) = wire.bodies
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "temperature": 0,
        "repeat_penalty": 1.5,
    }
    assert wire.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_the_environment_may_name_the_address(monkeypatch):
    with serving(say("ok")) as wire:
        monkeypatch.setenv("OPENAI_BASE_URL", wire.base_url)
        assert (await EndpointModel("m").ainvoke("hello")).content == "ok"


async def test_a_prompt_with_half_a_character_is_sent_without_it():
    with serving(say("ok")) as wire:
        await EndpointModel("m", base_url=wire.base_url).ainvoke("a\ud800b")
    assert wire.bodies[0]["messages"][0]["content"] == "a?b"


def test_many_threads_with_a_loop_each_share_a_model():
    with serving(say("a", "b")) as wire, ThreadPoolExecutor(8) as pool:
        shared = EndpointModel("m", base_url=wire.base_url)
        answers = list(pool.map(shared.invoke, map(str, range(24))))
    assert [answer.content for answer in answers] == ["ab"] * 24


IN_A_LOOP = """
import asyncio, sys
from nbflow.models import EndpointModel
async def main():
    print(EndpointModel("m", base_url=sys.argv[1]).invoke("hello").content)
asyncio.run(main())
"""


def test_the_sync_door_works_inside_a_running_loop():
    """In a process of its own, for it patches the loop."""
    with serving(say("a", "b")) as wire:
        command = [sys.executable, "-W", "error", "-c", IN_A_LOOP, wire.base_url]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("ab\n", "")


async def test_a_server_on_this_machine_needs_no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with serving(say("ok")) as wire:
        assert (await EndpointModel("m", base_url=wire.base_url).ainvoke("hello")).content == "ok"


async def test_without_a_key_nothing_is_sent_to_another_machine(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelError, match="m at https://api.openai.com/v1 needs a key: set OPENAI"):
        await EndpointModel("m").ainvoke("hello")


async def test_a_key_that_can_be_none_is_refused_without_showing_it(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nX-Injected: 1")
    with pytest.raises(ModelError, match="characters that no key has") as caught:
        await EndpointModel("m").ainvoke("hello")
    assert KEY not in told(caught.value)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "the request was refused"),
        (401, "the key was refused"),
        (404, "there is no such model"),
        (418, "the request was refused"),
        (429, "too many requests"),
        (500, "the server failed"),
        (503, "the server failed"),
    ],
)
async def test_a_refusal_is_one_sentence_with_status_and_the_servers_words(status, reason):
    error = await refused(refuse(status, "because\nof this"))
    assert str(error).startswith("m at http://127.0.0.1:")
    assert reason in str(error)
    assert str(error).endswith(f'(HTTP status {status}): "because of this".')
    assert error.__cause__ is not None


async def test_a_refusal_is_asked_for_once():
    with serving(refuse(429, "slow down")) as wire, pytest.raises(ModelError):
        await EndpointModel("m", base_url=wire.base_url).ainvoke("hello")
    assert len(wire.bodies) == 1


async def test_a_server_that_repeats_the_key_does_not_make_it_visible():
    error = await refused(refuse(401, f"Incorrect API key provided: {KEY}"))
    assert "Incorrect API key provided: ***" in str(error)


async def test_a_long_hostile_reason_is_cut_and_has_no_control_characters():
    error = await refused(refuse(400, "\x1b[2J" + "a" * 10_000))
    assert len(str(error)) < 500
    assert "\x1b" not in str(error)


async def test_a_server_that_is_not_there_is_said_not_to_be():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(ModelError, match="can't be reached; is the server running"):
            await EndpointModel("m", base_url=url).ainvoke("hello")


def stall(handler, body):
    begin(handler)
    send(handler, chunk("soft"))
    handler.server.released.wait(30)


async def test_a_stalled_answer_is_given_up():
    error = await refused(stall, stall_seconds=0.05)
    assert "has said nothing for too long" in str(error)


async def test_what_came_before_a_stall_has_been_shown():
    with serving(stall) as wire:
        stream = EndpointModel("m", base_url=wire.base_url, stall_seconds=0.05).astream("hello")
        assert (await anext(stream)).content == "soft"
        with pytest.raises(ModelError):
            await anext(stream)


async def test_an_answer_that_just_ends_is_not_taken_for_complete():
    def cut(handler, body):
        begin(handler)
        send(handler, chunk("soft"))

    assert "stopped before its answer was complete" in str(await refused(cut))


async def test_an_answer_that_breaks_off_within_an_event_is_an_error():
    def cut(handler, body):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        send(handler, chunk("soft"))
        handler.close_connection = True

    assert "broke the connection in the middle" in str(await refused(cut))


async def test_an_error_in_the_middle_of_the_stream_is_repeated():
    def fail(handler, body):
        begin(handler)
        send(handler, chunk("soft"))
        send(handler, {"error": {"message": f"out of memory {KEY}"}})

    assert "m at" in str(error := await refused(fail))
    assert '"out of memory ***"' in str(error)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("{not json", "answered with something that is no chat completion"),
        ([1, 2], "stopped before its answer was complete"),
        ({"choices": [3]}, "stopped before its answer was complete"),
        ({"choices": {"a": 1}}, "stopped before its answer was complete"),
        (chunk(3), "answered with int instead of text"),
        (chunk(["x"]), "answered with list instead of text"),
    ],
    ids=repr,
)
async def test_an_answer_that_is_no_chat_completion_is_an_error(event, said):
    def nonsense(handler, body):
        begin(handler)
        send(handler, event)

    assert said in str(await refused(nonsense))


async def test_cancelling_who_listens_hangs_up():
    hung_up = asyncio.Event()
    loop = asyncio.get_running_loop()

    def endless(handler, body):
        begin(handler)
        try:
            while not handler.server.released.wait(0.001):
                send(handler, chunk("more "))
        except OSError:
            loop.call_soon_threadsafe(hung_up.set)

    async def listen(url, started):
        async for _ in EndpointModel("m", base_url=url).astream("hello"):
            started.set()

    with serving(endless) as wire:
        started = asyncio.Event()
        listening = asyncio.create_task(listen(wire.base_url, started))
        await started.wait()
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        assert await hung_up.wait()


async def test_a_model_shows_its_name_and_address_and_no_key():
    shown = repr(EndpointModel("m", base_url="http://h/v1", key=lambda: KEY))
    assert shown == "EndpointModel('m', base_url='http://h/v1')"
