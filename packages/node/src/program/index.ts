/**
 * The door `@corio/node/program`: what the command `corio run` stands on, for commands that run programs as it does. Nothing
 * behind it imports corio: it would be another copy than the program's, and cost the command's start-up.
 *
 * @module
 */
export { formatError } from "./format-error.js";
export { Supervisor, type SupervisorOptions } from "./supervisor.js";
