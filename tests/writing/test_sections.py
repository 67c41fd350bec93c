from __future__ import annotations

import pytest

from nbflow.writing.cell import parse
from nbflow.writing.sections import Section


def sections(body: str) -> dict[str, Section]:
    return {draft.name: draft for draft in parse("", body).drafts}


def prompts(body: str) -> dict[str, str]:
    return {name: section.prompt for name, section in sections(body).items()}


def test_the_text_under_a_header_is_its_prompt_without_outer_blank_lines():
    body = "[joke]\n\n  Write a joke\n\nabout {topic}  \n \n[poem]\nWrite a poem\n"
    assert prompts(body) == {
        "joke": "  Write a joke\n\nabout {topic}  ",
        "poem": "Write a poem",
    }


@pytest.mark.parametrize(
    "header", ["[joke] ", "[joke]\t", "[joke]   retries=2  ", "[日本語]", "[_x1]"]
)
def test_what_counts_as_a_header(header):
    assert len(sections(f"{header}\nAbout cats")) == 1


def test_windows_line_ends_are_line_ends():
    assert prompts("[joke]\r\nOne\r\nTwo\r\n[poem]\r\nThree\r\n") == {
        "joke": "One\nTwo",
        "poem": "Three",
    }


@pytest.mark.parametrize(
    "line",
    [
        "[a link](http://x)", "[link](http://x)", "[link][1]", "[link]: http://x", "[ ] todo",
        "[1] a footnote", "[1]", "[]", "[...]", "[a, b, c]", "[[wiki]]", "- [x] done", "[laughs]!",
        " [indented]", "[un]believable", "[laughs], he said", '["a", "b"]', "[", "# [x]",
        "[Your Name]", "[see the long list of things below]",
    ],
)  # fmt: skip
def test_any_other_line_with_a_bracket_is_text(line):
    assert prompts(f"[joke]\nAbout cats\n{line}") == {"joke": f"About cats\n{line}"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\[joke]", "[joke]"),
        (r"\[joke] write one", "[joke] write one"),
        (r"\[my joke]", "[my joke]"),
        (r"\[joke", "[joke"),
        (r"\\[joke]", r"\[joke]"),
        (r"\[ x^2 + 1 \]", r"\[ x^2 + 1 \]"),
        (r"\[a](b)", r"\[a](b)"),
    ],
)
def test_a_backslash_makes_text_of_a_header_and_stays_elsewhere(written, meant):
    assert prompts(f"[a]\n{written}\nmore") == {"a": f"{meant}\nmore"}


def test_a_place_in_an_escaped_line_is_that_of_the_cell(mistake):
    error = mistake("[a]\n\\[joke] about {topc}\nmore", topic="cats")
    assert (error.line, error.column) == (3, 15)


