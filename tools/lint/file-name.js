import { basename } from "node:path";

const SAYS_NOTHING = /^(utils?|helpers?|common|misc|types)\.[^.]+$/;

/** A file is named for the one concept it holds. */
export const fileName = {
  create: (context) => ({
    Program(node) {
      const name = basename(context.filename);
      if (!SAYS_NOTHING.test(name)) return;
      context.report({ node, message: `"${name}" gathers strangers: name the file for the one concept it holds.` });
    },
  }),
};
