import { gzipSync } from "node:zlib";
import { type Script, nextRequest } from "./raw-server.js";

/** Answers each request with a text, byte for byte. */
export const answering =
  (...answer: string[]): Script =>
  async (connection) => {
    for (;;) {
      await nextRequest(connection);
      await connection.send(answer.join(""));
    }
  };

/** A whole answer with a body of text, after which the connection is kept. */
export const answer = (body: string): string => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/** After the first request. */
const once =
  (play: Script): Script =>
  async (connection, number) => {
    await nextRequest(connection);
    await play(connection, number);
  };

const sendingThenEnding = (text: string): Script =>
  once(async (connection) => {
    await connection.send(text);
    connection.end();
  });

/** What servers do to their clients. */
export const faults = {
  /** Takes the request, and is silent. */
  neverAnswers: once(() => {}),
  /** Takes nothing in: a large request does not get through. */
  neverReads: (connection) => connection.pause(),
  /** Closes without an answer. */
  closesWithoutAnswer: sendingThenEnding(""),
  resets: once((connection) => connection.reset()),
  resetsAtOnce: (connection) => connection.reset(),
  /** Answers, before the request is there. */
  answersUnasked: async (connection) => void (await connection.send(answer("unasked"))),
  /** Ends after 5 of 10 bytes. */
  stopsInMidBody: sendingThenEnding("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345"),
  /** Ends within a chunk. */
  stopsInMidChunk: sendingThenEnding(`${chunked}a\r\n12345`),
  /** Ends before the last chunk. */
  stopsBetweenChunks: sendingThenEnding(`${chunked}5\r\n12345\r\n`),
  stopsInMidHead: sendingThenEnding("HTTP/1.1 200 OK\r\ncontent-le"),
  resetsInMidBody: once(async (connection) => {
    await connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
    connection.reset();
  }),
  /** Sends 5 of 10 bytes, and then no more. */
  stallsInMidBody: once(async (connection) => {
    await connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
  }),
  stallsInMidHead: once(async (connection) => void (await connection.send("HTTP/1.1 200 OK\r\ncontent-le"))),
  /** More bytes than it has announced: the rest looks like another answer, to whoever asks next. */
  sendsTooMuch: answering(answer("ok"), answer("smuggled")),
  sendsGarbage: sendingThenEnding("\u0016\u0003\u0001 this is no HTTP\r\n\r\n"),
  sendsGarbageLater: sendingThenEnding(`${chunked}5\r\n12345\r\nxyz\r\n`),
  /** Two lengths that differ. */
  twoLengths: answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\nhello"),
  /** A length, and chunks. */
  lengthAndChunks: answering(
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ),
  /** A head of 1 MiB. */
  hugeHead: answering(`HTTP/1.1 200 OK\r\nx: ${"x".repeat(2 ** 20)}\r\ncontent-length: 2\r\n\r\nok`),
  /** Header after header, without an end. */
  endlessHead: once(async (connection) => {
    let going = await connection.send("HTTP/1.1 200 OK\r\n");
    for (let i = 0; going; i++) going = await connection.send(`x-${i}: ${"x".repeat(1_000)}\r\n`);
  }),
  /** Interim answers, without an end. */
  endlessInterimAnswers: once(async (connection) => {
    while (await connection.send("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"));
  }),
  /** A body without an end. */
  endlessBody: once(async (connection) => {
    let going = await connection.send(chunked);
    while (going) going = await connection.send(`10000\r\n${"x".repeat(65_536)}\r\n`);
  }),
  /** The head byte by byte. */
  dripsHead: once(async (connection) => void (await connection.drip(answer("ok"), 5))),
  /** The body byte by byte. */
  dripsBody: once(async (connection) => {
    await connection.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n");
    await connection.drip("x".repeat(100), 5);
  }),
  /** What says that it is gzip, and is not. */
  brokenGzip: answering("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello"),
  /** The first half of something compressed. */
  halfGzip: once(async (connection) => {
    const half = gzipSync("hello".repeat(100)).subarray(0, 20);
    await connection.send("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 20\r\n\r\n");
    await connection.send(half);
  }),
  /** Answers once on each connection, keeps it, and closes it as soon as the next request comes. */
  closesAtSecondRequest: async (connection) => {
    await nextRequest(connection);
    await connection.send(answer("ok"));
    await connection.until(() => connection.received.length > 0);
    await connection.close();
  },
  /** The same, with a reset. */
  resetsAtSecondRequest: async (connection) => {
    await nextRequest(connection);
    await connection.send(answer("ok"));
    await connection.until(() => connection.received.length > 0);
    connection.reset();
  },
  /** Answers as if it kept the connection, and closes it. */
  closesAfterAnswer: sendingThenEnding(answer("ok")),
  /** Agrees to speak another protocol that nobody asked for. */
  upgradesUnasked: answering("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
} as const satisfies Record<string, Script>;
