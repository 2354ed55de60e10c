import { fileURLToPath } from "node:url";
import { CredentialFiles } from "./credential-files.js";
import { ForeignProcess } from "./foreign-process.js";
import { pathOf } from "./programs.js";

const program = fileURLToPath(new URL("aiohttp-server.py", import.meta.url));

/** How an aiohttp server is started. */
export interface AiohttpServerOptions {
  /** A certificate and its key, in PEM: then it speaks TLS. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** The path of a Unix socket, instead of a port. */
  readonly path?: string;
}

/** What an aiohttp server has seen since it was started. */
interface AiohttpStats {
  readonly connections: number;
  readonly requests: number;
  /** Clients that did not wait for their answer. */
  readonly gone: number;
  /** Connections that are open. */
  readonly open: number;
}

/** What `/echo` tells of a request. */
export interface Echoed {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly version: string;
  /** As they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Of the body, in bytes. */
  readonly length: number;
  readonly sha256: string;
  /** The first 64 KiB of the body, as Latin-1. */
  readonly text: string;
  /** The serial number of the connection; null if it is closed meanwhile. */
  readonly connection: number | null;
}

/** A part of a multipart body, as `/form` tells of it. */
export interface EchoedPart {
  readonly name: string | null;
  readonly filename: string | null;
  readonly type: string | null;
  readonly length: number;
  readonly sha256: string;
}

/** A server of aiohttp in a process of its own; its routes stand in `aiohttp-server.py`. */
export interface AiohttpServer {
  /** 0 with a Unix socket. */
  readonly port: number;
  /** `http://127.0.0.1:port`, or `https:` */
  readonly origin: string;
  stats(): Promise<AiohttpStats>;
  stop(): Promise<void>;
}

/** Starts a server of aiohttp. */
export async function startAiohttpServer({ tls, path }: AiohttpServerOptions = {}): Promise<AiohttpServer> {
  const files = new CredentialFiles();
  const waiting: ((line: string) => void)[] = [];
  const args = [
    ...(tls ? ["--certificate", files.path("certificate", tls.cert), "--key", files.path("key", tls.key)] : []),
    ...(path === undefined ? [] : ["--path", path]),
  ];
  const python = new ForeignProcess(pathOf("aiohttp"), [program, ...args], {
    onLine: (line) => waiting.shift()?.(line),
  });
  const nextLine = (): Promise<string> => python.whileRunning(new Promise((resolve) => void waiting.push(resolve)));
  const stop = (): Promise<void> => python.stop().finally(() => files.remove());
  try {
    const port = Number(/^listening on (\d+)$/.exec(await nextLine())?.[1]);
    return {
      port,
      origin: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
      stats() {
        python.writeLine("stats");
        return nextLine().then((line) => JSON.parse(line) as AiohttpStats);
      },
      stop,
    };
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
}
