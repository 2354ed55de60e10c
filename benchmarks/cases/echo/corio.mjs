import { EventLoop, run } from "corio";
import { echoBeside } from "./beside.mjs";

/** @param {() => boolean} stopped */
function* spin(stopped) {
  let switches = 0;
  while (!stopped()) {
    yield;
    switches++;
  }
  return switches;
}

/** @param {{ roundTrips: number, turnBudget: number }} parameters */
export const measure = (parameters) =>
  echoBeside(parameters, (stopped) =>
    run(spin(stopped), { loopFactory: () => new EventLoop({ turnBudget: parameters.turnBudget }) }),
  );
