//! Environment variables that a user may set on a target: which names, and which never.

use super::document::Fault;

/// Variables by which a loader, a shell or a program that reads them runs code that nobody submitted, or by which they find
/// their files. No setting lets them pass. Every program may have such a variable, so the list is never complete: whoever may
/// set others must be somebody who may run anything.
const NEVER: &[&str] = &[
    "APT_CONFIG",
    "BASHOPTS",
    "BC_ENV_ARGS",
    "BROWSER",
    "CC",
    "CDPATH",
    "CLASSPATH",
    "CURL_HOME",
    "CVSEDITOR",
    "CVS_RSH",
    "CXX",
    "EDITOR",
    "ENV",
    "EXINIT",
    "FPATH",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "GNUMAKEFLAGS",
    "GOFLAGS",
    "GRADLE_OPTS",
    "HGEDITOR",
    "HGMERGE",
    "HGRCPATH",
    "HOME",
    "HOSTALIASES",
    "IFS",
    "INPUTRC",
    "JAVA_OPTS",
    "JDK_JAVA_OPTIONS",
    "KSH_ENV",
    "KUBECONFIG",
    "LOCPATH",
    "LOGNAME",
    "MAIL",
    "MAKEFILES",
    "MAKEFLAGS",
    "MANPAGER",
    "MAVEN_ARGS",
    "MAVEN_OPTS",
    "MFLAGS",
    "MYSQL_HOME",
    "NLSPATH",
    "PAGER",
    "PATH",
    "PGSERVICEFILE",
    "PGSYSCONFDIR",
    "PHPRC",
    "POSIXLY_CORRECT",
    "PROMPT",
    "PROMPT_COMMAND",
    "RCLONE_CONFIG",
    "RIPGREP_CONFIG_PATH",
    "RPROMPT",
    "RSYNC_CONNECT_PROG",
    "RSYNC_RSH",
    "SBT_OPTS",
    "SHELL",
    "SHELLOPTS",
    "SUDO_ASKPASS",
    "SUDO_EDITOR",
    "TAR_OPTIONS",
    "TERMCAP",
    "TMPDIR",
    "USER",
    "VISUAL",
    "WGETRC",
    "ZDOTDIR",
    "ZIPOPT",
    "_JAVA_OPTIONS",
];

/// Beginnings of such names.
const NEVER_PREFIXES: &[&str] = &[
    "ANSIBLE_",
    "AWS_",
    "BASH_",
    "CARGO_",
    "DBUS_",
    "DOCKER_",
    "DYLD_",
    "GIO_",
    "GIT_",
    "GTK_",
    "HIST",
    "JAVA_TOOL_",
    "LD_",
    "LESS",
    "LUA_",
    "MALLOC_",
    "NODE_",
    "NPM_CONFIG_",
    "OPENSSL_",
    "PERL",
    "PHP_",
    "PS",
    "PYTHON",
    "QT_",
    "RESOLV_",
    "RUBY",
    "RUSTC",
    "R_ENVIRON",
    "R_PROFILE",
    "SSH_",
    "SVN_",
    "SYSTEMD_",
    "TERMINFO",
    "TF_",
    "VIM",
    "XDG_",
    "fish_",
    "npm_config_",
];

/// The longest name that is passed on, bytes.
const MAX_NAME: usize = 128;

/// What is accepted where nothing is configured.
pub(super) fn usual() -> Vec<String> {
    ["LANG", "LC_*", "TERM", "COLORTERM", "NO_COLOR"]
        .map(str::to_owned)
        .to_vec()
}

/// Whether a variable may be passed on at all: it has a name as a shell's variables have, and not one of those by which
/// something runs that nobody submitted.
#[must_use]
pub fn may_be_set(name: &str) -> bool {
    name.len() <= MAX_NAME && is_name(name) && !is_dangerous(name)
}

/// Whether one of the patterns accepts a variable: by name, or by its beginning where the pattern ends in `*`. What may
/// never be set is never accepted.
#[must_use]
pub fn accepts_variable(patterns: &[String], name: &str) -> bool {
    let accepted = patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(stem) => name.starts_with(stem),
        None => name == pattern,
    });
    accepted && may_be_set(name)
}

