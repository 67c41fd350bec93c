"""The Tab key in a `%%fanout` cell: nbflow's completions as one of IPython's matchers.

Knows IPython's matcher interface; what to offer, `writing.completion` decides.
"""

from __future__ import annotations

from typing import Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)
from IPython.core.interactiveshell import InteractiveShell

from nbflow.notebook.branch_cells import current_flow
from nbflow.notebook.branch_completion import complete_branch
from nbflow.writing.completion import complete

IDENTIFIER = "nbflow.fanout"
"""What IPython's configuration calls the matcher."""

_FIRST = 1000.0  # before every matcher of IPython's own, for the first may silence the others


def register(shell: InteractiveShell) -> None:
    """Complete in the `%%fanout` cells of a shell; once is enough."""
    completer = shell.Completer
    if completer is not None and not any(_is_ours(one) for one in completer.custom_matchers):
        completer.custom_matchers.append(_matcher(shell))


def unregister(shell: InteractiveShell) -> None:
    """Take back what `register` added."""
    completer = shell.Completer
    if completer is not None:
        kept = [matcher for matcher in completer.custom_matchers if not _is_ours(matcher)]
        completer.custom_matchers[:] = kept


def _is_ours(matcher: Any) -> bool:
    return getattr(matcher, "matcher_identifier", "") == IDENTIFIER


def _matcher(shell: InteractiveShell) -> Any:
    @context_matcher(priority=_FIRST, identifier=IDENTIFIER)  # type: ignore[untyped-decorator]
    def fanout_matcher(context: CompletionContext) -> SimpleMatcherResult:
        above = context.full_text.split("\n")[: context.cursor_line]
        cursor = sum(len(line) + 1 for line in above) + context.cursor_position
        hidden = shell.user_ns_hidden
        names = [name for name in shell.user_ns if name not in hidden]
        found, start = complete(context.full_text, cursor, names)
        if not found:
            branches = current_flow(shell).branches
            found, start = complete_branch(context.full_text, cursor, names, branches)
        return SimpleMatcherResult(
            completions=[SimpleCompletion(text) for text in found],
            matched_fragment=context.full_text[start:cursor],
            suppress=True,  # IPython's guesses at Python would drown these
            ordered=True,
        )

    return fanout_matcher
