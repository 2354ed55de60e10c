import { fileURLToPath } from "node:url";
import { describeDeclarations } from "../../../tools/vitest/package-doors.js";

describeDeclarations(fileURLToPath(new URL("..", import.meta.url)), { least: 40 });
