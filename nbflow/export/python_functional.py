"""A program in LangGraph's functional form in Python: a task for each call, and one entrypoint."""

from __future__ import annotations

from nbflow.export.layout import PYTHON, Block, Bracket, Code, Statement, deeper, prefixed
from nbflow.export.program import Part, Program
from nbflow.export.python import PythonProgram
from nbflow.export.quoting import columns, py_string


def python_functional(program: Program) -> str:
    """The source of an `@entrypoint` that does what the program does.

    Raises:
        FlowError: a function can't be written down.
    """
    made = PythonProgram(program)
    made.imports.add("from langgraph.func import entrypoint, task")
    body: list[Statement] = []
    calls = {}
    for part in program.parts:
        body += ["", *_task(made, part), ""]
        calls[part.name] = made.node[part.name]
        if part.fans_out:
            name = made.names.new(f"{_word(part)}_{made.local[part.name].strip('_')}")
            body += ["", *_fan(made, part, name), ""]
            calls[part.name] = name
    body += ["", *_entrypoint(made, calls)]
    return made.written("a LangGraph entrypoint", body, "workflow")


def _word(part: Part) -> str:
    if part.elements:
        return "each"
    return "compare" if part.side_by_side else "vote" if part.votes else "best"


def _task(made: PythonProgram, part: Part) -> Block:
    policy = made.policy(part)
    statements, result = made.work(part, made.local.__getitem__)
    parameters = [*made.own_parameters(part), *made.alike_typed(part)]
    kind = "str" if part.kind != "python" else "Any"
    if part.samples is not None:
        kind = f"tuple[Any, {kind}]"
    return [
        Bracket("@task(", policy, ")") if policy else "@task",
        Bracket(f"async def {made.node[part.name]}(", parameters, f") -> {kind}:"),
        deeper(*statements, *made.judged(part, result)),
    ]


def _fan(made: PythonProgram, part: Part, name: str) -> Block:
    folded, result = made.fan_of_calls(part)
    parameters = [*made.iterated_typed(part), *made.alike_typed(part)]
    return [
        Bracket(f"async def {name}(", parameters, f") -> {made.type_of(part)}:"),
        deeper(*folded, made.returned(result)),
    ]


def _entrypoint(made: PythonProgram, calls: dict[str, str]) -> Block:
    program = made.program
    read = [f"{made.local[n]} = inputs[{py_string(made.keys[n])}]" for n in program.inputs]
    steps = [line for level in program.levels for line in _level(made, level, calls)]
    results = [f"{py_string(made.keys[p.name])}: {made.local[p.name]}" for p in program.parts]
    jobs = program.jobs
    limited = f'workflow = workflow.with_config({{"max_concurrency": {jobs}}})'
    return [
        "@entrypoint()",
        "async def workflow(inputs: dict[str, Any]) -> dict[str, Any]:",
        '    """Run the nodes, those that can at the same time, and return what each returns."""',
        deeper(*read, *steps, Bracket("return {", results, "}")),
        *(["", "", limited] if jobs is not None else []),
    ]


def _level(made: PythonProgram, parts: list[Part], calls: dict[str, str]) -> Block:
    called = [_called(made, part, calls[part.name]) for part in parts]
    names = [made.local[part.name] for part in parts]
    if len(parts) == 1:
        return [prefixed(f"{names[0]} = await ", called[0])]
    targets = ", ".join(names)
    opening = f"{targets} = await asyncio.gather("
    if columns(PYTHON.step + opening) <= PYTHON.width_characters:
        return [Bracket(opening, called, ")")]
    gathered = Bracket("found = await asyncio.gather(", called, ")")
    return [gathered, *(f"{name} = found[{n}]" for n, name in enumerate(names))]


def _called(made: PythonProgram, part: Part, name: str) -> Bracket:
    given: list[Code] = [*made.iterated(part), *(made.local[one] for one in part.inputs)]
    if part.optional:
        given.append(made.given("inputs", part))
    return Bracket(f"{name}(", given, ")")
