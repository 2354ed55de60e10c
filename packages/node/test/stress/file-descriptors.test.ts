import { describe, expect, test } from "vitest";
import { LineClients, LineServer } from "./programs.js";

// Fewer would not do for Node to load what the program imports, which it does all at once.
const FEW = 400;
const MANY = 1_000;

describe.skipIf(process.platform === "win32")("a process that may open few files", () => {
  test("serves as many connections as it can, turns the others away, and serves on when there is room again", async () => {
    const server = new LineServer(FEW);
    const port = await server.port();

    const many = new LineClients(port, MANY);
    const { answered, errors } = await many.opened();
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThan(FEW);
    expect(answered + count(errors)).toBe(MANY);
    // accepted and closed at once by libuv, which keeps a descriptor in reserve for that; nobody is kept waiting
    expect(Object.keys(errors).filter((error) => !["no answer", "ECONNRESET", "EPIPE"].includes(error))).toEqual([]);
    expect(await server.state()).toMatchObject({ connections: answered, tasks: answered });
    // those that it has are served on
    expect((await many.again()).answered).toBe(answered);
    await many.closed();
    expect(await server.idle()).toMatchObject({ connections: 0, tasks: 0 });

    const few = new LineClients(port, 10);
    expect(await few.opened()).toEqual({ answered: 10, errors: {} });
    await few.closed();
    expect(await server.stopped()).toMatchObject({ connections: 0, tasks: 0 });
  });

  test("connects as often as it can, gets EMFILE for the rest, and connects again when there is room", async () => {
    const server = new LineServer();
    const clients = new LineClients(await server.port(), MANY, FEW);
    const { answered, errors } = await clients.opened();
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThan(FEW);
    expect(errors).toEqual({ EMFILE: MANY - answered });
    expect((await server.state()).connections).toBe(answered);
    expect(await clients.again()).toEqual({ answered, errors: {} });
    expect(await clients.closed()).toEqual({ closed: answered, errors: {} });
    expect(await server.idle()).toEqual({ connections: 0, tasks: 0, errors: {} });
    await server.stopped();
  });
});

function count(errors: Record<string, number>): number {
  return Object.values(errors).reduce((sum, times) => sum + times, 0);
}
