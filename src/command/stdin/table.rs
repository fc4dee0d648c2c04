//! The programs that run their standard input in a language that is not read here, and when.

use crate::command::feed::{descriptor, is_stdin};
use crate::command::options::{cluster, has_flag, names_any};
use crate::command::unwrap::{Inside, unwrap};
use crate::command::{SimpleCommand, Word};
use crate::domain::Dialect;

/// Programs in whose language nothing is read here.
pub(super) struct Reader {
    names: &'static [&'static str],
    pub(super) when: When,
    /// How the record calls the input.
    pub(super) input: &'static str,
}

impl Reader {
    pub(super) fn is(&self, program: &str) -> bool {
        self.names.contains(&program.strip_suffix(".exe").unwrap_or(program))
    }
}

/// When a program runs its standard input.
pub(super) enum When {
    /// Where none of these is among its arguments, or it names the input all the same.
    Unless(&'static [&'static str]),
    /// Where one of these is.
    With(&'static [&'static str]),
    /// Where it has no more operands than so many, or names the input.
    Bare(usize),
    /// Where it names the input as a file: `-`.
    Named,
    /// Where it names the input as a file, behind one of these.
    NamedWith(&'static [&'static str]),
    /// Where the input is the value of one of these options, or of one that ends with one of these letters.
    Value(&'static str, &'static [&'static str]),
    /// Where one of these letters is an option; those of the second text take values.
    Flag(&'static str, &'static str),
    /// Where it attaches the input to a container whose program it does not name.
    Container,
}

impl When {
    pub(super) fn holds(&self, command: &SimpleCommand, dialect: Dialect) -> bool {
        let arguments = command.arguments();
        let is_named = || arguments.iter().any(names_stdin);
        match self {
            Self::Unless(words) => !names_any(arguments, words) || is_named(),
            Self::With(words) => names_any(arguments, words),
            Self::Bare(most) => {
                let operands = arguments.iter().filter(|word| !word.text.starts_with('-'));
                operands.count() <= *most || is_named()
            }
            Self::Named => is_named(),
            Self::NamedWith(words) => names_any(arguments, words) && is_named(),
            Self::Value(letters, words) => has_stdin_value(arguments, letters, words),
            Self::Flag(letters, values) => has_flag(arguments, letters, values),
            Self::Container => attaches(arguments) && !names_program(command, dialect),
        }
    }
}

pub(super) const READERS: &[Reader] = &[
    Reader {
        names: &[
            "make", "gmake", "bmake", "pmake", "ninja", "cmake", "rake", "just", "task", "ant", "mvn", "gradle",
            "scons",
        ],
        when: When::Named,
        input: "standard input of make, a makefile",
    },
    Reader {
        names: &["awk", "gawk", "mawk", "nawk", "sed", "gsed"],
        when: When::Value("fEi", &["--file", "--exec", "--include"]),
        input: "standard input of awk or sed, its program",
    },
    Reader {
        names: &["crontab"],
        when: When::Unless(&["-l", "-r", "-V"]),
        input: "standard input of crontab, commands that run later",
    },
    Reader {
        names: &["fcrontab", "incrontab", "anacron", "at", "batch"],
        when: When::Named,
        input: "standard input of a schedule, commands that run later",
    },
    Reader {
        names: &["sbatch", "qsub", "bsub", "condor_submit"],
        when: When::Bare(0),
        input: "standard input of a queue, commands that run later",
    },
    Reader {
        names: &[
            "vim",
            "vi",
            "nvim",
            "view",
            "vimdiff",
            "rvim",
            "rview",
            "vim.tiny",
            "vim.basic",
            "vim.nox",
            "ex",
            "ed",
            "red",
            "emacs",
            "visudo",
            "vipw",
            "vigr",
            "sudoedit",
        ],
        when: When::Unless(&["--version", "--help"]),
        input: "standard input of an editor, its commands",
    },
    Reader {
        names: &["kubectl", "oc", "systemctl", "virsh"],
        when: When::With(&["edit"]),
        input: "standard input of an editor, its commands",
    },
    Reader {
        names: &["gdb", "lldb", "cgdb", "dbx", "debugfs", "crash"],
        when: When::Unless(&["-batch", "--batch", "--version", "--help"]),
        input: "standard input of a debugger, its commands",
    },
    Reader {
        names: &[
            "ftp",
            "lftp",
            "sftp",
            "tftp",
            "smbclient",
            "sqlplus",
            "isql",
            "osql",
            "tsql",
            "sqlcmd",
            "cqlsh",
            "beeline",
            "hive",
            "impala-shell",
            "spark-sql",
            "spark-shell",
            "pyspark",
            "presto",
            "trino",
            "rman",
            "db2",
            "mysqlsh",
            "influx",
            "usql",
            "pgcli",
            "mycli",
            "litecli",
            "cypher-shell",
            "neo4j-shell",
            "clickhouse-local",
            "zkCli.sh",
            "zookeeper-shell.sh",
        ],
        when: When::Unless(&[
            "-b",
            "-c",
            "-e",
            "-f",
            "-i",
            "-q",
            "-Q",
            "-execute",
            "--execute",
            "--query",
            "--version",
            "--help",
        ]),
        input: "standard input of a program that reads commands",
    },
    Reader {
        names: &[
            "ldapmodify",
            "ldapadd",
            "ldapdelete",
            "kadmin",
            "kadmin.local",
            "ktutil",
            "nsupdate",
            "vtysh",
            "birdc",
            "birdc6",
            "wpa_cli",
            "bluetoothctl",
            "iwctl",
            "xfs_db",
            "xfs_io",
        ],
        when: When::Unless(&["-f", "-c", "-q", "-r", "--help", "--version"]),
        input: "standard input of a program that reads commands",
    },
    Reader {
        names: &["lvm", "virsh"],
        when: When::Bare(0),
        input: "standard input of a program that reads commands",
    },
    Reader {
        names: &["fdisk", "sfdisk", "gdisk", "cfdisk"],
        when: When::Unless(&["-l", "--list", "-d", "--dump", "-V", "--version"]),
        input: "standard input of a partitioning program, its commands",
    },
    Reader {
        names: &["parted"],
        when: When::Bare(1),
        input: "standard input of a partitioning program, its commands",
    },
    Reader {
        names: &["nft"],
        when: When::Value("f", &["--file"]),
        input: "standard input of a packet filter, its commands",
    },
    Reader {
        names: &["nft"],
        when: When::With(&["-i", "--interactive"]),
        input: "standard input of a packet filter, its commands",
    },
    Reader {
        names: &[
            "iptables-restore",
            "ip6tables-restore",
            "iptables-nft-restore",
            "ip6tables-nft-restore",
            "iptables-legacy-restore",
            "ip6tables-legacy-restore",
            "arptables-restore",
            "ebtables-restore",
        ],
        when: When::Unless(&["--version", "--help"]),
        input: "standard input of a packet filter, its rules",
    },
    Reader {
        names: &["docker", "podman", "nerdctl", "buildah"],
        when: When::NamedWith(&["build", "buildx", "bud", "compose", "stack", "play"]),
        input: "standard input of a build, its recipe",
    },
    Reader {
        names: &["docker", "podman", "nerdctl", "kubectl", "oc"],
        when: When::Container,
        input: "standard input of a container, whose program is not known",
    },
    Reader {
        names: &[
            "docker-compose",
            "ansible-playbook",
            "puppet",
            "chef-apply",
            "rails",
            "bpftrace",
            "stap",
            "perf",
            "runghc",
            "runhaskell",
            "tcc",
        ],
        when: When::Named,
        input: "standard input of a program that runs a recipe",
    },
    Reader {
        names: &[
            "ip",
            "tc",
            "bridge",
            "pfctl",
            "ipfw",
            "sysctl",
            "ovs-ofctl",
            "ovs-vsctl",
            "tmux",
            "screen",
        ],
        when: When::Named,
        input: "standard input of a program that reads commands",
    },
    Reader {
        names: &["curl"],
        when: When::Value("K", &["--config"]),
        input: "standard input of a program that reads commands",
    },
    Reader {
        names: &["systemctl", "tmux", "ipset", "tc"],
        when: When::With(&["--stdin", "-C", "-CC", "restore", "-R", "-", "-b", "-batch"]),
        input: "standard input of a program that reads commands",
    },
    Reader {
        names: &["mapfile", "readarray"],
        when: When::Flag("C", "dnOsuc"),
        input: "standard input that may run as a program",
    },
    Reader {
        names: &[
            "dbclient",
            "plink",
            "rsh",
            "rlogin",
            "et",
            "telnet",
            "pdsh",
            "clush",
            "wsl",
            "lima",
            "systemd-nspawn",
        ],
        when: When::Unless(&["--version", "--help", "-V"]),
        input: "standard input of a shell elsewhere",
    },
    Reader {
        names: &[
            "pct",
            "qm",
            "limactl",
            "colima",
            "minikube",
            "fly",
            "flyctl",
            "cf",
            "tsh",
            "az",
            "doctl",
            "virsh",
            "oc",
            "systemd-run",
            "podman",
            "buildah",
            "incus",
            "multipass",
        ],
        when: When::With(&[
            "ssh", "rsh", "enter", "shell", "console", "terminal", "monitor", "attach", "debug", "unshare", "--shell",
            "-S",
        ]),
        input: "standard input of a shell elsewhere",
    },
    Reader {
        names: &[
            "deno",
            "bun",
            "cabal",
            "stack",
            "lein",
            "hbase",
            "cockroach",
            "clickhouse",
            "etcdctl",
            "iex",
        ],
        when: When::With(&["repl", "ghci", "shell", "sql", "client", "local", "txn", "-S"]),
        input: "standard input of an interpreter, its program",
    },
    Reader {
        names: &["capsh", "xtables-nft-multi", "xtables-legacy-multi"],
        when: When::With(&["--", "iptables-restore", "ip6tables-restore"]),
        input: "standard input of a program that runs it",
    },
    Reader {
        names: &["pwsh", "powershell", "cmd"],
        when: When::Unless(&["-File", "-EncodedCommand", "-Command", "-c", "/c", "/C"]),
        input: "standard input of an interpreter, its program",
    },
    Reader {
        names: &[
            "bb",
            "bun",
            "chez",
            "clisp",
            "clj",
            "clojure",
            "csi",
            "dc",
            "deno",
            "ecl",
            "elixir",
            "elvish",
            "erl",
            "es",
            "escript",
            "ghci",
            "gnuplot",
            "gosh",
            "gprolog",
            "groovy",
            "groovysh",
            "gs",
            "guile",
            "iex",
            "ion",
            "irb",
            "jshell",
            "jython",
            "kotlin",
            "kotlinc",
            "m4",
            "matlab",
            "mit-scheme",
            "nu",
            "ocaml",
            "octave",
            "oil",
            "openssl",
            "osh",
            "pry",
            "racket",
            "rc",
            "runghc",
            "runhaskell",
            "salloc",
            "chef-shell",
            "sage",
            "sash",
            "sbcl",
            "scala",
            "scala-cli",
            "scheme",
            "scsh",
            "swipl",
            "texlua",
            "ts-node",
            "tsx",
            "utop",
            "xonsh",
            "ysh",
        ],
        when: When::Bare(0),
        input: "standard input of an interpreter, its program",
    },
];

/// `-`, `/dev/stdin`, `-f-`, `--file=-`.
fn names_stdin(word: &Word) -> bool {
    let value = word
        .text
        .rsplit_once('=')
        .map_or(word.text.as_str(), |(_, value)| value);
    let attached = cluster(&word.text)
        .and_then(|letters| letters.split_once('f'))
        .is_some_and(|(_, value)| is_input(value));
    is_stdin(word) || attached || is_input(value)
}

fn is_input(value: &str) -> bool {
    value == "-" || descriptor(value).is_some()
}

fn has_stdin_value(arguments: &[Word], letters: &str, long: &[&str]) -> bool {
    let takes_file = |word: &Word| {
        long.contains(&word.text.as_str())
            || cluster(&word.text).is_some_and(|cluster| cluster.ends_with(|letter| letters.contains(letter)))
    };
    let separate = arguments
        .windows(2)
        .any(|pair| matches!(pair, [option, file] if takes_file(option) && is_stdin(file)));
    separate || arguments.iter().any(|word| !is_stdin(word) && names_stdin(word))
}

/// Whether the standard input is attached to a container.
fn attaches(arguments: &[Word]) -> bool {
    let is_interactive = || has_flag(arguments, "i", "uewpvlmhncf") || names_any(arguments, &["--interactive"]);
    names_any(arguments, &["attach"])
        || names_any(arguments, &["debug"])
        || names_any(arguments, &["run", "start", "create"]) && (is_interactive() || names_any(arguments, &["compose"]))
}

/// Whether a command runs a program that it names, and that an image does not put another before.
fn names_program(command: &SimpleCommand, dialect: Dialect) -> bool {
    let has_entry = command
        .arguments()
        .iter()
        .any(|word| word.text.starts_with("--entrypoint"));
    let is_program = |inside: &Inside| match inside {
        Inside::Words(words) => words.first().is_some_and(|word| !word.text.starts_with('-')),
        Inside::Text(..) => true,
        Inside::Unknown => false,
    };
    !has_entry && unwrap(command, dialect).iter().any(is_program)
}
