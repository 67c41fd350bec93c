"""`%%fanout` in a real kernel, from the cell's text to what stands in the notebook."""

from __future__ import annotations

import pytest

WIDGET = "application/vnd.jupyter.widget-view+json"

MODEL = """
async def parrot(prompt):
    for word in prompt.split():
        yield word + " "
"""


@pytest.fixture(scope="module", autouse=True)
def model(kernel):
    assert kernel.run(MODEL).status == "ok"


def test_the_three_forms_run_and_join(kernel):
    sections = "[joke]\nA joke about {topic}\n\n[both] template\n<{joke}>"
    short = "joke: A joke about {topic}\nboth: <{joke}>"
    python = 'def joke(topic): "A joke about {topic}"\ndef both(joke): return f"<{joke}>"'
    for body in (sections, short, python):
        cell = kernel.run(f"%%fanout -m parrot -o run topic=cats\n{body}")
        assert (cell.status, cell.error) == ("ok", "")
        assert kernel.run("run['both'].replace(' ', '')").text == "'<Ajokeaboutcats>'"


def test_what_stands_in_the_notebook_afterwards_needs_no_kernel(kernel):
    cell = kernel.run("%%fanout -m parrot\njoke: A joke about cats")
    (bundle,) = cell.outputs
    assert set(bundle) == {"text/plain", "text/html", "image/svg+xml"}
    assert "A joke about cats" in bundle["text/html"]
    assert "data:image/svg+xml" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]


def test_a_mistake_is_one_paragraph_before_anything_runs(kernel):
    cell = kernel.run("ran = []\n")
    cell = kernel.run("%%fanout topic=cats\nimport math\nran.append(0)\ndef a(topc): 1")
    assert cell.status == "error"
    assert "line 4, column 7" in cell.error
    assert "'topic'" in cell.error
    assert "Traceback" not in cell.shown_error
    assert len(cell.shown_error.splitlines()) == 1
    assert kernel.run("ran").text == "[]"


def test_a_failed_branch_ends_the_cell_with_one_short_error_and_keeps_the_rest(kernel):
    cell = kernel.run("%%fanout -o run\ndef good(): return 1\ndef bad(): return {}['x']")
    assert cell.error.startswith("RunError: bad failed (KeyError: 'x')")
    assert "Traceback" not in cell.shown_error
    assert "Traceback" in cell.html
    assert kernel.run("run['good'], list(run.errors)").text == "(1, ['bad'])"


def test_keep_does_not_raise(kernel):
    assert kernel.run("%%fanout --on-error keep\ndef bad(): return {}['x']").status == "ok"


def test_the_interrupt_cancels_every_branch_and_says_so_shortly(kernel):
    kernel.run("import asyncio, time, threading; up = threading.Event()")
    started = kernel.start(
        "%%fanout -o run\ndef quick(): return 1\nasync def slow():\n    up.set()\n"
        "    await asyncio.sleep(600)\ndef stuck(): time.sleep(600)"
    )
    # the interrupt must fall into the run, not before it: wait until its board stands
    kernel.wait_for("display_data")
    kernel.manager.interrupt_kernel()
    cell = kernel.finish(started)
    assert cell.error.startswith("RunCancelled: cancelled after")
    assert "Traceback" not in cell.shown_error
    assert kernel.run(
        "run.status.value, [t.state.value for t in run.record.tasks.values()]"
    ).text in (
        "('cancelled', ['done', 'cancelled', 'cancelled'])",
        "('cancelled', ['cancelled', 'cancelled', 'cancelled'])",
    )


def test_the_interrupt_reaches_a_coroutine_that_keeps_the_loop_to_itself(kernel):
    started = kernel.start(
        "%%fanout -o run\nasync def hog(): time.sleep(600)\n"
        "async def other(): await asyncio.sleep(600)"
    )
    kernel.wait_for("display_data")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(started).error.startswith("RunCancelled")
    assert kernel.run("run.status.value").text == "'cancelled'"


