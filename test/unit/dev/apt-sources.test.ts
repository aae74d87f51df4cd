import { describe, expect, test } from "@jest/globals";
import { parseAptFiles, privateSources } from "../../../dev/services/apt-sources.ts";

const DEB822 = `Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
`;

describe("private apt sources", () => {
  test("are the machine's own archive and key, with backports", () => {
    const text = privateSources(parseAptFiles([{ name: "debian.sources", text: DEB822 }]), "bookworm");
    expect(text).toBe(
      [
        "Types: deb",
        "URIs: http://mirror.example/debian",
        "Suites: bookworm bookworm-backports",
        "Components: main contrib",
        "Signed-By: /usr/share/keyrings/archive.gpg",
        "",
      ].join("\n"),
    );
  });

  test("come from one-line files as well", () => {
    const text = [
      "# deb http://old.example/debian bookworm main",
      "deb-src http://mirror.example/debian bookworm main",
      "deb [arch=amd64 signed-by=/a.gpg,/b.gpg] http://mirror.example/debian bookworm main non-free # ours",
      "deb http://other.example/tool stable-tool main",
    ].join("\n");
    expect(privateSources(parseAptFiles([{ name: "sources.list", text }]), "bookworm")).toBe(
      [
        "Types: deb",
        "URIs: http://mirror.example/debian",
        "Suites: bookworm bookworm-backports",
        "Components: main non-free",
        "Signed-By: /a.gpg /b.gpg",
        "",
      ].join("\n"),
    );
  });

  test("keep a key that stands in the file itself", () => {
    const text = `${DEB822.split("\n\n")[0]}`.replace(
      "/usr/share/keyrings/archive.gpg",
      "\n -----BEGIN\n .\n AbCd\n -----END",
    );
    expect(privateSources(parseAptFiles([{ name: "x.sources", text }]), "bookworm")).toMatch(
      /^Signed-By: ?\n -----BEGIN\n \.\n AbCd\n -----END$/m,
    );
  });

  test.each([
    { why: "the archive is switched off", text: `Enabled: no\n${DEB822}` },
    { why: "it is of another release", text: DEB822.replaceAll("bookworm", "trixie") },
    { why: "there is none", text: "" },
  ])("are empty where $why", ({ text }) => {
    expect(privateSources(parseAptFiles([{ name: "x.sources", text }]), "bookworm")).toBe("");
  });
});
