//! The settings of a Linux terminal, as `stty -g` prints them.

/// Flags of `c_iflag`, by `<asm-generic/termbits.h>`.
pub(super) mod input {
    pub(in crate::terminal) const ISTRIP: u32 = 0o40;
    pub(in crate::terminal) const PARMRK: u32 = 0o10;
    pub(in crate::terminal) const INLCR: u32 = 0o100;
    pub(in crate::terminal) const IGNCR: u32 = 0o200;
    pub(in crate::terminal) const ICRNL: u32 = 0o400;
    pub(in crate::terminal) const IUCLC: u32 = 0o1000;
    pub(in crate::terminal) const IXON: u32 = 0o2000;
    pub(in crate::terminal) const IUTF8: u32 = 0o40000;
}

/// Flags of `c_lflag`, from the same place.
pub(super) mod local {
    pub(in crate::terminal) const ISIG: u32 = 0o1;
    pub(in crate::terminal) const ICANON: u32 = 0o2;
    pub(in crate::terminal) const ECHO: u32 = 0o10;
    pub(in crate::terminal) const ECHOE: u32 = 0o20;
    pub(in crate::terminal) const ECHOK: u32 = 0o40;
    pub(in crate::terminal) const NOFLSH: u32 = 0o200;
    pub(in crate::terminal) const ECHOKE: u32 = 0o4000;
    pub(in crate::terminal) const IEXTEN: u32 = 0o100_000;
    pub(in crate::terminal) const EXTPROC: u32 = 0o200_000;
}

/// Places in `c_cc`, from the same place.
pub(super) mod control {
    pub(in crate::terminal) const INTR: usize = 0;
    pub(in crate::terminal) const QUIT: usize = 1;
    pub(in crate::terminal) const ERASE: usize = 2;
    pub(in crate::terminal) const KILL: usize = 3;
    pub(in crate::terminal) const EOF: usize = 4;
    pub(in crate::terminal) const START: usize = 8;
    pub(in crate::terminal) const STOP: usize = 9;
    pub(in crate::terminal) const SUSP: usize = 10;
    pub(in crate::terminal) const EOL: usize = 11;
    pub(in crate::terminal) const REPRINT: usize = 12;
    pub(in crate::terminal) const WERASE: usize = 14;
    pub(in crate::terminal) const LNEXT: usize = 15;
    pub(in crate::terminal) const EOL2: usize = 16;
}

/// Control characters that the settings name, the last of them `EOL2`.
const CONTROLS: usize = 17;

/// What a terminal does with its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    input: u32,
    local: u32,
    controls: [u8; CONTROLS],
}

impl Settings {
    /// Reads what `stty -g` printed: numbers in hexadecimal, the four words of flags and then the control characters. `None`
    /// where it is written differently.
    pub(super) fn parse(printed: &[u8]) -> Option<Self> {
        let mut numbers = std::str::from_utf8(printed)
            .ok()?
            .trim()
            .split(':')
            .map(|number| u32::from_str_radix(number, 16).ok());
        let (input, _output, _control, local) =
            (numbers.next()??, numbers.next()??, numbers.next()??, numbers.next()??);
        let mut controls = [0; CONTROLS];
        for control in &mut controls {
            *control = u8::try_from(numbers.next()??).ok()?;
        }
        Some(Self { input, local, controls })
    }

    /// Whether [`super::cooked`] knows what such a terminal makes of keys.
    pub(super) fn can_be_foreseen(&self) -> bool {
        self.has_local(local::ICANON)
            && !self.has_local(local::EXTPROC)
            && ![input::ISTRIP, input::IUCLC, input::PARMRK]
                .iter()
                .any(|flag| self.has_input(*flag))
    }

    pub(super) const fn has_input(&self, flag: u32) -> bool {
        self.input & flag != 0
    }

    pub(super) const fn has_local(&self, flag: u32) -> bool {
        self.local & flag != 0
    }

    /// Whether `byte` is this control character. 0 stands for none.
    pub(super) fn is(&self, control: usize, byte: u8) -> bool {
        byte != 0 && self.controls.get(control) == Some(&byte)
    }

    /// The key that interrupts, if there is one.
    pub(super) fn interrupt(&self) -> Option<u8> {
        let key = self.controls.get(control::INTR).copied().filter(|key| *key != 0);
        key.filter(|_| self.has_local(local::ISIG))
    }

    /// The key that erases the whole line, if there is one.
    pub(super) fn kill(&self) -> Option<u8> {
        self.controls.get(control::KILL).copied().filter(|key| *key != 0)
    }

    /// Whether `byte` quits or suspends.
    pub(super) fn stops(&self, byte: u8) -> bool {
        self.has_local(local::ISIG) && (self.is(control::QUIT, byte) || self.is(control::SUSP, byte))
    }

    pub(super) fn erases(&self, byte: u8) -> bool {
        self.is(control::ERASE, byte) || self.is(control::KILL, byte) || self.extended(control::WERASE, byte)
    }

    pub(super) fn quotes(&self, byte: u8) -> bool {
        self.extended(control::LNEXT, byte)
    }

    pub(super) fn reprints(&self, byte: u8) -> bool {
        self.has_local(local::ECHO) && self.extended(control::REPRINT, byte)
    }

    /// Whether `byte` ends a line as a character of it.
    pub(super) fn ends_line(&self, byte: u8) -> bool {
        self.is(control::EOL, byte) || self.extended(control::EOL2, byte)
    }

    fn extended(&self, control: usize, byte: u8) -> bool {
        self.has_local(local::IEXTEN) && self.is(control, byte)
    }
}