def test_the_interrupt_reaches_a_coroutine_that_keeps_the_loop_just_after_it(kernel):
    """Seen in CI: the signal came between two steps of the loop and the next one never ended."""
    for steps in range(6):
        started = kernel.start(
            f"%%fanout -o run\nasync def hog():\n    for _ in range({steps}):\n"
            "        await asyncio.sleep(0)\n    time.sleep(600)"
        )
        kernel.wait_for("display_data")
        kernel.manager.interrupt_kernel()
        assert kernel.finish(started).error.startswith("RunCancelled")


def test_an_interrupt_in_the_moment_before_a_branch_sleeps_is_heard_all_the_same(kernel):
    """Seen in CI: the signal came just before the sleep's system call, which it didn't end.

    A signal to another thread does the same at any moment: it is noted, and the sleep goes on.
    """
    cell = kernel.run(
        "%%fanout -o run\nimport signal, threading\nasync def hog():\n"
        "    kill = lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT)\n"
        "    threading.Timer(0.05, kill).start()\n"
        "    time.sleep(600)"
    )
    assert cell.error.startswith("RunCancelled")


def test_background_returns_at_once_and_can_be_awaited_and_cancelled(kernel):
    cell = kernel.run("%%fanout --bg -o run\nasync def slow():\n    await asyncio.sleep(600)")
    assert cell.status == "ok"
    assert kernel.run("run.status.value").text == "'running'"
    assert kernel.run("run.cancel(); await run").error.startswith("RunCancelled")
    assert "cancelled" in cell.html
    assert all(WIDGET not in output for output in cell.outputs)


def test_a_dry_run_counts_and_calls_nothing(kernel):
    kernel.run("asked = []\ndef spy(prompt): asked.append(prompt); return ''")
    cell = kernel.run("%%fanout -m spy --dry-run topic=cats\na: About {topic}\nb: More of {a}")
    assert "2 nodes, 1 edge, 2 model calls: 2 to spy" in cell.stdout
    assert kernel.run("asked").text == "[]"


def test_a_vote_cell_takes_the_answer_that_most_samples_agree_on(kernel):
    kernel.run(
        "from nbflow.testing import ScriptedModel\n"
        "judge = ScriptedModel(['No.', 'no', 'yes', 'NO', 'no', 'no', 'no'])"
    )
    cell = kernel.run(
        "%%vote -n 7 -m judge -o run --jobs 1 animal=octopus\n"
        "Does the {animal} have bones? Answer yes or no."
    )
    assert (cell.status, cell.error) == ("ok", "")
    assert kernel.run("run['vote'], judge.calls[0].prompt, len(judge.calls)").text == (
        "('No.', 'Does the octopus have bones? Answer yes or no.', 5)"
    )
    assert "agreement 80 %" in cell.html
    assert "2 calls saved" in cell.html


ONCE_BAD = """
def good(): return "kept"
left = iter([True])
def bad(good):
    if next(left, None): raise ValueError("not yet")
    return good.upper()
"""


def test_retry_runs_again_what_failed_on_a_board_of_its_own(kernel):
    assert kernel.run(f"%%fanout -o run{ONCE_BAD}").error.startswith("RunError: bad failed")
    cell = kernel.run("first = run\n%nbflow retry")
    assert (cell.status, cell.error) == ("ok", "")
    assert set(cell.outputs[0]) == {"text/plain", "text/html", "image/svg+xml"}
    assert "2 of 2 done" in cell.html
    assert kernel.run("run['bad'], run is first, first.status.value").text == (
        "('KEPT', False, 'failed')"
    )


def test_retry_takes_the_name_of_a_run_and_says_what_is_none(kernel):
    kernel.run(f"%%fanout -o other{ONCE_BAD}")
    kernel.run("%%fanout -o run\ndef later(): return 1")
    assert kernel.run("%nbflow retry other").status == "ok"
    assert kernel.run("other['bad']").text == "'KEPT'"
    assert "'othr' is not there" in kernel.run("%nbflow retry othr").error
    assert "Did you mean 'other'?" in kernel.run("%nbflow retry othr").error
    assert "'asyncio' is not a run" in kernel.run("import asyncio\n%nbflow retry asyncio").error


