import { setTimeout } from "node:timers/promises";
import { echoBeside } from "./beside.mjs";

/** @param {() => boolean} stopped */
async function idle(stopped) {
  while (!stopped()) await setTimeout(20);
  return 0;
}

/** @param {{ roundTrips: number }} parameters */
export const measure = (parameters) => echoBeside(parameters, idle);
