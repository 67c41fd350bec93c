"""The many tasks of a node inside its pane, as HTML blocks.

A vote is its tally in bars, a best of n its scores, several models their texts side by side, and
anything else, as well as what still goes on, a list of its tasks. Bars are `<div>`s with inline
styles, so they also stand in an untrusted notebook.
"""

from __future__ import annotations

from html import escape

from nbflow.core.states import State
from nbflow.views.drawing import BAKED
from nbflow.views.groups import GroupView, ItemView
from nbflow.views.ink import MUTED, muted
from nbflow.views.markdown import render
from nbflow.views.words import GLYPHS, counted, seconds_text

TEXT_MOST = 6_000
"""Characters of one text among several that are shown; the run keeps all of it."""

_ROW = "display:flex;align-items:baseline;gap:.6em;min-width:0;line-height:1.6"
_LABEL = "flex:none;max-width:45%;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_LINE = "min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_ANSWER = "flex:0 0 40%;overflow:hidden;text-overflow:ellipsis"
_TRACK = "flex:1 1 4em;min-width:3em;height:.65em;align-self:center;border-radius:3px"
_COLUMNS = "display:grid;gap:.4em 1.2em;grid-template-columns:repeat(auto-fit,minmax(180px,1fr))"


def group_blocks(group: GroupView, state: State) -> list[str]:
    """What stands in a pane below the node's result.

    Args:
        group: The node's tasks.
        state: The node's own.
    """
    if group.answers:
        return [muted(group.remark), *_tally(group)]
    if group.scores:
        return [muted(group.remark), *_scores(group)]
    if group.kind == "variants":
        cells = "".join(_variant(item) for item in group.items)
        found = [f'<div style="{_COLUMNS}">{cells}</div>'] if cells else []
    else:
        found = [_item(item) for item in group.items]
    if group.more:
        found.append(muted(f"… {group.more:,} more"))
    if group.progress and not state.is_final:
        found.insert(0, muted(group.progress))
    return found


def _tally(group: GroupView) -> list[str]:
    most = max(answer.votes for answer in group.answers)
    rows = [
        _bar(answer.answer, answer.votes / most, str(answer.votes), wins=number == 0)
        for number, answer in enumerate(group.answers)
    ]
    if group.more_answers:
        rows.append(muted(f"… {counted(group.more_answers, 'more answer')}"))
    return rows


def _scores(group: GroupView) -> list[str]:
    """Bars from 0, or from the lowest score if that is below, to the highest."""
    low, high = min(0.0, *group.scores.values()), max(0.0, *group.scores.values())
    span = (high - low) or 1.0
    return [
        _bar(label, (score - low) / span, f"{score:g}", wins=label == group.winner)
        for label, score in group.scores.items()
    ]


def _bar(label: str, part: float, value: str, *, wins: bool) -> str:
    colour = BAKED[State.DONE if wins else State.SKIPPED][1]
    share = round(100 * min(1.0, part)) if part == part and part > 0 else 0  # noqa: PLR0124 - nan
    weight = "font-weight:600" if wins else f"color:{MUTED}"
    return (
        f'<div class="nbflow-bar" style="{_ROW}">'
        f'<span title="{escape(label)}" style="{_ANSWER};white-space:nowrap;{weight}">'
        f"{escape(label)}</span>"
        f'<span style="{_TRACK};background:linear-gradient(to right,{colour} {share}%,'
        f'rgba(127,127,127,.18) {share}%)"></span>'
        f'<span style="flex:none;font-variant-numeric:tabular-nums">{escape(value)}</span></div>'
    )


def _item(item: ItemView) -> str:
    colour = BAKED[item.state][1]
    said = escape(item.line)
    tone = "" if item.state in (State.DONE, State.RUNNING) else f";color:{MUTED}"
    return (
        f'<div class="nbflow-item" data-state="{item.state}" style="{_ROW}">{_head(item, colour)}'
        f'<span title="{said}" style="{_LINE}{tone}">{said}</span></div>'
    )


def _head(item: ItemView, colour: str) -> str:
    return (
        f'<span title="{item.state}" style="flex:none;width:1em;text-align:center;color:{colour};'
        f'font-weight:bold">{GLYPHS[item.state]}</span>'
        f'<strong title="{escape(item.label)}" style="{_LABEL}">{escape(item.label)}</strong>'
    )


def _variant(item: ItemView) -> str:
    colour = BAKED[item.state][1]
    time = "" if item.elapsed is None else seconds_text(item.elapsed)
    status = time if item.state is State.DONE else f"{item.state} {time}".strip()
    return (
        f'<div class="nbflow-item" data-state="{item.state}" style="min-width:0">'
        f'<div style="{_ROW}">{_head(item, colour)}'
        f'<span style="flex:none;color:{MUTED}">{status}</span></div>{_said(item)}</div>'
    )


def _said(item: ItemView) -> str:
    """A variant's whole text, or why there is none."""
    if item.error is not None or item.state is State.CANCELLED:
        reason = muted(item.line)
        return reason if not item.text else _rendered(item) + reason
    return _rendered(item)


def _rendered(item: ItemView) -> str:
    cut = len(item.text) - TEXT_MOST
    if cut <= 0:
        return "".join(render(item.text).blocks)
    if item.state is State.RUNNING:  # while it is written its end matters most
        return muted(f"… {cut:,} characters before") + "".join(render(item.text[cut:]).blocks)
    whole = "".join(render(item.text[:TEXT_MOST]).blocks)
    return whole + muted(f"… {cut:,} more characters")
