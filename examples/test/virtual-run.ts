import { format } from "node:util";
import { type Coroutine, EventLoop, ManualHost, NodeHost, run } from "corio";
import { vi } from "vitest";

/** What came of a program that ran on virtual time. */
export interface VirtualRun {
  /** What it printed, line by line. */
  readonly output: readonly string[];
  /** What its loops reported, one text each. */
  readonly reports: readonly string[];
  /** How long it took on the virtual clock, in milliseconds. */
  readonly duration: number;
}

/** Runs a program's main coroutine as `corio run` does, but on virtual time. */
export function virtualRun(main: () => Coroutine<unknown>, { debug = false } = {}): Promise<VirtualRun> {
  return onVirtualTime((host) => run(main, { debug, loopFactory: () => new EventLoop({ host }) }));
}

/** Imports a program that starts its loops itself; they find virtual time where Node's would be. */
export function virtualImport(program: () => Promise<unknown>): Promise<VirtualRun> {
  return onVirtualTime((host) => {
    for (const method of ["now", "requestTurn", "requestTurnAt", "onIdle"] as const) {
      vi.spyOn(NodeHost.prototype, method).mockImplementation(host[method].bind(host) as never);
    }
    return program();
  });
}

/** Lets virtual time pass without a turn of any loop, as what blocks the thread does. */
export function passTime(ms: number): void {
  if (current === undefined) throw new Error("no program is running on virtual time");
  current.advance(ms);
}

let current: ManualHost | undefined;

async function onVirtualTime(start: (host: ManualHost) => Promise<unknown>): Promise<VirtualRun> {
  const host = new ManualHost();
  const output: string[] = [];
  const reports: string[] = [];
  const report = (...args: unknown[]): void => void reports.push(format(...args));
  current = host;
  vi.spyOn(performance, "now").mockImplementation(() => host.now());
  vi.spyOn(console, "log").mockImplementation((...args) => void output.push(format(...args)));
  vi.spyOn(console, "warn").mockImplementation(report);
  vi.spyOn(console, "error").mockImplementation(report);
  try {
    let ended = false;
    const end = start(host).finally(() => {
      ended = true;
    });
    while (!ended) {
      if (!host.step()) await hostsTurn();
    }
    await end;
    return { output, reports, duration: host.now() };
  } finally {
    current = undefined;
    vi.restoreAllMocks();
  }
}

/** Lets what is not on virtual time go on: the reactions of promises, the import of a module. */
function hostsTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
