import { relations } from "./relations.ts";
import { type Setting, settings } from "./settings.ts";

/** docs/configuration.md, from the table. */
export function configurationPage(): string {
  const rows = (Object.values(settings) as readonly Setting<unknown>[]).map(
    ({ env, path, type, default: assumed, doc, secret, fromFile }) =>
      `| \`${env}\`${fromFile ? `<br>\`${env}_FILE\`` : ""} | \`${path}\` | ${cell(type.expected)} | ${
        assumed === undefined ? "" : `\`${String(assumed)}\``
      } | ${cell(doc)}${secret ? " Secret." : ""} |`,
  );
  return `${head}
| variable | in unstale.yaml | expected | default | what it does |
|---|---|---|---|---|
${rows.join("\n")}

## Relations

${relations.map(({ between, rule }) => `- ${between.map((key) => `\`${settings[key].env}\``).join(", ")}: ${rule}.`).join("\n")}
${tail}`;
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");

const head = `<!-- Generated from config/settings.ts by "npm run docs". Change the table, not this page. -->

# Settings

Flags (\`--set <name>=<value>\`) win over environment variables, those over the file given by \`--config\`, that over the defaults.
\`unstale config\` prints what is in force, and where each value comes from.

- All problems are reported at once, each with the name, what was expected, what was found and what to do; the exit code is 2.
- An unknown \`UNSTALE_*\` variable or key of the file is an error. A variable that is empty counts as absent.
- Durations carry their unit: \`500ms\`, \`15s\`, \`6h\`, \`7d\`.
- \`<NAME>_FILE\` (in the file: the key with \`File\` at its end) names a file that holds the value; one newline at its end is dropped.
- Secrets are never printed, logged or put into traces.
- Tracing follows the \`OTEL_*\` variables of the OpenTelemetry specification; see telemetry.md.
`;

const tail = `
## unstale.yaml

    kafka:
      brokers: [kafka-1:9092, kafka-2:9092]
      groupId: unstale
      topics:
        - cms.documents
        - name: cms.bulk
          format: json
          id: "{type}:{id}"
          wide: true
          feeds: [docs, faqs:billing]
          onGap: invalidate
      ssl:
        enabled: true
      sasl:
        mechanism: scram-sha-512
        username: unstale
        passwordFile: /run/secrets/kafka-password
    valkey:
      url: rediss://cache.internal:6379
      passwordFile: /run/secrets/valkey-password
    http:
      host: 0.0.0.0

\`config/unstale.example.yaml\` is a file to begin with, and \`config/unstale.schema.json\` beside it what editors complete and check it
with: with the first line \`# yaml-language-server: $schema=./unstale.schema.json\` in Visual Studio Code (YAML extension), Neovim, IntelliJ and
others. \`unstale config --schema\` writes the schema of the installed version.

A topic is a name, or a mapping: \`format\` says how its records are written (\`json\`), \`id\` builds the document id from fields of
the event, \`wide: true\` lets its events invalidate a namespace or everything. \`feeds\` names the namespaces that hold every entry which
the topic's events can make stale; when events of it were lost in the log (retention, a topic made anew, offsets of the group gone), these are
invalidated, and everything where none is named. \`onGap: alert-only\` invalidates nothing then: entries may stay stale until their TTL. What
Valkey itself forgot always invalidates everything. See operations.md.
`;
