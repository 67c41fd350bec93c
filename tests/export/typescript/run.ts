// Runs the exported programs that are named in cases.json with a stand-in model, and prints what
// each returns. The stand-in answers as the one in flows.py does.
import { readFileSync } from "node:fs";

type Case = { file: string; runs: "graph" | "workflow"; inputs: Record<string, unknown> };

const answer = async (prompt: string, model: string | null, settings: { seed?: number }) => {
  const seed = settings.seed ?? 0;
  const codes = [...(prompt + model)].map((sign) => sign.codePointAt(0)!);
  const total = codes.reduce((one, other) => one + other, seed);
  if (prompt.startsWith("Rate")) return `I give it ${total % 10} points`;
  if (prompt.endsWith("?")) return ["yes", "No!", "no", " Yes."][total % 4]!;
  return `[${model} ${settings.seed ?? "-"}] ${prompt}`;
};

// What a person would write where the flow has Python.
const written: Record<string, (inputs: any) => Promise<any>> = {
  size: async ({ story, joke }) => story.length + joke.length,
  shout: async ({ doc, mark }) => doc.toUpperCase() + (mark ?? "!"),
  titles: async ({ topic }) => [`the ${topic}`, `a ${topic}`],
  judgeLongest: async (found) => found.length % 7,
  judgeParity: async (found) => found.toLowerCase().includes("y"),
};

const results: Record<string, unknown> = {};
const cases: Record<string, Case> = JSON.parse(readFileSync(process.argv[2]!, "utf-8"));
for (const [name, { file, runs, inputs }] of Object.entries(cases)) {
  const program: any = await import(file);
  program.useModel?.(answer);
  if (program.functions) Object.assign(program.functions, written);
  results[name] = await program[runs].invoke(inputs);
}
console.log(JSON.stringify(results));