@pytest.mark.parametrize(
    ("header", "text", "says"),
    [
        ("[joke", "[joke", "[joke]"),
        ("[joke retries=2", "[joke retries=2", "[joke]"),
        ("[my joke]", "[my joke]", "[my_joke]"),
        ("[my-joke] retries=2", "[my-joke]", "[my_joke]"),
        ("[ joke ]", "[ joke ]", "[joke]"),
        ("[1st]", "[1st]", "can't be the name"),
        ("[joke]retries=2", "[joke]", "space"),
        ("[joke] retry=2", "retry", "'retries'"),
        ("[joke] retries=x", "retries=x", "whole number from 0"),
        ("[joke] retries", "retries", "retries=..."),
        ("[joke] retries = 2", "retries", "without spaces"),
        ("[joke] --retries 2", "--retries", "retries=..."),
        ("[joke] --template", "--template", "without dashes"),
        ("[joke] template=yes", "template=yes", "no value"),
        ("[joke] templat", "templat", "'template'"),
        ("[joke] write a joke", "write", "next line"),
        ("[joke] seed=1 seed=2", "seed=2", "twice"),
        ('[joke] model="x', '"x', "not closed"),
        ("[joke] template model=x", "x", "calls no model"),
        ("[joke] model=smollm2,", "model=smollm2,", "several with commas"),
        ("[joke] votes=0", "votes=0", "whole number from 1"),
        ("[joke] wait=most", "wait=most", "all, any"),
        ("[joke] wait=any", "any", "0 of them are nodes"),
        ("[joke] rate=fast", "rate=fast", "60/min"),
        ("[joke] on_error=stop", "on_error=stop", "only pass"),
        ("[joke] min_agreement=0.5", "0.5", "without votes"),
        ("[joke] template votes=3", "template", "keep one"),
        ("[joke] key=len", "key", "in Python"),
        ("[joke] model=smollm2,smolm2", "smolm2", "'smollm2'"),
        ("[joke] for doc of docs", "for", "for doc in docs"),
        ("[joke] for doc", "for", "for doc in docs"),
        ("[joke] for doc in a.b", "a.b", "for doc in docs"),
        ("[joke] for doc in docs", "doc", "nothing in the prompt reads {doc}"),
        ("[joke] for x in a for x in b", "x", "two things"),
        ("[my joke] for doc in docs", "[my joke]", "can't be the name"),
    ],
)
@pytest.mark.parametrize("above", ["", "[a]\nAbout cats\n"])
def test_a_misspelt_header_is_an_error_where_it_stands(mistake, header, text, says, above):
    error = mistake(f"{above}{header}\nAbout cats")
    assert error.text == text
    assert error.line == above.count("\n") + 2
    assert says in error.problem


def test_options_of_a_header_become_those_of_the_node():
    cell = parse(
        "", '[joke] max_tokens=20 temperature=0.5 timeout="3" retries=2 seed=7\nAbout cats'
    )
    (step,) = cell.bind({}).flow.steps
    assert (step.options.max_tokens, step.options.temperature, step.options.seed) == (20, 0.5, 7)
    assert (step.options.timeout, step.options.retries) == (3.0, 2)


def test_a_template_is_filled_in_and_no_model_is_asked():
    (step,) = parse("topic=cats", "[joke] template\nAbout {topic}").bind({}).flow.steps
    assert step.kind == "template"


def test_text_before_the_first_header_is_an_error(mistake):
    error = mistake("\n  Hello\n[joke]\nAbout cats")
    assert (error.line, error.column, error.text) == (3, 3, "Hello")


def test_a_header_with_nothing_under_it_is_an_error(mistake):
    error = mistake("[joke]\n \n[poem]\nAbout cats")
    assert (error.text, error.line) == ("[joke]", 2)


def test_the_short_form_is_one_prompt_a_line():
    cell = parse("", "joke: About {topic}\n\npoem:  A: b  \nhaiku : {joke}")
    assert cell.form == "short"
    assert [(d.name, d.prompt) for d in cell.drafts] == [
        ("joke", "About {topic}"),
        ("poem", "A: b"),
        ("haiku", "{joke}"),
    ]


@pytest.mark.parametrize("line", ["and more", "  haiku: x", "my joke: x", "1st: x", "http://x"])
def test_a_line_that_does_not_fit_the_short_form_is_an_error(mistake, line):
    error = mistake(f"joke: a\npoem: b\n{line}")
    assert (error.line, error.text) == (4, line.strip())
    assert "'name: prompt'" in error.problem


def test_a_short_prompt_without_text_is_an_error(mistake):
    assert mistake("joke: a\npoem:").text == "poem"


def test_a_cell_in_no_form_is_told_the_three(mistake):
    error = mistake("Write a joke about cats")
    assert "[joke]" in error.problem
    assert "'joke: prompt'" in error.problem
    assert "def" in error.problem


@pytest.mark.parametrize("body", ["", "\n", "  \n\t\n"])
def test_an_empty_cell_is_an_error_at_the_magic(mistake, body):
    error = mistake(body)
    assert (error.line, error.column, error.text) == (1, 1, "%%fanout")
    assert "empty" in error.problem
