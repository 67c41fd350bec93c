"""Functions and objects of other people as models."""

from __future__ import annotations

import asyncio
import functools
import threading
from unittest.mock import Mock

import pytest

from nbflow.errors import ModelError
from nbflow.models import FunctionModel, Message, ObjectModel, Usage, model


def plain(prompt):
    return f"{prompt}!"


async def coroutine(prompt):
    await asyncio.sleep(0)
    return f"{prompt}!"


def generator(prompt):
    yield prompt
    yield "!"


async def async_generator(prompt):
    yield prompt
    await asyncio.sleep(0)
    yield "!"


class Callable_:
    def __call__(self, prompt):
        return f"{prompt}!"


class AsyncCallable:
    async def __call__(self, prompt):
        return f"{prompt}!"

    async def method(self, prompt):
        yield f"{prompt}!"


def two(mark, prompt):
    return prompt + mark


WAYS = [
    plain,
    coroutine,
    generator,
    async_generator,
    Callable_(),
    AsyncCallable(),
    AsyncCallable().method,
    functools.partial(two, "!"),
    functools.partial(coroutine),
    lambda prompt: coroutine(prompt[:]),
    lambda prompt: generator(prompt[:]),
    lambda prompt: async_generator(prompt[:]),
    lambda prompt: Message(f"{prompt}!"),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: getattr(way, "__name__", type(way).__name__))
async def test_every_way_to_make_text_is_a_model(way):
    assert (await FunctionModel(way).ainvoke("cat")).content == "cat!"


@pytest.mark.parametrize("way", WAYS)
def test_every_model_answers_sync_code_too(way):
    assert model(way).invoke("cat").content == "cat!"


async def test_a_generator_streams_before_it_ends():
    go_on = threading.Event()

    def patient(prompt):
        yield "first"
        go_on.wait()
        yield "second"

    stream = FunctionModel(patient).astream("")
    assert (await anext(stream)).content == "first"
    go_on.set()
    assert [chunk.content async for chunk in stream] == ["second"]


async def test_a_sync_function_leaves_the_loop_free():
    go_on = threading.Event()

    def blocking(prompt):
        go_on.wait()
        return "done"

    asked = asyncio.create_task(FunctionModel(blocking).ainvoke(""))
    await asyncio.sleep(0)
    go_on.set()  # would never be reached if the function held the loop
    assert (await asked).content == "done"


async def test_closing_the_stream_closes_the_functions_generator():
    closed = asyncio.Event()

    async def endless(prompt):
        try:
            while True:
                yield "more"
        finally:
            closed.set()

    stream = FunctionModel(endless).astream("")
    await anext(stream)
    await stream.aclose()
    assert closed.is_set()


def test_a_function_gets_the_settings_that_it_names():
    def choosy(prompt, *, temperature=None, **rest):
        return f"{temperature} {rest}"

    def named(prompt, seed=None):
        return f"{seed}"

    assert FunctionModel(choosy).invoke("", temperature=0.5, seed=1).content == "0.5 {'seed': 1}"
    assert FunctionModel(named).invoke("", temperature=0.5, seed=1).content == "1"
    assert FunctionModel(plain).invoke("", temperature=0.5).content == "!"


@pytest.mark.parametrize("answer", [None, 3, b"bytes", {"content": "text"}, object(), Mock()])
def test_what_is_no_text_is_refused_with_its_type(answer):
    with pytest.raises(ModelError, match=rf"gave an? {type(answer).__name__}"):
        FunctionModel(lambda prompt: answer).invoke("")


def test_a_chunk_that_is_no_text_is_refused_with_its_type():
    with pytest.raises(ModelError, match="gave an int"):
        FunctionModel(lambda prompt: iter(["a", 3])).invoke("")


def test_what_a_function_raises_comes_out_as_it_is():
    def broken(prompt):
        raise ZeroDivisionError("by me")

    with pytest.raises(ZeroDivisionError, match="by me"):
        FunctionModel(broken).invoke("")


def test_a_function_model_has_the_functions_name():
    assert FunctionModel(plain).name == "plain"
    assert FunctionModel(functools.partial(two, "!")).name == "two"
    assert FunctionModel(Callable_()).name == "Callable_"
    assert FunctionModel(plain, name="cats").name == "cats"


class Reply:
    """As LangChain's AIMessage and AIMessageChunk."""

    def __init__(self, content, usage_metadata=None):
        self.content = content
        self.usage_metadata = usage_metadata


class Chat:
    """As a LangChain chat model."""

    model_name = "chat-9"

    async def astream(self, prompt, config=None, **kwargs):
        yield Reply("", {"input_tokens": 4, "output_tokens": 0})
        yield Reply(prompt)
        yield Reply([{"type": "text", "text": "!"}, {"type": "tool", "id": 3}, "?"])
        yield Reply("", {"input_tokens": 0, "output_tokens": 2})
        yield Reply(str(kwargs))

    async def ainvoke(self, prompt, config=None, **kwargs):
        raise AssertionError("astream is better")


class AsyncOnly:
    model = "async-only"

    async def ainvoke(self, prompt):
        return Reply(prompt, {"input_tokens": 1, "output_tokens": 1})


class SyncOnly:
    def invoke(self, prompt):
        return Reply(threading.current_thread().name)


def test_a_chat_object_streams_and_its_usages_are_summed():
    answer = ObjectModel(Chat()).invoke("cat", temperature=0.5)
    assert answer == Message("cat!?{'temperature': 0.5}", Usage("chat-9", 4, 2))


def test_an_object_is_asked_through_its_best_door():
    assert model(AsyncOnly()).invoke("cat") == Message("cat", Usage("async-only", 1, 1))
    assert model(SyncOnly()).invoke("cat").content != threading.current_thread().name


def test_an_object_is_named_by_itself_or_its_class():
    assert [ObjectModel(chat()).name for chat in (Chat, AsyncOnly, SyncOnly)] == [
        "chat-9",
        "async-only",
        "SyncOnly",
    ]


def test_an_object_that_refuses_a_setting_is_said_to():
    class Strict:
        async def ainvoke(self, prompt, **kwargs):
            return plain(prompt, **kwargs)

    with pytest.raises(ModelError, match="Strict refuses a setting: .*'temperature'"):
        ObjectModel(Strict()).invoke("", temperature=0.5)


@pytest.mark.parametrize("door", ["astream", "ainvoke", "invoke"])
def test_an_object_that_answers_with_anything_else_is_refused(door):
    with pytest.raises(ModelError, match="gave a Mock"):
        ObjectModel(Mock(spec=[door])).invoke("")


@pytest.mark.parametrize("adapter", [FunctionModel, ObjectModel, model])
def test_a_class_is_no_model(adapter):
    with pytest.raises(ModelError, match="Chat is a class, not a model; make one of it"):
        adapter(Chat)
