/**
 * What is measured between two processes, against whom, and with which aim.
 *
 * A contender is a file of `cases/<cases>/` in a process of its own, and what is at the other end is the same for all of a row. A server
 * gets its load from `harness/load.mjs` or from the program `wrk`; a client has a server, nginx.
 *
 * @typedef {{ file: string, loop?: "asyncio" | "uvloop", label: string, atLeast?: number, atMost?: number }} NetworkContender
 *   the aim: `atLeast`, the subject's rate divided by this peer's; `atMost`, the bytes that the subject holds divided by this peer's
 * @typedef {{ id: string, cases: string, work: string, load: Load, tls?: boolean, subject: NetworkContender, peers: NetworkContender[] }} NetworkRow
 * @typedef {Echo | Lines | Wrk | Get} Load
 * @typedef {{ connections: number, bytes: number }} Echo messages of so many bytes over so many connections, on each the next one
 *   when the last is back
 * @typedef {{ line: number }} Lines lines of so many bytes, as fast as they are taken, over one connection
 * @typedef {{ wrk: number }} Wrk GETs of `wrk` over so many connections
 * @typedef {{ get: number, atOnce: number }} Get the contender's own GETs of so many bytes, so many under way at the same time
 * @typedef {{ id: string, cases: string, work: string, request?: boolean, subject: NetworkContender, peers: NetworkContender[] }} IdleRow
 *   `request`: each connection has had an answer to a GET
 */

const echo = { connections: 50, bytes: 1024 };

const corioStreams = { file: "streams.mjs", label: "corio" };
const corioProtocol = { file: "protocol.mjs", label: "corio" };
const net = { file: "native.mjs", label: "native: callbacks of `net`" };

const readlineEvent = { file: "native.mjs", label: "native: `readline`, its event `line`" };
const readlineForAwait = { file: "for-await.mjs", label: "native: `readline`, `for await`" };

const corioHttp = { file: "corio.mjs", label: "corio" };
const http = { file: "native.mjs", label: "native: `http`" };

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
  {
    id: "http-client",
    cases: "http-client",
    work: "GETs of 1 KiB from nginx, 100 in flight",
    load: { get: 1024, atOnce: 100 },
    subject: corioHttp,
    peers: [
      { file: "undici-request.mjs", label: "undici, `request`", atLeast: 0.9 },
      { file: "undici-fetch.mjs", label: "undici, `fetch`" },
      { file: "aiohttp.py", loop: "asyncio", label: "aiohttp on asyncio", atLeast: 1.3 },
      { file: "aiohttp.py", loop: "uvloop", label: "aiohttp on uvloop", atLeast: 1.15 },
    ],
  },
  {
    id: "http-server",
    cases: "http-server",
    work: "`hello` over HTTP, `wrk -c 100`",
    load: { wrk: 100 },
    subject: corioHttp,
    peers: [
      { ...http, atLeast: 0.85 },
      { file: "hono-node-server.mjs", label: "@hono/node-server, a bare handler", atLeast: 0.9 },
      { file: "hono.mjs", label: "@hono/node-server with Hono", atLeast: 1 },
      { file: "aiohttp.py", loop: "uvloop", label: "aiohttp on uvloop", atLeast: 1.2 },
      { file: "aiohttp.py", loop: "asyncio", label: "aiohttp on asyncio" },
    ],
  },
  {
    id: "http-server-hono",
    cases: "http-server",
    work: "the same with Hono",
    load: { wrk: 100 },
    subject: { file: "corio-hono.mjs", label: "corio" },
    peers: [{ file: "hono.mjs", label: "@hono/node-server with Hono" }],
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
  {
    id: "idle-http",
    cases: "idle-http",
    work: "heap per idle keep-alive client of HTTP",
    request: true,
    subject: corioHttp,
    peers: [{ ...http, atMost: 1.3 }],
  },
];
