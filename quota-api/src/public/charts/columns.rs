//! Columns over time, the parts of each on top of one another, and a line for the capacity: its denominator. Periods
//! without a sample are gaps, and no zeros. Pure.

use std::fmt::Write;

use askama::Template;
use jiff::Timestamp;

use super::{Key, ticks};
use crate::history::{Span, Window};
use crate::public::show;

/// One period.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    /// Parts, in the order of the keys; `None` for a period without a sample.
    pub parts: Option<Vec<f64>>,
    /// Level of the line.
    pub level: Option<f64>,
}

/// A chart.
#[derive(Template)]
#[template(path = "public/columns.html")]
pub struct Columns {
    /// Distinguishes the charts of a page.
    pub id: &'static str,
    /// What it shows.
    pub title: String,
    /// What stands out in it, in a sentence.
    pub description: String,
    /// What the line is.
    pub level: Option<String>,
    /// Word for periods without a sample; `None` when there is no such period.
    pub gap: Option<String>,
    /// Series.
    pub keys: Vec<Key>,
    drawings: [Drawing; 2],
}

struct Drawing {
    size: &'static str,
    width: f64,
    height: f64,
    left: f64,
    bottom: f64,
    right: f64,
    parts: Vec<(usize, String)>,
    gaps: String,
    level: String,
    y_ticks: Vec<(String, String)>,
    x_ticks: Vec<(String, String, &'static str)>,
}

struct Layout {
    size: &'static str,
    width: f64,
    height: f64,
    /// Every so many marks of the time axis are written.
    every: usize,
}

const WIDE: Layout = Layout { size: "only-wide", width: 960.0, height: 320.0, every: 1 };
const NARROW: Layout = Layout { size: "only-narrow", width: 340.0, height: 260.0, every: 3 };
const LEFT: f64 = 56.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 30.0;

/// The figures that a chart is drawn from.
pub struct Figures<'a> {
    /// Time.
    pub window: Window,
    /// Series.
    pub keys: Vec<Key>,
    /// One for each period of the window.
    pub columns: &'a [Column],
}

impl Columns {
    /// Lays the chart out.
    #[must_use]
    pub fn of(
        id: &'static str,
        [title, description]: [String; 2],
        [level, gap]: [Option<String>; 2],
        figures: Figures<'_>,
    ) -> Self {
        let Figures { window, keys, columns } = figures;
        let drawings = [WIDE, NARROW].map(|layout| layout.draw(window, &keys, columns));
        let gap = gap.filter(|_| columns.iter().any(|column| column.parts.is_none()));
        let level = level.filter(|_| columns.iter().any(|column| column.level.is_some()));
        Self { id, title, description, level, gap, keys, drawings }
    }
}

