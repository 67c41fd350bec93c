"""Flows to export, and a model that answers the same in Python and in TypeScript."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from nbflow import Flow, ask, best, each, node, vote
from nbflow.models import Model
from nbflow.models.protocol import Message, Settings

MARK = "!"


def answer(prompt: str, model: str | None, settings: dict[str, Any]) -> str:
    """An answer that depends on everything that is asked; `run.ts` has the same."""
    total = sum(map(ord, f"{prompt}{model}")) + settings.get("seed", 0)
    if prompt.startswith("Rate"):
        return f"I give it {total % 10} points"
    if prompt.endswith("?"):
        return ["yes", "No!", "no", " Yes."][total % 4]
    return f"[{model} {settings.get('seed', '-')}] {prompt}"


async def call_model(prompt: str, model: str | None, settings: dict[str, Any]) -> str:
    """The same for an exported program."""
    return answer(prompt, model, settings)


class StandIn(Model):
    """The same for nbflow."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def generate(self, prompt: str, settings: Settings) -> AsyncGenerator[Message, None]:
        yield Message(answer(prompt, self.name, settings.given()))


@dataclass(frozen=True)
class Case:
    """A flow and what it is given."""

    make: Callable[[], Flow]
    inputs: dict[str, Any] = field(default_factory=dict)

    @property
    def flow(self) -> Flow:
        return self.make().options(model=StandIn("m"))


def cats() -> Flow:
    """The seeds' workflow: sectioning."""
    return Flow(
        ask("Write a joke about {topic}", name="joke"),
        ask("Write a story about {topic}", name="story", max_tokens=200, temperature=0.5),
        ask("Write a poem about {topic}", name="poem", seed=3, retries=2, timeout=20),
        ask(
            "Here is a story, a joke and a poem about {topic}.\n\n{story}\n{joke}\n{poem}",
            name="combined",
            template=True,
        ),
        name="cats",
    )


def chain() -> Flow:
    texts = ["First {topic}", "Then {step0}", "Then {step1}", "At last {step2} and {step0}"]
    return Flow(*(ask(text, name=f"step{n}") for n, text in enumerate(texts)))


def votes() -> Flow:
    funny = ask("Is {joke} funny?", name="funny", seed=11)
    agreed = ask("Is a {topic} wet?", name="agreed", seed=5, votes=4, min_agreement=0.25)
    return Flow(
        ask("A joke about {topic}", name="joke"), vote(5)(funny), agreed, ask("q?", name="lone")
    )


def parity(found: str) -> bool:
    return "y" in found.lower()


def keyed() -> Flow:
    asked = ask("Is {topic} {topic}?", name="parity", seed=2, retries=1)
    return Flow(vote(4, key=parity)(asked))


def length(found: str) -> int:
    return len(found) % 7


def bests() -> Flow:
    rated = best(4, score=ask("Rate {it}", name="rating"))(ask("z{topic}?", name="rated", seed=1))
    longest = best(3, score=length)(ask("Longest {topic}", name="longest", seed=98))
    return Flow(rated, longest)


def eachs() -> Flow:
    return Flow(
        each(doc="docs")(ask("Sum up {doc} in {style}", name="summary", retries=1, jobs=2)),
        each(a="docs", b="lines")(ask("{a} and {b}", name="pair", template=True)),
        each(doc="docs")(vote(3)(ask("Is {doc} {style}?", name="checked", seed=4, timeout=9))),
        ask("{summary}\n--\n{pair}\n--\n{checked}", name="all", template=True),
    )


def models() -> Flow:
    several = {"a": StandIn("a"), "b": StandIn("b")}
    return Flow(
        ask("A joke about {topic}", name="joke", model=several),
        ask("Better than {joke}", name="better", model=several),
        ask("Is {joke} funny?", name="funny", model=several, votes=3, seed=1),
        each(doc="docs")(ask("{doc}: {joke}", name="every", model=several)),
        each(d="docs", s="every")(vote(2)(ask("{d} {s}?", name="most", model=several, seed=6))),
        ask("All: {joke}; {better}; {funny}", name="all"),
    )


def templates() -> Flow:
    hostile = 'a "b" `c` ${topic} \\n {{topic}} {"k": {topic}} %s \u2028 */ \'\'\' """ $'
    return Flow(
        ask(hostile, name="one", template=True),
        ask("{one}" + hostile + "{one}", name="two", template=True),
        ask("nothing\r\nto fill\t in", name="three", template=True),
    )


def size(story, joke):
    # A comment that stays.
    return len(story) + len(joke)


@node(retries=1)
@each(doc="titles")
async def shout(doc, mark=MARK):
    """Make it loud."""
    return doc.upper() + mark


