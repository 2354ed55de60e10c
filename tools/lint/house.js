import { fileName } from "./file-name.js";
import { importsRunDownwards } from "./imports-run-downwards.js";

/** The lint rules of this repository, for oxlint's `jsPlugins`. */
export default {
  meta: { name: "house" },
  rules: {
    "file-name": fileName,
    "imports-run-downwards": importsRunDownwards,
  },
};
