//! Use over time, by member, class, purpose, kind of organisation or country.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use jiff::{Timestamp, civil};
use openidconnect::url::form_urlencoded;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{self, HALF_A_MINUTE};
use super::charts::columns::{Column, Columns, Figures};
use super::charts::{Key, SERIES_MAX};
use super::series::{History, Line, hours, real};
use super::show::{self, Time};
use crate::app::Shared;
use crate::error::{Error, Problem, Refusals};
use crate::frame::Frame;
use crate::history::sample::Sums;
use crate::history::{Scope, Span, Window};
use crate::pages::render;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/use/history", get(page)).routes(routes!(json)).routes(routes!(csv))
}

/// Which history.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// How long.
    #[param(inline)]
    pub span: Span,
    /// By what use is told apart.
    #[param(inline)]
    pub by: Scope,
    /// Start: a day such as `2026-03-04`, or a time such as `2026-03-04T05:00Z`. Absent: up to now.
    #[param(max_length = 40)]
    pub from: Option<String>,
}

/// First day for which anything can be asked; a clock of the past century is a slip.
const FIRST_DAY: civil::Date = civil::date(2000, 1, 1);
/// Last one.
const LAST_DAY: civil::Date = civil::date(2199, 12, 31);

impl Asked {
    /// The window, if the start is one.
    pub fn window(&self, now: Timestamp) -> Result<Window, Error> {
        let from = self.from.as_deref().map(str::trim).filter(|from| !from.is_empty());
        let from = from.map(|from| time(from).ok_or(Error::BadParameter(FROM))).transpose()?;
        Ok(Window::of(self.span, from, now))
    }
}

const FROM: &str = "The parameter from must be a day such as 2026-03-04 or a time such as 2026-03-04T05:00Z, between the years 2000 and 2199.";

fn time(text: &str) -> Option<Timestamp> {
    let midnight = |day: civil::Date| day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|day| day.timestamp());
    let time = if text.len() <= 10 { midnight(text.parse().ok()?)? } else { text.parse().ok()? };
    (midnight(FIRST_DAY)? <= time && time <= midnight(LAST_DAY)?).then_some(time)
}

/// Addresses of the same view: other spans, other groups, other times, other formats.
pub struct Links {
    /// The page's path.
    path: &'static str,
    window: Window,
    by: Option<Scope>,
}

impl Links {
    /// Of this view.
    pub const fn new(path: &'static str, window: Window, by: Option<Scope>) -> Self {
        Self { path, window, by }
    }

    fn address(&self, path: &str, span: Span, by: Option<Scope>, from: Option<Timestamp>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("span", span.word());
        if let Some(by) = by {
            query.append_pair("by", by.word());
        }
        if let Some(from) = from {
            query.append_pair("from", &show::minute(from).machine);
        }
        format!("{path}?{}", query.finish())
    }

    /// This view as it is now, for good.
    pub fn lasting(&self) -> String {
        self.address(self.path, self.window.span, self.by, Some(self.window.from))
    }

    /// The same figures elsewhere.
    pub fn of(&self, path: &str) -> String {
        self.address(path, self.window.span, self.by, Some(self.window.from))
    }

    /// The time before.
    pub fn before(&self) -> String {
        self.address(self.path, self.window.span, self.by, Some(self.window.shifted(-1)))
    }

    /// The time after, unless this is the latest.
    pub fn after(&self, now: Timestamp) -> Option<String> {
        let next = self.window.until();
        (!self.window.latest && next < now)
            .then(|| self.address(self.path, self.window.span, self.by, Some(next)))
    }

    /// Up to now.
    pub fn latest(&self) -> String {
        self.address(self.path, self.window.span, self.by, None)
    }
}

/// What pages on a span of time share.
pub struct Times {
    /// Start.
    pub from: Time,
    /// End.
    pub until: Time,
    /// Samples taken, and that there could be.
    pub coverage: (i64, i64),
    /// Addresses.
    pub links: Links,
    /// Address of the time after.
    pub after: Option<String>,
    /// Whether it is up to now.
    pub latest: bool,
    /// Length.
    pub span: Span,
    /// What was typed as start, for the form.
    pub typed: String,
}

