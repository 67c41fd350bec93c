"""What stands around the nodes of a TypeScript program: its model, its helpers, its last lines.

Constant texts, and functions of text; knows nothing of what a program does.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

from nbflow.export.names import LANGGRAPH_WORDS, LOCAL_WORDS

OWN_WORDS = frozenset(
    [
        *["Annotation", "Settings", "CallModel", "Inputs", "Nodes", "Sample"],
        *["callModel", "useModel", "functions", "pathToFileURL"],
        *["worth", "question", "file"],
        *[*LANGGRAPH_WORDS, *LOCAL_WORDS],
    ]
)
"""The names that an exported program may bind."""

CALL_MODEL = """\
export type Settings = {
  temperature?: number;
  max_tokens?: number;
  seed?: number;
};
export type CallModel = (
  prompt: string,
  model: string | null,
  settings: Settings,
) => Promise<string>;

/**
 * Ask a model. Write your own here, or give `useModel` another function.
 *
 * As it stands it asks an OpenAI-compatible endpoint, by OPENAI_API_KEY and
 * OPENAI_BASE_URL. `model` is what the flow calls the model, null if it leaves
 * that open; then it is OPENAI_MODEL.
 */
let callModel: CallModel = async (prompt, model, settings) => {
  const spec = model ?? process.env.OPENAI_MODEL ?? "gpt-4o-mini";
  const [name, own] = spec.replace(/^openai:/, "").split("@");
  const url = own ?? process.env.OPENAI_BASE_URL ?? "https://api.openai.com/v1";
  const response = await fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Authorization: `Bearer ${process.env.OPENAI_API_KEY ?? ""}`,
    },
    body: JSON.stringify({
      model: name,
      messages: [{ role: "user", content: prompt }],
      ...settings,
    }),
  });
  if (!response.ok) {
    throw new Error(`the model's endpoint answered ${response.status}`);
  }
  const completion: any = await response.json();
  return completion.choices[0].message.content ?? "";
};

/** Ask another model from now on. */
export function useModel(other: CallModel): void {
  callModel = other;
}"""


IMPORTS = """\
import {{ {imports} }} from "@langchain/langgraph";
import {{ pathToFileURL }} from "node:url";"""

SAMPLE = """\
/** An answer, and what it counts as or how good it is. */
type Sample<A> = { worth: any; answer: A };"""


@functools.cache
def included() -> Mapping[str, str]:
    """The functions that a program may bring with it, by name."""
    text = Path(__file__).with_name("included.ts").read_text(encoding="utf-8")
    blocks = re.split(r"\n\n(?=/\*\*)", text.strip())
    return {re.search(r"function (\w+)", block)[1]: block for block in blocks}  # type: ignore[index]


HELPERS_OF: Mapping[str, tuple[str, ...]] = {
    "asText": ("areTexts", "asPython"),
    "byModel": ("together",),
    "heard": ("together",),
    "firstNumber": ("scored",),
}
"""Which of these functions another calls."""


def main_of(runs: str) -> str:
    """The last lines: what the command line does."""
    return f"""\
// Run it on the JSON object that is the first argument, and print the result.
const file = process.argv[1];
if (file && import.meta.url === pathToFileURL(file).href) {{
  const found = await {runs}.invoke(JSON.parse(process.argv[2] ?? "{{}}"));
  console.log(JSON.stringify(found, null, 2));
}}"""
