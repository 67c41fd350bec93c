"""The same programs on LangGraph and here: what they stream, return and raise is the same."""

from __future__ import annotations

import asyncio
import textwrap
from types import SimpleNamespace
from typing import Any

import pytest

SEED = """
from LIBRARY.func import entrypoint, task

@task
{a}def call_llm_1(topic: str):
    '''First LLM call to generate initial joke'''
    msg = {w}llm.{invoke}(f"Write a joke about {{topic}}")
    return msg.content


@task
{a}def call_llm_2(topic: str):
    '''Second LLM call to generate story'''
    msg = {w}llm.{invoke}(f"Write a story about {{topic}}")
    return msg.content


@task
{a}def call_llm_3(topic):
    '''Third LLM call to generate poem'''
    msg = {w}llm.{invoke}(f"Write a poem about {{topic}}")
    return msg.content


@task
{a}def aggregator(topic, joke, story, poem):
    '''Combine the joke and story into a single output'''

    combined = f"Here's a story, joke, and poem about {{topic}}!\\n\\n"
    combined += f"STORY:\\n{{story}}\\n\\n"
    combined += f"JOKE:\\n{{joke}}\\n\\n"
    combined += f"POEM:\\n{{poem}}"
    return combined


# Build workflow
@entrypoint()
{a}def parallel_workflow(topic: str):
    joke_fut = call_llm_1(topic)
    story_fut = call_llm_2(topic)
    poem_fut = call_llm_3(topic)
{end}

flow, input = parallel_workflow, "cats"
"""

SYNC_SEED = SEED.format(
    a="",
    w="",
    invoke="invoke",
    end="""    return aggregator(
        topic, joke_fut.result(), story_fut.result(), poem_fut.result()
    ).result()""",
)
ASYNC_SEED = SEED.format(
    a="async ",
    w="await ",
    invoke="ainvoke",
    end="    return await aggregator(topic, await joke_fut, await story_fut, await poem_fut)",
)

HEAD = """
import asyncio, operator, time
from typing import TypedDict
from LIBRARY.cache.memory import InMemoryCache
from LIBRARY.config import get_config, get_stream_writer
from LIBRARY.func import entrypoint, task
from LIBRARY.graph import END, START, StateGraph
from LIBRARY.types import CachePolicy, RetryPolicy, StreamWriter

@task
def double(x):
    return 2 * x

@task
async def adouble(x):
    return 2 * x

@task
def fails(x):
    raise ValueError(f"no {x}")

@task
async def afails(x):
    raise ValueError(f"no {x}")

@task
def after(seconds):
    time.sleep(seconds)
    return seconds

@task
async def aafter(seconds):
    await asyncio.sleep(seconds)
    return seconds

@task
def says(x):
    get_stream_writer()({"half": x / 2})
    return x

@task
async def asays(x):
    get_stream_writer()({"half": x / 2})
    return x
"""

