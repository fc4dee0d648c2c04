//! Commands that a client runs on the other side to move files: `scp -t`, `rsync --server`, `git-upload-pack`, `sftp-server`.

use crate::domain::FileOperation::{self, Link, Mkdir, Read, Remove, Rmdir, Setstat, Write};
use crate::domain::{Channel, Touch, absolute_path};

use super::{Origin, Script, SimpleCommand, Word};

/// A command that moves files and does no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// `scp`, `rsync` or `git`.
    pub channel: Channel,
    /// What it does to which files. A path that the target's shell or login would complete is not known.
    pub touches: Vec<Touch>,
}

/// Where a program of that name is the one that it is taken for.
const PLACES: &[&str] = &["", "/bin/", "/usr/bin/", "/usr/local/bin/"];

/// Where systems have the server of SFTP.
const SERVER_PLACES: &[&str] = &[
    "/usr/lib/",
    "/usr/lib/openssh/",
    "/usr/lib/ssh/",
    "/usr/libexec/",
    "/usr/libexec/openssh/",
];

/// The transfer that a script is, and nothing but that; `None` for everything else, also for a transfer with options that are
/// not known.
#[must_use]
pub fn transfer(script: &Script) -> Option<Transfer> {
    let (place, name, arguments) = only_program(script)?;
    if !PLACES.contains(&place) {
        return None;
    }
    match name {
        "scp" => scp(arguments),
        "rsync" => rsync(arguments),
        "git-upload-pack" | "git-upload-archive" => git(arguments, &[Read]),
        "git-receive-pack" => git(arguments, &[Write, Mkdir, Remove, Rmdir]),
        _ => None,
    }
}

/// Whether a script is the server of SFTP and nothing but that: then it does what it is told by SFTP, whatever its options.
#[must_use]
pub fn serves_sftp(script: &Script) -> bool {
    only_program(script).is_some_and(|(place, name, _)| {
        name == "sftp-server" && (PLACES.contains(&place) || SERVER_PLACES.contains(&place))
    })
}

/// Where the only program of a script is, its name, and its arguments.
fn only_program(script: &Script) -> Option<(&str, &str, &[Word])> {
    let [command] = script.commands.as_slice() else {
        return None;
    };
    if !script.understood() || !is_plain(command) {
        return None;
    }
    let (program, arguments) = command.words.split_first()?;
    let start = program.text.rfind('/').map_or(0, |slash| slash + 1);
    let (place, name) = program.text.split_at(start);
    Some((place, name, arguments))
}

fn is_plain(command: &SimpleCommand) -> bool {
    command.origin == Origin::Direct
        && command.assignments.is_empty()
        && command.redirections.is_empty()
        && command.words.iter().all(|word| word.constant)
}

/// Options and operands: what stands behind `--`, or from the first word on that is no option.
fn split_options(arguments: &[Word]) -> (&[Word], &[Word]) {
    let is_option = |word: &Word| word.text.len() > 1 && word.text.starts_with('-');
    let end = arguments.iter().position(|word| word.text == "--" || !is_option(word));
    let (options, operands) = arguments.split_at(end.unwrap_or(arguments.len()));
    match operands {
        [dashes, rest @ ..] if dashes.text == "--" => (options, rest),
        operands => (options, operands),
    }
}

/// `scp -t DIRECTORY` takes files, `scp -f FILE...` gives them.
fn scp(arguments: &[Word]) -> Option<Transfer> {
    let (options, operands) = split_options(arguments);
    let letters: String = options
        .iter()
        .filter_map(|option| option.text.strip_prefix('-'))
        .collect();
    let has = |letter| letters.contains(letter);
    if operands.is_empty() || has('t') == has('f') || !letters.chars().all(|letter| "tfrpdvq".contains(letter)) {
        return None;
    }
    let touches = if has('t') {
        trees(operands, &[Write, Mkdir, Setstat])
    } else if has('r') {
        trees(operands, &[Read])
    } else {
        operands.iter().map(|word| Touch::of(Read, path(word))).collect()
    };
    Some(Transfer {
        channel: Channel::Scp,
        touches,
    })
}

/// Letters of rsync that take no value and name no file.
const RSYNC_LETTERS: &str = "vlogDtprzcnuWHASRXxkKLIimqhbyNUOJEdsC";

/// Words of rsync that name no file; those that end in `=` have their value behind it.
const RSYNC_WORDS: &[&str] = &[
    "--append",
    "--append-verify",
    "--bwlimit=",
    "--checksum-choice=",
    "--checksum-seed=",
    "--compress-choice=",
    "--compress-level=",
    "--delay-updates",
    "--delete",
    "--delete-after",
    "--delete-before",
    "--delete-delay",
    "--delete-during",
    "--delete-excluded",
    "--delete-missing-args",
    "--existing",
    "--files-from=-",
    "--force",
    "--from0",
    "--fsync",
    "--fuzzy",
    "--group",
    "--iconv=",
    "--ignore-errors",
    "--ignore-existing",
    "--ignore-missing-args",
    "--inplace",
    "--list-only",
    "--log-format=",
    "--max-delete=",
    "--max-size=",
    "--min-size=",
    "--mkpath",
    "--modify-window=",
    "--munge-links",
    "--new-compress",
    "--no-implied-dirs",
    "--no-inc-recursive",
    "--no-r",
    "--no-relative",
    "--no-specials",
    "--no-W",
    "--numeric-ids",
    "--old-compress",
    "--omit-dir-times",
    "--omit-link-times",
    "--one-file-system",
    "--open-noatime",
    "--partial",
    "--preallocate",
    "--remove-source-files",
    "--safe-links",
    "--sender",
    "--size-only",
    "--skip-compress=",
    "--specials",
    "--stats",
    "--suffix=",
    "--super",
    "--timeout=",
    "--groupmap=",
    "--usermap=",
    "--use-qsort",
];

