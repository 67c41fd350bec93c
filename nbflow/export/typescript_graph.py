"""A program as a LangGraph graph in TypeScript: each node reads the state and writes its key."""

from __future__ import annotations

from collections.abc import Callable

from nbflow.export.layout import Block, Bracket, Code, Headed, deeper, prefixed
from nbflow.export.program import Part, Program
from nbflow.export.quoting import ts_string
from nbflow.export.typescript import TypeScriptProgram, key, laid, pair

_LONGEST_CHAIN = 30
"""How many nodes a chain of calls may add: at 50, TypeScript finds the type too deep."""

_USUAL_LIMIT = 20
"""How many steps a graph may safely take under LangGraph's own limit, which is 25."""


def typescript_graph(program: Program) -> str:
    """The source of a `StateGraph` that does what the program does."""
    made = TypeScriptProgram(program)
    body = [*_state(made)]
    for part in program.parts:
        body += ["", *_node(made, part)]
    body += ["", *_graph(made)]
    return made.written("a LangGraph graph", "Annotation, END, START, StateGraph", body, "graph")


def _state(made: TypeScriptProgram) -> Block:
    types = dict.fromkeys(made.keys, made.types.anything)
    types |= {part.name: made.type_of(part) for part in made.program.parts}
    fields = [
        Headed(f"{key(made.keys[name])}:", f"Annotation<{kind}>(),") for name, kind in types.items()
    ]
    return ["const State = Annotation.Root({", deeper(*fields), "});"]


def _node(made: TypeScriptProgram, part: Part) -> Block:
    def ref(name: str) -> str:
        return made.local[name] if name in part.elements else made.value(name)

    own_key = key(made.keys[part.name])
    opening = f"async function {made.node[part.name]}("
    head = Bracket(opening, ["state: typeof State.State"], ") {")
    rest: list[Code] = []
    if part.optional:
        rest = [laid("const rest = ", made.given("state", part))]
    if part.fans_out:
        folded, result = made.fan(part, lambda given: Bracket("sample(", given, ")"), made.value)
        statements: Block = [*_sample(made, part, ref), *folded]
    else:
        statements, result = made.work(part, ref)
    return [head, deeper(*rest, *statements, made.returned(_keyed(own_key, result))), "}"]


def _sample(made: TypeScriptProgram, part: Part, ref: Callable[[str], str]) -> Block:
    """The function within a node that is called for each of its tasks."""
    around = made.attempts(part)
    statements, result = made.work(part, ref)
    body = deeper(*statements, *made.judged(part, result))
    own = made.own_parameters(part)
    if around is None:
        return [Bracket("const sample = async (", own, ") => {"), body, "};"]
    inner = deeper(f"{around[0]}async () => {{", body, f"}}{around[1]};")
    return [Bracket("const sample = (", own, ") =>"), inner]


def _keyed(own_key: str, result: Code) -> Code:
    item = pair(own_key, result) if isinstance(result, str) else prefixed(f"{own_key}: ", result)
    return Bracket("{", [item], "}", " ")


def _graph(made: TypeScriptProgram) -> Block:
    program = made.program
    calls: list[Code] = []
    for part in program.parts:
        policy = [] if part.fans_out else made.policy(part, "retryPolicy")
        options: list[Code] = [Bracket("{", policy, "}", " ")] if policy else []
        label = ts_string(made.label[part.name])
        given = [label, made.node[part.name], *options]
        calls.append(Bracket(".addNode(", given, ")", hugs=True))
    for part in program.parts:
        before = [ts_string(made.label[one]) for one in part.after]
        source: Code = "START"
        if before:
            source = before[0] if len(before) == 1 else Bracket("[", before, "]")
        calls.append(Bracket(".addEdge(", [source, ts_string(made.label[part.name])], ")"))
    calls += [f".addEdge({ts_string(made.label[part.name])}, END)" for part in program.ends]
    return [
        *_built(program, calls),
        "",
        f"export const graph = builder.compile(){_config(program)};",
    ]


def _built(program: Program, calls: list[Code]) -> Block:
    """The calls as a chain, which the compiler checks the names in, unless it gives up on those."""
    if len(program.parts) <= _LONGEST_CHAIN:
        calls[-1] = prefixed("", calls[-1], ";")
        return ["const builder = new StateGraph(State)", deeper(*calls)]
    types = ["typeof State.spec,", "typeof State.State,", "typeof State.Update,", "string"]
    return [
        "type Nodes = StateGraph<",
        deeper(*types),
        ">;",
        "const builder = new StateGraph(State) as Nodes;",
        *(prefixed("builder", call, ";") for call in calls),
    ]


def _config(program: Program) -> str:
    words = []
    if program.jobs is not None:
        words.append(f"maxConcurrency: {program.jobs}")
    if len(program.levels) > _USUAL_LIMIT:
        words.append(f"recursionLimit: {len(program.levels) + 5}")
    return f".withConfig({{ {', '.join(words)} }})" if words else ""
