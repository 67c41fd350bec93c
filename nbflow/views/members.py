"""The many tasks of a node inside its pane, as HTML blocks.

A vote is its tally in bars, a best of n its scores, several models their texts side by side, and
anything else, as well as what still goes on, a list of its tasks; a vote that goes on is both. Bars
are `<div>`s with inline styles, so they also stand in an untrusted notebook.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape

from nbflow.core.states import State
from nbflow.views.drawing import BAKED
from nbflow.views.groups import PRINTED_MOST, GroupView, ItemView
from nbflow.views.ink import FADED, muted
from nbflow.views.markdown import render, render_line
from nbflow.views.outputs import bundle_html, error_html, output_blocks
from nbflow.views.words import GLYPHS, counted, seconds_text

TEXT_MOST = 6_000
"""Characters of one text among several that are shown; the run keeps all of it."""
ITEM_TEXT_MOST = 2_000
"""The same of one that is opened below its line."""
PRINTED_CHARACTERS_MOST = 2_000
MADE_MOST = 600_000
"""Characters of HTML for all that the members of one group printed and displayed."""

_ROW = "display:flex;align-items:baseline;gap:.6em;min-width:0;line-height:1.6"
_LABEL = "flex:none;max-width:45%;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_LINE = "min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_INSIDE = "margin:0 0 .5em .45em;padding-left:1.1em;border-left:1px solid rgba(127,127,127,.35)"
_OPENS = f"flex:none;margin-left:auto;{FADED}"
_VALUE = "flex:none;min-width:2.5em;text-align:right;font-variant-numeric:tabular-nums"
_ANSWER = "flex:0 0 40%;overflow:hidden;text-overflow:ellipsis"
_TRACK = (
    "flex:1 1 4em;min-width:3em;height:.65em;align-self:center;border-radius:3px;"
    "forced-color-adjust:none"  # bars are colours; a reader with colours of their own needs them
)
_COLUMNS = "display:grid;gap:.4em 1.2em;grid-template-columns:repeat(auto-fit,minmax(180px,1fr))"


def group_blocks(group: GroupView) -> list[str]:
    """What stands in a pane below the node's result."""
    tally = [muted(group.remark), *_tally(group)] if group.answers else []
    if tally and not group.is_open:
        return tally
    if group.scores:
        return [muted(group.remark), *_scores(group)]
    room = _Room()
    if group.kind == "variants":
        cells = "".join(_variant(item, room) for item in group.items)
        found = [f'<div style="{_COLUMNS}">{cells}</div>'] if cells else []
    else:
        digits = max((len(item.label) for item in group.items), default=1)
        found = [*tally, *(_item(item, digits, room) for item in group.items)]
    if group.more:
        found.append(muted(f"… {group.more:,} more"))
    return found


class _Room:
    """How much of what the members of one group made may still be shown."""

    def __init__(self) -> None:
        self._left = MADE_MOST

    def of(self, item: ItemView) -> str:
        """What a member printed and displayed, as far as there is room.

        While it goes on only what it printed, at its end: pictures come once.
        """
        outputs = item.outputs
        if not item.state.is_final:
            outputs = tuple(output for output in outputs[-PRINTED_MOST:] if "text" in output)
        made = list(output_blocks(outputs, PRINTED_CHARACTERS_MOST))
        if item.display is not None and item.state is State.DONE:
            made.append(bundle_html(item.display))
        kept = []
        for block in made:
            if len(block) > self._left:
                kept.append(muted("… more output than is shown here; the run's record has it"))
                break
            self._left -= len(block)
            kept.append(block)
        return "".join(kept)


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
    said = {item.label: item.line for item in group.items}
    low, high = min(0.0, *group.scores.values()), max(0.0, *group.scores.values())
    span = (high - low) or 1.0
    return [
        _bar(
            f"{label} · {said[label]}" if said.get(label) else label,
            (score - low) / span,
            f"{score:g}",
            wins=label == group.winner,
        )
        for label, score in group.scores.items()
    ]


