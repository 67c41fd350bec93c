from __future__ import annotations

import base64
import html as html_text

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core.events import Kind
from nbflow.views.body import TEXT_MOST, blocks
from nbflow.views.model import pane

from .hostile import PAYLOADS, dangers
from .records import Story, finished

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and so on").decode()


def body(story: Story, name: str = "joke") -> str:
    return "".join(blocks(pane(story.record, name)))


@pytest.fixture
def story() -> Story:
    story = Story({"joke": ()})
    story.start("joke")
    return story


def printed(story: Story, text: str, name: str = "stdout") -> None:
    story.say(Kind.OUTPUT, "joke", output_type="stream", name=name, text=text)


def displayed(story: Story, data: dict[str, object], **more: object) -> None:
    story.say(Kind.OUTPUT, "joke", output_type="display_data", data=data, **more)


def test_what_a_branch_prints_in_pieces_is_one_block(story):
    for text in ("one\n", "tw", "o\n"):
        printed(story, text)
    assert len(blocks(pane(story.record, "joke"))) == 1
    assert "one\ntwo</pre>" in body(story)


def test_stderr_stands_apart_from_stdout(story):
    printed(story, "out\n")
    printed(story, "err\n", "stderr")
    printed(story, "out again\n")
    shown = blocks(pane(story.record, "joke"))
    assert ["border-left" in block for block in shown] == [False, True, False]


def test_terminal_colours_are_dropped_and_a_progress_bar_shows_its_last_state(story):
    printed(story, "\x1b[31mred\x1b[0m\n 10%\r 50%\r100%\n")
    assert "red\n100%</pre>" in body(story)


def test_outputs_and_result_stand_in_the_order_they_came(story):
    printed(story, "first")
    displayed(story, {"text/plain": "second"})
    story.done("joke", "third")
    shown = body(story)
    assert shown.index("first") < shown.index("second") < shown.index("third")


def test_a_picture_becomes_a_data_uri_of_its_own_bytes(story):
    displayed(story, {"image/png": f"{PNG[:8]}\n{PNG[8:]}", "text/plain": "<Figure>"})
    assert f'src="data:image/png;base64,{PNG}"' in body(story)
    assert "Figure" not in body(story)


@pytest.mark.parametrize(
    "content",
    ['not base64 "><script>', base64.b64encode(b"<svg onload=alert(1)>").decode(), 7, None],
)
def test_a_picture_that_is_none_is_shown_as_text(story, content):
    displayed(story, {"image/png": content, "text/plain": "a figure"})
    assert "a figure" in body(story)
    assert "<img" not in body(story)


def test_svg_is_shown_where_its_scripts_do_not_run(story):
    displayed(story, {"image/svg+xml": "<svg xmlns='x' onload='alert(1)'/>"})
    assert "data:image/svg+xml;base64," in body(story)
    assert dangers(body(story)) == []


def test_html_of_a_data_frame_keeps_its_table(story):
    displayed(story, {"text/html": "<table><tr><td>1</td></tr></table>", "text/plain": "1"})
    assert "<table" in body(story)


def test_html_of_which_nothing_may_be_shown_gives_way_to_text(story):
    displayed(story, {"text/html": "<script>plot()</script>", "text/plain": "a plot"})
    assert "a plot" in body(story)


def test_a_display_can_be_updated_and_cleared(story):
    displayed(story, {"text/plain": "old"}, display_id="d")
    displayed(story, {"text/plain": "new"}, display_id="d", update=True)
    assert "new" in body(story)
    assert "old" not in body(story)
    story.say(Kind.OUTPUT, "joke", output_type="clear_output")
    assert body(story) == ""


def test_a_result_with_a_rich_form_is_shown_in_that(story):
    story.done("joke", "repr", display={"text/html": "<b>rich</b>", "text/plain": "repr"})
    assert "<b>rich</b>" in body(story)
    assert "repr" not in body(story)


def test_an_error_shows_its_type_its_message_and_a_folded_traceback(story):
    story.fail("joke", "ValueError", "<no & never>")
    shown = body(story)
    assert "ValueError</strong> &lt;no &amp; never&gt;" in shown
    assert "<details><summary" in shown


def test_while_it_tries_again_the_last_error_is_named(story):
    data = {"type": "OSError", "message": "gone", "traceback": "", "delay": 1.0}
    story.say(Kind.RETRYING, "joke", attempt=2, **data)
    assert "OSError" in body(story)
    assert "trying again" in body(story)


def test_a_skipped_branch_says_why():
    story = Story({"facts": (), "joke": ("facts",)})
    story.start("facts")
    story.fail("facts", "OSError", "no")
    story.say(Kind.SKIPPED, "joke", because=["facts"])
    assert "skipped: facts has no result" in body(story)


def test_a_cancelled_branch_keeps_what_it_said(story):
    story.chunk("joke", "Once upon")
    story.say(Kind.CANCELLED, "joke", 1.0)
    assert "Once upon" in body(story)
    assert "cancelled" in body(story)


def test_a_huge_text_is_cut_and_says_so():
    record = finished("a " * TEXT_MOST)
    shown = "".join(blocks(pane(record, "joke")))
    assert len(shown) < 2 * TEXT_MOST
    assert html_text.escape(f"… {TEXT_MOST:,} more characters; run['joke'] has them all") in shown


def test_of_a_huge_text_that_is_still_written_the_newest_is_shown(story):
    for number in range(3 * TEXT_MOST // 5):
        story.chunk("joke", f"{number:05}")
        if number == TEXT_MOST // 5:
            assert "00001" not in body(story)
    shown = body(story)
    assert f"{number:05}" in shown
    assert len(shown) < 2 * TEXT_MOST
    assert f"… {2 * TEXT_MOST:,} characters before" in shown
    assert "more characters" not in shown


def test_the_rest_of_a_cut_text_is_promised_only_where_there_is_a_result(story):
    story.chunk("joke", "a " * TEXT_MOST)
    story.say(Kind.CANCELLED, "joke", 1.0)
    assert f"… {TEXT_MOST:,} more characters" in body(story)
    assert "has them all" not in body(story)


def test_of_endless_printing_the_end_is_shown(story):
    for number in range(5000):
        printed(story, f"line {number}\n")
    assert "line 4999" in body(story)
    assert "characters before" in body(story)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_channel_of_a_branch_lets_anything_through(payload):
    story = Story({"joke": ()})
    story.start("joke")
    printed(story, payload)
    for mime in ("text/html", "text/markdown", "text/plain", "image/png", "image/svg+xml"):
        displayed(story, {mime: payload}, metadata={mime: {"width": payload}})
    story.chunk("joke", payload)
    story.fail("joke", payload, payload)
    assert dangers(body(story)) == []


@given(st.text(), st.sampled_from(["text/html", "text/markdown", "text/plain", "image/svg+xml"]))
def test_any_text_in_any_mime_type_makes_harmless_html(text, mime):
    story = Story({"joke": ()})
    story.start("joke")
    displayed(story, {mime: text})
    story.done("joke", text)
    assert dangers(body(story)) == []
    body(story).encode("utf-8")
