"""What both TypeScript programs share: their head, the functions to be written, one task's work.

A Python function can't be translated: its place is taken by one that throws until somebody has
written it, with the Python above it. Knows TypeScript; the two forms know LangGraph.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbflow.export.fan import FanOuts, Made, Types
from nbflow.export.layout import (
    TYPESCRIPT,
    Block,
    Bracket,
    Code,
    Headed,
    Literal,
    Statement,
    deeper,
    prefixed,
    rendered,
)
from nbflow.export.names import TS_RESERVED, Names, camel, is_plain, state_keys
from nbflow.export.program import VERBS, Part, Program, Score, score_text
from nbflow.export.quoting import (
    SHORT_CHARACTERS,
    Hole,
    Text,
    columns,
    commented,
    lone,
    plain,
    ts_string,
    ts_text,
)
from nbflow.export.typescript_frame import (
    CALL_MODEL,
    HELPERS_OF,
    IMPORTS,
    OWN_WORDS,
    SAMPLE,
    included,
    main_of,
)


class TypeScriptProgram(FanOuts):
    """A program in TypeScript while it is written; the forms add the nodes.

    Args:
        program: What it does.
    """

    types = Types("any", "string", "number", "any[]", "Record<string, any>")

    def __init__(self, program: Program) -> None:
        self.program = program
        self.helpers: set[str] = set()
        self.constants: list[Statement] = []
        self.asks = False
        self._functions: list[Any] = []
        self.names = Names({*TS_RESERVED, *OWN_WORDS, *included()})
        self.keys = state_keys(program.state)
        self.local = {name: self._new(name) for name in program.names}
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
        return self._placeholder(part.name, part.function, part.source, inputs)

    def _judge_of(self, part: Part) -> str:
        judge = part.score.function if part.score else part.key
        if judge is None:
            return ""
        return self._placeholder(f"judge_{part.name}", judge, "", None)

    def _placeholder(
        self, name: str, function: Callable[..., Any], source: str, inputs: list[str] | None
    ) -> str:
        """A function that throws; it takes an answer if it isn't said which inputs."""
        own = self._properties.new(camel(name))
        try:
            source = source or textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError):
            source = f"the Python function {plain(getattr(function, '__name__', name))}"
        problem = ts_string(f"{name} is Python in nbflow: write it here, or set functions.{own}")
        self._functions += [
            *commented(source, "//"),
            *_signature(f"{key(own)}: async (", inputs),
            deeper(Bracket("throw new Error(", [problem], ");")),
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
        text = part.filled(lambda name: self.as_text(part, name, ref))
        if part.kind == "template":
            short = lone(text) or ts_text(text)
            fits = len(short) <= SHORT_CHARACTERS
            return ([], short) if fits else ([_named("text", text)], "text")
        self.asks = True
        given: list[Code] = ["prompt", self._model(part), self._settings(part)]
        return [_named("prompt", text)], Bracket("await callModel(", given, ")", hugs=True)

    def judged(self, part: Part, made: Code) -> Block:
        """The last statements of a task: what it returns, and of a sample what that counts as."""
        if part.samples is None:
            return [self.returned(made)]
        answer = laid("const answer = ", made)
        judge = self._judges[part.name]
        if part.votes:
            worth = f"await {judge}(answer)" if judge else self.helped("normalised", "answer")
            return [answer, f"return {{ worth: {worth}, answer }};"]
        assert part.score is not None
        return [answer, *self._scored(part.score, judge), "return { worth, answer };"]

    def _scored(self, score: Score, judge: str) -> Block:
        if score.function is not None:
            return [f"const worth = {self.helped('scored', f'await {judge}(answer)')};"]
        self.asks = True
        text = score_text(score, self.helped("as_text", "answer"))
        model = "null" if score.model is None else ts_string(score.model)
        given: list[Code] = ["question", model, _object(score.settings)]
        return [
            _named("question", text),
            laid("const verdict = ", Bracket("await callModel(", given, ")", hugs=True)),
            f"const worth = {self.helped('first_number', 'verdict')};",
        ]

    def _call(self, part: Part, ref: Callable[[str], str]) -> Code:
        given: list[Code] = [pair(key(name), ref(name)) for name in part.parameters]
        if part.optional:
            given.append("...rest")
        called = f"await {self._called[part.name]}("
        return Bracket(f"{called}{{", given, "})", " ") if given else f"{called}{{}})"

    def helped(self, helper: str, arguments: str) -> str:
        """The call of a function that the program brings with it."""
        name = camel(helper)
        self.helpers.add(name)
        return f"{name}({arguments})"

    def given(self, source: str, part: Part) -> Code:
        """Of what the program was given, what a function takes only if it is there."""
        self.helpers.add("given")
        names = Bracket("[", list(map(ts_string, part.optional)), "]")
        return Bracket("given(", [source, names], ")", hugs=True)

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
        return f"{self._models[part.name]}.get(model)!" if part.is_labelled else "model"

    def _models_of(self, part: Part) -> str:
        """The constant that holds a node's models."""
        name = self._new(f"{self.local[part.name]}_models")
        if part.is_labelled:
            opening = f"const {name} = new Map(["
            pairs = [
                Bracket("[", [ts_string(label), ts_string(model or "")], "]")
                for label, model in part.models.items()
            ]
            if len(pairs) == 1:
                self.constants.append(Bracket(opening, pairs, "]);"))
            else:  # which no formatter leaves on one line
                broken = deeper(*(prefixed("", one, ",") for one in pairs))
                self.constants += [opening, broken, "]);"]
        else:
            labels = list(map(ts_string, part.models))
            self.constants.append(Bracket(f"const {name} = [", labels, "];"))
        return name

    # --- many tasks

    def within(self, name: str, parameters: Sequence[str], *body: Statement) -> Block:
        """A function within a function."""
        own = [f"{one}: any" for one in parameters]
        return [Bracket(f"const {name} = async (", own, ") => {"), deeper(*body), "};"]

    def returned(self, result: Code) -> Code:
        """A statement that returns a result."""
        return laid("return ", result)

    def sampled(self, part: Part, call: Code) -> Made:
        """How its samples become one result."""
        given: list[Code] = [str(part.samples), Headed("(number) =>", call)]
        samples = laid("const samples = ", self._gathered("heard", given, part.limit))
        if part.best:
            return [samples], self.helped("highest", "samples")
        needed = f", {part.needed}" if part.needed > 1 else ""
        return [samples], self.helped("majority", f"samples{needed}")

    def compared(self, part: Part, call: Code) -> Made:
        """How its models' answers become one result."""
        models = self._models[part.name]
        labels = f"[...{models}.keys()]" if part.is_labelled else models
        given: list[Code] = [labels, Headed("(model) =>", call)]
        limit = None if part.samples else part.limit
        self.helpers.add("together")
        return [], self._gathered("byModel", given, limit)

    def gone_through(self, part: Part, call: Code, source: Callable[[str], str]) -> Made:
        """How the results for its elements become a list."""
        own = ", ".join(self.local[name] for name in part.elements)
        names = part.elements.values()
        lists: list[Code] = [self.helped("elements", source(name)) for name in names]
        through = lists[0]
        if len(part.elements) > 1:
            own = f"[{own}]"
            self.helpers.add("product")
            through = Bracket("product(", lists, ")")
        return [], self._gathered("together", [through, Headed(f"({own}) =>", call)], part.limit)

    def _gathered(self, helper: str, given: Sequence[Code], limit: int | None) -> Bracket:
        self.helpers.add(helper)
        items = [*given, *([] if limit is None else [str(limit)])]
        return Bracket(f"await {helper}(", items, ")", hugs=True)

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
        needed = self.helpers.union(*(HELPERS_OF.get(name, ()) for name in self.helpers))
        brought = [block for name, block in included().items() if name in needed]
        blocks = [
            "\n".join(self._head(form, runs)),
            IMPORTS.format(imports=imports),
            CALL_MODEL if self.asks else "",
            self._placeholders(),
            SAMPLE if sampled else "",
            "\n".join(rendered(self.constants, TYPESCRIPT)),
            "\n".join(rendered(body, TYPESCRIPT)).strip("\n"),
            *brought,
            main_of(runs),
        ]
        return "\n\n".join(block for block in blocks if block) + "\n"

    def _placeholders(self) -> str:
        if not self._functions:
            return ""
        head = "/** The flow's Python functions, to be written again: each throws until it is. */"
        block: Block = [head, "export const functions = {", deeper(*self._functions), "};"]
        return "\n".join(rendered(block, TYPESCRIPT))

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
            f" * Run: npx tsx FILE INPUTS, or await {runs}.invoke(INPUTS)",
            f" * INPUTS: {{ {example} }}" if example else " * INPUTS: {}",
            *([" *", *(f" * - {line}" for line in notes)] if notes else []),
            " */",
        ]


