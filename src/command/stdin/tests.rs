use super::*;
use crate::command::parse;

fn read(command: &str) -> Option<Stdin> {
    program_on_stdin(&parse(command, Dialect::Bash))
}

fn text(command: &str) -> Option<String> {
    match read(command)? {
        Stdin::Text(interpreted) => Some(interpreted.command_line("it's")),
        Stdin::Commands(_) | Stdin::AnyShell | Stdin::Unknown(_) => None,
    }
}

#[test]
fn shells_without_a_script_of_their_own_read_commands() {
    for (command, dialect) in [
        ("bash", Dialect::Bash),
        ("bash -s", Dialect::Bash),
        ("bash -s -- a b", Dialect::Bash),
        ("/bin/sh -", Dialect::Sh),
        ("sh /dev/stdin a", Dialect::Sh),
        ("bash < /dev/stdin", Dialect::Bash),
        ("bash 3< f", Dialect::Bash),
        ("exec 3<&0; bash <&3", Dialect::Bash),
        ("bash < \"$f\"", Dialect::Bash),
        ("cat | bash", Dialect::Bash),
        ("tee log | sudo sh -s", Dialect::Sh),
        ("zsh -l", Dialect::Zsh),
        ("fish", Dialect::Fish),
        ("dash", Dialect::Sh),
        ("ksh -eu", Dialect::Sh),
        ("bash -o pipefail -s", Dialect::Bash),
        ("exec bash --login", Dialect::Bash),
        ("cat /dev/stdin | bash", Dialect::Bash),
        ("cat - | lksh", Dialect::Sh),
        ("fish -c source", Dialect::Fish),
        ("zsh -c '. /dev/stdin'", Dialect::Zsh),
        ("bash -c 'source /dev/stdin'", Dialect::Bash),
        ("bash -euo pipefail", Dialect::Bash),
        ("exec 3<&0; bash </dev/null <&3", Dialect::Bash),
        ("systemd-run --pipe sh", Dialect::Sh),
        ("nsenter -t 1 -m bash", Dialect::Bash),
        ("tee >(bash)", Dialect::Bash),
        ("sudo -u bob env A=b nohup bash -s", Dialect::Bash),
        ("timeout 5 busybox sh", Dialect::Sh),
        ("cd /x && bash -s", Dialect::Bash),
        ("bash -s | tee log", Dialect::Bash),
        ("bash -c 'exec zsh'", Dialect::Zsh),
        ("x=$(bash)", Dialect::Bash),
        ("while read l; do sh; done", Dialect::Sh),
        ("at now", Dialect::Sh),
        ("docker exec -i c sh", Dialect::Sh),
        ("kubectl exec -i pod -- bash", Dialect::Bash),
        ("ssh third bash -s", Dialect::Bash),
    ] {
        assert_eq!(read(command), Some(Stdin::Commands(dialect)), "{command}");
    }
}

#[test]
fn a_redirection_that_stands_alone_feeds_nothing_else() {
    for command in [
        "{ bash; </dev/null; }",
        "(bash; </dev/null)",
        "(bash\n</dev/null)",
        "if true; then bash; </dev/null; fi",
        "bash; { true; } </dev/null",
        "{ bash; { true; } </dev/null; }",
        "{ { true; }\n bash\n </dev/null\n}",
        "exec 3<&0; { bash <&3; } </dev/null",
        "trap bash EXIT",
        "trap bash EXIT; cat </dev/null",
    ] {
        assert_eq!(read(command), Some(Stdin::Commands(Dialect::Bash)), "{command}");
    }
    for command in [
        "{ bash; } </dev/null",
        "(bash) 2>log </dev/null",
        "if true; then bash; fi </dev/null",
        "{ { bash; } 2>log; } </dev/null",
        "{ cat | bash; } </dev/null",
        "for f in a b; do sudo bash; done </dev/null",
        "case x in x) bash;; esac </dev/null",
    ] {
        assert_eq!(read(command), None, "{command}");
    }
}

