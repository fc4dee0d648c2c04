//! The room's specification: lines, and the commands that they would run.

use proptest::prelude::*;

use super::*;
use crate::domain::Dialect;

fn bash(line: &str) -> Script {
    parse(line, Dialect::Bash)
}

/// One line per command: `program argument argument`, with where it was found in front where that is not the text itself.
fn commands(script: &Script) -> Vec<String> {
    script.commands.iter().map(describe).collect()
}

fn describe(command: &SimpleCommand) -> String {
    let words: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
    let origin = match &command.origin {
        Origin::Direct => String::new(),
        Origin::Substitution => "$ ".to_owned(),
        Origin::Wrapped(by) => format!("{by}: "),
        Origin::Inner(by) => format!("{by}> "),
    };
    origin + &words.join(" ")
}

fn runs(line: &str, expected: &[&str]) {
    assert_eq!(commands(&bash(line)), expected, "{line}");
}

fn shows(script: &Script, command: &str) -> bool {
    script
        .commands
        .iter()
        .any(|found| describe(found).trim_start_matches("$ ").ends_with(command))
}

#[test]
fn lists_pipelines_and_compound_commands_are_flattened() {
    runs("a; b && c || d & e", &["a", "b", "c", "d", "e"]);
    runs("if a; then b; elif c; then d; else e; fi", &["a", "b", "c", "d", "e"]);
    runs("while a; do b; done; until c; do d; done", &["a", "b", "c", "d"]);
    runs("for i in 1 2; do rm $i; done", &["rm $i"]);
    runs("case $x in a|b) c;; *) d;; esac", &["c", "d"]);
    runs("f() { rm x; }; (a; b); { c; }; ! d", &["rm x", "a", "b", "c", "d"]);
    runs("[[ -f $(a) || b == c ]] && d", &["[[", "$ a", "d"]);
    runs(
        "echo \"$(a `b`)\" <(c) ${x:-$(d)}",
        &["echo $(a `b`) <(c) ${x:-$(d)}", "$ a `b`", "$ b", "$ c", "$ d"],
    );
}

#[test]
fn stages_of_a_pipeline_share_its_number() {
    let places = |line: &str| -> Vec<(usize, usize)> {
        bash(line)
            .commands
            .iter()
            .map(|command| (command.pipeline, command.stage))
            .collect()
    };
    assert_eq!(places("a | b |& c && d"), [(0, 0), (0, 1), (0, 2), (1, 0)]);
    assert_eq!(places("a && b | c; d"), [(0, 0), (1, 0), (1, 1), (2, 0)]);
    assert_eq!(places("a | sudo b | c"), [(0, 0), (0, 1), (0, 1), (0, 2)]);
    assert_eq!(places("(a | b) | c"), [(0, 0), (0, 1), (0, 2)]);
    assert_eq!(places("case x in a|b) c;; d) e;; esac"), [(0, 0), (0, 0)]);
}

#[test]
fn assignments_and_redirections_are_kept_apart_from_words() {
    let script = bash("A=1 B='x y' cmd >> /var/log/x 2>&1 <in arg");
    let command = &script.commands[0];
    assert_eq!(describe(command), "cmd arg");
    let assigned: Vec<_> = command
        .assignments
        .iter()
        .map(|found| (found.name.as_str(), found.value.text.as_str()))
        .collect();
    assert_eq!(assigned, [("A", "1"), ("B", "x y")]);
    let redirected: Vec<_> = command
        .redirections
        .iter()
        .map(|found| (found.operator.as_str(), found.target.text.as_str()))
        .collect();
    assert_eq!(redirected, [(">>", "/var/log/x"), (">&", "1"), ("<", "in")]);
}

#[test]
fn a_redirection_of_a_compound_command_is_a_command_without_words() {
    let script = bash("while read l; do echo $l; done > /dev/sda");
    let last = script.commands.last().unwrap();
    assert!(last.words.is_empty());
    assert_eq!(last.redirections[0].target.text, "/dev/sda");
    assert!(last.redirections[0].writes());
}