/// A name of environment variables, with `*` at the end for any rest.
pub(super) fn pattern(text: &str) -> Result<String, Fault> {
    let stem = text.strip_suffix('*').unwrap_or(text);
    if !is_name(stem) {
        return Err(Fault::new(
            format!("`{text}` does not name environment variables"),
            "use a name such as \"LANG\", or its beginning and a star: \"LC_*\"",
        ));
    }
    let whole_name = stem.len() == text.len();
    let beginning_is_dangerous = NEVER_PREFIXES.iter().any(|prefix| stem.starts_with(prefix));
    if beginning_is_dangerous || (whole_name && is_dangerous(stem)) {
        return Err(Fault::new(
            format!("`{text}` would let programs on targets run what was not submitted"),
            "remove it: such variables are never passed on; set them on the target",
        ));
    }
    Ok(text.to_owned())
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_dangerous(name: &str) -> bool {
    NEVER.contains(&name) || NEVER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_accepted_by_name_or_prefix() {
        let accepted = usual();
        for name in ["LANG", "LC_ALL", "LC_", "TERM", "COLORTERM", "NO_COLOR"] {
            assert!(accepts_variable(&accepted, name), "{name}");
        }
        for name in ["LANGUAGE", "LD_PRELOAD", "BASH_ENV", "", "lc_all", "TERMINFO", "LC_A=B"] {
            assert!(!accepts_variable(&accepted, name), "{name}");
        }
    }

    #[test]
    fn no_star_reaches_what_would_run_something() {
        let accepted: Vec<String> = ('A'..='Z').chain(['_']).map(|first| format!("{first}*")).collect();
        for name in [
            "LD_PRELOAD",
            "LESSOPEN",
            "BASH_ENV",
            "BASH_FUNC_ls",
            "BASHOPTS",
            "PATH",
            "PS1",
            "PROMPT_COMMAND",
            "PYTHONSTARTUP",
            "PERL5LIB",
            "ENV",
            "EDITOR",
            "GIT_SSH_COMMAND",
            "IFS",
            "NODE_OPTIONS",
            "_JAVA_OPTIONS",
            "TAR_OPTIONS",
            "MAKEFLAGS",
            "MAKEFILES",
            "GNUMAKEFLAGS",
            "KUBECONFIG",
            "EXINIT",
            "VIMINIT",
            "APT_CONFIG",
            "LUA_INIT",
            "LUA_INIT_5_4",
            "CVS_RSH",
            "RSYNC_RSH",
            "HGRCPATH",
            "PHPRC",
            "MAVEN_OPTS",
            "SYSTEMD_EDITOR",
            "OPENSSL_CONF",
            "AWS_CONFIG_FILE",
            "DOCKER_HOST",
            "SVN_SSH",
            "CARGO_HOME",
            "RUSTC_WRAPPER",
            "GTK_MODULES",
            "QT_PLUGIN_PATH",
            "GIO_EXTRA_MODULES",
            "ANSIBLE_CONFIG",
            "TF_CLI_CONFIG_FILE",
            "DBUS_SESSION_BUS_ADDRESS",
        ] {
            assert!(!accepts_variable(&accepted, name), "{name}");
        }
        assert!(accepts_variable(&accepted, "BUILD_ID"));
        assert!(!may_be_set("BASH_FUNC_x%%"), "no name");
        assert!(!may_be_set(&"A".repeat(MAX_NAME + 1)));
    }

    #[test]
    fn a_setting_that_names_such_a_variable_is_a_fault() {
        for bad in [
            "*",
            "A=B",
            "",
            "1A",
            "PATH",
            "LD_*",
            "LD_LIBRARY_PATH",
            "GIT_*",
            "PS1",
            "PYTHON*",
        ] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
        for good in ["LC_*", "P*", "BUILD_ID", "G*"] {
            assert!(pattern(good).is_ok(), "{good}");
        }
    }
}
