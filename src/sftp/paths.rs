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
}
