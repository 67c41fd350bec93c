"""Models behind an OpenAI-compatible HTTP endpoint, through the `openai` package.

Knows the chat completions protocol; knows nothing of retrying, which is the scheduler's business.
Every call has a connection of its own, so no client is bound to the event loop of whoever came
first, and none is left open when a loop ends.

Protocol: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nbflow.core.threads import call_in_thread
from nbflow.errors import ModelError
from nbflow.models.protocol import Message, Model, Settings, Usage
from nbflow.models.refusals import Exchange, explained
from nbflow.models.trust import trusted

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"

CONNECT_SECONDS = 10.0
STALL_SECONDS = 300.0
"""How long a server may say nothing before its answer is given up."""

_SPEC = re.compile(r"(?P<name>\S+?)(?:@(?P<url>https?://\S+))?")
_NO_KEY = "none"  # the client wants one even where the server doesn't


class EndpointModel(Model):
    """A model that an OpenAI-compatible server offers.

    Args:
        name: What the server calls the model.
        base_url: Where the server is, up to and with `/v1`; if not given, the environment's
            `OPENAI_BASE_URL` or else OpenAI's own.
        key: Gives the key when one is needed; if not given, the environment's `OPENAI_API_KEY`.
        extra: Further fields of the request's body.
        stall_seconds: How long the server may say nothing before its answer is given up.

    Raises:
        ModelError: the address can't be one, or contains a key.

    Example:
        >>> EndpointModel("llama3", base_url="http://127.0.0.1:8080/v1")
        EndpointModel('llama3', base_url='http://127.0.0.1:8080/v1')
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        key: Callable[[], str] | None = None,
        extra: Mapping[str, Any] | None = None,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        if base_url is not None:
            _check_url(base_url)
        self.name = name
        self.base_url = base_url
        self._key = key
        self._extra = dict(extra or {})
        self._stall_seconds = stall_seconds

    @classmethod
    def from_spec(cls, text: str) -> EndpointModel:
        """The model named by `NAME` or `NAME@BASE_URL`.

        Raises:
            ModelError: the text has neither form.

        Example:
            >>> EndpointModel.from_spec("llama3@http://127.0.0.1:8080/v1").base_url
            'http://127.0.0.1:8080/v1'
        """
        match = _SPEC.fullmatch(text)
        if match is None:
            raise ModelError(
                "openai: needs the name of a model: 'openai:NAME' or 'openai:NAME@BASE_URL'."
            )
        if match["url"] is None and "@" in text[1:]:
            raise ModelError(
                "what follows the @ in 'openai:NAME@BASE_URL' must begin with http:// or https://, "
                "as in 'openai:llama3@http://127.0.0.1:8080/v1'."
            )
        return cls(match["name"], base_url=match["url"])

    async def generate(self, prompt: str, settings: Settings) -> AsyncGenerator[Message, None]:
        """Ask the server and yield its answer as it comes; the last message carries the usage."""
        url = self._url()
        key = self._find_key(url)
        openai = await call_in_thread(_import_openai)  # takes half a second, the first time
        usage: Usage | None = None
        with explained(openai, Exchange(self.name, url, key)) as exchange:
            async with self._client(openai, url, key) as client:
                stream = await client.chat.completions.create(**self._request(prompt, settings))
                async with stream:
                    async for chunk in stream:
                        usage = self._usage(chunk) or usage
                        text = exchange.read(chunk)
                        if text:
                            yield Message(text)
            exchange.check_complete()
        if usage is not None:
            yield Message("", usage)

    def _url(self) -> str:
        url = self.base_url or os.environ.get(URL_VARIABLE, "").strip() or OPENAI_URL
        _check_url(url)
        return url

    def _find_key(self, url: str) -> Callable[[], str]:
        """A function that gives the key, so that it is no value that a traceback could show."""
        key = self._key() if self._key else os.environ.get(KEY_VARIABLE, "").strip()
        if not key and not _is_loopback(url):
            raise ModelError(
                f"the model {self.name} at {url} needs a key: set {KEY_VARIABLE} in the "
                "environment (in a notebook: `import os, getpass; "
                f'os.environ["{KEY_VARIABLE}"] = getpass.getpass()`).'
            )
        if not (key.isascii() and key.isprintable()):
            raise ModelError(f"the key in {KEY_VARIABLE} has characters that no key has.")
        return lambda: key

    def _client(self, openai: ModuleType, url: str, key: Callable[[], str]) -> AsyncOpenAI:
        timeout = openai.Timeout(self._stall_seconds, connect=CONNECT_SECONDS)
        transport = openai.DefaultAsyncHttpxClient(
            verify=trusted(),
            timeout=timeout,
            trust_env=not _is_loopback(url),  # a proxy has no way to this machine's own servers
        )
        client: AsyncOpenAI = openai.AsyncOpenAI(
            api_key=key() or _NO_KEY,
            base_url=url,
            max_retries=0,
            timeout=timeout,
            http_client=transport,
        )
        return client

    def _request(self, prompt: str, settings: Settings) -> dict[str, Any]:
        # A lone surrogate, which a model can produce, has no place in UTF-8.
        text = prompt.encode("utf-8", "replace").decode("utf-8")
        body = settings.given()
        if "max_tokens" in body and urlsplit(self._url()).hostname == urlsplit(OPENAI_URL).hostname:
            body["max_completion_tokens"] = body.pop("max_tokens")  # its newer models want this
        return {
            "model": self.name,
            "messages": [{"role": "user", "content": text}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "extra_body": self._extra,
            **body,
        }

    def _usage(self, chunk: Any) -> Usage | None:
        spent = getattr(chunk, "usage", None)
        counts = [getattr(spent, name, None) for name in ("prompt_tokens", "completion_tokens")]
        if not all(isinstance(count, int) for count in counts):
            return None
        return Usage(self.name, counts[0] or 0, counts[1] or 0)

    def __repr__(self) -> str:
        where = "" if self.base_url is None else f", base_url={self.base_url!r}"
        return f"{type(self).__name__}({self.name!r}{where})"


def _check_url(url: str) -> None:
    """Refuse what is no address of a server, and what would show a key wherever it is shown."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ModelError(
            "the address of the model's server must look like https://HOST/v1 or "
            "http://HOST:PORT/v1, with a port from 1 to 65535."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ModelError(
            f"the address of the model's server at {parts.hostname} has a user, a password or a "
            f"query in it, which would be shown and saved; put the key into {KEY_VARIABLE}."
        )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _import_openai() -> ModuleType:
    try:
        import openai  # noqa: PLC0415 - optional, and half a second to import
    except ImportError as error:
        raise ModelError(
            'this model needs the openai package: pip install "jupyter-nbflow[openai]"'
        ) from error
    return openai
