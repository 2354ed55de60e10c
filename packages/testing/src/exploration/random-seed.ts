/** What a random schedule is drawn by: it depends on how long the ordinary one is. */
export interface RandomSeed {
  readonly seed: number;
  readonly number: number;
  readonly horizon: number;
}

/** The seed as text, for `replay`. */
export function encodeSeed({ seed, number, horizon }: RandomSeed): string {
  return `${seed}/${number}/${horizon}`;
}

/** The seed that a text stands for; `undefined` if it stands for none. */
export function decodeSeed(text: string): RandomSeed | undefined {
  const { seed, number, horizon } = /^(?<seed>-?\d+)\/(?<number>\d+)\/(?<horizon>\d+)$/.exec(text)?.groups ?? {};
  return seed === undefined ? undefined : { seed: Number(seed), number: Number(number), horizon: Number(horizon) };
}
