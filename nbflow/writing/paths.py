"""Where one can get in a graph: loops, the ways back in them, and who comes before whom.

Algorithms on nodes numbered from 0, in declared order; sets of nodes are the bits of an int. The
idea: taking away each edge that leads back in a loop leaves a graph without loops, in which "can
still come to" is an order. A join waits for whoever can still come to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Edges = Sequence[Sequence[int]]
"""For each node, the nodes that it leads to."""


def back_edges(successors: Edges, start: int) -> set[tuple[int, int]]:
    """The edges that lead back to a node from which one has come, going depth first from `start`.

    Example:
        >>> back_edges([[1], [2, 3], [1], []], 0)
        {(2, 1)}
    """
    found: set[tuple[int, int]] = set()
    seen: set[int] = set()
    for root in (start, *range(len(successors))):
        if root in seen:
            continue
        seen.add(root)
        on_path = {root}
        path = [(root, iter(successors[root]))]
        while path:
            node, rest = path[-1]
            for target in rest:
                if target in on_path:
                    found.add((node, target))
                elif target not in seen:
                    seen.add(target)
                    on_path.add(target)
                    path.append((target, iter(successors[target])))
                    break
            else:
                on_path.discard(node)
                path.pop()
    return found


def order(successors: Edges) -> list[int]:
    """The nodes of a graph without loops, each before those that it leads to.

    Example:
        >>> order([[2], [0], []])
        [1, 0, 2]
    """
    missing = [0] * len(successors)
    for targets in successors:
        for target in targets:
            missing[target] += 1
    ready = [node for node, count in enumerate(missing) if not count]
    for node in ready:  # grows meanwhile
        for target in successors[node]:
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    return ready


def ancestors(successors: Edges) -> list[int]:
    """For each node of a graph without loops, the set of those from which one can come to it.

    Example:
        >>> [bin(nodes) for nodes in ancestors([[1], [2], []])]
        ['0b0', '0b1', '0b11']
    """
    before = [0] * len(successors)
    for node in order(successors):
        own = before[node] | 1 << node
        for target in successors[node]:
            before[target] |= own
    return before


def lead_on(before: list[int], node: int, targets: int) -> None:
    """Add edges to a graph without loops, leaving out those that lead back.

    Args:
        before: For each node, the set of those from which one can come to it; changed.
        node: Where the edges begin.
        targets: The set of nodes where they end.

    Example:
        >>> before = ancestors([[1], [], []])
        >>> lead_on(before, 1, 0b101)
        >>> [bin(nodes) for nodes in before]
        ['0b0', '0b1', '0b11']
    """
    ahead = targets & ~before[node] & ~(1 << node)
    if ahead:
        own = before[node] | 1 << node
        for other, nodes in enumerate(before):
            if nodes & ahead or ahead >> other & 1:
                before[other] |= own


def loops(successors: Edges, before: Sequence[int]) -> list[int | None]:
    """For each node, the loop that it is in, or that all ways to it come from; None for no loop.

    A loop is named by a number: of the nodes that can all come to each other.

    Args:
        successors: All edges.
        before: For each node, the set of those from which one can come to it without going back.

    Example:
        >>> loops([[1], [2, 3], [1], []], [0b0, 0b1, 0b11, 0b11])
        [None, 0, 0, 0]
    """
    scope: list[int | None] = [None] * len(successors)
    for number, members in enumerate(_components(successors)):
        for node in members:
            scope[node] = number
    predecessors: list[set[int]] = [set() for _ in successors]
    for node, targets in enumerate(successors):
        for target in targets:
            predecessors[target].add(node)
    for node in sorted(range(len(successors)), key=lambda node: before[node].bit_count()):
        if scope[node] is None:
            scopes = {scope[source] for source in predecessors[node]}
            scope[node] = scopes.pop() if len(scopes) == 1 else None
    return scope


def _components(successors: Edges) -> Iterator[list[int]]:
    """The sets of nodes that can all come to each other, and to themselves.

    Source: R. Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1 (1972);
    here without recursion.
    """
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    for root in range(len(successors)):
        if root in number:
            continue
        path = [(root, iter(successors[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        while path:
            node, rest = path[-1]
            for target in rest:
                if target not in number:
                    number[target] = low[target] = len(number)
                    stack.append(target)
                    on_stack.add(target)
                    path.append((target, iter(successors[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], number[target])
            else:
                path.pop()
                if path:
                    parent = path[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == number[node]:
                    members: list[int] = []
                    while not members or members[-1] != node:
                        members.append(stack.pop())
                        on_stack.discard(members[-1])
                    if len(members) > 1 or node in successors[node]:
                        yield members


def bits(nodes: int) -> Iterator[int]:
    """The members of a set.

    Example:
        >>> list(bits(0b1010))
        [1, 3]
    """
    while nodes:
        lowest = nodes & -nodes
        yield lowest.bit_length() - 1
        nodes ^= lowest


def cycle(successors: Edges) -> list[int] | None:
    """The nodes of some loop, the first again at the end; None if there is no loop.

    Example:
        >>> cycle([[1], [2], [1]])
        [1, 2, 1]
    """
    for source, target in sorted(back_edges(successors, 0) if successors else ()):
        came_from = {target: target}
        queue = [target]
        for node in queue:  # grows meanwhile
            for after in successors[node]:
                if after not in came_from:
                    came_from[after] = node
                    queue.append(after)
        path = [source]
        while path[-1] != target:
            path.append(came_from[path[-1]])
        return [*reversed(path), target]
    return None
