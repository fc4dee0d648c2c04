//! Paths of a target, as text.

/// The absolute form of a path without `.`, `..` and empty parts, by the text alone; a relative one is taken from `home`. `None`
/// where that is not known.
#[must_use]
pub fn absolute_path(path: &str, home: Option<&str>) -> Option<String> {
    let base = if path.starts_with('/') {
        ""
    } else {
        home.filter(|home| home.starts_with('/'))?
    };
    let mut parts = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// Whether a part of a path leads one step down, and is none that stands for nothing or leads up.
#[must_use]
pub fn is_step(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_normalised_by_its_text() {
        for (path, expected) in [
            ("/etc/../etc/x", "/etc/x"),
            ("//etc", "/etc"),
            ("/etc/./ssh/", "/etc/ssh"),
            ("/../../etc", "/etc"),
            ("/", "/"),
            ("", "/home/deploy"),
            (".", "/home/deploy"),
            ("a b", "/home/deploy/a b"),
            ("../../etc/x", "/etc/x"),
        ] {
            assert_eq!(
                absolute_path(path, Some("/home/deploy")).as_deref(),
                Some(expected),
                "{path:?}"
            );
        }
        assert_eq!(absolute_path("x", None), None);
        assert_eq!(absolute_path("x", Some("not/absolute")), None);
        assert_eq!(absolute_path("/x", None).as_deref(), Some("/x"));
    }
}
