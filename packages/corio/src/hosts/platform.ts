// What the core needs of the places it runs in, declared here because it is compiled without the types of any of them.

interface Timer {
  unref?(): void;
}

interface AsyncResource {
  runInAsyncScope(fn: () => void): void;
}

interface ProcessLike {
  env: Record<string, string | undefined>;
  on(event: "beforeExit", listener: () => void): unknown;
  off(event: "beforeExit", listener: () => void): unknown;
  getBuiltinModule?(name: "node:async_hooks"): { AsyncResource: new (type: string) => AsyncResource };
}

interface MessagePortLike {
  onmessage: (() => void) | null;
  postMessage(message: unknown): void;
}

interface Platform {
  setTimeout(callback: () => void, ms: number): Timer;
  clearTimeout(timer: Timer): void;
  setImmediate?(callback: () => void): unknown;
  performance: { now(): number };
  process?: ProcessLike;
  MessageChannel: new () => { port1: MessagePortLike; port2: MessagePortLike };
  console: { error(...data: unknown[]): void; warn(...data: unknown[]): void };
}

export const platform = globalThis as unknown as Platform;
