//! The little of SVG that a chart needs: a panel with a title, two axes and a legend, and marks on it. Text is left to
//! the reader's own fonts.

use std::fmt::Write as _;

/// Width of a drawing in its own units, which are pixels unless the reader scales it.
pub const WIDTH: f64 = 800.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 56.0;
/// So many names of so many letters fit side by side.
const NAMES_WRITTEN_MAX: usize = 10;
const NAME_LENGTH_MAX: usize = 10;

/// Colours and dash patterns that stay apart for every kind of colour vision and in grey (Okabe and Ito).
pub const STYLES: [(&str, &str); 6] = [
    ("#0072b2", ""),
    ("#d55e00", "7 3"),
    ("#009e73", "2 3"),
    ("#cc79a7", "9 3 2 3"),
    ("#e69f00", "4 2"),
    ("#555555", "1 2"),
];

/// One axis: where a value stands between 0 and 1, and which values are written beside it.
pub struct Axis {
    /// What it shows, with its unit.
    pub title: String,
    /// Value and text.
    pub ticks: Vec<(f64, String)>,
    /// First and last value.
    pub range: (f64, f64),
    /// Equal steps are equal factors.
    pub logarithmic: bool,
}

/// One drawing area with its axes.
pub struct Panel {
    top: f64,
    height: f64,
    x: Axis,
    y: Axis,
    body: String,
}

impl Axis {
    /// From 0 to a round number at or above `largest`, in steps of a round number.
    pub fn linear(title: &str, largest: f64) -> Self {
        let rough = (largest / 5.0).max(1e-3);
        let power = 10_f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|f| f * power).find(|s| *s >= rough).unwrap_or(rough);
        let count = (largest / step).ceil().max(1.0) as u32;
        let digits = usize::from(step < 1.0) + usize::from(step < 0.1);
        let tick = |i: u32| (f64::from(i) * step, format!("{:.digits$}", f64::from(i) * step));
        let range = (0.0, f64::from(count) * step);
        Self { title: title.to_owned(), ticks: (0..=count).map(tick).collect(), range, logarithmic: false }
    }

    /// Lengths of time from a second to the first usual length at or above `longest_s`.
    pub fn durations(title: &str, longest_s: f64) -> Self {
        const USUAL: [(f64, &str); 9] = [
            (1.0, "1 s"),
            (10.0, "10 s"),
            (60.0, "1 min"),
            (600.0, "10 min"),
            (3600.0, "1 h"),
            (36_000.0, "10 h"),
            (345_600.0, "4 d"),
            (3_456_000.0, "40 d"),
            (31_557_600.0, "1 year"),
        ];
        let last = USUAL.iter().position(|(s, _)| *s >= longest_s).unwrap_or(USUAL.len() - 1).max(2);
        let ticks = USUAL[..=last].iter().map(|(s, text)| (*s, (*text).to_owned())).collect();
        Self { title: title.to_owned(), ticks, range: (1.0, USUAL[last].0), logarithmic: true }
    }

    /// Names side by side; the middle of the first is at 0.5. Of many names only some are written.
    pub fn names(title: &str, names: &[&str]) -> Self {
        let every = names.len().div_ceil(NAMES_WRITTEN_MAX).max(1);
        let short = |name: &str| name.chars().take(NAME_LENGTH_MAX).collect::<String>();
        let written = names.iter().enumerate().step_by(every);
        let ticks = written.map(|(i, name)| (i as f64 + 0.5, short(name))).collect();
        let range = (0.0, names.len().max(1) as f64);
        Self { title: title.to_owned(), ticks, range, logarithmic: false }
    }

    fn part(&self, value: f64) -> f64 {
        let scale = |v: f64| if self.logarithmic { v.max(self.range.0).ln() } else { v };
        let (first, last) = (scale(self.range.0), scale(self.range.1));
        ((scale(value) - first) / (last - first)).clamp(0.0, 1.0)
    }
}

