use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

mod faults;

/// The units and what is left over, of input that comes at once.
fn split(text: &str, dialect: Dialect) -> (Vec<String>, String) {
    let mut splitter = Splitter::new(dialect);
    let units = splitter
        .feed(text.as_bytes())
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Unit(bytes) => Some(String::from_utf8(bytes).unwrap()),
            Piece::Blank(_) | Piece::Secret(_) => None,
        });
    let units = units.collect();
    (units, String::from_utf8(splitter.into_pending()).unwrap())
}

/// Each of the texts is one unit where all follow one another, and nothing less than a unit.
fn assert_units(dialect: Dialect, units: &[&str]) {
    let (found, left) = split(&units.concat(), dialect);
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!((found.as_slice(), left.as_str()), (units, ""), "{dialect}");
}

#[test]
fn a_newline_ends_a_list_of_commands() {
    assert_units(
        Dialect::Bash,
        &["ls\n", "cd /x; rm -rf y && echo\n", "sleep 1 &\n", "a | b\n"],
    );
}

#[test]
fn what_is_open_goes_on() {
    let units = [
        "echo 'a\nb' \"c\nd $(ls\n)\" `ls\n` ${x:-\n} $'\\'\n'\n",
        "echo a \\\n b\n",
        "a &&\n b ||\n\n # comment it's\n c |\n d\n",
        "if a\nthen b\nelif c; then\nd\nelse\ne\nfi\n",
        "for x in a b\ndo c\ndone > f\n",
        "for ((i = 0; i < 3; i++)); do\na\ndone\n",
        "for x\ndo\na; done\n",
        "while a\ndo if b; then\nc; fi\ndone | d\n",
        "{ a\n b; }\n",
        "( a\n b )\n",
        "(( a <<\n 2 ))\n",
        "((a); b\n)\n",
        "[[ a == b &&\n c =~ ^(x|y)$ ]] && d\n",
        "f() {\n a\n}\n",
        "f ()\n{\na; }\n",
        "function f\n{ a\n}\n",
        "function f() { a\n}\n",
        "x=(a # it's\n b)\n",
        "diff <(a\n) >(b\n)\n",
        "echo $((1 +\n 2)) $[ 3 +\n 4 ]\n",
        "select x in a b; do\nbreak\ndone\n",
    ];
    assert_units(Dialect::Bash, &units);
}

#[test]
fn a_case_closes_with_esac_only() {
    let units = [
        "case x in\na) b;;\n(c | d) e ;&\n*)\n f\nesac\n",
        "case $x\nin\nesac\n",
        "case x in a) case y in b) c;; esac;; esac\n",
        "x=$(case y in a) b;; esac\n)\n",
        "case x in if) done;; esac\n",
    ];
    assert_units(Dialect::Bash, &units);
}

#[test]
fn words_are_reserved_only_where_a_command_begins() {
    let units = [
        "echo if then {\n",
        "a=1 if\n",
        "> f done\n",
        "\\if\n",
        "'if'\n",
        "echo fi # if\n",
        "{a\n",
    ];
    assert_units(Dialect::Bash, &units);
}

#[test]
fn here_documents_belong_to_their_command() {
    let units = [
        "cat <<E\nrm -rf /\n'\nE\n",
        "cat <<-'E' <<\"F\"; ls\n a\n\tE\nb\nF\n",
        "if a; then cat <<E\nfi\nE\nfi\n",
        "cat <<E\na\\\nE\nE\n",
        "cat <<'E'\na\\\nE\n",
        "cat <<<E\n",
        "echo $((1<<2))\n",
        "cat <<E && x=$(cat <<F\nfirst\nF\n)\nsecond\nE\n",
    ];
    assert_units(Dialect::Bash, &units);
    let (units, left) = split("cat <<E\nE \n", Dialect::Bash);
    assert_eq!(
        (units.len(), left.as_str()),
        (0, "cat <<E\nE \n"),
        "a blank after it is no delimiter"
    );
}

