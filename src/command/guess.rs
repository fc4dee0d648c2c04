//! What a program's name may mean that is not plain: a pattern, letters that look like others, expansions that are not known.

use super::wild;
use super::{SimpleCommand, Word};

/// Most programs that one pattern is taken for.
const MAX_GUESSES: usize = 8;

/// Programs that a pattern in a program's place is compared with: those that end or change systems, and those that run others.
const KNOWN: &[&str] = &[
    "apt-get",
    "aws",
    "bash",
    "blkdiscard",
    "cat",
    "chmod",
    "chown",
    "chpasswd",
    "crontab",
    "cryptsetup",
    "curl",
    "dash",
    "dd",
    "dmsetup",
    "docker",
    "dropdb",
    "env",
    "etcdctl",
    "fdisk",
    "find",
    "halt",
    "hdparm",
    "init",
    "insmod",
    "ip",
    "iptables",
    "kill",
    "killall",
    "killall5",
    "kubectl",
    "lvremove",
    "mkfs",
    "mkfs.ext4",
    "mkfs.xfs",
    "mkswap",
    "modprobe",
    "mount",
    "mv",
    "mysql",
    "nc",
    "netcat",
    "nft",
    "nvme",
    "parted",
    "passwd",
    "perl",
    "php",
    "pkill",
    "poweroff",
    "psql",
    "pvremove",
    "python",
    "python3",
    "reboot",
    "redis-cli",
    "rm",
    "rmdir",
    "ruby",
    "sed",
    "service",
    "sgdisk",
    "sh",
    "shred",
    "shutdown",
    "socat",
    "ssh",
    "su",
    "sudo",
    "systemctl",
    "tar",
    "tee",
    "telinit",
    "terraform",
    "truncate",
    "ufw",
    "umount",
    "unlink",
    "userdel",
    "usermod",
    "vgremove",
    "wget",
    "wipefs",
    "xargs",
    "zfs",
    "zpool",
    "zsh",
];

/// The commands that `command` may be besides what it says.
pub(super) fn commands(command: &SimpleCommand) -> Vec<Vec<Word>> {
    let Some(first) = command.words.first() else {
        return Vec::new();
    };
    let names = if first.glob {
        by_pattern(first)
    } else if first.constant {
        look_alike(&first.text).into_iter().collect()
    } else {
        return without_unknown(command).into_iter().collect();
    };
    let arguments = command.arguments();
    names
        .into_iter()
        .map(|name| {
            let disguised = Word {
                disguised: true,
                ..Word::computed(name)
            };
            [&[disguised], arguments].concat()
        })
        .collect()
}

fn by_pattern(word: &Word) -> Vec<String> {
    let pattern = word.text.rsplit('/').next().unwrap_or(&word.text);
    if pattern.trim_matches(['*', '?']).is_empty() {
        return Vec::new();
    }
    let known = KNOWN.iter().filter(|name| wild::matches(pattern, name));
    known.take(MAX_GUESSES).map(|name| (*name).to_owned()).collect()
}

/// The words with nothing where expansions are not known: `$SUDO rm x` is `rm x`, and `r${x}m` is `rm`.
fn without_unknown(command: &SimpleCommand) -> Option<Vec<Word>> {
    let first = command.words.first()?;
    let rest = known_part(&first.text)?;
    let arguments = command.arguments();
    if rest.is_empty() {
        return arguments
            .first()
            .is_some_and(|next| next.constant && !next.text.starts_with('-'))
            .then(|| arguments.to_vec());
    }
    let is_name = rest.len() > 1
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    // Where a program lies may be a variable; what it is called is plain then.
    let called = first.text.rsplit('/').next().unwrap_or_default();
    let name = Word {
        disguised: called.contains('$'),
        ..Word::computed(rest)
    };
    is_name.then(|| [&[name], arguments].concat())
}

