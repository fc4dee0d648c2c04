//! Ways to write `rm -rf /` so that it does not look like it, each of which is brought down to it.

use super::{Doubt, Script, parse};
use crate::domain::Dialect;

fn shows(script: &Script) -> bool {
    let lines = script.commands.iter().map(|command| {
        let words: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
        words.join(" ").replace("/bin/", "")
    });
    lines.into_iter().any(|line| line == "rm -rf /")
}

fn is_brought_down(lines: &[&str]) {
    for line in lines {
        let script = parse(line, Dialect::Bash);
        assert!(shows(&script), "{line}: {:?}", script.commands);
    }
}

#[test]
fn quotes_escapes_and_codes() {
    is_brought_down(&[
        "r''m -rf /",
        "'r'\"m\" -rf /",
        "\\r\\m -rf /",
        "$'\\x72\\155' -rf /",
        "$'\\u0072'm -rf /",
        "r\\\nm -rf /",
        "rm \\\n  -rf \\\n  /",
        "{rm,-rf,/}",
        "rm${IFS}-rf$IFS/",
        "/bin/rm -rf /",
    ]);
}

#[test]
fn variables_and_what_is_made_of_them() {
    is_brought_down(&[
        "a=r; b=m; $a$b -rf /",
        "a=r;a+=m; \"$a\" -rf /",
        "x=zz.rm; ${x##*.} -rf /",
        "x=rm.bak; ${x%.*} -rf /",
        "x=rQm; ${x//Q/} -rf /",
        "x=rQm; ${x/[A-Z]} -rf /",
        "x=abrm; ${x:2} -rf /",
        "x=abrm; ${x: -2} -rf /",
        "x=aarm; ${x:$((1+1))} -rf /",
        "x=RM; ${x,,} -rf /",
        "${zz:-rm} -rf /",
        "q=1; ${q:+rm} -rf /",
        "x=rm; y=x; ${!y} -rf /",
        "x=rm; declare -n y=x; $y -rf /",
        "declare -A m; m[k]=rm; ${m[k]} -rf /",
        "a=(r m); ${a[0]}${a[1]} -rf /",
        "a=(rm); a+=(-rf /); \"${a[@]}\"",
        "rm -rf ${PATH:0:1}",
        "rm -rf ${PWD%%[^/]*}",
        "IFS=,; x=rm,-rf,/; $x",
        "set -- rm -rf /; $*",
        "set -- rm -rf /; $1 \"${@:2}\"",
        "printf -v x %s rm; $x -rf /",
        "read -r x <<< 'rm -rf /'; $x",
        "read -ra a <<< 'rm -rf /'; \"${a[@]}\"",
        "mapfile -t a <<< 'rm -rf /'; ${a[0]}",
        "echo rm -rf / | while read -r l; do $l; done",
        ": ${x:=rm}; $x -rf /",
    ]);
}

#[test]
fn computed_texts() {
    is_brought_down(&[
        "$(echo rm) -rf /",
        "$(printf %c%c r m) -rf /",
        "$(basename /x/rm) -rf /",
        "$(echo mr | rev) -rf /",
        "$(tr -d x <<< rxm) -rf /",
        "$(which rm) -rf /",
        "eval \"$(printf '\\x72\\x6d -rf /')\"",
        "echo OJWSALLSMYQC6=== | base32 -d | sh",
        "echo cm0gLXJmIC8= | openssl enc -d -base64 -A | sh",
        "echo 'RM -RF /' | tr '[:upper:]' '[:lower:]' | sh",
        "echo 'ez -es /' | tr a-z n-za-m | sh",
        "echo 'x:rm -rf /' | cut -d: -f2 | sh",
        "printf 'ls\\nrm -rf /\\n' | tail -n 1 | sh",
        "echo 'ZZ -rf /' | sed 's/ZZ/rm/' | sh",
        "echo 'x rm' | awk '{print $2}' | xargs -I{} {} -rf /",
        "echo / | xargs -I% rm -rf %",
        "xargs rm -rf <<< /",
        "echo 'rm -rf /' > >(sh)",
        "echo 'rm -rf /' | tee >(bash)",
        "echo 'rm -rf /' | sed e",
        "echo 'rm -rf /' > /tmp/x; sh /tmp/x",
        "cat > x.sh <<E\nrm -rf /\nE\nchmod +x x.sh; ./x.sh",
    ]);
}

#[test]
fn shells_functions_and_aliases() {
    is_brought_down(&[
        "sudo bash <<E\nrm -rf /\nE",
        "ssh host sh <<< 'rm -rf /'",
        "sh -c '$0 \"$@\"' rm -rf /",
        "bash -c 'eval $1' _ 'rm -rf /'",
        "f() { \"$@\"; }; f rm -rf /",
        "f() { $1 -rf /; }; f rm",
        "alias zz=rm\nzz -rf /",
        "hash -p /bin/rm ls; ls -rf /",
        "trap '$x -rf /' EXIT; x=rm",
        "x=rm; f() { $x -rf /; }; f",
    ]);
}