#[test]
fn lines_without_a_command_are_told_apart() {
    let mut splitter = Splitter::new(Dialect::Bash);
    let pieces = splitter.feed(b"\n  # it's (\n \t\nls # a\n#end");
    let expected = [
        Piece::Blank(b"\n".to_vec()),
        Piece::Blank(b"  # it's (\n".to_vec()),
        Piece::Blank(b" \t\n".to_vec()),
        Piece::Unit(b"ls # a\n".to_vec()),
    ];
    assert_eq!(
        (pieces.as_slice(), splitter.pending()),
        (expected.as_slice(), b"#end".as_slice())
    );
    assert_units(Dialect::Zsh, &["# a; rm -rf /\n"]);
}

#[test]
fn zsh_has_forms_of_its_own() {
    let units = [
        "foreach x (a b)\n c\nend\n",
        "{ a\n} always { b\n}\n",
        "f() { a }\n",
        "() {\n a\n}\n",
        "ls *(.)\n",
        "function { a\n}\n",
        "sleep 1 &|\n",
        "if [[ a ]]; then\n{ b }\nfi\n",
    ];
    assert_units(Dialect::Zsh, &units);
}

#[test]
fn fish_has_blocks_that_end_with_end() {
    let units = [
        "if a\n b\nelse if c\n d\nelse\n e\nend\n",
        "for x in a b\n c\nend\n",
        "function f\n a\nend\n",
        "begin; a\nend | b\n",
        "switch x\ncase a\n b\nend\n",
        "while true; and a\n b\nend\n",
        "echo 'it\\'s\n' \"a\n\" (ls\n)\n",
        "echo a \\\n b\n",
        "echo << a\n",
        "not if a\n b\nend\n",
    ];
    assert_units(Dialect::Fish, &units);
}

#[test]
fn a_quote_in_a_parameter_between_double_quotes_is_one_to_bash_alone() {
    assert_units(Dialect::Zsh, &["echo \"${x:-'}\"\n", "ls\n"]);
    let (units, _) = split("echo \"${x:-'}\"\nls\n", Dialect::Bash);
    assert!(units.is_empty(), "{units:?}");
}

/// Each text is one at the end of whose second line some shell of the dialect runs that line, where another is still in a
/// quote or in data.
#[test]
fn what_shells_of_one_dialect_read_differently_is_given_up_before_it_is_sent() {
    let (bash, sh, zsh) = (Dialect::Bash, Dialect::Sh, Dialect::Zsh);
    for (text, dialects) in [
        ("echo $'\\''\nx'; ls; : '\n", [sh].as_slice()),
        ("echo $[\nls\n: ]\n", &[sh]),
        ("(( a <<E ))\nls\nE\n", &[sh]),
        ("echo \"${x#'\"'}\"\nls\n: }\"\n", &[sh]),
        ("cat <<E\n$(echo x\nE\n)\n'\nE\nls\n: '\n", &[sh]),
        ("cat <<E\n`echo ')\nE\nls\n", &[sh]),
        ("false && echo $((1 ' ))\nls\n: '))\n", &[sh, zsh]),
        ("false && echo $((1 \" ))\nls\n: \"))\n", &[sh, zsh]),
        ("echo (#i)'\n) '; ls; :'\n'\n", &[zsh]),
        ("echo a ) '\nls\n: '\n", &[zsh]),
        ("fi '\nls\n: '\n", &[zsh]),
        ("a} '\nls\n: '\n", &[zsh]),
        ("d\\\none '\nls\n: '\n", &[zsh]),
        ("a ;; '\nls\n: '\n", &[zsh]),
        ("a[1<<E]=2\nls\nE]=2\n", &[bash, sh, zsh]),
        ("cat <\\\n<E\n'\nE\nls\n: '\n", &[bash, sh, zsh]),
        ("(\\\n( 1 <<E ))\nls\nE\n", &[bash, sh, zsh]),
        ("echo $\\\n(cat <<E\n'\nE\nls\n: ')\n", &[bash, sh, zsh]),
        ("cat <<E\\\nF\nEF\nls\n", &[bash, sh, zsh]),
        ("cat <<\"E\\F\"\nE\\F\nls\nEF\n", &[bash, sh, zsh]),
        ("echo $(cat <<E)\n'\nE\nls\n: '\n", &[bash, sh, zsh]),
        ("((cat <<E); true)\n'\nE\nls\n: '\n", &[bash, sh, zsh]),
        ("echo ${ cat <<E\n'\nE\nls\n}\n", &[bash, sh, zsh]),
        ("!(cat <<E)\n'\nE\nls\n: '\n", &[bash, sh, zsh]),
        ("a=((x)\nls\n: )\n", &[bash, sh]),
        ("a=(x; y\nls\n: )\n", &[bash, sh]),
        ("& '\nls\n: '\n", &[zsh]),
        ("ls; | '\nls\n: '\n", &[zsh]),
        ("> &'\nls\n: '\n", &[zsh]),
        ("then '\nls\n: '\n", &[zsh]),
        ("repeat 1 then '\nls\n: '\n", &[zsh]),
        ("echo } '\nls\n: '\n", &[zsh]),
    ] {
        for dialect in dialects {
            let mut splitter = Splitter::new(*dialect);
            assert_eq!(splitter.feed(text.as_bytes()), [], "{dialect}: {text}");
            assert!(splitter.is_lost(), "{dialect}: {text}");
        }
    }
}

