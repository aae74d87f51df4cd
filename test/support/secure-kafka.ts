// What a listener of a test's broker needs for logins and certificates.
import type { KafkaProperties } from "../../dev/services/index.ts";
import type { Certificate } from "./certificates.ts";

const modules = "org.apache.kafka.common.security";

/** PLAIN with these users, and both SCRAM mechanisms, whose users are made while the broker runs. */
export function loginProperties(plainUsers: Readonly<Record<string, string>> = {}): KafkaProperties {
  const users = Object.entries(plainUsers).map(([name, password]) => `user_${name}="${password}"`);
  const scram = `${modules}.scram.ScramLoginModule required;`;
  return {
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "plain.sasl.jaas.config": `${[`${modules}.plain.PlainLoginModule required`, ...users].join(" ")};`,
    "scram-sha-256.sasl.jaas.config": scram,
    "scram-sha-512.sasl.jaas.config": scram,
  };
}

/** The server's certificate; with `clients`, only those who show a certificate of that authority come in. */
export function tlsProperties(
  { certPem, keyPem }: Certificate,
  clients?: { readonly certPem: string },
): KafkaProperties {
  return {
    "ssl.keystore.type": "PEM",
    "ssl.keystore.certificate.chain": certPem,
    "ssl.keystore.key": keyPem,
    ...(clients && {
      "ssl.client.auth": "required",
      "ssl.truststore.type": "PEM",
      "ssl.truststore.certificates": clients.certPem,
    }),
  };
}
