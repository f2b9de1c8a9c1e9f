//! Intensities of a grid as others publish them: JSON or CSV. Pure.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Intensity, Step};

/// More than a year of five-minute steps.
const STEPS_MAX: usize = 200_000;

/// Why an input is not taken.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It is neither.
    #[error("neither JSON nor CSV of intensities")]
    Json(#[source] serde_json::Error),
    /// It is no CSV with the columns.
    #[error("no CSV with the columns from, to, grams_per_kilowatt_hour")]
    Csv(#[source] csv::Error),
    /// Times overlap or end before they begin, or an intensity is negative.
    #[error("steps must be in order, not overlap, and not be negative")]
    Order,
    /// It is too long.
    #[error("more than {STEPS_MAX} steps")]
    Long,
}

/// A line of CSV, or an object of the JSON list.
#[derive(Deserialize)]
struct Row {
    from: Timestamp,
    to: Timestamp,
    #[serde(alias = "gramsPerKilowattHour")]
    grams_per_kilowatt_hour: f64,
}

/// Reads a list of objects (JSON) or lines (CSV with a head) of `from`, `to` (RFC 3339) and `grams_per_kilowatt_hour`.
///
/// # Errors
/// When it has another form, or the steps are not in order.
pub fn parse(text: &str) -> Result<Intensity, InputError> {
    let rows: Vec<Row> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(InputError::Json)?
    } else {
        let rows =
            csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
        rows.into_deserialize().collect::<Result<_, _>>().map_err(InputError::Csv)?
    };
    if rows.len() > STEPS_MAX {
        return Err(InputError::Long);
    }
    let step = |row: Row| Step {
        from_microseconds: row.from.as_microsecond(),
        to_microseconds: row.to.as_microsecond(),
        grams_per_kilowatt_hour: row.grams_per_kilowatt_hour,
    };
    Intensity::new(rows.into_iter().map(step).collect()).ok_or(InputError::Order)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "# grid operator X\nfrom,to,grams_per_kilowatt_hour\n\
        2026-11-24T10:00:00Z,2026-11-24T11:00:00Z,120.5\n2026-11-24T11:00:00Z, 2026-11-24T12:00:00+00:00, 80\n";

    #[test]
    fn both_forms_say_the_same() {
        let json = r#"[{"from": "2026-11-24T10:00:00Z", "to": "2026-11-24T11:00:00Z", "gramsPerKilowattHour": 120.5},
            {"from": "2026-11-24T12:00:00+01:00", "to": "2026-11-24T12:00:00Z", "grams_per_kilowatt_hour": 80}]"#;
        let csv = parse(CSV).unwrap();
        assert_eq!(csv, parse(json).unwrap());
        let noon: Timestamp = "2026-11-24T11:30:00Z".parse().unwrap();
        assert_eq!(csv.at(noon.as_microsecond()), Some(80.0));
    }

    #[test]
    fn faults_are_told_apart() {
        assert!(matches!(parse("[{}]"), Err(InputError::Json(_))));
        assert!(matches!(parse("a,b\n1,2\n"), Err(InputError::Csv(_))));
        let twice = format!("{CSV}2026-11-24T11:30:00Z,2026-11-24T13:00:00Z,80\n");
        assert!(matches!(parse(&twice), Err(InputError::Order)));
        assert!(parse("from,to,grams_per_kilowatt_hour\n").unwrap().known_until().is_none());
    }
}
