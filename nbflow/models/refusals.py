"""How an exchange with a model's server can go wrong, in one sentence without the key.

Knows the `openai` package's exceptions and that whatever a server says is hostile, even the text
of its errors; knows nothing of how the request was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from nbflow.errors import ModelError

SAID_LENGTH = 300
"""How much of a server's own words an error repeats, in characters."""

_REASONS = {
    400: "the request was refused",
    401: "the key was refused",
    403: "the key has no right to this model",
    404: "there is no such model, or no such server at this address",
    413: "the prompt is too long",
    429: "too many requests, or the account is used up",
}


class Exchange:
    """One request and what has come back for it.

    Args:
        model: The model's name.
        url: The server's address.
        key: Gives the key that no error may show.
    """

    def __init__(self, model: str, url: str, key: Callable[[], str]) -> None:
        self.who = f"{model} at {url}"
        self._key = key
        self._started = False
        self._finished = False

    def read(self, chunk: Any) -> str:
        """The text of a chunk; empty if it has none.

        Raises:
            ModelError: the chunk isn't one of a chat completion.
        """
        self._started = True
        choices = getattr(chunk, "choices", None)
        if not choices:
            return ""
        choice = choices[0] if isinstance(choices, list) else None
        text = getattr(getattr(choice, "delta", None), "content", None)
        if getattr(choice, "finish_reason", None):
            self._finished = True
        if text is None:
            return ""
        if not isinstance(text, str):
            raise ModelError(f"{self.who} answered with {type(text).__name__} instead of text.")
        return text

    def check_complete(self) -> None:
        """Raise `ModelError` unless the server has said that its answer is complete."""
        if not self._finished:
            raise ModelError(f"{self.who} stopped before its answer was complete.")

    def explain(self, openai: ModuleType, error: Exception) -> ModelError:
        """One sentence about what the client raised."""
        if isinstance(error, openai.APIStatusError):
            return ModelError(self._status(error.status_code, _said(error)))
        if isinstance(error, openai.APITimeoutError):
            return ModelError(f"{self.who} has said nothing for too long; it was given up.")
        if isinstance(error, openai.APIConnectionError) and self._started:
            return ModelError(f"{self.who} broke the connection in the middle of its answer.")
        if isinstance(error, openai.APIConnectionError):
            return ModelError(f"{self.who} can't be reached; is the server running?")
        if isinstance(error, openai.APIError):
            return ModelError(f"{self.who} failed{_quoted(self.clean(_said(error)))}.")
        return ModelError(f"{self.who} answered with something that is no chat completion.")

    def _status(self, status: int, said: str) -> str:
        failed = "the server failed" if status >= 500 else "the request was refused"  # noqa: PLR2004
        reason = _REASONS.get(status, failed)
        return f"{self.who}: {reason} (HTTP status {status}){_quoted(self.clean(said))}."

    def clean(self, text: str) -> str:
        """A text without the key in it."""
        key = self._key()
        return text.replace(key, "***") if key else text


@contextmanager
def explained(openai: ModuleType, exchange: Exchange) -> Iterator[Exchange]:
    """Turn what the client raises inside into a `ModelError` with the original as its cause.

    A server may repeat the key in its refusal, so the original's words are cleaned of it too.
    """
    try:
        yield exchange
    except (openai.OpenAIError, ValueError, RecursionError) as error:
        explanation = exchange.explain(openai, error)
        _clean_chain(error, exchange)
        raise explanation from error


def _clean_chain(error: BaseException | None, exchange: Exchange) -> None:
    while error is not None:
        error.args = tuple(
            exchange.clean(item) if isinstance(item, str) else item for item in error.args
        )
        for name in ("message", "body"):
            said = str(getattr(error, name, ""))
            if exchange.clean(said) != said:
                setattr(error, name, exchange.clean(said))
        error = error.__cause__ or error.__context__


def _said(error: Any) -> str:
    """The server's own words, if it had any, on one short line."""
    body = error.body
    said = body.get("message") if isinstance(body, dict) else body
    line = " ".join(said.split()) if isinstance(said, str) else ""
    printable = "".join(character for character in line if character.isprintable())
    return printable if len(printable) <= SAID_LENGTH else printable[:SAID_LENGTH] + "..."


def _quoted(said: str) -> str:
    return f': "{said}"' if said else ""
