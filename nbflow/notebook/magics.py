"""The magics: `%%fanout` and `%%vote` for a cell, `%nbflow` for the rest: they parse and call."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic import cell_magic as ipython_cell_magic

from nbflow.core.run import last_run
from nbflow.errors import NbflowError, nearest
from nbflow.models import default_model, set_default_model
from nbflow.notebook import cells, doctor

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

NBFLOW_HELP = """\
%nbflow COMMAND

    model [MODEL]    show or set the default model (smollm2, openai:NAME[@BASE_URL], a variable)
    board            show the last run on a board again
    doctor           what was found on this machine, and how to mend what is missing
    --help           this text
"""

_LATER = frozenset({"config", "runs", "show", "retry", "resume", "builder", "export"})


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

    async def awaited(self, magic: str, line: str, cell: str) -> None:
        """What a `%%fanout` or `%%vote` cell becomes: the same magic, awaited."""
        __tracebackhide__ = True
        expand: Any = self.shell.var_expand
        text = VOTE_HELP if magic == "vote" else FANOUT_HELP
        await cells.await_cell(self.shell, expand(line, depth=1), cell, text, magic=magic)

    @line_magic
    def nbflow(self, line: str) -> None:
        """Described by `NBFLOW_HELP`."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise NbflowError(f"%nbflow can't read {line!r}: {str(error).lower()}.") from None
        command = words[0] if words else "--help"
        commands: dict[str, Callable[[list[str]], None]] = {
            "--help": self._help,
            "-h": self._help,
            "model": self._model,
            "board": self._board,
            "doctor": self._doctor,
        }
        if command in _LATER:
            raise NbflowError(f"%nbflow {command} is not there yet; it comes with a later version.")
        if command not in commands:
            choices = nearest(command, commands)
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

    def _board(self, _words: list[str]) -> None:
        last_run().board()

    def _doctor(self, _words: list[str]) -> None:
        print(doctor.report())  # noqa: T201 - the answer
