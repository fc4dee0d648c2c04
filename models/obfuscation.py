"""Other ways to write a command: everyday wrappers, and ways to hide what it is."""

import base64
import json
import shlex
from collections.abc import Callable
from random import Random

Rewrite = Callable[[str, Random], str | None]


def _program(command: str) -> tuple[str, str] | None:
    """The program and the rest, when the program is a plain word."""
    program, _, rest = command.partition(" ")
    plain = program.isascii() and program.isalpha() and len(program) > 1
    reserved = {"for", "while", "if", "cd", "export", "unset", "alias", "exec", "source", "eval", "trap", "set", "yes"}
    return (program, rest) if plain and program not in reserved else None


def _with_program(rewrite: Callable[[str, Random], str]) -> Rewrite:
    """A rewriting of the program alone, for commands that begin with a plain one."""

    def apply(command: str, rng: Random) -> str | None:
        parts = _program(command)
        return f"{rewrite(parts[0], rng)} {parts[1]}".rstrip() if parts else None

    return apply


def _split(word: str, rng: Random) -> tuple[str, str]:
    place = rng.randint(1, len(word) - 1)
    return word[:place], word[place:]


def _quote_inside(program: str, rng: Random) -> str:
    head, tail = _split(program, rng)
    return rng.choice([f"{head}''{tail}", f'{head}""{tail}', f"'{head}'{tail}", f'"{head}"{tail}', f"{head}\\{tail}"])


def _ansi_c(program: str, _: Random) -> str:
    return "$'" + "".join(f"\\x{ord(letter):02x}" for letter in program) + "'"


def _octal(program: str, _: Random) -> str:
    return "$(printf '" + "".join(f"\\{ord(letter):03o}" for letter in program) + "')"


def _unset_variable(program: str, rng: Random) -> str:
    head, tail = _split(program, rng)
    return rng.choice([f"{head}$@{tail}", f"{head}${{x}}{tail}", f"{head}$1{tail}"])


def _through_variables(command: str, rng: Random) -> str | None:
    parts = _program(command)
    if not parts:
        return None
    head, tail = _split(parts[0], rng)
    forms = [
        f"a={parts[0]}; $a {parts[1]}",
        f"a={head};b={tail}; $a$b {parts[1]}",
        f"X={parts[0]} && ${{X}} {parts[1]}",
    ]
    return rng.choice(forms)


def _echoed_program(program: str, rng: Random) -> str:
    return rng.choice([f"$(echo {program})", f"`echo {program}`", f"$(echo {program[::-1]} | rev)"])


def _field_separator(command: str, _: Random) -> str | None:
    return None if any(sign in command for sign in "'\"|;&<>$`(){}#\n") else command.replace(" ", "${IFS}")


def _brace_list(command: str, _: Random) -> str | None:
    plain = " " in command and not any(sign in command for sign in "'\"|;&<>$`(){}#\\,*\n")
    return "{" + ",".join(command.split()) + "}" if plain else None


def _base64_pipe(command: str, rng: Random) -> str:
    encoded = base64.b64encode(command.encode()).decode()
    shell = rng.choice(["sh", "bash"])
    forms = [
        f"echo {encoded} | base64 -d | {shell}",
        f'{shell} -c "$(echo {encoded} | base64 --decode)"',
        f"base64 -d <<< {encoded} | {shell}",
        f"eval $(echo {encoded} | base64 -d)",
        f"{shell} <(base64 -d <<<{encoded})",
    ]
    return rng.choice(forms)


def _hex_pipe(command: str, _: Random) -> str:
    return f"echo {command.encode().hex()} | xxd -r -p | bash"


def _reversed_pipe(command: str, _: Random) -> str:
    return f"echo {shlex.quote(command[::-1])} | rev | sh"


def _inner_shell(command: str, rng: Random) -> str:
    quoted = shlex.quote(command)
    forms = [
        f"bash -c {quoted}",
        f"sh -c {quoted}",
        f"eval {quoted}",
        f"sudo bash -c {quoted}",
        f"echo {quoted} | sh",
        f"bash <<< {quoted}",
        f"bash <<'EOF'\n{command}\nEOF",
        f"cat <<'EOF' | sh\n{command}\nEOF",
        f"su -c {quoted}",
        f"python3 -c {shlex.quote(f'import os; os.system({json.dumps(command)})')}",
        f"nohup sh -c {quoted} >/dev/null 2>&1 &",
        f"ssh web-1 {quoted}",
        f"find . -maxdepth 0 -exec sh -c {quoted} \\;",
        f"xargs -I_ sh -c {quoted} < list.txt",
    ]
    return rng.choice(forms)


def _prefix(command: str, rng: Random) -> str | None:
    if not _program(command):
        return None
    prefixes = [
        "env",
        "command",
        "nice -n 10",
        "nohup",
        "timeout 60",
        "time",
        "setsid",
        "ionice -c3",
        "stdbuf -oL",
        "exec",
    ]
    return f"{rng.choice(prefixes)} {command}"


def _absolute(program: str, rng: Random) -> str:
    return rng.choice([f"/bin/{program}", f"/usr/bin/{program}", f"/usr/bin/../bin/{program}", f"busybox {program}"])


def _in_company(command: str, rng: Random) -> str:
    if command.rstrip().endswith("&") or "\n" in command:
        return f"date\n{command}"
    forms = [
        f"ls -la; {command}",
        f"cd /srv/app && {command}",
        f"{command}; echo done",
        f"{command} && echo ok || echo failed",
        f"echo start; {command}; echo end",
        f"if true; then {command}; fi",
        f"for i in 1 2; do {command}; done",
        f"{{ {command}; }}",
        f"( {command} )",
        f"{command} 2>/dev/null",
        f"{command} 2>&1 | tee out.log",
        f"true && {command}",
        f"   {command}; echo $?",
        f"{command} # routine",
        f"test -d . && {command}",
        f"uptime\n{command}",
    ]
    return rng.choice(forms)


# Ways that engineers use for any command: they change nothing about its level.
PLAIN: tuple[Rewrite, ...] = (_inner_shell, _prefix, _in_company, _in_company, _with_program(_absolute))

# Ways that only somebody who hides something uses.
HIDING: tuple[Rewrite, ...] = (
    _with_program(_quote_inside),
    _with_program(_ansi_c),
    _with_program(_octal),
    _with_program(_unset_variable),
    _with_program(_echoed_program),
    _through_variables,
    _field_separator,
    _brace_list,
    _base64_pipe,
    _base64_pipe,
    _hex_pipe,
    _reversed_pipe,
)


def rewrite(command: str, ways: tuple[Rewrite, ...], rng: Random) -> str:
    """`command` written in one of the `ways`; a way that does not fit is passed over."""
    for way in rng.sample(ways, k=len(ways)):
        written = way(command, rng)
        if written and written != command:
            return written
    return command
