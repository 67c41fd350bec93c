"""The magics: `%%fanout` and `%%vote` for a cell, `%nbflow` for the rest: they parse and call."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class
from IPython.core.magic import cell_magic as ipython_cell_magic

from nbflow import blocking
from nbflow.core.run import last_run
from nbflow.errors import NbflowError, nearest
from nbflow.models import default_model, set_default_model
from nbflow.notebook import branch_cells, cells, doctor, watch

FANOUT_HELP = """\
%%fanout [options] [name=value ...]

Run the branches of this cell at the same time, watch each one live, and join them.

Sections. A header [name] begins a prompt; {name} in a prompt is another node, a name=value of the
magic's line, or a notebook variable. `template` fills in and calls nothing:

    %%fanout topic=cats -o run
    [joke]
    Write a joke about {topic}

    [poem] max_tokens=80 retries=2
    Write a poem about {topic}

    [both] template
    {joke}
    {poem}

Short form. Without a header, every line is `name: prompt`:

    %%fanout topic=cats
    joke: Write a joke about {topic}
    poem: Write a poem about {topic}

Python form. Each function is a node and its parameters are its inputs; a function whose whole body
is a string is a prompt. Sync functions run in threads, coroutines on the loop, generators stream:

    %%fanout topic=cats
    def joke(topic): "Write a joke about {topic}"
    async def facts(topic): return await fetch(topic)
    def combined(joke, facts): return joke + facts

Options
    -m, --model MODEL    smollm2, openai:NAME[@BASE_URL], or a variable holding a model; of several,
                         A,B, every prompt is sent to each, and its result is a dict by model
    -o, --out NAME       bind the run to NAME when it starts; run["joke"] is a branch's result
    -j, --jobs N         how many branches run at once
    --rate RATE          how many attempts a model gets in a time, such as 60/min or 5/s
    --timeout S          seconds one attempt of a branch may take
    --retries N          how often a failed branch is tried again
    --on-error WHAT      finish (the others finish, then one short error), stop, or keep (no error)
    --seed N             the same seed asks a model for the same answer
    --bg                 return at once; `await run` in another cell
    --dry-run            draw the graph and count the calls; call nothing
    -h, --help           this text

Header options: model, temperature, max_tokens, seed, timeout (of each attempt; the thread of a sync
function runs on, its result is dropped), retries, rate, jobs, template, and

    for doc in docs      one task for each element, {doc} in the prompt; the result is their list
    votes=5              so many samples; the result is what most agree on; min_agreement=0.6
    wait=any             start as soon as one input is there (all, any or a number)
    on_error=pass        run also if an input has failed, and read its failure

In Python form the same words in @node(...), and @each(doc="docs"), @vote(5, key=...),
@best(3, score=...) and @node(retries=2, retry_on=TimeoutError).

A literal {x} is written {{x}}, and \\[name] begins a line of text.
"""

VOTE_HELP = """\
%%vote [-n N] [options] [name=value ...]

Ask the prompt below several times, and take the answer that most agree on. It is over as soon as no
other answer can win. Answers are the same if they differ only in case, punctuation and space.

    %%vote -n 7 animal=octopus -o run
    Does the {animal} have bones? Answer yes or no.

    run["vote"]

Options
    -n, --votes N        how many samples, 5 if not said
    --min-agreement S    the share of the samples, from 0 to 1, that must agree
    and every option of %%fanout: see %%fanout --help
"""

WATCH_HELP = """\
%%watch [-o NAME]

Run the code below as Python, and show every run that it starts on a board of its own, live: of a
StateGraph, of an @entrypoint or a @task, or of a Flow.

    %%watch
    state = parallel_workflow.invoke({"topic": "cats"})
    print(state["combined_output"])

Nothing else changes: `await` works, names are the notebook's, and the last expression is shown. In
other places, `with nbflow.watch():` does the same for a block, and `graph = nbflow.watch(graph)`
for one graph, also one of LangGraph itself.

Options
    -o, --out NAME       bind each run to NAME when it starts; in the end it is the last one's
    -h, --help           this text

`await graph.ainvoke(...)` keeps the board's buttons alive; while `graph.invoke(...)` runs, use the
stop button. At most 10 runs are shown.
"""

NBFLOW_HELP = """\
%nbflow COMMAND

    model [MODEL]    show or set the default model (smollm2, openai:NAME[@BASE_URL], a variable)
    retry [NAME]     run again what failed or was cancelled, and what depends on it; of the run that
                     the variable NAME holds, or else of the last one
    board [NAME]     show the run that the variable NAME holds, or the last one, on a board whose
                     buttons work: Retry and Edit run a branch again, and what depends on it
    export TARGET [NAME] [-o FILE]
                     the flow or run NAME, or the last run's, as a LangGraph program: TARGET is
                     langgraph-python-graph, langgraph-python-functional,
                     langgraph-typescript-graph or langgraph-typescript-functional
    flow             draw the flow that %%branch and %%join cells define; --drop NAME, --clear
    run [...]        run that flow, with the options and values of %%fanout
    builder          write that flow with fields and buttons
    cell             that flow as a %%fanout cell, in a new cell below
    doctor           what was found on this machine, and how to mend what is missing
    --help           this text
