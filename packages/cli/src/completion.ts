import type { RecordedArgument, RecordedCommand } from "./command-recorder.js";

export type Shell = "bash" | "zsh" | "fish";

/** A script that completes commands, options and their choices; files where anything may stand. */
export function completionScript(shell: Shell, commands: readonly RecordedCommand[]): string {
  switch (shell) {
    case "bash":
      return bash(commands);
    case "zsh":
      return zsh(commands);
    case "fish":
      return fish(commands);
  }
}

const HELP: RecordedArgument = { name: "help", describe: "Help", takesValue: false, choices: [] };

function optionsOf(command: RecordedCommand): readonly RecordedArgument[] {
  return [...command.options, HELP];
}

/** The choices of positional arguments: so far, no command has several. */
function wordsOf(command: RecordedCommand): readonly string[] {
  return command.positionals.flatMap(({ choices }) => choices);
}

function bash(commands: readonly RecordedCommand[]): string {
  const values = commands.flatMap((command) =>
    command.options
      .filter(({ takesValue }) => takesValue)
      .map(
        ({ name, choices }) => `    "${command.name} --${name}") words="${choices.join(" ")}" ;;`,
      ),
  );
  const words = commands.map((command) => {
    const flags = optionsOf(command).map(({ name }) => `--${name}`);
    return `      ${command.name}) words="${[...wordsOf(command), ...flags].join(" ")}" ;;`;
  });
  const names = commands.map(({ name }) => name).join(" ");
  return `# Completion of quorate for bash. Now:      source <(quorate completion bash)
# For good:  quorate completion bash > ~/.local/share/bash-completion/completions/quorate
_quorate() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${names} --help --version" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]} $previous" in
${values.join("\n")}
    *)
      case "\${COMP_WORDS[1]}" in
${words.map((line) => `  ${line}`).join("\n")}
      esac
      ;;
  esac
  # Without a match the shell completes files.
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _quorate quorate
`;
}

function zsh(commands: readonly RecordedCommand[]): string {
  const names = commands.map(
    ({ name, describe }) => `    ${quoted(`${name}:${describe.replaceAll(":", "\\:")}`)}`,
  );
  const cases = commands.map((command) => {
    const specs = [
      ...command.positionals.map(({ choices }, i) =>
        choices.length === 0 ? `${i + 2}:: :_files` : `${i + 2}:: :(${choices.join(" ")})`,
      ),
      ...optionsOf(command).map((option) => zshOption(option)),
    ];
    const list = specs.map(quoted).join(" \\\n        ");
    return `    ${command.name})\n      _arguments ${list}\n      ;;`;
  });
  return `#compdef quorate
# Completion of quorate for zsh. Now:       source <(quorate completion zsh)
# For good:  quorate completion zsh > "\${fpath[1]}/_quorate"
_quorate() {
  local -a commands
  commands=(
${names.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "\${words[2]}" in
${cases.join("\n")}
  esac
}
if [ "\${funcstack[1]}" = "_quorate" ]; then
  _quorate "$@"
else
  compdef _quorate quorate
fi
`;
}

function zshOption({ name, describe, takesValue, choices }: RecordedArgument): string {
  const text = describe.replace(/[[\]\\:]/g, "\\$&");
  if (!takesValue) return `--${name}[${text}]`;
  const values = choices.length === 0 ? "_files" : `(${choices.join(" ")})`;
  return `--${name}=[${text}]:${name}:${values}`;
}

function fish(commands: readonly RecordedCommand[]): string {
  const lines = commands.flatMap((command) => {
    const { name, describe: text } = command;
    const isIt = quoted(`__fish_seen_subcommand_from ${name}`);
    return [
      `complete -c quorate -n __fish_use_subcommand -f -a ${name} -d ${quoted(text)}`,
      ...wordsOf(command).map((word) => `complete -c quorate -n ${isIt} -f -a ${word}`),
      ...optionsOf(command).map(({ name: option, describe, takesValue, choices }) => {
        const among = choices.length === 0 ? "" : ` -f -a ${quoted(choices.join(" "))}`;
        const value = takesValue ? ` -r${among}` : "";
        return `complete -c quorate -n ${isIt} -l ${option}${value} -d ${quoted(describe)}`;
      }),
    ];
  });
  return `# Completion of quorate for fish. Now:      quorate completion fish | source
# For good:  quorate completion fish > ~/.config/fish/completions/quorate.fish
${lines.join("\n")}
`;
}

/** In single quotes, for all three shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
