"""Many tasks of one node, as its author writes them: each, vote, best, wait, several models."""

from __future__ import annotations

from typing import Any

import pytest

from nbflow import Flow, ask, best, each, node, vote
from nbflow.errors import FlowError, RunError
from nbflow.notebook.plan import plan_text
from nbflow.testing import ScriptedModel
from nbflow.writing.cell import parse


async def results(body: str, line: str = "", *, magic: str = "fanout", **variables: Any) -> Any:
    bound = parse(line, body, magic=magic).bind(dict(variables))
    return (await bound.flow.prepare(bound.inputs, hidden=bound.hidden).start()).results


# --- each


async def test_a_section_runs_once_for_each_element_of_a_variable():
    found = await results("[summary] for doc in docs\nSum up {doc}", docs=["a", "b"])
    assert found["summary"] == ["Sum up a", "Sum up b"]


async def test_two_fors_are_a_cross_product_and_mix_with_options():
    body = "[pair] for a in xs retries=1 for b in ys\n{a}{b}{z}"
    found = await results(body, "z=!", xs=["1", "2"], ys=["x", "y"])
    assert found["pair"] == ["1x!", "1y!", "2x!", "2y!"]


async def test_what_is_iterated_may_be_a_node_or_the_lines_of_a_value():
    body = "[first] for doc in docs\n<{doc}>\n[second] for x in first\n({x})"
    found = await results(body, "docs='a\nb'")
    assert found["second"] == ["(<a>)", "(<b>)"]


async def test_in_python_the_element_is_a_parameter_and_the_source_an_input():
    body = "@each(doc='docs')\ndef size(doc): return len(doc)\ndef total(size): return sum(size)"
    assert (await results(body, docs=("one", "three")))["total"] == 8


def test_an_error_does_not_show_what_a_variable_holds(mistake):
    body = "@each(doc=docs)\ndef a(doc): return doc"
    assert "secret" not in mistake(body, docs=["secret"]).problem


def test_the_input_of_a_step_is_the_source_and_not_the_element():
    flow = Flow(each(doc="docs")(ask("{doc} in {style}", name="a")))
    assert flow.inputs == ("docs", "style")


def test_a_source_read_whole_too_is_refused(mistake):
    error = mistake("[a] for doc in docs\n{doc} of {docs}", docs=["x"])
    assert (error.text, "both whole and one by one" in error.problem) == ("{docs}", True)


def test_a_source_that_stands_for_nothing_is_refused_where_it_stands(mistake):
    error = mistake("[a] for doc in dox\n{doc}", docs=["x"])
    assert (error.text, error.column) == ("dox", 16)


def test_a_source_without_elements_is_refused_before_anything_runs(mistake):
    assert "no elements" in mistake("[a] for doc in docs\n{doc}", docs=3).problem


def test_a_circle_through_an_element_is_found(mistake):
    assert "circle" in mistake("[a] for x in b\n{x}\n[b]\n{a}").problem


# --- vote and best


async def test_votes_of_a_header_take_the_majority():
    model = ScriptedModel(["no", "Yes.", "yes"])
    found = await results("[wet] votes=3\nIs water wet?", "-j 1 -m m", m=model)
    assert found["wet"] == "Yes."


async def test_each_sample_of_a_vote_has_a_seed_of_its_own():
    model = ScriptedModel("yes")
    flow = Flow(vote(3, min_agreement=1)(ask("x", name="a", seed=7)))
    await flow.options(model=model).arun()
    assert sorted(call.settings.seed for call in model.calls) == [7, 8, 9]


async def test_samples_without_a_seed_get_different_ones():
    model = ScriptedModel("yes")
    await Flow(vote(3, min_agreement=1)(ask("x", name="a"))).options(model=model).arun()
    assert len({call.settings.seed for call in model.calls}) == 3


async def test_a_prompt_that_is_no_sample_is_given_no_seed():
    model = ScriptedModel("yes")
    await Flow(ask("x", name="a")).options(model=model).arun()
    assert model.calls[0].settings.seed is None


async def test_a_key_says_which_answers_are_the_same():
    answers = iter([1, 12, 15])
    flow = Flow(vote(3, key=lambda n: n > 9)(node()(_named("a", lambda: next(answers)))))
    assert (await flow.options(jobs=1).arun())["a"] == 12


def _named(name: str, function: Any) -> Any:
    function.__name__ = name
    return function