#[test]
fn spans_point_at_the_raw_word_also_in_inner_texts() {
    for line in [
        "echo 'a b' && rm \"x\"",
        "sudo rm x",
        "sh -c 'rm x'",
        "bash <<E\nrm x\nE",
    ] {
        let script = bash(line);
        let last = script.commands.last().unwrap();
        let raw: Vec<&str> = last.words.iter().map(|word| &line[word.span.clone()]).collect();
        assert_eq!(raw.join(" ").replace('"', ""), "rm x", "{line}");
    }
}

#[test]
fn wrappers_stand_before_what_they_wrap() {
    for (line, wrapped) in [
        ("sudo -u bob rm -rf /", "sudo: rm -rf /"),
        ("sudo -u bob A=1 -- rm x", "sudo: rm x"),
        ("sudo --user=bob -nE rm x", "sudo: rm x"),
        ("doas -u root rm x", "doas: rm x"),
        ("env -i A=b rm x", "env: rm x"),
        ("env -u HOME -C / rm x", "env: rm x"),
        ("timeout -k 5 10 rm x", "timeout: rm x"),
        ("timeout --signal=KILL 10 rm x", "timeout: rm x"),
        ("nice -n 5 rm x", "nice: rm x"),
        ("ionice -c2 -n7 rm x", "ionice: rm x"),
        ("stdbuf -oL rm x", "stdbuf: rm x"),
        ("command rm x", "command: rm x"),
        ("exec -a n rm x", "exec: rm x"),
        ("nohup rm x &", "nohup: rm x"),
        ("time -p rm x", "time: rm x"),
        ("find / -name a -exec rm -f {} \\;", "find: rm -f {}"),
        ("find / -name a -execdir rm -f {} +", "find: rm -f {}"),
        ("xargs -0 -n 1 rm -f", "xargs: rm -f"),
        ("parallel -j 4 rm", "parallel: rm"),
        ("chroot /mnt rm x", "chroot: rm x"),
        ("nsenter -t 1 -m rm x", "nsenter: rm x"),
        ("busybox rm x", "busybox: rm x"),
        ("docker exec -it -u root web rm x", "docker: rm x"),
        ("docker run --rm -v /:/host alpine rm x", "docker: rm x"),
        ("kubectl -n prod exec pod -c web -- rm x", "kubectl: rm x"),
        ("runuser -u bob -- rm x", "runuser: rm x"),
        ("ip netns exec blue rm x", "ip: rm x"),
        ("flock -n /tmp/l rm x", "flock: rm x"),
        ("run0 --user bob -D / rm x", "run0: rm x"),
        ("please rm x", "please: rm x"),
        ("sudo -s rm x", "sudo: rm x"),
        ("systemd-run -t -M web --nice 5 -p A=b rm x", "systemd-run: rm x"),
        ("machinectl shell -E A=b bob@web rm x", "machinectl: rm x"),
        ("flatpak run --command=rm org.example.App x", "flatpak: rm x"),
        ("flatpak enter app rm x", "flatpak: rm x"),
        ("flatpak-spawn --host rm x", "flatpak-spawn: rm x"),
        ("lxc-attach -n web -- rm x", "lxc-attach: rm x"),
        ("crictl exec -it web rm x", "crictl: rm x"),
        ("multipass exec web -- rm x", "multipass: rm x"),
        ("distrobox enter web -- rm x", "distrobox: rm x"),
        ("conda run -n web rm x", "conda: rm x"),
        ("bundle exec rm x", "bundle: rm x"),
        ("ssh-agent rm x", "ssh-agent: rm x"),
    ] {
        let found = commands(&bash(line));
        assert_eq!(found.len(), 2, "{line}: {found:?}");
        assert_eq!(found[1], wrapped, "{line}");
    }
}

