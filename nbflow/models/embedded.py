"""stub"""

from __future__ import annotations
import importlib.util
from collections.abc import AsyncGenerator
from nbflow.models.protocol import Message, Model, Settings


class EmbeddedModel(Model):
    """SmolLM2."""

    name = "smollm2"

    async def generate(self, prompt: str, settings: Settings) -> AsyncGenerator[Message, None]:
        """Answer."""
        raise NotImplementedError
        yield Message("")


def is_installed() -> bool:
    """Whether."""
    return importlib.util.find_spec("xllamacpp") is not None
