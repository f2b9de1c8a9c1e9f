//! Lying bars: what members or groups use at one moment. Guaranteed use is solid, borrowed use hatched, a guarantee or a
//! capacity is an outline and a ceiling a mark. Pure.

use askama::Template;

use super::{short, ticks};
use crate::public::show;

/// What one row shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Name for people.
    pub name: String,
    /// Solid part.
    pub solid: i64,
    /// Hatched part after it.
    pub hatched: i64,
    /// Outline.
    pub outline: Option<i64>,
    /// Mark.
    pub mark: Option<i64>,
}

/// A chart.
#[derive(Template)]
#[template(path = "public/bars.html")]
pub struct Bars {
    /// Distinguishes the charts of a page.
    pub id: &'static str,
    /// What it shows.
    pub title: String,
    /// What stands out in it, in a sentence.
    pub description: String,
    drawings: [Drawing; 2],
}

struct Drawing {
    size: &'static str,
    width: i64,
    height: i64,
    bottom: i64,
    bars: Vec<Bar>,
    ticks: Vec<(String, String)>,
}

/// One row's geometry, in SVG units.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bar {
    label: String,
    label_x: i64,
    label_y: i64,
    y: i64,
    x: i64,
    solid_width: i64,
    hatched_x: i64,
    hatched_width: i64,
    outline_width: i64,
    mark_x: Option<i64>,
}

struct Layout {
    size: &'static str,
    width: i64,
    bars_x: i64,
    row_height: i64,
    label_chars: usize,
    labels_above: bool,
}

const WIDE: Layout = Layout {
    size: "only-wide",
    width: 960,
    bars_x: 250,
    row_height: 34,
    label_chars: 32,
    labels_above: false,
};
const NARROW: Layout = Layout {
    size: "only-narrow",
    width: 340,
    bars_x: 2,
    row_height: 50,
    label_chars: 40,
    labels_above: true,
};
/// Room for the numbers below the bars.
const AXIS_HEIGHT: i64 = 26;

impl Bars {
    /// Lays the chart out.
    #[must_use]
    pub fn of(id: &'static str, title: String, description: String, rows: &[Row]) -> Self {
        Self { id, title, description, drawings: [WIDE.draw(rows), NARROW.draw(rows)] }
    }
}

impl Layout {
    fn draw(&self, rows: &[Row]) -> Drawing {
        let longest = |row: &Row| {
            let rights = row.outline.max(row.mark).unwrap_or(0);
            row.solid.saturating_add(row.hatched).max(rights)
        };
        // A picture has a thousand units; more digits than a double has are of no use.
        #[allow(clippy::cast_precision_loss)]
        let (marks, end) = ticks(rows.iter().map(longest).max().unwrap_or(0) as f64);
        #[allow(clippy::cast_possible_truncation)]
        let scale = (end as i64).max(1);
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let bottom = count.saturating_mul(self.row_height).saturating_add(4);
        let room = self.room();
        let tick = |mark: &f64| {
            #[allow(clippy::cast_precision_loss)]
            let x = self.bars_x as f64 + mark / end * room as f64;
            (format!("{x:.1}"), show::number(*mark))
        };
        Drawing {
            size: self.size,
            width: self.width,
            height: bottom + AXIS_HEIGHT,
            bottom,
            bars: (0..).zip(rows).map(|(place, row)| self.bar(place, row, scale)).collect(),
            ticks: marks.iter().map(tick).collect(),
        }
    }

    /// Length of the longest bar; the last number of the axis needs some room beside it.
    const fn room(&self) -> i64 {
        self.width - self.bars_x - 24
    }

    fn bar(&self, place: i64, row: &Row, scale: i64) -> Bar {
        let room = self.room();
        // What exists is never drawn as nothing: at least one unit.
        let width = |gpus: i64| if gpus > 0 { (gpus.saturating_mul(room) / scale).clamp(1, room) } else { 0 };
        let solid_width = width(row.solid);
        let end = width(row.solid.saturating_add(row.hatched));
        let top = place * self.row_height;
        let y = if self.labels_above { top + 24 } else { top + 8 };
        Bar {
            label: short(&row.name, self.label_chars),
            label_x: if self.labels_above { self.bars_x } else { self.bars_x - 10 },
            label_y: if self.labels_above { top + 18 } else { top + 23 },
            y,
            x: self.bars_x,
            solid_width,
            hatched_x: self.bars_x + solid_width,
            hatched_width: if row.hatched > 0 { (end - solid_width).max(1) } else { 0 },
            outline_width: width(row.outline.unwrap_or(0)),
            mark_x: row.mark.map(|mark| self.bars_x + width(mark)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_share_one_scale_and_stay_inside() {
        let row = Row { solid: 4, hatched: 4, outline: Some(4), mark: Some(16), ..Row::default() };
        let bar = WIDE.bar(0, &row, 16);
        assert_eq!((bar.solid_width, bar.hatched_width, bar.outline_width), (171, 172, 171));
        assert_eq!(bar.mark_x, Some(WIDE.bars_x + WIDE.room()));
    }

    #[test]
    fn one_gpu_in_a_huge_pool_is_still_visible_and_none_is_not() {
        let bar = WIDE.bar(0, &Row { solid: 1, ..Row::default() }, 1_000_000);
        assert_eq!((bar.solid_width, bar.hatched_width, bar.mark_x), (1, 0, None));
    }

    #[test]
    fn absurd_numbers_are_drawn_inside() {
        let row = Row { solid: i64::MAX, hatched: i64::MAX, mark: Some(i64::MAX), ..Row::default() };
        let drawing = NARROW.draw(&[row]);
        assert!(drawing.bars[0].mark_x.is_some_and(|x| x <= NARROW.width));
    }
}