#[test]
fn an_alias_that_is_more_than_words_makes_the_rest_unknown() {
    for define in [
        "alias q='#'\n",
        "alias q='echo \"'\n",
        "true; alias q=\\\"\n",
        "alias q=$x\n",
    ] {
        let mut splitter = Splitter::new(Dialect::Sh);
        let unit = Piece::Unit(define.as_bytes().to_vec());
        assert_eq!(splitter.feed(format!("{define}q '\nls\n: '\n").as_bytes()), [unit]);
        assert!(splitter.is_lost(), "{define}");
    }
    assert_units(
        Dialect::Sh,
        &[
            "alias ll='ls -l --color=auto'\n",
            "ll\n",
            "unalias -a 2>/dev/null\n",
            "ls\n",
        ],
    );
}

#[test]
fn an_option_that_changes_how_the_shell_reads_makes_the_rest_unknown() {
    for set in [
        "shopt -u interactive_comments\n",
        "set -o history; set -H\n",
        "set -o posix\n",
        "export POSIXLY_CORRECT=1\n",
    ] {
        let mut splitter = Splitter::new(Dialect::Bash);
        let unit = Piece::Unit(set.as_bytes().to_vec());
        assert_eq!(splitter.feed(format!("{set}# x; ls\n").as_bytes()), [unit]);
        assert!(splitter.is_lost(), "{set}");
    }
    assert_units(Dialect::Bash, &["set -euo pipefail\n", "shopt -s extglob\n", "ls\n"]);
}

#[test]
fn what_all_shells_of_a_dialect_agree_on_is_followed() {
    let units = [
        "x=\"$(cat <<E\na $(hostname) \"${x:-it is}\" `date` $((1 + 2)) $5\\\nE\nE\n)\"\n",
        "(cat <<E) > f\n'\nE\n",
        "x=$(\\\ncurl x)\n",
        "a && \\\n b | \\\n c\n",
        "tr a[0-9] b\n",
        "IFS=$'\\n'\n",
        "cat <<'E F'\n$(\nE F\n",
    ];
    assert_units(Dialect::Sh, &units);
    assert_units(Dialect::Bash, &units);
    assert_units(Dialect::Bash, &["a[$i]=1; a[x]+=(b c)\n", "echo $'it\\'s' $[1 + 2]\n"]);
}

#[test]
fn a_text_without_an_end_is_given_up() {
    let mut splitter = Splitter::new(Dialect::Bash);
    assert!(splitter.feed(b"ls\ncat <<E\n").len() == 1 && !splitter.is_lost());
    let line = [b'a'; 1023].iter().copied().chain([b'\n']).collect::<Vec<u8>>();
    for _ in 0..63 {
        assert_eq!(splitter.feed(&line), []);
        assert!(!splitter.is_lost());
    }
    splitter.feed(&line);
    assert!(splitter.is_lost());
    assert_eq!(splitter.feed(b"E\nls\n"), [], "nothing is split any more");
    assert_eq!(splitter.pending().len(), 8 + 64 * 1024 + 5);
}

