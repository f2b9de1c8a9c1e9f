//! What Prometheus can ask this server about itself. The pool's figures are the operator's to publish.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::app::App;

/// All metrics of one server. No global registry, so that tests can have several.
pub struct Metrics {
    registry: Registry,
    /// Answers by route, method and status.
    pub requests: IntCounterVec,
    /// Logins by outcome.
    pub logins: IntCounterVec,
    /// Samples for the history by outcome.
    pub samples: IntCounterVec,
    /// Requests that were refused to protect the others, by limit.
    pub refused: IntCounterVec,
    sessions: IntGauge,
    watch_live: IntGaugeVec,
    objects: IntGaugeVec,
}

impl Metrics {
    /// A fresh set.
    ///
    /// # Errors
    /// When two metrics have the same name; a defect.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("concord_quota_api".to_owned()), None)?;
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let gauges = |name: &str, help: &str| {
            let metric = IntGaugeVec::new(Opts::new(name, help), &["kind"])?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let sessions = IntGauge::new("sessions", "Sessions kept; some may have expired.")?;
        registry.register(Box::new(sessions.clone()))?;
        Ok(Self {
            requests: counters("http_requests_total", "Requests answered.", &["route", "method", "status"])?,
            logins: counters("logins_total", "Logins that came back from the provider.", &["outcome"])?,
            samples: counters("samples_total", "Samples of the pool for the history.", &["outcome"])?,
            refused: counters("http_refused_total", "Requests refused by a limit.", &["limit"])?,
            sessions,
            watch_live: gauges("watch_live", "1 while the watch of this kind is connected and complete.")?,
            objects: gauges("watched_objects", "Objects in the store.")?,
            registry,
        })
    }

    /// The text format of Prometheus; gauges are read from their source now.
    ///
    /// # Errors
    /// When a metric cannot be encoded; a defect.
    pub fn render(&self, app: &App) -> Result<String, prometheus::Error> {
        for (kind, live, objects) in app.pool.watches() {
            self.watch_live.with_label_values(&[kind]).set(i64::from(live));
            self.objects.with_label_values(&[kind]).set(i64::try_from(objects).unwrap_or(i64::MAX));
        }
        let sessions = app.login.as_ref().map_or(0, |login| login.sessions.len());
        self.sessions.set(i64::try_from(sessions).unwrap_or(i64::MAX));
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
