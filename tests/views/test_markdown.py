from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.views.markdown import render, sanitise
from nbflow.views.words import clean

from .hostile import PAYLOADS, dangers


def html_of(text: str) -> str:
    return "".join(render(clean(text)).blocks)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_a_model_writes_can_act(payload):
    html = html_of(payload)
    assert dangers(html) == []
    assert "<img" not in html


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_html_a_branch_displays_can_act(payload):
    html = sanitise(clean(payload))
    assert dangers(html) == []
    assert "<img" not in html


@given(st.lists(st.sampled_from([*PAYLOADS, "\n", "\n\n", "**", "`", "[", "](", ")", ">", "- "])))
def test_no_mixture_of_payloads_can_act(parts):
    assert dangers(html_of("".join(parts))) == []


def test_html_in_markdown_is_shown_as_text():
    assert "&lt;b&gt;bold&lt;/b&gt;" in html_of("<b>bold</b>")


def test_an_image_becomes_a_link_that_a_person_may_choose_to_follow():
    html = html_of("![cat](https://a.example/cat.png)")
    assert 'href="https://a.example/cat.png"' in html
    assert "noopener" in html


def test_tables_and_strikethrough_and_line_breaks_are_understood():
    html = html_of("| a |\n|--:|\n| 1 |\n\n~~old~~ one\ntwo")
    assert "<table" in html
    assert "text-align:right" in html
    assert "<s>old</s>" in html
    assert "<br>" in html


_PIECES = st.sampled_from([
    *["word ", "**bold** ", "#", "# ", "1", "1. ", "2. ", "- ", "> ", "~", "*", "`", "```", "    "],
    *["\n", "\n\n", "\r\n", "\t", "| a | b |\n|---|---|\n", "---\n", "=\n", "<", "\\", "\u2028"],
])  # fmt: skip


@given(st.lists(_PIECES, max_size=40))
def test_text_that_came_bit_by_bit_looks_like_text_that_came_at_once(pieces):
    text, rendered = "", None
    for piece in pieces:
        text += piece
        rendered = render(clean(text), rendered)
    streamed = "".join(rendered.blocks) if rendered else ""
    assert re.sub(r"\s", "", streamed) == re.sub(r"\s", "", html_of(text))


def test_blocks_that_were_settled_are_not_made_again():
    first = render("one\n\ntwo\n\nthree")
    second = render("one\n\ntwo\n\nthree and more", first)
    assert second.blocks[0] is first.blocks[0]
    assert len(first.settled) == 1
    assert "three and more" in second.blocks[-1]


def test_a_text_that_starts_over_forgets_what_was_settled():
    first = render("one\n\ntwo\n\nthree")
    assert render("another", first).blocks == render("another").blocks


@pytest.mark.parametrize("text", ["[" * 20_000, "*a **" * 4_000, "> " * 9_000, "[a](" * 5_000])
def test_a_text_made_to_be_slow_still_renders(text):
    assert isinstance(render(text).blocks, tuple)


def test_every_cell_of_a_table_says_where_its_text_stands():
    html = html_of("| a | b |\n|---|--:|\n| 1 | 2 |")
    assert [html.count(f"text-align:{side}") for side in ("left", "right")] == [2, 2]
