"""Tasks and entrypoints whose results are kept."""

from __future__ import annotations

import pytest

import nbflow
from nbflow.func import entrypoint, task
from nbflow.writing.types import CachePolicy
from tests.writing.test_func import double, entrypoint_of


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def counted(**policy):
    """A task that counts how often it is executed, and the list of what it was executed with."""
    seen = []

    @task(cache_policy=CachePolicy(**policy))
    def square(n):
        seen.append(n)
        return [n * n]

    return square, seen


def test_a_cached_result_is_reused_and_marked():
    square, seen = counted()
    workflow = entrypoint_of(square, "sync")
    chunks = [list(workflow.stream(3)) for _ in range(2)]
    cached = {"square": [9], "__metadata__": {"cached": True}}
    assert chunks == [[{"square": [9]}, {"plain": [9]}], [cached, {"plain": [9]}]]
    assert seen == [3]
    assert nbflow.last_run().record.tasks["square"].reused


def test_a_cached_result_is_found_by_the_results_of_futures():
    square, seen = counted()

    @entrypoint()
    def flow(n):
        return square(double(n)).result()

    assert (flow.invoke(2), flow.invoke(2), seen) == ([16], [16], [4])


def test_who_changes_a_cached_result_changes_nobody_elses():
    square, _ = counted()

    @entrypoint()
    def flow(n):
        found = square(n).result()
        found.append("mine")
        return square(n).result()

    assert (flow.invoke(2), flow.invoke(2)) == ([4], [4])


def test_a_cached_result_lives_for_its_time():
    clock = Clock()
    square, seen = counted(ttl=10)

    @entrypoint(cache=nbflow.writing.caching.InMemoryCache(clock=clock))
    def flow(n):
        return square(n).result()

    flow.invoke(2)
    clock.now = 9.9
    flow.invoke(2)
    clock.now = 10
    flow.invoke(2)
    assert seen == [2, 2]


def test_a_cache_is_cleared_of_a_tasks_results():
    square, seen = counted()
    cache = nbflow.writing.caching.InMemoryCache()

    @entrypoint(cache=cache)
    def flow(n):
        return square(n).result()

    flow.invoke(2)
    square.clear_cache(cache)
    flow.invoke(2)
    assert seen == [2, 2]


def test_a_key_of_anything_but_plain_data_must_be_given():
    square, _ = counted()

    @entrypoint()
    def flow(_):
        return square(object()).result()

    with pytest.raises(TypeError, match="give CachePolicy\\(key_func=...\\)"):
        flow.invoke(1)
    by_type, seen = counted(key_func=lambda n: type(n).__name__)

    @entrypoint()
    def other(_):
        return [by_type(n).result() for n in (1, 2)]

    assert (other.invoke(1), seen) == ([[1], [1]], [1])


def test_a_whole_workflow_may_be_cached():
    seen = []

    @entrypoint(cache_policy=CachePolicy())
    def flow(n):
        seen.append(n)
        return double(n).result()

    assert (flow.invoke(2), list(flow.stream(2)), seen) == (
        4,
        [{"flow": 4, "__metadata__": {"cached": True}}],
        [2],
    )
