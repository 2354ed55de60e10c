/**
 * Ends the process with `process.exitCode` once all output is written: `process.exit()` alone would throw away what
 * a pipe has not taken yet.
 */
export function endProcess(): void {
  if (ending) return;
  ending = true;
  void Promise.all([written(process.stdout), written(process.stderr)]).then(() => process.exit());
}

let ending = false;

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (!stream.writable) return resolve();
    // Whoever read has gone: nothing more will be written.
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  });
}
