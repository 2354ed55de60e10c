import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { type HowEnded, RawConnection } from "./raw-connection.js";

/** Where a raw client connects to. */
export interface RawTarget {
  readonly port?: number | undefined;
  /** Of a Unix socket, instead of a port. */
  readonly path?: string | undefined;
  /** The authority that is trusted, in PEM: then it speaks TLS. */
  readonly ca?: string | undefined;
}

/** Connects to a port of 127.0.0.1, or to a Unix socket. */
export async function connectRaw({ port, path, ca }: RawTarget): Promise<RawConnection> {
  const where = path === undefined ? { port: port as number, host: "127.0.0.1" } : { path };
  const options = { ...where, allowHalfOpen: true, noDelay: true };
  const socket = ca === undefined ? connect(options) : connectTls({ ...options, ca, servername: "localhost" });
  await once(socket, ca === undefined ? "connect" : "secureConnect");
  return new RawConnection(socket);
}

/** An answer, as it came. */
export interface RawAnswer {
  readonly status: number;
  readonly statusText: string;
  /** With names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** As Latin-1, without the chunks' lengths. */
  readonly body: string;
  /** Interim answers that came before. */
  readonly interim: readonly number[];
}

/** The value of a header of an answer, the first if there are several. */
export const headerOf = ({ headers }: Pick<RawAnswer, "headers">, name: string): string | undefined =>
  headers.find(([it]) => it === name)?.[1];

/**
 * Waits for the next answer on a connection, and takes it.
 *
 * @param method of the request: the answer to HEAD has no body
 * @throws if it breaks off
 */
export async function nextAnswer(connection: RawConnection, method = "GET"): Promise<RawAnswer> {
  const interim: number[] = [];
  for (;;) {
    const head = await takeUpTo(connection, "\r\n\r\n");
    const [first = "", ...lines] = head.split("\r\n");
    const [, status, statusText = ""] = /^HTTP\/1\.\d (\d{3}) ?(.*)$/.exec(first) ?? [];
    if (status === undefined) throw new Error(`no answer begins with ${JSON.stringify(first)}`);
    if (status.startsWith("1") && status !== "101") {
      interim.push(Number(status));
      continue;
    }
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    const body = method === "HEAD" || /101|204|304/.test(status) ? "" : await nextBody(connection, headers);
    return { status: Number(status), statusText, headers, body, interim };
  }
}

async function nextBody(connection: RawConnection, headers: RawAnswer["headers"]): Promise<string> {
  if (headerOf({ headers }, "transfer-encoding") === "chunked") {
    for (let body = ""; ; ) {
      const length = Number.parseInt(await takeUpTo(connection, "\r\n"), 16);
      const chunk = await takeBytes(connection, length);
      await takeUpTo(connection, "\r\n");
      if (length === 0) return body;
      body += chunk;
    }
  }
  const length = headerOf({ headers }, "content-length");
  if (length !== undefined) return takeBytes(connection, Number(length));
  await connection.over();
  return connection.take(connection.receivedLength).toString("latin1");
}

async function takeUpTo(connection: RawConnection, end: string): Promise<string> {
  await connection.until(() => connection.received.includes(end));
  const length = connection.received.indexOf(end);
  return connection
    .take(length + end.length)
    .toString("latin1")
    .slice(0, length);
}

async function takeBytes(connection: RawConnection, length: number): Promise<string> {
  await connection.until(() => connection.receivedLength >= length);
  return connection.take(length).toString("latin1");
}

/**
 * What came of a text that was sent over a connection of its own: all that came until the server ended it, and how.
 *
 * @param patience milliseconds for which the server may keep it open
 */
export async function exchangeRaw(
  target: RawTarget,
  text: string,
  patience = 5_000,
): Promise<{ readonly received: string; readonly ended: HowEnded | "kept open" }> {
  const connection = await connectRaw(target);
  const giveUp = new AbortController();
  try {
    await connection.send(text);
    const tooLong = setTimeout(patience, "kept open", { signal: giveUp.signal }).catch(() => "");
    const ended = await Promise.race([connection.over(), tooLong]);
    return { received: connection.received, ended };
  } finally {
    giveUp.abort();
    await connection.close();
  }
}

/**
 * Sends a text over so many connections at the same time.
 *
 * @returns how often each status came as the first answer, and each way of ending without one
 */
export async function flood(target: RawTarget, connections: number, text: string): Promise<Record<string, number>> {
  const came: Record<string, number> = {};
  const one = async (): Promise<string> => {
    let connection: RawConnection;
    try {
      connection = await connectRaw(target);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
    try {
      await connection.send(text);
      return String((await nextAnswer(connection)).status);
    } catch {
      return connection.ended ?? "no answer";
    } finally {
      await connection.close();
    }
  };
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const outcome = await one();
      came[outcome] = (came[outcome] ?? 0) + 1;
    }),
  );
  return came;
}
