import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { main } from "../programs/server.js";
import { realRun } from "./real-run.js";
import { StartedProgram } from "./started-program.js";

describe("server", () => {
  it("answers hundreds of clients at once; stopped, it finishes every answer that the time of grace allows for", async () => {
    const { output, reports } = await realRun(() => main(["400"]));
    expect(reports).toEqual([]);
    const [listening, stopping, questions, clients, open] = output;
    expect(listening).toMatch(/^listening on port \d+$/);
    expect(stopping).toMatch(/^stopping with answers in flight: [1-9]\d*, idle connections: [1-9]\d*$/);

    const [accepted, answered, cancelled] = numbers(
      questions,
      /^questions: (\d+) accepted, (\d+) answered, (\d+) cancelled, 0 abandoned$/,
    );
    expect(accepted).toBe(360);
    expect(cancelled).toBeGreaterThanOrEqual(4);
    expect(answered + cancelled).toBe(accepted);

    const [silent, cutOff, whole] = numbers(
      clients,
      /^clients: (\d+) without a question, (\d+) cut off, (\d+) with a whole answer$/,
    );
    expect({ silent, cutOff, whole }).toEqual({ silent: 40, cutOff: cancelled, whole: answered });
    expect(open).toBe("connections left open: 0");
  });

  it("is stopped by SIGTERM: nobody is let in any more, who has asked gets the answer, who has not is told goodbye", async () => {
    const program = new StartedProgram("programs/server.ts", "0", "60000");
    const [port] = numbers(await program.line(), /^listening on port (\d+)$/);
    const asking = await greeted(port);
    const idle = await greeted(port);
    asking.socket.write("question 300\n");
    await once(asking.socket, "data");
    const end = Promise.all([once(asking.socket, "close"), once(idle.socket, "close")]);
    program.kill("SIGTERM");
    // on a machine that is busy elsewhere the answer may have come to its end by now
    expect(await program.line()).toMatch(
      /^stopping with answers in flight: (?:1, idle connections: 1|0, idle connections: 2)$/,
    );
    const [refused] = await once(connect(port, "127.0.0.1"), "error");
    expect(refused).toMatchObject({ code: "ECONNREFUSED" });

    await end;
    const lines = [1, 2, 3].map((line) => `question: line ${line} of 3\n`);
    expect(asking.heard.join("")).toBe(`hello\n${lines.join("")}goodbye\n`);
    expect(idle.heard.join("")).toBe("hello\ngoodbye\n");
    const { code, output, stderr } = await program.ended();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(output.slice(2)).toEqual([
      "questions: 1 accepted, 1 answered, 0 cancelled, 0 abandoned",
      "connections left open: 0",
    ]);
  });
});

async function greeted(port: number): Promise<{ socket: Socket; heard: string[] }> {
  const heard: string[] = [];
  const socket = connect(port, "127.0.0.1");
  socket.on("data", (data) => heard.push(data.toString()));
  await once(socket, "data");
  return { socket, heard };
}

function numbers(line: string | undefined, pattern: RegExp): [number, number, number] {
  expect(line).toMatch(pattern);
  return (pattern.exec(line as string) as RegExpExecArray).slice(1).map(Number) as [number, number, number];
}
