"""From the words, functions and objects that name a model to the model itself.

Knows which forms there are and which one is the default; knows nothing of how they answer.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeAlias

from nbflow.errors import ModelError, nearest
from nbflow.models.adapters import FunctionModel, ObjectModel, is_chat
from nbflow.models.embedded import EmbeddedModel, is_installed
from nbflow.models.endpoint import EndpointModel
from nbflow.models.protocol import Model

ModelSpec: TypeAlias = str | Model | Callable[..., Any] | object
"""What names a model: its spec as a str, a model, a function, or an object that can be asked."""

EMBEDDED = "smollm2"
ENDPOINT = "openai:"
VARIABLE = "NBFLOW_MODEL"

FORMS = (
    f"{EMBEDDED!r} (runs here), '{ENDPOINT}NAME' or '{ENDPOINT}NAME@BASE_URL', a function from "
    "prompt to str, or an object with astream, ainvoke or invoke"
)
"""The forms of a spec, for people."""

_chosen: list[Model] = []
"""The default model that was set, if one was."""


def model(spec: ModelSpec) -> Model:
    """The model that a spec names; the same str always gives the same object.

    Args:
        spec: `"smollm2"`, the embedded model; `"openai:NAME"` or `"openai:NAME@BASE_URL"`, a
            model behind an OpenAI-compatible endpoint; any function from a prompt to text; any
            object with `astream`, `ainvoke` or `invoke`; or a model.

    Raises:
        ModelError: the spec has none of these forms.

    Example:
        >>> model(lambda prompt: prompt[::-1]).invoke("cat").content
        'tac'
        >>> model("smolm2")
        Traceback (most recent call last):
        ...
        nbflow.errors.ModelError: unknown model 'smolm2'. Did you mean 'smollm2'? A model is \
'smollm2' (runs here), 'openai:NAME' or 'openai:NAME@BASE_URL', a function from prompt to str, or \
an object with astream, ainvoke or invoke.
    """
    if isinstance(spec, Model):
        return spec
    if isinstance(spec, str):
        return _named(spec.strip())
    if is_chat(spec):
        return ObjectModel(spec)
    if callable(spec):
        return FunctionModel(spec)
    raise ModelError(f"{type(spec).__name__} is no model. A model is {FORMS}.")


def default_model() -> Model:
    """The model of a prompt that names none.

    It is what `set_default_model` was given, else what the environment's `NBFLOW_MODEL` names,
    else the embedded model if it is installed.

    Raises:
        ModelError: there is none of these, or `NBFLOW_MODEL` names no model.
    """
    if _chosen:
        return _chosen[0]
    spec = os.environ.get(VARIABLE, "").strip()
    if spec:
        return _of_environment(spec)
    if is_installed():
        return model(EMBEDDED)
    raise ModelError(
        'no model is configured. `pip install "jupyter-nbflow[local]"` gets one that runs here; '
        f"or name one: `%nbflow model openai:NAME`, {VARIABLE}=openai:NAME in the environment, "
        "or model=... at the branch."
    )


def set_default_model(spec: ModelSpec | None) -> None:
    """Make a model the default of this process; None goes back to the environment's choice.

    Raises:
        ModelError: as `model`; the default then stays as it was.
    """
    _chosen[:] = [] if spec is None else [model(spec)]


@functools.cache
def _named(spec: str) -> Model:
    if spec == EMBEDDED:
        return EmbeddedModel()
    if spec.startswith(ENDPOINT):
        return EndpointModel.from_spec(spec.removeprefix(ENDPOINT))
    start = spec[: spec.find(":") + 1] or spec
    guess = nearest(start, [EMBEDDED, ENDPOINT])
    raise ModelError(f"unknown model {spec!r}. {guess} A model is {FORMS}.")


def _of_environment(spec: str) -> Model:
    try:
        return model(spec)
    except ModelError as error:
        raise ModelError(f"{VARIABLE} in the environment: {error}") from error