impl Times {
    /// Of a history.
    pub fn of(history: &History, links: Links, asked: &Asked, now: Timestamp) -> Self {
        let window = history.window;
        Self {
            from: show::minute(window.from),
            until: show::minute(window.until()),
            coverage: history.coverage(),
            after: links.after(now),
            links,
            latest: window.latest,
            span: window.span,
            typed: asked.from.clone().unwrap_or_default(),
        }
    }

    /// Whether samples are missing.
    pub fn is_partial(&self) -> bool {
        self.coverage.0 < self.coverage.1
    }

    /// Spans to choose from.
    pub fn spans(&self) -> [Span; 5] {
        Span::ALL
    }
}

#[derive(Template)]
#[template(path = "public/history.html")]
struct Page {
    times: Times,
    by: Scope,
    chart: Columns,
    totals: Vec<Total>,
    all: Total,
    rows: Vec<PeriodRow>,
    columns: Vec<String>,
    frame: Frame,
}

struct Total {
    name: String,
    guaranteed_hours: String,
    borrowed_hours: String,
    mean_gpus: String,
    most_gpus: String,
    share: String,
    samples: i64,
}

struct PeriodRow {
    start: Time,
    capacity: String,
    parts: Vec<String>,
    samples: (i64, i64),
}

impl Page {
    fn scopes(&self) -> [Scope; 5] {
        Scope::CHOICES
    }
}

/// The page.
pub async fn page(
    State(app): State<Shared>,
    headers: HeaderMap,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let now = Timestamp::now();
    let window = asked.window(now)?;
    let history = History::read(&app, window, asked.by, now).await?;
    let links = Links::new("/use/history", window, Some(asked.by));
    let name = |name: &str| super::front::name(&frame, asked.by.word(), name);
    let chart = chart(&history, ["history", "history-chart-title"], true, &frame, name, |sums| {
        sums.mean(sums.used.used_gpus())
    });
    let pool = history.total(None);
    let columns: Vec<String> = chart.keys.iter().map(|key| key.name.clone()).collect();
    let page = Page {
        times: Times::of(&history, links, &asked, now),
        by: asked.by,
        totals: history.names.iter().map(|of| total(name(of), &history.total(Some(of)), &pool)).collect(),
        all: total(frame.words.get("together"), &pool, &pool),
        rows: rows(&history),
        columns,
        chart,
        frame,
    };
    Ok(answer::page(&headers, render(&page)?))
}

fn total(name: String, sums: &Sums, pool: &Sums) -> Total {
    let used = sums.used.used_gpus();
    Total {
        name,
        guaranteed_hours: show::number(hours(sums.used.guaranteed_gpus)),
        borrowed_hours: show::number(hours(sums.used.borrowed_gpus)),
        // A member without work in a minute has a line all the same; what came later has fewer.
        mean_gpus: if pool.samples > 0 {
            show::number(real(used) / real(pool.samples))
        } else {
            show::UNKNOWN.to_owned()
        },
        most_gpus: show::whole(sums.most_used_gpus),
        share: show::percent(real(used), real(pool.capacity_gpus)),
        samples: sums.samples,
    }
}

