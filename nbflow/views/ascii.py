"""A drawn graph in plain characters: boxes in rows, and lines between the rows.

What is conditional is dotted, what leads back up ends in `^`, and below the drawing stands what is
written at the edges. Every line has a way of its own: where two cross, neither has a corner.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbflow.views.layers import Layers, Link, Point, layers
from nbflow.views.words import clean_name, cut

if TYPE_CHECKING:
    from nbflow.views.drawn import DrawnGraph, Edge

COLUMNS_MOST = 200
"""A wider graph is drawn as a list of its edges."""
EDGES_MOST = 400
"""Likewise one with more edges, or more nodes."""
MEMBERS_MOST = 1500
"""Likewise one with more nodes and places where edges pass a row."""
NAME_MOST = 40
_SPACE = 3
"""Columns between boxes."""
_NEARLY = 2


def drawing(drawn: DrawnGraph) -> str:
    """The graph as a drawing, or as a list if it is too wide."""
    if len(drawn.edges) <= EDGES_MOST and len(drawn.nodes) <= EDGES_MOST:
        labels = {id_: f" {_named(drawn, id_)} " for id_ in drawn.nodes}
        edges = [(edge.source, edge.target, edge.conditional) for edge in drawn.edges]
        found = layers(list(drawn.nodes), edges)
        if sum(map(len, found.rows)) <= MEMBERS_MOST:
            made = _Drawing(labels, found)
            if made.columns <= COLUMNS_MOST:
                return "\n".join([*made.lines(), *_remarks(drawn)])
    return "\n".join(_listed(drawn))


def _named(drawn: DrawnGraph, id_: str) -> str:
    name = drawn.nodes[id_].name
    name = cut(clean_name(id_ if name == id_.rpartition(":")[2] else name), NAME_MOST)
    return f"[{name}]" if id_ in drawn.subgraphs else name


def _remarks(drawn: DrawnGraph) -> list[str]:
    """What is written at edges, and those from a node to itself, which the drawing leaves out."""
    said = [edge for edge in drawn.edges if drawn.label(edge) or edge.source == edge.target]
    return ["", *(_in_words(drawn, edge) for edge in said)] if said else []


def _in_words(drawn: DrawnGraph, edge: Edge) -> str:
    arrow = "..>" if edge.conditional else "-->"
    said = drawn.label(edge)
    line = f"{_named(drawn, edge.source)} {arrow} {_named(drawn, edge.target)}"
    return f"{line} : {said}" if said else line


def _listed(drawn: DrawnGraph) -> Iterator[str]:
    yield from (_in_words(drawn, edge) for edge in drawn.edges)
    ends = {end for edge in drawn.edges for end in (edge.source, edge.target)}
    yield from (_named(drawn, id_) for id_ in drawn.nodes if id_ not in ends)


def width_of(text: str) -> int:
    """The columns that a text takes in a terminal.

    Example:
        >>> width_of("cat"), width_of("猫")
        (3, 2)
    """
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


@dataclass(slots=True, eq=False)
class _Bundle:
    """Links between two rows that are one line: everything above with everything below."""

    uppers: tuple[Hashable, ...]
    lowers: tuple[Hashable, ...]
    is_dashed: bool
    is_up: bool
    above: dict[Hashable, int] = field(default_factory=dict)
    """At which column it leaves what is above it, and meets what is below."""
    below: dict[Hashable, int] = field(default_factory=dict)
    track: int = -1
    """Which of the lines between the rows it turns in; -1 if it goes straight down."""

    @property
    def columns(self) -> list[int]:
        return [*self.above.values(), *self.below.values()]


def _bundled(links: Sequence[Link]) -> list[_Bundle]:
    """As few lines as lead from the same to the same, seen from above or from below."""
    ways = []
    for side in (0, 1):
        others: dict[tuple[Hashable, bool, bool], list[Hashable]] = {}
        for link in links:
            key = (link[side], link.is_dashed, link.is_up)
            others.setdefault(key, []).append(link[1 - side])
        groups: dict[tuple[frozenset[Hashable], bool, bool], list[Hashable]] = {}
        order: dict[tuple[frozenset[Hashable], bool, bool], list[Hashable]] = {}
        for (own, dashed, up), found in others.items():
            groups.setdefault((frozenset(found), dashed, up), []).append(own)
            order[frozenset(found), dashed, up] = found
        pairs = [(groups[key], order[key], key[1], key[2]) for key in groups]
        ways.append(
            [
                _Bundle(tuple(b if side else a), tuple(a if side else b), dashed, up)
                for a, b, dashed, up in pairs
            ]
        )
    return min(ways, key=len)


@dataclass(slots=True, eq=False)
class _Block:
    """Members of a row that stand side by side, at the place that suits them best together."""

    members: list[Hashable]
    width: int
    start: float
    weight: float = 1.0
    """A line that stays straight weighs more than a box in the middle of its neighbours."""

    def followed_by(self, other: _Block) -> _Block:
        shift = self.width + _SPACE
        weight = self.weight + other.weight
        start = (self.start * self.weight + (other.start - shift) * other.weight) / weight
        return _Block(self.members + other.members, shift + other.width, start, weight)


class _Drawing:
    """Where everything stands, and then the characters."""

    def __init__(self, labels: Mapping[str, str], found: Layers) -> None:
        self._labels = labels
        self._found = found
        self._bundles = [_bundled(links) for links in found.links]
        self._meets = self._count_lines()
        self._widths = {one: self._least_width(one) for row in found.rows for one in row}
        self._left: dict[Hashable, int] = {}
        self._place()
        self.columns = max((self._right(one) for one in self._left), default=0)
        for row, bundles in enumerate(self._bundles):
            self._join(row, bundles)

    def _count_lines(self) -> dict[Hashable, int]:
        """How many lines meet each box, above or below, whichever is more."""
        above, below = Counter[Hashable](), Counter[Hashable]()
        for bundles in self._bundles:
            for bundle in bundles:
                below.update(bundle.uppers)
                above.update(bundle.lowers)
        return dict(above | below)

    def _least_width(self, one: Hashable) -> int:
        """Room for the label, and for each line that meets the box."""
        if isinstance(one, Point):
            return 1
        return max(width_of(self._labels[str(one)]) + 2, 2 * self._meets.get(one, 0) + 1)

    def _right(self, one: Hashable) -> int:
        return self._left[one] + self._widths[one]

    def _centre(self, one: Hashable) -> int:
        return self._left[one] + (self._widths[one] - 1) // 2

    def _place(self) -> None:
        """Rows about a common middle, then each box as near to its neighbours as there is room."""
        rows = self._found.rows
        lengths = [sum(self._widths[one] + _SPACE for one in row) - _SPACE for row in rows]
        middle = max(lengths, default=0) / 2
        for row, length in zip(rows, lengths, strict=True):
            at = round(middle - length / 2)
            for one in row:
                self._left[one] = at
                at += self._widths[one] + _SPACE
        for down in (True, False, True):
            order = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
            for at in order:
                self._straighten(rows[at], self._neighbours(at, down=down))
        least = min(self._left.values(), default=0)
        self._left = {one: left - least for one, left in self._left.items()}

    def _neighbours(self, row: int, *, down: bool) -> dict[Hashable, list[int]]:
        found: dict[Hashable, list[int]] = {}
        for link in self._found.links[row - 1 if down else row]:
            own, other = (link.lower, link.upper) if down else (link.upper, link.lower)
            found.setdefault(own, []).append(self._centre(other))
        return found

    def _straighten(
        self, row: Sequence[Hashable], neighbours: Mapping[Hashable, list[int]]
    ) -> None:
        """Move the members of a row to the middle of their neighbours, as far as others let them.

        Those whose wishes collide stand side by side about the middle of their wishes.
        """
        blocks: list[_Block] = []
        for one in row:
            own = neighbours.get(one, [])
            middle = (min(own) + max(own)) / 2 if own else self._centre(one)
            block = _Block([one], self._widths[one], middle - (self._widths[one] - 1) // 2)
            block.weight = 8.0 if isinstance(one, Point) else 1.0 if own else 0.1
            while blocks and blocks[-1].start + blocks[-1].width + _SPACE > block.start:
                block = blocks.pop().followed_by(block)
            blocks.append(block)
        for block in blocks:
            at = round(block.start)
            for one in block.members:
                self._left[one] = at
                at += self._widths[one] + _SPACE

    def _join(self, row: int, bundles: Sequence[_Bundle]) -> None:
        """Give each line the columns at which it leaves and arrives, and the track it turns in."""
        taken: dict[int, _Bundle] = {}
        for upper in self._found.rows[row]:
            mine = [bundle for bundle in bundles if upper in bundle.uppers]
            mine.sort(key=lambda bundle: sum(map(self._centre, bundle.lowers)) / len(bundle.lowers))
            for bundle, wish in zip(mine, self._ports(upper, len(mine)), strict=True):
                bundle.above[upper] = self._free(wish, upper, bundle, taken)
        for lower in self._found.rows[row + 1]:
            mine = [bundle for bundle in bundles if lower in bundle.lowers]
            mine.sort(key=lambda bundle: sum(bundle.above.values()) / len(bundle.above))
            for bundle, port in zip(mine, self._ports(lower, len(mine)), strict=True):
                wish = self._straight_down(bundle, lower, port, len(mine))
                bundle.below[lower] = self._free(wish, lower, bundle, taken)
        self._tracks(bundles)

    def _straight_down(self, bundle: _Bundle, lower: Hashable, port: int, count: int) -> int:
        """A column at which a line needn't turn, if that is near the port it should have."""
        near = self._widths[lower] if count > 1 and len(bundle.above) == 1 else _NEARLY
        columns = [column for column in bundle.above.values() if abs(column - port) <= near]
        return min(columns, key=lambda column: abs(column - port), default=port)

    def _ports(self, one: Hashable, count: int) -> list[int]:
        """Columns at even distances along a box."""
        if count == 1:
            return [self._centre(one)]
        room = self._widths[one]
        return [self._left[one] + round((at + 1) * (room - 1) / (count + 1)) for at in range(count)]

    def _free(self, wish: int, one: Hashable, bundle: _Bundle, taken: dict[int, _Bundle]) -> int:
        """The column nearest to a wish at which no other line goes up or down."""
        corner = 0 if isinstance(one, Point) else 1
        left, right = self._left[one] + corner, self._right(one) - corner
        near = sorted(range(left, right), key=lambda column: (abs(column - wish), column))
        free = (column for column in near if taken.get(column, bundle) is bundle)
        column = next(free, wish)
        taken[column] = bundle
        return column

    def _tracks(self, bundles: Sequence[_Bundle]) -> None:
        """Lines that share no column may turn in the same track."""
        ends: list[int] = []
        for bundle in sorted(bundles, key=lambda one: (min(one.columns), max(one.columns))):
            first, last = min(bundle.columns), max(bundle.columns)
            if first == last:
                continue
            free = (track for track, end in enumerate(ends) if end < first - 1)
            bundle.track = next(free, len(ends))
            ends[bundle.track : bundle.track + 1] = [last]

    def lines(self) -> Iterator[str]:
        """The drawing, from the top."""
        for at, row in enumerate(self._found.rows):
            yield from self._boxes(row)
            if at < len(self._bundles):
                yield from self._between(self._bundles[at])

    def _boxes(self, row: Sequence[Hashable]) -> Iterator[str]:
        for line in range(3):
            pieces: list[tuple[int, str]] = []
            for one in row:
                if isinstance(one, Point):
                    pieces.append((self._left[one], ":" if one.is_dashed else "|"))
                    continue
                inside = self._widths[one] - 2
                label = self._labels[str(one)]
                room = inside - width_of(label)
                said = " " * (room // 2) + label + " " * (room - room // 2)
                pieces.append((self._left[one], f"|{said}|" if line == 1 else f"+{'-' * inside}+"))
            yield _set(pieces)

    def _between(self, bundles: Sequence[_Bundle]) -> Iterator[str]:
        height = max((bundle.track for bundle in bundles), default=-1) + 1
        canvas = [[" "] * (self.columns + 1) for _ in range(height + 2)]
        for bundle in bundles:
            if bundle.track >= 0:
                across = "." if bundle.is_dashed else "-"
                for column in range(min(bundle.columns), max(bundle.columns) + 1):
                    canvas[bundle.track + 1][column] = across
        for bundle in bundles:
            self._upright(bundle, canvas)
        yield from ("".join(line).rstrip() for line in canvas)

    @staticmethod
    def _upright(bundle: _Bundle, canvas: list[list[str]]) -> None:
        """The parts of a line that go up and down, its corners, and the heads of its arrows."""
        sign, bottom = ":" if bundle.is_dashed else "|", len(canvas) - 1
        turn = bundle.track + 1 if bundle.track >= 0 else bottom
        for upper, column in bundle.above.items():
            for line in range(turn):
                canvas[line][column] = sign
            if bundle.is_up and not isinstance(upper, Point):
                canvas[0][column] = "^"
        for lower, column in bundle.below.items():
            for line in range(turn + 1 if bundle.track >= 0 else 0, bottom + 1):
                canvas[line][column] = sign if line or not bundle.is_up else canvas[line][column]
            if not (bundle.is_up or isinstance(lower, Point)):
                canvas[bottom][column] = "v"
        if bundle.track >= 0:
            for column in bundle.columns:
                canvas[turn][column] = "+"


def _set(pieces: Iterable[tuple[int, str]]) -> str:
    """Pieces of text at their columns, on one line."""
    line, at = "", 0
    for column, piece in pieces:
        line += " " * (column - at) + piece
        at = column + width_of(piece)
    return line.rstrip()
