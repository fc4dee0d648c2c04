//! What kinds of programs there are, as far as the forest is concerned.

/// A kind of program; a bit in a [`Kinds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Privilege,
    Delete,
    Storage,
    Power,
    Service,
    Package,
    Account,
    Permission,
    Network,
    Transfer,
    Shell,
    Interpreter,
    Database,
    Container,
    Cloud,
    VersionControl,
    Backup,
    Kernel,
    Scheduler,
    Encoder,
    Reader,
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kinds(u32);

impl Kinds {
    pub(super) fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u8;
    }

    pub(super) fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

/// The kind of a program, by its base name; `None` for one that is not known.
pub(super) fn kind(program: &str) -> Option<Kind> {
    let name = program.strip_suffix(".exe").unwrap_or(program);
    exact(name).or_else(|| by_prefix(name))
}

fn exact(name: &str) -> Option<Kind> {
    Some(match name {
        "sudo" | "doas" | "su" | "pkexec" | "run0" | "runuser" | "setpriv" | "sudoedit" => Kind::Privilege,
        "rm" | "rmdir" | "unlink" | "shred" | "srm" | "wipe" | "scrub" | "truncate" | "trash" | "rdfind" | "fdupes" => {
            Kind::Delete
        }
        "dd" | "parted" | "fdisk" | "cfdisk" | "sfdisk" | "gdisk" | "sgdisk" | "wipefs" | "blkdiscard" | "nvme"
        | "hdparm" | "sg_format" | "badblocks" | "mount" | "umount" | "swapoff" | "swapon" | "zfs" | "zpool"
        | "btrfs" | "mdadm" | "cryptsetup" | "dmsetup" | "losetup" | "mke2fs" | "mkswap" | "resize2fs" | "tune2fs"
        | "xfs_repair" | "xfs_growfs" | "e2fsck" | "diskutil" | "nwipe" | "dcfldd" | "partclone" => Kind::Storage,
        "shutdown" | "reboot" | "poweroff" | "halt" | "init" | "telinit" => Kind::Power,
        "systemctl" | "service" | "rc-service" | "rc-update" | "update-rc.d" | "chkconfig" | "kill" | "killall"
        | "pkill" | "launchctl" | "supervisorctl" | "pm2" | "sv" | "loginctl" | "initctl" => Kind::Service,
        "apt" | "apt-get" | "aptitude" | "dpkg" | "rpm" | "yum" | "dnf" | "zypper" | "pacman" | "apk" | "snap"
        | "flatpak" | "pip" | "pip3" | "npm" | "pnpm" | "yarn" | "gem" | "cargo" | "brew" | "conda" | "emerge"
        | "nix" | "nix-env" | "composer" | "go" | "uv" | "poetry" => Kind::Package,
        "useradd" | "userdel" | "usermod" | "adduser" | "deluser" | "groupadd" | "groupdel" | "groupmod" | "passwd"
        | "chpasswd" | "gpasswd" | "visudo" | "vipw" | "chsh" | "chage" | "newusers" => Kind::Account,
        "chmod" | "chown" | "chgrp" | "setfacl" | "chattr" | "setcap" | "chcon" | "restorecon" | "umask" => {
            Kind::Permission
        }
        "ip" | "ifconfig" | "route" | "iptables" | "ip6tables" | "nft" | "ufw" | "firewall-cmd" | "nmcli"
        | "netplan" | "ifdown" | "ifup" | "tc" | "brctl" | "ethtool" | "arp" | "iw" | "iwconfig" | "wg"
        | "resolvectl" | "iptables-restore" | "ipset" | "pfctl" | "hostnamectl" => Kind::Network,
        "curl" | "wget" | "scp" | "sftp" | "ssh" | "ftp" | "tftp" | "nc" | "ncat" | "netcat" | "socat" | "telnet"
        | "rsync" | "lftp" | "aria2c" | "rcp" | "rsh" | "nmap" | "tcpdump" | "whois" => Kind::Transfer,
        "sh" | "bash" | "dash" | "zsh" | "ksh" | "mksh" | "fish" | "ash" | "csh" | "tcsh" | "busybox" | "eval"
        | "source" | "." | "exec" => Kind::Shell,
        "python" | "python2" | "python3" | "perl" | "ruby" | "node" | "php" | "lua" | "awk" | "gawk" | "java"
        | "deno" | "bun" | "tclsh" | "expect" | "gdb" | "vim" | "vi" | "ed" | "ex" | "emacs" | "nano" => {
            Kind::Interpreter
        }
        "mysql" | "mariadb" | "psql" | "sqlite3" | "mongo" | "mongosh" | "redis-cli" | "cqlsh" | "sqlcmd"
        | "dropdb" | "createdb" | "mysqladmin" | "mysqldump" | "pg_dump" | "pg_restore" | "clickhouse-client"
        | "influx" | "etcdctl" | "rabbitmqctl" | "pg_ctl" | "pg_ctlcluster" | "pg_dropcluster" | "pg_resetwal"
        | "valkey-cli" | "cockroach" | "nats" | "kafka-topics" => Kind::Database,
        "docker" | "podman" | "nerdctl" | "kubectl" | "oc" | "helm" | "crictl" | "ctr" | "lxc" | "lxd" | "incus"
        | "virsh" | "qm" | "pct" | "vagrant" | "minikube" | "kind" | "k3d" | "kubeadm" | "docker-compose" | "k3s"
        | "VBoxManage" | "buildah" | "nsenter" | "chroot" | "machinectl" => Kind::Container,
        "aws" | "gcloud" | "az" | "gsutil" | "bq" | "terraform" | "tofu" | "terragrunt" | "pulumi" | "ansible"
        | "ansible-playbook" | "doctl" | "linode-cli" | "hcloud" | "openstack" | "heroku" | "flyctl" | "fly"
        | "eksctl" | "cdk" | "vault" | "consul" | "nomad" | "gh" | "glab" | "wrangler" | "netlify" | "vercel"
        | "s3cmd" | "mc" => Kind::Cloud,
        "git" | "svn" | "hg" | "bzr" | "jj" => Kind::VersionControl,
        "tar" | "zip" | "unzip" | "gzip" | "gunzip" | "bzip2" | "xz" | "zstd" | "7z" | "cpio" | "restic" | "borg"
        | "duplicity" | "rclone" | "rsnapshot" | "velero" | "snapper" | "timeshift" | "tarsnap" => Kind::Backup,
        "insmod" | "rmmod" | "modprobe" | "depmod" | "kexec" | "sysctl" | "grub-install" | "update-grub"
        | "grub-mkconfig" | "efibootmgr" | "bootctl" | "dracut" | "mkinitcpio" | "update-initramfs" | "setenforce" => {
            Kind::Kernel
        }
        "crontab" | "at" | "batch" | "nohup" | "setsid" | "disown" | "screen" | "tmux" | "systemd-run" => {
            Kind::Scheduler
        }
        "base64" | "base32" | "xxd" | "openssl" | "gpg" | "gpg2" | "uuencode" | "uudecode" | "od" | "hexdump"
        | "printf" => Kind::Encoder,
        "ls" | "cat" | "less" | "more" | "head" | "tail" | "grep" | "egrep" | "fgrep" | "zgrep" | "rg" | "find"
        | "fd" | "locate" | "which" | "whereis" | "type" | "file" | "stat" | "wc" | "sort" | "uniq" | "cut" | "tr"
        | "diff" | "cmp" | "echo" | "pwd" | "cd" | "date" | "uptime" | "w" | "who" | "whoami" | "id" | "groups"
        | "hostname" | "uname" | "ps" | "top" | "htop" | "free" | "df" | "du" | "lsblk" | "lsof" | "lspci"
        | "lsusb" | "lscpu" | "ss" | "netstat" | "ping" | "dig" | "host" | "nslookup" | "traceroute" | "journalctl"
        | "dmesg" | "last" | "env" | "printenv" | "man" | "tree" | "basename" | "dirname" | "realpath" | "readlink"
        | "test" | "[" | "true" | "false" | "sleep" | "seq" | "expr" | "bc" | "jq" | "yq" | "column" | "nl" | "tac"
        | "rev" | "md5sum" | "sha1sum" | "sha256sum" | "vmstat" | "iostat" | "mpstat" | "sar" | "watch" | "history"
        | "getent" | "strings" | "comm" | "join" | "paste" | "fold" | "xargs" | "time" | "pgrep" | "pidof" | "help"
        | "zcat" => Kind::Reader,
        _ => return None,
    })
}

