//! Lists of numbers as JSON, without a digit that says nothing.

use serde::{Serialize, Serializer};

/// The largest whole number below which every other is an `f32` too.
const WHOLE: f32 = 16_777_216.0;

/// The numbers as a JSON array that reads back as exactly these.
///
/// # Errors
/// None for finite numbers.
pub(super) fn json(numbers: &[f32]) -> Result<String, serde_json::Error> {
    serde_json::to_string(&List(numbers))
}

/// For `serialize_with`.
pub(super) fn serialize<S: Serializer>(numbers: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    List(numbers).serialize(serializer)
}

struct List<'a>(&'a [f32]);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().copied().map(Number))
    }
}

struct Number(f32);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(number) = *self;
        let is_negative_nought = number == 0.0 && number.is_sign_negative();
        if number.fract() == 0.0 && number.abs() < WHOLE && !is_negative_nought {
            #[expect(clippy::cast_possible_truncation, reason = "whole, and within bounds")]
            serializer.serialize_i32(number as i32)
        } else {
            serializer.serialize_f32(number)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_whole_number_has_no_fraction() {
        assert_eq!(
            json(&[0.0, -1.0, 35.0, 0.2, 3.797_020_4]).unwrap(),
            "[0,-1,35,0.2,3.7970204]"
        );
    }

    proptest! {
        #[test]
        fn every_finite_number_reads_back_bit_by_bit(number in prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO) {
            for number in [number, number.round()] {
                let read: Vec<f32> = serde_json::from_str(&json(&[number]).unwrap()).unwrap();
                prop_assert_eq!(read.iter().map(|read| read.to_bits()).collect::<Vec<_>>(), [number.to_bits()]);
            }
        }
    }
}