#[test]
fn what_a_unit_takes_in_and_runs_in_another_form_is_given_up() {
    for unit in [
        "eval \"$(base64 -d)\"\n",
        "x=$(rev); eval \"$x\"\n",
        "read x; eval \"$(echo $x | rev)\"\n",
        "base64 -d > f; . ./f\n",
        "tar xz; ./install.sh\n",
        "awk '{system($2)}'\n",
        "base64 -d | sh\n",
    ] {
        let mut splitter = Splitter::new(Dialect::Bash);
        assert_eq!(splitter.feed(format!("{unit}x\n").as_bytes()).len(), 1, "{unit}");
        assert!(splitter.is_lost(), "{unit}");
    }
    let units = [
        "x=$(uname -s | tr A-Z a-z); eval \"y_$x=1\"\n",
        "f() { if $y; then \"$@\"; fi; }\n",
        "$SUDO apt-get update\n",
        "v=$(grep x f | cut -c1); eval \"$v\"\n",
        "eval \"$(ssh-agent)\"\n",
        "lsblk -P | while read l; do eval \"$l\"; done\n",
    ];
    assert_units(Dialect::Bash, &units);
}

#[test]
fn a_nul_byte_and_a_bottomless_nesting_are_given_up() {
    for text in [
        "r\0m x\n",
        "echo \\\0\n",
        "echo '\0'\n",
        "echo \"\\\0\"\n",
        "echo `\\\0`\n",
        "# \0\n",
        // A shell that drops it finds the delimiter.
        "cat <<E\nE\0\nls\nE\n",
        "cat <<E\nE\0",
        &"( ".repeat(1_002),
    ] {
        let text = format!("ls\n{text}");
        for size in [1, 2, text.len()] {
            let mut splitter = Splitter::new(Dialect::Bash);
            let reads = text.as_bytes().chunks(size);
            let pieces: Vec<_> = reads.flat_map(|read| splitter.feed(read)).collect();
            assert_eq!(pieces, [Piece::Unit(b"ls\n".to_vec())], "{text:?}");
            assert!(splitter.is_lost(), "{text:?}");
        }
    }
}

/// Simple commands and what is around them; `p` tells how far the shell has read.
fn command() -> impl Strategy<Value = String> {
    let words = [
        "p",
        "p 'a b'",
        "p \"x$(p\n)\"",
        "p \\\n c",
        "p $'\\''",
        "p `:\n`",
        "p ${x:-'}'}",
        "x=1 p if",
        "p a#b {",
        "p >/dev/stdout # it's",
    ];
    let around = [
        "if p\nthen LIST else p\nfi",
        "for x in 1; do\nLIST done",
        "for ((i=0; i<1; i++)) { LIST }",
        "while y=1; ((y<<1 < 3))\ndo LIST break; done",
        "case x in (y|z) ;; x)\nLIST ;; esac",
        "{ LIST }",
        "( LIST)",
        "f()\n{ LIST }; f",
        "function g {\nLIST }; g",
        "eval \"$(cat <<'END'\nLIST\nEND\n)\"",
        "[[ a =~ ^(a|b)$ &&\n x == x ]] && { LIST }",
        "x=(a # it's (\n b) && p &&\n\n{ LIST }",
        "p <<-'END' 'a\nb' <<'F' && { p; }\nLIST\n\tEND\nfi ' $(\n\\\nF\np",
    ];
    let leaf = proptest::sample::select(words.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let list = prop::collection::vec((inner, separator()), 1..3).prop_map(joined);
        (list, proptest::sample::select(around.to_vec())).prop_map(|(list, around)| {
            let end = format!("E{}", list.len());
            around.replace("END", &end).replace("LIST", &list)
        })
    })
}

