"""What an exported Python program brings with it: each function here is copied as it stands.

So each stands alone but for the imports and the functions that `NEEDS` names, and none may name
anything else of nbflow.
"""

import asyncio
import functools
import random
import re
import unicodedata
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any

NEEDS: Mapping[str, tuple[str, ...]] = {
    "are_texts": ("from collections.abc import Iterable",),
    "as_text": ("from collections.abc import Mapping", "are_texts"),
    "elements": ("from collections.abc import Iterable",),
    "together": ("import asyncio", "from collections.abc import Awaitable, Iterable"),
    "heard": ("from collections.abc import Awaitable, Iterable", "together"),
    "normalised": ("import unicodedata", "from collections.abc import Hashable"),
    "majority": ("from collections.abc import Hashable",),
    "highest": (),
    "first_number": ("import re",),
    "own_answer": ("from collections.abc import Mapping",),
    "joined": (),
    "given": ("from collections.abc import Iterable, Mapping",),
    "attempts": (
        "import asyncio",
        "import functools",
        "import random",
        "from collections.abc import Awaitable, Callable",
    ),
}
"""What each function needs: imports, and other functions of this module."""


def as_text(value: Any) -> str:
    """A value as a prompt reads it: texts by texts, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, list | tuple) and are_texts(value):
        return "\n\n".join(map(as_text, value))
    if isinstance(value, Mapping) and are_texts(value.values()):
        return "\n\n".join(f"{name}:\n{as_text(text)}" for name, text in value.items())
    return str(value)


def are_texts(values: Iterable[Any]) -> bool:
    """Whether there is a text among the values, and nothing but texts and what is missing."""
    kinds = [isinstance(value, str) for value in values if value is not None]
    return bool(kinds) and all(kinds)


def elements(source: Any) -> list[Any]:
    """The elements of a source; a text is taken line by line, without its blank lines."""
    if isinstance(source, str):
        return [line.strip() for line in source.splitlines() if line.strip()]
    return list(source)


async def together(
    calls: Iterable[Awaitable[Any]],
    limit: int | None = None,
) -> list[Any]:
    """What several calls return, all or so many made at the same time; in their order."""
    if limit is None:
        return list(await asyncio.gather(*calls))
    results: dict[int, Any] = {}
    numbered = enumerate(calls)

    async def work() -> None:
        for number, call in numbered:
            results[number] = await call

    await asyncio.gather(*(work() for _ in range(limit)))
    return [results[number] for number in sorted(results)]


async def heard(
    calls: Iterable[Awaitable[Any]],
    limit: int | None = None,
) -> list[Any]:
    """What those of several calls return that succeed; it fails if none does."""
    failures = []

    async def caught(call: Awaitable[Any]) -> list[Any]:
        try:
            return [await call]
        except Exception as error:  # noqa: BLE001
            failures.append(error)
            return []

    found = [one for some in await together(map(caught, calls), limit) for one in some]
    if not found:
        raise ExceptionGroup("every sample failed", failures)
    return found


def normalised(answer: Any) -> Hashable:
    """An answer without case, punctuation and superfluous space."""
    if not isinstance(answer, str):
        return answer if isinstance(answer, Hashable) else repr(answer)
    folded = unicodedata.normalize("NFKC", answer).casefold()
    kinds = map(unicodedata.category, folded)
    signs = zip(folded, kinds, strict=True)
    kept = "".join(" " if kind.startswith("P") else sign for sign, kind in signs)
    return " ".join(kept.split()) or folded.strip()


def majority(samples: list[tuple[Hashable, Any]], needed: int = 1) -> Any:
    """The answer that most samples agree on, as it was first given; of equals the earliest.

    Each sample is what it counts as, and the answer itself. All samples are awaited:
    nbflow itself stops as soon as no other answer can win, which gives the same answer
    with fewer calls.
    """
    answers: dict[Hashable, list[Any]] = {}
    for key, answer in samples:
        answers.setdefault(key, []).append(answer)
    winners = max(answers.values(), key=len)
    if len(winners) < needed:
        raise ValueError(
            f"no answer has {needed} samples behind it; the strongest has {len(winners)}"
        )
    return winners[0]


def highest(samples: list[tuple[float, Any]]) -> Any:
    """The result with the highest score; of equals the earliest."""
    return max(samples, key=lambda sample: sample[0])[1]


def first_number(answer: str) -> float:
    """The first number in a model's answer."""
    number = re.search(r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)", answer)
    if number is None:
        raise ValueError("there is no number in the answer that should be a score")
    return float(number[0])


def own_answer(value: Any, model: str) -> Any:
    """Of the answers of several models, the one of this model."""
    if isinstance(value, list):
        return [own_answer(element, model) for element in value]
    return value[model] if isinstance(value, Mapping) and model in value else value


def joined(chunks: list[Any]) -> Any:
    """What a generator has given: one text if all of it is text."""
    is_text = all(isinstance(chunk, str) for chunk in chunks)
    return "".join(chunks) if is_text else chunks


def given(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Those of some values that were given."""
    return {name: values[name] for name in names if name in values}


def attempts(
    count: int,
    timeout: float | None = None,
    retry_on: Callable[[Exception], bool] = lambda _error: True,
) -> Callable[..., Any]:
    """Try a call so many times, each for so many seconds, with longer and longer pauses."""

    def decorate(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(call)
        async def attempt(*args: Any) -> Any:
            for failed in range(1, count + 1):
                try:
                    return await asyncio.wait_for(call(*args), timeout)
                except Exception as error:
                    if failed == count or not retry_on(error):
                        raise
                    longest = min(30, 0.5 * 2 ** (failed - 1))
                    await asyncio.sleep(random.uniform(0, longest))  # noqa: S311
            return None

        return attempt

    return decorate
