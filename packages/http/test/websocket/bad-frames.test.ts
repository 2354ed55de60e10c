import { connect } from "node:net";
import { test } from "@corio/testing/vitest";
import { attempt, type Coroutine, createTask, forEach, within } from "corio";
import { describe, expect } from "vitest";
import { WebSocketClosedError } from "../../src/errors/websocket-closed-error.js";
import { BareServer, connectTo } from "./peers.js";
import {
  acceptanceOf,
  allOf,
  BINARY,
  CLOSE,
  closeCodeIn,
  closing,
  CONTINUATION,
  frame,
  type FrameOptions,
  handshake,
  PING,
  TEXT,
} from "./raw-peer.js";
import { UpgradingServer } from "./upgrading-server.js";

const it = test.with({ time: "real" });

/** What breaks the rules whoever sends it: what is told the sender, and the pieces, which are masked as it must be. */
const wrong: [what: string, code: number, ...pieces: [Buffer | string, FrameOptions?][]][] = [
  ["a reserved bit", 1002, ["x", { reserved: 0x10 }]],
  ["the bit of a compression that was not agreed on", 1002, ["x", { reserved: 0x40 }]],
  ["an opcode of data that does not exist", 1002, ["x", { opcode: 3 }]],
  ["an opcode of control that does not exist", 1002, ["x", { opcode: 11 }]],
  ["a continuation of nothing", 1002, ["x", { opcode: CONTINUATION }]],
  ["a message inside another one", 1002, ["x", { fin: false }], ["y", { opcode: TEXT }]],
  ["a ping in fragments", 1002, ["x", { opcode: PING, fin: false }]],
  ["a ping that is too long", 1002, ["x".repeat(126), { opcode: PING }]],
  ["a close frame of one byte", 1002, ["x", { opcode: CLOSE }]],
  ["a close code that must not be sent", 1002, [closing(1005), { opcode: CLOSE }]],
  ["a close code that nobody has defined", 1002, [closing(2999), { opcode: CLOSE }]],
  ["a close reason that is no UTF-8", 1007, [closing(1000, Buffer.of(0xff)), { opcode: CLOSE }]],
  ["a text that is no UTF-8", 1007, [Buffer.of(0x61, 0xc0, 0xaf), {}]],
  ["a text that breaks off inside a character", 1007, [Buffer.of(0xf0, 0x9f, 0x90), {}]],
  ["a text with a surrogate", 1007, [Buffer.of(0xed, 0xa0, 0x80), {}]],
  ["a length above the limit, of which nothing has come", 1009, ["", { opcode: BINARY, claims: 4_194_305n }]],
  ["a length above what numbers can hold", 1009, ["", { opcode: BINARY, claims: 2n ** 63n }]],
  [
    "fragments that come to more than the limit",
    1009,
    [Buffer.alloc(4_000_000), { fin: false }],
    [Buffer.alloc(200_000), { opcode: CONTINUATION }],
  ],
  [
    "a flood of fragments",
    1008,
    ["", { fin: false }],
    ...Array.from({ length: 20_000 }, (): [string, FrameOptions] => ["", { opcode: CONTINUATION, fin: false }]),
  ],
];

describe("a client closes the connection when the server sends", () => {
  const all: typeof wrong = [...wrong, ["a frame that is masked", 1002, ["x", { masked: true }]]];
  for (const [what, code, ...pieces] of all) {
    it(what, function* () {
      const server = BareServer.http((request, socket) => {
        socket.write(acceptanceOf(request));
        socket.write(frame("before"));
        socket.end(Buffer.concat(pieces.map(([payload, options]) => frame(payload, options))));
      });
      yield* within(server, function* () {
        const socket = yield* connectTo(server);
        const sent = createTask(allOf(server.sockets[0]!));
        yield* expectBroken(socket, code);
        expect(closeCodeIn(yield* sent)).toBe(code);
      });
    });
  }
});

describe("a server closes the connection when the client sends", () => {
  const all: typeof wrong = [...wrong, ["a frame that is not masked", 1002, ["x", { masked: false }]]];
  for (const [what, code, ...pieces] of all) {
    it(what, function* () {
      const server = UpgradingServer.of((socket) => expectBroken(socket, code));
      yield* within(server, function* () {
        const client = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
        const received = createTask(allOf(client));
        client.write(handshake());
        client.write(frame("before", { masked: true }));
        client.end(Buffer.concat(pieces.map(([payload, options]) => frame(payload, { masked: true, ...options }))));
        expect(closeCodeIn(yield* received)).toBe(code);
        yield* yield* server.task();
      });
    });
  }
});

/** What arrived before can be received; then the error says what the peer was told, and why. */
function* expectBroken(socket: Parameters<typeof forEach<string | Uint8Array>>[0], code: number): Coroutine<void> {
  const got: unknown[] = [];
  const outcome = yield* attempt(forEach(socket, (message) => void got.push(message)));
  expect(got).toEqual(["before"]);
  expect(outcome).toMatchObject({ ok: false, error: { closeCode: code, reason: "", cause: expect.any(Error) } });
  expect((outcome as { error: unknown }).error).toBeInstanceOf(WebSocketClosedError);
}
