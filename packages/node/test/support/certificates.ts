import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";

/** A certificate and its key, as Node's options of TLS have them. */
interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** Certificates, all but `stranger` signed by one authority. */
export interface Certificates {
  /** The authority. */
  readonly ca: string;
  /** Of localhost and 127.0.0.1. */
  readonly server: Credentials;
  /** Of localhost, which has expired. */
  readonly expired: Credentials;
  /** Of another host, other.example. */
  readonly other: Credentials;
  /** Of localhost, signed by itself. */
  readonly stranger: Credentials;
  /** Of a client. */
  readonly client: Credentials;
}

/** Has certificates made by openssl before the tests of a file. */
export function useCertificates(): Certificates {
  const certificates = {} as { -readonly [K in keyof Certificates]: Certificates[K] };
  let folder: string | undefined;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "corio-certificates-"));
    Object.assign(certificates, make(folder));
  });
  afterAll(() => folder !== undefined && rmSync(folder, { recursive: true, force: true }));
  return certificates;
}

// `openssl ca` because it alone sets dates in the past in every version.
const CONFIGURATION = `
[ca]
default_ca = authority
[authority]
dir = .
database = ./index.txt
new_certs_dir = ./issued
serial = ./serial
private_key = ./ca.key
certificate = ./ca.crt
default_md = sha256
policy = policy
unique_subject = no
copy_extensions = copy
[policy]
commonName = supplied
`;

function make(folder: string): Certificates {
  const openssl = (...args: string[]): unknown => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const read = (file: string): string => readFileSync(join(folder, file), "utf8");
  const credentials = (name: string): Credentials => ({ cert: read(`${name}.crt`), key: read(`${name}.key`) });
  const request = (name: string, commonName: string, ...more: string[]): void =>
    void openssl(
      ...["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-subj", `/CN=${commonName}`, "-keyout", `${name}.key`, ...more],
    );
  const issue = (name: string, commonName: string, addresses: string, ...dates: string[]): Credentials => {
    request(name, commonName, "-addext", `subjectAltName=${addresses}`, "-out", `${name}.csr`);
    openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-in", `${name}.csr`, "-out", `${name}.crt`, ...dates);
    return { ...credentials(name), cert: read(`${name}.crt`) };
  };

  mkdirSync(join(folder, "issued"));
  writeFileSync(join(folder, "ca.cnf"), CONFIGURATION);
  writeFileSync(join(folder, "index.txt"), "");
  writeFileSync(join(folder, "serial"), "1000\n");
  const signing = "keyUsage=critical,keyCertSign,cRLSign";
  request("ca", "Authority of the tests", "-x509", "-days", "2", "-addext", signing, "-out", "ca.crt");
  const local = "DNS:localhost,IP:127.0.0.1";
  request("stranger", "localhost", "-x509", "-days", "2", "-addext", `subjectAltName=${local}`, "-out", "stranger.crt");
  return {
    ca: read("ca.crt"),
    server: issue("server", "localhost", local, "-days", "2"),
    expired: issue("expired", "localhost", local, "-startdate", "200101000000Z", "-enddate", "210101000000Z"),
    other: issue("other", "other.example", "DNS:other.example", "-days", "2"),
    stranger: credentials("stranger"),
    client: issue("client", "a client", "email:client@example.com", "-days", "2"),
  };
}
