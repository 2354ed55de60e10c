/**
 * What is measured between two processes, against whom, and with which aim.
 *
 * A contender is a server, a file of `cases/<cases>/`, in a process of its own; the load comes from `harness/load.mjs` in another,
 * the same for all.
 *
 * @typedef {{ file: string, loop?: "asyncio" | "uvloop", label: string, atLeast?: number, atMost?: number }} Server
 *   the aim: `atLeast`, the subject's rate divided by this peer's; `atMost`, the bytes that the subject holds divided by this peer's
 * @typedef {{ id: string, cases: string, work: string, load: Load, tls?: boolean, subject: Server, peers: Server[] }} NetworkRow
 * @typedef {{ connections: number, bytes: number } | { line: number }} Load
 *   messages of so many bytes over so many connections, on each the next one when the last is back; or lines of so many bytes, as
 *   fast as they are taken, over one connection
 * @typedef {{ id: string, cases: string, work: string, subject: Server, peers: Server[] }} IdleRow
 */

const echo = { connections: 50, bytes: 1024 };

const corioStreams = { file: "streams.mjs", label: "corio" };
const corioProtocol = { file: "protocol.mjs", label: "corio" };
const net = { file: "native.mjs", label: "native: callbacks of `net`" };

const readlineEvent = { file: "native.mjs", label: "native: `readline`, its event `line`" };
const readlineForAwait = { file: "for-await.mjs", label: "native: `readline`, `for await`" };

/** @type {NetworkRow[]} */
export const networkRows = [
  {
    id: "tcp-echo",
    cases: "tcp-echo",
    work: "TCP echo through streams",
    load: echo,
    subject: corioStreams,
    peers: [
      { ...net, atLeast: 0.95 },
      { file: "streams.py", loop: "asyncio", label: "asyncio, streams", atLeast: 2 },
      { file: "streams.py", loop: "uvloop", label: "uvloop, streams", atLeast: 1.4 },
    ],
  },
  {
    id: "tcp-echo-protocol",
    cases: "tcp-echo",
    work: "TCP echo through a protocol",
    load: echo,
    subject: corioProtocol,
    peers: [
      { ...net, atLeast: 1 },
      { file: "protocol.py", loop: "uvloop", label: "uvloop, protocol", atLeast: 0.8 },
      { file: "protocol.py", loop: "asyncio", label: "asyncio, protocol" },
    ],
  },
  {
    id: "tls-echo",
    cases: "tls-echo",
    work: "TLS echo through streams",
    load: echo,
    tls: true,
    subject: corioStreams,
    peers: [{ file: "native.mjs", label: "native: callbacks of `tls`", atLeast: 0.95 }],
  },
  {
    id: "lines",
    cases: "lines",
    work: "lines of 100 bytes by `readline`, one connection",
    load: { line: 100 },
    subject: { file: "readline.mjs", label: "corio" },
    peers: [
      { ...readlineEvent, atLeast: 1.5 },
      readlineForAwait,
      { file: "streams.py", loop: "asyncio", label: "asyncio, `async for`" },
      { file: "streams.py", loop: "uvloop", label: "uvloop, `async for`" },
    ],
  },
  {
    id: "lines-for-each",
    cases: "lines",
    work: "lines of 100 bytes by `forEach`, one connection",
    load: { line: 100 },
    subject: { file: "for-each.mjs", label: "corio" },
    peers: [readlineEvent, readlineForAwait],
  },
];

/** @type {IdleRow[]} */
export const idleRows = [
  {
    id: "idle-streams",
    cases: "idle-connection",
    work: "heap per idle connection, its handler waiting in `readline`",
    subject: corioStreams,
    peers: [{ ...net, atMost: 1.3 }],
  },
  {
    id: "idle-protocol",
    cases: "idle-connection",
    work: "heap per idle connection with a protocol",
    subject: corioProtocol,
    peers: [{ ...net, atMost: 1.3 }],
  },
];
