"""The doubles that everybody's tests lean on."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow import blocking
from nbflow.errors import ModelError
from nbflow.models import Settings
from nbflow.testing import Call, Clock, ScriptedModel, words


async def test_the_clock_wakes_its_sleepers_in_the_order_of_their_times():
    clock, woken = Clock(), []

    async def sleeper(seconds):
        await clock.sleep(seconds)
        woken.append((seconds, clock.time()))

    async with asyncio.TaskGroup() as group:
        for seconds in (3, 1, 2, 9):
            group.create_task(sleeper(seconds))
        await clock.advance(5)
        assert woken == [(1, 1), (2, 2), (3, 3)]
        assert (clock.time(), clock.sleepers) == (5, 1)
        await clock.advance(4)
    assert woken[-1] == (9, 9)


async def test_a_chain_of_sleeps_within_the_span_happens_within_it():
    clock, times = Clock(), []

    async def ticking():
        for _ in range(4):
            await clock.sleep(0.5)
            times.append(clock.time())

    ticks = asyncio.create_task(ticking())
    await clock.advance(10)
    await ticks
    assert times == [0.5, 1.0, 1.5, 2.0]


async def test_a_sleeper_that_is_cancelled_is_forgotten():
    clock = Clock()
    sleeper = asyncio.create_task(clock.sleep(1))
    await clock.advance(0)
    sleeper.cancel()
    await clock.advance(5)
    assert clock.sleepers == 0


@given(st.text())
def test_the_words_of_a_text_joined_are_the_text(text):
    assert "".join(words(text)) == text


@given(st.text(alphabet=" ab\n"))
def test_a_scripted_answer_arrives_whole_in_words(text):
    async def main():
        return [chunk.content async for chunk in ScriptedModel(text).astream("x")]

    chunks = blocking.run(main())
    assert "".join(chunks) == text
    assert chunks == [*words(text), ""]


def test_answers_are_found_by_the_prompt_itself_then_by_the_longest_key_within():
    scripted = ScriptedModel({"cat": "short", "a cat": "longer", "a cat!": "exact"})
    found = [scripted.invoke(prompt).content for prompt in ("cat?", "has a cat?", "a cat!")]
    assert found == ["short", "longer", "exact"]


def test_answers_in_a_list_come_one_after_another_until_there_are_no_more():
    scripted = ScriptedModel(["one", "two"])
    assert [scripted.invoke("x").content for _ in range(2)] == ["one", "two"]
    with pytest.raises(ModelError, match="all of its 2 answers"):
        scripted.invoke("x")


def test_answers_may_be_a_function_of_the_prompt():
    assert ScriptedModel(str.upper).invoke("cat").content == "CAT"


def test_a_prompt_without_an_answer_is_an_error_that_names_both():
    with pytest.raises(ModelError, match="no answer to 'dog'.*'cat'"):
        ScriptedModel({"cat": "meow"}).invoke("dog")


def test_failures_are_taken_one_by_one_by_the_prompts_they_are_for():
    scripted = ScriptedModel("fine", failures={"poem": [TimeoutError(), None, OSError()]})
    outcomes = []
    for prompt in ("poem", "joke", "poem", "poem", "poem"):
        try:
            outcomes.append(scripted.invoke(prompt).content)
        except OSError as error:
            outcomes.append(type(error))
    assert outcomes == [TimeoutError, "fine", "fine", OSError, "fine"]


def test_a_single_failure_is_raised_every_time():
    scripted = ScriptedModel("fine", failures={"poem": ValueError("no")})
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            scripted.invoke("poem")
    assert scripted.invoke("joke").content == "fine"


async def test_chunks_wait_for_the_clock():
    clock = Clock()
    scripted = ScriptedModel("one two three", chunk_delay_seconds=1, clock=clock)
    seen = []

    async def watch():
        async for chunk in scripted.astream("x"):
            seen.append(chunk.content)

    watching = asyncio.create_task(watch())
    await clock.advance(2)
    assert seen == ["one", " two"]
    await clock.advance(1)
    await watching


async def test_calls_and_how_many_run_at_once_are_counted():
    clock = Clock()
    scripted = ScriptedModel("a b", chunk_delay_seconds=1, clock=clock)
    asked = [asyncio.create_task(scripted.ainvoke(str(n), seed=n)) for n in range(3)]
    await clock.advance(1)
    assert scripted.active == 3
    asked[0].cancel()
    await clock.advance(5)
    assert (scripted.active, scripted.max_active) == (0, 3)
    assert scripted.calls == [Call(str(n), Settings(seed=n)) for n in range(3)]