fn separator() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(["\n", "; p\n", " && p\n", " ||\n p\n", "\n# it's\n", " | cat\n", "\n\n"].as_slice())
}

fn joined(commands: Vec<(String, &str)>) -> String {
    commands
        .into_iter()
        .fold(String::new(), |mut list, (command, separator)| {
            write!(list, "{command}{separator}").unwrap();
            list
        })
}

/// Where bash, reading `script` from its standard input, stood whenever it ran `p`.
fn read_by_bash(script: &str) -> BTreeSet<usize> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(script.as_bytes()).unwrap();
    file.rewind().unwrap();
    let output = Command::new("bash").stdin(Stdio::from(file)).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "{errors}\n{script}");
    let told = String::from_utf8(output.stdout).unwrap();
    told.lines()
        .filter_map(|line| line.strip_prefix("pos:")?.trim().parse().ok())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bash_reads_exactly_these_units(commands in prop::collection::vec((command(), separator()), 1..4)) {
        let script = format!("exec 8<&0; p() {{ grep pos: /proc/self/fdinfo/8; }}\n{}", joined(commands));
        let mut splitter = Splitter::new(Dialect::Bash);
        let mut at = 0;
        let mut ends = BTreeSet::new();
        for piece in splitter.feed(script.as_bytes()) {
            at += piece.bytes().len();
            if matches!(piece, Piece::Unit(_)) {
                ends.insert(at);
            }
        }
        let first = script.find('\n').unwrap() + 1;
        prop_assert_eq!(ends.first(), Some(&first));
        ends.remove(&first);
        prop_assert_eq!(splitter.pending(), b"");
        prop_assert_eq!(read_by_bash(&script), ends, "{}", script);
    }
}

fn bytes_of_shells() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "'",
        "\"",
        "`",
        "$(",
        "${",
        "$((",
        "((",
        "))",
        ")",
        "}",
        "{ ",
        "<<E\n",
        "E\n",
        "\n",
        ";",
        ";;",
        "&",
        "&&",
        "|",
        "<",
        ">",
        "#",
        "\\",
        " ",
        "if ",
        "then ",
        "fi",
        "case ",
        " in ",
        "esac",
        "do ",
        "done",
        "for ",
        "[[ ",
        " ]]",
        "f()",
        "a",
        "=",
        "\u{e9}",
        "end",
        "function ",
        "$[",
        "]",
    ];
    prop::collection::vec(proptest::sample::select(pieces.to_vec()), 0..60)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn nothing_is_lost_and_reads_do_not_matter(bytes in bytes_of_shells(), length in 1_usize..20) {
        for dialect in Dialect::ALL {
            let mut whole = Splitter::new(*dialect);
            let at_once = whole.feed(&bytes);
            let mut chunked = Splitter::new(*dialect);
            let in_chunks: Vec<Piece> = bytes.chunks(length).flat_map(|chunk| chunked.feed(chunk)).collect();
            prop_assert_eq!(&at_once, &in_chunks);
            prop_assert_eq!(whole.pending(), chunked.pending());
            let mut together: Vec<u8> = at_once.iter().flat_map(|piece| piece.bytes().to_vec()).collect();
            together.extend_from_slice(whole.pending());
            prop_assert_eq!(&together, &bytes);
        }
    }

    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for dialect in Dialect::ALL {
            Splitter::new(*dialect).feed(&bytes);
        }
    }
}

/// What comes of a text for a shell that is not known.
fn split_for_any(text: &str) -> (Vec<Piece>, bool) {
    let mut splitter = Splitter::of_any_shell();
    let pieces = splitter.feed(text.as_bytes());
    (pieces, splitter.is_lost())
}

fn unit(text: &str) -> Piece {
    Piece::Unit(text.as_bytes().to_vec())
}

fn secret(text: &str) -> Piece {
    Piece::Secret(text.as_bytes().to_vec())
}

