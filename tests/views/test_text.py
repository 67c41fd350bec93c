from __future__ import annotations

from nbflow.core.events import Kind
from nbflow.views import text

from .records import Story


def test_a_terminal_sees_every_branch_its_state_and_the_totals():
    story = Story({"joke": (), "facts": (), "both": ("joke", "facts")})
    story.start("joke")
    story.done("joke", "Why did the cat sit?\nBecause.", at=1.5)
    story.start("facts")
    story.say(Kind.OUTPUT, "facts", output_type="stream", name="stdout", text="asking\n")
    story.fail("facts", "OSError", "no answer")
    story.say(Kind.SKIPPED, "both", because=["facts"])
    story.end("failed", at=2.0)
    assert text(story.record).splitlines() == [
        "cats: failed, 1 of 3 done · 1 failed · 1 skipped",
        "",
        "✓ joke  done in 1.5 s · prompt",
        "    Why did the cat sit?",
        "    Because.",
        "",
        "✕ facts  failed in 1.0 s · prompt",
        "    asking",
        "    OSError: no answer",
        "",
        "– both  skipped · prompt · joins joke, facts",
        "    no result of facts",
        "",
        "elapsed 2.0 s · sum of branches 2.5 s · speed-up 1.2×",
    ]


def test_a_long_result_is_cut_after_a_few_lines():
    story = Story({"joke": ()})
    story.start("joke")
    story.done("joke", "line\n" * 100)
    assert len(text(story.record).splitlines()) < 15
    assert "…" in text(story.record)


def test_control_characters_of_a_branch_do_not_reach_the_terminal():
    story = Story({"joke": ()})
    story.start("joke")
    story.say(Kind.OUTPUT, "joke", output_type="stream", name="stdout", text="\x1b]0;owned\x07hi")
    story.done("joke", "\x1b[2Jgone")
    assert "\x1b" not in text(story.record)