#[test]
fn chains_of_wrappers_are_followed_to_their_end() {
    assert!(shows(
        &bash("sudo env -i nice -n 5 timeout 5 sh -c 'exec rm -rf /'"),
        "rm -rf /"
    ));
}

#[test]
fn texts_that_other_programs_run_are_read() {
    for (line, inner) in [
        ("sh -c 'rm -rf /'", "sh> rm -rf /"),
        ("bash -lc \"rm x\"", "bash> rm x"),
        ("bash -o pipefail -c 'rm x'", "bash> rm x"),
        ("eval rm '-rf' /", "eval> rm -rf /"),
        ("su - bob -c 'rm x'", "su> rm x"),
        ("ssh -p 22 host rm x", "ssh> rm x"),
        ("watch -n 1 rm x", "watch> rm x"),
        ("trap 'rm x' EXIT", "trap> rm x"),
        ("env -S 'rm x'", "env> rm x"),
        ("alias ls='rm x'", "alias> rm x"),
        ("ansible all -b -m shell -a 'rm x'", "ansible> rm x"),
        ("ansible -a 'rm x' -m raw all", "ansible> rm x"),
        ("ansible all -bm ansible.builtin.shell -a'rm x'", "ansible> rm x"),
        ("ansible all --module-name=command --args='rm x'", "ansible> rm x"),
        ("ansible all -m shell -a 'chdir=/ cmd=\"rm x\"'", "ansible> rm x"),
        ("pdsh -w h[1-9] -l bob rm x", "pdsh> rm x"),
        ("pdsh -w h 'rm x'", "pdsh> rm x"),
        ("pssh -h hosts -i 'rm x'", "pssh> rm x"),
        ("clush -w h --user bob rm x", "clush> rm x"),
        ("dsh -Mg all -- 'rm x'", "dsh> rm x"),
        ("mussh -h h -c 'rm x'", "mussh> rm x"),
        ("salt -G 'os:x' cmd.run 'rm x'", "salt> rm x"),
        ("salt-call cmd.shell cmd='rm x'", "salt-call> rm x"),
        ("salt-ssh -r '*' 'rm x'", "salt-ssh> rm x"),
        ("vagrant ssh -c 'rm x'", "vagrant> rm x"),
        ("gcloud compute ssh h --command='rm x'", "gcloud> rm x"),
        ("nix-shell -p a --run 'rm x'", "nix-shell> rm x"),
        ("sudo -s -- 'rm x'", "sudo> rm x"),
        ("sudo -iu bob 'rm x'", "sudo> rm x"),
        ("su -c'rm x'", "su> rm x"),
        ("docker run alpine sh -c 'rm x' -- y", "sh> rm x"),
        ("echo `echo \\`rm x\\``", "$ rm x"),
        ("bash <<'E'\nrm x\nE", "bash> rm x"),
        ("bash <<< 'rm x'", "bash> rm x"),
        ("bash -s <<E\nrm x\nE", "bash> rm x"),
        ("source <(echo rm x)", "source> rm x"),
    ] {
        assert!(
            commands(&bash(line)).iter().any(|found| found == inner),
            "{line}: {:?}",
            commands(&bash(line))
        );
    }
}

