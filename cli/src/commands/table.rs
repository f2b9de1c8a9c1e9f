//! Numbers of a record in columns.

use std::fmt::Write;

pub use concord_audit::span::grouped as count;

/// GPU-milliseconds of a hundredth of a GPU-hour.
const HUNDREDTH_OF_HOUR: u64 = 36_000;
/// Millijoules of a thousandth of a kilowatt-hour.
const THOUSANDTH_OF_KILOWATT_HOUR: u64 = 3_600_000;

/// Rows under titles; the first column is text, the others are numbers.
pub struct Table {
    rows: Vec<Vec<String>>,
    left: usize,
}

impl Table {
    /// With these titles.
    pub fn of(titles: &[&str]) -> Self {
        Self { rows: vec![titles.iter().map(|title| (*title).to_owned()).collect()], left: 1 }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// So many columns from the left are text.
    pub const fn left(mut self, columns: usize) -> Self {
        self.left = columns;
        self
    }

    /// Indented by two.
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let width = *width;
                let cell: String =
                    cell.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
                let _ = if column < self.left {
                    write!(line, "  {cell:<width$}")
                } else {
                    write!(line, "  {cell:>width$}")
                };
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

/// A text of a record in a terminal, which must not obey it.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// GPU-milliseconds as GPU-hours, to a hundredth.
pub fn hours(gpu_millis: u64) -> String {
    decimal(gpu_millis, HUNDREDTH_OF_HOUR, 2)
}

/// The same of an amount that may be below zero.
pub fn signed_hours(gpu_millis: i64) -> String {
    let sign = match gpu_millis {
        ..0 => "-",
        0 => "",
        _ => "+",
    };
    format!("{sign}{}", hours(gpu_millis.unsigned_abs()))
}

/// Millijoules as kilowatt-hours, to a thousandth.
pub fn kilowatt_hours(millijoules: u64) -> String {
    decimal(millijoules, THOUSANDTH_OF_KILOWATT_HOUR, 3)
}

/// `amount` in a unit of which `part` is the last digit; half a digit is rounded up.
fn decimal(amount: u64, part: u64, digits: u32) -> String {
    let parts = amount / part + u64::from(amount % part * 2 >= part);
    let one = 10_u64.pow(digits);
    let width = digits as usize;
    format!("{}.{:0width$}", count(parts / one), parts % one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 17_999, 18_000, 3_600_000, u64::MAX].map(hours),
            ["0.00", "0.00", "0.01", "1.00", "5,124,095,576,030.43"]
        );
        assert_eq!([-3_600_000, 0, 36_000].map(signed_hours), ["-1.00", "0.00", "+0.01"]);
        assert_eq!(kilowatt_hours(3_600_000_000), "1.000");
    }
}