#[test]
fn a_shell_that_is_not_known_is_followed_as_long_as_all_agree() {
    let (pieces, is_lost) = split_for_any("ls -l\ncd /x && rm y\necho 'a\nb' | cat\nexit\n");
    let units = ["ls -l\n", "cd /x && rm y\n", "echo 'a\nb' | cat\n", "exit\n"];
    assert_eq!((pieces, is_lost), (units.map(unit).to_vec(), false));
    for text in [
        "cat <<E\nls\nE\n",
        "if true\nthen ls\nfi\n",
        "if true\nls\nend\n",
        "echo 'it\\'s\nls\n'\n",
        "echo $'\\''\nls\n'\n",
        "fi '\nls\n'\n",
    ] {
        let (pieces, is_lost) = split_for_any(&format!("ls\n{text}"));
        assert_eq!((pieces, is_lost), (vec![unit("ls\n")], true), "{text}");
    }
}

#[test]
fn a_line_that_a_command_reads_as_a_password_is_a_secret() {
    for reads in [
        "read -s x\n",
        "IFS= read -rs x && echo\n",
        "read DB_PASSWORD\n",
        "read -rsp 'password: ' x\n",
        "sudo -S true\n",
        "sshpass ssh third true\n",
    ] {
        let mut splitter = Splitter::new(Dialect::Bash);
        let pieces = splitter.feed(format!("{reads}canary\nls\n").as_bytes());
        assert_eq!(pieces, [unit(reads), secret("canary\n"), unit("ls\n")], "{reads}");
    }
    let mut splitter = Splitter::new(Dialect::Bash);
    let pieces = splitter.feed(b"read -s a; read -s b\none\ntwo\nls\nread -s c\nthr");
    let (first, last) = (unit("read -s a; read -s b\n"), unit("read -s c\n"));
    assert_eq!(pieces, [first, secret("one\n"), secret("two\n"), unit("ls\n"), last]);
    assert!(
        splitter.hides_secrets(),
        "what is pending is the beginning of a password"
    );
    assert_eq!(splitter.feed(b"ee\nls\n"), [secret("three\n"), unit("ls\n")]);
    assert!(!splitter.hides_secrets());
}

#[test]
fn passwords_whose_end_is_not_known_hide_the_rest() {
    for reads in [
        "while read -s x; do echo; done\n",
        "ask() { read -s x; }\n",
        "trap 'read -s x' EXIT\n",
        "read -s -n 4 x\n",
        "passwd bob\n",
        "docker login --password-stdin\n",
        "su - bob\n",
        "sudo -S -i\n",
        "read -s x\nit's\n",
        "read -s x\nback\\\n",
        "read -s x\nexec fish\n",
    ] {
        let mut splitter = Splitter::new(Dialect::Bash);
        let pieces = splitter.feed(format!("{reads}canary\nls\n").as_bytes());
        assert!(!pieces.contains(&unit("ls\n")), "{reads}: {pieces:?}");
        assert!(splitter.is_lost() && splitter.hides_secrets(), "{reads}");
    }
}

#[test]
fn input_that_a_command_of_the_script_feeds_is_no_secret() {
    let units = [
        "read -s x < f\n",
        "echo $x | sudo -S ls\n",
        "sudo ls\n",
        "read line\n",
        "read -s x <<< y\n",
        "ls\n",
    ];
    assert_units(Dialect::Bash, &units);
}

#[test]
fn what_another_program_reads_of_the_script_is_given_up() {
    for reads in [
        "exec fish\n",
        "python3\n",
        "sudo -i\n",
        "ssh third\n",
        "base64 -d | bash\n",
        "crontab -\n",
    ] {
        let mut splitter = Splitter::new(Dialect::Bash);
        assert_eq!(splitter.feed(format!("{reads}ls\n").as_bytes()), [unit(reads)]);
        assert!(splitter.is_lost() && !splitter.hides_secrets(), "{reads}");
    }
    let units = [
        "sudo bash\n",
        "bash -s\n",
        "ssh third ls\n",
        "docker build .\n",
        "$SUDO ls\n",
        "ls\n",
    ];
    assert_units(Dialect::Bash, &units);
}
