"""What is drawn of a workflow: which tasks came before which."""

from __future__ import annotations

import asyncio
import threading

import nbflow
from nbflow.func import entrypoint, task
from tests.writing.test_func import combine, double, entrypoint_of, inputs_of


def test_passing_a_future_draws_an_edge_and_waits_for_nothing():
    gate = threading.Event()

    @task
    def first():
        gate.wait(60)
        return 1

    @entrypoint()
    def flow(_):
        last = combine(first(), [first()], {"k": first()}, 4)
        gate.set()
        return last.result()

    assert flow.invoke(1) == [1, [1], {"k": 1}, 4]
    assert inputs_of(flow) == {"first": set(), "combine": {"first"}, "flow": {"combine"}}


def test_a_result_that_was_taken_draws_an_edge_to_the_calls_after_it():
    @task
    def a():
        return 1

    b, c, d = (task(name=name)(lambda *_: 1) for name in "bcd")

    @entrypoint()
    def flow(_):
        a().result()
        both = [b(), c()]
        for future in both:
            future.result()
        return d().result()

    flow.invoke(1)
    expected = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}, "flow": {"d"}}
    assert inputs_of(flow) == expected


async def test_gathered_results_draw_edges_too():
    a, b, c = (task(name=name)(lambda *_: 1) for name in "abc")

    @entrypoint()
    async def flow(_):
        await asyncio.gather(a(), b())
        await c()

    await flow.ainvoke(1)
    assert inputs_of(flow) == {"a": set(), "b": set(), "c": {"a", "b"}, "flow": {"c"}}


def test_what_comes_before_an_input_is_not_drawn_twice():
    a, b, c, d = (task(name=name)(lambda *_: 1) for name in "abcd")

    @entrypoint()
    def flow(_):
        x = a()
        y = b(x)
        x.result()
        z = c(y)
        return d(z).result()

    flow.invoke(1)
    assert inputs_of(flow)["c"] == {"b"}
    assert inputs_of(flow)["d"] == {"c"}


def test_a_result_that_is_taken_is_drawn_before_what_follows_though_another_task_was_quicker():
    a, b, d = (task(name=name)(lambda *_: 1) for name in "abd")
    begun = threading.Event()

    @task
    def c(_):
        begun.set()  # it has taken the result of b, to which a was passed

    @entrypoint()
    def flow(_):
        x = a()
        c(b(x))
        begun.wait(60)
        x.result()
        return d().result()

    flow.invoke(1)
    assert inputs_of(flow)["d"] == {"a"}


def test_a_task_that_calls_others_is_drawn_after_what_it_took():
    @task
    def outer(n):
        return double(n).result()

    entrypoint_of(outer, "sync").invoke(4)
    assert inputs_of(None) == {"outer": {"double"}, "double": set(), "plain": {"outer"}}
    assert nbflow.last_run().record.tasks["double"].caller == "outer"


def test_the_graph_of_an_entrypoint_is_what_its_last_run_did():
    workflow = entrypoint_of(double, "sync")
    assert "double" not in workflow.get_graph().draw_mermaid()
    workflow.invoke(1)
    assert "double --> plain;" in workflow.get_graph().draw_mermaid()
