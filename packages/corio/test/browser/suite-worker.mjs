import { runBothWays } from "./suite-both-ways.mjs";

globalThis.postMessage(await runBothWays());
