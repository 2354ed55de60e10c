import { openConnection } from "@corio/node";
import { type Coroutine, forEach, within } from "corio";

/**
 * Connects, asks a question or none, and stays until the server ends the connection.
 *
 * @param served is called when the server has let the client in and begun to answer the question, if there is one
 * @returns the lines that came after the greeting
 */
export function* ask(port: number, question: string | undefined, served: () => void): Coroutine<string[]> {
  const [reader, writer] = yield* openConnection("127.0.0.1", port);
  return yield* within(writer, function* () {
    const greeting = yield* reader.readline();
    if (greeting.length === 0) throw new Error("the server closed the connection");
    const lines: string[] = [];
    if (question === undefined) served();
    else writer.write(`${question}\n`);
    yield* forEach(reader, (line) => {
      lines.push(new TextDecoder().decode(line).trimEnd());
      served();
    });
    return lines;
  });
}
