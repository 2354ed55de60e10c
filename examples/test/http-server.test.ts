import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { main } from "../programs/http-server.js";
import { realRun } from "./real-run.js";
import { StartedProgram } from "./started-program.js";

describe("http-server", () => {
  it("answers hundreds of clients at once; stopped, it finishes every answer that the time of grace allows for", async () => {
    const { output, reports } = await realRun(() => main(["400", "3000"]));
    expect(reports).toEqual([]);
    const [listening, stopping, questions, clients, open] = output;
    expect(listening).toMatch(/^listening on http:\/\/127\.0\.0\.1:\d+$/);

    const [inFlight] = numbers(stopping, /^stopping with answers in flight: (\d+)$/);
    expect(inFlight).toBeGreaterThanOrEqual(4);
    const [accepted, answered, cancelled] = numbers(
      questions,
      /^questions: (\d+) accepted, (\d+) answered, (\d+) cancelled$/,
    );
    expect(accepted).toBe(400);
    expect(cancelled).toBeGreaterThanOrEqual(4);
    expect(answered + cancelled).toBe(accepted);

    expect(clients).toBe(`clients: ${answered} answered, ${cancelled} cut off`);
    expect(open).toBe("connections left open: 0");
  });

  it("is stopped by SIGTERM: nobody is let in any more, who has asked gets the answer, an idle connection is closed", async () => {
    const program = new StartedProgram("programs/http-server.ts", "0", "60000");
    const [, url] = /^listening on (.*)$/.exec(await program.line()) ?? [];
    const keepAlive = new Agent({ keepAlive: true });
    const idle = await asked(`${url}/idle`, keepAlive);
    const idleClosed = once(idle.socket, "close");
    expect(await text(idle)).toBe("idle is answered");

    const answer = asked(`${url}/question?pause=1000`);
    // who has connected later has an answer: the question is there
    expect(await text(await asked(`${url}/another`))).toBe("another is answered");
    program.kill("SIGTERM");
    expect(await program.line()).toMatch(/^stopping with answers in flight: [01]$/);
    await idleClosed;
    await expect(asked(`${url}/late`)).rejects.toMatchObject({ code: "ECONNREFUSED" });

    expect(await text(await answer)).toBe("question is answered");
    const { code, output, stderr } = await program.ended();
    expect({ code, stderr }).toEqual({ code: 143, stderr: "" });
    expect(output.slice(2)).toEqual(["questions: 3 accepted, 3 answered, 0 cancelled", "connections left open: 0"]);
    keepAlive.destroy();
  });
});

/** Asks by Node's own client. */
async function asked(url: string, agent = new Agent()): Promise<IncomingMessage> {
  const [response] = await once(get(url, { agent }), "response");
  return response as IncomingMessage;
}

function numbers(line: string | undefined, pattern: RegExp): [number, number, number] {
  expect(line).toMatch(pattern);
  return (pattern.exec(line as string) as RegExpExecArray).slice(1).map(Number) as [number, number, number];
}
