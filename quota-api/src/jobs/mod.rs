//! Jobs for people who know no Kubernetes: a form, what it will cost and when it will start, the job's page, and the same
//! for programs.
//!
//! ```text
//! form or JSON -> JobRequest --validate--> Ask --manifest--> Job | Deployment + Service
//!                                           |                    \--dry run, create as the person--> API server
//!                                           \--preview (pure): treaty, snapshot, hypothetical claim--> charge, start, reason
//! claim + Job + pods + Events, read as the person --JobView::of (pure)--> page, stream, JSON, citation
//! ```
//!
//! What may be read and written of a job is decided by the API server, which is asked as the person. Lists alone are made
//! from the watched stores, so that no number of readers can load it.

pub mod ask;
pub mod catalogue;
pub mod charge;
pub mod cite;
pub mod cluster;
pub mod duration;
pub mod fault;
pub mod form;
mod handlers;
pub mod keys;
pub mod list;
pub mod live;
pub mod manifest;
pub mod moment;
mod pages;
pub mod picture;
pub mod preview;
pub mod projects;
pub mod submit;
pub mod view;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Semaphore;

pub use handlers::routes;

use crate::app::App;
use crate::error::Error;
use live::Streams;
use picture::Picture;
use view::JobView;

/// Previews that are worked out at once; each may keep a core busy for seconds in a pool of 100,000 claims.
const PREVIEWS_AT_ONCE: usize = 2;
/// A picture of 100,000 claims takes some 100 ms to make; previews within this time share one.
const PICTURE_LIFETIME: Duration = Duration::from_secs(2);
/// Longest wait for a turn; then the preview says that it has no forecast.
const TURN_WAIT: Duration = Duration::from_secs(10);

/// What all requests about jobs share.
pub struct Jobs {
    /// Streams that are open.
    pub streams: Arc<Streams>,
    turns: Arc<Semaphore>,
    picture: Mutex<Option<(Instant, Arc<Picture>)>>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            streams: Arc::default(),
            turns: Arc::new(Semaphore::new(PREVIEWS_AT_ONCE)),
            picture: Mutex::new(None),
        }
    }
}

/// The engine's picture of the pool, at most seconds old; `None` where no treaty is in force.
fn picture(app: &App, now: Timestamp) -> Option<Arc<Picture>> {
    // Held while it is made, so that it is made once.
    let mut kept = app.jobs.picture.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((made, picture)) = &*kept
        && made.elapsed() < PICTURE_LIFETIME
    {
        return Some(picture.clone());
    }
    let fresh = Arc::new(Picture::of(&app.pool, now)?);
    *kept = Some((Instant::now(), fresh.clone()));
    Some(fresh)
}

/// Works on a picture on a thread of its own, when it is its turn. `None` when there is no treaty, or no turn came.
async fn with_picture<T: Send + 'static>(
    app: Arc<App>,
    now: Timestamp,
    work: impl FnOnce(&Picture) -> T + Send + 'static,
) -> Result<Option<T>, Error> {
    let turn = tokio::time::timeout(TURN_WAIT, app.jobs.turns.clone().acquire_owned()).await;
    let Ok(Ok(turn)) = turn else { return Ok(None) };
    let worked = tokio::task::spawn_blocking(move || {
        let answer = picture(&app, now).map(|picture| work(&picture));
        drop(turn);
        answer
    });
    worked.await.map_err(|error| {
        tracing::error!(%error, "a preview broke off");
        Error::Internal
    })
}

impl App {
    /// Adds what node agents charged to a job.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_energy(&self, view: &mut JobView, workload_uid: Option<&str>) -> Result<(), Error> {
        let Some(uid) = workload_uid else { return Ok(()) };
        let charge = self.store.energy_of(uid).await?;
        view.account.add_energy(charge, self.public.energy.is_simulated());
        Ok(())
    }
}
