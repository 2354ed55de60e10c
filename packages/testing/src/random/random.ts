/** Gives a whole number from 0 up to, not including, a limit. */
export type Random = (limit: number) => number;

/** Makes a source of random numbers: the same ones for the same seed, on every machine. */
export function randomFrom(seed: number): Random {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
  return (limit) => {
    // mulberry32, by Tommy Ettinger, which is in the public domain
    state = (state + 0x6d2b79f5) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % limit;
  };
}
