from __future__ import annotations

import pytest

from nbflow.writing.prompt import fill, placeholders


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        "{}",
        "{x.y}",
        "{x!r}",
        "{x:>3}",
        "{ x }",
        "{0}",
        "{x[0]}",
        "{x²}",
        "{²}",
        "{",
        "}",
        "{x",
    ],
)
def test_braces_around_anything_but_a_name_are_text(text):
    assert placeholders(text) == []
    assert fill(text, {"x": "filled", "x²": "filled"}) == text


def test_doubled_braces_give_a_literal_placeholder():
    assert fill("{{topic}} is {topic}", {"topic": "cats"}) == "{topic} is cats"


def test_names_may_be_of_any_script():
    assert fill("{thème} {主題}", {"thème": "a", "主題": "b"}) == "a b"


def test_a_value_cannot_reach_anything_by_its_braces():
    assert fill("{a} {b}", {"a": "{b} {a.__class__}", "b": "x"}) == "{b} {a.__class__} x"


def test_a_missing_value_is_an_error():
    with pytest.raises(KeyError, match="topic"):
        fill("{topic}", {})
