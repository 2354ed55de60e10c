import { attempt, type Coroutine, contextManager, retry, TimeoutError, timeout, until, within } from "corio";
import { Agent, type Dispatcher, request } from "undici";
import type { Options } from "./command-line.js";
import type { Row } from "./row.js";
import type { Target } from "./url-list.js";

const mostRedirects = 5;
const longestBackoff = 30_000;

/** A pool of connections; leaving its scope closes them all. */
export const httpClient = contextManager(function* () {
  // undici's own timeouts are off: the time of an attempt is limited as a whole, below.
  const agent = new Agent({ connect: { timeout: 0 }, headersTimeout: 0, bodyTimeout: 0 });
  try {
    yield agent;
  } finally {
    yield* until(agent.destroy());
  }
});

/**
 * Fetches a URL, again if need be, and returns what came of it: an error makes a row as well as an answer does.
 *
 * If cancelled: the request is aborted, and there is no row.
 */
export function* fetchRow(client: Dispatcher, target: Target, options: Options): Coroutine<Row> {
  let attempts = 0;
  let began = 0;

  function* fetchOnce(): Coroutine<Page> {
    attempts += 1;
    began = performance.now();
    const page = yield* within(timeout(options.timeout), () => fetchPage(client, target.url));
    if (page.status === 429 || page.status >= 500) throw new Unavailable(page);
    return page;
  }

  const fetched = yield* attempt(() =>
    retry(fetchOnce, {
      attempts: options.retries + 1,
      delay: options.backoff,
      factor: 2,
      maxDelay: longestBackoff,
      jitter: 0.2,
      when: (error) => !(error instanceof BadRedirect),
    }),
  );
  const ms = Math.round(performance.now() - began);
  return { ...target, ...(fetched.ok ? answered(fetched.value, target) : failed(fetched.error, target)), attempts, ms };
}

/** What a server answered, once every redirect was followed. */
interface Page {
  readonly url: string;
  readonly status: number;
  readonly bytes: number;
}

function* fetchPage(client: Dispatcher, url: string): Coroutine<Page> {
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const { status, location, bytes } = yield* until((signal) => get(client, url, signal));
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) return { url, status, bytes };
    url = redirected(url, location);
  }
  throw new BadRedirect(`redirected more than ${mostRedirects} times, at last to ${url}`);
}

/** Plain asynchronous code, as undici has it: the signal stops the request as well as its body. */
async function get(client: Dispatcher, url: string, signal: AbortSignal) {
  const answer = await request(url, { dispatcher: client, signal, headers: { "user-agent": "corio-fetch-many" } });
  let bytes = 0;
  for await (const chunk of answer.body) bytes += (chunk as Buffer).length;
  return { status: answer.statusCode, location: answer.headers.location?.toString(), bytes };
}

function redirected(url: string, location: string): string {
  if (!URL.canParse(location, url)) throw new BadRedirect(`redirected to ${location}, which is no URL`);
  const { href, protocol } = new URL(location, url);
  if (!/^https?:$/.test(protocol)) throw new BadRedirect(`redirected to ${href}, which is not for HTTP`);
  return href;
}

function answered({ url, status, bytes }: Page, target: Target) {
  return { outcome: "answered", status, bytes, ...(url === target.url ? {} : { finalUrl: url }) } as const;
}

function failed(error: unknown, target: Target) {
  if (error instanceof Unavailable) return answered(error.page, target);
  const outcome =
    error instanceof TimeoutError ? "timed out" : error instanceof BadRedirect ? "bad redirect" : "network error";
  return { outcome, status: null, bytes: 0, error: wordsOf(error) } as const;
}

/** The server answered, but may do better another time. */
class Unavailable extends Error {
  readonly page: Page;

  constructor(page: Page) {
    super(`HTTP ${page.status}`);
    this.page = page;
  }
}

/** The server sends us where there is nothing to fetch, and would do so again. */
class BadRedirect extends Error {}

/** A host that refused the connection at each of its addresses makes an AggregateError without words of its own. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.message === "") return error.errors.map(wordsOf).join("; ");
  const { message, code } = error as NodeJS.ErrnoException;
  return code === undefined || message.includes(code) || error instanceof TimeoutError
    ? message
    : `${message} (${code})`;
}
