"""What a view of the board asks the kernel: for more of what was said, or for another run.

A view sends `{type, ask, ...}` and hears `{type: "answer", ask, ...}`; an answer with `problem`
says why not. Knows the run, its flow and the views; knows nothing of widgets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from IPython.core.getipython import get_ipython

from nbflow.core.run import Run
from nbflow.core.states import RunState
from nbflow.errors import NbflowError
from nbflow.notebook import capture
from nbflow.notebook.again import edited, offers, source_of
from nbflow.views.body import blocks
from nbflow.views.items import Query, branch_order, items, whole_text
from nbflow.views.model import node_ids, pane
from nbflow.views.words import clean, counted

WHOLE_MOST = 100_000
"""Characters of a text that are made HTML of when all of it is wanted; a longer one stays plain."""


class Asked:
    """Answers what a view asks about one run.

    Args:
        run: Which one.
        start: Starts a run that takes its place.
    """

    def __init__(self, run: Run, start: Callable[[Run], None]) -> None:
        self._run = run
        self._start = start

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a message, of which nothing is certain but that it has a type."""
        if message.get("type") == "order":
            return {"numbers": branch_order(self._run.record, str(message.get("sort")))}
        name = self._name(message.get("id"))
        if name is None:
            return {"problem": "there is no such branch any more."}
        try:
            return self._answer(name, message)
        except (NbflowError, KeyError) as error:
            return {"problem": clean(str(error.args[0] if error.args else error))}

    def _answer(self, name: str, message: Mapping[str, Any]) -> dict[str, Any]:
        match message:
            case {"type": "full"}:
                return self._full(name)
            case {"type": "text"}:
                return self._text(name, str(message.get("task") or name))
            case {"type": "items"}:
                return items(self._run.record, name, Query.of(message))
            case {"type": "source"}:
                return {"text": clean(source_of(self._run, name))}
            case {"type": "retry"}:
                return self._again(name, None)
            case {"type": "edit", "text": str(text)}:
                return self._again(name, text)
        return {"problem": "that can't be done here."}

    def _name(self, key: Any) -> str | None:
        """The node of a generated id."""
        ids = node_ids(self._run.record)
        return next((name for name, id_ in ids.items() if id_ == key), None)

    def _full(self, name: str) -> dict[str, Any]:
        shown = pane(self._run.record, name)
        if len(shown.text) <= WHOLE_MOST:
            return {"blocks": blocks(shown, most=WHOLE_MOST)}
        text = whole_text(self._run.record, name)
        left = len(shown.text) - len(text)
        note = f"… {counted(left, 'more character')}; run[{name!r}] has them all"
        return {"text": text, "note": note if left > 0 else ""}

    def _text(self, name: str, task: str) -> dict[str, Any]:
        life = self._run.record.tasks.get(task) or self._run.record.groups.get(task)
        if life is None or life.node != name:
            return {"text": ""}
        return {"text": whole_text(self._run.record, task)}

    def _again(self, name: str, text: str | None) -> dict[str, Any]:
        run = self._run
        if run.status is RunState.RUNNING:
            return {"problem": "the run goes on; wait for its end or cancel it."}
        if not offers(run, name):
            return {"problem": f"{name} is called by code; run that again."}
        shell = get_ipython()
        namespace = {} if shell is None else shell.user_ns
        describe = None if shell is None else capture.describer(shell)
        made = run.again(name) if text is None else edited(run, name, text, namespace, describe)
        self._start(made)
        return {}
