"""Every model: its doors, its settings, its messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow import Flow
from nbflow.core.events import Kind
from nbflow.errors import ModelError
from nbflow.models import Message, Model, Settings, Usage
from nbflow.models.protocol import MAX_SEED


class Told(Model):
    """Says what it was asked, and with which settings."""

    name = "told"

    def __init__(self) -> None:
        self.closed = False

    async def generate(self, prompt: str, settings: Settings) -> AsyncGenerator[Message, None]:
        try:
            yield Message(prompt)
            yield Message(str(settings.given()), Usage(self.name, 1, 2))
        finally:
            self.closed = True


def test_the_sync_door_joins_the_chunks_and_keeps_the_usage():
    assert Told().invoke("a") == Message("a{}", Usage("told", 1, 2))


async def test_keywords_go_over_the_settings_object():
    answer = await Told().ainvoke("a", Settings(temperature=1.0, seed=3), temperature=0.5)
    assert answer.content == "a{'temperature': 0.5, 'seed': 3}"


async def test_closing_the_stream_early_closes_the_model():
    model = Told()
    stream = model.astream("a")
    await anext(stream)
    await stream.aclose()
    assert model.closed


@pytest.mark.parametrize("prompt", [None, 3, ["a"], b"a"])
def test_a_prompt_that_is_no_text_is_refused(prompt):
    with pytest.raises(ModelError, match=f"not {type(prompt).__name__}"):
        Told().invoke(prompt)


def test_an_unknown_setting_is_named_with_the_nearest_one():
    with pytest.raises(ModelError, match="'max_token'. Did you mean 'max_tokens'"):
        Told().invoke("a", max_token=3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": "hot"},
        {"temperature": True},
        {"max_tokens": 0},
        {"max_tokens": 2.5},
        {"max_tokens": True},
        {"seed": -1},
        {"seed": MAX_SEED + 1},
    ],
)
def test_a_setting_that_no_model_could_take_is_refused_by_name(wrong):
    with pytest.raises(ModelError, match=next(iter(wrong))):
        Settings(**wrong)


@given(
    st.none() | st.floats(0, 10),
    st.none() | st.integers(1),
    st.none() | st.integers(0, MAX_SEED),
)
def test_replacing_with_what_is_given_changes_nothing(temperature, max_tokens, seed):
    settings = Settings(temperature, max_tokens, seed)
    assert settings.replace(**settings.given()) == settings
    assert Settings().replace(**settings.given()) == settings


async def test_a_model_answers_several_loops_at_once():
    model = Told()
    asked = [asyncio.to_thread(model.invoke, str(number)) for number in range(5)]
    answers = [answer.content for answer in await asyncio.gather(*asked)]
    assert answers == [f"{number}{{}}" for number in range(5)]


@pytest.mark.parametrize("door", ["invoke", "ainvoke"])
def test_in_a_branch_an_answer_is_shown_as_it_comes_and_its_tokens_count(door):
    model = Told()

    def sync():
        return model.invoke("a").content.upper()

    async def awaited():
        return (await model.ainvoke("a")).content.upper()

    branch = sync if door == "invoke" else awaited
    events = []
    branch.__name__ = "said"
    run = Flow(branch).prepare({}, sinks=(events.append,))

    async def main():
        return await run.start()

    asyncio.run(main())
    chunks = [event.data["text"] for event in events if event.kind is Kind.CHUNK]
    assert "".join(chunks) == "a{}"
    assert run["said"] == "A{}"
    assert run.usage == {"input_tokens": 1, "output_tokens": 2}