#[test]
fn the_standard_input_has_many_names() {
    for command in [
        "bash //dev/stdin",
        "bash /dev/./stdin",
        "bash /proc/$$/fd/0",
        "bash /proc/self/fd/../fd/0",
        "bash /dev/fd/3 3<&0",
        "bash /dev/fd/3 3<&0 </dev/null",
        "exec 3<&0 </dev/null; bash /dev/fd/3",
        "exec 3<&0; bash </dev/null </dev/fd/3",
        ". //dev/stdin",
        "source /dev/fd/3 3<&0",
        "python3 //dev/stdin",
        "python3 -i /dev/null",
        "awk -f /dev//stdin",
        "make -f/dev//stdin",
    ] {
        assert!(read(command).is_some(), "{command}");
    }
}

#[test]
fn a_variable_of_another_name_changes_no_shell() {
    for command in ["RAILS_ENV=production bash -s", "NODE_ENV=x MY_BASH_ENV_X=y bash"] {
        assert_eq!(read(command), Some(Stdin::Commands(Dialect::Bash)), "{command}");
    }
    assert!(matches!(read("ENV=x bash"), Some(Stdin::Unknown(_))));
}

#[test]
fn a_shell_that_is_not_named_may_be_any() {
    for command in [
        "sudo -i",
        "sudo -su bob",
        "sudo --login",
        "sudo -s",
        "doas -s",
        "su",
        "su - bob",
        "runuser -l bob",
        "ssh third",
        "ssh -p 22 bob@third",
        "chroot /mnt",
        "nsenter -t 1 -m",
        "unshare -r",
        "sudo su -",
        "ssh -T third",
        "vagrant ssh",
        "machinectl shell x",
        "$SHELL -s",
        "exec \"$SHELL\"",
        "$0",
        "source /dev/stdin",
        ". /dev/stdin",
        "tcsh",
        "csh -f",
        "bash || zsh",
        "true && sudo -i; bash",
    ] {
        assert_eq!(read(command), Some(Stdin::AnyShell), "{command}");
    }
}

#[test]
fn a_shell_that_was_told_to_read_in_another_way_is_unknown() {
    for command in [
        "bash -i",
        "bash -li",
        "bash -O extglob",
        "bash +O interactive_comments -s",
        "bash -o posix",
        "bash -eo histexpand",
        "bash --posix",
        "bash -H",
        "POSIXLY_CORRECT=1 bash",
        "env BASH_ENV=x bash -s",
        "zsh -i",
        "zsh -o interactive_comments",
        "zsh --emulate sh",
        "zsh -L",
        "fish -i",
        "fish -C 'function x; end'",
        "sh -i",
        "sudo bash -i",
        "docker exec -i c bash -i",
    ] {
        assert!(matches!(read(command), Some(Stdin::Unknown(_))), "{command}");
    }
}

#[test]
fn what_runs_its_input_in_a_language_that_is_not_read_here_is_unknown() {
    for command in [
        "make -f -",
        "make -f- all",
        "make --file=/dev/stdin",
        "awk -f -",
        "sed -nf -",
        "sed --file=-",
        "crontab -",
        "crontab",
        "vim -es",
        "ex -s f",
        "ed f",
        "gdb",
        "sftp third",
        "fdisk /dev/sda",
        "sfdisk /dev/sda",
        "parted /dev/sda",
        "nft -f -",
        "iptables-restore",
        "docker build -",
        "podman build -f - .",
        "systemctl edit --stdin x",
        "tmux -C attach",
        "irb",
        "pwsh -Command -",
        "xargs sh -c",
        "xargs -I{} sh -c {}",
        "xargs -n1 sh -c 'echo $0'",
        "xargs sudo bash",
        "xargs python3",
        "parallel",
        "gdb -batch -x /dev/stdin",
        "sftp -b - third",
        "ninja -f -",
        "at -f /dev/stdin now",
        "ip -force -batch -",
        "sysctl -p -",
        "pfctl -f -",
        "curl -K -",
        "tmux source -",
        "puppet apply -",
        "ansible-playbook /dev/stdin",
        "docker compose -f - up",
        "ldapmodify -x",
        "nsupdate -k f",
        "ip6tables-nft-restore",
        "rvim -es",
        "crontab -e",
        "visudo",
        "bb",
        "nu",
        "powershell.exe -NoProfile -Command -",
        "mapfile -C 'bash -c' -c 1",
        "python3 -m code",
        "python3 -mpdb f.py",
        "perl -de1",
        "sbatch",
    ] {
        assert!(matches!(read(command), Some(Stdin::Unknown(_))), "{command}");
    }
}