@pytest.mark.parametrize("order", [0, 1])
def test_decorators_stack_in_any_order(order):
    decorators = [vote(2), each(doc="docs"), node(retries=1)]
    step = ask("{doc}", name="a")
    for decorate in decorators[::-1] if order else decorators:
        step = decorate(step)
    labels = [fan.label for fan in Flow(step).topology.nodes["a"].fan_out]
    assert (labels, step.options.retries) == (["for doc in docs", "vote of 2"], 1)


async def test_a_prompt_may_score_and_its_first_number_counts():
    model = ScriptedModel(["bad", "good", "fair"])
    judge = ScriptedModel({"bad": "a 1", "good": "Score: 9.5 of 10", "fair": "5"})
    score = ask("Rate {text}", name="rating", model=judge)
    flow = Flow(best(3, score=score)(ask("x", name="a"))).options(model=model, jobs=1)
    assert (await flow.arun())["a"] == "good"


async def test_the_tokens_of_a_score_are_counted_too():
    model = ScriptedModel(["one", "two"])
    judge = ScriptedModel("7")
    score = ask("Rate {text}", name="rating", model=judge)
    without = await Flow(best(2, score=len)(ask("x", name="a"))).options(model=model).arun()
    model = ScriptedModel(["one", "two"])
    run = await Flow(best(2, score=score)(ask("x", name="a"))).options(model=model).arun()
    assert without.usage["input_tokens"] < run.usage["input_tokens"]


def test_a_score_reads_exactly_one_name():
    with pytest.raises(FlowError, match="one placeholder"):
        best(3, score=ask("{a} {b}", name="rating"))


@pytest.mark.parametrize(
    "words",
    [{"key": len}, {"min_agreement": 0.5}, {"best": 3}, {"score": len}, {"retry_on": OSError},
     {"votes": 3, "best": 3, "score": len}],
)  # fmt: skip
def test_words_that_say_nothing_alone_are_refused(words):
    with pytest.raises(FlowError, match="without|keep one"):
        ask("x", name="a", **words)


async def test_the_decorators_need_no_import_in_a_cell():
    body = "@vote(3)\n@node(retries=1)\ndef a(): 'x'\n@best(2, score=len)\ndef b(): return 'y'"
    assert await results(body) == {"a": "x", "b": "y"}


async def test_the_vote_magic_takes_its_body_as_one_prompt():
    model = ScriptedModel("8")
    body = "Legs of an {animal}?\n[only] the number."
    found = await results(body, "-n 7 -m m animal=octopus", magic="vote", m=model)
    assert found == {"vote": "8"}
    assert model.calls[0].prompt == "Legs of an octopus?\n[only] the number."
    assert 4 <= len(model.calls) <= 7


def test_the_vote_magic_says_where_a_mistake_is():
    with pytest.raises(FlowError, match="whole number from 1"):
        parse("-n 0", "x", magic="vote")
    with pytest.raises(FlowError, match="empty"):
        parse("", "", magic="vote")
    with pytest.raises(FlowError, match="-n"):
        parse("-n 3", "a: x")


# --- several models


A, B = ScriptedModel(lambda p: f"A({p})", name="m1"), ScriptedModel(lambda p: f"B({p})", name="m1")


async def test_models_side_by_side_give_a_dict_by_the_names_as_written():
    found = await results("[joke]\nx", "-m a,b", a=A, b=B)
    assert found["joke"] == {"a": "A(x)", "b": "B(x)"}


async def test_a_prompt_reads_the_answer_of_its_own_model():
    found = await results("[joke]\nx\n[more]\n{joke}!", "-m a,b", a=A, b=B)
    assert found["more"] == {"a": "A(A(x)!)", "b": "B(B(x)!)"}


async def test_from_a_list_of_elements_too():
    body = "[joke] for d in docs\n{d}\n[all]\n{joke}\n[one] for j in joke\n{j}"
    found = await results(body, "-m a,b", a=A, b=B, docs=["1", "2"])
    assert found["all"]["b"] == "B(B(1)\n\nB(2))"
    assert found["one"] == [{"a": f"A(A({n}))", "b": f"B(B({n}))"} for n in (1, 2)]


async def test_everybody_else_reads_the_dict():
    body = "[joke]\nx\n[own] model=b\n{joke}\n[both] template\n{joke}"
    found = await results(body, "-m a,b", a=A, b=B)
    assert found["both"] == "a:\nA(x)\n\nb:\nB(x)"
    assert found["own"] == f"B({found['both']})"


async def test_a_header_may_name_several_models():
    found = await results("[joke] model=a,b\nx\n[poem] model=a\ny", a=A, b=B)
    assert found == {"joke": {"a": "A(x)", "b": "B(x)"}, "poem": "A(y)"}


