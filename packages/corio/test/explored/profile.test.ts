import { explore } from "@corio/testing";
import { test } from "vitest";
import * as c from "corio";
import * as ev from "./programs/event.js";
import * as co from "./programs/condition.js";
import * as ba from "./programs/barrier.js";
import * as qu from "./programs/queue.js";
import * as tg from "./programs/task-group.js";
import * as to from "./programs/timeout.js";
import * as ga from "./programs/gather.js";
import * as ra from "./programs/race.js";
import * as ma from "./programs/map.js";
import * as wa from "./programs/waiting.js";
import * as wi from "./programs/within.js";
import * as ag from "./programs/async-generator.js";
import { takingTurns } from "./programs/taking-turns.js";
const maxSize = 1;
const all: any = {
  lock: takingTurns(() => new c.Lock(), 1), sem: takingTurns(() => new c.Semaphore(2), 2),
  pulses: ev.pulses, once: ev.onceForAll, notif: co.notifications, store: co.store, gen: ba.generations, reset: ba.resetAndAbort,
  q: qu.passing(() => new c.Queue({ maxSize }), qu.firstInFirstOut), lifo: qu.passing(() => new c.LifoQueue({ maxSize: 2 }), qu.lastInFirstOut),
  shut: qu.shuttingDown(() => new c.Queue({ maxSize }), { immediate: false }), 
  failing: tg.failing, growing: tg.growing, nested: tg.nested, limits: to.limits, waits: to.waits, gather: ga.oneFails, results: ga.errorsAreResults, race: ra.losersEnd,
  map: ma.twoAtOnce, mapf: ma.oneFails, asc: wa.resultsAsTheyCome, shield: wa.shielded, wait: wa.waits, within: wi.allIsClosed, agen: ag.closedWhenLeft,
};
test("profile", () => {
  for (const [name, program] of Object.entries<any>(all)) {
    const line = [name.padEnd(8)];
    for (const opts of [{}, { cancel: ({ name }: any) => name === "parent" || name.length < 3 || name.startsWith("consumer") }]) {
      const t = process.cpuUsage();
      try { const d = explore(() => program("cancel" in opts), { schedules: 5000, ...opts });
      const u = process.cpuUsage(t);
      line.push(`${((u.user + u.system) / 1000 / d.schedules * 10).toFixed(2)} s/10k, ${(d.steps / d.schedules).toFixed(0)} steps`, d.exhaustive ? `all ${d.schedules}` : ""); } catch (e) { line.push("failed " + (e as Error).message.split("\n")[2]) }
    }
    console.log(line.join("  "));
  }
});
