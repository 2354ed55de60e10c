/** What a page of the site does when it is asked for. */
export type Kind =
  | "fast" // answers within some milliseconds
  | "slow" // takes its time before it answers
  | "large" // some megabytes
  | "redirect" // to where the answer is
  | "redirect chain" // four redirects one after another, then the answer
  | "redirect loop" // to itself, for ever
  | "missing" // 404
  | "broken" // 500, each time
  | "unavailable once" // 503 the first time, then the answer
  | "busy once" // 429 the first time, then the answer
  | "reset" // closes the connection without an answer
  | "truncated" // promises more than it sends
  | "hanging" // takes the request and never answers
  | "stalled"; // begins its answer and never ends it

/**
 * The kind of page `number`, counted from 1. It follows from the number alone, so that every run meets the same site.
 * The first rule that fits decides: what is rare stands before what is common.
 */
export function kindOf(number: number): Kind {
  if (number % 200 === 120) return "hanging";
  if (number % 250 === 180) return "stalled";
  if (number % 250 === 90) return "redirect loop";
  if (number % 100 === 40) return "large";
  if (number % 100 === 60) return "truncated";
  if (number % 100 === 80) return "reset";
  if (number % 50 === 10) return "broken";
  if (number % 50 === 35) return "redirect chain";
  if (number % 50 === 30) return "busy once";
  if (number % 25 === 5) return "unavailable once";
  if (number % 25 === 15) return "missing";
  if (number % 25 === 20) return "redirect";
  if (number % 6 === 1) return "slow";
  return "fast";
}

/** How many redirects stand before the answer. */
export function redirectsOf(number: number): number {
  const kind = kindOf(number);
  return kind === "redirect" ? 1 : kind === "redirect chain" ? 4 : 0;
}

/** How long the page thinks before it answers, in milliseconds. */
export function delayOf(number: number): number {
  return kindOf(number) === "slow" ? 80 + (number % 8) * 20 : 2 + (number % 5);
}

/** How many bytes the body of the page's answer has. */
export function sizeOf(number: number): number {
  return kindOf(number) === "large" ? 2_000_000 + number * 1_000 : 500 + number;
}