impl Panel {
    /// An empty panel of that height whose upper edge is at `top`. The legend has each series that will be drawn.
    pub fn new(top: f64, height: f64, title: &str, legend: &[(usize, &str)], x: Axis, y: Axis) -> Self {
        let mut panel = Self { top, height, x, y, body: String::new() };
        panel.text(LEFT, top + 20.0, "start", "font-weight=\"bold\" font-size=\"15\"", title);
        panel.draw_legend(legend);
        panel.draw_axes();
        panel
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let inner = self.height - TOP - BOTTOM;
        (LEFT + self.x.part(x) * (WIDTH - LEFT - RIGHT), self.top + TOP + (1.0 - self.y.part(y)) * inner)
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, attributes: &str, text: &str) {
        let text = escaped(text);
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" {attributes}>{text}</text>"#
        );
    }

    fn draw_legend(&mut self, legend: &[(usize, &str)]) {
        let y = self.top + 42.0;
        let mut x = LEFT;
        for (series, name) in legend {
            let (colour, dashes) = STYLES[series % STYLES.len()];
            let (end, middle) = (x + 24.0, y - 4.0);
            let _ = writeln!(
                self.body,
                r#"<path d="M{x:.1} {middle:.1}H{end:.1}" stroke="{colour}" stroke-width="4" stroke-dasharray="{dashes}"/>"#
            );
            self.text(end + 6.0, y, "start", "", name);
            x = end + 26.0 + 7.0 * name.chars().count() as f64;
        }
    }

    fn draw_axes(&mut self) {
        let (left, bottom) = (LEFT, self.top + self.height - BOTTOM);
        let (right, upper) = (WIDTH - RIGHT, self.top + TOP);
        for (value, text) in std::mem::take(&mut self.y.ticks) {
            let (_, y) = self.at(self.x.range.0, value);
            let _ = writeln!(self.body, r##"<path d="M{left} {y:.1}H{right}" stroke="#dddddd"/>"##);
            self.text(left - 7.0, y + 4.0, "end", "", &text);
        }
        for (value, text) in std::mem::take(&mut self.x.ticks) {
            let (x, _) = self.at(value, self.y.range.0);
            let _ = writeln!(self.body, r##"<path d="M{x:.1} {bottom}v5" stroke="#333333"/>"##);
            self.text(x, bottom + 19.0, "middle", "", &text);
        }
        let _ = writeln!(
            self.body,
            r##"<path d="M{left} {upper}V{bottom}H{right}" fill="none" stroke="#333333"/>"##
        );
        let (x_title, y_title) = (self.x.title.clone(), self.y.title.clone());
        self.text((left + right) / 2.0, bottom + 40.0, "middle", "", &x_title);
        let middle = (upper + bottom) / 2.0;
        let turned = format!(r#"transform="rotate(-90 16 {middle:.1})""#);
        self.text(16.0, middle, "middle", &turned, &y_title);
    }

    /// A bar from the bottom up to `y`, in the style of that series; `text` is shown when the reader points at it.
    pub fn bar(&mut self, x: (f64, f64), y: f64, series: usize, text: &str) {
        let ((left, upper), (right, lower)) = (self.at(x.0, y), self.at(x.1, self.y.range.0));
        let (width, height, colour, text) =
            (right - left, lower - upper, STYLES[series % STYLES.len()].0, escaped(text));
        let _ = writeln!(
            self.body,
            r#"<rect x="{left:.1}" y="{upper:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"><title>{text}</title></rect>"#
        );
    }

    /// A line through points, in the style of that series.
    pub fn line(&mut self, points: impl Iterator<Item = (f64, f64)>, series: usize) {
        let mut path = String::new();
        for (x, y) in points {
            let (x, y) = self.at(x, y);
            let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" });
        }
        let (colour, dashes) = STYLES[series % STYLES.len()];
        let _ = writeln!(
            self.body,
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>"#
        );
    }

    /// A thin upright line with a text beside its upper end.
    pub fn mark(&mut self, x: f64, text: &str) {
        let (x, upper) = self.at(x, self.y.range.1);
        let bottom = self.top + self.height - BOTTOM;
        let _ = writeln!(
            self.body,
            r##"<path d="M{x:.1} {upper:.1}V{bottom:.1}" stroke="#333333" stroke-dasharray="3 3"/>"##
        );
        self.text(x + 5.0, upper + 12.0, "start", "", text);
    }
}

/// A whole drawing; `description` is for those who do not see it.
pub fn drawing(title: &str, description: &str, panels: Vec<Panel>) -> String {
    let height: f64 = panels.iter().map(|panel| panel.height).sum();
    let (title, description) = (escaped(title), escaped(description));
    let body: String = panels.into_iter().map(|panel| panel.body).collect();
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="title description" font-family="system-ui, sans-serif" font-size="12" fill="#222222">
<title id="title">{title}</title>
<desc id="description">{description}</desc>
<rect width="100%" height="100%" fill="#ffffff"/>
{body}</svg>
"##
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
