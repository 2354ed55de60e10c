import type { AsyncContextRunner } from "./host.js";
import { platform } from "./platform.js";

const AsyncResource = platform.process?.getBuiltinModule?.("node:async_hooks")?.AsyncResource;

/** Captures the asynchronous context of the caller; where the platform has none, everything runs in the same. */
export function captureAsyncContext(): AsyncContextRunner {
  if (AsyncResource === undefined) return (run) => run();
  const resource = new AsyncResource("corio");
  return (run) => resource.runInAsyncScope(run);
}
