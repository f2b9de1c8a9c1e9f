//! Tells applicants by mail, and the coalition's programs by webhook, what became of applications.
//!
//! What is to be told follows from the applications themselves, so that nothing is missed while this server was down; the
//! store remembers what was told, so that nothing is told twice by two servers or after a restart.

mod events;
mod mail;
mod webhook;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use events::Event;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::app::App;
use crate::applications::view;
use crate::error::chain;
use crate::store::StoreError;
use crate::store::notices::{Notice, Way};

pub use mail::Mailer;
pub use webhook::Webhook;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// Notices tried in one look; each waits for its answer at most [`ANSWER_TIMEOUT`].
const NOTICES_AT_ONCE: i64 = 20;
/// One mail or call.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// What happened longer ago is not told any more: an old cluster's first portal must not write to everybody.
const OLDEST: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The ways that are configured.
#[derive(Default)]
pub struct Ways {
    /// Mail.
    pub mail: Option<Mailer>,
    /// Webhook.
    pub webhook: Option<Webhook>,
}

impl Ways {
    fn all(&self) -> impl Iterator<Item = Way> {
        let mail = self.mail.as_ref().map(|_| Way::Mail);
        mail.into_iter().chain(self.webhook.as_ref().map(|_| Way::Webhook))
    }
}

/// Tells what is to be told.
pub struct Teller {
    ways: Ways,
    /// What this server has put into the store already need not be tried again every few seconds.
    noted: HashSet<(String, Event)>,
}

/// Tells, until the end of the program.
pub async fn run(app: Arc<App>, ways: Ways) {
    if ways.all().next().is_none() {
        std::future::pending::<()>().await;
    }
    let mut teller = Teller::new(ways);
    loop {
        tokio::time::sleep(PAUSE).await;
        if let Err(error) = teller.look(&app, Timestamp::now()).await {
            tracing::warn!(error = chain(&error), "notices cannot be kept at the moment");
        }
    }
}

impl Teller {
    /// On these ways.
    #[must_use]
    pub fn new(ways: Ways) -> Self {
        Self { ways, noted: HashSet::new() }
    }

    /// Looks once what has happened, and tries what is due.
    ///
    /// # Errors
    /// When the database does not do it; nothing is lost then.
    pub async fn look(&mut self, app: &App, now: Timestamp) -> Result<(), StoreError> {
        if !app.pool.knows("applications") {
            return Ok(());
        }
        self.note(app, now).await?;
        self.send(app, now).await
    }

    /// Puts what is to be told into the store.
    async fn note(&mut self, app: &App, now: Timestamp) -> Result<(), StoreError> {
        for application in view::all(app) {
            for (event, at) in events::of(&application) {
                let told = (application.name_any(), event);
                if now.duration_since(at) > OLDEST || self.noted.contains(&told) {
                    continue;
                }
                for way in self.ways.all() {
                    app.store.add_notice(&told.0, event.name(), way, now).await?;
                }
                self.noted.insert(told);
            }
        }
        Ok(())
    }

    async fn send(&self, app: &App, now: Timestamp) -> Result<(), StoreError> {
        for notice in app.store.due_notices(now, NOTICES_AT_ONCE).await? {
            if !app.store.take_notice(&notice, now).await? {
                continue;
            }
            let fault = match tokio::time::timeout(ANSWER_TIMEOUT, tell(app, &self.ways, &notice)).await {
                Ok(Ok(())) => None,
                Ok(Err(fault)) => Some(fault),
                Err(_) => Some("no answer in time".to_owned()),
            };
            if let Some(fault) = &fault {
                tracing::warn!(
                    notice = notice.id,
                    fault,
                    attempts = notice.attempts + 1,
                    "a notice was not sent; trying again"
                );
            }
            app.store.notice_tried(&notice.id, fault.as_deref(), now).await?;
        }
        Ok(())
    }
}

async fn tell(app: &App, ways: &Ways, notice: &Notice) -> Result<(), String> {
    let Ok(application) = view::find(app, &notice.application) else { return Ok(()) };
    let Some(event) = Event::of_name(&notice.event) else { return Ok(()) };
    match (notice.way, &ways.mail, &ways.webhook) {
        (Way::Mail, Some(mailer), _) => {
            let contact = app.store.contact(&application.spec.applicant_user).await.map_err(|e| chain(&e))?;
            // Whoever applied with kubectl, or whose provider verifies no address, looks at the page.
            let Some(contact) = contact else { return Ok(()) };
            mailer.send(&application, event, &contact).await
        }
        (Way::Webhook, _, Some(webhook)) => webhook.send(&application, event).await,
        // The way is not configured any more.
        _ => Ok(()),
    }
}
