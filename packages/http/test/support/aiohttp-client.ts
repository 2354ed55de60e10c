import { fileURLToPath } from "node:url";
import { CredentialFiles } from "./credential-files.js";
import { ForeignProcess } from "./foreign-process.js";
import { pathOf } from "./programs.js";

const program = fileURLToPath(new URL("aiohttp-client.py", import.meta.url));

type Headers = readonly (readonly [name: string, value: string])[];

/** A request that aiohttp is to make; it follows no redirect. */
interface AiohttpRequest {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Headers;
  readonly body?: string;
  /** A body in pieces, instead of `body`. */
  readonly chunks?: readonly string[];
  /** Milliseconds after each of the `chunks`. */
  readonly ms?: number;
  /** Breaks the answer off when so many bytes of its body have come. */
  readonly stopAfter?: number;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** The answer as aiohttp sees it, decompressed. */
interface AiohttpAnswer {
  readonly status: number;
  readonly reason: string;
  readonly version: string;
  readonly headers: Headers;
  /** Of the body, in bytes. */
  readonly length: number;
  readonly sha256: string;
  /** The first 64 KiB of the body, as UTF-8. */
  readonly text: string;
  /** In how many pieces the body came. */
  readonly pieces: number;
}

/** The same request many times. */
interface AiohttpRequests {
  readonly url: string;
  readonly count: number;
  /** How many of them at a time. */
  readonly atOnce: number;
  readonly headers?: Headers;
}

/** A conversation over WebSocket. */
interface AiohttpConversation {
  readonly url: string;
  readonly send?: readonly string[];
  /** How many texts it waits for before it closes; default as many as it sends. */
  readonly expect?: number;
  readonly protocols?: readonly string[];
  readonly headers?: Headers;
  /** The code with which it closes, default 1000. */
  readonly close?: number;
}

/** How a conversation went. */
interface AiohttpConversed {
  readonly received: readonly string[];
  readonly protocol: string | null;
  readonly closeCode: number | null;
}

/** What a client of aiohttp could not do. */
class AiohttpError extends Error {
  /** The name of Python's error, such as `"ClientPayloadError"`. */
  override readonly name: string;
  /** Of a handshake that was refused. */
  readonly status: number | undefined;

  constructor(name: string, message: string, status: number | undefined) {
    super(message);
    this.name = name;
    this.status = status;
  }
}

/** A client of aiohttp in a process of its own, with one session. What it is asked for goes on side by side. */
export interface AiohttpClient {
  /** @throws {AiohttpError} */
  request(request: AiohttpRequest): Promise<AiohttpAnswer>;
  /** How often each status came, and each error, by its name. */
  many(requests: AiohttpRequests): Promise<Readonly<Record<string, number>>>;
  /** @throws {AiohttpError} */
  webSocket(conversation: AiohttpConversation): Promise<AiohttpConversed>;
  stop(): Promise<void>;
}

/** An answer of the program. */
interface Line extends AiohttpAnswer {
  readonly id: number;
  readonly error?: string;
  readonly message?: string;
  readonly came: Record<string, number>;
  readonly received: string[];
  readonly protocol: string | null;
  readonly close_code: number | null;
}

/** Starts a client of aiohttp. `ca`: the authority that it trusts, in PEM. */
export async function startAiohttpClient({ ca }: { ca?: string } = {}): Promise<AiohttpClient> {
  const files = new CredentialFiles();
  const args = ca === undefined ? [] : ["--authority", files.path("ca", ca)];
  const waiting = new Map<number, (line: Line) => void>();
  const python = new ForeignProcess(pathOf("aiohttp"), [program, ...args], {
    onLine(text) {
      const line = JSON.parse(text) as Line;
      waiting.get(line.id)?.(line);
      waiting.delete(line.id);
    },
  });
  let last = 0;
  const order = async (order: object): Promise<Line> => {
    const id = ++last;
    const answer = new Promise<Line>((resolve) => void waiting.set(id, resolve));
    python.writeLine(JSON.stringify({ id, ...order }));
    const line = await python.whileRunning(answer);
    if (line.error !== undefined) throw new AiohttpError(line.error, line.message ?? "", line.status);
    return line;
  };
  return {
    request: ({ stopAfter, ...request }) => order({ order: "request", stop_after: stopAfter, ...request }),
    async many({ atOnce, ...requests }) {
      return (await order({ order: "many", at_once: atOnce, ...requests })).came;
    },
    async webSocket(conversation) {
      const { received, protocol, close_code } = await order({ order: "websocket", ...conversation });
      return { received, protocol, closeCode: close_code };
    },
    stop: () => python.stop().finally(() => files.remove()),
  };
}
