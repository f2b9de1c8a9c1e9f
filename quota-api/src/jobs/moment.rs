//! Times and amounts as pages show them. Pure.

use jiff::{Timestamp, Unit};

/// A time for `<time>`: for programs and for people, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// RFC 3339, whole seconds.
    pub iso: String,
    /// Date and time.
    pub shown: String,
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        let whole = at.round(Unit::Second).unwrap_or(at);
        Self { iso: whole.to_string(), shown: whole.strftime("%Y-%m-%d %H:%M:%S UTC").to_string() }
    }
}

/// GPU-hours with two digits.
#[must_use]
pub fn gpu_hours(gpu_seconds: u64) -> String {
    let hundredths = u128::from(gpu_seconds) * 100 / 3_600;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Charge units with three digits.
#[must_use]
pub fn charge_units(thousandths: u64) -> String {
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_to_the_second_and_amounts_are_cut_not_rounded_up() {
        let moment = Moment::from("2027-01-02T03:04:05.4Z".parse::<Timestamp>().unwrap());
        assert_eq!(
            (moment.iso.as_str(), moment.shown.as_str()),
            ("2027-01-02T03:04:05Z", "2027-01-02 03:04:05 UTC")
        );
        assert_eq!(
            (gpu_hours(3_599), gpu_hours(9_000), charge_units(12_345)),
            ("0.99".into(), "2.50".into(), "12.345".into())
        );
    }
}