impl Layout {
    fn draw(&self, window: Window, keys: &[Key], columns: &[Column]) -> Drawing {
        let total = |column: &Column| column.parts.iter().flatten().sum::<f64>();
        let most = columns.iter().map(|c| total(c).max(c.level.unwrap_or(0.0))).fold(0.0, f64::max);
        let (marks, end) = ticks(most);
        let (right, bottom) = (self.width - 4.0, self.height - BOTTOM);
        let y = |value: f64| bottom - value / end * (bottom - TOP);
        #[allow(clippy::cast_precision_loss, reason = "at most 366 columns")]
        let width = (right - LEFT) / columns.len().max(1) as f64;
        #[allow(clippy::cast_precision_loss, reason = "at most 366 columns")]
        let x = |place: usize| LEFT + width * place as f64;
        let mut parts = vec![String::new(); keys.len()];
        let (mut gaps, mut level) = (String::new(), String::new());
        for (place, column) in columns.iter().enumerate() {
            let left = x(place);
            let Some(values) = &column.parts else {
                let _ = write!(gaps, "M{left:.1},{TOP}h{width:.2}V{bottom}h-{width:.2}z");
                continue;
            };
            let mut base = 0.0;
            for (path, value) in parts.iter_mut().zip(values) {
                if *value > 0.0 {
                    let (from, to) = (y(base), y(base + value));
                    let _ = write!(path, "M{left:.1},{from:.1}h{width:.2}V{to:.1}h-{width:.2}z");
                    base += value;
                }
            }
        }
        let mut drawn = false;
        for (place, column) in columns.iter().enumerate() {
            match column.level {
                Some(value) => {
                    let (left, height) = (x(place), y(value));
                    let _ = if drawn {
                        write!(level, "V{height:.1}h{width:.2}")
                    } else {
                        write!(level, "M{left:.1},{height:.1}h{width:.2}")
                    };
                    drawn = true;
                }
                None => drawn = false,
            }
        }
        Drawing {
            size: self.size,
            width: self.width,
            height: self.height,
            left: LEFT,
            bottom,
            right,
            parts: keys
                .iter()
                .map(|key| key.pattern)
                .zip(parts)
                .filter(|(_, path)| !path.is_empty())
                .collect(),
            gaps,
            level,
            y_ticks: marks.iter().map(|mark| (format!("{:.1}", y(*mark)), show::number(*mark))).collect(),
            x_ticks: self.x_ticks(window, x),
        }
    }

    fn x_ticks(&self, window: Window, x: impl Fn(usize) -> f64) -> Vec<(String, String, &'static str)> {
        let marked = window
            .starts()
            .enumerate()
            .filter_map(|(place, start)| Some((place, label(window.span, start)?)));
        let middle = |(place, label): (usize, String)| {
            let at = x(place);
            let anchor = if at > self.width - 40.0 { "end" } else { "middle" };
            (format!("{at:.1}"), label, anchor)
        };
        marked.step_by(self.every).map(middle).collect()
    }
}

/// What is written below a period, if anything.
fn label(span: Span, start: Timestamp) -> Option<String> {
    let seconds = start.as_second().rem_euclid(86_400);
    let minute_of_day = seconds / 60;
    let day = || start.strftime("%m-%d").to_string();
    match span {
        Span::Hour => (minute_of_day % 10 == 0).then(|| start.strftime("%H:%M").to_string()),
        Span::Day => (minute_of_day % 180 == 0).then(|| start.strftime("%H:%M").to_string()),
        Span::Week => (minute_of_day == 0).then(day),
        Span::Month => ((start.as_second() / 86_400) % 4 == 0).then(day),
        Span::Year => (start.strftime("%d").to_string() == "01").then(|| start.strftime("%Y-%m").to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(columns: &[Column]) -> Drawing {
        let now: Timestamp = "2026-03-04T05:44:59Z".parse().unwrap();
        let keys = [Key { pattern: 1, name: "a".to_owned() }, Key { pattern: 2, name: "b".to_owned() }];
        WIDE.draw(Window::of(Span::Hour, None, now), &keys, columns)
    }

    #[test]
    fn parts_stand_on_one_another_and_a_period_without_a_sample_is_a_gap() {
        let columns = [
            Column { parts: Some(vec![2.0, 2.0]), level: Some(8.0) },
            Column { parts: None, level: None },
            Column { parts: Some(vec![0.0, 8.0]), level: Some(8.0) },
        ];
        let drawing = drawing(&columns);
        assert_eq!(drawing.parts[0].1, "M56.0,290.0h300.00V220.0h-300.00z");
        assert_eq!(drawing.parts[1].1, "M56.0,220.0h300.00V150.0h-300.00zM656.0,290.0h300.00V10.0h-300.00z");
        assert_eq!(drawing.gaps, "M356.0,10h300.00V290h-300.00z");
        assert_eq!(drawing.level, "M56.0,10.0h300.00M656.0,10.0h300.00");
    }

    #[test]
    fn nothing_at_all_is_drawn_without_nan() {
        let text = format!("{:?}", drawing(&[]).y_ticks);
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}