PROGRAMS = {
    "one task after another": """
@entrypoint()
def flow(x):
    return double(double(x).result()).result()
""",
    "one async task after another": """
@entrypoint()
async def flow(x):
    return await adouble(await adouble(x))
""",
    "no task": """
@entrypoint()
def flow(x):
    return {"x": x}
""",
    "a result of None": """
@task
def nothing(x):
    return None

@entrypoint()
def flow(x):
    return nothing(x).result()
""",
    "gather keeps the order of the calls": """
@entrypoint()
async def flow(x):
    return await asyncio.gather(*(aafter(n / 100) for n in (4, 1, 7)))
""",
    "chunks come in the order in which tasks finish": """
@entrypoint()
def flow(x):
    return [future.result() for future in [after(n / 100) for n in (4, 1, 7)]]
""",
    "as_completed": """
@entrypoint()
async def flow(x):
    return [await f for f in asyncio.as_completed([aafter(n / 100) for n in (4, 1, 7)])]
""",
    "tasks in tasks": """
@task
def quadruple(x):
    return double(double(x).result()).result()

@entrypoint()
def flow(x):
    return quadruple(x).result()
""",
    "async tasks in async tasks": """
@task
async def quadruple(x):
    return await adouble(await adouble(x))

@entrypoint()
async def flow(x):
    return await quadruple(x)
""",
    "a sync task of an async entrypoint": """
@entrypoint()
async def flow(x):
    return await double(x)
""",
    "a task that fails": """
@entrypoint()
def flow(x):
    return fails(x).result()
""",
    "an async task that fails": """
@entrypoint()
async def flow(x):
    return await afails(x)
""",
    "a failure that is taken up": """
@entrypoint()
def flow(x):
    try:
        return fails(x).result()
    except ValueError as error:
        return double(str(error)).result()
""",
    "a failure read as an exception": """
@entrypoint()
def flow(x):
    return str(fails(x).exception())
""",
    "failures gathered as values": """
@entrypoint()
async def flow(x):
    both = await asyncio.gather(afails(x), adouble(x), return_exceptions=True)
    return [str(one) for one in both]
""",
    "an entrypoint that fails after a task": """
@entrypoint()
def flow(x):
    double(x).result()
    raise KeyError(x)
""",
    "a call that is still running when the entrypoint returns": """
@task
def late(x):
    time.sleep(0.02)
    return x

@entrypoint()
def flow(x):
    late(x)
    return "early"
""",
    "retries": """
tries = []

@task(retry_policy=RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ValueError))
def flaky(x):
    tries.append(x)
    if len(tries) % 3:
        raise ValueError("again")
    return len(tries) % 3

@entrypoint()
def flow(x):
    return flaky(x).result()
""",
    "retries that run out": """
again = RetryPolicy(initial_interval=0.001, max_attempts=2, jitter=False, retry_on=ValueError)

@task(retry_policy=[again])
def flaky(x):
    raise ValueError("for ever")

@entrypoint()
def flow(x):
    return flaky(x).result()
""",
    "a retried entrypoint": """
tries = []

@entrypoint(retry_policy=RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ValueError))
def flow(x):
    tries.append(x)
    if len(tries) % 2:
        raise ValueError("again")
    return "there"
""",
    "a stream writer": """
@entrypoint()
def flow(x):
    return says(x).result()
""",
    "an async stream writer": """
@entrypoint()
async def flow(x):
    get_stream_writer()("begins")
    return await asays(x)
""",
    "what is given by name": """
@task
def says(x, *, writer: StreamWriter, runtime):
    writer(["task", runtime.previous, runtime.context])
    return x

@entrypoint()
def flow(x, *, writer: StreamWriter, previous, runtime, config):
    writer(["flow", previous, runtime.context, config["configurable"]["who"]])
    return says(x).result()
""",
    "the config": """
@task
def who(x):
    return get_config()["configurable"]["who"]

@entrypoint()
def flow(x):
    return who(x).result()
""",
    "a final value": """
@entrypoint()
def flow(x) -> entrypoint.final[int, int]:
    return entrypoint.final(value=double(x).result(), save=x)
""",
    "a task with another name": """
flow_of = task(name="other")(lambda x: x)

@entrypoint()
def flow(x):
    return flow_of(x).result()
""",
    "keywords": """
@task
def join(*words, by="-", **more):
    return by.join([*words, *more])

@entrypoint()
def flow(x):
    return join("a", "b", by="+", c=1).result()
""",
    "a method": """
class Joker:
    def __init__(self, word):
        self.word = word

    def joke(self, x):
        return f"{self.word} {x}"

joke = task(Joker("ha").joke)

@entrypoint()
def flow(x):
    return joke(x).result()
""",
    "a partial": """
from functools import partial, wraps

def power(x, n):
    return x ** n

cube = task(wraps(power)(partial(power, n=3)))

@entrypoint()
def flow(x):
    return cube(x).result()
""",
    "an async callable object": """
class Asker:
    __name__ = "asker"

    async def __call__(self, x):
        return x + 1

asker = task(Asker())

@entrypoint()
async def flow(x):
    return await asker(x)
""",
    "a result that is a dict": """
@task
def state(x):
    return {"x": x, "y": [x]}

@entrypoint()
def flow(x):
    return state(x).result()
""",
    "a failed future passed on as a result": """
@entrypoint()
async def flow(x):
    first = adouble(x)
    second = adouble(await first)
    await afails(await second)
""",
    "names of tasks": """
import functools

class Foo:
    def foo(self, value):
        return value + "foo"

class Qux:
    def __call__(self, value):
        return value + "|qux"

def baz(update, value):
    return value + f"|{update}"

@task(name="custom_bar")
def bar(value):
    return value + "|bar"

f = Foo()
foo = task(f.foo, name="custom_foo")
other_foo = task(f.foo, name="other_foo")
baz_task = task(functools.partial(baz, "baz"))
custom_baz_task = task(functools.partial(baz, "custom_baz"), name="custom_baz")
qux_task = task(Qux(), name="qux")

@entrypoint()
def flow(x):
    value = str(x)
    for one in (foo, other_foo, bar, baz_task, custom_baz_task, qux_task):
        value = one(value).result()
    return value
""",
    "a cached task": """
@task(cache_policy=CachePolicy())
def square(x):
    return x * x

@entrypoint(cache=InMemoryCache())
def flow(x):
    return square(x).result()
""",
    "a cached task with a key of its own, in an async entrypoint": """
@task(cache_policy=CachePolicy(key_func=lambda x: b"same", ttl=60))
async def square(x):
    return x * x

@entrypoint(cache=InMemoryCache())
async def flow(x):
    return await square(x), await square(x + 1)
""",
    "a cached entrypoint": """
@entrypoint(cache=InMemoryCache(), cache_policy=CachePolicy())
def flow(x):
    return double(x).result()
""",
    "a graph whose nodes call tasks": """
class State(TypedDict, total=False):
    x: int
    y: int

def first(state):
    return {"x": double(state["x"]).result()}

async def second(state):
    return {"y": await adouble(state["x"])}

flow = StateGraph(State)
flow.add_node("first", first)
flow.add_node("second", second)
flow.add_edge(START, "first")
flow.add_edge("first", "second")
flow.add_edge("second", END)
flow = flow.compile()

@entrypoint()
async def unused(x):
    return x
""",
    "a graph invoked in an entrypoint": """
class State(TypedDict, total=False):
    x: int

graph = StateGraph(State)
graph.add_node("first", lambda state: {"x": state["x"] + 1})
graph.add_edge(START, "first")
graph = graph.compile()

@entrypoint()
def flow(x):
    return graph.invoke({"x": double(x).result()})
""",
    "a loop": """
@entrypoint()
def flow(x):
    while x < 20:
        x = double(x).result()
    return x
""",
}

