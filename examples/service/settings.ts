import { parseArgs } from "node:util";

/** What can be said on the command line. Times are in milliseconds. */
export interface Settings {
  /** 0 is a free one. */
  readonly port: number;
  /** The URL of a PostgreSQL; without one the service runs its own, which is gone with it. */
  readonly database: string | undefined;
  /** How many connections to it there are at most. */
  readonly connections: number;
  /** How long an answer may take. */
  readonly handlerTimeout: number;
  /** How long /health says that the service stops, before it lets nobody in any more: for balancers to notice. */
  readonly notice: number;
  /** How long it takes to send a mail, as there is no mail server here. */
  readonly mailTime: number;
}

/** @throws an error of Node for what it cannot make sense of */
export function readSettings(args: string[]): Settings {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: "string", default: "8080" },
      database: { type: "string" },
      connections: { type: "string", default: "8" },
      "handler-timeout": { type: "string", default: "10000" },
      notice: { type: "string", default: "0" },
      "mail-time": { type: "string", default: "200" },
    },
  });
  return {
    port: Number(values.port),
    database: values.database,
    connections: Number(values.connections),
    handlerTimeout: Number(values["handler-timeout"]),
    notice: Number(values.notice),
    mailTime: Number(values["mail-time"]),
  };
}
