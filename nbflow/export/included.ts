/** Whether there is a text, and nothing but texts and what is missing. */
function areTexts(values: any[]): boolean {
  const there = values.filter((value) => value !== null && value !== undefined);
  return there.length > 0 && there.every((one) => typeof one === "string");
}

/** A value as a prompt reads it: texts by texts, nothing for what is missing. */
function asText(value: any): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (typeof value !== "object") return asPython(value);
  if (!areTexts(Object.values(value))) return asPython(value);
  if (Array.isArray(value)) return value.map(asText).join("\n\n");
  const pairs = Object.entries(value);
  return pairs.map(([name, text]) => `${name}:\n${asText(text)}`).join("\n\n");
}

/** A value as Python writes it, so that a prompt is the one that nbflow asks. */
function asPython(value: any): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(asPython).join(", ")}]`;
  if (typeof value === "object") {
    const pairs = Object.entries(value);
    const shown = pairs.map(([name, one]) => [name, one].map(asPython));
    return `{${shown.map((pair) => pair.join(": ")).join(", ")}}`;
  }
  if (typeof value !== "string") return String(value);
  const text = JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"');
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  return quote + (quote === "'" ? text.replaceAll("'", "\\'") : text) + quote;
}

/** The elements of a source; a text is taken by its lines that aren't blank. */
function elements(source: any): any[] {
  if (typeof source === "string") {
    const lines = source.split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/);
    return lines.map((line) => line.trim()).filter((line) => line !== "");
  }
  return Symbol.iterator in source ? [...source] : Object.keys(source);
}

/** Each of the first with each of the second, and so on. */
function product(...lists: any[][]): any[][] {
  const join = (rows: any[][], list: any[]) =>
    rows.flatMap((row) => list.map((element) => [...row, element]));
  return lists.reduce(join, [[]] as any[][]);
}

/** What a call returns for each item, so many at once; in their order. */
async function together<T, R>(
  items: T[],
  call: (item: T) => Promise<R>,
  limit: number = items.length,
): Promise<Awaited<R>[]> {
  const results: Awaited<R>[] = [];
  const waiting = items.entries();
  const work = async () => {
    for (const [number, item] of waiting) results[number] = await call(item);
  };
  const workers = Math.min(limit, items.length);
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}

/** What a call returns for each model, so many at once; by the model's name. */
async function byModel<R>(
  models: string[],
  call: (model: string) => Promise<R>,
  limit: number = models.length,
): Promise<Record<string, Awaited<R>>> {
  const answers = await together(models, call, limit);
  return Object.fromEntries(
    models.map((model, number) => [model, answers[number]!]),
  );
}

/** What those of so many samples are that succeed; it fails if none does. */
async function heard<R>(
  count: number,
  call: (number: number) => Promise<R>,
  limit: number = count,
): Promise<Awaited<R>[]> {
  const failures: unknown[] = [];
  const caught = async (number: number) => {
    try {
      return [await call(number)];
    } catch (error) {
      failures.push(error);
      return [];
    }
  };
  const numbers = [...Array(count).keys()];
  const found = (await together(numbers, caught, limit)).flatMap((one) => one);
  if (found.length > 0) return found;
  throw new AggregateError(failures, "every sample failed");
}

/** An answer without case, punctuation and superfluous space. */
function normalised(answer: any): string {
  if (typeof answer !== "string") {
    return `${typeof answer} ${JSON.stringify(answer)}`;
  }
  const lower = answer.normalize("NFKC").toLowerCase();
  const folded = lower.replaceAll("ß", "ss").replaceAll("ς", "σ");
  const space =
    /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;
  const words = folded.replace(/\p{P}/gu, " ").split(space);
  const kept = words.filter((word) => word !== "").join(" ");
  const ends = new RegExp(`^${space.source}|${space.source}$`, "gu");
  return kept || folded.replace(ends, "");
}

/**
 * The answer that most samples agree on, as it was first given; of equals the
 * earliest. All samples are awaited: nbflow itself stops as soon as no other
 * answer can win, which gives the same answer with fewer calls.
 */
function majority<A>(samples: Sample<A>[], needed: number = 1): A {
  const answers = new Map<string, A[]>();
  for (const { worth, answer } of samples) {
    const counted = `${typeof worth} ${JSON.stringify(worth)}`;
    answers.set(counted, [...(answers.get(counted) ?? []), answer]);
  }
  const winners = [...answers.values()].reduce((one, other) =>
    other.length > one.length ? other : one,
  );
  if (winners.length >= needed) return winners[0]!;
  throw new Error(
    `no answer has ${needed} samples behind it; the strongest has ${winners.length}`,
  );
}

/** The result with the highest score; of equals the earliest. */
function highest<A>(samples: Sample<A>[]): A {
  const better = (one: Sample<A>, other: Sample<A>) =>
    other.worth > one.worth ? other : one;
  return samples.reduce(better).answer;
}

/** A score that can be compared. */
function scored(score: any): number {
  const number = Number(score);
  if (Number.isNaN(number)) throw new Error("the score is not a number");
  return number;
}

/** The first number in a model's answer. */
function firstNumber(answer: string): number {
  const number = /[-+]?(?:\d+(?:\.\d+)?|\.\d+)/.exec(answer);
  if (number !== null) return scored(number[0]);
  throw new Error("there is no number in the answer that should be a score");
}

/** Of the answers of several models, the one of this model. */
function ownAnswer(value: any, model: string): any {
  if (Array.isArray(value)) return value.map((one) => ownAnswer(one, model));
  const isObject = typeof value === "object" && value !== null;
  return isObject && Object.hasOwn(value, model) ? value[model] : value;
}

/** Those of some values that were given. */
function given(values: object, names: string[]): Record<string, any> {
  const isGiven = ([name, value]: [string, unknown]) =>
    names.includes(name) && value !== undefined;
  return Object.fromEntries(Object.entries(values).filter(isGiven));
}

/** Try a call so many times, each for so many milliseconds, with pauses. */
async function attempts<R>(
  count: number,
  timeout: number | null,
  call: () => Promise<R>,
): Promise<R> {
  for (let failed = 1; ; failed++) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      if (timeout === null) return;
      const error = new Error(`it took longer than ${timeout} ms`);
      timer = setTimeout(() => reject(error), timeout);
    });
    try {
      return await Promise.race([call(), late]);
    } catch (error) {
      if (failed >= count) throw error;
    } finally {
      clearTimeout(timer);
    }
    const pause = Math.random() * Math.min(30_000, 500 * 2 ** (failed - 1));
    await new Promise((resume) => setTimeout(resume, pause));
  }
}
