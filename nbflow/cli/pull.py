"""`nbflow pull`: fetch the weights of a model ahead of its first use."""

from __future__ import annotations

from nbflow.models import fetch

WEIGHTS = {"smollm2": fetch.SMOLLM2}
"""The models that run here, and what they need."""


def run(model: str) -> int:
    """Fetch a model's weights, showing how far it is, or say that they are there; the exit code.

    Raises:
        ModelError: they can't be fetched.
    """
    weights = WEIGHTS[model]
    there = fetch.fetched_path(weights)
    path = there or fetch.fetch(weights)
    print(f"{model} is {'here already' if there else 'fetched'}: {path}", flush=True)
    return 0
