"""Three branches on the embedded model against the same three prompts one after the other.

Run it with `python -m tests.benchmarks.embedded`. Both ways are measured in this one process, in
turn, on answers of a fixed number of tokens; the ratio is the median of the rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from nbflow import Flow, ask, model

ROUNDS = 5
TOKENS = 96
PROMPTS = {
    "joke": "Write a long joke about cats, with every detail.",
    "story": "Write a long story about cats, with every detail.",
    "poem": "Write a long poem about cats, of many verses.",
}


async def one_after_the_other() -> tuple[float, int]:
    """Seconds and tokens of the prompts in turn."""
    start, tokens = time.perf_counter(), 0
    for name, prompt in PROMPTS.items():
        run = await Flow(ask(prompt, name=name, max_tokens=TOKENS, model="smollm2")).arun()
        tokens += run.usage["output_tokens"]
    return time.perf_counter() - start, tokens


async def side_by_side() -> tuple[float, int]:
    """Seconds and tokens of the prompts as branches of one run."""
    steps = (ask(p, name=name, max_tokens=TOKENS, model="smollm2") for name, p in PROMPTS.items())
    start = time.perf_counter()
    run = await Flow(*steps).arun()
    return time.perf_counter() - start, run.usage["output_tokens"]


async def main() -> None:
    """Measure and print."""
    await model("smollm2").ainvoke("Hello.", max_tokens=4)
    await side_by_side()  # what is started on demand is started now
    ratios = []
    for round_number in range(ROUNDS):
        in_turn, tokens_in_turn = await one_after_the_other()
        together, tokens_together = await side_by_side()
        # by token, for an answer may end early
        ratio = (in_turn / tokens_in_turn) / (together / tokens_together)
        ratios.append(ratio)
        print(
            f"round {round_number + 1}: in turn {tokens_in_turn / in_turn:.0f} tokens/s, "
            f"together {tokens_together / together:.0f} tokens/s, {ratio:.2f} times as fast"
        )
    print(f"median: together {statistics.median(ratios):.2f} times as fast")


if __name__ == "__main__":
    asyncio.run(main())
