/** What came of one line of the list: a line of the results file. */
export interface Row {
  /** Where the URL stands in the list, counted from 1. */
  readonly line: number;
  readonly url: string;
  readonly outcome: "answered" | "timed out" | "network error" | "bad redirect" | "not a URL";
  /** The status of the answer; null if there was none. */
  readonly status: number | null;
  /** The size of the answer's body. */
  readonly bytes: number;
  /** Where the answer came from, if redirects led elsewhere. */
  readonly finalUrl?: string;
  /** What went wrong, if there was no answer. */
  readonly error?: string;
  /** How often the URL was tried. */
  readonly attempts: number;
  /** How long the last attempt took, in milliseconds, from the request to the last byte. */
  readonly ms: number;
}

/** Whether the URL gave what it was asked for. */
export function isFailure(row: Row): boolean {
  return row.outcome !== "answered" || (row.status ?? 0) >= 400;
}
