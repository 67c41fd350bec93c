"""What stands around the nodes of a Python program: its imports, its model, its last lines.

Constant texts, and functions of text; knows nothing of what a program does.
"""

from __future__ import annotations

import itertools

from nbflow.export import included
from nbflow.export.names import LANGGRAPH_WORDS, LOCAL_WORDS

MODULE_WORDS = frozenset(
    [
        *["TypedDict", "Any", "RetryPolicy", "call_model", "main"],
        *["asyncio", "json", "os", "sys", "random", "product"],
        *[*LANGGRAPH_WORDS, *included.NEEDS],
    ]
)
"""The names that an exported program may bind at its top level."""

INNER_WORDS = LOCAL_WORDS | {"result", "score", "found"}
"""The names that it binds within its functions."""

CALL_MODEL = '''\
async def call_model(prompt: str, model: str | None, settings: dict[str, Any]) -> str:
    """Ask a model. Write your own here, or set this name of the module to another function.

    As it stands it asks an OpenAI-compatible endpoint, by OPENAI_API_KEY and OPENAI_BASE_URL.

    Args:
        prompt: The text.
        model: What the flow calls the model; None if it leaves that open.
        settings: Those of temperature, max_tokens and seed that the flow gives.
    """
    from openai import AsyncOpenAI

    spec = model or os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
    name, _, base_url = spec.removeprefix("openai:").partition("@")
    async with AsyncOpenAI(base_url=base_url or None) as client:
        completion = await client.chat.completions.create(
            model=name, messages=[{"role": "user", "content": prompt}], **settings
        )
    return completion.choices[0].message.content or ""
'''

OWN_IMPORTS = frozenset(
    {f"import {name}" for name in ("asyncio", "json", "os", "sys", "random")}
    | {"from typing import Any", "from typing import TypedDict", "from itertools import product"}
    | {need for needs in included.NEEDS.values() for need in needs if " import " in need}
)


def import_block(statements: set[str]) -> str:
    """Imports as ruff sorts them: the standard library, then the rest."""
    merged: dict[str, set[str]] = {}
    plain_imports = []
    for statement in statements:
        if statement.startswith("from "):
            module, names = statement[5:].split(" import ")
            merged.setdefault(module, set()).update(names.split(", "))
        else:
            plain_imports.append(statement)
    written = sorted(plain_imports) + [
        f"from {module} import {', '.join(sorted(names))}"
        for module, names in sorted(merged.items())
    ]
    third = [line for line in written if line.split()[1].startswith(("langgraph", "openai"))]
    standard = [line for line in written if line not in third]
    return "\n\n".join("\n".join(group) for group in (standard, third) if group)


def main_of(runs: str) -> str:
    """The last lines: what the command line does."""
    return f'''\
async def main() -> None:
    """Run it on the JSON object that is the first argument, and print what comes out."""
    inputs = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {{}}
    print(json.dumps(await {runs}.ainvoke(inputs), indent=2, ensure_ascii=False, default=str))


if __name__ == "__main__":
    asyncio.run(main())'''


def joined(blocks: list[str]) -> str:
    """Blocks with the blank lines between them that Python's style wants."""
    text = blocks[0]
    for before, block in itertools.pairwise(blocks):
        apart = _is_definition(block) or _is_definition(before)
        text += ("\n\n\n" if apart else "\n\n") + block
    return f"{text}\n"


def _is_definition(block: str) -> bool:
    return block.startswith(("def ", "async def ", "class ", "@", "if __name__"))
