//! What everybody sees without login: pages, and the same figures as JSON and CSV. Nothing here knows a person.

use utoipa_axum::router::OpenApiRouter;

use crate::app::Shared;
use crate::energy::Energy;

mod amendments;
mod answer;
pub mod api;
mod assets;
mod calendar;
mod charts;
mod difference;
mod energy;
mod front;
mod history;
mod incidents;
mod kept;
mod promises;
pub mod record;
mod series;
mod show;
mod statements;
pub mod treaty;
mod versions;
mod waiting;

pub use kept::Kept;
pub use series::{History, Line};

/// State of the public pages.
pub struct Public {
    /// Node agents, if this server knows any.
    pub energy: Energy,
    /// Answers of the history, kept for half a minute.
    pub kept: Kept,
    /// The public record, if this server was told where it is.
    pub record: Option<record::Record>,
}

impl Public {
    /// With these agents and this record, and nothing kept yet.
    #[must_use]
    pub fn new(energy: Energy, record: Option<record::Record>) -> Self {
        Self { energy, kept: Kept::default(), record }
    }
}

impl Default for Public {
    fn default() -> Self {
        Self::new(Energy::new(Vec::new(), false), None)
    }
}

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .merge(front::routes())
        .merge(history::routes())
        .merge(energy::routes())
        .merge(promises::routes())
        .merge(waiting::routes())
        .merge(incidents::routes())
        .merge(treaty::routes())
        .merge(versions::routes())
        .merge(amendments::routes())
        .merge(record::routes())
        .merge(calendar::routes())
        .merge(statements::routes())
        .merge(api::routes())
        .merge(assets::routes())
}
