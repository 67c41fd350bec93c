"""LangChain's chat models in nodes and tasks: what they say is streamed, piece by piece.

Imported only once somebody has imported LangChain's models. LangChain hands a callback to every
model that is called in a context, and a callback of this shape has a model stream what it says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult
from langchain_core.runnables.config import (
    RunnableConfig,
    merge_configs,
    var_child_runnable_config,
)

from nbflow.core.attempt import Attempt
from nbflow.core.context import current_task, emit
from nbflow.core.events import Kind
from nbflow.writing.reports import metadata_of
from nbflow.writing.session import Session, current_session

NOSTREAM = "nostream"
"""The tag of a model that nobody is to hear of."""

STEP = "seq:step"
"""Begins the tags that LangChain itself gives the steps of a chain."""


@contextmanager
def heard(config: dict[str, Any] | None = None, *, is_wanted: bool = True) -> Iterator[None]:
    """Hear what models say in the contexts that are copied while this one is open.

    Args:
        config: Of the invocation that begins, if it was given callbacks of its own: they are called
            back instead of those around it, and stay so if a node hands its config to a model.
        is_wanted: If false, only see to these callbacks.
    """
    around: RunnableConfig = var_child_runnable_config.get() or {}
    if config is not None:
        around = {**around, "callbacks": config["callbacks"]}
    if is_wanted and not _is_heard(around):  # not an invocation in a node of another one
        around = merge_configs(around, {"callbacks": [_Hearing()]})
    if config is not None:
        config["callbacks"] = around["callbacks"]
    token = var_child_runnable_config.set(around)
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)


def _is_heard(config: RunnableConfig) -> bool:
    callbacks = config.get("callbacks") or []
    handlers = callbacks if isinstance(callbacks, list) else callbacks.handlers
    return any(isinstance(handler, _Hearing) for handler in handlers)


class _Hearing(BaseCallbackHandler):
    """Tells the invocation and the run in which a model is called what it says."""

    run_inline = True  # in the order in which it is said

    def __init__(self) -> None:
        self._calls: dict[UUID, tuple[Session, dict[str, Any]]] = {}

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002 - LangChain's names, as in all of these
        messages: list[list[BaseMessage]],  # noqa: ARG002
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **_more: Any,
    ) -> None:
        """A model is called."""
        session, attempt = current_session.get(), current_task.get()
        if session is None or not isinstance(attempt, Attempt) or NOSTREAM in (tags or ()):
            return
        about = metadata_of(session, session.name_of(attempt.node)) | {
            "langgraph_checkpoint_ns": "|".join(session.place()),
            **(metadata or {}),
        }
        if own := [tag for tag in tags or () if not tag.startswith(STEP)]:
            about["tags"] = list(dict.fromkeys((*about.get("tags", ()), *own)))
        self._calls[run_id] = session, about

    def on_llm_new_token(
        self,
        token: Any,  # noqa: ARG002
        *,
        chunk: Any = None,
        run_id: UUID,
        **_more: Any,
    ) -> None:
        """It says a piece."""
        if run_id in self._calls and isinstance(chunk, ChatGenerationChunk):
            session, about = self._calls[run_id]
            session.put_message(chunk.message, about, is_piece=True)
            emit(Kind.CHUNK, text=str(chunk.text), told=True)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_more: Any) -> None:
        """It has said all: also one that can't say it in pieces."""
        session, about = self._calls.pop(run_id, (None, {}))
        if session is not None and response.generations and response.generations[0]:
            said = response.generations[0][0]
            if isinstance(said, ChatGeneration):
                session.put_message(said.message, about)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_more: Any) -> None:  # noqa: ARG002
        """It has failed."""
        self._calls.pop(run_id, None)

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:  # noqa: ARG002
        """What says that it wants pieces."""
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:  # noqa: ARG002
        """What says that it wants pieces."""
        return output
