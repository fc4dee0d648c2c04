//! Finds the lexicon's entries in the words of a command, all in one pass a word.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, Match};

use super::lexicon::{ENTRIES, SIGNS, Sign};

/// Bits in a block of [`Signs`].
const BLOCK: usize = 64;
/// Blocks for as many entries as the lexicon may have.
const BLOCKS: usize = 16;

/// What was found in a command's words: a bit for each entry of the lexicon, so that repetition counts once.
#[derive(Debug, Clone, Default)]
pub(super) struct Signs([u64; BLOCKS]);

/// The lexicon, ready to be looked for.
struct Finder {
    automaton: AhoCorasick,
    /// The sign of each pattern of the automaton.
    signs: Vec<Sign>,
}

/// `None` would mean that the lexicon cannot be compiled, which a test rules out.
static FINDER: LazyLock<Option<Finder>> = LazyLock::new(Finder::build);

impl Finder {
    fn build() -> Option<Self> {
        let entries = || {
            ENTRIES
                .iter()
                .flat_map(|(sign, marks)| marks.iter().map(|mark| (*sign, *mark)))
        };
        let automaton = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .build(entries().map(|(_, mark)| mark));
        let signs: Vec<_> = entries().map(|(sign, _)| sign).collect();
        (signs.len() <= BLOCKS * BLOCK).then_some(())?;
        Some(Self {
            automaton: automaton.ok()?,
            signs,
        })
    }
}

impl Signs {
    /// Looks into one word. A program's own name is no mention of a shell.
    pub(super) fn read(&mut self, word: &str, is_program: bool) {
        let Some(finder) = FINDER.as_ref() else { return };
        for found in finder.automaton.find_overlapping_iter(word) {
            let index = found.pattern().as_usize();
            let Some(sign) = finder.signs.get(index) else { continue };
            let counts = if *sign == Sign::Shell {
                !is_program && stands_as_a_name(word.as_bytes(), &found)
            } else {
                stands_alone(word.as_bytes(), &found)
            };
            if let (true, Some(block)) = (counts, self.0.get_mut(index / BLOCK)) {
                *block |= 1 << (index % BLOCK);
            }
        }
    }

    /// Different entries found, by sign.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let Some(finder) = FINDER.as_ref() else { return tally };
        for (number, block) in self.0.iter().enumerate() {
            let mut rest = *block;
            while rest != 0 {
                let index = number * BLOCK + rest.trailing_zeros() as usize;
                if let Some(sign) = finder.signs.get(index) {
                    tally.0[*sign as usize] += 1.0;
                }
                rest &= rest - 1;
            }
        }
        tally
    }
}

/// Different entries found, by sign.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally([f32; SIGNS]);

impl Tally {
    pub(super) fn of(&self, sign: Sign) -> f32 {
        self.0[sign as usize]
    }

    pub(super) fn has(&self, sign: Sign) -> bool {
        self.of(sign) > 0.0
    }
}

/// Whether a mark that begins or ends with a letter or digit also begins or ends a word there.
fn stands_alone(word: &[u8], found: &Match) -> bool {
    let inner = |at: usize| {
        word.get(at)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let begins = !inner(found.start()) || found.start().checked_sub(1).is_none_or(|before| !inner(before));
    let ends = !inner(found.end().saturating_sub(1)) || !inner(found.end());
    begins && ends
}

/// Whether a shell's name is not part of a file's (`install.sh`, `.bash_history`, `bash-completion`).
fn stands_as_a_name(word: &[u8], found: &Match) -> bool {
    let part = |at: usize| {
        word.get(at)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    let begins = found.start().checked_sub(1).is_none_or(|before| !part(before));
    begins && !part(found.end()) && word.get(found.end()) != Some(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(word: &str, sign: Sign) -> f32 {
        let mut signs = Signs::default();
        signs.read(word, false);
        signs.tally().of(sign)
    }

    #[test]
    fn the_lexicon_compiles_and_every_entry_is_found_in_itself() {
        assert!(FINDER.is_some());
        for (sign, marks) in ENTRIES {
            for mark in *marks {
                assert!(count(mark, *sign) >= 1.0, "{mark}");
            }
        }
    }

    #[test]
    fn a_mark_is_found_as_a_word_and_whatever_its_case() {
        assert!(count("print(os.SYSTEM('id'))", Sign::Call) > 0.0);
        assert!(count("/etc/shadow", Sign::Credential) > 0.0);
        assert!(count("/backup/sample.txt", Sign::Credential) < 1.0);
        assert!(count("ecosystem (draft)", Sign::Call) < 1.0);
    }

    #[test]
    fn a_shell_is_named_by_its_path_and_not_by_a_files_ending() {
        assert!(count("exec=/bin/sh", Sign::Shell) > 0.0);
        for file in ["install.sh", "~/.bash_history", "bash-completion", "/etc/bash/rc"] {
            assert!(count(file, Sign::Shell) < 1.0, "{file}");
        }
        let mut signs = Signs::default();
        signs.read("bash", true);
        assert!(!signs.tally().has(Sign::Shell), "a program is no mention");
    }

    #[test]
    fn repetition_counts_once() {
        let mut signs = Signs::default();
        for _ in 0..9 {
            signs.read("password", false);
        }
        assert!((signs.tally().of(Sign::Secret) - 1.0).abs() < f32::EPSILON);
    }
}