#[test]
fn an_interpreter_whose_own_text_runs_others_may_run_its_input() {
    for command in [
        "awk '{system($0)}'",
        "awk '{print $1 | \"sh -s\"}'",
        "busybox awk '{system($1)}'",
        "sed -n '1e'",
        "sed 's/.*/&/e'",
        "perl -e 'while(<>){system $_}'",
        "perl -ne 'system'",
        "perl -lane 'exec @F'",
        "python3 -c 'exec(input())'",
        "python3 -c 'import sys,subprocess; subprocess.run(sys.stdin.read(), shell=True)'",
        "python3 -c 'import runpy; runpy.run_path(\"/dev/stdin\")'",
        "ruby -e 'eval STDIN.read'",
        "php -R 'system($argn);'",
        "node -e 'eval(require(\"fs\").readFileSync(0, \"utf8\"))'",
        "mysql -e 'source /dev/stdin'",
        "sudo awk '{system($0)}'",
        "cat | awk '{system($0)}'",
    ] {
        assert!(matches!(read(command), Some(Stdin::Unknown(_))), "{command}");
    }
    for command in [
        "awk '{print $1}'",
        "awk '/a|b/'",
        "sed 's/e/e/g'",
        "sed -e s/a/b/ e.log",
        "python3 -c 'import json,sys; print(json.load(sys.stdin))'",
        "awk '{system($0)}' < f",
        "psql -c \"select 1 where 2 > 1\"",
    ] {
        assert_eq!(read(command), None, "{command}");
    }
}

#[test]
fn a_program_that_is_told_of_a_shell_may_run_it() {
    for command in [
        "valgrind sh",
        "perf stat bash -s",
        "bwrap --dev-bind / / sh",
        "ssh-agent bash",
        "runcon -t x sh",
        "incus exec c -- bash",
        "socat - SHELL:sh",
        "some-tool --shell=/bin/sh",
        "some-tool 'bash -s'",
        "git bisect run sh",
        "srun --pty bash",
        "flock -n f -c sh",
        "env -a x sh",
        "some-tool --rc /dev/stdin",
        "some-tool -x/proc/self/fd/0 --in=/dev/fd/0",
    ] {
        assert!(read(command).is_some(), "{command}");
    }
    for command in [
        "which bash",
        "command -v python3",
        "grep -c bash",
        "apt-get install -y zsh",
        "scp -t /srv/python",
        "mongodump --out /backup/mongo",
        "mail -s 'bash is new' bob",
        "chsh -s /bin/zsh",
        "bash script.sh python3",
        "cp /dev/stdin f",
    ] {
        assert_eq!(read(command), None, "{command}");
    }
}

