//! Signals by the names that SSH has for them.

use russh::Sig;
use rustix::process::Signal;

/// The signals that RFC 4254 section 6.10 names.
const SIGNALS: [(Sig, Signal); 12] = [
    (Sig::ABRT, Signal::ABORT),
    (Sig::ALRM, Signal::ALARM),
    (Sig::FPE, Signal::FPE),
    (Sig::HUP, Signal::HUP),
    (Sig::ILL, Signal::ILL),
    (Sig::INT, Signal::INT),
    (Sig::KILL, Signal::KILL),
    (Sig::PIPE, Signal::PIPE),
    (Sig::QUIT, Signal::QUIT),
    (Sig::SEGV, Signal::SEGV),
    (Sig::TERM, Signal::TERM),
    (Sig::USR1, Signal::USR1),
];

/// The signal that a name of SSH stands for; `None` where it names none of these.
pub(super) fn signal_of(name: &Sig) -> Option<Signal> {
    let same = |known: &Sig| std::mem::discriminant(known) == std::mem::discriminant(name);
    SIGNALS.iter().find(|(known, _)| same(known)).map(|(_, signal)| *signal)
}

/// The name of a signal by its number.
pub(super) fn name_of(number: i32) -> Sig {
    let known = SIGNALS.iter().find(|(_, signal)| signal.as_raw() == number);
    known.map_or_else(|| Sig::Custom(format!("{number}@opspilot")), |(name, _)| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_same_name_both_ways() {
        for (name, signal) in &SIGNALS {
            assert_eq!(signal_of(name), Some(*signal));
            assert_eq!(format!("{:?}", name_of(signal.as_raw())), format!("{name:?}"));
        }
        assert_eq!(signal_of(&Sig::Custom("USR2".to_owned())), None);
    }
}
