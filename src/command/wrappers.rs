//! Wrappers: programs that run the command in their operands, and how their own words are told from its.

/// How a wrapper's own words are told from those of what it wraps.
pub(super) struct Wrapper {
    pub(super) names: &'static [&'static str],
    /// Short options that take a value.
    pub(super) short: &'static str,
    /// Long options that take a value as a word of its own.
    pub(super) long: &'static [&'static str],
    /// Operands before the wrapped command: `timeout 5`, `chroot /mnt`.
    pub(super) operands: usize,
    /// Whether `NAME=value` may stand before the wrapped command.
    pub(super) assignments: bool,
}

impl Wrapper {
    pub(super) const PLAIN: Self = Self {
        names: &[],
        short: "",
        long: &[],
        operands: 0,
        assignments: false,
    };
}

/// Options of `sudo` that take a value.
pub(super) const SUDO_VALUES: &str = "ugChpRTtrDU";

/// Wrappers whose command follows their options and operands.
pub(super) const WRAPPERS: &[Wrapper] = &[
    Wrapper {
        names: &[
            "nohup",
            "setsid",
            "builtin",
            "coproc",
            "noglob",
            "nocorrect",
            "fakeroot",
            "unbuffer",
            "torsocks",
            "proxychains",
            "proxychains4",
            "dbus-run-session",
            "caffeinate",
            "busybox",
            "toybox",
            "catchsegv",
            "winpty",
            "linux32",
            "linux64",
            "eatmydata",
            "firejail",
            "chronic",
            "ifne",
            "rlwrap",
            "please",
            "dbus-launch",
            "xvfb-run",
            "aa-exec",
            "systemd-cat",
        ],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["time"],
        short: "fo",
        long: &["--format", "--output"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["sudo", "sudo-rs"],
        short: SUDO_VALUES,
        long: &[
            "--user",
            "--group",
            "--host",
            "--prompt",
            "--chroot",
            "--chdir",
            "--close-from",
            "--role",
            "--type",
        ],
        assignments: true,
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["doas"],
        short: "uC",
        assignments: true,
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["pkexec"],
        long: &["--user"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["run0"],
        short: "ugDpM",
        long: &[
            "--user",
            "--group",
            "--nice",
            "--chdir",
            "--setenv",
            "--background",
            "--machine",
            "--unit",
            "--property",
            "--description",
            "--slice",
        ],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["ssh-agent"],
        short: "aEOtP",
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["lxc-attach"],
        short: "nPfloRsvug",
        long: &["--name", "--lxcpath", "--rcfile", "--uid", "--gid", "--set-var"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["flatpak-spawn"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["env"],
        short: "uCP",
        long: &["--unset", "--chdir"],
        assignments: true,
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["exec"],
        short: "a",
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["command"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["timeout", "gtimeout"],
        short: "ks",
        long: &["--kill-after", "--signal"],
        operands: 1,
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["nice"],
        short: "n",
        long: &["--adjustment"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["ionice"],
        short: "cnpPu",
        long: &["--class", "--classdata"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["stdbuf"],
        short: "ioe",
        long: &["--input", "--output", "--error"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["xargs", "gxargs"],
        short: "adEILnPs",
        long: &[
            "--arg-file",
            "--delimiter",
            "--max-args",
            "--max-procs",
            "--max-lines",
            "--max-chars",
            "--replace",
        ],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["chroot"],
        long: &["--userspec", "--groups"],
        operands: 1,
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["nsenter"],
        short: "tSG",
        long: &["--target", "--setuid", "--setgid"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["unshare"],
        short: "SGRw",
        long: &["--root", "--wd", "--setuid", "--setgid"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["taskset", "setarch"],
        operands: 1,
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["chrt"],
        short: "TPD",
        operands: 1,
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["flock"],
        short: "wE",
        long: &["--timeout", "--wait"],
        operands: 1,
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["strace", "ltrace"],
        short: "eopsuaOSIPXn",
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["gosu", "su-exec", "chpst", "setuidgid"],
        operands: 1,
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["sshpass"],
        short: "pfdeP",
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["numactl"],
        short: "mNCl",
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["prlimit"],
        short: "p",
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["cgexec"],
        short: "g",
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["cpulimit"],
        short: "pelP",
        long: &["--pid", "--exe", "--limit", "--path"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["daemonize"],
        short: "acepolEu",
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["dumb-init", "tini"],
        short: "rp",
        long: &["--rewrite"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["setpriv"],
        long: &["--reuid", "--regid", "--groups", "--bounding-set", "--inh-caps"],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["systemd-run"],
        short: "pEuMHC",
        long: &[
            "--unit",
            "--nice",
            "--capsule",
            "--on-boot",
            "--on-startup",
            "--on-unit-active",
            "--on-unit-inactive",
            "--path-property",
            "--socket-property",
            "--timer-property",
            "--service-type",
            "--background",
            "--property",
            "--slice",
            "--uid",
            "--gid",
            "--description",
            "--on-calendar",
            "--on-active",
            "--setenv",
            "--working-directory",
            "--machine",
            "--host",
        ],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["systemd-inhibit"],
        long: &["--what", "--who", "--why", "--mode"],
        ..Wrapper::PLAIN
    },
];

/// As wrappers: `su`, whose first operand is a user; `watch`, all of whose are a text.
pub(super) const RUNUSER: Wrapper = Wrapper {
    short: "cugGsw",
    long: &["--command", "--user", "--group", "--shell", "--whitelist-environment"],
    ..Wrapper::PLAIN
};
const SSH: Wrapper = Wrapper {
    names: &["ssh", "autossh", "mosh"],
    short: "bBcDEeFIiJLlmOopPQRSWw",
    operands: 1,
    ..Wrapper::PLAIN
};
pub(super) const WATCH: Wrapper = Wrapper {
    short: "nq",
    long: &["--interval", "--equexit"],
    ..Wrapper::PLAIN
};

/// Programs that hand what follows their options to a shell on other hosts, joined by blanks.
pub(super) const REMOTES: &[Wrapper] = &[
    SSH,
    Wrapper {
        names: &["rsh", "remsh"],
        short: "l",
        operands: 1,
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["pdsh"],
        short: "wxgXlturfRM",
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["pssh", "parallel-ssh"],
        short: "hHlpoetOxX",
        long: &[
            "--hosts",
            "--host",
            "--user",
            "--par",
            "--outdir",
            "--errdir",
            "--timeout",
            "--options",
            "--extra-args",
            "--extra-arg",
        ],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["clush"],
        short: "wgxXolftumROM",
        long: &[
            "--hostfile",
            "--machinefile",
            "--pick",
            "--groupsource",
            "--worker",
            "--user",
            "--fanout",
            "--options",
            "--option",
            "--mode",
            "--connect_timeout",
            "--command_timeout",
            "--color",
        ],
        ..Wrapper::PLAIN
    },
    Wrapper {
        names: &["dsh"],
        short: "mgfroFn",
        long: &[
            "--machine",
            "--group",
            "--file",
            "--remoteshell",
            "--remoteshellopt",
            "--forklimit",
        ],
        ..Wrapper::PLAIN
    },
];

/// Programs that run what follows one of some subcommands, its options and its operands: `machinectl shell HOST COMMAND`.
pub(super) struct Launcher {
    pub(super) programs: &'static [&'static str],
    pub(super) verbs: &'static [&'static str],
    /// The options behind the subcommand, and how many operands stand before the command.
    pub(super) own: Wrapper,
}

pub(super) const LAUNCHERS: &[Launcher] = &[
    Launcher {
        programs: &[
            "docker",
            "podman",
            "nerdctl",
            "crictl",
            "kubectl",
            "oc",
            "lxc",
            "incus",
            "docker-compose",
        ],
        verbs: &["exec", "run"],
        own: CONTAINER,
    },
    Launcher {
        programs: &["machinectl"],
        verbs: &["shell"],
        own: Wrapper {
            short: "EM",
            long: &["--uid", "--setenv", "--machine"],
            operands: 1,
            ..Wrapper::PLAIN
        },
    },
    Launcher {
        programs: &["multipass", "pct", "aws-vault", "direnv"],
        verbs: &["exec"],
        own: Wrapper {
            operands: 1,
            ..Wrapper::PLAIN
        },
    },
    Launcher {
        programs: &["distrobox", "flatpak"],
        verbs: &["enter"],
        own: Wrapper {
            operands: 1,
            ..Wrapper::PLAIN
        },
    },
    Launcher {
        programs: &["conda", "mamba", "poetry", "pipenv", "pdm", "uv", "op"],
        verbs: &["run"],
        own: Wrapper {
            short: "npr",
            long: &["--name", "--prefix", "--env-file", "--with", "--python"],
            ..Wrapper::PLAIN
        },
    },
    Launcher {
        programs: &["bundle"],
        verbs: &["exec"],
        own: Wrapper::PLAIN,
    },
];

/// Options of `docker exec`, `docker run`, `kubectl exec` and their like.
pub(super) const CONTAINER: Wrapper = Wrapper {
    short: "uewpvlmhncaf",
    long: &[
        "--user",
        "--env",
        "--workdir",
        "--name",
        "--volume",
        "--publish",
        "--network",
        "--entrypoint",
        "--label",
        "--memory",
        "--cpus",
        "--env-file",
        "--hostname",
        "--mount",
        "--platform",
        "--container",
        "--namespace",
        "--context",
        "--kubeconfig",
        "--pod-running-timeout",
        "--cap-add",
        "--cap-drop",
        "--device",
        "--pid",
        "--restart",
        "--add-host",
        "--index",
        "--file",
        "--detach-keys",
        "--security-opt",
        "--ipc",
        "--log-driver",
        "--ulimit",
        "--tmpfs",
        "--gpus",
    ],
    operands: 1,
    ..Wrapper::PLAIN
};
