//! `/me`: who am I, where am I logged in, and a kubeconfig.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::{get, post};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;

use super::login::{NEVER, configured};
use crate::app::Shared;
use crate::auth::Principal;
use crate::auth::assurance::Assurance;
use crate::auth::providers_file::Kind;
use crate::error::Error;
use crate::frame::{Frame, Person, Visit};
use crate::may::Deed;
use crate::pages::render;
use crate::store::guests::State as GuestState;
use crate::store::sessions::Listed;

/// A person's own pages.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/me", get(me))
        .route("/me/sessions/{handle}/end", post(end_session))
        .route("/me/kubeconfig", get(kubeconfig))
}

/// A session as the page shows it.
struct Line {
    listed: Listed,
    is_this: bool,
}

#[derive(Template)]
#[template(path = "me.html")]
struct Me<'a> {
    principal: &'a Principal,
    assurance: Assurance,
    provider_title: &'a str,
    /// Of a guest whom nobody has let in yet: the key of what to say.
    guest: Option<&'static str>,
    /// Whether the person may let guests in, and there can be some.
    lets_guests_in: bool,
    sessions: Vec<Line>,
    has_kubeconfig: bool,
    frame: Frame,
}

impl Line {
    fn time(time: &Timestamp) -> String {
        time.strftime("%Y-%m-%d %H:%M UTC").to_string()
    }
}

/// Who am I.
pub async fn me(
    State(app): State<Shared>,
    frame: Frame,
    Visit(session): Visit,
) -> Result<impl IntoResponse, Error> {
    let login = configured(&app)?;
    let principal = &session.principal;
    let guest = if login.is_guest(principal) {
        let request = app.store.guests().find(&principal.user_name()).await?;
        match request.map(|request| request.state) {
            Some(GuestState::Approved) => None,
            Some(GuestState::Asked) => Some("guest-waits"),
            Some(GuestState::Refused) => Some("guest-refused"),
            None => Some("guest-text"),
        }
    } else {
        None
    };
    let sessions = app.store.sessions().list(principal, Timestamp::now()).await?;
    let takes_guests = login.providers().iter().any(|provider| provider.kind == Kind::Guest);
    let lets_guests_in =
        takes_guests && guest.is_none() && app.rights.may(&app.acting, principal, Deed::Review).await;
    let line = |listed: Listed| Line { is_this: listed.handle == session.handle, listed };
    let page = Me {
        principal,
        assurance: Assurance::of(principal),
        provider_title: login.provider(&principal.provider).map_or("", |provider| &provider.title),
        guest,
        lets_guests_in,
        sessions: sessions.into_iter().map(line).collect(),
        has_kubeconfig: guest.is_none() && login.cluster.is_some(),
        frame,
    };
    Ok(([NEVER], Html(render(&page)?)))
}

/// Ends one of the person's own sessions.
pub async fn end_session(
    State(app): State<Shared>,
    Visit(session): Visit,
    Path(handle): Path<String>,
) -> Result<impl IntoResponse, Error> {
    // A session that is not the person's looks like one that does not exist.
    if app.store.sessions().end_own(&session.principal, &handle).await? {
        Ok(([NEVER], Redirect::to("/me")))
    } else {
        Err(Error::NotFound)
    }
}

/// A file with which `kubectl` logs in here and acts as the person. It holds no secret.
pub async fn kubeconfig(
    State(app): State<Shared>,
    Person(person): Person,
) -> Result<impl IntoResponse, Error> {
    let login = configured(&app)?;
    let cluster = login.cluster.as_ref().ok_or(Error::NotFound)?;
    let mut address = json!({ "server": cluster.server });
    if let Some(pem) = &cluster.ca_pem {
        address["certificate-authority-data"] = json!(ByteString(pem.clone()));
    }
    let user = person.user_name();
    let document = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "concord",
        "clusters": [{ "name": "concord", "cluster": address }],
        "users": [{ "name": user, "user": { "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "concord",
            "args": ["login", "--portal", login.origin],
            "interactiveMode": "IfAvailable",
            "provideClusterInfo": false,
            "installHint": "kubectl logs in with the program `concord`; install it and put it into your PATH.",
        } } }],
        "contexts": [{ "name": "concord", "context": { "cluster": "concord", "user": user } }],
    });
    let text = serde_yaml::to_string(&document).map_err(|error| {
        tracing::error!(%error, "a kubeconfig cannot be written");
        Error::Internal
    })?;
    let headers = [
        (CONTENT_TYPE, "application/yaml"),
        (CONTENT_DISPOSITION, "attachment; filename=\"concord-kubeconfig.yaml\""),
        NEVER,
    ];
    Ok((headers, text))
}