/// A chart of a history: its biggest series, and the others together.
pub fn chart(
    history: &History,
    [id, title]: [&'static str; 2],
    has_level: bool,
    frame: &Frame,
    name: impl Fn(&str) -> String,
    value: impl Fn(&Sums) -> f64 + Copy,
) -> Columns {
    let words = frame.words;
    let shown = history.shown();
    let mut keys: Vec<Key> =
        shown.iter().zip(1..).map(|(of, pattern)| Key { pattern, name: name(of) }).collect();
    if history.names.len() > shown.len() {
        keys.push(Key { pattern: SERIES_MAX, name: words.get("others") });
    }
    let mut columns = columns(history, value);
    if !has_level {
        columns.iter_mut().for_each(|column| column.level = None);
    }
    let description = words.with("history-chart-text", &[("n", history.names.len().into())]);
    Columns::of(
        id,
        [words.get(title), description],
        [Some(words.get("capacity")), Some(words.get("no-sample"))],
        Figures { window: history.window, keys, columns: &columns },
    )
}

fn columns(history: &History, value: impl Fn(&Sums) -> f64 + Copy) -> Vec<Column> {
    let (shown, all) = (history.shown(), &history.names);
    let column = |moment: &super::series::Moment| {
        let Some(pool) = moment.pool.as_ref().filter(|pool| pool.samples > 0) else {
            return Column::default();
        };
        let of = |name: &String| moment.parts.get(name).map_or(0.0, value);
        let mut parts: Vec<f64> = shown.iter().map(of).collect();
        if all.len() > shown.len() {
            parts.push(all[shown.len()..].iter().map(of).sum());
        }
        Column { parts: Some(parts), level: Some(pool.mean(pool.capacity_gpus)) }
    };
    history.periods.iter().map(column).collect()
}

fn rows(history: &History) -> Vec<PeriodRow> {
    let columns = columns(history, |sums| sums.mean(sums.used.used_gpus()));
    let sampled = history.periods.iter().zip(columns).filter_map(|(moment, column)| {
        let pool = moment.pool.as_ref()?;
        Some(PeriodRow {
            start: show::minute(moment.start),
            capacity: show::number(pool.mean(pool.capacity_gpus)),
            parts: column.parts?.into_iter().map(show::number).collect(),
            samples: (pool.samples, moment.expected.max(pool.samples)),
        })
    });
    // The newest first: that is what one looks for in a long table.
    let mut rows: Vec<PeriodRow> = sampled.collect();
    rows.reverse();
    rows
}

/// Use over time.
#[derive(Serialize, ToSchema)]
pub struct HistoryAnswer {
    /// By what use is told apart.
    pub by: Scope,
    /// Length.
    pub span: Span,
    /// Start of the first period.
    pub from: Timestamp,
    /// End of the last.
    pub until: Timestamp,
    /// Length of a period.
    pub period_seconds: i64,
    /// Time between two samples.
    pub sample_seconds: i64,
    /// Samples taken.
    pub samples: i64,
    /// Samples that there are without gaps.
    pub expected_samples: i64,
    /// The pool, by period.
    pub pool: Vec<Line>,
    /// Each name, by period.
    pub parts: Vec<Line>,
}

/// Use over time, as means of samples taken every minute.
///
/// Periods in which no sample was taken are left out; `samples` and `expected_samples` say how much is missing.
#[utoipa::path(get, path = "/api/v1/use/history", tag = "use", operation_id = "use_history", params(Asked),
    responses((status = 200, description = "Use over time", body = HistoryAnswer), Refusals))]
pub async fn json(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let now = Timestamp::now();
    let history = History::read(&app, asked.window(now)?, asked.by, now).await?;
    let (samples, expected_samples) = history.coverage();
    let answer = HistoryAnswer {
        by: asked.by,
        span: asked.span,
        from: history.window.from,
        until: history.window.until(),
        period_seconds: asked.span.grain().seconds(),
        sample_seconds: crate::history::grain::SAMPLE_SECONDS,
        samples,
        expected_samples,
        pool: history.pool_lines().collect(),
        parts: history.lines().collect(),
    };
    Ok(answer::json(&headers, HALF_A_MINUTE, &answer)?)
}

/// The same for spreadsheets: one line for each period and name.
#[utoipa::path(get, path = "/api/v1/use/history.csv", tag = "use", operation_id = "use_history_csv", params(Asked),
    responses((status = 200, description = "Use over time", body = String, content_type = "text/csv"), Refusals))]
pub async fn csv(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let now = Timestamp::now();
    let history = History::read(&app, asked.window(now)?, asked.by, now).await?;
    Ok(answer::csv(&headers, HALF_A_MINUTE, history.lines())?)
}