"""

_LATER = frozenset({"config", "runs", "show", "resume"})


@magics_class
class NbflowMagics(Magics):
    """nbflow's magics, bound to one shell."""

    shell: InteractiveShell

    @ipython_cell_magic
    def fanout(self, line: str, cell: str) -> None:
        """Described by `FANOUT_HELP`."""
        cells.run_cell(self.shell, line, cell, FANOUT_HELP)

    fanout.__doc__ = FANOUT_HELP

    @ipython_cell_magic
    def vote(self, line: str, cell: str) -> None:
        """Described by `VOTE_HELP`."""
        cells.run_cell(self.shell, line, cell, VOTE_HELP, magic="vote")

    vote.__doc__ = VOTE_HELP

    @line_cell_magic
    def watch(self, line: str, cell: str | None = None) -> None:
        """Described by `WATCH_HELP`."""
        watch.run_magic(self.shell, line, cell, WATCH_HELP)

    watch.__doc__ = WATCH_HELP

    async def awaited(self, magic: str, line: str, cell: str) -> None:
        """What a `%%fanout` or `%%vote` cell becomes: the same magic, awaited."""
        __tracebackhide__ = True
        expand: Any = self.shell.var_expand
        text = VOTE_HELP if magic == "vote" else FANOUT_HELP
        await cells.await_cell(self.shell, expand(line, depth=1), cell, text, magic=magic)

    async def awaited_retry(self, line: str) -> None:
        """What a line `%nbflow retry` becomes: the same magic, awaited."""
        __tracebackhide__ = True
        expand: Any = self.shell.var_expand
        words = _words(expand(line, depth=1))
        await cells.await_retry(self.shell, _only_name(words[1:]))

    @line_magic
    def nbflow(self, line: str) -> None:
        """Described by `NBFLOW_HELP`."""
        if line.split()[:1] == ["run"]:
            text = line.lstrip().removeprefix("run")
            blocking.run(branch_cells.run_flow(self.shell, text, sync=True))
            return
        words = _words(line)
        command = words[0] if words else "--help"
        commands: dict[str, Callable[[list[str]], None]] = {
            "--help": self._help,
            "-h": self._help,
            "model": self._model,
            "retry": self._retry,
            "board": self._board,
            "export": self._export,
            "doctor": self._doctor,
            "flow": self._flow,
            "builder": self._builder,
            "cell": self._cell,
        }
        if command in _LATER:
            raise NbflowError(f"%nbflow {command} is not there yet; it comes with a later version.")
        if command not in commands:
            choices = nearest(command, {*commands, "run"})
            raise NbflowError(f"%nbflow knows no {command!r}. {choices} See %nbflow --help.")
        commands[command](words[1:])

    nbflow.__doc__ = NBFLOW_HELP

    def _help(self, _words: list[str]) -> None:
        print(NBFLOW_HELP)  # noqa: T201 - help is printed

    def _model(self, words: list[str]) -> None:
        if words:
            spec = words[0]
            set_default_model(self.shell.user_ns.get(spec, spec) if spec.isidentifier() else spec)
        print(f"default model: {default_model().name}")  # noqa: T201 - the answer

    def _retry(self, words: list[str]) -> None:
        blocking.run(cells.await_retry(self.shell, _only_name(words), sync=True))

    def _board(self, words: list[str]) -> None:
        name = _only_name(words, "board")
        run = last_run() if name is None else cells.run_called(self.shell, name, "shown")
        run.board()

    def _export(self, words: list[str]) -> None:
        importlib.import_module("nbflow.notebook.exports").export_line(self.shell, words)

    def _flow(self, words: list[str]) -> None:
        branch_cells.show_flow(self.shell, words)

    def _builder(self, _words: list[str]) -> None:
        importlib.import_module("nbflow.notebook.builder").show(self.shell)

    def _cell(self, _words: list[str]) -> None:
        self.shell.set_next_input(branch_cells.current_flow(self.shell).text())

    def _doctor(self, _words: list[str]) -> None:
        print(doctor.report())  # noqa: T201 - the answer


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise NbflowError(f"%nbflow can't read {line!r}: {str(error).lower()}.") from None


def _only_name(words: list[str], command: str = "retry") -> str | None:
    if len(words) > 1:
        count, said = len(words), " ".join(words)
        raise NbflowError(f"%nbflow {command} takes one name, not {count}: {said!r}.")
    return words[0] if words else None
