import type { Coroutine } from "corio";
import { expectTypeOf, test } from "vitest";
import { createSubprocessExec, createSubprocessShell } from "../../src/subprocess/create-subprocess.js";
import type { Process } from "../../src/subprocess/process.js";
import type { SubprocessOptions } from "../../src/subprocess/subprocess-options.js";
import type { StreamReader } from "../../src/streams/stream-reader.js";
import type { StreamWriter } from "../../src/streams/stream-writer.js";

type Made<C> = C extends Coroutine<infer P> ? P : never;
declare const options: SubprocessOptions;

test("what is piped is there, and what is not is not", () => {
  const piped = () => createSubprocessExec("ls", [], { stdin: "pipe", stdout: "pipe", stderr: "stdout" });
  type Child = Made<ReturnType<typeof piped>>;
  expectTypeOf<Child["stdin"]>().toEqualTypeOf<StreamWriter>();
  expectTypeOf<Child["stdout"]>().toEqualTypeOf<StreamReader>();
  expectTypeOf<Child["stderr"]>().toEqualTypeOf<undefined>();
  expectTypeOf<Made<ReturnType<Child["communicate"]>>>().toEqualTypeOf<[stdout: Uint8Array, stderr: undefined]>();
});

test("without options all is inherited", () => {
  const plain = () => createSubprocessShell("ls");
  type Child = Made<ReturnType<typeof plain>>;
  expectTypeOf<Child["stdin"]>().toEqualTypeOf<undefined>();
  expectTypeOf<Made<ReturnType<Child["communicate"]>>>().toEqualTypeOf<[stdout: undefined, stderr: undefined]>();
});

test("options that are not known leave both open, and every process is a Process", () => {
  const unknown = () => createSubprocessShell("ls", options);
  type Child = Made<ReturnType<typeof unknown>>;
  expectTypeOf<Child["stdout"]>().toEqualTypeOf<StreamReader | undefined>();
  const piped = () => createSubprocessExec("ls", [], { stdout: "pipe", cwd: "/" });
  expectTypeOf<Made<ReturnType<typeof piped>>>().toExtend<Process>();
  expectTypeOf<Made<ReturnType<typeof piped>>>().toExtend<Process<{ stdout: "pipe" }>>();
});
