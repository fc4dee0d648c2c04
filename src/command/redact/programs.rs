//! Programs with options and operands of their own for secrets.

use super::super::options::{cluster, has_flag};
use super::super::{SimpleCommand, Word};
use super::is_secret_name;

/// A program and its arguments.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The program, without its directory; empty for none.
    pub(super) program: &'a str,
    arguments: &'a [Word],
    /// The argument that says that others are secrets: `login` of docker.
    verb: Option<&'a str>,
}

/// Where a word stands.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The word before.
    pub(super) before: &'a str,
    /// Whether no word follows.
    pub(super) is_last: bool,
}

impl<'a> Call<'a> {
    /// Looks at the arguments once, however many of them are asked about.
    pub(super) fn new(command: &'a SimpleCommand) -> Self {
        Self::of(command.program().unwrap_or_default(), command.arguments())
    }

    /// As [`Call::new`], of a program's base name and what stands behind it.
    pub(super) fn of(program: &'a str, arguments: &'a [Word]) -> Self {
        Self {
            program,
            arguments,
            verb: verb(program, arguments),
        }
    }

    /// Where in the cooked word that stands here a secret begins, if the program takes one here.
    pub(super) fn secret_start(&self, place: &Place<'_>, text: &str) -> Option<usize> {
        self.in_option(place, text).or_else(|| self.in_operand(place, text))
    }

    fn in_option(&self, place: &Place<'_>, text: &str) -> Option<usize> {
        let attached = |option: &str| (text.len() > option.len() && text.starts_with(option)).then_some(option.len());
        let next = |options: &[&str]| options.contains(&place.before).then_some(0);
        match self.program {
            "mysql" | "mysqldump" | "mysqladmin" | "mysqlimport" | "mysqlcheck" | "mysqlshow" | "mysqlpump"
            | "mariadb" | "mariadb-dump" | "mariadb-admin" | "mycli" | "7z" | "7za" | "unrar" | "rar" => attached("-p"),
            "sshpass" | "mongo" | "mongosh" | "mongodump" | "mongorestore" => next(&["-p"]).or_else(|| attached("-p")),
            "useradd" | "usermod" | "influx" => next(&["-p"]),
            // Elsewhere `-p` is a port, a person or a project.
            "docker" | "podman" | "nerdctl" | "buildah" | "skopeo" | "helm" | "az" | "oc" if self.verb.is_some() => {
                next(&["-p"]).or_else(|| attached("-p"))
            }
            "redis-cli" | "valkey-cli" => next(&["-a"]),
            "ldappasswd" => next(&["-w", "-s", "-a"]).or_else(|| attached("-w")),
            "ldapsearch" | "ldapmodify" | "ldapadd" | "ldapdelete" => next(&["-w"]).or_else(|| attached("-w")),
            "sqlcmd" | "zip" | "unzip" | "bcp" | "ipmitool" => next(&["-P"]).or_else(|| attached("-P")),
            "openssl" => next(&["-k", "-K"]),
            "snmpget" | "snmpset" | "snmpwalk" | "snmpbulkwalk" => next(&["-A", "-X"]),
            "xfreerdp" => attached("/p:"),
            "smbclient" | "rpcclient" | "smbget" | "net" => samba(place.before, text),
            "curl" | "wget" | "http" => self.credentials(place.before, text),
            _ => None,
        }
    }

    /// Operands behind a word that says what they are.
    fn in_operand(&self, place: &Place<'_>, text: &str) -> Option<usize> {
        let is_operand = !text.starts_with('-');
        let is_secret = match self.program {
            "aws" => self.verb.is_some() && is_secret_name(place.before),
            "htpasswd" => place.is_last && has_flag(self.arguments, "b", "C"),
            "openssl" => self.verb.is_some_and(|verb| text != verb) && place.before != "-salt",
            "redis-cli" | "valkey-cli" => self.is_redis_password(place),
            "vault" => return self.of_vault(place, text),
            "ansible-vault" => self.verb.is_some_and(|verb| text != verb) && !place.before.starts_with("--"),
            "net" => {
                self.verb.is_some() && text != "use" && !text.starts_with(['/', '\\', '*']) && !text.ends_with(':')
            }
            "kubectl" | "oc" => return literal(place.before, text),
            _ => false,
        };
        (is_operand && is_secret).then_some(0)
    }

