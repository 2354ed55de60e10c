import { createReadStream } from "node:fs";
import { addAbortSignal } from "node:stream";
import { text } from "node:stream/consumers";
import { type Coroutine, isCancelled, until } from "corio";
import { explain } from "./system-error.js";
import { UsageError } from "./usage-error.js";

/** A line of the list that names something to fetch. */
export interface Target {
  readonly line: number;
  readonly url: string;
}

/** A line of the list that does not, and what is wrong with it. */
export interface Misfit extends Target {
  readonly reason: string;
}

export interface UrlList {
  readonly targets: readonly Target[];
  readonly misfits: readonly Misfit[];
}

/**
 * Reads the list from a file, or from standard input when `input` is undefined.
 *
 * Throws {@link UsageError} if it cannot be read or names nothing to fetch.
 * If cancelled: the file or standard input is closed.
 */
export function* readUrlList(input: string | undefined): Coroutine<UrlList> {
  if (input === undefined && process.stdin.isTTY) {
    throw new UsageError(
      "name a file of URLs, or pipe them in: fetch-many urls.txt\nfetch-many --help lists the options",
    );
  }
  const name = input ?? "standard input";
  const source = input === undefined ? process.stdin : createReadStream(input);
  try {
    return parseUrlList(yield* until((signal) => text(addAbortSignal(signal, source))), name);
  } catch (error) {
    if (isCancelled(error) || error instanceof UsageError) throw error;
    const advice = /^https?:/.test(name) ? `. To fetch it: echo ${name} | fetch-many` : "";
    throw new UsageError(`cannot read the list of URLs, ${name}: ${explain(error)}${advice}`, { cause: error });
  }
}

function parseUrlList(content: string, name: string): UrlList {
  const targets: Target[] = [];
  const misfits: Misfit[] = [];
  const lines = content.replace(/^\uFEFF/, "").split(/\r?\n/);
  for (const [index, untrimmed] of lines.entries()) {
    const line = index + 1;
    const url = untrimmed.trim();
    if (url === "" || url.startsWith("#")) continue;
    const reason = whyNoUrl(url);
    if (reason === undefined) targets.push({ line, url });
    else misfits.push({ line, url, reason });
  }
  const first = misfits[0];
  if (targets.length === 0 && first !== undefined) {
    throw new UsageError(`${name} has no URL that can be fetched; line ${first.line}: ${first.reason}`);
  }
  if (targets.length === 0) throw new UsageError(`${name} has no URLs; one a line is expected`);
  return { targets, misfits };
}

function whyNoUrl(text: string): string | undefined {
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  if (!URL.canParse(text)) {
    const meant = `https://${text}`;
    const hint = /^[\w-]+(\.[\w-]+)+(\/|$)/.test(text) && URL.canParse(meant) ? `; did you mean ${meant}?` : "";
    return `${shown} is no URL${hint}`;
  }
  const { protocol } = new URL(text);
  return protocol === "http:" || protocol === "https:" ? undefined : `${shown} is not for HTTP but for ${protocol}`;
}
