import { setImmediate } from "node:timers/promises";
import { echoBeside } from "./beside.mjs";

/** @param {() => boolean} stopped */
async function spin(stopped) {
  let switches = 0;
  while (!stopped()) {
    await setImmediate();
    switches++;
  }
  return switches;
}

/** @param {{ roundTrips: number }} parameters */
export const measure = (parameters) => echoBeside(parameters, spin);