/// A text without its variables; `None` where something else in it is not known.
fn known_part(text: &str) -> Option<String> {
    let mut parts = text.split('$');
    let mut known = parts.next()?.to_owned();
    for part in parts {
        let rest = if let Some(inner) = part.strip_prefix('{') {
            inner.split_once('}')?.1
        } else {
            let end = part.find(|character: char| character != '_' && !character.is_ascii_alphanumeric());
            part.get(end.unwrap_or(part.len())..)?
        };
        known.push_str(rest);
    }
    (!known.contains(['(', '`', '<', '>'])).then_some(known)
}

/// The plain name that a name looks like; `None` for a plain one, and for one that looks like none.
fn look_alike(name: &str) -> Option<String> {
    if name.is_ascii() {
        return None;
    }
    let folded: String = name.chars().filter_map(plain).collect();
    (folded.is_ascii() && !folded.is_empty() && folded != name).then_some(folded)
}

/// The ASCII letter that a character looks like; `None` for what cannot be seen.
fn plain(character: char) -> Option<char> {
    let code = u32::from(character);
    match code {
        // Invisible characters, blanks that no shell splits at, and accents written over the letter before.
        0x300..=0x36f
        | 0xad
        | 0xa0
        | 0x61c
        | 0x115f
        | 0x1160
        | 0x17b4
        | 0x17b5
        | 0x180b..=0x180e
        | 0x2000..=0x200f
        | 0x2028..=0x202f
        | 0x205f..=0x206f
        | 0x3000
        | 0xfe00..=0xfe0f
        | 0xfeff
        | 0xe0000..=0xe0fff => None,
        // Full-width forms.
        0xff01..=0xff5e => char::from_u32(code - 0xfee0),
        // Letters for formulas, in sets of 52.
        0x1d400..=0x1d6a3 => {
            let letter = u8::try_from((code - 0x1d400) % 52).unwrap_or_default();
            Some(char::from(if letter < 26 { b'A' + letter } else { b'a' + letter - 26 }))
        }
        _ => Some(
            LOOK_ALIKES
                .iter()
                .find(|(others, _)| others.contains(character))
                .map_or(character, |(_, letter)| *letter),
        ),
    }
}

/// Letters of other scripts by the ASCII letters that they look like.
const LOOK_ALIKES: &[(&str, char)] = &[
    ("аɑαａ", 'a'),
    ("Ьƅ", 'b'),
    ("сϲⅽᴄ", 'c'),
    ("ԁɗⅾժ", 'd'),
    ("еҽє℮", 'e'),
    ("ƒſ", 'f'),
    ("ɡցǥ", 'g'),
    ("һհ", 'h'),
    ("іıɩι", 'i'),
    ("јϳ", 'j'),
    ("κк", 'k'),
    ("ӏⅼǀ", 'l'),
    ("мⅿᴍ", 'm'),
    ("пոռɴ", 'n'),
    ("оοօᴏ", 'o'),
    ("рρ", 'p'),
    ("ԛգ", 'q'),
    ("гᴦɾ", 'r'),
    ("ѕꜱ", 's'),
    ("тτᴛ", 't'),
    ("υսᴜ", 'u'),
    ("νѵⅴᴠ", 'v'),
    ("ԝɯᴡ", 'w'),
    ("хχⅹ", 'x'),
    ("уүγ", 'y'),
    ("ᴢʐ", 'z'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_look_like_others_are_read_as_those() {
        for name in [
            "гm",
            "rм",
            "ｒｍ",
            "r\u{200b}m",
            "rm\u{a0}",
            "r\u{301}m",
            "\u{1d42b}\u{1d426}",
        ] {
            assert_eq!(look_alike(name).as_deref(), Some("rm"), "{name}");
        }
        for name in ["rm", "日本", "привет", "naïve"] {
            assert_eq!(look_alike(name), None, "{name}");
        }
    }

    #[test]
    fn unknown_parts_are_left_out() {
        for (text, known) in [
            ("r${x}m", "rm"),
            ("$SUDO", ""),
            ("$a$b", ""),
            ("$D/bin/rm", "/bin/rm"),
            ("r${x:-}m", "rm"),
        ] {
            assert_eq!(known_part(text).as_deref(), Some(known), "{text}");
        }
        assert_eq!(known_part("$(x)"), None);
    }
}
