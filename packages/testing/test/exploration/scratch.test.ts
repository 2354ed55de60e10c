import { explore } from "@corio/testing";
import { type Coroutine, sleep, gather } from "corio";
import { test } from "vitest";
test("memory", () => {
  function* program(): Coroutine<void> {
    function* worker(): Coroutine<void> { for (let i = 0; i < 9; i++) yield* sleep(0); }
    yield* gather(worker(), worker(), worker(), worker(), worker());
  }
  let n = 0; let peak = 0;
  for (const options of [{ schedules: 40_000, delays: 0 }, { schedules: 40_000 }, { schedules: 40_000, cancel: true }]) {
  n = 0; peak = 0; (globalThis as any).gc();
  const base = process.memoryUsage().heapUsed; const t = performance.now();
  const r = explore(() => { if (++n % 5000 === 0) { (globalThis as any).gc(); const u = process.memoryUsage().heapUsed - base; if (u > peak) peak = u; } return program(); }, options);
  console.log(r, (peak / 1e6).toFixed(1), "MB", performance.now() - t);
  }
});