#[test]
fn a_shell_may_stand_behind_any_wrapper() {
    for command in [
        "bash-5.2",
        "mksh-static -s",
        "/usr/bin/time -o f sh",
        "env -iS 'sh -s'",
        "coproc sh",
        "flock f -c 'sh -s'",
        "kubectl exec p -i sh",
        "kubectl --context a --cluster b --user c --token d exec -i p -- sh",
        "setarch -R sh",
        "systemd-run --shell",
        "capsh --",
        "docker run -i --rm alpine",
        "docker run -i --entrypoint sh alpine -s",
        "docker start -ai c",
        "kubectl attach -i p",
        "pct enter 100",
        "plink h",
        "xargs -a /dev/null sh",
        "parallel bash ::: -s",
    ] {
        assert!(read(command).is_some(), "{command}");
    }
    for command in [
        "docker run alpine",
        "docker run -i alpine cat",
        "xargs -a f rm",
        "docker import -",
    ] {
        assert_eq!(read(command), None, "{command}");
    }
}

#[test]
fn input_that_runs_by_a_detour_is_unknown() {
    for command in [
        "while read l; do eval \"$l\"; done",
        "while read -r l; do $l; done",
        "read x && bash -c \"$x\"",
        "mapfile -t a; for c in \"${a[@]}\"; do sh -c \"$c\"; done",
        "eval \"$(cat)\"",
        "x=$(cat); eval \"$x\"",
        "bash -c \"$(base64 -d)\"",
        "python3 -c \"$(cat)\"",
        "bash <(cat)",
        ". <(cat)",
        "$(cat)",
        "ssh third \"$(cat)\"",
        "base64 -d | bash",
        "gunzip | sh -s",
        "sed s/x/y/ | sudo bash",
        "(echo set -e; cat) | bash",
        "cat - tail.sh | bash",
        "base64 -d | python3",
        "mkfifo p; cat > p & bash < p",
        "cat > /tmp/x.sh && bash /tmp/x.sh",
        "cat > /tmp/x.sh; chmod +x /tmp/x.sh; /tmp/x.sh",
        "cat > x; . ./x",
        "tee x; sh x",
        "dd of=x; sh x",
        "cat > x.py; python3 x.py",
        "$CMD",
        "ln -s /dev/stdin z; bash z",
        "cat > z; mv z y; bash y",
        "sed -n 'w z'; bash z",
        "cat > Makefile; make -s",
        "bash <<< \"$(cat)\"",
        "bash <<< $(</dev/stdin)",
        "sudo bash <<E\n$(cat)\nE",
        "bash -c \"$(cat)\" < f",
        "BASH_ENV=/dev/stdin bash -c :",
        "env BASH_ENV=//dev/stdin bash -c :",
        "exec 3<&0; echo x | bash <&3",
        "exec 3<&0; echo x | bash /dev/fd/3",
        "bash -s; eval \"$(base64 -d)\"",
        "read x; echo \"$x\" | sh",
        "echo $(cat) | sh",
        "cat <<E | sh\n$(cat)\nE",
        "$(</dev/stdin)",
        "eval \"$(find . -exec cat \\;)\"",
        "eval \"$(date -f -)\"",
        "eval \"$(curl -s file:///dev/stdin)\"",
        "read x; (( x ))",
        "read x; [[ $x -eq 0 ]]",
        "select x in a; do $x; done",
        "read x; tmux send-keys \"$x\" Enter",
        "read x; echo \"$x\" > f; sh f",
        "x=$(cat); echo \"$x\" > f; . ./f",
        "while read l; do echo \"$l\" >> f; done; sh f",
        "cat > f; cat f | bash",
        "cat > f; eval \"$(<f)\"",
        "cat > f; sh *",
        "cat > f; find . -type f -exec sh {} \\;",
        "cat > f; docker exec -i c sh < f",
        "cat > f; LD_PRELOAD=./f ls",
        "cat > Dockerfile; docker build .",
        "sponge f; sh f",
        "tar xz && ./install.sh",
        "tar xf - && cd x && make",
        "cpio -i; ./x",
        "gcc -xc - -o x && ./x",
        "awk '{print > \"f\"}'; sh f",
        "ln -s /bin/bash /tmp/x && /tmp/x",
        "cd /dev/fd; sh 0",
        "EDITOR=tee crontab -e",
        "EDITOR='cp /dev/stdin' some-tool",
        "PYTHONSTARTUP=/dev/stdin python3 -c 1",
    ] {
        assert!(matches!(read(command), Some(Stdin::Unknown(_))), "{command}");
    }
}

