//! Secrets in headers of HTTP: the values of `-H` and `--header`.

use super::is_secret_name;

/// Schemes of authorization, which are no secret.
const SCHEMES: &[&str] = &["basic", "bearer", "token", "digest", "apikey", "negotiate"];

/// Where in a word that is a header the secret begins: `Cookie: SECRET`, `Authorization: Bearer SECRET`.
pub(super) fn secret_start(before: &str, text: &str) -> Option<usize> {
    let header = header(before, text)?;
    let (name, value) = header.split_once(':')?;
    if !is_secret(name) {
        return None;
    }
    let value = value.trim_start();
    let secret = match value.split_once(' ') {
        Some((scheme, secret)) if SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) => secret.trim_start(),
        _ => value,
    };
    (!secret.is_empty()).then(|| text.len() - secret.len())
}

/// The header that a word holds, behind an option in the same word or the one before.
fn header<'a>(before: &str, text: &'a str) -> Option<&'a str> {
    if matches!(before, "-H" | "--header") {
        return Some(text);
    }
    text.strip_prefix("--header=").or_else(|| text.strip_prefix("-H"))
}

fn is_secret(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    let ends = ["cookie", "authorization", "-key", "-auth"];
    is_secret_name(&name) || ends.iter().any(|end| name.ends_with(end))
}