#[test]
fn programs_that_run_others() {
    is_brought_down(&[
        "run0 rm -rf /",
        "capsh -- -c 'rm -rf /'",
        "start-stop-daemon --start --exec /bin/rm -- -rf /",
        "tmux new-session -d 'rm -rf /'",
        "screen -dm rm -rf /",
        "xterm -e 'rm -rf /'",
        "parallel ::: 'rm -rf /'",
        "parallel rm -rf ::: /",
        "git -c alias.x='!rm -rf /' x",
        "tar cf /dev/null x --checkpoint-action=exec='rm -rf /'",
        "ssh -o ProxyCommand='rm -rf /' h",
        "rsync -e 'rm -rf /' a b:",
        "socat - EXEC:'rm -rf /'",
    ]);
}

#[test]
fn other_languages() {
    is_brought_down(&[
        "python3 -c 'import os; os.system(\"rm -rf /\")'",
        "python3 -c 'import subprocess as s; s.run([\"rm\", \"-rf\", \"/\"])'",
        "python3 -c 'import os; os.execlp(\"rm\", \"rm\", \"-rf\", \"/\")'",
        "python3 -c 'c = \"rm -rf /\"; __import__(\"os\").popen(c)'",
        "python3 <<E\nimport os\nos.system('rm -rf /')\nE",
        "echo 'import os; os.system(\"rm -rf /\")' | python3",
        "python3 -c \"exec(__import__('base64').b64decode('b3Muc3lzdGVtKCJybSAtcmYgLyIp'))\"",
        "perl -e 'system(qw(rm -rf /))'",
        "perl -e '`rm -rf /`'",
        "perl -e 'exec \"rm -rf /\"'",
        "perl -e 'system(pack(\"H*\",\"726d202d7266202f\"))'",
        "ruby -e '%x(rm -rf /)'",
        "ruby -e 'system(\"rm\", \"-rf\", \"/\")'",
        "node -e 'require(\"child_process\").execFileSync(\"rm\", [\"-rf\", \"/\"])'",
        "php -r 'shell_exec(\"rm -rf /\");'",
        "lua -e 'os.execute(\"rm -rf /\")'",
        "awk 'BEGIN { c = \"rm -rf /\"; system(c) }'",
        "awk 'BEGIN { \"rm -rf /\" | getline }'",
        "vim -c ':!rm -rf /'",
        "vim +'!rm -rf /'",
        "psql -c '\\! rm -rf /'",
        "mysql -e '\\! rm -rf /'",
        "sqlite3 x '.shell rm -rf /'",
        "sed '1e rm -rf /' f",
        "sed 's|x|rm -rf /|e' f",
        "gdb -ex '!rm -rf /'",
    ]);
}

#[test]
fn names_that_only_look_like_others() {
    for line in [
        "гm -rf /",
        "ｒｍ -rf /",
        "rm\u{a0} -rf /",
        "r\u{200b}m -rf /",
        "/bin/r? -rf /",
        "/???/r[m] -rf /",
        "r${x}m -rf /",
        "$SUDO rm -rf /",
    ] {
        assert!(shows(&parse(line, Dialect::Bash)), "{line}");
    }
}

#[test]
fn what_may_run_otherwise_is_not_understood() {
    for line in [
        "c=rm; if x; then c=ls; fi; $c /",
        "c=rm; false && c=ls; $c /",
        "c=rm; (c=ls); $c /",
        "c=rm; c=ls | true; $c /",
        "c=ls; for i in 1 2; do $c /; c=rm; done",
        "for i in 1 2; do c+=r; $c /; done",
        "c=ls; sh -c '$c /'",
        "c=rm; if x; then c=ls; fi; sudo $c /",
        "printf 'ls\\nrm\\n' | while read c; do $c /; done",
        "f() { $1 /; f $2; }; f ls rm",
    ] {
        let script = parse(line, Dialect::Bash);
        assert!(script.doubts.contains(&Doubt::DynamicProgram), "{line}");
    }
    for line in [
        "c=ls; $c /; c=rm",
        "c=ls; export c; sh -c '$c /'",
        "for i in 1 2; do c=ls; $c /; done",
        "run() { \"$@\"; }; run ls",
        "if x; then c=ls; $c; fi",
        "c=ls && $c",
    ] {
        assert!(parse(line, Dialect::Bash).understood(), "{line}");
    }
    let unknown = "python3 -c 'import os, sys; os.system(sys.argv[1])' x";
    assert!(parse(unknown, Dialect::Bash).doubts.contains(&Doubt::Opaque));
}