/// `rsync --server --sender OPTIONS . FILE...` gives files, without `--sender` it takes them.
fn rsync(arguments: &[Word]) -> Option<Transfer> {
    let (server, arguments) = arguments.split_first()?;
    if server.text != "--server" {
        return None;
    }
    let (options, operands) = split_options(arguments);
    let (mut operations, mut is_told_later) = (vec![Write, Mkdir, Setstat, Link], false);
    if options.iter().any(|option| option.text == "--sender") {
        operations = vec![Read];
    }
    for option in options {
        let text = option.text.as_str();
        if text.starts_with("--") {
            rsync_word(text)?;
            // Forced, it puts a file where a directory was.
            if text.starts_with("--delete") || matches!(text, "--force" | "--remove-source-files") {
                operations.extend([Remove, Rmdir]);
            }
        } else {
            is_told_later |= rsync_letters(text)?.contains('s');
        }
    }
    let files = match operands {
        [dot, files @ ..] if dot.text == "." && !files.is_empty() => files,
        [] | [_] if is_told_later => &[],
        _ => return None,
    };
    let mut touches = trees(files, &operations);
    // With this letter, the files come over the standard input.
    if is_told_later || options.iter().any(|option| option.text == "--files-from=-") {
        touches.extend(operations.iter().map(|operation| Touch::of_tree(*operation, None)));
    }
    Some(Transfer {
        channel: Channel::Rsync,
        touches,
    })
}

fn rsync_word(text: &str) -> Option<()> {
    if let Some(directory) = text.strip_prefix("--partial-dir=") {
        // Within each directory of the transfer, where it is a plain name.
        return (!directory.contains('/') && directory != "..").then_some(());
    }
    let is_known = |known: &str| text == known || (known.ends_with('=') && text.starts_with(known));
    RSYNC_WORDS.iter().any(|known| is_known(known)).then_some(())
}

/// The letters before `e`, behind which the client says what it can.
fn rsync_letters(text: &str) -> Option<&str> {
    let letters = text.strip_prefix('-')?;
    let (letters, abilities) = letters.split_once('e').unwrap_or((letters, ""));
    let is_known = letters.chars().all(|letter| RSYNC_LETTERS.contains(letter));
    let is_ability = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
    (is_known && abilities.chars().all(is_ability)).then_some(letters)
}

/// `git-upload-pack REPOSITORY`.
fn git(arguments: &[Word], operations: &[FileOperation]) -> Option<Transfer> {
    let [repository] = arguments else { return None };
    if repository.text.starts_with('-') {
        return None;
    }
    Some(Transfer {
        channel: Channel::Git,
        touches: trees(arguments, operations),
    })
}

fn trees(files: &[Word], operations: &[FileOperation]) -> Vec<Touch> {
    let of_file = |file| {
        let touch = move |operation: &FileOperation| Touch::of_tree(*operation, path(file));
        operations.iter().map(touch)
    };
    files.iter().flat_map(of_file).collect()
}

/// The path that a word names; `None` where that depends on what is there, or on the login.
fn path(word: &Word) -> Option<String> {
    // Behind a link, it goes up from where that leads.
    if word.glob || word.text.split('/').any(|part| part == "..") {
        return None;
    }
    absolute_path(&word.text, None).filter(|path| !LINKS.iter().any(|links| is_in(path, links)))
}

/// Directories of links to wherever processes are.
const LINKS: &[&str] = &["/proc", "/dev/fd"];

