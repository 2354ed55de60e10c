import type { EventLoop } from "../loop/event-loop.js";
import { atRunEnd } from "./at-run-end.js";
import { running } from "../scheduling/running.js";

/** @internal A coroutine that can say whether anything has awaited it yet. */
export interface UnawaitedCoroutine {
  readonly coroutineName: string;
  readonly awaited: boolean;
}

// Almost every coroutine is awaited soon after it was made, and watching an object for its collection is dear. So the latest
// ones are looked at again later, and only those that still wait are watched.
const LATEST = 256;
const latest: UnawaitedCoroutine[] = [];

interface Watched {
  readonly name: string;
  readonly loop: EventLoop | undefined;
  readonly coroutine: WeakRef<UnawaitedCoroutine>;
}

const watched = new Set<Watched>();
const collected = new FinalizationRegistry<Watched>((entry) => {
  if (watched.delete(entry)) report(entry);
});

/** @internal Notes a coroutine that was just made. */
export function noteUnawaited(coroutine: UnawaitedCoroutine): void {
  atRunEnd.report = reportUnawaited;
  if (latest.push(coroutine) >= LATEST) watchLatest();
}

function watchLatest(): void {
  for (const coroutine of latest) {
    if (coroutine.awaited) continue;
    const entry = { name: coroutine.coroutineName, loop: running.loop, coroutine: new WeakRef(coroutine) };
    watched.add(entry);
    collected.register(coroutine, entry);
  }
  latest.length = 0;
}

/** Reports the coroutines that were never awaited, when a run ends. */
function reportUnawaited(loop: EventLoop): void {
  for (const coroutine of latest.splice(0)) {
    if (!coroutine.awaited) report({ name: coroutine.coroutineName, loop });
  }
  for (const entry of watched) {
    const coroutine = entry.coroutine.deref();
    if (coroutine?.awaited) watched.delete(entry);
    else if (entry.loop === loop) {
      watched.delete(entry);
      report(entry);
    }
  }
}

function report({ name, loop }: { name: string; loop: EventLoop | undefined }): void {
  loop?.reporter.warn(`coroutine '${name}' was never awaited: write \`yield* ${name}(…)\`, or createTask(${name}(…))`);
}
