// Loads a server from a process of its own, the same for all servers: plain callbacks of `net` or `tls`.
// usage: node load.mjs '<Load as JSON>'; then it is told on stdin, a line of JSON each, what to do, and says what came of it.
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { connect as connectTls } from "node:tls";

/**
 * @typedef {{ port: number, ca?: string }} Load
 * @typedef {{ open: number, bytes?: number, request?: boolean } | { echo: number, atLeast?: number } | { pump: number, line: number } | { close: true }} Order
 *   `open`: so many connections, for messages of so many bytes, or each with a GET that is answered "hello"; `echo`: for so many milliseconds, and at least so many messages;
 *   `pump`: so many bytes in lines of so many through a connection of their own
 * @typedef {{ socket: import("node:net").Socket, missing: number }} Connection
 */

/** @type {Load} */
const { port, ca } = JSON.parse(/** @type {string} */ (process.argv[2]));
/** @type {Connection[]} */
const connections = [];
/** @type {Buffer} */
let message = Buffer.alloc(0);
let echoes = 0;
let outstanding = 0;
let until = 0;
let least = 0;
let compared = false;
let silent = () => {};

// All connections read into one buffer (Node's option `onread`): so the client needs less time than a server that takes buffers.
const readBuffer = Buffer.alloc(65_536);

/** @param {(bytes: Buffer) => void} read */
function dial(read) {
  const onread = {
    buffer: readBuffer,
    callback: (/** @type {number} */ size) => {
      read(readBuffer.subarray(0, size));
      return true;
    },
  };
  const options = { port, host: "127.0.0.1", noDelay: true, onread };
  return ca === undefined ? connect(options) : connectTls({ ...options, servername: "localhost", ca });
}

const AT_ONCE = 100;
const ready = ca === undefined ? "connect" : "secureConnect";

/** So many more, a few at a time: who accepts them has a queue of 511. @param {number} n @param {() => Promise<void>} openOne */
async function open(n, openOne) {
  for (const target = connections.length + n; connections.length < target; ) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, target - connections.length) }, openOne));
  }
}

/** @returns {Promise<void>} */
function openAsked() {
  return new Promise((resolve) => {
    let answer = "";
    const socket = dial((bytes) => {
      answer += bytes.toString("latin1");
      if (!answer.endsWith("hello") && !answer.endsWith("0\r\n\r\n")) return;
      if (!answer.startsWith("HTTP/1.1 200") || !answer.includes("hello")) fail(new Error(`not hello: ${answer}`));
      connections.push({ socket, missing: 0 });
      resolve();
    });
    socket.on("error", fail).once(ready, () => socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"));
  });
}

/** @returns {Promise<void>} */
function openSilent() {
  return new Promise((resolve) => {
    const socket = dial((bytes) => received(connection, bytes));
    const connection = { socket, missing: 0 };
    socket.on("error", fail).once(ready, () => {
      connections.push(connection);
      resolve();
    });
  });
}

/** @param {Connection} connection @param {Buffer} bytes */
function received(connection, bytes) {
  if (!compared) compare(connection, bytes);
  connection.missing -= bytes.length;
  if (connection.missing > 0) return;
  if (connection.missing < 0) fail(new Error("more came back than was sent"));
  echoes++;
  if (performance.now() < until || echoes < least) send(connection);
  else if (--outstanding === 0) silent();
}

/** @param {Connection} connection */
function send(connection) {
  connection.missing = message.length;
  connection.socket.write(message);
}

// What comes back is compared in the warm-up only: it would be the greater part of the client's work.
/** @param {{ missing: number }} connection @param {Buffer} bytes */
function compare({ missing }, bytes) {
  const from = message.length - missing;
  if (!bytes.equals(message.subarray(from, from + bytes.length))) fail(new Error("not what was sent came back"));
}

/** @param {number} ms @param {number} [atLeast] */
async function echo(ms, atLeast = 0) {
  least = atLeast;
  echoes = 0;
  outstanding = connections.length;
  const before = process.cpuUsage();
  const start = performance.now();
  until = start + ms;
  await /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      silent = resolve;
      for (const connection of connections) send(connection);
    })
  );
  const { user, system } = process.cpuUsage(before);
  compared = true;
  return { echoes, ms: performance.now() - start, cpuMs: (user + system) / 1000 };
}

/** @param {number} bytes @param {number} size */
function pump(bytes, size) {
  const before = process.cpuUsage();
  const start = performance.now();
  const line = Buffer.alloc(size, "a line of text, ");
  line[size - 1] = 10;
  // As many lines as about 64 KiB hold: where a line is cut by what is read at once varies.
  const lines = Buffer.concat(new Array(Math.ceil(65_536 / size)).fill(line));
  const writes = Math.ceil(bytes / lines.length);
  return new Promise((resolve) => {
    const socket = dial(() => {});
    let written = 0;
    const go = () => {
      while (written < writes) {
        written++;
        if (!socket.write(lines)) return;
      }
      socket.end();
    };
    socket.on("error", fail).on("drain", go).once(ready, go).resume();
    socket.once("close", () => {
      const { user, system } = process.cpuUsage(before);
      const sent = { lines: (writes * lines.length) / size, bytes: writes * lines.length };
      resolve({ ...sent, ms: performance.now() - start, cpuMs: (user + system) / 1000 });
    });
  });
}

/** @param {unknown} error */
function fail(error) {
  console.error(error);
  process.exit(1);
}

/** @param {Order} order */
async function obey(order) {
  if ("open" in order) {
    message = Buffer.from(Array.from({ length: order.bytes ?? 0 }, (_, i) => i * 7));
    await open(order.open, order.request === true ? openAsked : openSilent);
    return { open: connections.length };
  }
  if ("echo" in order) return echo(order.echo, order.atLeast);
  if ("close" in order) {
    for (const { socket } of connections.splice(0)) socket.destroy();
    return {};
  }
  return pump(order.pump, order.line);
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    obey(JSON.parse(line)).then((answer) => process.stdout.write(`${JSON.stringify(answer)}\n`), fail);
  })
  .on("close", () => process.exit(0));