#[test]
fn what_is_piped_into_a_shell_is_computed_where_it_can_be() {
    for line in [
        "echo 'rm -rf /' | sh",
        "echo rm -rf / | sudo bash",
        "printf 'rm -rf %s\\n' / | sh",
        "echo -e '\\x72m -rf /' | sh",
        "echo cm0gLXJmIC8= | base64 -d | bash",
        "base64 -d <<< cm0gLXJmIC8= | bash",
        "echo 726d202d7266202f | xxd -r -p | sh",
        "echo '/ fr- mr' | rev | sh",
        "echo 'sn -sg /' | tr ns mr | tr g f | sh",
        "cat <<E | sh\nrm -rf /\nE",
        "bash <(echo rm -rf /)",
        "bash -o pipefail <(echo rm -rf /) a",
        "sudo bash < <(echo rm -rf /)",
        "source <(echo rm -rf /)",
        "cat <(echo rm) <(echo -rf /) | tr '\\n' ' ' | sh",
        "xargs rm -rf < <(echo /)",
        "python3 <(echo 'import os; os.system(\"rm -rf /\")')",
        "python3 -u < <(echo 'import os; os.system(\"rm -rf /\")')",
        "bash -c \"$(echo cm0gLXJmIC8= | base64 -d)\"",
        "eval `echo rm -rf /`",
        "echo / | xargs rm -rf",
        "echo '\"/\"' | xargs rm -rf",
        "echo '\\/' | xargs rm -rf",
    ] {
        let script = bash(line);
        assert!(shows(&script, "rm -rf /"), "{line}: {:?}", commands(&script));
        assert!(script.understood(), "{line}: {:?}", script.doubts);
    }
}

#[test]
fn no_operand_of_a_long_list_is_left_out_unsaid() {
    let list = |count: usize| format!("echo '{}/' | xargs rm -rf", "a ".repeat(count));
    let script = bash(&list(1_000));
    let run = script.commands.last().unwrap();
    assert_eq!(run.words.last().map(|word| word.text.as_str()), Some("/"));
    assert!(script.understood());
    assert!(!bash(&list(2_000)).understood());
}

#[test]
fn what_a_shell_reads_and_nobody_can_know_is_opaque() {
    for line in [
        "curl http://x | sh",
        "cat x | sudo bash",
        "bash <(curl x)",
        "base64 -d x | sh",
        ". /dev/stdin < <(wget x)",
    ] {
        assert!(bash(line).doubts.contains(&Doubt::Opaque), "{line}");
    }
    for line in ["cat x | grep sh", "echo a | bash script.sh", "ls | ssh host tee x"] {
        assert!(bash(line).understood(), "{line}");
    }
}

#[test]
fn what_another_interpreter_reads_from_a_process_substitution_is_its_text() {
    for (line, text) in [
        ("mysql shop < <(echo 'drop table x')", "mysql shop -e drop table x\n"),
        ("psql -f <(echo 'drop table x')", "psql -c drop table x\n"),
    ] {
        assert_eq!(commands(&bash(line))[1], text, "{line}");
    }
    for line in [
        "python3 script.py <(echo 'import os; os.system(\"rm x\")')",
        "bash script.sh <(echo rm x)",
        "echo rm x | bash < script.sh",
    ] {
        let script = bash(line);
        assert!(!shows(&script, "> rm x"), "{line}: {:?}", commands(&script));
    }
}

#[test]
fn words_are_cooked_as_a_shell_does() {
    for (raw, cooked) in [
        ("'a b'", "a b"),
        ("\"a \\$b \\\\ \\x\"", "a $b \\ \\x"),
        ("a\\ b", "a b"),
        ("$'a\\n\\x41\\101\\u00e9'", "a\nAA\u{e9}"),
        ("~/x", "~/x"),
        ("$x", "$x"),
        ("\"${x:-a}\"", "a"),
        ("a\"b\"'c'", "abc"),
        ("$(date)", "$(date)"),
        ("it\\'s", "it's"),
    ] {
        let script = bash(&format!("echo {raw}"));
        assert_eq!(script.commands[0].arguments()[0].text, cooked, "{raw}");
    }
}

#[test]
fn disguised_programs_are_seen_and_said_to_be() {
    for line in [
        "r\\m -rf /",
        "r''m -rf /",
        "'r'\"m\" -rf /",
        "$'\\x72m' -rf /",
        "$'\\162\\155' -rf /",
        "{rm,-rf,/}",
        "rm${IFS}-rf${IFS}/",
        "$(echo rm) -rf /",
        "`printf rm` -rf /",
        "$(echo mr | rev) -rf /",
        "a=r; b=m; $a$b -rf /",
        "a=(rm -rf /); \"${a[@]}\"",
        "r$@m -rf /",
    ] {
        let script = bash(line);
        let found = script.commands.iter().find(|command| describe(command) == "rm -rf /");
        let found = found.unwrap_or_else(|| panic!("{line}: {:?}", commands(&script)));
        assert!(found.words[0].disguised, "{line}");
    }
    assert!(shows(&bash("a=rm; $a -rf /"), "rm -rf /"));
    assert!(
        !bash("\"rm\" -rf / --foo=\"bar\"").commands[0]
            .words
            .iter()
            .any(|word| word.disguised)
    );
}

