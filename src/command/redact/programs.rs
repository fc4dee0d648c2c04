//! Programs with options and operands of their own for secrets.

use super::super::Word;
use super::super::options::{cluster, has_flag, names_any};
use super::is_secret_name;

/// Where a word stands.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The program, without its directory; empty for none.
    pub(super) program: &'a str,
    /// All its arguments.
    pub(super) arguments: &'a [Word],
    /// The word before.
    pub(super) before: &'a str,
    /// Whether no word follows.
    pub(super) is_last: bool,
}

impl Place<'_> {
    /// Where in the cooked word that stands here a secret begins, if the program takes one here.
    pub(super) fn secret_start(&self, text: &str) -> Option<usize> {
        self.in_option(text).or_else(|| self.in_operand(text))
    }

    fn in_option(&self, text: &str) -> Option<usize> {
        let attached = |option: &str| (text.len() > option.len() && text.starts_with(option)).then_some(option.len());
        let next = |options: &[&str]| options.contains(&self.before).then_some(0);
        match self.program {
            "mysql" | "mysqldump" | "mysqladmin" | "mysqlimport" | "mysqlcheck" | "mysqlshow" | "mysqlpump"
            | "mariadb" | "mariadb-dump" | "mariadb-admin" | "mycli" | "7z" | "7za" | "unrar" | "rar" => attached("-p"),
            "sshpass" => next(&["-p"]).or_else(|| attached("-p")),
            "mongo" | "mongosh" | "mongodump" | "mongorestore" | "useradd" | "usermod" | "influx" => next(&["-p"]),
            // Elsewhere `-p` is a port, a person or a project.
            "docker" | "podman" | "nerdctl" | "buildah" | "skopeo" | "helm" | "az" | "oc" if self.says("login") => {
                next(&["-p"]).or_else(|| attached("-p"))
            }
            "redis-cli" => next(&["-a"]),
            "ldappasswd" => next(&["-w", "-s", "-a"]).or_else(|| attached("-w")),
            "ldapsearch" | "ldapmodify" | "ldapadd" | "ldapdelete" => next(&["-w"]).or_else(|| attached("-w")),
            "sqlcmd" | "zip" | "unzip" | "bcp" | "ipmitool" => next(&["-P"]).or_else(|| attached("-P")),
            "openssl" => next(&["-k", "-K"]),
            "snmpget" | "snmpset" | "snmpwalk" | "snmpbulkwalk" => next(&["-A", "-X"]),
            "xfreerdp" => attached("/p:"),
            "smbclient" | "rpcclient" | "smbget" => self.samba(text),
            "curl" | "wget" | "http" => self.credentials(text),
            _ => None,
        }
    }

    /// Operands behind a word that says what they are.
    fn in_operand(&self, text: &str) -> Option<usize> {
        let is_operand = !text.starts_with('-');
        let is_secret = match self.program {
            "aws" => self.says("configure") && is_secret_name(self.before),
            "htpasswd" => self.is_last && has_flag(self.arguments, "b", "C"),
            "openssl" => self.says("passwd") && text != "passwd" && self.before != "-salt",
            "redis-cli" => is_operand && self.is_redis_password(),
            "vault" if self.says("login") => {
                let of_option = ["-method", "-path", "-address", "-namespace", "-field", "-format"];
                text != "login" && !text.contains('=') && !of_option.contains(&self.before)
            }
            "ansible-vault" => {
                self.says("encrypt_string") && text != "encrypt_string" && !self.before.starts_with("--")
            }
            "kubectl" | "oc" => return self.literal(text),
            _ => false,
        };
        (is_operand && is_secret).then_some(0)
    }

    fn says(&self, word: &str) -> bool {
        names_any(self.arguments, &[word])
    }

    /// `AUTH user password`, `CONFIG SET requirepass password`.
    fn is_redis_password(&self) -> bool {
        let sets = ["requirepass", "masterauth"];
        let says_auth = |word: &Word| word.text.eq_ignore_ascii_case("auth");
        let follows = |known: &str| self.before.eq_ignore_ascii_case(known);
        let user_first = self.is_last && self.arguments.iter().rev().nth(2).is_some_and(says_auth);
        follows("auth") || user_first || sets.into_iter().any(follows)
    }

    /// `--from-literal=NAME=value`
    fn literal(&self, text: &str) -> Option<usize> {
        const OPTION: &str = "--from-literal";
        let start = match text.strip_prefix(OPTION) {
            Some(rest) if rest.starts_with('=') => OPTION.len() + 1,
            _ if self.before == OPTION => 0,
            _ => return None,
        };
        let name = text.get(start..)?.find('=')?;
        Some(start + name + 1)
    }

    /// `-U user%password`
    fn samba(&self, text: &str) -> Option<usize> {
        let is_user = matches!(self.before, "-U" | "--user") || text.starts_with("-U") || text.starts_with("--user=");
        is_user.then(|| text.find('%').map(|at| at + 1)).flatten()
    }

    /// `-u user:password`, `-su user:password`, `-uuser:password`, `--user=user:password`.
    fn credentials(&self, text: &str) -> Option<usize> {
        if self.before == "--oauth2-bearer" {
            return Some(0);
        }
        let in_cluster =
            self.program == "curl" && cluster(self.before).is_some_and(|letters| letters.ends_with(['u', 'U']));
        let of_value = in_cluster || matches!(self.before, "-u" | "--user" | "-U" | "--proxy-user");
        let attached = ["-u", "-U", "--user=", "--proxy-user="]
            .into_iter()
            .any(|option| text.starts_with(option));
        (of_value || attached)
            .then(|| text.find(':').map(|at| at + 1))
            .flatten()
    }
}