def flattened() -> Flow:
    def titles(topic: str) -> list[str]:
        return [f"{article} {topic}" for article in ("the", "a")]

    return Flow(
        ask("A joke about {topic}", name="joke"),
        ask("A story about {topic}", name="story"),
        size,
        titles,
        shout,
        ask("{size}: {shout}", name="both", template=True),
    )


def odd_names() -> Flow:
    """Names that mean something to Python, to JavaScript or to LangGraph."""
    names = ["class", "state", "prompt", "default", "constructor", "__proto__", "model", "ﬁsh"]
    return Flow(
        *(ask(f"{name} of {{function}}", name=name) for name in names),
        ask("".join(f"{{{name}}} " for name in names), name="ask_class", template=True),
        each(number="lambda")(vote(2)(ask("{number}?", name="answer", seed=1))),
        name='*/ """ \\ odd\n',
    )


def limited() -> Flow:
    flow = Flow(*(ask(f"{n} of {{topic}}", name=f"n{n}") for n in range(30)))
    return flow.options(jobs=3, retries=1)


def deep() -> Flow:
    first = ask("{topic}", name="s0", template=True)
    rest = (ask(f"{{s{n}}}.", name=f"s{n + 1}", template=True) for n in range(40))
    return Flow(first, *rest)


def wide() -> Flow:
    names = [f"n{n}" for n in range(120)]
    return Flow(
        *(ask(f"{name} {{topic}}", name=name, template=True) for name in names),
        ask("".join(f"{{{name}}}" for name in names), name="all", template=True),
    )


def long_names() -> Flow:
    """Nothing of it fits on one line."""
    names = [f"a_rather_long_name_of_a_node_number_{n}" for n in range(5)]
    read = "".join(f"{{{name}}} " for name in names)
    several = {f"a model with a long label {n}": StandIn(f"model {n}") for n in range(3)}
    checked = ask(f"Is {{one_of_the_documents}} {read}?", name="checked_every_one", seed=2)
    crossed = ask("{one_of_the_documents}{a_topic_of_it}", name="crossed", model=several)
    return Flow(
        *(ask(f"{name} {{topic}}", name=name, temperature=0.25, seed=123) for name in names),
        ask(read, name="the_combination_of_all_that_have_long_names", template=True),
        each(one_of_the_documents="docs")(node(retries=2, timeout=9, jobs=2)(vote(3)(checked))),
        each(one_of_the_documents="docs", a_topic_of_it="topics")(crossed),
    )


def values() -> Flow:
    """Inputs that are no texts."""
    return Flow(
        ask("{texts}; {nothing}; {number}; {truth}", name="some", template=True),
        ask("{mixed}; {deep}", name="others", template=True),
        each(x="mixed")(ask("{x}", name="one_by_one", template=True)),
    )


def worded(topic, style="short", other="unread"):
    "A {style} joke about {topic}"


TOPIC = {"topic": "cats"}
DOCS = {"docs": ["one", "two\n lines", "three"], "style": "short", "lines": "x\n\n y \nz"}

VALUES = {
    "texts": ["a", None, "b"],
    "nothing": None,
    "number": 1.5,
    "truth": True,
    "mixed": [1, "it's", 'a "b"', 'it\'s "c"', "two\nlines", None, False],
    "deep": {"a": [{"b": {}}, []], "c": None},
}

CASES: dict[str, Case] = {
    "cats": Case(cats, TOPIC),
    "chain": Case(chain, TOPIC),
    "votes": Case(votes, TOPIC),
    "keyed": Case(keyed, TOPIC),
    "bests": Case(bests, TOPIC),
    "eachs": Case(eachs, DOCS),
    "models": Case(models, TOPIC | {"docs": ["x", "y"]}),
    "templates": Case(templates, {"topic": 'ca"ts {topic} `${1}` \\'}),
    "functions": Case(flattened, TOPIC),
    "functions_optional": Case(flattened, TOPIC | {"mark": "?"}),
    "odd_names": Case(odd_names, {"function": "f", "lambda": ["1", "2"]}),
    "limited": Case(limited, TOPIC),
    "deep": Case(deep, TOPIC),
    "wide": Case(wide, TOPIC),
    "long_names": Case(long_names, TOPIC | {"docs": ["x", "y"], "topics": ["p", "q"]}),
    "values": Case(values, VALUES),
    "worded": Case(lambda: Flow(worded), TOPIC | {"style": "long"}),
}


async def expected(case: Case) -> dict[str, Any]:
    """What nbflow itself makes of a case."""
    run = await case.flow.arun(**case.inputs)
    return run.results


RUNS = {"graph": "graph", "functional": "workflow"}
"""The name of what is run, by the form of the program."""

FORMS = [(name, form) for name in CASES for form in RUNS]
"""Every case in both forms."""