    /// `login TOKEN`, `kv put PATH NAME=SECRET`; `NAME=@FILE` names a file.
    fn of_vault(&self, place: &Place<'_>, text: &str) -> Option<usize> {
        let of_option = [
            "-method",
            "-path",
            "-address",
            "-namespace",
            "-field",
            "-format",
            "-mount",
        ];
        if text.starts_with('-') || of_option.contains(&place.before) {
            return None;
        }
        let (name, value) = text
            .split_once('=')
            .map_or((None, text), |(name, value)| (Some(name), value));
        match (self.verb?, name) {
            (verb @ "login", None) => (text != verb).then_some(0),
            ("login", Some(_)) | (_, None) => None,
            (_, Some(name)) => (!value.starts_with('@')).then_some(name.len() + 1),
        }
    }

    /// `AUTH user password`, `CONFIG SET requirepass password`.
    fn is_redis_password(&self, place: &Place<'_>) -> bool {
        let sets = ["requirepass", "masterauth"];
        let says_auth = |word: &Word| word.text.eq_ignore_ascii_case("auth");
        let follows = |known: &str| place.before.eq_ignore_ascii_case(known);
        let user_first = place.is_last && self.arguments.iter().rev().nth(2).is_some_and(says_auth);
        follows("auth") || user_first || sets.into_iter().any(follows)
    }

    /// `-u user:password`, `-su user:password`, `-uuser:password`, `--user=user:password`; `-b name=value`.
    fn credentials(&self, before: &str, text: &str) -> Option<usize> {
        if before == "--oauth2-bearer" {
            return Some(0);
        }
        let of_curl =
            |ends: &[char]| self.program == "curl" && cluster(before).is_some_and(|word| word.ends_with(ends));
        // Without a `=` it is the name of a file.
        if before == "--cookie" || of_curl(&['b']) {
            return text.contains('=').then_some(0);
        }
        if let Some(cookies) = text.strip_prefix("--cookie=") {
            return cookies.contains('=').then(|| text.len() - cookies.len());
        }
        let of_value = of_curl(&['u', 'U']) || matches!(before, "-u" | "--user" | "-U" | "--proxy-user");
        let attached = ["-u", "-U", "--user=", "--proxy-user="]
            .into_iter()
            .any(|option| text.starts_with(option));
        (of_value || attached)
            .then(|| text.find(':').map(|at| at + 1))
            .flatten()
    }
}

/// The first argument that says that others are secrets.
fn verb<'a>(program: &str, arguments: &'a [Word]) -> Option<&'a str> {
    let verbs: &[&str] = match program {
        "docker" | "podman" | "nerdctl" | "buildah" | "skopeo" | "helm" | "az" | "oc" => &["login"],
        "vault" => &["login", "put", "patch", "write"],
        "aws" => &["configure"],
        "openssl" => &["passwd"],
        "ansible-vault" => &["encrypt_string"],
        "net" => &["use"],
        _ => return None,
    };
    let mut words = arguments.iter().map(|word| word.text.as_str());
    words.find(|word| verbs.contains(word))
}

/// `--from-literal=NAME=value`
fn literal(before: &str, text: &str) -> Option<usize> {
    const OPTION: &str = "--from-literal";
    let start = match text.strip_prefix(OPTION) {
        Some(rest) if rest.starts_with('=') => OPTION.len() + 1,
        _ if before == OPTION => 0,
        _ => return None,
    };
    let name = text.get(start..)?.find('=')?;
    Some(start + name + 1)
}

/// `-U user%password`
fn samba(before: &str, text: &str) -> Option<usize> {
    let is_user = matches!(before, "-U" | "--user") || text.starts_with("-U") || text.starts_with("--user=");
    is_user.then(|| text.find('%').map(|at| at + 1)).flatten()
}
