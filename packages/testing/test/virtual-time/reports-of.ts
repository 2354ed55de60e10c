import type { EventLoop } from "corio";

/** Gathers what a loop reports from now on, as texts. */
export function reportsOf(loop: EventLoop): string[] {
  const reports: string[] = [];
  loop.exceptionHandler = (_loop, { message, exception }) =>
    void reports.push(exception === undefined ? message : `${message}: ${String(exception)}`);
  loop.reporter = {
    error: (message) => void reports.push(message),
    warn: (message) => void reports.push(message),
  };
  return reports;
}