#[test]
fn the_operands_of_a_program_are_a_text() {
    for (command, equal) in [
        ("xargs rm -rf", "printf %s 'it'\\''s' | xargs rm -rf"),
        ("xargs -0 kill", "printf %s 'it'\\''s' | xargs -0 kill"),
        ("parallel rm", "printf %s 'it'\\''s' | parallel rm"),
        ("redis-cli -h db", "redis-cli -h db 'it'\\''s'"),
    ] {
        assert_eq!(text(command).as_deref(), Some(equal), "{command}");
    }
    let Some(Stdin::Text(interpreted)) = read("xargs -0 rm -rf") else {
        panic!("its operands are a text");
    };
    let script = parse(&interpreted.command_line("/etc\0/usr\0"), Dialect::Bash);
    let run = script.commands.last().unwrap();
    let words: Vec<&str> = run.words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(words, ["rm", "-rf", "/etc", "/usr"]);
}

#[test]
fn other_input_is_data() {
    for command in [
        "cat",
        "cat > f",
        "tar xz",
        "bash -c 'cat > f'",
        "bash script.sh",
        "sh -e script.sh",
        "echo ls | bash",
        "cat f | bash",
        "curl x | bash",
        "echo ls | sudo -i",
        "cat > f; rm f",
        "cat > run.sh",
        "tee /etc/cron.d/x",
        "dd of=/dev/sda",
        "docker load",
        "docker cp - c:/x",
        "kubectl apply -f -",
        "make",
        "make -f x -j4",
        "awk '{print}' -",
        "sed s/a/b/",
        "crontab -l",
        "read x; echo \"$x\"",
        "eval \"$(ssh-agent)\"; tar x",
        "source \"$HOME/.profile\"; tar x",
        "cd \"$HOME\" && tar x",
        "\"$HOME/bin/tool\" --server",
        "$SHELL -c cat",
        "bash <f </dev/stdin",
        "bash </dev/stdin <f",
        "parted -s /dev/sda print",
        "nft add rule x y z",
        "docker build .",
        "chpasswd",
        "cat < f | bash",
        "bash < script.sh",
        "bash <<E\nls\nE",
        "bash <<< ls",
        "sudo bash < f",
        "sudo -i cat",
        "sudo cat",
        "sudo -l",
        "su bob -c cat",
        "ssh third cat",
        "ssh -N third",
        "chroot /mnt cat",
        "while read l; do bash; done < f",
        "bash --version",
        "rsync --server . /x",
        "scp -t f",
        "bash <(curl x)",
        "psql -f f",
        "git-receive-pack x",
        "bash -c 'bash' < f",
        "bash <&-",
        "docker exec -i c cat",
        "alias x=bash",
        "tar xz -C /srv",
        "tar xzf f.tgz && ./install.sh",
        "git pull && ./deploy.sh",
        "cat > f; chmod 600 f",
        "cat > a.conf && bash reload.sh",
        "cat > docker-compose.yml && docker compose up -d",
        "telnetd",
    ] {
        assert_eq!(read(command), None, "{command}");
    }
}

