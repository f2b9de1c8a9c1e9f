//! Tells applicants by mail, and the coalition's programs by webhook, what became of applications.
//!
//! What is to be told follows from the applications themselves, so that nothing is missed while this server was down; the
//! store remembers what was told, so that nothing is told twice by two servers or after a restart.

mod events;
mod mail;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

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

/// Tells, until the end of the program.
pub async fn run(app: Arc<App>, ways: Ways) {
    if ways.all().next().is_none() {
        std::future::pending::<()>().await;
    }
    loop {
        tokio::time::sleep(PAUSE).await;
        if !app.pool.waits_for().is_empty() {
            continue;
        }
        let now = Timestamp::now();
        let done = match note(&app, &ways, now).await {
            Ok(()) => send(&app, &ways, now).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::warn!(error = chain(&error), "notices cannot be kept at the moment");
        }
    }
}

/// Puts what is to be told into the store.
async fn note(app: &App, ways: &Ways, now: Timestamp) -> Result<(), StoreError> {
    for application in view::all(app) {
        for (event, at) in events::of(&application) {
            if now.duration_since(at) > OLDEST {
                continue;
            }
            for way in ways.all() {
                app.store.add_notice(&application.name_any(), event.name(), way, now).await?;
            }
        }
    }
    Ok(())
}

async fn send(app: &App, ways: &Ways, now: Timestamp) -> Result<(), StoreError> {
    for notice in app.store.due_notices(now, NOTICES_AT_ONCE).await? {
        if !app.store.take_notice(&notice, now).await? {
            continue;
        }
        let fault = match tokio::time::timeout(ANSWER_TIMEOUT, tell(app, ways, &notice)).await {
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
        app.store.notice_tried(&notice.id, fault.as_deref(), Timestamp::now()).await?;
    }
    Ok(())
}

async fn tell(app: &App, ways: &Ways, notice: &Notice) -> Result<(), String> {
    let Ok(application) = view::find(app, &notice.application) else { return Ok(()) };
    let Some(event) = events::Event::of_name(&notice.event) else { return Ok(()) };
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
