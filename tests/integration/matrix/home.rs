//! Home directories on the target, one for each scenario, and the login shell in them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::scenario::{MORE, PROMPT, Scenario};
use crate::harness::Key;

/// The variable by which a session says whose home it wants. Servers and the bastion accept `LC_*`.
pub(crate) const WHOSE: &str = "LC_WHOSE";

/// A login shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "their hooks come one by one")]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    Dash,
    Ash,
    Mksh,
    /// A restricted bash, which must not be hooked.
    Rbash,
    /// Says that it is a bash, and is a Python script on a terminal: its profile.
    Hostile,
}

impl Shell {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bash | Self::Hostile => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Dash => "dash",
            Self::Ash => "ash",
            Self::Mksh => "mksh",
            Self::Rbash => "rbash",
        }
    }

    fn path(self) -> PathBuf {
        let found = ["/bin", "/usr/bin", "/usr/local/bin"]
            .map(|dir| Path::new(dir).join(self.name()))
            .into_iter()
            .find(|path| path.is_file());
        found.unwrap_or_else(|| panic!("{0} is needed: install {0}", self.name()))
    }

    fn profile(self) -> &'static str {
        match self {
            Self::Bash | Self::Rbash => ".bash_profile",
            Self::Zsh => ".zshrc",
            Self::Fish => ".config/fish/config.fish",
            Self::Dash | Self::Ash | Self::Mksh => ".profile",
            Self::Hostile => "target.py",
        }
    }

    /// What sets the prompts, and no more than that.
    fn prompts(self) -> String {
        match self {
            Self::Bash | Self::Rbash | Self::Dash | Self::Ash | Self::Mksh => format!("PS1='{PROMPT}'\nPS2='{MORE}'\n"),
            Self::Zsh => format!("PS1='{PROMPT}'\nPS2='{MORE}'\nHISTSIZE=100\nSAVEHIST=100\n"),
            Self::Hostile => String::new(),
            Self::Fish => format!("function fish_prompt\n  echo -n '{PROMPT}'\nend\nset -g fish_greeting\n"),
        }
    }
}

/// The hostile shell.
const HOSTILE: &str = "#!/bin/sh\n[ -t 0 ] || exec /bin/bash \"$@\"\nexec python3 \"$HOME/target.py\"\n";

/// The homes, and the command that the server runs instead of the account's shell.
pub(crate) struct Homes {
    dir: TempDir,
    shell: Shell,
    /// The key with which every scenario's user logs in at the bastion.
    pub(crate) key: Key,
}

impl Homes {
    pub(crate) fn new(shell: Shell) -> Self {
        let dir = TempDir::with_prefix("homes-").unwrap();
        let key = Key::generate(dir.path(), "key");
        executable(&dir.path().join("bash"), HOSTILE);
        let homes = Self { dir, shell, key };
        executable(&homes.login_command(), &homes.login_script());
        // For sessions that name no home: the bastion's own commands.
        std::fs::create_dir(homes.of("")).unwrap();
        homes
    }

    /// The home of `whose`.
    pub(crate) fn of(&self, whose: &str) -> PathBuf {
        self.dir.path().join(format!("home-{whose}"))
    }

    /// The server's `ForceCommand`.
    pub(crate) fn login_command(&self) -> PathBuf {
        self.dir.path().join("login")
    }

    /// Does what the server does for the account's login shell, for another shell and another home.
    ///
    /// The bastion's probe learns nothing of the host there, so that a busy one does not change a decision.
    fn login_script(&self) -> String {
        let homes = self.of("").display().to_string();
        let shell = match self.shell {
            Shell::Hostile => self.dir.path().join("bash"),
            Shell::Ash => self.ash(),
            honest => honest.path(),
        };
        let shell = shell.display();
        format!(
            "#!/bin/sh\n\
             HOME={homes}${WHOSE} SHELL={shell} LANG=C.UTF-8\n\
             EDITOR=$HOME/editor VISUAL=$HOME/editor\n\
             export HOME SHELL LANG EDITOR VISUAL\n\
             cd \"$HOME\" || exit\n\
             command=$SSH_ORIGINAL_COMMAND\n\
             case $command in\n\
             *\"' opspilot \"*)\n\
             printf '\\nopspilot-begin-%s\\nopspilot-end-%s\\n' \"${{command##* }}\" \"${{command##* }}\"\n\
             exit ;;\n\
             esac\n\
             unset {WHOSE} SSH_ORIGINAL_COMMAND SHLVL OLDPWD\n\
             [ \"$command\" ] || exec bash -c 'exec -a \"-${{SHELL##*/}}\" \"$SHELL\"'\n\
             exec \"$SHELL\" -c \"$command\"\n"
        )
    }

    /// Debian's busybox goes by its own name only.
    fn ash(&self) -> PathBuf {
        let path = self.dir.path().join("ash");
        std::os::unix::fs::symlink("/bin/busybox", &path).unwrap();
        path
    }

    /// Makes the home of `whose`, with what scenarios expect there.
    pub(crate) fn furnish(&self, whose: &str, scenario: &Scenario) {
        let home = self.of(whose);
        let profile = home.join(self.shell.profile());
        std::fs::create_dir_all(profile.parent().unwrap()).unwrap();
        std::fs::write(profile, self.shell.prompts() + &scenario.profile).unwrap();
        for file in [".hushlogin", "uniquefile_zzz", "amb_a", "amb_b"] {
            std::fs::write(home.join(file), "").unwrap();
        }
        executable(&home.join("editor"), "#!/bin/sh\necho 'echo edited' >\"$1\"\n");
    }
}

fn executable(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
