"""A program in LangGraph's functional form in TypeScript: a task for each call, one entrypoint."""

from __future__ import annotations

from nbflow.export.layout import (
    TYPESCRIPT,
    Block,
    Bracket,
    Callback,
    Code,
    Headed,
    Statement,
    deeper,
    prefixed,
)
from nbflow.export.program import Part, Program
from nbflow.export.quoting import columns, ts_string
from nbflow.export.typescript import TypeScriptProgram, access, key, laid, pair


def typescript_functional(program: Program) -> str:
    """The source of an `entrypoint` that does what the program does."""
    made = TypeScriptProgram(program)
    body: list[Statement] = []
    calls = {}
    for part in program.parts:
        body += [*_task(made, part), ""]
        calls[part.name] = made.node[part.name]
        if part.fans_out:
            name = made.names.new(made.node[part.name] + "Many")
            body += [*_fan(made, part, name), ""]
            calls[part.name] = name
    body += _entrypoint(made, calls)
    return made.written("a LangGraph entrypoint", "entrypoint, task", body, "workflow")


def _task(made: TypeScriptProgram, part: Part) -> Block:
    statements, result = made.work(part, made.local.__getitem__)
    given = [*made.own_parameters(part), *made.alike_typed(part)]
    label = ts_string(made.label[part.name])
    policy = made.policy(part, "retry")
    words: Code = Bracket("{", [f"name: {label}", *policy], "}", " ") if policy else label
    body = [*statements, *made.judged(part, result)]
    signature = Bracket("async (", given, ") => {")
    return [Callback(f"const {made.node[part.name]} = task(", [words], signature, body, ");")]


def _fan(made: TypeScriptProgram, part: Part, name: str) -> Block:
    folded, result = made.fan_of_calls(part)
    parameters = [*made.iterated_typed(part), *made.alike_typed(part)]
    return [
        Bracket(f"async function {name}(", parameters, ") {"),
        deeper(*folded, made.returned(result)),
        "}",
    ]


def _entrypoint(made: TypeScriptProgram, calls: dict[str, str]) -> Block:
    program = made.program
    fields = [f"{key(made.keys[name])}: any;" for name in program.inputs]
    fields += [f"{key(made.keys[name])}?: any;" for name in program.optional]
    read = [
        Headed(f"const {made.local[name]} =", f"inputs{access(made.keys[name])};")
        for name in program.inputs
    ]
    steps = [line for level in program.levels for line in _level(made, level, calls)]
    results = [pair(key(made.keys[p.name]), made.local[p.name]) for p in program.parts]
    jobs = program.jobs
    limit = "" if jobs is None else f".withConfig({{ maxConcurrency: {jobs} }})"
    kind: Block = ["export type Inputs = Record<string, never>;"]
    if fields:
        kind = ["export type Inputs = {", deeper(*fields), "};"]
    return [
        *kind,
        "",
        'export const workflow = entrypoint("workflow", async (inputs: Inputs) => {',
        deeper(*read, *steps, made.returned(Bracket("{", results, "}", " "))),
        f"}}){limit};",
    ]


def _level(made: TypeScriptProgram, parts: list[Part], calls: dict[str, str]) -> Block:
    called = [_called(made, part, calls[part.name]) for part in parts]
    names = [made.local[part.name] for part in parts]
    if len(parts) == 1:
        return [laid(f"const {names[0]} = await ", called[0])]
    opening = f"const [{', '.join(names)}] = await Promise.all(["
    if columns(TYPESCRIPT.step + opening) <= TYPESCRIPT.width_characters:
        return [Bracket(opening, called, "]);")]
    head = f"const [{', '.join(names)}] ="
    if columns(TYPESCRIPT.step + head) <= TYPESCRIPT.width_characters:
        return [Headed(head, Bracket("await Promise.all([", called, "]);"))]
    targets = Bracket("const [", names, "] = await Promise.all([")
    return [targets, deeper(*(prefixed("", call, ",") for call in called)), "]);"]


def _called(made: TypeScriptProgram, part: Part, name: str) -> Bracket:
    given: list[Code] = [*made.iterated(part), *(made.local[one] for one in part.inputs)]
    if part.optional:
        given.append(made.given("inputs", part))
    return Bracket(f"{name}(", given, ")", hugs=True)
