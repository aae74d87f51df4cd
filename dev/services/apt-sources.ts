// Reads the machine's own apt configuration and derives a private one from it: the same archives and keys, with the
// backports suite added, because Debian 12 has Valkey only there. Pure: text in, text out.

export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Signed-By, Trusted and the like, to be kept. */
  readonly options: ReadonlyMap<string, string>;
}

export interface AptFile {
  readonly name: string;
  readonly text: string;
}

export function parseAptFiles(files: readonly AptFile[]): AptSource[] {
  return files.flatMap(({ name, text }) => (name.endsWith(".sources") ? parseDeb822(text) : parseOneLine(text)));
}

/** In deb822 form: the archives that hold the release itself, each with its backports. Empty text: there is none. */
export function privateSources(sources: readonly AptSource[], codename: string): string {
  const names = new Set([codename, "stable", "oldstable"]);
  return sources
    .flatMap((source) => {
      const suite = source.suites.find((name) => names.has(name));
      if (suite === undefined || source.components.length === 0) return [];
      const fields = [
        ["Types", "deb"],
        ["URIs", source.uris.join(" ")],
        ["Suites", `${suite} ${suite}-backports`],
        ["Components", source.components.join(" ")],
        ...source.options,
      ];
      return [fields.map(([field, value]) => `${field}: ${value}\n`).join("")];
    })
    .join("\n");
}

const KEPT_OPTIONS = new Map([
  ["signed-by", "Signed-By"],
  ["trusted", "Trusted"],
  ["check-valid-until", "Check-Valid-Until"],
  ["allow-insecure", "Allow-Insecure"],
]);

function parseDeb822(text: string): AptSource[] {
  return text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .split(/\n[ \t]*\n/)
    .flatMap((stanza) => {
      const fields = parseFields(stanza);
      const words = (field: string) => (fields.get(field) ?? "").split(/\s+/).filter((word) => word !== "");
      if (!words("types").includes("deb") || /^(no|false|off|0)$/i.test(fields.get("enabled") ?? "yes")) return [];
      const options = [...KEPT_OPTIONS].flatMap(([field, spelled]): [string, string][] => {
        const value = fields.get(field);
        return value === undefined ? [] : [[spelled, value]];
      });
      return [
        { uris: words("uris"), suites: words("suites"), components: words("components"), options: new Map(options) },
      ];
    });
}

function parseFields(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let current: string | undefined;
  for (const line of stanza.split("\n")) {
    const field = /^([A-Za-z][A-Za-z0-9-]*):\s*(.*)$/.exec(line);
    if (field !== null) {
      current = (field[1] ?? "").toLowerCase();
      fields.set(current, (field[2] ?? "").trimEnd());
    } else if (current !== undefined && /^[ \t]/.test(line)) {
      // A continuation keeps its line break: an embedded key needs it, and lists are split at any white space.
      fields.set(current, `${fields.get(current)}\n${line.trimEnd()}`);
    }
  }
  return fields;
}

function parseOneLine(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => {
    const entry = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (entry === null) return [];
    const [, bracket = "", uri = "", suite = "", components = ""] = entry;
    const options = bracket.split(/\s+/).flatMap((option): [string, string][] => {
      const [name = "", value = ""] = option.split("=");
      const spelled = KEPT_OPTIONS.get(name.toLowerCase());
      return spelled === undefined ? [] : [[spelled, value.replaceAll(",", " ")]];
    });
    return [
      {
        uris: [uri],
        suites: [suite],
        components: components.trim().split(/\s+/).filter(Boolean),
        options: new Map(options),
      },
    ];
  });
}
