from __future__ import annotations

import pytest

from nbflow.writing.completion import complete

FLAGS = {"--jobs", "--out", "--model", "--on-error", "--help"}


def offered(cell: str, *names: str) -> list[str]:
    """What is offered at the `|` in a cell."""
    cursor = cell.index("|")
    found, start = complete(cell.replace("|", "", 1), cursor, names)
    assert all(text.startswith(cell[start:cursor]) for text in found)
    return found


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("--on", ["--on-error"]),
        ("--dry", ["--dry-run"]),
        ("--on-error ", ["finish", "stop", "keep"]),
        ("--on-error=k", ["keep"]),
        ("-m sm", ["smollm2"]),
        ("--model=o", ["openai:", "own"]),
        ("-o ", []),
        ("-j ", []),
        ("topic=", []),
        ("--bg --bg", []),
    ],
)
def test_the_magics_line(typed, found):
    assert offered(f"%%fanout {typed}|\njoke: a", "own") == found


def test_an_empty_word_offers_what_prompts_still_need_and_every_option():
    found = offered("%%fanout style=dry |\njoke: {topic} {style} {rows} {joke}", "rows")
    assert found[0] == "topic="
    assert set(found[1:]) >= FLAGS


def test_parameters_that_stand_for_nothing_are_offered_as_values():
    body = "def joke(topic, n=1): return n\ndef both(joke, *, style): return 1"
    assert offered(f"%%fanout s|\n{body}") == ["style="]
    assert offered(f"%%fanout t|\n{body}") == ["topic="]


def test_an_option_that_is_there_is_not_offered_again():
    assert "--jobs" not in offered("%%fanout -j 4 --|\na: b")


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("[joke] re", ["retries="]),
        ("[joke] tem", ["temperature=", "template"]),
        ("[joke] retries=2 re", []),
        ("[joke] model=s", ["smollm2"]),
        ("[joke] retries=", []),
        ("[jo", []),
    ],
)
def test_a_header(typed, found):
    assert offered(f"%%fanout\n[a]\nx\n{typed}|") == found


def test_braces_offer_nodes_values_and_variables_but_not_the_node_itself():
    cell = "%%fanout topic=cats\n[joke]\n{|} {subject}\n[poem]\nx"
    assert offered(cell, "rows", "_i", "In") == ["poem", "topic", "subject", "rows"]


def test_braces_are_completed_from_what_was_typed():
    assert offered("%%fanout\njoke: a\npoem: b {jo|}", "john") == ["joke", "john"]


@pytest.mark.parametrize("typed", ["{{to", "{a.to", "{topic} to", "to"])
def test_text_outside_of_a_placeholder_is_left_alone(typed):
    assert offered(f"%%fanout topic=cats\n[joke]\n{typed}|") == []


@pytest.mark.parametrize(
    "cell",
    [
        "%%other --j|",
        "print(|)",
        "%%fan|",
        "%%fanout\ndef joke(topic): to|",
        "%%fanout\ndef a(: {t|",
    ],
)
def test_other_cells_and_python_are_left_to_others(cell):
    assert offered(cell, "topic", "total") == []


def test_blank_lines_above_the_magic_do_not_matter():
    assert offered("\n\n%%fanout --on|\na: b") == ["--on-error"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("[joke] vo", ["votes="]),
        ("[joke] fo", ["for"]),
        ("[joke] for doc ", ["in"]),
        ("[joke] for doc in d", ["docs"]),
        ("[joke] wait=a", ["all", "any"]),
        ("[joke] on_error=", ["pass"]),
        ("[joke] model=smollm2,o", ["openai:", "own"]),
        ("[joke] ke", []),
    ],
)
def test_what_a_header_says_of_many_tasks(typed, found):
    assert offered(f"%%fanout\n{typed}|", "docs", "own") == found


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("%%vote --v|\nx", ["--votes"]),
        ("%%vote -m a,o|\nx", ["openai:", "own"]),
        ("%%vote -n 7 an|\n{animal}", ["animal="]),
        ("%%vote topic=cats\nAbout {t|", ["topic"]),
        ("%%vote\n[joke] re|", []),
    ],
)
def test_the_vote_magic_completes_too(cell, found):
    assert offered(cell, "own") == found