fn by_prefix(name: &str) -> Option<Kind> {
    const PREFIXES: &[(&str, Kind)] = &[
        ("mkfs", Kind::Storage),
        ("fsck", Kind::Storage),
        ("lv", Kind::Storage),
        ("vg", Kind::Storage),
        ("pv", Kind::Storage),
        ("python", Kind::Interpreter),
        ("perl5", Kind::Interpreter),
        ("ruby", Kind::Interpreter),
        ("php", Kind::Interpreter),
        ("iptables-", Kind::Network),
        ("kubectl-", Kind::Container),
        ("lxc-", Kind::Container),
        ("docker-", Kind::Container),
        ("git-", Kind::VersionControl),
        ("pg_", Kind::Database),
        ("mysql", Kind::Database),
        ("kafka-", Kind::Database),
    ];
    let known = PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix));
    known.map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_families_are_known_by_their_prefix() {
        assert_eq!(kind("python3.12"), Some(Kind::Interpreter));
        assert_eq!(kind("mkfs.ext4"), Some(Kind::Storage));
        assert_eq!(kind("my-own-tool"), None);
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let mut kinds = Kinds::default();
        kinds.insert(Kind::Reader);
        assert!(kinds.contains(Kind::Reader));
        assert!(!kinds.contains(Kind::Privilege));
    }
}