#[test]
fn other_interpreters_read_a_text() {
    for (command, equal) in [
        ("python3 -", "python3 -c 'it'\\''s'"),
        ("python3", "python3 -c 'it'\\''s'"),
        ("sudo /usr/bin/python3.12 -u - a b", "python3.12 -u -c 'it'\\''s'"),
        ("python3 -W ignore", "python3 -W ignore -c 'it'\\''s'"),
        ("/bin/sh -c 'python3 && sleep 0'", "python3 -c 'it'\\''s'"),
        ("perl", "perl -e 'it'\\''s'"),
        ("perl -w -", "perl -w -e 'it'\\''s'"),
        ("ruby", "ruby -e 'it'\\''s'"),
        ("node -", "node -e 'it'\\''s'"),
        ("php", "php -r 'it'\\''s'"),
        ("psql -U postgres shop", "psql -U postgres shop -c 'it'\\''s'"),
        ("mysql -uroot -psecret shop", "mysql -uroot -psecret shop -e 'it'\\''s'"),
        ("sqlite3 app.db", "sqlite3 app.db 'it'\\''s'"),
        ("sqlite3", "sqlite3 :memory: 'it'\\''s'"),
    ] {
        assert_eq!(text(command).as_deref(), Some(equal), "{command}");
    }
}

#[test]
fn an_interpreter_with_a_text_of_its_own_reads_data() {
    for command in [
        "python3 -c 'import sys'",
        "python3 -uc pass",
        "python3 -m json.tool",
        "python3 f.py",
        "perl -ne print",
        "perl f.pl",
        "ruby -e 1",
        "node f.js",
        "node --eval 1",
        "php -r 1",
        "psql -c 'select 1'",
        "psql --file=f",
        "mysql -e 'select 1'",
        "sqlite3 app.db 'select 1'",
        "python3 < f",
        "echo 1 | python3",
        "python3 --version",
    ] {
        assert_eq!(read(command), None, "{command}");
    }
}

#[test]
fn what_reads_its_text_to_the_end_runs_nothing_before() {
    let runs_at_end = |command: &str| match read(command) {
        Some(Stdin::Text(interpreted)) => interpreted.runs_at_end(),
        other => panic!("{command} reads a text, not {other:?}"),
    };
    for command in [
        "python3 -",
        "python3.12 -u",
        "/bin/sh -c 'python3 && sleep 0'",
        "node -",
    ] {
        assert!(runs_at_end(command), "{command}");
    }
    for command in ["python3 -i", "perl", "ruby -", "psql", "redis-cli", "tclsh", "xargs rm"] {
        assert!(!runs_at_end(command), "{command}");
    }
}

#[test]
fn a_password_may_come_first() {
    for (command, as_root, expected) in [
        ("sudo -S bash", false, true),
        ("sudo -Su bob bash", true, true),
        ("sudo -nSu bob bash", true, false),
        ("sudo -H -S -n -u root /bin/sh -c 'echo x; python3'", false, false),
        ("sudo --non-interactive -S bash", false, false),
        ("sudo -S bash -n", false, true),
        ("sudo -S -u n bash", false, true),
        ("sudo --stdin -i", false, true),
        ("sudo -i", false, false),
        ("cat | sudo -S bash", false, true),
        ("echo x | sudo -S bash", false, false),
        ("su - bob", false, true),
        ("su - bob", true, false),
        ("sudo su - bob", false, false),
        ("sudo -u eve su - bob", false, true),
        ("bash -c 'su - bob'", false, true),
        ("sshpass ssh third", true, true),
        ("sshpass -p x ssh third", false, false),
        ("sudo -uS bash", false, false),
        ("bash", false, false),
    ] {
        assert_eq!(
            password_on_stdin(&parse(command, Dialect::Bash), as_root),
            expected,
            "{command}"
        );
    }
}

#[test]
fn the_equal_command_parses_to_the_interpreter_and_its_text() {
    let Some(Stdin::Text(interpreted)) = read("python3 -") else {
        panic!("python3 reads a program there");
    };
    let script = parse(&interpreted.command_line("a = 'b'\n\"c\" \\ $d\n"), Dialect::Bash);
    let words: Vec<&str> = script.commands[0].words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(words, ["python3", "-c", "a = 'b'\n\"c\" \\ $d\n"]);
    assert!(script.understood());
}