fn is_in(path: &str, directory: &str) -> bool {
    let below = path.strip_prefix(directory);
    below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::parse;
    use crate::domain::Dialect;

    fn of(text: &str) -> Option<Transfer> {
        transfer(&parse(text, Dialect::Bash))
    }

    fn channel(text: &str) -> Option<Channel> {
        of(text).map(|transfer| transfer.channel)
    }

    #[test]
    fn what_clients_send_is_recognised() {
        for (text, expected) in [
            ("scp -t /srv/x", Channel::Scp),
            ("scp -r -p -d -t -- /srv", Channel::Scp),
            ("scp -f '/srv/a b'", Channel::Scp),
            ("/usr/bin/scp -v -f x", Channel::Scp),
            ("rsync --server -vlogDtpre.iLsfxCIvu . /srv/", Channel::Rsync),
            ("rsync --server --sender -vlogDtpre.iLsfxCIvu . /srv/", Channel::Rsync),
            (
                "rsync --server -logDtpre.iLsfxCIvu --delete --timeout=30 . site/",
                Channel::Rsync,
            ),
            (
                "rsync --server -re.iL --partial-dir=.part --delay-updates . x/",
                Channel::Rsync,
            ),
            ("rsync --server -se.LsfxCIvu", Channel::Rsync),
            ("git-upload-pack '/srv/repo.git'", Channel::Git),
            ("git-receive-pack 'repo.git'", Channel::Git),
            ("git-upload-archive 'repo.git'", Channel::Git),
        ] {
            assert_eq!(channel(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn nothing_that_only_begins_like_one_is_recognised() {
        for text in [
            "scp -t /srv; rm -rf /",
            "scp -t /srv && id",
            "scp -t $(id)",
            "scp -t \"$HOME\"",
            "scp -t /srv > /etc/passwd",
            "scp -t /srv < /etc/shadow",
            "PATH=/tmp scp -t /srv",
            "sudo scp -t /srv",
            "/tmp/scp -t /srv",
            "./scp -t /srv",
            "scp -S /tmp/evil -t /srv",
            "scp -t -f /srv",
            "scp -t",
            "scp a b",
            "scp",
            "scp -t /srv | sh",
            "rsync -a /srv /etc",
            "rsync --server --daemon .",
            "rsync --daemon --server . /srv",
            "rsync --server --log-file=/etc/x -e. . /srv",
            "rsync --server -vT/etc . /srv",
            "rsync --server -r --partial-dir=/etc . /srv",
            "rsync --server --files-from=/etc/shadow -r . /srv",
            "rsync --server -r /srv",
            "rsync --server -r .",
            "git-upload-pack --timeout=1 x",
            "git-upload-pack a b",
            "git upload-pack x",
            "sh -c 'scp -t /srv'",
            "scp -t '/srv",
            "/usr/lib/openssh/scp -t /srv",
        ] {
            assert_eq!(channel(text), None, "{text}");
        }
    }

    #[test]
    fn the_server_of_sftp_is_recognised() {
        for (text, expected) in [
            ("sftp-server", true),
            ("/usr/lib/openssh/sftp-server", true),
            ("/usr/lib/ssh/sftp-server -e", true),
            ("/usr/libexec/openssh/sftp-server -l INFO", true),
            ("/usr/libexec/sftp-server -d /srv", true),
            ("/usr/lib/sftp-server", true),
            ("id; /usr/lib/openssh/sftp-server", false),
            ("sudo /usr/lib/openssh/sftp-server", false),
            ("/usr/lib/openssh/sftp-server < /tmp/x", false),
            ("/usr/lib/openssh/sftp-server -l $(id)", false),
            ("/tmp/sftp-server", false),
            ("/usr/lib/openssh/sftp", false),
        ] {
            assert_eq!(serves_sftp(&parse(text, Dialect::Bash)), expected, "{text}");
        }
    }

    #[test]
    fn a_transfer_touches_what_it_names() {
        let trees = |operations: &[FileOperation], path: Option<&str>| -> Vec<Touch> {
            let touch = |operation: &FileOperation| Touch::of_tree(*operation, path.map(str::to_owned));
            operations.iter().map(touch).collect()
        };
        for (text, expected) in [
            ("scp -t /srv//x/./y", trees(&[Write, Mkdir, Setstat], Some("/srv/x/y"))),
            ("scp -t /srv/link/../y", trees(&[Write, Mkdir, Setstat], None)),
            ("scp -f /proc/self/root/srv/x", vec![Touch::of(Read, None)]),
            ("scp -f //dev/fd/3", vec![Touch::of(Read, None)]),
            ("scp -f /process", vec![Touch::of(Read, Some("/process".into()))]),
            ("git-upload-pack /proc", trees(&[Read], None)),
            ("scp -r -f /srv", trees(&[Read], Some("/srv"))),
            ("scp -f /etc/passwd", vec![Touch::of(Read, Some("/etc/passwd".into()))]),
            ("scp -f '/etc/*'", vec![Touch::of(Read, Some("/etc/*".into()))]),
            ("scp -f /etc/*", vec![Touch::of(Read, None)]),
            ("scp -f notes", vec![Touch::of(Read, None)]),
            ("scp -f ~/notes", vec![Touch::of(Read, None)]),
            ("rsync --server --sender -re.iL . /srv", trees(&[Read], Some("/srv"))),
            (
                "rsync --server -re.iL --delete . /srv",
                trees(&[Write, Mkdir, Setstat, Link, Remove, Rmdir], Some("/srv")),
            ),
            (
                "rsync --server -re.iL --force . /srv",
                trees(&[Write, Mkdir, Setstat, Link, Remove, Rmdir], Some("/srv")),
            ),
            ("rsync --server --sender -sre.iL . /srv", {
                [trees(&[Read], Some("/srv")), trees(&[Read], None)].concat()
            }),
            ("git-upload-pack /srv/r", trees(&[Read], Some("/srv/r"))),
        ] {
            assert_eq!(of(text).map(|transfer| transfer.touches), Some(expected), "{text}");
        }
    }
}
