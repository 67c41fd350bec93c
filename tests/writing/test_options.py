from __future__ import annotations

import pytest

from nbflow.errors import FlowError
from nbflow.writing.options import (
    LATER_FLOW_WORDS,
    FlowOptions,
    flow_options,
    node_options,
)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("retries", "-1"), ("retries", 1.5), ("retries", "two"), ("max_tokens", 0), ("seed", -1),
        ("timeout", 0), ("timeout", "inf"), ("timeout", "nan"), ("timeout", "soon"),
        ("votes", 0), ("min_agreement", 1.5), ("wait", 0), ("wait", "most"), ("on_error", "stop"),
        ("rate", "fast"), ("jobs", 0), ("each", "docs"), ("key", "lower"), ("retry_on", 3),
        ("temperature", -0.1), ("temperature", "hot"), ("template", "yes"), ("model", ""),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_by_its_name(word, value):
    with pytest.raises(FlowError, match=f"^{word} .*{value}"):
        node_options({word: value})


def test_text_and_numbers_mean_the_same():
    words = {"retries": 2, "timeout": 1.5, "temperature": 0.0, "max_tokens": 5, "seed": 0}
    assert node_options(words) == node_options({word: str(v) for word, v in words.items()})


def test_none_leaves_a_word_open():
    assert node_options({"retries": None}) == node_options({})


@pytest.mark.parametrize("word", sorted(LATER_FLOW_WORDS))
def test_a_word_of_a_run_that_comes_later_is_refused(word):
    with pytest.raises(FlowError, match="not yet"):
        flow_options({word: 1})


def test_an_unknown_word_is_refused_with_the_nearest():
    with pytest.raises(FlowError, match="Did you mean 'on_error'"):
        flow_options({"onerror": "keep"})


def test_later_words_add_to_earlier_ones():
    before = flow_options({"jobs": 2, "seed": 1})
    assert flow_options({"jobs": 3}, before) == FlowOptions(jobs=3, seed=1)
