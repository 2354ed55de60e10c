import { describe } from "vitest";
import { bothWays } from "./both-ways.js";
import { allIsClosed } from "./programs/within.js";

describe("within and ExitStack close all that was opened, in reverse order", () => {
  bothWays(allIsClosed);
});
