//! Access to the pool: applications, their reviews and answers, and the public list of awards.
//!
//! ```text
//! form --draft in the store--> Application object (as the applicant) --operator--> what the treaty says
//! reviews and decision in its status (as the reviewer) --operator--> Project
//! ```

pub mod apply;
pub mod awards;
mod dates;
mod files;
pub mod form;
mod pages;
mod review;
pub mod view;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;

/// Longest form: 20,000 characters of the case, in the worst case three bytes each and each byte percent-encoded, and the rest.
const FORM_BYTES_MAX: usize = 256 * 1024;

/// For applicants, reviewers and everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/apply", get(apply::landing))
        .route("/apply/calendar.ics", get(dates::file))
        .route("/apply/drafts", post(apply::begin))
        .route("/apply/drafts/{id}", get(apply::draft).post(apply::save))
        .route("/apply/drafts/{id}/delete", post(apply::delete))
        .route("/apply/{name}", get(apply::application))
        .route("/apply/{name}/appeal", post(apply::appeal))
        .route("/apply/{name}/withdraw", post(apply::withdraw))
        .route("/apply/{name}/files/{file}", get(files::of_application))
        .route("/reviews", get(review::queue))
        .route("/reviews/{name}", get(review::application))
        .route("/reviews/{name}/review", post(review::review))
        .route("/reviews/{name}/decide", post(review::decide))
        .route("/awards", get(awards::page))
        .routes(routes!(awards::json))
        .routes(routes!(awards::csv))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .merge(
            OpenApiRouter::new()
                .route("/apply/drafts/{id}/files", post(files::add))
                .route("/apply/drafts/{id}/files/{file}/delete", post(files::delete))
                .route("/apply/drafts/{id}/files/{file}", get(files::of_draft))
                .layer(DefaultBodyLimit::max(files::UPLOAD_BYTES_MAX)),
        )
}