#[test]
fn a_program_that_is_not_constant_is_a_doubt() {
    for line in [
        "$x -rf /",
        "$(curl x) a",
        "read c; $c",
        "/bin/r? -rf /",
        "x=rm; read x; $x /",
    ] {
        assert!(bash(line).doubts.contains(&Doubt::DynamicProgram), "{line}");
    }
    assert!(bash("rm $x $(date)").understood());
}

#[test]
fn here_documents_are_found_by_posix_rules() {
    let hidden = bash("cat <<A;\nx\nA\nrm -rf /\nA;");
    assert!(shows(&hidden, "rm -rf /"));
    assert!(hidden.doubts.contains(&Doubt::HereDocument));
    let plain = bash("cat <<-'E' > f\n\trm -rf /\n\tE\nls");
    assert_eq!(commands(&plain), ["cat", "ls"]);
    assert!(plain.understood());
    let expanded = bash("cat <<E\n$(rm x)\nE");
    assert_eq!(commands(&expanded), ["cat", "$ rm x"]);
    let in_substitution = bash("git commit -m \"$(cat <<'E'\nit's (\nE\n)\" && rm x");
    assert!(shows(&in_substitution, "rm x"));
    assert!(in_substitution.understood());
}

#[test]
fn broken_texts_still_show_their_commands() {
    for line in [
        "if ( ; rm -rf /",
        "rm -rf / )",
        "echo \"a ; rm -rf /",
        "cat x <> y; rm -rf /",
        "cat <<A <<B\na\nA\nb\nB\nrm -rf /",
        "echo $(a ; rm -rf /",
    ] {
        let script = bash(line);
        assert!(shows(&script, "rm -rf /"), "{line}: {:?}", commands(&script));
        assert!(!script.understood(), "{line}");
    }
}

#[test]
fn other_dialects_hide_nothing() {
    for (line, dialect) in [
        ("true; and rm -rf /", Dialect::Fish),
        ("begin; rm -rf /; end", Dialect::Fish),
        ("if test -f x; rm -rf /; end", Dialect::Fish),
        ("echo (rm -rf /)", Dialect::Fish),
        ("not rm -rf /", Dialect::Fish),
        ("noglob rm -rf /", Dialect::Zsh),
        ("echo a # b ; rm -rf /", Dialect::Zsh),
        ("ls *(.) ; rm -rf /", Dialect::Zsh),
    ] {
        let script = parse(line, dialect);
        assert!(shows(&script, "rm -rf /"), "{line}: {:?}", commands(&script));
        assert!(!script.doubts.contains(&Doubt::Grammar), "{line}");
    }
    for (line, dialect) in [
        ("ls -la | grep x", Dialect::Fish),
        ("cd /tmp && ls **/*.rs", Dialect::Zsh),
    ] {
        assert!(parse(line, dialect).understood(), "{line}");
    }
}

#[test]
fn hostile_sizes_meet_a_limit() {
    for text in [
        "$(".repeat(10_000),
        format!("echo {}x{}", "$(".repeat(10_000), ")".repeat(10_000)),
        vec!["a"; 20_000].join("|"),
        "x ".repeat(100_000),
        "a=b;".repeat(10_000),
        format!("cat <<E\n{}\nE", "$(sh -c 'a b c d e')".repeat(3_000)),
        "sudo ".repeat(10_000),
        "<".repeat(60_000),
        "rm x\n".repeat(13_000),
        "a $(b) ".repeat(9_000),
    ] {
        let script = bash(&text);
        assert!(
            script.doubts.contains(&Doubt::Limit),
            "{:.20}: {:?}",
            text,
            script.doubts
        );
        assert!(script.commands.len() <= 3_000);
    }
}

