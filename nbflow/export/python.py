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
from nbflow.export.fan import FanOuts, Made
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
    MODULE_WORDS,
    OWN_IMPORTS,
    OWN_WORDS,
    import_block,
    joined,
    main_of,
)
from nbflow.export.quoting import plain, py_string, py_text

_SHORT_CHARACTERS = 72


class PythonProgram(FanOuts):
    """A program in Python while it is written; the forms add the nodes.

    Args:
        program: What it does.

    Raises:
        FlowError: a function can't be written down.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.functions = Functions()
        self.imports: set[str] = {"import asyncio", "import json", "import sys"}
        self.imports.add("from typing import Any")
        self.helpers: set[str] = set()
        self.constants: list[Code] = []
        self.asks = False
        self._called = {part.name: self._function_of(part) for part in program.parts}
        self._judges = {part.name: self._judge_of(part) for part in program.parts}
        self._retry_on = {part.name: self._retried_by(part) for part in program.parts}
        self._add_clashes()
        taken = {*PY_RESERVED, *OWN_WORDS, *included.NEEDS, *self.functions.names}
        # A node may be called as its function is, for no code that calls the one reads the other.
        read = {*self._judges.values(), *self._retry_on.values()}
        self.names = Names(taken - ({*self._called.values()} - read - {*PY_RESERVED, *OWN_WORDS}))
        every = [*program.inputs, *program.optional, *(part.name for part in program.parts)]
        elements = (name for part in program.parts for name in part.elements)
        self.local = {name: self.names.new(name) for name in dict.fromkeys([*every, *elements])}
        self.keys = state_keys(every)
        self.names = Names({*taken, *self.local.values(), *self.keys.values()})
        self.node = {
            part.name: self.names.new(f"{VERBS[part.kind]}_{self.local[part.name].strip('_')}")
            for part in program.parts
        }
        self._text_of_models = {
            part.name: self._models_of(part) for part in program.parts if part.side_by_side
        }

    # --- what a person's functions are called

    def _function_of(self, part: Part) -> str:
        if part.function is None:
            return ""
        return self.functions.add(part.function, part.name, part.source)

    def _judge_of(self, part: Part) -> str:
        judge = part.score.function if part.score else part.key
        return "" if judge is None else self.functions.add(judge, part.name)

    def _retried_by(self, part: Part) -> str:
        """The exceptions that are tried again, or the function that says so."""
        if part.retry_on is None:
            return ""
        kinds = inspect.getclosurevars(part.retry_on).nonlocals.get("kinds")
        if not isinstance(kinds, tuple):
            return self.functions.add(part.retry_on, part.name)
        names = [self.functions.add(kind, part.name) for kind in kinds]
        return names[0] if len(names) == 1 else f"({', '.join(names)})"

    def _add_clashes(self) -> None:
        own = {*OWN_WORDS, *included.NEEDS} & self.functions.names
        allowed = {line.split()[-1] for line in self.functions.imports if line in OWN_IMPORTS}
        for name in sorted(own - allowed):
            if name in MODULE_WORDS:
                raise FlowError(
                    f"the flow can't be exported: {name!r} is a name of its Python code and of the "
                    "exported program; rename it."
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
        text = part.filled(lambda name: self._as_text(part, name, ref))
        if part.kind == "template":
            short = py_text(text)
            fits = len(short) <= _SHORT_CHARACTERS and not part.fans_out
            return ([], short) if fits else ([Literal("text = ", text, py_text)], "text")
        self.asks = True
        settings = self._settings(part)
        arguments: list[Code] = ["prompt", self._model(part), settings]
        return [Literal("prompt = ", text, py_text)], Bracket("await call_model(", arguments, ")")

    def judged(self, part: Part, made: Code) -> Block:
        """The last statements of a task: what it returns, and of a sample what that counts as."""
        if part.samples is None:
            return [prefixed("return ", made)]
        answer = prefixed("answer = ", made)
        judge = self._judges[part.name]
        if part.votes:
            if not judge:
                self.helpers.add("normalised")
            key = f"{judge or 'normalised'}(answer)"
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
        self.helpers.update(("first_number", "as_text"))
        text = score_text(score, "as_text(answer)")
        model = "None" if score.model is None else py_string(score.model)
        asked = Bracket(
            "verdict = await call_model(", ["prompt", model, _dict(score.settings)], ")"
        )
        return [
            Literal("prompt = ", text, py_text),
            asked,
            "score = first_number(verdict)",
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
                self.helpers.add("joined")
                return f"joined([chunk async for chunk in {called}({', '.join(given)})])"
            case Mode.GENERATOR:
                self.helpers.add("joined")
                inner = f"lambda: joined(list({called}({', '.join(given)})))"
                return Bracket("await asyncio.to_thread(", [inner], ")")
            case _:
                return Bracket("await asyncio.to_thread(", [called, *given], ")")

    def _as_text(self, part: Part, name: str, ref: Callable[[str], str]) -> str:
        expression = ref(name)
        if name in part.own:
            self.helpers.add("own_answer")
            expression = f"own_answer({expression}, model)"
        elif name not in part.elements and self._is_text(name):
            return expression
        self.helpers.add("as_text")
        return f"as_text({expression})"

    def _is_text(self, name: str) -> bool:
        found = (part for part in self.program.parts if part.name == name)
        return any(part.kind != "python" and not _has_many(part) for part in found)

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
        same = all(label == model for label, model in part.models.items())
        return "model" if same else f"{self._text_of_models[part.name]}[model]"

    def _models_of(self, part: Part) -> str:
        """The constant that holds a node's models."""
        name = self.names.new(f"{self.local[part.name].strip('_').upper()}_MODELS")
        pairs = part.models.items()
        if all(label == model for label, model in pairs):
            written = Bracket(f"{name} = [", [py_string(label) for label, _ in pairs], "]")
        else:
            items = [f"{py_string(label)}: {py_string(model or '')}" for label, model in pairs]
            written = Bracket(f"{name} = {{", items, "}")
        self.constants.append(written)
        return name

    # --- many tasks

    def within(self, name: str, parameters: Sequence[str], *body: Statement) -> Block:
        """A function within a function."""
        own = [f"{one}: Any" for one in parameters]
        return [Bracket(f"async def {name}(", own, ") -> Any:"), deeper(*body), ""]

    def returned(self, result: Code) -> Code:
        """A statement that returns a result."""
        return prefixed("return ", result)

    def sampled(self, part: Part, call: str) -> Made:
        """How its samples become one result."""
        clause = f"for number in range({part.samples})"
        samples = self._gathered("samples = await heard", call, clause, part.limit)
        self.helpers.add("heard")
        if part.best:
            self.helpers.add("highest")
            return [samples], "highest(samples)"
        self.helpers.add("majority")
        needed = f", needed={part.needed}" if part.needed > 1 else ""
        return [samples], f"majority(samples{needed})"

    def compared(self, part: Part, call: str) -> Made:
        """How its models' answers become one result."""
        models = self._text_of_models[part.name]
        self.helpers.add("together")
        clause = f"for model in {models}"
        limit = None if part.samples else part.limit
        found = self._gathered("answers = await together", call, clause, limit)
        return [found], f"dict(zip({models}, answers, strict=True))"

    def gone_through(self, part: Part, call: str, source: Callable[[str], str]) -> Made:
        """How the results for its elements become a list."""
        self.helpers.update(("together", "elements"))
        own = ", ".join(self.local[name] for name in part.elements)
        lists = ", ".join(f"elements({source(name)})" for name in part.elements.values())
        if len(part.elements) > 1:
            self.imports.add("from itertools import product")
            lists = f"product({lists})"
        clause = f"for {own} in {lists}"
        if part.limit is None:
            return [], Loop("await together(", call, clause, ")")
        given = [f"({call} {clause})", f"limit={part.limit}"]
        return [], Bracket("await together(", given, ")")

    def _gathered(self, opening: str, call: str, clause: str, limit: int | None) -> Code:
        if limit is None:
            return Loop(f"{opening}(", call, clause, ")")
        loop = f"({call} {clause})"
        return Bracket(f"{opening}(", [loop, f"limit={limit}"], ")")

    def own_parameters(self, part: Part) -> list[str]:
        """What one task of a node with many is given of its own, with types."""
        own = [f"{self.local[name]}: Any" for name in part.elements]
        own += ["model: str"] if part.side_by_side else []
        return own + (["number: int"] if part.samples is not None else [])

    def policy(self, part: Part) -> list[str]:
        """How LangGraph is told to attempt a task, as keywords."""
        words = []
        if part.attempts > 1:
            self.imports.add("from langgraph.types import RetryPolicy")
            kinds = self._retry_on[part.name] or "Exception"
            words.append(
                f"retry_policy=RetryPolicy(max_attempts={part.attempts}, max_interval=30.0, "
                f"retry_on={kinds})"
            )
        if part.timeout_seconds is not None:
            words.append(f"timeout={float(part.timeout_seconds)!r}")
        return words

    def attempts(self, part: Part) -> list[str]:
        """The decorator of a task that LangGraph doesn't attempt; none if once is enough."""
        if part.attempts == 1 and part.timeout_seconds is None:
            return []
        self.helpers.add("attempts")
        words = [str(part.attempts)]
        if part.timeout_seconds is not None:
            words.append(f"timeout={float(part.timeout_seconds)!r}")
        kinds = self._retry_on[part.name]
        if kinds and part.retry_on is not None:
            is_kinds = "kinds" in inspect.getclosurevars(part.retry_on).nonlocals
            on = f"lambda error: isinstance(error, {kinds})" if is_kinds else kinds
            words.append(f"retry_on={on}")
        return [f"@attempts({', '.join(words)})"]

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
        blocks = [
            self._head(form, runs),
            import_block({*self.imports, *self.functions.imports}),
            "\n".join([*self.functions.constants, *rendered(self.constants)]),
            CALL_MODEL.rstrip() if self.asks else "",
            *self.functions.definitions,
            "\n".join(rendered(body)).strip("\n"),
            *(inspect.getsource(getattr(included, name)).rstrip() for name in needed),
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
            f"Run: await {runs}.ainvoke({{{example}}})",
        ]
        if self.program.differences:
            text += ["", *(f"* {line}" for line in self.program.differences)]
        return "\n".join([*text, '"""'])


def _dict(settings: Any) -> Code:
    return Bracket("{", [f'"{word}": {value!r}' for word, value in settings.items()], "}")


def _has_many(part: Part) -> bool:
    return bool(part.elements) or part.side_by_side
