// X.509 certificates for tests, made here: no tool to be found or missing, and any mistake can be put into one on purpose.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

export interface Certificate {
  readonly certPem: string;
  /** PKCS #8. */
  readonly keyPem: string;
}

export interface CertificateOptions {
  /** The common name; Kafka calls the owner of a client certificate `User:CN=<name>`. */
  readonly name: string;
  /** Whom it is good for; for servers. */
  readonly hosts?: readonly string[];
  readonly expired?: boolean;
}

export interface Authority extends Certificate {
  issue(options: CertificateOptions): Certificate;
}

const DAY_MS = 86_400_000;

export function createAuthority(name: string): Authority {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const own = certificate({
    subject: name,
    issuer: name,
    key: keys.publicKey,
    signer: keys.privateKey,
    isAuthority: true,
  });
  return {
    certPem: own,
    keyPem: pemOf(keys.privateKey),
    issue: ({ name: subject, hosts = [], expired = false }) => {
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const signer = keys.privateKey;
      return {
        certPem: certificate({ subject, issuer: name, key: publicKey, signer, hosts, expired }),
        keyPem: pemOf(privateKey),
      };
    },
  };
}

interface Fields {
  readonly subject: string;
  readonly issuer: string;
  readonly key: KeyObject;
  readonly signer: KeyObject;
  readonly isAuthority?: boolean;
  readonly hosts?: readonly string[];
  readonly expired?: boolean;
}

function certificate({
  subject,
  issuer,
  key,
  signer,
  isAuthority = false,
  hosts = [],
  expired = false,
}: Fields): string {
  const algorithm = sequence(oid(1, 2, 840, 10045, 4, 3, 2)); // ecdsa-with-SHA256
  const until = Date.now() + (expired ? -DAY_MS : DAY_MS);
  const extensions = [
    extension(oid(2, 5, 29, 19), sequence(...(isAuthority ? [tagged(0x01, Buffer.from([0xff]))] : []))),
    ...(hosts.length === 0 ? [] : [extension(oid(2, 5, 29, 17), sequence(...hosts.map(alternativeName)))]),
  ];
  const content = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    distinguishedName(issuer),
    sequence(time(until - 10 * DAY_MS), time(until)),
    distinguishedName(subject),
    key.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(...extensions)),
  );
  const signature = tagged(0x03, Buffer.from([0]), sign("sha256", content, signer));
  const der = sequence(content, algorithm, signature).toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${der.replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function extension(name: Buffer, value: Buffer): Buffer {
  return sequence(name, tagged(0x04, value));
}

function alternativeName(host: string): Buffer {
  const isAddress = /^\d+(\.\d+){3}$/.test(host);
  return isAddress ? tagged(0x87, Buffer.from(host.split(".").map(Number))) : tagged(0x82, Buffer.from(host));
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(oid(2, 5, 4, 3), tagged(0x0c, Buffer.from(commonName)))));
}

function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, "");
  return tagged(0x18, Buffer.from(digits));
}

function oid(first: number, second: number, ...rest: readonly number[]): Buffer {
  const base128 = (part: number): number[] => {
    const bytes = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80);
    return bytes;
  };
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
