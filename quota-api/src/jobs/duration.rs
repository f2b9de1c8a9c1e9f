//! Lengths of time as people write them: `90m`, `1h 30m`, `2d`. Pure.

/// Seconds of each unit, the longest first.
const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Seconds of a text such as `1d 12h`; `None` when it is none. A number without a unit is refused: nobody can know whether
/// hours or seconds were meant.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let (mut total, mut number, mut last) = (0_i64, String::new(), i64::MAX);
    for letter in text.trim().chars().filter(|c| !c.is_whitespace()) {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let (_, seconds) = UNITS.iter().find(|(unit, _)| *unit == letter.to_ascii_lowercase())?;
        // Each unit once, the longer first; else it was mistyped.
        if *seconds >= last {
            return None;
        }
        last = *seconds;
        let count: i64 = number.parse().ok()?;
        total = total.checked_add(count.checked_mul(*seconds)?)?;
        number.clear();
    }
    (number.is_empty() && last != i64::MAX).then_some(total)
}

/// The text that [`parse`] reads as so many seconds.
#[must_use]
pub fn show(seconds: i64) -> String {
    let mut rest = seconds.max(0);
    let mut parts = Vec::new();
    for (unit, length) in UNITS {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        for seconds in [0, 1, 59, 60, 3_600, 5_400, 86_400, 90_061, 2_592_000] {
            assert_eq!(parse(&show(seconds)), Some(seconds), "{}", show(seconds));
        }
        assert_eq!((show(5_400), show(90_061)), ("1h 30m".to_owned(), "1d 1h 1m 1s".to_owned()));
    }

    #[test]
    fn units_are_needed_and_each_stands_once() {
        assert_eq!(
            (parse("1h30m"), parse(" 2D 3h "), parse("90m")),
            (Some(5_400), Some(183_600), Some(5_400))
        );
        for odd in
            ["", " ", "12", "h", "1h 2h", "1m 1h", "-1h", "1.5h", "1y", "99999999999999999999d", "1h 30"]
        {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
    }
}
