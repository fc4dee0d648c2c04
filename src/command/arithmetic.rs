//! `$((...))`: whole numbers, as far as they can be computed.

use super::variables::Variables;

/// Longest expression that is computed, in bytes.
const MAX_LENGTH: usize = 256;
/// Deepest parentheses and signs.
const MAX_DEPTH: usize = 16;

/// Operators by how loosely they bind.
const LEVELS: [&[&str]; 4] = [&["|"], &["&"], &["+", "-"], &["*", "/", "%"]];

/// The value of an expression; `None` where it is not known or is none.
pub(super) fn evaluate(expression: &str, variables: &Variables) -> Option<i64> {
    if expression.len() > MAX_LENGTH {
        return None;
    }
    let mut reader = Expression {
        rest: expression,
        variables,
    };
    let value = reader.binary(0, 0)?;
    reader.rest.trim().is_empty().then_some(value)
}

struct Expression<'a> {
    rest: &'a str,
    variables: &'a Variables,
}

impl<'a> Expression<'a> {
    fn binary(&mut self, level: usize, depth: usize) -> Option<i64> {
        let Some(operators) = LEVELS.get(level) else {
            return self.operand(depth);
        };
        let mut value = self.binary(level + 1, depth)?;
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            let right = self.binary(level + 1, depth)?;
            value = match *operator {
                "|" => value | right,
                "&" => value & right,
                "+" => value.checked_add(right)?,
                "-" => value.checked_sub(right)?,
                "*" => value.checked_mul(right)?,
                "/" => value.checked_div(right)?,
                _ => value.checked_rem(right)?,
            };
        }
        Some(value)
    }

    fn operand(&mut self, depth: usize) -> Option<i64> {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.take("-") {
            return self.operand(depth + 1)?.checked_neg();
        }
        if self.take("+") {
            return self.operand(depth + 1);
        }
        if self.take("$((") {
            let value = self.binary(0, depth + 1)?;
            return self.take("))").then_some(value);
        }
        if self.take("(") {
            let value = self.binary(0, depth + 1)?;
            return self.take(")").then_some(value);
        }
        let braced = self.take("${");
        let dollar = braced || self.take("$");
        let text = self.word();
        if braced && !self.take("}") {
            return None;
        }
        if !dollar && text.starts_with(|first: char| first.is_ascii_digit()) {
            return number(text);
        }
        number(self.variables.scalar(text)?.trim())
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest.trim_start().strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// A number or a name.
    fn word(&mut self) -> &'a str {
        let start = self.rest.trim_start();
        let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '#');
        let end = start.find(|character| !is_part(character)).unwrap_or(start.len());
        let (word, rest) = start.split_at_checked(end).unwrap_or((start, ""));
        self.rest = rest;
        word
    }
}

/// Decimal, `0x` and `0` for octal, `base#digits`.
fn number(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok();
    }
    if let Some((base, digits)) = text.split_once('#') {
        let base: u32 = base.parse().ok().filter(|base| (2..=36).contains(base))?;
        return i64::from_str_radix(digits, base).ok();
    }
    match text.strip_prefix('0').filter(|digits| !digits.is_empty()) {
        Some(digits) => i64::from_str_radix(digits, 8).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_computed() {
        let mut variables = Variables::default();
        variables.set("x", Some(vec!["3".to_owned()]));
        for (expression, value) in [
            ("1+2*3", 7),
            ("(1+2)*3", 9),
            (" 10 - 4 - 3 ", 3),
            ("-x + 0x10", 13),
            ("$x*${x}%4", 1),
            ("010 + 2#11", 11),
            ("$((1-1))-1", -1),
        ] {
            assert_eq!(evaluate(expression, &variables), Some(value), "{expression}");
        }
        for unknown in ["", "y", "1/0", "1 2", "x++", "9223372036854775807+1", "a[0]"] {
            assert_eq!(evaluate(unknown, &variables), None, "{unknown}");
        }
    }
}