PROGRAMS = {name: HEAD + text + "\ninput = 3\n" for name, text in PROGRAMS.items()}
PROGRAMS["a graph whose nodes call tasks"] += 'input = {"x": 3}\n'
PROGRAMS["the seed"] = SYNC_SEED
PROGRAMS["the seed, async"] = ASYNC_SEED

MODES: list[Any] = ["updates", "values", "custom", "tasks", "debug", ["updates", "custom"]]
CONFIG = {"configurable": {"who": "me"}}
CONCURRENT = {"the seed", "the seed, async"}


class LLM:
    """Says what it was asked."""

    def invoke(self, prompt):
        return SimpleNamespace(content=f"<{prompt}>")

    async def ainvoke(self, prompt):
        return self.invoke(prompt)


def program(source: str, library: str) -> dict[str, Any]:
    """What a program defines when it is run with a library."""
    namespace: dict[str, Any] = {"llm": LLM(), "__name__": f"program_{library}"}
    exec(textwrap.dedent(source).replace("LIBRARY", library), namespace)
    return namespace


def plain(part: Any) -> Any:
    """A part of a stream without ids, times and (there are none here) numbers of supersteps."""
    if isinstance(part, BaseException):
        return repr(part)
    if isinstance(part, dict):
        return {k: plain(v) for k, v in part.items() if k not in {"id", "timestamp", "step"}}
    return [plain(one) for one in part] if isinstance(part, list | tuple) else part


async def told(flow: Any, given: Any, mode: Any, door: str) -> list[Any]:
    """All parts of a stream, and at last what it raised."""
    parts = []
    try:
        if door == "astream":
            async for part in flow.astream(given, CONFIG, stream_mode=mode):
                parts.append(plain(part))
        else:
            for part in flow.stream(given, CONFIG, stream_mode=mode):
                parts.append(plain(part))
    except Exception as error:  # noqa: BLE001 - it is compared
        parts.append(f"raised {error!r}")
    return parts


def run_through(name: str, library: str) -> dict[str, Any]:
    """What a program does in each mode, and what it returns."""
    defined = program(PROGRAMS[name], library)
    flow, given = defined["flow"], defined["input"]
    is_async = "async def" in PROGRAMS[name].rpartition("@entrypoint")[2]
    heard: dict[str, Any] = {}
    for mode in MODES:
        if is_async:
            parts = asyncio.run(told(flow, given, mode, "astream"))
        else:
            told_here = told(flow, given, mode, "stream")
            with pytest.raises(StopIteration) as stopped:
                told_here.send(None)
            parts = stopped.value.value
        heard[str(mode)] = sorted(parts, key=repr) if name in CONCURRENT else parts
    try:
        heard["result"] = (
            asyncio.run(flow.ainvoke(given, CONFIG)) if is_async else flow.invoke(given, CONFIG)
        )
    except Exception as error:  # noqa: BLE001 - it is compared
        heard["result"] = repr(error)
    return heard


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_streams_returns_and_raises_what_it_does_with_langgraph(name):
    assert run_through(name, "nbflow") == run_through(name, "langgraph")
