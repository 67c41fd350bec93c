"""A program in LangGraph's functional form in TypeScript: a task for each call, one entrypoint."""

from __future__ import annotations

from nbflow.export.layout import Block, Bracket, Statement, deeper, prefixed
from nbflow.export.program import Part, Program
from nbflow.export.quoting import WIDTH_CHARACTERS, ts_string
from nbflow.export.typescript import STEP, TypeScriptProgram, access, key, laid


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
    given = [*made.own_parameters(part), *(f"{one}: any" for one in made.alike(part))]
    label = ts_string(made.label[part.name])
    kind = "any" if part.samples is None else "Sample"
    opening, signature = f"const {made.node[part.name]} = task(", f"): Promise<{kind}> => {{"
    body = deeper(*statements, *made.judged(part, result))
    policy = made.policy(part, "retry")
    if not policy:
        return [Bracket(f"{opening}{label}, async (", given, signature), body, "});"]
    words = [f"name: {label}", *policy]
    head = Bracket(f"{opening}{{", words, f"}}, async ({', '.join(given)}{signature}", " ")
    return [head, body, "});"]


def _fan(made: TypeScriptProgram, part: Part, name: str) -> Block:
    folded, result = made.fan_of_calls(part)
    parameters = [f"{one}: any" for one in (*made.iterated(part), *made.alike(part))]
    return [
        Bracket(f"async function {name}(", parameters, "): Promise<any> {"),
        deeper(*folded, made.returned(result)),
        "}",
    ]


def _entrypoint(made: TypeScriptProgram, calls: dict[str, str]) -> Block:
    program = made.program
    fields = [f"{key(made.keys[name])}: any;" for name in program.inputs]
    fields += [f"{key(made.keys[name])}?: any;" for name in program.optional]
    read = [f"const {made.local[n]} = inputs{access(made.keys[n])};" for n in program.inputs]
    steps = [line for level in program.levels for line in _level(made, level, calls)]
    results = [_pair(key(made.keys[p.name]), made.local[p.name]) for p in program.parts]
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


def _pair(own_key: str, value: str) -> str:
    return value if own_key == value else f"{own_key}: {value}"


def _level(made: TypeScriptProgram, parts: list[Part], calls: dict[str, str]) -> Block:
    called = [_called(made, part, calls[part.name]) for part in parts]
    names = [made.local[part.name] for part in parts]
    if len(parts) == 1:
        return [laid(f"const {names[0]} = await ", called[0])]
    opening = f"const [{', '.join(names)}] = await Promise.all(["
    if len(STEP + opening) <= WIDTH_CHARACTERS:
        return [Bracket(opening, called, "]);")]
    targets = Bracket("const [", names, "] = await Promise.all([")
    return [targets, deeper(*(prefixed("", call, ",") for call in called)), "]);"]


def _called(made: TypeScriptProgram, part: Part, name: str) -> Bracket:
    given = [*made.iterated(part), *(made.local[one] for one in part.inputs)]
    if part.optional:
        names = ", ".join(ts_string(one) for one in part.optional)
        given.append(made.helped("given", f"inputs, [{names}]"))
    return Bracket(f"{name}(", given, ")")
