from __future__ import annotations

import pytest

from nbflow.errors import CellError
from nbflow.writing.line import LINE_OPTIONS, MagicLine, read_line
from nbflow.writing.options import FLOW_WORDS, LATER_FLOW_WORDS
from nbflow.writing.place import Place


def read(line: str) -> MagicLine:
    return read_line(Place(1, 10, line))


def refused(line: str) -> CellError:
    with pytest.raises(CellError) as caught:
        read(line)
    error = caught.value
    assert error.line == 1
    assert line[error.column - 10 :].startswith(error.text)
    return error


def test_an_empty_line_says_nothing():
    assert read("") == MagicLine()


@pytest.mark.parametrize("line", ["-j 4", "-j4", "-j=4", "--jobs 4", "--jobs=4", '--jobs="4"'])
def test_an_option_takes_its_value_in_every_usual_way(line):
    assert read(line).options == {"jobs": 4}


def test_everything_that_may_stand_on_the_line():
    line = read(
        'topic="black cats" -m openai:x@http://h/v1?a=b -o run --timeout 2.5 --retries 3 '
        "--on-error keep --seed 7 --bg --dry-run"
    )
    assert line.values == {"topic": "black cats"}
    assert line.options == {
        "model": "openai:x@http://h/v1?a=b",
        "timeout": 2.5,
        "retries": 3,
        "on_error": "keep",
        "seed": 7,
    }
    assert (line.out, line.bg, line.dry_run, line.help) == ("run", True, True, False)


def test_values_are_kept_as_they_were_written():
    line = read("n=5 empty= url=http://x?a=b")
    assert line.values == {"n": "5", "empty": "", "url": "http://x?a=b"}


@pytest.mark.parametrize("line", ["--help", "-h", "topic=cats -h", "--nonsense 4 --help"])
def test_help_is_all_that_counts_when_it_is_asked_for(line):
    assert read(line) == MagicLine(help=True)


def test_a_quoted_dash_is_a_value():
    assert read('-o run topic="--help"').values == {"topic": "--help"}


@pytest.mark.parametrize(
    ("line", "text", "says"),
    [
        ("--job 4", "--job", "'--jobs'"),
        ("--dry_run", "--dry_run", "'--dry-run'"),
        ("--on_error=stop", "--on_error", "'--on-error'"),
        ("-x", "-x", "unknown option -x"),
        ("-j x", "x", "--jobs takes a whole number from 1, not 'x'"),
        ("--timeout -5", "-5", "positive number of seconds"),
        ("--timeout=nan", "nan", "positive number of seconds"),
        ("--on-error never", "never", "finish, stop, keep"),
        ("topic=x --timeout", "--timeout", "needs a value"),
        ("--timeout -o run", "--timeout", "needs a value"),
        ("--jobs=", "--jobs=", "whole number"),
        ("--bg=yes", "yes", "takes no value"),
        ("-o a -o b", "-o", "stands twice"),
        ("-o 3d", "3d", "name of a variable"),
        ("-o class", "class", "name of a variable"),
        ("-m A,", "A,", "several with commas"),
        ("--rate fast", "fast", "60/min"),
        ("a=1 a=2", "a=2", "two values"),
        ("topic=black cats", "cats", 'topic="black cats"'),
        ("topic = cats", "topic", "without spaces"),
        ("topic =cats", "topic", "without spaces"),
        ("=cats", "=cats", "without spaces"),
        ("my-topic=cats", "my-topic=cats", "identifier"),
        ("cats", "cats", "starts on the next line"),
    ],
)
def test_a_mistake_is_refused_where_it_stands(line, text, says):
    error = refused(line)
    assert error.text == text
    assert says in error.problem


@pytest.mark.parametrize("word", sorted(LATER_FLOW_WORDS))
@pytest.mark.parametrize("value", ["", " 5", "=5"])
def test_an_option_of_a_later_version_is_refused_and_not_ignored(word, value):
    assert "not yet" in refused(f"topic=cats --{word}{value}").problem


def test_every_word_of_flow_options_has_an_option_on_the_line():
    assert set(FLOW_WORDS) <= {option.word for option in LINE_OPTIONS}
