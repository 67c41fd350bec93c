"""Results kept for the same input: the cache of a workflow, and keys made of plain data.

A cache is a mapping from a namespace (whose result) and a key (for which input) to a value. Knows
nothing of how tasks run.
"""

from __future__ import annotations

import copy
import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from datetime import time as day_time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import CodeType
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from nbflow.writing.types import CachePolicy

Namespace: TypeAlias = tuple[str, ...]
FullKey: TypeAlias = tuple[Namespace, str]


class Cache(Protocol):
    """What keeps results: ours, or any with the same methods."""

    def get(self, keys: Sequence[FullKey], /) -> Mapping[FullKey, Any]:
        """The values that are there."""
        ...

    def set(self, pairs: Mapping[FullKey, tuple[Any, Any]], /) -> None:
        """Keep values, each for so many seconds, or for ever if that is None."""
        ...

    def clear(self, namespaces: Sequence[Namespace] | None = None, /) -> None:
        """Forget what is in these namespaces, or everything."""
        ...


class InMemoryCache:
    """A cache that lives as long as the process. Any thread may use it.

    What is kept and what is given are copies: who changes a result changes nobody else's.

    Args:
        clock: Tells the time in seconds; never goes back.

    Example:
        >>> cache = InMemoryCache()
        >>> cache.set({(("task", "joke"), "cats"): ("Meow.", None)})
        >>> cache.get([(("task", "joke"), "cats"), (("task", "joke"), "dogs")])
        {(('task', 'joke'), 'cats'): 'Meow.'}
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Namespace, dict[str, tuple[Any, float | None]]] = {}
        self._lock = threading.Lock()

    def get(self, keys: Sequence[FullKey], /) -> dict[FullKey, Any]:
        """The values that are there, by their keys."""
        found = {}
        now = self._clock()
        with self._lock:
            for namespace, key in keys:
                kept = self._kept.get(namespace, {})
                value, until = kept.get(key, (None, now))
                if until is None or now < until:
                    found[namespace, key] = value
                else:
                    kept.pop(key, None)
        return {key: _copied(value) for key, value in found.items()}

    def set(self, pairs: Mapping[FullKey, tuple[Any, float | None]], /) -> None:
        """Keep values.

        Args:
            pairs: By its key, each value and for how many seconds; None for ever.
        """
        copies = {key: (_copied(value), ttl) for key, (value, ttl) in pairs.items()}
        now = self._clock()
        with self._lock:
            for (namespace, key), (value, ttl) in copies.items():
                until = None if ttl is None else now + ttl
                self._kept.setdefault(namespace, {})[key] = (value, until)

    def clear(self, namespaces: Sequence[Namespace] | None = None, /) -> None:
        """Forget what is in these namespaces; None for everything."""
        with self._lock:
            for namespace in list(self._kept) if namespaces is None else namespaces:
                self._kept.pop(namespace, None)

    async def aget(self, keys: Sequence[FullKey], /) -> dict[FullKey, Any]:
        """As `get`."""
        return self.get(keys)

    async def aset(self, pairs: Mapping[FullKey, tuple[Any, float | None]], /) -> None:
        """As `set`."""
        self.set(pairs)

    async def aclear(self, namespaces: Sequence[Namespace] | None = None, /) -> None:
        """As `clear`."""
        self.clear(namespaces)


current_cache: ContextVar[Cache | None] = ContextVar("nbflow_cache", default=None)
"""The cache of the workflow that the code runs in."""


class Slot:
    """The place of one result in a cache.

    Args:
        cache: Where.
        policy: What says so.
        namespace: Whose result.
        function: Is called with these arguments.
    """

    __slots__ = ("_cache", "_key", "_ttl")

    def __init__(
        self,
        cache: Cache,
        policy: CachePolicy,
        namespace: Namespace,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        key = (policy.key_func or default_cache_key)(*args, **kwargs)
        self._cache = cache
        self._key: FullKey = (namespace, key.hex() if isinstance(key, bytes) else key)
        self._ttl = policy.ttl

    def known(self) -> tuple[Any] | None:
        """The result that is there, in a tuple; None if none is."""
        found = self._cache.get([self._key])
        return (found[self._key],) if self._key in found else None

    def keep(self, result: Any) -> None:
        """Keep a result."""
        self._cache.set({self._key: (result, self._ttl)})


def namespace_of(function: Any) -> Namespace:
    """Whose results these are: the function's name, and its code, which may be edited and rerun.

    Example:
        >>> namespace_of(namespace_of)[:2]
        ('task', 'nbflow.writing.caching.namespace_of')
    """
    inner = function
    while (wrapped := getattr(inner, "__func__", getattr(inner, "func", None))) is not None:
        inner = wrapped
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    code = getattr(inner, "__code__", None)
    digest = hashlib.sha256(_code_text(code).encode()).hexdigest()[:16]
    return ("task", f"{getattr(inner, '__module__', None)}.{name}", digest)


def _code_text(code: CodeType | None) -> str:
    if code is None:
        return ""
    constants = [
        _code_text(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts
    ]
    return repr((code.co_code, constants, code.co_names, code.co_varnames))


def default_cache_key(*args: Any, **kwargs: Any) -> str:
    """A key that is the same for equal plain data and differs for different.

    Raises:
        TypeError: something among it isn't plain data.

    Example:
        >>> default_cache_key(1, b={"y": 1, "x": 2}) == default_cache_key(1, b={"x": 2, "y": 1})
        True
        >>> default_cache_key(object())
        Traceback (most recent call last):
        ...
        TypeError: no cache key can be made of a object; give CachePolicy(key_func=...), ...
    """
    text = f"{_written(args)}{_written(kwargs)}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_ATOMS = (str, bytes, int, float, complex, bool, type(None), type(...))
_VALUES = (date, day_time, timedelta, Decimal, Fraction, PurePath, UUID)


def _written(value: Any) -> str:
    """Plain data as a text, each value with its type, so that 1, True and "1" differ."""
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind in _ATOMS:
        return f"{kind.__name__}:{value!r}"
    if isinstance(value, Enum):
        return f"{name}.{value.name}"
    if isinstance(value, _VALUES):
        return f"{name}:{value!r}"
    if isinstance(value, Mapping):
        pairs = (f"{_written(key)}={_written(value[key])}" for key in value)
        return f"{name}{{{','.join(sorted(pairs))}}}"
    if isinstance(value, list | tuple):
        return f"{name}[{','.join(map(_written, value))}]"
    if isinstance(value, set | frozenset):
        return f"{name}{{{','.join(sorted(map(_written, value)))}}}"
    return f"{name}({_written(_fields(value))})"


def _fields(value: Any) -> dict[str, Any]:
    """What a dataclass or a Pydantic model is made of."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    names = getattr(type(value), "model_fields", None)
    if isinstance(names, Mapping):
        return {name: getattr(value, name) for name in names}
    raise TypeError(
        f"no cache key can be made of a {type(value).__qualname__}; give "
        "CachePolicy(key_func=...), a function of the same arguments that returns a text."
    )


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - what can't be copied, such as a lock, is shared
        return value
