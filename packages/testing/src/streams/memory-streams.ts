import { getRunningLoop } from "corio";
import type { StreamLimit, StreamReader, StreamWriter } from "@corio/node";
import { MemoryConnection } from "./memory-connection.js";
import { CheckedConditions, type NetworkConditions } from "./network-conditions.js";

/** A reader and a writer: one side of a connection. */
export type Streams = [reader: StreamReader, writer: StreamWriter];

/**
 * Two connected pairs of streams in memory: what one side writes the other one reads. They are the StreamReader and StreamWriter of
 * @corio/node with their limits, buffers and errors; only the network below is not there. So they work on virtual time, to the
 * millisecond, and in programs that are explored.
 *
 * @param options the network's `latency`, `bandwidth`, `loss`, `disconnect`, … and `seed`, see {@link NetworkConditions}; `limit` of
 * both readers, in bytes, default 64 KiB
 * @returns both sides
 * @throws a RangeError for conditions that cannot be
 * @example
 * const roundTrip = runVirtually(function* () {
 *   const [[reader, writer], [theirReader, theirWriter]] = memoryStreams({ latency: 50 });
 *   writer.write("ping\n");
 *   theirWriter.write(yield* theirReader.readline());
 *   yield* reader.readline();
 *   writer.close();
 *   theirWriter.close();
 *   return getRunningLoop().time();
 * });
 * console.log(roundTrip); // 100
 */
export function memoryStreams(options: NetworkConditions & StreamLimit = {}): [near: Streams, far: Streams] {
  const conditions = new CheckedConditions(options);
  const { near, far } = new MemoryConnection({ loop: getRunningLoop(), conditions, number: 0 });
  const limit = options.limit === undefined ? {} : { limit: options.limit };
  return [near.openStreams(limit), far.openStreams(limit)];
}
