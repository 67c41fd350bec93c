"""The command line `nbflow`: which commands there are, and what they return to the shell.

Knows the words of each command; what they do is in the module of the same name. A command imports
what it needs when it runs, so that `nbflow --help` is quick and works without any extra.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from nbflow.cli import demo, lab, pull
from nbflow.cli.terminal import plain
from nbflow.errors import NbflowError

INTERRUPTED = 130
"""What a shell expects of a command that Ctrl-C ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code, 0 when all is well.

    Args:
        arguments: The words after `nbflow`; those of this process if not given.

    Example:
        >>> main(["lab", "--help"])  # doctest: +ELLIPSIS
        usage: nbflow lab ...
        0
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may lack some of our signs
    try:
        options, others = _parser().parse_known_args(arguments)
        return _run(options, others)
    except SystemExit as stopped:  # argparse's way to end after --help or a mistake
        return stopped.code if isinstance(stopped.code, int) else 1
    except NbflowError as error:
        # What a cell or a model has said may be part of it.
        said = "\n".join(map(plain, str(error).splitlines()))
        print(f"nbflow: {said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nbflow: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(options: argparse.Namespace, others: list[str]) -> int:
    if options.command == "lab":
        return lab.run(options.folder, others)
    if others:
        options.parser.error(f"unrecognized arguments: {' '.join(others)}")
    match options.command:
        case "demo":
            return demo.run(options.output)
        case "pull":
            return pull.run(options.model)
        case _:
            return _doctor()


def _doctor() -> int:
    # The notebook layer imports IPython, which the other commands don't need.
    from nbflow.notebook import doctor  # noqa: PLC0415 - see above

    findings = doctor.findings()
    print(doctor.table(findings))
    return 0 if all(finding.is_fine for finding in findings) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nbflow",
        description="Parallel LLM work inside a Jupyter notebook.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, says: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=says, description=says, allow_abbrev=False)
        command.set_defaults(parser=command)
        return command

    add("demo", "Run the first tutorial on the embedded model, here in the terminal.").add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("nbflow-demo"),
        help="where the executed notebook and its HTML go (default: %(default)s)",
    )
    add("lab", "Open JupyterLab on a copy of the tutorials.").add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        type=Path,
        default=Path("nbflow-tutorials"),
        help="where the copy is (default: %(default)s); other options go to JupyterLab",
    )
    add("doctor", "Say what nbflow finds on this machine, and how to mend what is missing.")
    add("pull", "Fetch the weights of a model that runs here.").add_argument(
        "model", metavar="MODEL", choices=[*pull.WEIGHTS], help="one of: " + ", ".join(pull.WEIGHTS)
    )
    return parser
