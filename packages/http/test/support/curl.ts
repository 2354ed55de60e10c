import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathOf } from "./programs.js";

/** What curl got. */
export interface Curled {
  /** curl's own: 0 if it is content, 18 for a body that broke off, 28 for a time limit, 52 for no answer, 56 for a reset … */
  readonly exitCode: number;
  /** 0 if there was no answer. */
  readonly status: number;
  /** `"1.1"` or `"2"`. */
  readonly version: string;
  /** The heads of all answers as they came, interim ones and redirects included. */
  readonly head: string;
  readonly body: string;
  /** What it said. */
  readonly errors: string;
}

/**
 * Runs curl, which ends after 30 seconds at the latest.
 *
 * @param args what it is to do, with one URL, such as `["--http2", "--data", "text", url]`; the certificates of the tests are trusted by `["--cacert", file]`
 * @param input its standard input, for `--data-binary @-` and `--upload-file -`
 */
export async function curl(args: readonly string[], input: string | Uint8Array = ""): Promise<Curled> {
  const folder = await mkdtemp(join(tmpdir(), "corio-curl-"));
  const [head, body] = [join(folder, "head"), join(folder, "body")];
  const own = ["--silent", "--show-error", "--max-time", "30", "--dump-header", head, "--output", body];
  // no file of the user's decides
  const all = ["--disable", ...own, "--noproxy", "*", "--write-out", "%{json}", ...args];
  try {
    const { exitCode, stdout, errors } = await execute(all, input);
    const { http_code, http_version } = JSON.parse(stdout) as Record<string, unknown>;
    return {
      exitCode,
      status: Number(http_code),
      version: String(http_version),
      head: await contentOf(head),
      body: await contentOf(body),
      errors,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** curl makes no file where nothing came. */
const contentOf = (file: string): Promise<string> => readFile(file, "utf8").catch(() => "");

function execute(
  args: readonly string[],
  input: string | Uint8Array,
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly errors: string }> {
  return new Promise((resolve, reject) => {
    const child = execFile(pathOf("curl"), args, { encoding: "utf8" }, (error, stdout, errors) => {
      const exitCode = error === null ? 0 : error.code;
      if (typeof exitCode === "number") resolve({ exitCode, stdout, errors });
      else reject(error);
    });
    // of a curl that does not read
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}
