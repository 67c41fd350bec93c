"""`nbflow pull`: fetch the weights of a model ahead of its first use."""

from __future__ import annotations

from nbflow.models import embedded  # noqa: F401

MODELS = ("smollm2",)
"""The models whose weights can be fetched."""


def run(_model: str) -> int:
    """Fetch the weights, showing how far it is, or say that they are there; the exit code.

    Raises:
        ModelError: they can't be fetched.
    """
    raise NotImplementedError
