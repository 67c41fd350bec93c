/** Whether there is a text among the values, and nothing but texts and what is missing. */
function areTexts(values: any[]): boolean {
  const there = values.filter((value) => value !== null && value !== undefined);
  return there.length > 0 && there.every((value) => typeof value === "string");
}

/** A value as a prompt reads it: texts by texts, nothing for what is missing, the rest as JSON. */
function asText(value: any): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) {
    return areTexts(value) ? value.map(asText).join("\n\n") : JSON.stringify(value);
  }
  if (!areTexts(Object.values(value))) return JSON.stringify(value);
  const parts = Object.entries(value).map(([name, text]) => `${name}:\n${asText(text)}`);
  return parts.join("\n\n");
}

/** The elements of a source; a text is taken line by line, without its blank lines. */
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

/** What a call returns for each item, all at the same time or so many at once; in their order. */
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
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  return results;
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
  const found = (await together([...Array(count).keys()], caught, limit)).flatMap((some) => some);
  if (found.length === 0) throw new AggregateError(failures, "every sample failed");
  return found;
}

/** An answer without case, punctuation and superfluous space, so that equal ones are equal. */
function normalised(answer: any): string {
  if (typeof answer !== "string") return `${typeof answer} ${JSON.stringify(answer)}`;
  const lower = answer.normalize("NFKC").toLowerCase();
  const folded = lower.replaceAll("ß", "ss").replaceAll("ς", "σ");
  const space = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;
  const kept = folded.replace(/\p{P}/gu, " ").split(space).filter((word) => word !== "");
  const ends = new RegExp(`^${space.source}|${space.source}$`, "gu");
  return kept.join(" ") || folded.replace(ends, "");
}

/**
 * The answer that most samples agree on, as it was first given; of equals the earliest.
 * All samples are awaited: nbflow itself stops as soon as no other answer can win, which gives the
 * same answer with fewer calls.
 */
function majority(samples: Sample[], needed: number = 1): any {
  const answers = new Map<string, any[]>();
  for (const { worth, answer } of samples) {
    const counted = `${typeof worth} ${JSON.stringify(worth)}`;
    answers.set(counted, [...(answers.get(counted) ?? []), answer]);
  }
  const winners = [...answers.values()].reduce((one, other) =>
    other.length > one.length ? other : one,
  );
  if (winners.length < needed) {
    throw new Error(`no answer has ${needed} samples behind it; the strongest has ${winners.length}`);
  }
  return winners[0];
}

/** The result with the highest score; of equals the earliest. */
function highest(samples: Sample[]): any {
  return samples.reduce((one, other) => (other.worth > one.worth ? other : one)).answer;
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
  if (number === null) throw new Error("there is no number in the answer that should be a score");
  return scored(number[0]);
}

/** Of the answers of several models, the one of this model. */
function ownAnswer(value: any, model: string): any {
  if (Array.isArray(value)) return value.map((element) => ownAnswer(element, model));
  const has = typeof value === "object" && value !== null && Object.hasOwn(value, model);
  return has ? value[model] : value;
}

/** Those of some values that were given. */
function given(values: Record<string, any>, names: string[]): Record<string, any> {
  const pairs = names.map((name) => [name, values[name]] as const);
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
}

/** Try a call so many times, each for so many milliseconds, with longer pauses between them. */
async function attempts<R>(count: number, timeout: number | null, call: () => Promise<R>): Promise<R> {
  for (let failed = 1; ; failed++) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      if (timeout === null) return;
      timer = setTimeout(() => reject(new Error(`it took longer than ${timeout} ms`)), timeout);
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