#[test]
fn values_do_not_grow_without_bound() {
    let line = format!("a=xxxxxxxx{}; echo $a", "; a=$a$a$a$a".repeat(20));
    let script = bash(&line);
    let last = script.commands.last().unwrap();
    assert_eq!(last.words[1].text, "$a");
    assert!(!last.words[1].constant);
}

#[test]
fn operands_are_classed_by_what_they_name() {
    use OperandClass::*;
    for (operand, class) in [
        ("/", Root),
        ("/*", Root),
        ("//", Root),
        ("/tmp/..", Root),
        ("/etc/passwd", System),
        ("/tmp/../etc", System),
        ("/usr", System),
        ("/var", System),
        ("/boot/grub", Boot),
        ("/dev/sda", Device),
        ("/dev/sd*", Device),
        ("/dev/null", Tmp),
        ("/mnt/disk", Mount),
        ("/home/bob", Home),
        ("~", Home),
        ("~/x", Home),
        ("$HOME/x", Home),
        ("/srv/www", Data),
        ("/var/lib/mysql", Data),
        ("/tmp/build-123", Tmp),
        ("./build", Relative),
        ("nginx", Relative),
        ("*", Glob),
        ("*.log", Glob),
        ("https://x/y", Remote),
        ("bob@host:/x", Remote),
        ("host:/x", Remote),
        ("$x", Opaque),
        ("$x/etc", Opaque),
        ("/etc/$x", System),
    ] {
        let script = bash(&format!("rm {operand}"));
        assert_eq!(operand_class(&script.commands[0].words[1]), class, "{operand}");
    }
}

/// Text made of what a shell gives a meaning to.
fn shell_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "rm",
        " ",
        "-rf",
        "/",
        "'",
        "\"",
        "\\",
        "$",
        "(",
        ")",
        "{",
        "}",
        "`",
        "|",
        "&",
        ";",
        "\n",
        "<<A",
        "A",
        "<",
        ">",
        "$(",
        "${",
        "if",
        "then",
        "fi",
        "for",
        "case",
        "in",
        "esac",
        "#",
        "=",
        "[[",
        "]]",
        "é",
        "\t",
        "sudo ",
        "sh -c ",
        "a=b",
        "*",
        "!",
        "~",
        "--password=x",
        "token=",
        "$'",
        "((",
        "<(",
        "eval ",
        "echo ",
        " | sh",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn programs(script: &Script) -> Vec<Option<String>> {
    script
        .commands
        .iter()
        .map(|command| command.program().map(str::to_owned))
        .collect()
}

