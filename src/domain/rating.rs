//! How people rate what a command did.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a command turned out in the eyes of a person, from 1 (it did harm) to 5 (all was well).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Rating(u8);

/// What is no [`Rating`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no rating: give a number from 1 (it did harm) to 5 (all was well)", super::printable_line(.0))]
pub struct RatingError(String);

impl TryFrom<u8> for Rating {
    type Error = RatingError;

    fn try_from(number: u8) -> Result<Self, RatingError> {
        if (1..=5).contains(&number) {
            Ok(Self(number))
        } else {
            Err(RatingError(number.to_string()))
        }
    }
}

impl FromStr for Rating {
    type Err = RatingError;

    fn from_str(text: &str) -> Result<Self, RatingError> {
        let number: u8 = text.parse().map_err(|_| RatingError(text.to_owned()))?;
        number.try_into()
    }
}

impl From<Rating> for u8 {
    fn from(rating: Rating) -> Self {
        rating.0
    }
}

impl fmt::Display for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rating_is_a_number_from_1_to_5() {
        for number in 1..=5 {
            assert_eq!(number.to_string().parse::<Rating>().map(u8::from), Ok(number));
        }
        for bad in ["0", "6", "-1", "3.5", "", "256", "five", "1 2"] {
            assert!(bad.parse::<Rating>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn json_is_held_to_the_same() {
        assert_eq!(serde_json::from_str::<Rating>("4").map(u8::from).ok(), Some(4));
        for bad in ["0", "6", "-1", "3.5", "\"4\"", "null", "300"] {
            assert!(serde_json::from_str::<Rating>(bad).is_err(), "{bad}");
        }
    }
}
