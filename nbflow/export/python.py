"""What both Python programs share: their head, their functions, and the work of one task.

Knows LangGraph only by the two words that say how a task is attempted; the two forms know the rest.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from nbflow.core.topology import Mode, mode_of
from nbflow.errors import FlowError
from nbflow.export import included
from nbflow.export.fan import FanOuts, Made, Types
from nbflow.export.functions import Functions
from nbflow.export.layout import (
    Block,
    Bracket,
    Code,
    Literal,
    Loop,
    Statement,
    deeper,
    prefixed,
    rendered,
)
from nbflow.export.names import PY_RESERVED, Names, state_keys
from nbflow.export.program import VERBS, Part, Program, Score, score_text
from nbflow.export.python_frame import (
    CALL_MODEL,
    INJECTED_WORDS,
    INNER_WORDS,
    MODULE_WORDS,
    import_block,
    joined,
    main_of,
    meanings,
)
from nbflow.export.quoting import SHORT_CHARACTERS, Text, lone, plain, py_string, py_text


class PythonProgram(FanOuts):
    """A program in Python while it is written; the forms add the nodes.

    Args:
        program: What it does.

    Raises:
        FlowError: a function can't be written down.
    """

    types = Types("Any", "str", "int", "list[Any]", "dict[str, Any]")

    def __init__(self, program: Program) -> None:
        self.program = program
        self.functions = Functions()
        self.imports: set[str] = {"import asyncio", "import json", "import sys"}
        self.imports.add("from typing import Any")
        self.helpers: set[str] = set()
        self.constants: list[Code] = []
        self.asks = False
        self._aliases: dict[str, str] = {}
        self._called = {part.name: self._function_of(part) for part in program.parts}
        self._judges = {part.name: self._judge_of(part) for part in program.parts}
        self._retry_on = {part.name: self._retried_by(part) for part in program.parts}
        reserved = {*PY_RESERVED, *MODULE_WORDS, *INNER_WORDS, *INJECTED_WORDS}
        reserved.update(self._aliases.values())
        taken = reserved | self.functions.names
        # A node may be called as its function is, for no code that calls the one reads the other.
        read = {*self._judges.values(), *self._retry_on.values()}
        self.names = Names(taken - ({*self._called.values()} - read - reserved))
        self.local = {name: self.names.new(name) for name in program.names}
        self.keys = state_keys(program.state)
        self.names = Names({*taken, *self.local.values(), *self.keys.values()})
        self.node = {
            part.name: self.names.new(f"{VERBS[part.kind]}_{self.local[part.name].strip('_')}")
            for part in program.parts
        }
        self._models = {p.name: self._models_of(p) for p in program.parts if p.side_by_side}

    # --- what a person's functions are called

    def _function_of(self, part: Part) -> str:
        if part.function is None:
            return ""
        return self._brought(part.function, part, part.source)

    def _judge_of(self, part: Part) -> str:
        judge = part.score.function if part.score else part.key
        return "" if judge is None else self._brought(judge, part)

    def _retried_by(self, part: Part) -> str:
        """The exceptions that are tried again, or the function that says so."""
        if part.retry_on is None:
            return ""
        kinds = _kinds(part.retry_on)
        if kinds is None:
            return self._brought(part.retry_on, part)
        names = [self.functions.add(kind, part.name) for kind in kinds]
        return names[0] if len(names) == 1 else f"({', '.join(names)})"

    def _brought(self, function: Callable[..., Any], part: Part, source: str = "") -> str:
        """What a function is called: not as something within the code that calls it."""
        name = self.functions.add(function, part.name, source)
        if name not in INNER_WORDS:
            return name
        return self._aliases.setdefault(name, f"{name}_function")

    def _refuse_clashes(self, own: Sequence[str]) -> None:
        """Refuse a person's name that means something else in the program's own blocks."""
        theirs = dict.fromkeys(self.functions.names, "") | meanings(self.functions.imports)
        ours = meanings(own)
        for name in sorted(theirs.keys() & ours.keys()):
            if not theirs[name] or theirs[name] != ours[name]:
                raise FlowError(
                    f"the flow can't be exported: {name!r} is a name of its Python code and of "
                    "the exported program; rename it."
                )

    # --- one task

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
            short = lone(text) or py_text(text)
            fits = len(short) <= SHORT_CHARACTERS
            return ([], short) if fits else ([_named("text", text)], "text")
        self.asks = True
        settings = self._settings(part)
        arguments: list[Code] = ["prompt", self._model(part), settings]
        return [_named("prompt", text)], Bracket("await call_model(", arguments, ")")

    def judged(self, part: Part, made: Code) -> Block:
        """The last statements of a task: what it returns, and of a sample what that counts as."""
        if part.samples is None:
            return [self.returned(made)]
        answer = prefixed("answer = ", made)
        judge = self._judges[part.name]
        if part.votes:
            key = f"{judge}(answer)" if judge else self.helped("normalised", "answer")
            return [answer, f"return {key}, answer"]
        assert part.score is not None
        return [answer, *self._scored(part.score, judge), "return score, answer"]

    def _scored(self, score: Score, judge: str) -> Block:
        if score.function is not None:
            called = (
                f"await {judge}(answer)"
                if mode_of(score.function) is Mode.COROUTINE
                else f"await asyncio.to_thread({judge}, answer)"
            )
            return [f"score = float({called})"]
        self.asks = True
        text = score_text(score, self.helped("as_text", "answer"))
        model = "None" if score.model is None else py_string(score.model)
        asked = Bracket(
            "verdict = await call_model(", ["prompt", model, _dict(score.settings)], ")"
        )
        return [
            _named("prompt", text),
            asked,
            f"score = {self.helped('first_number', 'verdict')}",
        ]

    def _call(self, part: Part, ref: Callable[[str], str]) -> Code:
        assert part.function is not None
        called = self._called[part.name]
        given = [f"{name}={ref(name)}" for name in part.parameters]
        given += ["**rest"] if part.optional else []
        match mode_of(inspect.unwrap(part.function)):
            case Mode.COROUTINE:
                return Bracket(f"await {called}(", given, ")")
            case Mode.ASYNC_GENERATOR:
                chunks = f"[chunk async for chunk in {called}({', '.join(given)})]"
                return self.helped("joined", chunks)
            case Mode.GENERATOR:
                chunks = self.helped("joined", f"list({called}({', '.join(given)}))")
                return Bracket("await asyncio.to_thread(", [f"lambda: {chunks}"], ")")
            case _:
                return Bracket("await asyncio.to_thread(", [called, *given], ")")

    def helped(self, helper: str, arguments: str) -> str:
        """The call of a function that the program brings with it."""
        self.helpers.add(helper)
        return f"{helper}({arguments})"

    def given(self, source: str, part: Part) -> Code:
        """Of what the program was given, what a function takes only if it is there."""
        self.helpers.add("given")
        names = Bracket("[", list(map(py_string, part.optional)), "]")
        return Bracket("given(", [source, names], ")")

    def _settings(self, part: Part) -> Code:
        settings = {word: repr(value) for word, value in part.settings.items()}
        if part.samples is not None:
            if "seed" in settings:
                settings["seed"] = f"({settings['seed']} + number) % 2**32"
            else:
                self.imports.add("import random")
                settings["seed"] = "random.randrange(2**32)"
        return Bracket("{", [f'"{word}": {value}' for word, value in settings.items()], "}")

    def _model(self, part: Part) -> str:
        if not part.side_by_side:
            model = part.models.get("")
            return "None" if model is None else py_string(model)
        return f"{self._models[part.name]}[model]" if part.is_labelled else "model"

    def _models_of(self, part: Part) -> str:
        """The constant that holds a node's models."""
        name = self.names.new(f"{self.local[part.name].strip('_').upper()}_MODELS")
        if part.is_labelled:
            pairs = part.models.items()
            items: list[Code] = [
                f"{py_string(label)}: {py_string(model or '')}" for label, model in pairs
            ]
            self.constants.append(Bracket(f"{name} = {{", items, "}"))
        else:
            self.constants.append(Bracket(f"{name} = [", list(map(py_string, part.models)), "]"))
        return name

    # --- many tasks

    def within(self, name: str, parameters: Sequence[str], *body: Statement) -> Block:
        """A function within a function."""
        own = [f"{one}: Any" for one in parameters]
        return [Bracket(f"async def {name}(", own, ") -> Any:"), deeper(*body), ""]

    def returned(self, result: Code) -> Code:
        """A statement that returns a result."""
        return prefixed("return ", result)

    def sampled(self, part: Part, call: Code) -> Made:
        """How its samples become one result."""
        clause = f"for number in range({part.samples})"
        samples = prefixed("samples = ", self._gathered("heard", call, clause, part.limit))
        if part.best:
            return [samples], self.helped("highest", "samples")
        needed = f", needed={part.needed}" if part.needed > 1 else ""
        return [samples], self.helped("majority", f"samples{needed}")

    def compared(self, part: Part, call: Code) -> Made:
        """How its models' answers become one result."""
        models = self._models[part.name]
        limit = None if part.samples else part.limit
        found = self._gathered("together", call, f"for model in {models}", limit)
        zipped = Bracket("zip(", [models, "answers", "strict=True"], ")")
        return [prefixed("answers = ", found)], Bracket("dict(", [zipped], ")")

    def gone_through(self, part: Part, call: Code, source: Callable[[str], str]) -> Made:
        """How the results for its elements become a list."""
        own = ", ".join(self.local[name] for name in part.elements)
        names = part.elements.values()
        lists: list[Code] = [self.helped("elements", source(name)) for name in names]
        through = lists[0]
        if len(part.elements) > 1:
            self.imports.add("from itertools import product")
            through = Bracket("product(", lists, ")")
        clause = prefixed(f"for {own} in ", through)
        return [], self._gathered("together", call, clause, part.limit)

    def _gathered(self, helper: str, call: Code, clause: Code, limit: int | None) -> Code:
        self.helpers.add(helper)
        if limit is None:
            return Loop(f"await {helper}(", call, clause, ")")
        return Bracket(f"await {helper}(", [Loop("(", call, clause, ")"), f"limit={limit}"], ")")

    def policy(self, part: Part) -> list[Code]:
        """How LangGraph is told to attempt a task, as keywords."""
        words: list[Code] = []
        if part.attempts > 1:
            self.imports.add("from langgraph.types import RetryPolicy")
            kinds = self._retry_on[part.name] or "Exception"
            given = [f"max_attempts={part.attempts}", "max_interval=30.0", f"retry_on={kinds}"]
            words.append(Bracket("retry_policy=RetryPolicy(", given, ")"))
        if part.timeout_seconds is not None:
            words.append(f"timeout={float(part.timeout_seconds)!r}")
        return words

    def attempts(self, part: Part) -> list[Code]:
        """The decorator of a task that LangGraph doesn't attempt; none if once is enough."""
        if part.attempts == 1 and part.timeout_seconds is None:
            return []
        self.helpers.add("attempts")
        words = [str(part.attempts)]
        if part.timeout_seconds is not None:
            words.append(f"timeout={float(part.timeout_seconds)!r}")
        kinds = self._retry_on[part.name]
        if kinds and part.retry_on is not None:
            is_function = _kinds(part.retry_on) is None
            on = kinds if is_function else f"lambda error: isinstance(error, {kinds})"
            words.append(f"retry_on={on}")
        return [Bracket("@attempts(", words, ")")]

    # --- the whole

    def written(self, form: str, body: Block, runs: str) -> str:
        """The program's text.

        Args:
            form: What it is, for people.
            body: The nodes and what ties them.
            runs: The name of what is run.
        """
        needed = self._with_needs(self.helpers)
        for name in needed:
            self.imports.update(n for n in included.NEEDS[name] if n.startswith(("import", "from")))
        if self.asks:
            self.imports.add("import os")
        asking = CALL_MODEL.rstrip() if self.asks else ""
        aliases = "\n".join(f"{alias} = {name}" for name, alias in self._aliases.items())
        brought = [inspect.getsource(getattr(included, name)).rstrip() for name in needed]
        nodes = "\n".join(rendered(body)).strip("\n")
        self._refuse_clashes([*self.imports, asking, aliases, nodes, *brought, main_of(runs)])
        blocks = [
            self._head(form, runs),
            import_block({*self.imports, *self.functions.imports}),
            "\n".join(rendered([*self.functions.constants, *self.constants])),
            asking,
            *self.functions.definitions,
            aliases,
            nodes,
            *brought,
            main_of(runs),
        ]
        return joined([re.sub(r"  # noqa: \w+", "", block) for block in blocks if block])

    def _with_needs(self, names: set[str]) -> list[str]:
        found = set(names)
        waiting = list(names)
        while waiting:
            for name in included.NEEDS[waiting.pop()]:
                if name in included.NEEDS and name not in found:
                    found.add(name)
                    waiting.append(name)
        return [name for name in included.NEEDS if name in found]

    def _head(self, form: str, runs: str) -> str:
        example = ", ".join(f'"{plain(self.keys[name])}": ...' for name in self.program.inputs)
        title = f"The flow {plain(self.program.name)}" if self.program.name else "A flow"
        text = [
            f'"""{title} as {form}, exported from nbflow.',
            "",
            *(["Needs: pip install langgraph openai"] if self.asks else ["Needs: langgraph"]),
            *(["Fill in `call_model` to ask another model."] if self.asks else []),
            f"Run: python FILE INPUTS, or await {runs}.ainvoke(INPUTS)",
            f"INPUTS: {{{example}}}",
        ]
        if self.program.differences:
            text += ["", *(f"* {line}" for line in self.program.differences)]
        return "\n".join([*text, '"""'])


def _named(name: str, text: Text) -> Statement:
    expression = lone(text)
    return f"{name} = {expression}" if expression else Literal(f"{name} = ", text, py_text)


def _dict(settings: Any) -> Code:
    return Bracket("{", [f'"{word}": {value!r}' for word, value in settings.items()], "}")


def _kinds(retry_on: Callable[[Exception], bool]) -> tuple[type[Exception], ...] | None:
    """The exceptions that are tried again; None if a function of the flow's own says so."""
    kinds = inspect.getclosurevars(retry_on).nonlocals.get("kinds")
    return kinds if isinstance(kinds, tuple) else None
