"""The command `completion`: a script that completes commands and options in a shell."""

from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer

# spaCy's own completion takes its name, 'python -m spacy', for that of a shell function, and would
# start spaCy for each key; so this one is a list of words.
SCRIPT = """\
# Completes `spacy bertfamily` and `python -m spacy bertfamily`.
_spacy_bertfamily() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" path="" found="" word="" inside=""
    local -i i
    COMPREPLY=()
    for ((i = 0; i < COMP_CWORD; i++)); do
        word="${{COMP_WORDS[i]}}"
        if [[ -z "$inside" ]]; then
            [[ "$word" == bertfamily ]] && inside=yes
        else
            case "$path/$word" in
                {paths}) path="$path/$word" ;;
            esac
        fi
    done
    [[ -z "$inside" ]] && return
    case "$path" in
{cases}
    esac
    COMPREPLY=($(compgen -W "$found" -- "$current"))
    if [[ "$current" != -* ]]; then
        COMPREPLY+=($(compgen -f -- "$current"))
    fi
}}
complete -o bashdefault -o default -F _spacy_bertfamily spacy python python3
"""
CASE = '        "{path}") found="{words}" ;;'
ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"


class Shell(str, Enum):
    """The shells that there is a script for."""

    bash = "bash"
    zsh = "zsh"


def completion_command(
    context: typer.Context, shell: Shell = typer.Argument(..., help="The shell")
) -> None:
    """Print a script that completes these commands, their options and released names in a shell.

    Put the output into a file that the shell reads, or add this line to `~/.bashrc`:
    `eval "$(python -m spacy bertfamily completion bash)"`.

    EXAMPLE: python -m spacy bertfamily completion bash
    """
    from .. import released

    assert context.parent is not None  # the group that this command belongs to
    print(make_script(shell, context.parent.command, [*released.NAMES]), end="")


def make_script(shell: Shell, group: Any, names: list[str]) -> str:
    """Make the script.

    shell (Shell): The shell.
    group (Command): The group of commands.
    names (list[str]): Words that complete arguments.
    RETURNS (str): The script.
    """
    words = dict(_words(group))
    leaves = {path for path in words if not any(other.startswith(f"{path}/") for other in words)}
    cases = [
        CASE.format(path=path, words=" ".join([*found, *(names if path in leaves else ())]))
        for path, found in words.items()
    ]
    paths = " | ".join(f'"{path}"' for path in words if path)
    script = SCRIPT.format(paths=paths, cases="\n".join(cases))
    return (ZSH if shell is Shell.zsh else "") + script


def _words(command: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """YIELDS (tuple[str, list[str]]): What may follow each command, by its path."""
    subcommands = getattr(command, "commands", {})
    options = [
        option
        for parameter in command.params
        for option in [*parameter.opts, *parameter.secondary_opts]
        if option.startswith("--")
    ]
    yield path, [*subcommands, *options, "--help"]
    for name, subcommand in subcommands.items():
        yield from _words(subcommand, f"{path}/{name}")
