"""The door to the cache: `from nbflow.cache.memory import InMemoryCache`."""

from nbflow.writing.caching import InMemoryCache

__all__ = ["InMemoryCache"]
