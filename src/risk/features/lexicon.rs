//! The marks that techniques leave in a command's words, whatever the program: what is called, named, reached for.
//!
//! An entry is found without regard to case. Where it begins or ends with a letter or digit it must begin or end a word
//! there, so that `sam` is not found in `sample`.

/// What an entry is a mark of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Sign {
    /// A shell, named where it is not the program.
    Shell,
    /// A way for a program to start another out of code.
    Call,
    /// A way to the network out of code or of the shell itself.
    Socket,
    /// An option or variable whose value is run.
    RunOption,
    /// A way out of an interactive program into a shell.
    Escape,
    /// Another user's rights: set-user-ID, capabilities, sudoers.
    Privilege,
    /// A file or an address that holds credentials.
    Credential,
    /// A word for what must be kept secret.
    Secret,
    /// A place from which things are started again.
    Startup,
    /// A record of what was done.
    Trace,
    /// Something that guards the host.
    Defence,
    /// A word or tool of attackers.
    Hostile,
    /// What is looked at to get to know a strange host.
    Survey,
    /// A directory that everybody may write to.
    Shared,
}

/// How many signs there are.
pub(super) const SIGNS: usize = Sign::Shared as usize + 1;

/// The lexicon.
#[rustfmt::skip]
pub(super) const ENTRIES: &[(Sign, &[&str])] = &[
    (Sign::Shell, &[
        "sh", "bash", "dash", "zsh", "ksh", "mksh", "csh", "tcsh", "ash", "rbash", "pwsh",
    ]),
    (Sign::Call, &[
        "system(", "system \"", "system '", "exec(", "exec \"", "exec '", "execl(", "execle(", "execlp(", "execv(",
        "execve(", "execvp(", "popen(", "popen2(", "spawn(", "spawnsync(", "spawnl(", "execsync(", "execfile(",
        "execfilesync(", "fork(", "dup2(", "os.execute", "os.system", "subprocess", "child_process", "shell_exec",
        "passthru(", "proc_open", "pcntl_exec", "pty", "runtime.getruntime", "getruntime()", "processbuilder", "eval(",
        "eval \"", "eval '", "posix.exec", "syscall(", "shell(", "call-process", "start-process", "os.exec",
        "invoke-expression", "iex", "__import__", "compile(", "ctypes", "getattr(", "instance_eval", "marshal.loads",
        "pickle.loads", "deno.run", "bun.spawn", "process.binding", "sys.process", "do shell script", "run_command",
        "exec!", "exec:", "system:", "backticks", "qx{", "qx(", "%x(", "%x{", "term-mode", "ansi-term", "xp_cmdshell",
        "sys_exec", "sys_eval", "copy program", "from program", "to program", "lo_import", "into outfile", "into dumpfile",
        "load_file(", "load_extension(", "readfile(", "writefile(", ".system", ".shell", "debugger.run",
    ]),
    (Sign::Socket, &[
        "socket", "socket(", "socket.socket", "/dev/tcp", "/dev/udp", "/inet/tcp", "/inet/udp", "fsockopen", "tcpsocket",
        "tcpserver", "io::socket", "net.socket", "net.connect", "createconnection", "connect(", "urlopen", "urlretrieve",
        "urllib", "lwp", "net/http", "http.client", "http.server", "simplehttpserver", "requests.get", "requests.post",
        "file_get_contents", "sockaddr_in", "inet_aton", "s_client", "s_server", "tcp-listen", "tcp-connect", "tcp",
        "udp-listen", "openssl-listen", "pty,stderr", "open-uri", "ztcp", "net/tcp", "httpsend", "net::http", "af_inet",
        "reverse_tcp", "bind_tcp", "socks5", "socks", "proxychains", "socks4", "dnscat", "asyncore", "fetch(",
        "invoke-webrequest", "webclient", "downloadstring", "downloadfile", "smtplib", "ftplib", "paramiko",
    ]),
    (Sign::RunOption, &[
        "--checkpoint-action", "--to-command", "--use-compress-program", "--use-compress-prog", "proxycommand",
        "localcommand", "permitlocalcommand", "--unzip-command", "--rsh", "--pre", "--exec", "--execute", "--command",
        "--commands", "--eval", "--evaluate", "--cmd", "--shell", "--program", "--init-file", "--rcfile", "--rsync-path",
        "--editor", "--pager", "editor=", "visual", "pager=", "browser=", "git_pager", "git_editor", "git_ssh_command",
        "git_ssh", "manpager", "lessopen", "lessclose", "systemd_editor", "sudo_editor", "sudo_askpass", "ssh_askpass",
        "perl5opt", "perl5lib", "pythonpath", "pythonstartup", "rubyopt", "rubylib", "node_options", "bash_env", "env=",
        "ld_preload", "ld_library_path", "ld_audit", "dyld_insert_libraries", "gconv_path", "prompt_command", "ps4",
        "exec=", "command=", "script=", "program=", "shell=", "cmd=", "--preprocess", "--interpreter", "--hook",
        "--script", "--plugin", "--load", "--load-module", "--module", "--pre-invoke", "pre-invoke", "post-invoke",
        "core.pager", "core.editor", "core.sshcommand", "core.fsmonitor", "core.hookspath", "--upload-pack",
        "--receive-pack", "--entrypoint", "--filter", "--compress-program", "--split-filter", "--sort-program",
        "--pinentry-program", "--extcmd", "--wrapper", "--args", "--tee-command", "--run", "--on-event", "--on-exit",
        "--postrotate", "--pipe", "--pipe-command", "--agent-program", "--script-args", "--script-code", "--script-file",
        "--diff-program", "--diff-cmd", "--with-editor", "--bootstrap", "--debugger", "--dynamic-linker", "--ssh",
        "-exec", "-execdir", "-ok", "-okdir", "--up", "--down", "--up-command", "--config-file", "--add-hook",
        "--set-shell", "--provider", "-provider", "-engine", "--engine", "--library", "--loader", "--security-driver",
    ]),
    (Sign::Escape, &[
        "!sh", "!bash", "!/bin", "!id", "!exec", ":!", ":sh", ":shell", ":py", ":lua", "\\!", "\\! ", "!{", "shell:",
        "set shell", ":set shell", "--interactive", "execute(", "vim.cmd", "exec sh", "exec bash", "exec /bin", "reset; exec",
        "spawn /bin", "spawn sh", "spawn bash", "interact", "action=exec", "exec:/bin", "exec:sh", "exec:bash", "system:/bin",
        "0<&2", "1>&2", "<&3", ">&3", "0>&1", "<&1", "0<&1", "2>&1|nc", ";sh", "; sh", ";bash", "; /bin", "|sh", "| sh",
        "|bash", "| /bin", "{exec", "%{exec", "`/bin", "$(/bin", "`sh", "/bin/sh -p", "bash -p", "sh -p", "sh -i",
        "bash -i", "sh -c", "bash -c", "/bin/sh", "/bin/bash", "/bin/dash", "/bin/zsh", "/bin/csh", "/bin/ksh",
    ]),
    (Sign::Privilege, &[
        "setuid", "setgid", "setreuid", "setresuid", "seteuid", "cap_setuid", "cap_setgid", "cap_sys_admin", "cap_dac",
        "cap_dac_override", "cap_dac_read_search", "cap_sys_ptrace", "cap_net_raw", "+ep", "+eip", "u+s", "g+s", "+s", "ug+s",
        "a+s", "u=s", "u+sx", "u+xs", "u=rwxs", "4755", "04755", "4777", "6755", "6777", "2755", "4711", "4750", "nopasswd",
        "sudoers", "sudoers.d", "!authenticate", "polkit", "wheel", "uid=0", "suid", "sgid", "4000", "2000", "6000",
        ":0:0:", "--privileged", "--pid=host", "--userns=host", "--net=host", "hostpid", "docker.sock", "containerd.sock",
        "security.privileged", "nsenter", "unshare", "cgroup", "release_agent", "core_pattern", "modprobe_path",
        "permitrootlogin", "cluster-admin", "system:masters", "administratoraccess", "setcap",
    ]),
    (Sign::Credential, &[
        "/etc/shadow", "shadow", "shadow-", "gshadow", "master.passwd", "opasswd", "/etc/passwd", "passwd-", ".ssh/",
        "id_rsa", "id_ed25519", "id_ecdsa", "id_dsa", ".ssh", "ssh_host_rsa_key", "ssh_host_ed25519_key", ".aws",
        "aws/credentials", ".azure", "gcloud/credentials.db", "application_default_credentials", "accesstokens.json", ".netrc",
        "_netrc", ".pgpass", ".my.cnf", ".mylogin.cnf", ".git-credentials", ".gitconfig", ".kube/config", ".kube",
        "kubeconfig", "admin.conf", ".docker/config.json", ".dockercfg", ".npmrc", ".pypirc", ".gem/credentials",
        "terraform.tfstate", ".terraform.d", "keytab", "krb5cc", "krb5.keytab", "sssd", "secrets.ldb", "secrets.tdb",
        "passdb.tdb", "environ", "keyrings", "keyring", "login.keyring", "kwallet", "keychain", "login.keychain",
        "key4.db", "key3.db", "logins.json", "cookies.sqlite", "login data", "cookies", "wallet.dat", ".kdbx",
        "serviceaccount", "secrets/kubernetes.io", "169.254.169.254", "metadata.google.internal", "168.63.129.16", "meta-data",
        "user-data", "security-credentials", "ntds", "ntds.dit", "sam", "vault-token", ".vault-token", "private_key",
        "private key", ".pem", ".key", ".p12", ".pfx", ".jks", "secring.gpg", ".gnupg", "--export-secret-keys",
        "unattend", "wp-config.php", "/proc/kcore", "/dev/mem", "/dev/kmem", "/proc/self/mem", "/mem", "/maps", "lsass",
        "heap", "procdump", "gcore", "sudo_timestamp", ".rhosts", "hosts.equiv", "master.key", "credentials.xml", "shadow.bak",
    ]),
    (Sign::Secret, &[
        "password", "passwords", "passwd", "pwd", "pass", "secret", "secrets", "token", "tokens", "credential",
        "credentials", "apikey", "api_key", "api-key", "access_key", "aws_secret_access_key", "aws_access_key_id",
        "aws_secret", "begin rsa", "begin private", "begin openssh", "passphrase", "get-secret-value", "get-login-password",
        "akia", "ghp_",
    ]),
    (Sign::Startup, &[
        "/etc/cron", "/etc/crontab", "cron.d", "cron.daily", "cron.hourly", "crontab", "/var/spool/cron", "crontabs",
        "/etc/anacrontab", "/etc/systemd/system", "/lib/systemd", ".config/systemd", "systemd/user", "rc.local", "/etc/init.d",
        "/etc/init", "/etc/rc", "/etc/profile", "profile.d", ".bashrc", ".bash_profile", ".bash_login", ".bash_logout",
        ".profile", ".zshrc", ".zshenv", ".zprofile", ".kshrc", ".cshrc", "bash.bashrc", "/etc/environment", ".pam_environment",
        "config.fish", "/etc/skel", "authorized_keys", "authorized_keys2", "ld.so.preload", "ld.so.conf", "/etc/pam.d",
        "pam_permit", "pam_exec", "pam_unix", "pam_rootok", "common-auth", "sshd_config", "ssh/rc", "/etc/udev",
        "rules.d", "update-motd.d", "motd", "autostart", ".desktop", ".vimrc", ".emacs", ".inputrc", ".screenrc", ".tmux.conf",
        ".git/hooks", "githooks", "post-commit", "pre-commit", "launchagents", "launchdaemons", "loginhook", "plist",
        "modules-load.d", "/etc/modules", "modprobe.d", "initramfs", ".xinitrc", ".xprofile", ".xsession", "at.allow",
        "cron.allow", "logrotate.d", "apt.conf.d", "apt.conf", "pluginconf.d", "execstart", "execstartpre", "wantedby",
        "oncalendar", "onboot", "@reboot", "@hourly", "* * * *", "*/5 *", "sitecustomize.py", "usercustomize.py", ".pth",
        "sudoers.d", "sudo.conf", "binfmt_misc", "nsswitch.conf", "/etc/hosts", "dispatcher.d", "if-up.d", "emond",
    ]),
    (Sign::Trace, &[
        "/var/log", "auth.log", "/var/log/secure", "/var/log/messages", "syslog", "kern.log", "audit.log", "wtmp", "utmp",
        "btmp", "lastlog", "faillog", "journal", "/var/log/journal", "--vacuum-time", "--vacuum-size", "--rotate",
        ".bash_history", ".zsh_history", ".ash_history", ".sh_history", ".python_history", ".mysql_history", ".viminfo",
        ".lesshst", "histfile", "histsize", "histfilesize", "histcontrol", "histignore", "ignorespace", "ignoreboth",
        "savehist", "fish_history", "history", "+history", "recently-used", "access.log", "error.log", "touch -r",
        "--reference", "timestamp", "fsck", ".wget-hsts", "cloudtrail", "stop-logging", "delete-trail",
        "flow-logs",
    ]),
    (Sign::Defence, &[
        "selinux", "enforcing", "permissive", "setenforce", "apparmor", "aa-teardown", "auditd", "auditctl", "audisp",
        "rsyslog", "syslog-ng", "journald", "falco", "osquery", "osqueryd", "clamav", "clamd", "freshclam", "fail2ban",
        "wazuh", "wazuh-agent", "ossec", "crowdstrike", "falcon-sensor", "cbagentd", "cbdaemon", "carbonblack", "sysmon",
        "sentinelone", "sentinelctl", "mdatp", "sophos", "savd", "esets", "ds_agent", "cylancesvc", "firewalld", "ufw",
        "iptables", "ip6tables", "nftables", "nft", "ebtables", "snort", "suricata", "zeek", "antivirus", "tripwire", "aide",
        "rkhunter", "chkrootkit", "ptrace_scope", "randomize_va_space", "kptr_restrict", "dmesg_restrict", "perf_event_paranoid",
        "suid_dumpable", "mod_security", "guardduty", "spctl", "csrutil", "xprotect", "qualys", "nessus", "splunk",
        "filebeat", "auditbeat", "packetbeat", "datadog-agent", "cloudwatch", "amazon-ssm-agent", "aegis", "aliyun",
        "qcloud", "yunjing", "bcm-agent", "disable-signature", "--no-verify", "nmi_watchdog", "hosts.deny", "hosts.allow",
        "watchdog", "lockdown", "policy accept", "--insecure", "--no-check-certificate", "stricthostkeychecking=no",
        "userknownhostsfile=/dev/null", "--allow-unauthenticated", "--trust-all",
    ]),
    (Sign::Hostile, &[
        "msfvenom", "meterpreter", "metasploit", "msfconsole", "mimikatz", "mimipenguin", "lazagne", "linpeas", "linpeas.sh",
        "linenum", "lse.sh", "les.sh", "peass", "pspy", "pspy64", "pspy32", "chisel", "ligolo", "frpc", "gost", "ngrok", "pwncat",
        "xmrig", "xmr", "monero", "minerd", "cpuminer", "kinsing", "kdevtmpfsi", "stratum", "cryptonight", "nanopool", "minexmr",
        "hydra", "medusa", "ncrack", "patator", "john", "hashcat", "rockyou", "rockyou.txt", "crackmapexec", "netexec",
        "responder", "bloodhound", "impacket", "secretsdump", "kerbrute", "evil-winrm", "sliver", "empire", "cobalt",
        "cobaltstrike", "beacon", "implant", "payload", "payloads", "exploit", "exploits", "rootkit", "diamorphine", "reptile",
        "backdoor", "shellcode", "evil", "malware", "malicious", "keylogger", "logkeys", "keylog", "pwn", "pwned", "hack",
        "hacked", "hacker", "attacker", "attack", "victim", "exfil", "exfiltrate", "loot", "stolen", "c2", "cnc", "dropper",
        "botnet", "mirai", "miner", "ransom", "ransomware", "revshell", "reverse_shell", "rev.sh", "shell.php", "webshell",
        "webshell.php", "cmd.php", "c99", "r57", "dirtycow", "dirtypipe", "pwnkit", "privesc", "escalate", "bypass", "spoof",
        "sniff", "sniffer", "sniffing", "bruteforce", "brute", "wordlist", "wordlists", "userlist", "passlist", "sqlmap",
        "nikto", "gobuster", "ffuf", "dirb", "masscan", "zmap", "rustscan", "arpspoof", "ettercap", "bettercap", "aircrack",
        "tor", "torsocks", "onion", "proxychains", "proxychains4", "pastebin", "pastebin.com", "transfer.sh", "file.io",
        "0x0.st", "termbin", "termbin.com", "anonfiles", "webhook.site", "requestbin", "burpcollaborator", "interactsh",
        "interact.sh", "oast", "serveo", "localhost.run", "trycloudflare", "dnslog", "canary", "discord.com/api/webhooks",
        "api.telegram.org", "stealth", "covert", "unhide", "inject", "injection", "memdump", "fileless", "memfd_create", "memfd", "dead.letter", "deadbeef", "locked",
    ]),
    (Sign::Survey, &[
        "/etc/passwd", "/etc/group", "/etc/issue", "os-release", "/proc/version", "/proc/cpuinfo", "/proc/net", "kallsyms",
        "/sys/class/dmi", "product_name", "sys_vendor", "vmware", "virtualbox", "hypervisor", "qemu", "-perm", "-4000",
        "-u=s", "-writable", "/etc/resolv.conf", "/etc/hosts", "known_hosts", "lsmod", "getcap", "-uid", "/etc/fstab",
        "/etc/login.defs", "pwquality", "/etc/sudoers", "/proc", "/proc/self", "/proc/1", "192.168", "/24", "/16", "-ss", "-sv",
        "-pn", "describe-instances", "get-caller-identity", "list-users", "list-roles", "can-i", "--list",
    ]),
    (Sign::Shared, &["/tmp", "/dev/shm", "/var/tmp", "/run/shm", "/tmp/.", "/dev/shm/.", "/var/tmp/.", "/private/tmp"]),
];
