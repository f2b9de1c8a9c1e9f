//! Streams of a job's state. Each looks at the watched claims every second, which costs nothing, and asks the API server
//! as the person only when something changed, or after a while: pods start without a word in the claim.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::response::sse::Event;
use concord_api::GpuClaim;
use futures::Stream;
use futures::stream;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::cluster::{AsPerson, CallError};
use super::view::JobView;
use crate::app::Shared;
use crate::auth::Principal;
use crate::error::Error;

/// Streams of one person: some windows, and a phone.
const STREAMS_MOST_OF_PERSON: usize = 6;
/// Streams of all: each asks the API server at most once a second, and mostly every ten.
const STREAMS_MOST: usize = 1_000;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const READ_EVERY: Duration = Duration::from_secs(10);
/// Then the browser comes back by itself, and a session that has ended is noticed.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Streams that are open, by person.
#[derive(Debug, Default)]
pub struct Streams {
    open: Mutex<HashMap<String, usize>>,
}

/// One open stream; it counts until it is dropped.
#[derive(Debug)]
pub struct Place {
    streams: Arc<Streams>,
    person: String,
}

impl Streams {
    /// A place for one more.
    ///
    /// # Errors
    /// When the person, or all together, have too many.
    pub fn take(self: &Arc<Self>, person: &Principal) -> Result<Place, Error> {
        let person = person.user_name();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.entry(person.clone()).or_default();
        if all >= STREAMS_MOST || *own >= STREAMS_MOST_OF_PERSON {
            return Err(Error::TooManyAtOnce("live pages are open"));
        }
        *own += 1;
        drop(open);
        Ok(Place { streams: self.clone(), person })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.person) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.person);
            }
        }
    }
}

/// What a stream sends of a job.
pub trait Render: Send + 'static {
    /// The text of a `state` event.
    fn state(&self, view: &JobView) -> String;
}

struct Watching<R> {
    app: Shared,
    as_person: AsPerson,
    project: String,
    name: String,
    render: R,
    _place: Place,
    began: Instant,
    read: Option<Instant>,
    version: Option<String>,
    sent: Option<String>,
    over: bool,
}

/// The states of a job: `state` at once and at every change, `interrupted` while the cluster does not answer, `end` when
/// nothing will change any more, `gone` when there is no such job for the person any more.
pub fn states<R: Render>(
    app: Shared,
    person: &Principal,
    project: &str,
    name: &str,
    render: R,
) -> Result<impl Stream<Item = Result<Event, std::convert::Infallible>> + use<R>, Error> {
    let place = app.jobs.streams.take(person)?;
    let as_person = AsPerson::new(&app.acting, person, project)?;
    let watching = Watching {
        app,
        as_person,
        project: project.to_owned(),
        name: name.to_owned(),
        render,
        _place: place,
        began: Instant::now(),
        read: None,
        version: None,
        sent: None,
        over: false,
    };
    Ok(stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok(event), watching))
    }))
}

impl<R: Render> Watching<R> {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.over || self.began.elapsed() > LIFETIME {
                return None;
            }
            if self.read.is_some() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let version = self.version();
            if version == self.version && self.read.is_some_and(|at| at.elapsed() < READ_EVERY) {
                continue;
            }
            self.version = version;
            self.read = Some(Instant::now());
            let (event, text) = match self.as_person.see(&self.name).await {
                Ok(seen) => {
                    let mut view = JobView::of(&self.project, &seen, Timestamp::now());
                    // Without it the stream shows what it showed before; the page itself says when the database is away.
                    let _ = self.app.add_energy(&mut view, seen.work.uid()).await;
                    let text = self.render.state(&view);
                    if view.state.has_ended() && self.sent.as_ref() == Some(&text) {
                        self.over = true;
                        return Some(Event::default().event("end").data("end"));
                    }
                    ("state", text)
                }
                Err(CallError::NotFound) => {
                    self.over = true;
                    return Some(Event::default().event("gone").data("gone"));
                }
                Err(_) => ("interrupted", "interrupted".to_owned()),
            };
            if self.sent.as_ref() != Some(&text) {
                self.sent = Some(text.clone());
                return Some(Event::default().event(event).data(text));
            }
        }
    }

    /// Version of the claim that a Job of this name has. A service's replicas have claims of other names; to look through all
    /// claims every second for each stream would be too much, so that a service is read every ten seconds alone.
    fn version(&self) -> Option<String> {
        let key = ObjectRef::<GpuClaim>::new(&self.name).within(&self.project);
        self.app.pool.claims.get(&key)?.resource_version()
    }
}
