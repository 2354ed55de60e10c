/** Lets a process that the program forks load TypeScript, too: `node --import register.js worker.ts`. */
import { registerModuleHooks } from "./module-hooks.js";
import { enableTypeScript } from "./typescript.js";

registerModuleHooks();
await enableTypeScript(process.argv[1] ?? process.cwd());
