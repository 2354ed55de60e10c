import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { delayOf, kindOf, redirectsOf, sizeOf } from "./pages.js";

/**
 * A small web site on this machine, with every trouble that a real one makes; what each page does stands in pages.ts.
 * It is the outside world to the examples, and therefore plain Node.
 */
export interface Site extends AsyncDisposable {
  readonly origin: string;
  /** The address of every page, page 1 first. */
  readonly urls: readonly string[];
  /** How many requests are being answered now. */
  readonly inFlight: number;
  /** The most requests that were ever being answered at the same time. */
  readonly greatestInFlight: number;
  /** How many requests there were, redirects and retries counted. */
  readonly requests: number;
  /** How often page `number` was asked for, the steps of its redirects not counted. */
  requestsFor(number: number): number;
  /** Closes the server and every connection to it. */
  close(): Promise<void>;
}

/** Starts a site of that many pages, on a port that is free. */
export async function startSite(pages = 500): Promise<Site> {
  const asked = new Map<number, number>();
  let inFlight = 0;
  let greatestInFlight = 0;
  let requests = 0;

  const server = createServer((request, response) => {
    requests += 1;
    inFlight += 1;
    greatestInFlight = Math.max(greatestInFlight, inFlight);
    onceOver(request, response, () => {
      inFlight -= 1;
    });

    const [, page, step] = /^\/page\/(\d+)(?:\/step\/(\d+))?$/.exec(request.url ?? "") ?? [];
    const number = Number(page);
    if (page === undefined || number < 1 || number > pages) {
      response.writeHead(404).end("There is no such page.\n");
      return;
    }
    if (step === undefined) asked.set(number, (asked.get(number) ?? 0) + 1);
    const timer = setTimeout(answer, delayOf(number), response, number, Number(step ?? 0), asked.get(number) ?? 0);
    response.once("close", () => clearTimeout(timer));
  });

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    origin,
    urls: Array.from({ length: pages }, (_, index) => `${origin}/page/${index + 1}`),
    get inFlight() {
      return inFlight;
    },
    get greatestInFlight() {
      return greatestInFlight;
    },
    get requests() {
      return requests;
    },
    requestsFor: (number) => asked.get(number) ?? 0,
    close,
    [Symbol.asyncDispose]: close,
  };

  async function close(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }
}

/** Answers step `step` of page `number`, which has now been asked for `time` times. */
function answer(response: ServerResponse, number: number, step: number, time: number): void {
  const body = () => Buffer.alloc(sizeOf(number), "corio ");
  const redirectTo = (location: string) => response.writeHead(302, { location }).end();

  switch (kindOf(number)) {
    case "redirect":
    case "redirect chain":
      if (step < redirectsOf(number)) redirectTo(`/page/${number}/step/${step + 1}`);
      else response.end(body());
      return;
    case "redirect loop":
      redirectTo(`/page/${number}`);
      return;
    case "missing":
      response.writeHead(404).end("There is no such page.\n");
      return;
    case "broken":
      response.writeHead(500).end("This page is broken.\n");
      return;
    case "unavailable once":
      if (time === 1) response.writeHead(503).end("Not now.\n");
      else response.end(body());
      return;
    case "busy once":
      if (time === 1) response.writeHead(429).end("Too many requests.\n");
      else response.end(body());
      return;
    case "reset":
      response.socket?.resetAndDestroy();
      return;
    case "truncated":
      response.writeHead(200, { "content-length": sizeOf(number) });
      response.write(body().subarray(0, 200), () => response.socket?.destroy());
      return;
    case "hanging":
      return;
    case "stalled":
      response.writeHead(200, { "content-length": sizeOf(number) });
      response.write(body().subarray(0, 200));
      return;
    case "fast":
    case "slow":
    case "large":
      response.end(body());
  }
}

/**
 * Calls `over` once, when the request is answered or its client has gone. A client that gives up says so by ending the
 * connection; Node closes the response some turns later, when that client's next request may have come already.
 */
function onceOver(request: IncomingMessage, response: ServerResponse, over: () => void): void {
  const { socket } = request;
  const end = () => {
    socket.off("end", end);
    response.off("close", end);
    over();
  };
  socket.once("end", end);
  response.once("close", end);
}
