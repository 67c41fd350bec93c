"""A program as a LangGraph graph in Python: each node reads the state and writes its own key."""

from __future__ import annotations

import keyword
from collections.abc import Callable

from nbflow.export.layout import Block, Bracket, Code, deeper, prefixed
from nbflow.export.program import Part, Program
from nbflow.export.python import PythonProgram
from nbflow.export.quoting import py_string


def python_graph(program: Program) -> str:
    """The source of a `StateGraph` that does what the program does.

    Raises:
        FlowError: a function can't be written down.
    """
    made = PythonProgram(program)
    made.imports.add("from langgraph.graph import END, START, StateGraph")
    body = [*_state(made), ""]
    for part in program.parts:
        body += ["", *_node(made, part), ""]
    body += ["", *_graph(made)]
    return made.written("a LangGraph graph", body, "graph")


def _state(made: PythonProgram) -> Block:
    made.imports.add("from typing import TypedDict")
    types = dict.fromkeys(made.keys.values(), made.types.anything)
    types |= {made.keys[part.name]: made.type_of(part) for part in made.program.parts}
    if all(_is_field(key) for key in types):
        fields = [f"{key}: {kind}" for key, kind in types.items()]
        return [
            "class State(TypedDict, total=False):",
            '    """What the flow is given, and what each node returns."""',
            "",
            deeper(*fields),
        ]
    pairs = [f"{py_string(key)}: {kind}" for key, kind in types.items()]
    whole = Bracket("{", pairs, "},")
    return ["State = TypedDict(", deeper('"State",', whole, "total=False,"), ")"]


def _is_field(key: str) -> bool:
    """Whether a name may be a field of a class whose fields have these types."""
    return not keyword.iskeyword(key) and key not in {"Any", "str", "list", "dict"}


def _node(made: PythonProgram, part: Part) -> Block:
    def value(name: str) -> str:
        return f"state[{py_string(made.keys[name])}]"

    def ref(name: str) -> str:
        return made.local[name] if name in part.elements else value(name)

    key = py_string(made.keys[part.name])
    rest = _rest(made, part)
    opening = f"async def {made.node[part.name]}("
    head = Bracket(opening, ["state: State"], ") -> dict[str, Any]:")
    if part.fans_out:
        folded, result = made.fan(part, lambda given: Bracket("sample(", given, ")"), value)
        statements: Block = [*([""] if rest else []), *_sample(made, part, ref), *folded]
    else:
        statements, result = made.work(part, ref)
    returned = Bracket("return {", [prefixed(f"{key}: ", result)], "}")
    return [head, deeper(*rest, *statements, returned)]


def _sample(made: PythonProgram, part: Part, ref: Callable[[str], str]) -> Block:
    """The function within a node that is called for each of its tasks."""
    statements, result = made.work(part, ref)
    return [
        *made.attempts(part),
        Bracket("async def sample(", made.own_parameters(part), ") -> Any:"),
        deeper(*statements, *made.judged(part, result)),
        "",
    ]


def _rest(made: PythonProgram, part: Part) -> list[Code]:
    """What a function is given only if the program is."""
    if not part.optional:
        return []
    return [prefixed("rest = ", made.given("state", part))]


def _graph(made: PythonProgram) -> Block:
    program = made.program
    written: list[Code] = ["builder = StateGraph(State)"]
    for part in program.parts:
        name = made.node[part.name]
        policy = [] if part.fans_out else made.policy(part)
        written.append(Bracket("builder.add_node(", [py_string(name), name, *policy], ")"))
    for part in program.parts:
        name = py_string(made.node[part.name])
        before = [py_string(made.node[one]) for one in part.after]
        source = before[0] if len(before) == 1 else Bracket("[", before, "]") if before else "START"
        written.append(Bracket("builder.add_edge(", [source, name], ")"))
    written += [
        f"builder.add_edge({py_string(made.node[part.name])}, END)" for part in program.ends
    ]
    jobs = "" if program.jobs is None else f'.with_config({{"max_concurrency": {program.jobs}}})'
    return [*written, f"graph = builder.compile(){jobs}"]