def laid(before: str, code: Code) -> Code:
    """A statement: what stands before an expression, and the expression."""
    return prefixed(before, code, ";")


def _named(name: str, text: Text) -> Statement:
    if expression := lone(text):
        return f"const {name} = {expression};"
    has_hole = any(isinstance(part, Hole) for part in text)
    return Literal(f"const {name} = ", text, ts_text, ("", " +", ""), ";", keeps=has_hole)


def _signature(opening: str, inputs: Sequence[str] | None) -> Block:
    """The head of a function whose only parameter is an object with these properties."""
    if inputs is None:
        return [f"{opening}_answer: any): Promise<any> => {{"]
    line = f"{opening}_inputs: {{ {'; '.join(inputs)} }}): Promise<any> => {{"
    if not inputs:
        return [f"{opening}_inputs: {{}}): Promise<any> => {{"]
    if columns(line) + 2 * len(TYPESCRIPT.step) <= TYPESCRIPT.width_characters:
        return [line]
    properties = deeper(*(f"{one};" for one in inputs))
    return [f"{opening}_inputs: {{", properties, "}): Promise<any> => {"]


def _object(settings: Mapping[str, Any]) -> Code:
    pairs = [f"{word}: {value}" for word, value in settings.items()]
    return Bracket("{", pairs, "}", " ") if pairs else "{}"


def pair(own_key: str, value: str) -> Code:
    """A property of an object, in short if its value is called as it is."""
    if own_key == value:
        return value
    is_template = value.startswith("`")
    return f"{own_key}: {value}" if is_template else Headed(f"{own_key}:", value)


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
