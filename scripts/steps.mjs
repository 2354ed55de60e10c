import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { stripVTControlCharacters } from "node:util";

/**
 * Runs steps one after another, passing their output on, and ends with one line `N passed, N failed`.
 *
 * A step that runs tests prints such a line of its own: it is taken out of the output and added to the total. A step
 * that fails without having counted a failure counts as one. Lines `failed: …` are told again in the summary, where they
 * are found although the output is long.
 *
 * @param {readonly { name: string, command: readonly string[], env?: Record<string, string>, minutes?: number }[]} steps
 *   `minutes` (default 5) is how long the step may take.
 * @param {{ keepGoing?: boolean }} [options] `keepGoing` runs the later steps after a failure, too.
 * @returns {Promise<boolean>} whether all of them succeeded
 */
export async function runSteps(steps, { keepGoing = false } = {}) {
  const summary = [];
  const total = { passed: 0, failed: 0 };
  let ok = true;
  for (const step of steps) {
    if (!ok && !keepGoing) {
      summary.push(`not run  ${step.name}`);
      continue;
    }
    console.log(`\n=== ${step.name}: ${step.command.join(" ")}`);
    const started = performance.now();
    const { problem, interrupted, passed, failed, failures } = await runStep(step);
    total.passed += passed;
    total.failed += failed || Number(problem !== undefined);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const counted = passed + failed > 0 ? `, ${passed} of ${passed + failed} tests passed` : "";
    summary.push(
      `${problem ? "FAILED " : "ok     "}  ${step.name} (${seconds} s${counted}${problem ? `, ${problem}` : ""})`,
    );
    if (!problem) continue;
    ok = false;
    for (const failure of failures) summary.push(`  failed: ${failure}`);
    if (interrupted) keepGoing = false;
    console.log(`\n!!! ${step.name} failed: ${problem}. Again: ${step.command.join(" ")}`);
  }
  console.log(`\n=== Summary\n${summary.join("\n")}\n`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return ok;
}

function runStep({ command: [program, ...args], env, minutes = 5 }) {
  return new Promise((resolve) => {
    const color = process.stdout.isTTY && !("NO_COLOR" in process.env) ? { FORCE_COLOR: "1" } : {};
    const child = spawn(program, args, {
      // A group of its own, so that a step that hangs is ended with all it started.
      detached: true,
      env: { ...process.env, ...color, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let problem;
    let interrupted = false;
    const endGroup = (reason, grace) => {
      problem = reason;
      signalGroup(child, "SIGTERM");
      setTimeout(signalGroup, grace, child, "SIGKILL").unref();
    };
    // Steps may run steps: those get to end their own children before they are killed.
    const limit = setTimeout(() => endGroup(`no end after ${minutes} minutes`, 5_000), minutes * 60_000);
    const interrupt = () => {
      interrupted = true;
      endGroup("interrupted", 1_000);
    };
    process.once("SIGINT", interrupt).once("SIGTERM", interrupt);

    const counted = { passed: 0, failed: 0 };
    // A step that runs steps tells a failure twice.
    const failures = new Set();
    createInterface({ input: child.stdout }).on("line", (line) => {
      const text = stripVTControlCharacters(line).trim();
      const failure = /^failed: (.+)$/.exec(text)?.[1];
      if (failure !== undefined) failures.add(failure);
      const tally = /^(\d+) passed, (\d+) failed$/.exec(text);
      if (!tally) return console.log(line);
      counted.passed += Number(tally[1]);
      counted.failed += Number(tally[2]);
    });
    child.on("error", (error) => {
      problem = error.message;
    });
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
      if (code !== 0) problem ??= signal ? `ended by ${signal}` : `exit code ${code}`;
      else if (counted.failed > 0) problem ??= "it counted failures, but its exit code is 0";
      resolve({ problem, interrupted, failures, ...counted });
    });
  });
}

function signalGroup(child, signal) {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // All of the group have ended.
  }
}
