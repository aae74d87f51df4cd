import type { Command } from "commander";
import { settings } from "../../config/index.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

interface Words {
  /** Name, and one line about it. */
  readonly commands: readonly (readonly [string, string])[];
  /** Of each command: its options, or the commands below it and theirs. */
  readonly options: ReadonlyMap<string, readonly (readonly [string, string])[]>;
}

/** A script for `source`, made from the commands themselves so that it cannot fall behind. */
export function completion(shell: Shell, program: Command): string {
  const words: Words = {
    commands: program.commands.map((command) => [command.name(), firstSentence(command.description())]),
    options: new Map(
      program.commands.map((command) => {
        const below = command.commands.map((each) => [each.name(), firstSentence(each.description())] as const);
        const options = new Map([command, ...command.commands].flatMap(optionsOf));
        return [command.name(), [...below, ...options]];
      }),
    ),
  };
  return { bash, zsh, fish }[shell](words);
}

function optionsOf({ options }: Command): (readonly [string, string])[] {
  return options.map(({ long, description }) => [long ?? "", description] as const);
}

const paths = Object.values(settings).map(({ path }) => `${path}=`);

function bash({ commands, options }: Words): string {
  const cases = [...options].map(([name, list]) => `    ${name}) words="${list.map(([long]) => long).join(" ")}" ;;`);
  return `# source <(unstale completion bash)
_unstale() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} words
  case $previous in
    -c | --config) COMPREPLY=($(compgen -f -- "$word")); return ;;
    -s | --set) compopt -o nospace; COMPREPLY=($(compgen -W "${paths.join(" ")}" -- "$word")); return ;;
    completion) COMPREPLY=($(compgen -W "${shells.join(" ")}" -- "$word")); return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
    *) words="${commands.map(([name]) => name).join(" ")}" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _unstale unstale
`;
}

function zsh({ commands, options }: Words): string {
  const described = (list: readonly (readonly [string, string])[]): string =>
    list.map(([name, about]) => `'${name}:${about.replaceAll("'", "").replaceAll(":", "")}'`).join(" ");
  const cases = [...options].map(([name, list]) => `    ${name}) candidates=(${described(list)}) ;;`);
  return `#compdef unstale
# source <(unstale completion zsh)
_unstale() {
  local -a candidates
  case \${words[CURRENT-1]} in
    -c|--config) _files; return ;;
    -s|--set) compadd -S '' -- ${paths.join(" ")}; return ;;
    completion) compadd -- ${shells.join(" ")}; return ;;
  esac
  ((CURRENT > 2)) || candidates=(${described(commands)})
  ((CURRENT == 2)) || case \${words[2]} in
${cases.join("\n")}
  esac
  _describe unstale candidates
}
compdef _unstale unstale
`;
}

function fish({ commands, options }: Words): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
  return [
    "# unstale completion fish | source",
    "complete -c unstale -f",
    ...commands.map(([name, about]) => `complete -c unstale -n __fish_use_subcommand -a ${name} -d ${quoted(about)}`),
    ...[...options].flatMap(([command, list]) =>
      list.map(([long, about]) => {
        const seen = `'__fish_seen_subcommand_from ${command}'`;
        if (!long.startsWith("--")) return `complete -c unstale -n ${seen} -a ${long} -d ${quoted(about)}`;
        const values = { "--config": " -r -F", "--set": ` -x -a ${quoted(paths.join(" "))}` }[long] ?? "";
        return `complete -c unstale -n ${seen} -l ${long.slice(2)}${values} -d ${quoted(about)}`;
      }),
    ),
    `complete -c unstale -n '__fish_seen_subcommand_from completion' -a ${quoted(shells.join(" "))}`,
    "",
  ].join("\n");
}

function firstSentence(text: string): string {
  return text.split(/[.,;] ?/)[0] ?? text;
}
