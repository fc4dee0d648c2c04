//! What a user does, and what must be known of it.

/// The prompt of every home, unless a scenario has another.
pub(crate) const PROMPT: &str = "ready> ";

/// The prompt for more of the same command, in shells that have one.
pub(crate) const MORE: &str = "more> ";

/// One thing that the user does or waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Keys.
    Type(&'static [u8]),
    /// One key so many times.
    Repeat(u8, usize),
    /// Waits until the shell prompts for a command, after what was awaited or typed last.
    Prompt,
    /// Waits until the shell prompts for more of a command, after what was awaited or typed last.
    More,
    /// From here on the prompt is this, as it is seen; where it is empty, nothing is waited for.
    PromptIs(&'static str),
    /// Waits until this is shown, after what was awaited or typed last. Escape sequences, CR and BEL are not shown.
    See(&'static str),
    /// Waits until nothing more is shown, where there is no prompt to wait for.
    Quiet,
    /// Makes the window so many columns wide; it has 100.
    Resize(u16),
    /// Waits until by the record a line is running.
    Runs,
    /// Waits until by the record so many lines have ended, refused ones among them.
    Ended(usize),
    /// Waits for the bastion's question and answers it with this word.
    Answer(&'static str),
}

/// What a user does in one session, and the lines that really were run or refused.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) lines: Vec<String>,
    pub(crate) profile: String,
    pub(crate) prompt: String,
    pub(crate) codes: Vec<Option<i64>>,
    pub(crate) may_be_unknown: bool,
    pub(crate) far: bool,
}

/// A scenario that must be known exactly. `lines` are without the closing `exit`, with those that were refused.
pub(crate) fn scenario(name: &str, steps: &[Step], lines: &[&str]) -> Scenario {
    Scenario {
        name: name.to_owned(),
        steps: steps.to_vec(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        profile: String::new(),
        prompt: PROMPT.to_owned(),
        codes: Vec::new(),
        may_be_unknown: false,
        far: false,
    }
}

impl Scenario {
    /// With more lines in the shell's profile (`.bash_profile`, `.zshrc`, `config.fish`, `.profile`), after the prompt is set.
    pub(crate) fn with_profile(mut self, profile: &str) -> Self {
        profile.clone_into(&mut self.profile);
        self
    }

    /// With another prompt than [`PROMPT`] from the beginning, as it is seen.
    pub(crate) fn with_prompt(mut self, prompt: &str) -> Self {
        prompt.clone_into(&mut self.prompt);
        self
    }

    /// With lines that are made, not written.
    pub(crate) fn with_lines(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.lines = lines.into_iter().collect();
        self
    }

    /// With the exit codes of its rows; `None` for what did not run or could not be told.
    pub(crate) fn with_codes(mut self, codes: &[Option<i64>]) -> Self {
        codes.clone_into(&mut self.codes);
        self
    }

    /// Lines of it may be recorded as unknown.
    pub(crate) fn may_be_unknown(mut self) -> Self {
        self.may_be_unknown = true;
        self
    }

    /// With a target that is 150 ms away in each direction.
    pub(crate) fn far(mut self) -> Self {
        self.far = true;
        self
    }
}
