"""What a pane's buttons can do, and what Edit does: a run with one node rewritten, the rest kept.

Knows flows and what their nodes were written as; knows nothing of widgets.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable
from typing import Any

from nbflow.core.run import Run
from nbflow.core.scheduler import Describe
from nbflow.errors import FlowError, NbflowError, nearest
from nbflow.notebook.followed import FollowedRun
from nbflow.views.words import clean_name
from nbflow.writing.flow import Flow
from nbflow.writing.place import Place
from nbflow.writing.python import read_python
from nbflow.writing.step import Step, add_options, ask
from nbflow.writing.variables import is_variable


def offers(run: Run, name: str) -> str:
    """What can be done with a node once the run has ended: `r` run again, `e` edit.

    Example:
        >>> from nbflow.writing.step import ask
        >>> from nbflow.models import model
        >>> run = Flow(ask("Hello {name}", name="a", template=True)).prepare({"name": "you"})
        >>> offers(run, "a"), offers(run, "b")
        ('re', '')
    """
    if name not in run.topology.nodes:
        return ""
    return "re" if source_of(run, name) else "r"


def why_it_stays(run: Run, name: str) -> str:
    """Why a node can't be cancelled alone while the run goes on, and what can; empty if it can."""
    if run.record.life(name) is None:
        return "no code has called it yet, so there is nothing to cancel but the run."
    return run.why_not_alone(clean_name(name)) if isinstance(run, FollowedRun) else ""


def source_of(run: Run, name: str) -> str:
    """The prompt, the template or the code of a node; empty if it isn't at hand."""
    step = _step_of(run, name)
    if step is None:
        return ""
    return step.source or _code_of(step)


def _code_of(step: Step) -> str:
    """The code of a function that stood at the top level of a cell or a file."""
    function: Any = inspect.unwrap(step.function) if step.function is not None else None
    if not inspect.isfunction(function) or function.__closure__ is not None:
        return ""
    if not function.__qualname__ == function.__name__ == step.name:
        return ""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""


def edited(
    run: Run, name: str, text: str, namespace: dict[str, Any], describe: Describe | None = None
) -> Run:
    """A run, not started yet, in which a node runs again as edited, and what depends on it.

    Args:
        run: The ended run.
        name: The node.
        text: Its new prompt or template; or code, which is defined in the namespace.
        namespace: The notebook's variables: what the text newly reads may be one of them.
        describe: What the `done` event says of a Python node's result beside its text.

    Raises:
        NbflowError: it can't be edited, its text is wrong, or the run can't be run again.
    """
    before = _step_of(run, name)
    if before is None or not source_of(run, name):
        raise NbflowError(f"the text of {name!r} isn't at hand, so it can't be edited here.")
    step = _rewritten(before, text, namespace)
    origin: Flow = run.origin
    steps = [step if one.name == name else one for one in origin.steps]
    flow = origin.with_steps(steps)
    inputs, hidden = _inputs(flow, run, namespace, name)
    again = flow.prepare(inputs, hidden=hidden, describe=describe)
    return again.keep(run, [name])


def _step_of(run: Run, name: str) -> Step | None:
    origin = run.origin
    steps: Iterable[Step] = origin.steps if isinstance(origin, Flow) else ()
    return next((step for step in steps if step.name == name), None)


def _rewritten(before: Step, text: str, namespace: dict[str, Any]) -> Step:
    if before.function is None:
        if not text.strip():
            raise FlowError(f"the prompt of {before.name!r} is empty.")
        step = ask(text, name=before.name)
        step = dataclasses.replace(step, options=dataclasses.replace(before.options, each=None))
        each = before.options.each or {}
        unread = [element for element in each if element not in step.inputs]
        if unread:
            raise FlowError(
                f"{before.name!r} goes through {each[unread[0]]!r}, so its prompt must read "
                f"{{{unread[0]}}}, one of them."
            )
        return add_options(step, before.options)
    lines = [Place(number + 2, 1, line) for number, line in enumerate(text.splitlines())]
    if not any(line.text.strip() for line in lines):
        raise FlowError(f"the code of {before.name!r} is empty.")
    drafts, statements = read_python("%%fanout", lines)
    if statements is not None or [draft.name for draft in drafts] != [before.name]:
        raise FlowError(f"here belongs one function called {before.name!r}, and nothing else.")
    step = drafts[0].step(namespace)
    near = {*before.inputs, *before.optional}
    return dataclasses.replace(step, optional=tuple(n for n in step.optional if n in near))


def _inputs(
    flow: Flow, run: Run, namespace: dict[str, Any], name: str
) -> tuple[dict[str, Any], frozenset[str]]:
    """The values of an edited flow: the run's own, else the notebook's variables."""
    taken = {n for step in flow.steps for n in step.optional}
    inputs = {n: run.inputs[n] for n in (*flow.inputs, *taken) if n in run.inputs}
    hidden = {n for n in inputs if not run.record.values.get(n)}
    for missing in (n for n in flow.inputs if n not in inputs):
        if not is_variable(missing, namespace):
            near = [*flow.topology.nodes, *run.inputs]
            raise FlowError(
                f"{name!r} reads {missing!r}: no node, no value of this run and no variable of the "
                f"notebook is called so. {nearest(missing, near)}"
            )
        inputs[missing] = namespace[missing]
        hidden.add(missing)
    return inputs, frozenset(hidden)
