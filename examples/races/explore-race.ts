/** Explores one of the races beside it: prints the report about the buggy version, and what the fixed one passes. */
import { ExplorationError, type ExploreOptions, explore, type Program } from "@corio/testing";

const [name = "lost-update"] = process.argv.slice(2);
const race: { buggy: Program<void>; fixed: Program<void>; options?: ExploreOptions } = await import(`./${name}.js`);
const options = { schedules: 2_000, ...race.options };

try {
  explore(race.buggy, options);
} catch (error) {
  if (!(error instanceof ExplorationError)) throw error;
  console.log(error.message);
}
const { schedules, exhaustive } = explore(race.fixed, options);
console.log(
  `\nThe fixed one passes ${exhaustive ? `all ${schedules} schedules that there are` : `${schedules} schedules`}.`,
);
