import { invalidArgument } from "../errors/invalid-argument.js";

/** The port that a number or a string of digits stands for. Names of services are refused. */
export function portOf(port: unknown, call: string): number {
  const number = typeof port === "string" && /^\d+$/.test(port) ? Number(port) : port;
  if (Number.isInteger(number) && (number as number) >= 0 && (number as number) <= 65_535) return number as number;
  const hint =
    typeof port === "string" && /^[a-z]/i.test(port)
      ? ': names of services are not looked up, write e.g. 80 for "http"'
      : "";
  throw invalidArgument(
    "PORT",
    `${call} takes a port from 0 to 65535, not ${JSON.stringify(port) ?? String(port)}${hint}`,
  );
}
