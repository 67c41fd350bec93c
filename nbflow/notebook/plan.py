"""What a run would do, in words: the answer to `--dry-run`."""

from __future__ import annotations

from collections import Counter

from nbflow.core.run import Run

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English text, good enough for an estimate."""


def plan_text(run: Run) -> str:
    """Nodes, edges, model calls and an estimate of the tokens sent, of a run not yet started."""
    nodes = run.topology.nodes.values()
    edges = sum(len(sources) for sources in run.topology.predecessors.values())
    asked = [node for node in nodes if node.kind == "prompt"]
    calls = ", ".join(
        f"{count} to {name}" for name, count in Counter(n.detail for n in asked).items()
    )
    characters = sum(len(node.source) for node in asked)
    to = f": {calls}" if calls else ""
    lines = [f"{len(nodes)} nodes, {edges} edges, {len(asked)} model calls{to}."]
    if asked:
        tokens = round(characters / CHARACTERS_PER_TOKEN)
        lines.append(f"About {tokens} tokens of prompts, and whatever is filled into them.")
    lines.append("Dry run: nothing was called.")
    return "\n".join(lines)
