import { readdirSync, readFileSync } from "node:fs";

/**
 * @internal Whether anyone of a process group still runs. The system alone cannot tell: for it a zombie counts, and whose
 * parent has ended stays one for ever where the first process collects none, as in a container that has Node for it. So on
 * Linux it is looked into.
 */
export function groupLives(id: number): boolean {
  try {
    process.kill(-id, 0);
  } catch {
    return false;
  }
  return process.platform !== "linux" || hasLivingMember(id);
}

function hasLivingMember(id: number): boolean {
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return true;
  }
  return names.some((name) => {
    if (!/^\d/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      // 1234 (name, in which anything may stand) state parent group …
      const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ", 3);
      return Number(group) === id && state !== "Z" && state !== "X";
    } catch {
      return false; // it has ended meanwhile
    }
  });
}
