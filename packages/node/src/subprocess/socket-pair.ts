import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Coroutine, type Future, getRunningLoop } from "corio";
import { fail } from "../errors/fail.js";

/**
 * @internal Two ends of one connection. Node cannot give a child one pipe as both its stdout and its stderr; what it can is to
 * hand on a socket twice.
 *
 * Nobody else can get hold of an end: the folder of the socket is open to this user only.
 */
export function* socketPair(): Coroutine<[ours: Socket, theirs: Socket]> {
  const folder = process.platform === "win32" ? undefined : mkdtempSync(join(tmpdir(), "corio-"));
  const path = folder === undefined ? `\\\\.\\pipe\\corio-${randomUUID()}` : join(folder, "s");
  const accepted: Future<void> = getRunningLoop().createFuture();
  const failed = (error: Error): void => fail(accepted, error);
  const ends: { ours?: Socket; theirs?: Socket } = {};
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    ends.theirs = socket.on("error", failed);
    if (accepted.done) socket.destroy();
    else accepted.setResult();
  });
  server.on("error", failed);
  server.listen(path, () => {
    if (!accepted.done) ends.ours = connect(path).on("error", failed);
  });
  try {
    yield* accepted;
    return [ends.ours as Socket, ends.theirs as Socket];
  } catch (error) {
    ends.ours?.destroy();
    ends.theirs?.destroy();
    throw error;
  } finally {
    server.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}
