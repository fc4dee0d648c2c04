//! One-time codes by time (RFC 6238), as authenticators make them: SHA-1, steps of 30 s, six digits.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha1::Sha1;

use super::penalties::{Leniency, Penalties};
use crate::config::TotpSecret;
use crate::domain::Name;

/// Length of a step in seconds.
const STEP: i64 = 30;
/// Steps by which the clocks may differ, in either direction.
const SKEW: i64 = 1;
/// Codes are numbers below this.
const MODULUS: u32 = 1_000_000;
/// Wrong codes for one user, from wherever: who may enter them has another method already, and a million is soon tried.
const LENIENT: Leniency = Leniency {
    failures: 10,
    window: Duration::from_mins(15),
    longest: Duration::from_mins(15),
};

/// The codes that were taken, so that none is taken twice, and the wrong ones.
#[derive(Debug, Default)]
pub(super) struct Codes {
    /// The last step whose code was taken, by user; neither it nor one before is taken again.
    taken: HashMap<Name, i64>,
    wrong: Penalties<Name>,
}

impl Codes {
    /// Takes a code if it is one of the user's at this time and was not used before.
    pub(super) fn take(&mut self, user: &Name, secret: &TotpSecret, code: &str, time: Timestamp, now: Instant) -> bool {
        if self.wrong.refuses(user, now) {
            return false;
        }
        let last = self.taken.get(user).copied().unwrap_or(i64::MIN);
        let step = matching_step(secret.bytes(), code, time).filter(|step| *step > last);
        match step {
            Some(step) => drop(self.taken.insert(user.clone(), step)),
            None => {
                if let Some(penalty) = self.wrong.failed(user.clone(), LENIENT, now) {
                    tracing::warn!(%user, seconds = penalty.as_secs(), "too many wrong codes; none is taken for a while");
                }
            }
        }
        step.is_some()
    }
}

/// The latest step around a time whose code this is.
fn matching_step(secret: &[u8], code: &str, time: Timestamp) -> Option<i64> {
    let digits: String = code.chars().filter(|c| *c != ' ').collect();
    let well_formed = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let code: u32 = digits.parse().ok().filter(|_| well_formed)?;
    let step = time.as_second().div_euclid(STEP);
    let mut steps = step - SKEW..=step + SKEW;
    steps.rfind(|step| self::code(secret, *step) == Some(code))
}

/// The code of a step (RFC 4226, section 5.3).
fn code(secret: &[u8], step: i64) -> Option<u32> {
    let counter = u64::try_from(step).ok()?;
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).ok()?;
    mac.update(&counter.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest.last()? & 0x0f);
    let word: [u8; 4] = digest.get(offset..offset + 4)?.try_into().ok()?;
    Some((u32::from_be_bytes(word) & 0x7fff_ffff) % MODULUS)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::user;
    use super::*;

    /// The secret of the RFC's examples, which is also that of the users in these tests.
    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn secret() -> TotpSecret {
        let secret = user("alice", &[]).totp_secret.unwrap();
        assert_eq!(secret.bytes(), SECRET);
        secret
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B; its eight digits end in our six.
        for (seconds, expected) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(code(SECRET, seconds / STEP), Some(expected % MODULUS), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_taken_within_a_step_of_its_time() {
        let code = "287082"; // of 30 to 59 s
        for (seconds, step) in [
            (0, Some(1)),
            (30, Some(1)),
            (59, Some(1)),
            (89, Some(1)),
            (90, None),
            (-1, None),
        ] {
            assert_eq!(matching_step(SECRET, code, at(seconds)), step, "{seconds}");
        }
        assert_eq!(
            matching_step(SECRET, "287 082", at(59)),
            Some(1),
            "as authenticators group them"
        );
        for wrong in ["", "28708", "0287082", "287083", "+87082", "28708x", "２87082"] {
            assert_eq!(matching_step(SECRET, wrong, at(59)), None, "{wrong}");
        }
    }

    #[test]
    fn a_code_is_taken_once_by_each_user() {
        let (alice, bob) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let (mut codes, secret, now) = (Codes::default(), secret(), Instant::now());
        assert!(codes.take(&alice, &secret, "287082", at(59), now));
        assert!(!codes.take(&alice, &secret, "287082", at(59), now), "replayed");
        assert!(
            !codes.take(&alice, &secret, "287082", at(80), now),
            "replayed a step later"
        );
        assert!(codes.take(&bob, &secret, "287082", at(59), now), "bob's own");
    }

    #[test]
    fn a_code_before_the_last_one_taken_is_not_taken_any_more() {
        let alice = "alice".parse().unwrap();
        let (mut codes, secret, now) = (Codes::default(), secret(), Instant::now());
        let later = format!("{:06}", code(SECRET, 2).unwrap());
        assert!(codes.take(&alice, &secret, &later, at(59), now));
        assert!(!codes.take(&alice, &secret, "287082", at(59), now));
    }

    #[test]
    fn after_many_wrong_codes_the_right_one_is_not_taken_for_a_while() {
        let alice = "alice".parse().unwrap();
        let (mut codes, secret, now) = (Codes::default(), secret(), Instant::now());
        for _ in 0..LENIENT.failures {
            assert!(!codes.take(&alice, &secret, "000000", at(59), now));
        }
        assert!(!codes.take(&alice, &secret, "287082", at(59), now));
        let later = now + LENIENT.longest;
        assert!(codes.take(&alice, &secret, "287082", at(59), later));
    }
}
