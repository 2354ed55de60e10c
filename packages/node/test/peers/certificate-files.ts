import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import type { Certificates } from "../support/certificates.js";

/** The paths of a certificate and of its key. */
interface Files {
  readonly cert: string;
  readonly key: string;
}

/** Certificates as files, for programs that take paths. */
export interface CertificateFiles {
  readonly ca: string;
  readonly server: Files;
  readonly client: Files;
}

/** Has certificates written to files before the tests of a file. */
export function useCertificateFiles(certificates: Certificates): CertificateFiles {
  const files = {} as { -readonly [K in keyof CertificateFiles]: CertificateFiles[K] };
  let folder: string;
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "corio-certificates-"));
    files.ca = write("ca.crt", certificates.ca);
    for (const name of ["server", "client"] as const) {
      const { cert, key } = certificates[name];
      files[name] = { cert: write(`${name}.crt`, cert), key: write(`${name}.key`, key) };
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return files;
}