async def test_objects_are_called_by_their_names_made_unique():
    run = await Flow(ask("x", name="a")).options(model=[A, B]).arun()
    assert run["a"] == {"m1": "A(x)", "m1 2": "B(x)"}


async def test_each_model_votes_on_its_own():
    flow = Flow(ask("x", name="a", votes=3, model={"one": A, "two": B}))
    assert (await flow.arun())["a"] == {"one": "A(x)", "two": "B(x)"}


def test_attempts_share_a_rate_by_model():
    run = Flow(ask("x", name="a"), ask("y", name="b", model=[A, B])).options(model=A).prepare({})
    nodes = run.topology.nodes
    assert nodes["a"].resource == "m1"
    assert [share.resource for share in nodes["b"].fan_out[0].shares({})] == ["m1", "m1"]


def test_going_through_the_answers_of_several_models_is_refused():
    flow = Flow(ask("x", name="a"), each(y="a")(ask("{y}", name="b"))).options(model=[A, B])
    with pytest.raises(FlowError, match="can't go through 'a'"):
        flow.prepare({})


# --- fan-in


async def test_a_join_that_passes_failures_reads_them():
    def broken():
        raise ValueError("no")

    join = ask("got {broken}", name="join", template=True, on_error="pass")
    with pytest.raises(RunError) as caught:
        await Flow(broken, join).arun()
    assert caught.value.run["join"] == "got (failed: ValueError: no)"


async def test_a_prompt_that_waits_for_any_input_goes_without_the_others():
    def broken():
        raise ValueError("no")

    def fine():
        return "fine"

    join = ask("{fine}{broken}", name="join", template=True, wait="any")
    run = await Flow(broken, fine, join).options(on_error="keep").arun()
    assert run["join"] == "fine"


async def test_a_parameter_with_a_default_keeps_it_when_its_node_has_no_result():
    def broken():
        raise ValueError("no")

    @node(wait="any")
    def join(fine, broken="nothing"):
        return fine + broken

    def fine():
        return "fine, "

    run = await Flow(broken, fine, join).options(on_error="keep").arun()
    assert run["join"] == "fine, nothing"


async def test_only_the_exceptions_that_were_named_are_tried_again():
    tried = []

    @node(retries=3, retry_on=(OSError, KeyError))
    def a():
        tried.append(1)
        raise ValueError("no")

    with pytest.raises(RunError):
        await Flow(a).arun()
    assert len(tried) == 1


# --- the plan


def plan(body: str, line: str = "", **variables: Any) -> str:
    bound = parse(line, body).bind(dict(variables))
    return plan_text(bound.flow.prepare(bound.inputs), bound.inputs)


def test_votes_models_and_elements_multiply_in_a_plan():
    body = "[a] for d in docs votes=3\n{d}\n[b] for x in a\n{x}\n[c] template\n{b}"
    text = plan(body, "-m one,two", docs=["1", "2"], one=A, two=B)
    assert "3 nodes, 2 edges, 16 model calls: 8 to one, 8 to two." in text
    assert "17 tasks" in text


def test_a_plan_says_what_is_not_known_before_it_runs():
    drawn = []
    source = (drawn.append(n) or n for n in range(3))
    text = plan("[a] for d in docs\n{d}\n[b]\nx", "-m m", docs=source, m=A)
    assert "? (not known before it runs) model calls: ? to m1." in text
    assert drawn == []


def test_a_prompt_that_scores_is_called_for_each_sample_in_a_plan():
    score = ask("Rate {text}", name="rating", model=B)
    drafted = best(3, score=score)(ask("Write!", name="draft", model=ScriptedModel("", name="m0")))
    text = plan_text(Flow(drafted).prepare({}), {})
    assert "6 model calls: 3 to m0, 3 to m1." in text
    assert "3 tasks at most." in text
    assert f"About {round(3 * len('Write!Rate {text}') / 4)} tokens" in text


def test_a_function_whose_results_a_prompt_scores_has_calls_in_a_plan():
    @best(2, score=ask("Rate {text}", name="rating", model=A))
    @each(doc="docs")
    def draft(doc):
        return doc

    run = Flow(draft).prepare({"docs": "abc"})
    assert "2 model calls: 2 to m1." in plan_text(run, {"docs": ["a"]})
    assert "? (not known before it runs) model calls: ? to m1." in plan_text(
        run, {"docs": iter("abc")}
    )