def _bar(label: str, part: float, value: str, *, wins: bool) -> str:
    colour = BAKED[State.DONE if wins else State.SKIPPED][1]
    share = round(100 * min(1.0, part)) if part == part and part > 0 else 0  # noqa: PLR0124 - nan
    weight = "font-weight:600" if wins else f"{FADED}"
    return (
        f'<div class="nbflow-bar" style="{_ROW}">'
        f'<span title="{escape(label)}" style="{_ANSWER};white-space:nowrap;{weight}">'
        f"{escape(label)}</span>"
        f'<span style="{_TRACK};background:linear-gradient(to right,{colour} {share}%,'
        f'rgba(127,127,127,.18) {share}%)"></span>'
        f'<span style="{_VALUE}">{escape(value)}</span></div>'
    )


def _item(item: ItemView, digits: int, room: _Room) -> str:
    said, more = escape(item.line), _inside(item, room)
    line = _inline(item.line) if item.state is State.DONE else said  # the others change often
    numbered = f"min-width:{digits}ch;text-align:right;font-weight:400;{FADED}"
    row = (
        f"{_glyph(item)}"
        f'<span class="nbflow-muted" title="{escape(item.label)}" style="{_LABEL};{numbered}">'
        f"{escape(item.label)}</span>"
        f'<span title="{said}" style="{_LINE}{_tone(item)}">{line}</span>'
    )
    head = f'<div class="nbflow-item" data-state="{item.state}"'
    if not more:
        return f'{head} style="{_ROW}">{row}</div>'
    opens = f'<span class="nbflow-muted" style="{_OPENS}" title="all of it">▾</span>'
    return (
        f'{head}><details><summary style="{_ROW};cursor:pointer;list-style:none">{row}{opens}'
        f'</summary><div style="{_INSIDE}">{more}</div></details></div>'
    )


def _inside(item: ItemView, room: _Room) -> str:
    """What a member that has ended has to show beside its line."""
    if not item.state.is_final:
        return ""
    made = room.of(item)
    if item.error is not None:
        return made + error_html(item.error)
    is_cut = item.display is None and item.text.strip() != item.line
    return made + (_rendered(item, ITEM_TEXT_MOST) if is_cut and item.state is State.DONE else "")


@lru_cache(maxsize=512)
def _inline(line: str) -> str:
    return render_line(line)


def _tone(item: ItemView) -> str:
    return f";{FADED}" if item.state in (State.QUEUED, State.CANCELLED, State.SKIPPED) else ""


def _glyph(item: ItemView) -> str:
    return (
        f'<span class="nbflow-glyph" title="{item.state}" style="flex:none;width:1em;'
        f'text-align:center;color:{BAKED[item.state][1]};font-weight:bold">'
        f"{GLYPHS[item.state]}</span>"
    )


def _variant(item: ItemView, room: _Room) -> str:
    time = "" if item.elapsed is None else seconds_text(item.elapsed)
    status = time if item.state is State.DONE else f"{item.state} {time}".strip()
    label = escape(item.label)
    name = f'<strong title="{label}" style="{_LABEL}">{label}</strong>'
    return (
        f'<div class="nbflow-item" data-state="{item.state}" style="min-width:0">'
        f'<div style="{_ROW}">{_glyph(item)}{name}'
        f'<span class="nbflow-muted" style="flex:none;{FADED}">{status}</span></div>'
        f"{room.of(item)}{_said(item)}</div>"
    )


def _said(item: ItemView) -> str:
    """A variant's whole text, and why there isn't more."""
    said = "" if item.display is not None else _rendered(item, TEXT_MOST)
    if item.error is not None:
        return said + error_html(item.error, again=item.state is State.RUNNING)
    return said + (muted(item.line) if item.state is State.CANCELLED else "")


def _rendered(item: ItemView, most: int) -> str:
    cut = len(item.text) - most
    if cut <= 0:
        return _markdown(item.text)
    if item.state is State.RUNNING:  # while it is written its end matters most
        return muted(f"… {cut:,} characters before") + _markdown(item.text[cut:])
    return _markdown(item.text[:most]) + muted(f"… {cut:,} more characters")


@lru_cache(maxsize=128)  # what some members have said is drawn again whenever another says more
def _markdown(text: str) -> str:
    return "".join(render(text).blocks)
