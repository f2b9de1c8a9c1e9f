//! What a value without quotes is: the YAML of Kubernetes and that of 2009 do not agree, so only what all readers
//! take for the same is read.

/// What readers take a plain scalar for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// No value.
    Null,
    /// `true` or `false`.
    Switch(bool),
    /// A word that some readers take for `true` or `false`: `yes`, `no`, `on`, `off`, `y`, `n`.
    OldSwitch(bool),
    /// A whole decimal number.
    Whole(i64),
    /// A number, but not a whole one in plain decimal digits, or too large.
    OddNumber,
    /// A text.
    Text,
}

/// What that plain scalar is to readers of YAML.
pub fn classify(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "true" => return Plain::Switch(true),
        "false" => return Plain::Switch(false),
        _ => {}
    }
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => return Plain::OldSwitch(true),
        "false" | "no" | "off" | "n" => return Plain::OldSwitch(false),
        ".nan" | ".inf" | "+.inf" | "-.inf" => return Plain::OddNumber,
        _ => {}
    }
    if is_plain_decimal(text) {
        return text.parse().map_or(Plain::OddNumber, Plain::Whole);
    }
    if looks_like_a_number(text) { Plain::OddNumber } else { Plain::Text }
}

/// Digits without leading zero (Go reads 010 as 8), perhaps after a minus.
fn is_plain_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits == "0"
        || (digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() && !digits.starts_with('0'))
}

/// Anything that YAML 1.1 or 1.2 reads as a number: signs, hexadecimal, octal, binary, underscores, exponents.
fn looks_like_a_number(text: &str) -> bool {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let body_lower = body.to_ascii_lowercase();
    let prefixed = ["0x", "0o", "0b"].iter().any(|p| {
        body_lower
            .strip_prefix(p)
            .is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_'))
    });
    let starts = body.strip_prefix('.').unwrap_or(body).starts_with(|c: char| c.is_ascii_digit());
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '_' | '.');
    // 12:30 is 750 in YAML 1.1.
    let sexagesimal = body.contains(':') && body.chars().all(|c| numeric(c) || c == ':');
    let (mantissa, exponent) = body_lower.split_once('e').unwrap_or((&body_lower, ""));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let floating = mantissa.chars().all(numeric) && exponent.bytes().all(|b| b.is_ascii_digit());
    let one_dot = mantissa.matches('.').count() <= 1;
    prefixed || (starts && ((floating && one_dot) || sexagesimal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_decimals_are_whole_numbers() {
        for (text, number) in [("0", 0), ("8", 8), ("-5", -5), ("1000000", 1_000_000)] {
            assert_eq!(classify(text), Plain::Whole(number), "{text}");
        }
        let odd = [
            "010", "08", "+8", "0x10", "0o17", "0b11", "1_000", "1e3", "8.0", ".5", "12.5", "1e999",
            "-1.5E+3",
        ];
        for text in odd.into_iter().chain([
            ".nan",
            ".NaN",
            ".inf",
            "-.Inf",
            "9223372036854775808",
            "190:20:30",
            "-00",
        ]) {
            assert_eq!(classify(text), Plain::OddNumber, "{text}");
        }
    }

    #[test]
    fn words_and_dates_are_text() {
        for text in [
            "north",
            "2027-01-01",
            "2027-01-01T08:00",
            "1.2.3",
            "e3",
            "0xg",
            "-",
            "12 GPUs",
            "nan",
            "8a",
            ".",
        ] {
            assert_eq!(classify(text), Plain::Text, "{text}");
        }
        for text in ["no", "NO", "Yes", "on", "OFF", "y", "N", "True", "FALSE"] {
            assert!(matches!(classify(text), Plain::OldSwitch(_)), "{text}");
        }
    }
}
