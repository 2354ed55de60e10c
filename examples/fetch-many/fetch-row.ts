import { ClientSession, type ClientResponse, RedirectError, TotalTimeoutError } from "@corio/http";
import { attempt, type Coroutine, forEach, retry, within } from "corio";
import type { Options } from "./command-line.js";
import type { Row } from "./row.js";
import type { Target } from "./url-list.js";

const longestBackoff = 30_000;

/** The session that all URLs are fetched by. Each is fetched as if it were the only one: no cookie of another goes with it. */
export function openSession({ concurrency, timeout }: Options): ClientSession {
  return new ClientSession({
    limit: concurrency,
    timeout: { total: timeout, connect: null },
    redirects: 5,
    retry: { attempts: 1, stale: false }, // `fetchRow` tries again, and counts
    headers: { "user-agent": "corio-fetch-many" },
    cookieJar: null,
    decompress: false, // rows have the size of what was sent
  });
}

/**
 * Fetches a URL, again if need be, and returns what came of it: an error makes a row as well as an answer does.
 *
 * If cancelled: the request is aborted, and there is no row.
 */
export function* fetchRow(session: ClientSession, target: Target, options: Options): Coroutine<Row> {
  let attempts = 0;
  let began = 0;

  function* fetchOnce(): Coroutine<Page> {
    attempts += 1;
    began = performance.now();
    const page = yield* within(session.get(target.url), readPage);
    if (page.status === 429 || page.status >= 500) throw new Unavailable(page);
    return page;
  }

  // The session's own `retry` has one time limit for all attempts, and is done when the body begins.
  const fetched = yield* attempt(() =>
    retry(fetchOnce, {
      attempts: options.retries + 1,
      delay: options.backoff,
      factor: 2,
      maxDelay: longestBackoff,
      jitter: 0.2,
      when: (error) => !(error instanceof RedirectError),
    }),
  );
  const ms = Math.round(performance.now() - began);
  return { ...target, ...(fetched.ok ? answered(fetched.value) : failed(fetched.error)), attempts, ms };
}

/** What a server answered, once every redirect was followed. */
interface Page {
  readonly status: number;
  readonly bytes: number;
  /** Where it came from, if redirects led elsewhere. */
  readonly finalUrl?: string;
}

function* readPage(response: ClientResponse): Coroutine<Page> {
  let bytes = 0;
  yield* forEach(response.chunks(), (chunk) => {
    bytes += chunk.length;
  });
  const { status, redirects, url } = response;
  return { status, bytes, ...(redirects.length > 0 && { finalUrl: url }) };
}

function answered(page: Page) {
  return { outcome: "answered", ...page } as const;
}

function failed(error: unknown) {
  if (error instanceof Unavailable) return answered(error.page);
  return { outcome: outcomeOf(error), status: null, bytes: 0, error: wordsOf(error) } as const;
}

function outcomeOf(error: unknown) {
  if (error instanceof TotalTimeoutError) return "timed out";
  return error instanceof RedirectError ? "bad redirect" : "network error";
}

function wordsOf(error: unknown): string {
  if (error instanceof TotalTimeoutError) return `timed out after ${error.limit} ms`;
  return error instanceof Error ? error.message : String(error);
}

/** The server answered, but may do better another time. */
class Unavailable extends Error {
  readonly page: Page;

  constructor(page: Page) {
    super(`HTTP ${page.status}`);
    this.page = page;
  }
}
