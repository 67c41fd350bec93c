"""What both TypeScript programs share: their head, the functions to be written, one task's work.

A Python function can't be translated: its place is taken by one that throws until somebody has
written it, with the Python above it. Knows TypeScript; the two forms know LangGraph.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbflow.export.fan import FanOuts, Made
from nbflow.export.layout import (
    Block,
    Bracket,
    Code,
    Literal,
    Statement,
    deeper,
    prefixed,
    rendered,
)
from nbflow.export.names import TS_RESERVED, Names, camel, is_plain, state_keys
from nbflow.export.program import VERBS, Part, Program, Score, score_text
from nbflow.export.quoting import (
    Text,
    commented,
    plain,
    ts_string,
    ts_text,
)
from nbflow.export.typescript_frame import (
    CALL_MODEL,
    IMPORTS,
    OWN_WORDS,
    SAMPLE,
    included,
    main_of,
)

STEP = "  "


class TypeScriptProgram(FanOuts):
    """A program in TypeScript while it is written; the forms add the nodes.

    Args:
        program: What it does.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.helpers: set[str] = set()
        self.constants: list[Code] = []
        self.asks = False
        self._functions: list[Any] = []
        taken = {*TS_RESERVED, *OWN_WORDS, *included()}
        self.names = Names(taken)
        every = [*program.inputs, *program.optional, *(part.name for part in program.parts)]
        elements = (name for part in program.parts for name in part.elements)
        self.keys = state_keys(every)
        self.local = {n: self.names.new(camel(n)) for n in dict.fromkeys([*every, *elements])}
        self.labels = Names(self.keys.values())
        self.node = {
            part.name: self._new(f"{VERBS[part.kind]}_{part.name}") for part in program.parts
        }
        self.label = {
            part.name: self.labels.new(f"{VERBS[part.kind]}_{part.name.strip('_')}")
            for part in program.parts
        }
        self._models = {p.name: self._models_of(p) for p in program.parts if p.side_by_side}
        self._properties = Names(())
        self._called = {part.name: self._function_of(part) for part in program.parts}
        self._judges = {part.name: self._judge_of(part) for part in program.parts}

    def _new(self, name: str) -> str:
        return self.names.new(camel(name))

    # --- functions that have to be written again

    def _function_of(self, part: Part) -> str:
        if part.function is None:
            return ""
        inputs = [f"{key(name)}: any" for name in part.parameters]
        inputs += [f"{key(name)}?: any" for name in part.optional]
        kind = f"{{ {'; '.join(inputs)} }}" if inputs else "{}"
        return self._placeholder(part.name, part.function, part.source, f"_inputs: {kind}")

    def _judge_of(self, part: Part) -> str:
        judge = part.score.function if part.score else part.key
        if judge is None:
            return ""
        return self._placeholder(f"judge_{part.name}", judge, "", "_answer: any")

    def _placeholder(
        self, name: str, function: Callable[..., Any], source: str, parameter: str
    ) -> str:
        own = self._properties.new(camel(name))
        try:
            source = source or textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError):
            source = f"the Python function {plain(getattr(function, '__name__', name))}"
        problem = ts_string(f"{name} is Python in nbflow: write it here, or set functions.{own}")
        self._functions += [
            *commented(source, "//"),
            Bracket(f"{key(own)}: async (", [parameter], "): Promise<any> => {"),
            deeper(f"throw new Error({problem});"),
            "},",
        ]
        return f"functions{access(own)}"

    # --- one task

    def value(self, name: str) -> str:
        """The state's value of a name."""
        return f"state{access(self.keys[name])}"

    def work(self, part: Part, ref: Callable[[str], str]) -> Made:
        """What one task of a node does: statements, and the expression of its result.

        Args:
            part: The node.
            ref: The expression for a name that it reads.
        """
        if part.kind == "python":
            return [], self._call(part, ref)
        text = part.filled(lambda name: self._as_text(part, name, ref))
        if part.kind == "template":
            return [_named("text", text)], "text"
        self.asks = True
        given: list[Code] = ["prompt", self._model(part), self._settings(part)]
        return [_named("prompt", text)], Bracket("await callModel(", given, ")")

    def judged(self, part: Part, made: Code) -> Block:
        """The last statements of a task: what it returns, and of a sample what that counts as."""
        if part.samples is None:
            return [laid("return ", made)]
        answer = laid("const answer = ", made)
        judge = self._judges[part.name]
        if part.votes:
            if not judge:
                self.helpers.add("normalised")
            worth = f"await {judge}(answer)" if judge else "normalised(answer)"
            return [answer, f"return {{ worth: {worth}, answer }};"]
        assert part.score is not None
        return [answer, *self._scored(part.score, judge), "return { worth, answer };"]

    def _scored(self, score: Score, judge: str) -> Block:
        if score.function is not None:
            self.helpers.add("scored")
            return [f"const worth = scored(await {judge}(answer));"]
        self.asks = True
        self.helpers.update(("firstNumber", "scored", "asText", "areTexts"))
        text = score_text(score, "asText(answer)")
        model = "null" if score.model is None else ts_string(score.model)
        given: list[Code] = ["question", model, _object(score.settings)]
        return [
            _named("question", text),
            laid("const verdict = ", Bracket("await callModel(", given, ")")),
            "const worth = firstNumber(verdict);",
        ]

    def _call(self, part: Part, ref: Callable[[str], str]) -> Code:
        given = [f"{key(name)}: {ref(name)}" for name in part.parameters]
        if part.optional:
            given.append("...rest")
        called = f"await {self._called[part.name]}("
        return Bracket(f"{called}{{", given, "})", " ") if given else f"{called}{{}})"

    def _as_text(self, part: Part, name: str, ref: Callable[[str], str]) -> str:
        expression = ref(name)
        if name in part.own:
            self.helpers.add("ownAnswer")
            expression = f"ownAnswer({expression}, model)"
        elif name not in part.elements and self._is_text(name):
            return expression
        self.helpers.update(("asText", "areTexts"))
        return f"asText({expression})"

    def _is_text(self, name: str) -> bool:
        found = (part for part in self.program.parts if part.name == name)
        return any(type_of(part) == "string" for part in found)

    def _settings(self, part: Part) -> Code:
        settings = {word: repr(value) for word, value in part.settings.items()}
        if part.samples is not None:
            seed = settings.get("seed")
            fresh = "Math.floor(Math.random() * 2 ** 32)"
            settings["seed"] = f"({seed} + number) % 2 ** 32" if seed else fresh
        return _object(settings)

    def _model(self, part: Part) -> str:
        if not part.side_by_side:
            model = part.models.get("")
            return "null" if model is None else ts_string(model)
        same = all(label == model for label, model in part.models.items())
        return "model" if same else f"{self._models[part.name]}.get(model)!"

    def _models_of(self, part: Part) -> str:
        """The constant that holds a node's models."""
        name = self._new(f"{self.local[part.name]}_models")
        pairs = part.models.items()
        if all(label == model for label, model in pairs):
            written = Bracket(f"const {name} = [", [ts_string(label) for label, _ in pairs], "];")
        else:
            items = [f"[{ts_string(label)}, {ts_string(model or '')}]" for label, model in pairs]
            written = Bracket(f"const {name} = new Map([", items, "]);")
        self.constants.append(written)
        return name

    def _labels_of(self, part: Part) -> str:
        same = all(label == model for label, model in part.models.items())
        name = self._models[part.name]
        return name if same else f"[...{name}.keys()]"

    # --- many tasks

    def within(self, name: str, parameters: Sequence[str], *body: Statement) -> Block:
        """A function within a function."""
        own = [f"{one}: any" for one in parameters]
        return [Bracket(f"const {name} = async (", own, ") => {"), deeper(*body), "};"]

    def returned(self, result: Code) -> Code:
        """A statement that returns a result."""
        return laid("return ", result)

    def sampled(self, part: Part, call: str) -> Made:
        """How its samples become one result."""
        self.helpers.update(("heard", "together", "highest" if part.best else "majority"))
        limit = [] if part.limit is None else [str(part.limit)]
        given = [str(part.samples), f"(number) => {call}", *limit]
        samples = laid("const samples = ", Bracket("await heard(", given, ")"))
        if part.best:
            return [samples], "highest(samples)"
        needed = f", {part.needed}" if part.needed > 1 else ""
        return [samples], f"majority(samples{needed})"

    def compared(self, part: Part, call: str) -> Made:
        """How its models' answers become one result."""
        self.helpers.add("together")
        labels = self._labels_of(part)
        limit = [] if part.limit is None or part.samples else [str(part.limit)]
        given = [labels, f"async (model) => [model, await {call}] as const", *limit]
        answers = laid("const pairs = ", Bracket("await together(", given, ")"))
        return [answers], "Object.fromEntries(pairs)"

    def gone_through(self, part: Part, call: str, source: Callable[[str], str]) -> Made:
        """How the results for its elements become a list."""
        self.helpers.update(("together", "elements"))
        own = ", ".join(self.local[name] for name in part.elements)
        lists = ", ".join(f"elements({source(name)})" for name in part.elements.values())
        if len(part.elements) > 1:
            self.helpers.add("product")
            own, lists = f"([{own}])", f"product({lists})"
        else:
            own = f"({own})"
        limit = [] if part.limit is None else [str(part.limit)]
        return [], Bracket("await together(", [lists, f"{own} => {call}", *limit], ")")

    def own_parameters(self, part: Part) -> list[str]:
        """What one task of a node with many is given of its own, with types."""
        own = [f"{self.local[name]}: any" for name in part.elements]
        own += ["model: string"] if part.side_by_side else []
        return own + (["number: number"] if part.samples is not None else [])

    def policy(self, part: Part, retry: str) -> list[Code]:
        """How LangGraph is told to attempt a task, as properties; `retry` is the first's name."""
        words: list[Code] = []
        if part.attempts > 1:
            given = [f"maxAttempts: {part.attempts}", "maxInterval: 30_000", "retryOn: () => true"]
            words.append(Bracket(f"{retry}: {{", given, "}", " "))
        if part.timeout_seconds is not None:
            words.append(f"timeout: {_milliseconds(part.timeout_seconds)}")
        return words

    def attempts(self, part: Part) -> tuple[str, str] | None:
        """What stands around a task that LangGraph doesn't attempt; None if once is enough."""
        if part.attempts == 1 and part.timeout_seconds is None:
            return None
        self.helpers.add("attempts")
        timeout = part.timeout_seconds
        late = "null" if timeout is None else str(_milliseconds(timeout))
        return f"attempts({part.attempts}, {late}, ", ")"

    # --- the whole

    def written(self, form: str, imports: str, body: Block, runs: str) -> str:
        """The program's text.

        Args:
            form: What it is, for people.
            imports: The names it imports from LangGraph.
            body: The nodes and what ties them.
            runs: The name of what is run.
        """
        sampled = any(part.samples for part in self.program.parts)
        brought = [block for name, block in included().items() if name in self.helpers]
        blocks = [
            "\n".join(self._head(form, runs)),
            IMPORTS.format(imports=imports),
            CALL_MODEL if self.asks else "",
            self._placeholders(),
            SAMPLE if sampled else "",
            "\n".join(rendered(self.constants, STEP)),
            "\n".join(rendered(body, STEP)).strip("\n"),
            *brought,
            main_of(runs),
        ]
        return "\n\n".join(block for block in blocks if block) + "\n"

    def _placeholders(self) -> str:
        if not self._functions:
            return ""
        head = "/** The flow's Python functions, to be written again: each throws until it is. */"
        block: Block = [head, "export const functions = {", deeper(*self._functions), "};"]
        return "\n".join(rendered(block, STEP))

    def _head(self, form: str, runs: str) -> list[str]:
        example = ", ".join(f"{plain(key(self.keys[name]))}: ..." for name in self.program.inputs)
        title = f"The flow {plain(self.program.name)}" if self.program.name else "A flow"
        notes = list(self.program.differences)
        notes += [
            f"{part.name}: every failure is tried again; retry_on is Python."
            for part in self.program.parts
            if part.retry_on is not None
        ]
        return [
            "/**",
            f" * {title} as {form}, exported from nbflow.",
            " *",
            " * Needs: npm install @langchain/langgraph @langchain/core",
            f" * Run: await {runs}.invoke({{ {example} }})",
            *([" *", *(f" * - {plain(line)}" for line in notes)] if notes else []),
            " */",
        ]


def type_of(part: Part) -> str:
    """The type of a node's result."""
    if part.elements:
        return "any[]"
    if part.side_by_side:
        return "Record<string, any>"
    return "any" if part.kind == "python" else "string"


def laid(before: str, code: Code) -> Code:
    """A statement: what stands before an expression, and the expression."""
    return prefixed(before, code, ";")


def _named(name: str, text: Text) -> Literal:
    return Literal(f"const {name} = ", text, ts_text, ("", " +", ""), ";")


def _object(settings: Mapping[str, Any]) -> Code:
    pairs = [f"{word}: {value}" for word, value in settings.items()]
    return Bracket("{", pairs, "}", " ") if pairs else "{}"


def key(name: str) -> str:
    """A name as a key of an object; a `__proto__` that isn't computed would be its prototype."""
    if name == "__proto__":
        return '["__proto__"]'
    return name if is_plain(name) else ts_string(name)


def access(name: str) -> str:
    """The access to a key of an object."""
    return f".{name}" if is_plain(name) else f"[{ts_string(name)}]"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
