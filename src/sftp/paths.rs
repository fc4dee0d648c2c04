//! Paths of a target, as bytes.

/// The directory that a path names something in, and what it names there; `None` where its last part is no name.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = path.iter().rposition(|byte| *byte != b'/')? + 1;
    let (path, _) = path.split_at_checked(end)?;
    let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (directory, name) = path.split_at_checked(start)?;
    let directory = if directory.is_empty() { b"." } else { directory };
    (!matches!(name, b"." | b"..")).then_some((directory, name))
}

/// The path without slashes at its end, which would follow a link there.
pub(super) fn without_slashes_behind(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    path.get(..end).unwrap_or(path)
}

/// Whether the path goes by its text through what a process has open or for its root: what stands there need not be what its
/// link says.
pub(super) fn leads_through_a_process(path: &str, home: Option<&str>) -> bool {
    let home = home.filter(|_| !path.starts_with('/')).unwrap_or_default();
    let mut parts = home.split('/').chain(path.split('/'));
    let is_process = |part: &str| matches!(part, "self" | "thread-self") || part.parse::<u32>().is_ok();
    let is_link = |part: &str| matches!(part, "root" | "cwd" | "fd" | "exe" | "map_files");
    // In this order, whatever stands between them: there it may go up again.
    parts.any(|part| part == "proc") && parts.any(is_process) && parts.any(is_link)
}

/// What is shown and judged of the bytes of a path.
pub(super) fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_at_what_it_names() {
        for (path, expected) in [
            ("/etc/hosts", Some(("/etc/", "hosts"))),
            ("hosts", Some((".", "hosts"))),
            ("/srv/a//", Some(("/srv/", "a"))),
            ("/x", Some(("/", "x"))),
            ("/srv/..", None),
            (".", None),
            ("/", None),
            ("", None),
        ] {
            let expected = expected.map(|(directory, name)| (directory.as_bytes(), name.as_bytes()));
            assert_eq!(split(path.as_bytes()), expected, "{path:?}");
        }
    }

    #[test]
    fn slashes_at_the_end_are_taken_away() {
        for (path, expected) in [("/srv//", "/srv"), ("/srv/x", "/srv/x"), ("//", ""), ("", "")] {
            assert_eq!(without_slashes_behind(path.as_bytes()), expected.as_bytes(), "{path:?}");
        }
    }

    #[test]
    fn what_a_process_has_is_told_by_the_text() {
        for (path, home, expected) in [
            ("/proc/self/root/etc/passwd", None, true),
            ("/proc/4711/cwd/x", None, true),
            ("//proc/./thread-self//fd/3", None, true),
            ("/proc/sys/../self/root/x", None, true),
            ("/proc/self/task/1/root/x", None, true),
            ("self/root/x", Some("/proc"), true),
            ("/srv/self/root/x", Some("/proc"), false),
            ("/proc/self/status", None, false),
            ("/proc/sys/fs/root", None, false),
            ("/srv/root/1/proc", None, false),
        ] {
            assert_eq!(leads_through_a_process(path, home), expected, "{path}");
        }
    }
}
