import { invalidArgument } from "../errors/invalid-argument.js";

/** @internal Refuses what cannot be a list of subprotocols. */
export function checkProtocols(protocols: unknown): asserts protocols is readonly string[] {
  if (!Array.isArray(protocols) || new Set(protocols).size < protocols.length || !protocols.every(isToken)) {
    throw invalidArgument(
      "WEBSOCKET_OPTION",
      'protocols is an array of names, letters and digits mostly, none of them twice: ["graphql-transport-ws"]',
    );
  }
}

function isToken(name: unknown): boolean {
  return typeof name === "string" && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name);
}
