"""What stands around the nodes of a Python program: its imports, its model, its last lines.

Constant texts, and functions of text; knows nothing of what a program does.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import sys
from collections.abc import Iterable

from nbflow.export import included
from nbflow.export.layout import PYTHON, Bracket, Code, rendered
from nbflow.export.names import LANGGRAPH_WORDS, LOCAL_WORDS
from nbflow.export.quoting import columns

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

INJECTED_WORDS = frozenset({"config", "previous", "runtime", "store", "writer"})
"""The parameters of a task that LangGraph fills itself."""

CALL_MODEL = '''\
async def call_model(prompt: str, model: str | None, settings: dict[str, Any]) -> str:
    """Ask a model. Write your own here, or set this name to another function.

    As it stands it asks an OpenAI-compatible endpoint, by OPENAI_API_KEY and
    OPENAI_BASE_URL.

    Args:
        prompt: The text.
        model: What the flow calls the model; None, which is OPENAI_MODEL, if it leaves
            that open.
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


def meanings(blocks: Iterable[str]) -> dict[str, str]:
    """What each name means at the top level of pieces of a module, and which builtins they read.

    An import means what it imports, anything else only itself.

    Example:
        >>> meanings(["from re import sub as s", "def f(): return max(x)"])
        {'s': 're.sub', 'max': 'max', 'f': ''}
    """
    found: dict[str, str] = {}
    for tree in map(ast.parse, blocks):
        names = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        found |= {name: name for name in names if hasattr(builtins, name)}
        for statement in tree.body:
            found |= _bound(statement)
    return found


def _bound(statement: ast.stmt) -> dict[str, str]:
    match statement:
        case ast.Import(names=names):
            return {one.asname or one.name.partition(".")[0]: one.name for one in names}
        case ast.ImportFrom(module=module, names=names):
            return {one.asname or one.name: f"{module}.{one.name}" for one in names}
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name: ""}
        case ast.Assign(targets=[ast.Name(id=name)]):
            return {name: ""}
        case _:
            return {}


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
        "\n".join(rendered([_from(module, sorted(names))]))
        for module, names in sorted(merged.items())
    ]
    third = [line for line in written if not _is_standard(line.split()[1])]
    standard = [line for line in written if line not in third]
    return "\n\n".join("\n".join(group) for group in (standard, third) if group)


def _from(module: str, names: list[str]) -> Code:
    line = f"from {module} import {', '.join(names)}"
    is_long = columns(line) > PYTHON.width_characters
    return Bracket(f"from {module} import (", names, ")") if is_long else line


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def main_of(runs: str) -> str:
    """The last lines: what the command line does."""
    return f'''\
async def main() -> None:
    """Run it on the JSON object that is the first argument, and print the result."""
    inputs = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {{}}
    found = await {runs}.ainvoke(inputs)
    print(json.dumps(found, indent=2, ensure_ascii=False, default=str))


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
