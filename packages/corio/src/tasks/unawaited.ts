import type { EventLoop } from "../loop/event-loop.js";
import { running } from "../scheduling/running.js";
import { atRunEnd } from "./at-run-end.js";

/** @internal A coroutine that can say whether anything has awaited it yet. */
export interface UnawaitedCoroutine {
  readonly coroutineName: string;
  readonly awaited: boolean;
  /** What to forget when it is awaited after all. */
  watched: WatchedCoroutine | undefined;
}

/** @internal What is left of a coroutine that was collected before it was awaited. */
export interface WatchedCoroutine {
  readonly name: string;
  readonly loop: EventLoop | undefined;
}

// Almost every coroutine is awaited soon after it was made, and watching an object for its collection is dear. So the latest
// ones are looked at again later, and only those that still wait are watched.
const LATEST = 256;
const latest: UnawaitedCoroutine[] = [];

const watched = new Set<WatchedCoroutine>();
const collected = new FinalizationRegistry<WatchedCoroutine>((entry) => {
  if (watched.delete(entry)) report(entry);
});

/** @internal Notes a coroutine that was just made. */
export function noteUnawaited(coroutine: UnawaitedCoroutine): void {
  atRunEnd.report = reportUnawaited;
  if (latest.push(coroutine) >= LATEST) watchLatest();
}

/** @internal Forgets a coroutine that was watched, and is awaited now. */
export function forgetUnawaited(coroutine: UnawaitedCoroutine): void {
  if (coroutine.watched === undefined) return;
  watched.delete(coroutine.watched);
  collected.unregister(coroutine.watched);
  coroutine.watched = undefined;
}

function watchLatest(): void {
  for (const coroutine of latest.splice(0)) {
    if (coroutine.awaited) continue;
    const entry = { name: coroutine.coroutineName, loop: running.loop };
    coroutine.watched = entry;
    watched.add(entry);
    collected.register(coroutine, entry, entry);
  }
}

/** Reports the coroutines that were never awaited, when a run ends. */
function reportUnawaited(loop: EventLoop): void {
  for (const coroutine of latest.splice(0)) {
    if (!coroutine.awaited) report({ name: coroutine.coroutineName, loop });
  }
  for (const entry of watched) {
    if (entry.loop !== loop) continue;
    watched.delete(entry);
    report(entry);
  }
}

function report({ name, loop }: WatchedCoroutine): void {
  loop?.reporter.warn(`coroutine '${name}' was never awaited: write \`yield* ${name}(…)\`, or createTask(${name}(…))`);
}