proptest! {
    #[test]
    fn nothing_panics_on_any_text(text in any::<String>(), dialect in prop::sample::select(Dialect::ALL.to_vec())) {
        let script = parse(&text, dialect);
        let _ = (redact(&script), pattern(&script));
    }

    #[test]
    fn nothing_panics_on_shell_like_text(text in shell_like(), dialect in prop::sample::select(Dialect::ALL.to_vec())) {
        let script = parse(&text, dialect);
        let _ = (redact(&script), pattern(&script));
        for word in script.commands.iter().flat_map(|command| &command.words) {
            prop_assert!(text.get(word.span.clone()).is_some(), "{:?}", word.span);
        }
    }

    #[test]
    fn redaction_is_idempotent_and_keeps_programs(
        before in "[a-z]{1,6}", secret in "[a-zA-Z0-9]{6,12}", after in "(; [a-z]{1,6}| \\| [a-z]{1,6} -x)?",
        form in prop::sample::select(vec![
            " --password=%", " --token %", " API_SECRET=%", " 'db_password=% x'", " -H 'Authorization: Bearer %'", " https://u:%@host/",
        ]),
    ) {
        let line = format!("{before}{}{after}", form.replace('%', &secret));
        let script = bash(&line);
        let redacted = redact(&script);
        prop_assert!(!redacted.contains(&secret), "{redacted}");
        let again = bash(&redacted);
        prop_assert_eq!(programs(&script), programs(&again));
        prop_assert_eq!(redact(&again), redacted);
    }

    #[test]
    fn wrapping_and_quoting_keep_the_program_visible(
        argument in "[a-z/]{1,8}",
        wrappers in prop::collection::vec(prop::sample::select(vec!["sudo ", "env A=b ", "nice -n 3 ", "timeout 5 ", "nohup ", "exec "]), 0..5),
        quoting in prop::sample::select(vec!["rm", "'rm'", "\"rm\"", "r\\m", "r''m", "$'\\x72m'", "/bin/rm"]),
    ) {
        let script = bash(&format!("{}{quoting} {argument}", wrappers.concat()));
        let last = script.commands.last().unwrap();
        prop_assert_eq!(last.program(), Some("rm"));
        prop_assert_eq!(&last.arguments()[0].text, &argument);
        prop_assert!(script.understood());
    }
}

#[test]
fn a_text_that_another_language_runs_is_opaque_where_it_is_not_constant() {
    for text in [
        "python3 -c 'import sys;exec(sys.stdin.read())'",
        "python3 -c 'exec(open(\"f\").read())'",
        "node -e 'eval(require(\"fs\").readFileSync(0)+\"\")'",
    ] {
        assert!(parse(text, Dialect::Bash).doubts.contains(&Doubt::Opaque), "{text}");
    }
    for text in [
        "python3 -c 'exec(\"pass\")'",
        "perl -e 'eval { print 1 }'",
        "python3 -c 'model.eval()'",
    ] {
        assert!(parse(text, Dialect::Bash).understood(), "{text}");
    }
}

#[test]
fn what_would_grow_beyond_bounds_is_opaque() {
    let long = "x".repeat(10_000);
    for line in [
        format!("echo x{}|sh", "|sed s/x/xxxxxxxxxx/g".repeat(9)),
        format!("echo {long}|xargs -I% rm {}", "%".repeat(10_000)),
        format!("parallel echo {} ::: {long}", "{}".repeat(10_000)),
        format!("echo x|tr a-z {}|sh", "a-z".repeat(100)),
    ] {
        let script = bash(&line);
        assert!(script.doubts.contains(&Doubt::Opaque), "{line:.40}");
        let words = script.commands.iter().flat_map(|command| &command.words);
        assert!(
            words.map(|word| word.text.len()).sum::<usize>() < 256 * 1024,
            "{line:.40}"
        );
    }
}

#[test]
fn numbers_beyond_all_bounds_end_nothing() {
    for line in [
        "shift 18446744073709551615; rm x",
        "set -- a b; shift 18446744073709551614; rm x",
        "echo {1..99999999999999999999} {-9223372036854775808..9223372036854775807}; rm x",
        "printf '%99999999d' 1|sh; rm x",
        "x=abc; echo ${x:9999999999999999999} ${x:9223372036854775807:9223372036854775807} ${x: -9223372036854775808}; rm x",
        "set -- a; echo ${@:9223372036854775807} ${18446744073709551615} ${99999999999999999999}; rm x",
        "echo $((9223372036854775807+1)) $((-9223372036854775807-2)) $(((-9223372036854775807-1)/-1)); rm x",
        "a=(1 2); echo ${a[18446744073709551615]} ${a[9223372036854775807]}; rm x",
        "echo a|cut -c 5-2|sh; echo a|tail -n +18446744073709551615|sh; rm x",
    ] {
        let found = commands(&bash(line));
        assert!(found.iter().any(|command| command == "rm x"), "{line}: {found:?}");
    }
}
