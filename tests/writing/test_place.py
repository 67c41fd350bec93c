from __future__ import annotations

import pytest

from nbflow.errors import CellError
from nbflow.writing.place import Place, words


def texts(line: str) -> list[str]:
    return [word.text for word in words(Place(1, 10, line))]


def test_quotes_group_words_at_the_start_of_a_word_or_of_a_value():
    assert texts("""topic="black cats" 'a b' x='c "d"'""") == ["topic=black cats", "a b", 'x=c "d"']


def test_an_apostrophe_within_a_word_is_text():
    assert texts("topic=cat's 5'4\"") == ["topic=cat's", "5'4\""]


def test_a_backslash_escapes_only_the_quote_and_itself():
    assert texts(r'a="say \"hi\"" b="C:\new" c=C:\x d="\\"') == [
        'a=say "hi"', r"b=C:\new", r"c=C:\x", "d=\\",
    ]  # fmt: skip


def test_a_word_knows_where_it_and_its_value_stand():
    word = words(Place(1, 10, '-j 4 topic="x y"'))[-1]
    assert word.place == Place(1, 15, 'topic="x y"')
    assert word.value_place == Place(1, 21, '"x y"')


@pytest.mark.parametrize(
    ("line", "column", "text"),
    [('a="b', 12, '"b'), ("'b", 10, "'b"), ('a="b"c', 12, '"b"c')],
)
def test_a_quote_that_does_not_close_is_an_error_at_the_quote(line, column, text):
    with pytest.raises(CellError) as caught:
        words(Place(1, 10, line))
    assert (caught.value.column, caught.value.text) == (column, text)