def test_retry_of_a_run_that_did_everything_says_so(kernel):
    kernel.run("%%fanout -o run\ndef a(): return 1")
    cell = kernel.run("%nbflow retry run")
    assert cell.stdout == "nothing to retry: every branch has its result.\n"
    assert cell.outputs == []


def test_a_retry_can_be_interrupted_and_then_retried(kernel):
    kernel.run("import asyncio; tries = iter(['fail', 'wait'])")
    kernel.run(
        "%%fanout -o run\nasync def slow():\n    what = next(tries, None)\n"
        "    if what == 'fail': raise ValueError('once')\n"
        "    if what == 'wait': await asyncio.sleep(600)\n    return 'done'"
    )
    started = kernel.start("%nbflow retry")
    kernel.wait_for("display_data")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(started).error.startswith("RunCancelled")
    kernel.run("tries = iter(())")  # the interrupt may have come before the branch began
    assert kernel.run("%nbflow retry").status == "ok"
    assert kernel.run("run['slow']").text == "'done'"


def test_retry_inside_a_block_takes_the_sync_path(kernel):
    kernel.run(f"%%fanout -o run{ONCE_BAD}")
    assert kernel.run("if True:\n    %nbflow retry run").error == ""
    assert kernel.run("run['bad']").text == "'KEPT'"


def test_help_is_printed_and_a_question_mark_shows_the_same(kernel):
    assert "--on-error" in kernel.run("%%fanout --help\n").stdout
    reply = kernel.client.inspect("%%fanout", reply=True, timeout=30)
    assert "--on-error" in reply["content"]["data"]["text/plain"]


def test_braces_on_the_magics_line_are_expanded_as_in_any_magic(kernel):
    kernel.run("animal = 'octopus'")
    kernel.run("%%fanout topic={animal} -m parrot -o run\na: About {topic}")
    assert kernel.run("run['a']").text == "'About octopus '"


def test_run_cell_magic_from_sync_code_takes_the_sync_path(kernel):
    code = "get_ipython().run_cell_magic('fanout', '-m parrot -o run', 'a: About cats')"
    kernel.run(f"def sync():\n    return {code}\n")
    assert kernel.run("sync()").status == "ok"
    assert kernel.run("run['a']").text == "'About cats '"


def test_statements_of_a_python_cell_run_first_and_may_await(kernel):
    cell = kernel.run(
        "%%fanout -o run\nimport math\nawait asyncio.sleep(0)\nroot = math.sqrt(9)\n"
        "def answer(root): return root"
    )
    assert cell.error == ""
    assert kernel.run("run['answer'], root").text == "(3.0, 3.0)"


def test_unloading_takes_the_magics_away_and_loading_brings_them_back(kernel):
    kernel.run("%unload_ext nbflow")
    assert kernel.run("%%fanout -m parrot\na: b").status == "error"
    kernel.run("%load_ext nbflow")
    assert kernel.run("%%fanout -m parrot\na: b").status == "ok"


@pytest.mark.parametrize("above", ["%%time", "%%capture captured", "%%timeit -n1 -r1"])
def test_a_cell_below_another_cell_magic_runs_too(kernel, above):
    cell = kernel.run(f"{above}\n%%fanout -m parrot -o run topic=cats\na: About {{topic}}")
    assert (cell.status, cell.error) == ("ok", "")
    assert kernel.run("run['a']").text == "'About cats '"


def test_what_a_cells_own_statements_raise_is_shown_without_nbflows_frames(kernel):
    cell = kernel.run("%%fanout\nimport no_such_module\ndef a(): return 1")
    assert "import no_such_module" in cell.shown_error
    assert "cells.py" not in cell.shown_error
    assert "magics.py" not in cell.shown_error


def test_a_quote_that_isnt_closed_is_a_short_error_of_the_line_magic(kernel):
    cell = kernel.run("%nbflow model 'parrot")
    assert cell.error.startswith("NbflowError: %nbflow can't read")
    assert len(cell.shown_error.splitlines()) == 1
