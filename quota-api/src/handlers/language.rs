//! `/language`: remembers a language and goes back to the page.

use axum::extract::Query;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use crate::app::Shared;
use crate::error::Error;
use crate::language::{COOKIE, Language};

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/language", get(choose))
}

/// A year, in seconds; the cookie says a language and nothing of a person.
const REMEMBERED_SECONDS: u32 = 31_536_000;

/// Which language, and where to go then.
#[derive(Deserialize)]
pub struct Choice {
    to: String,
    #[serde(rename = "return", default)]
    back: String,
}

/// Sets the cookie. It changes nothing but how pages read, so a link may do it.
pub async fn choose(Query(Choice { to, back }): Query<Choice>) -> Result<impl IntoResponse, Error> {
    let language = Language::of_code(&to).ok_or(Error::NotFound)?;
    let cookie =
        format!("{COOKIE}={}; Path=/; Max-Age={REMEMBERED_SECONDS}; SameSite=Lax; HttpOnly", language.code());
    Ok(([(CACHE_CONTROL, "no-store".to_owned()), (SET_COOKIE, cookie)], Redirect::to(own_path(&back))))
}

/// The path if it is one of this server, else the front page. Browsers read `//host` and `/\host` as another host.
fn own_path(path: &str) -> &str {
    let own = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && !path.chars().any(char::is_control);
    // A header takes visible ASCII only; what a browser sends is encoded anyway.
    if own && path.is_ascii() && !path.contains(' ') { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_paths_are_gone_back_to() {
        for own in ["/", "/use/history?span=week&by=member", "/treaty#reclaim"] {
            assert_eq!(own_path(own), own);
        }
        for foreign in [
            "",
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "/a\r\nx: y",
            "/ä",
        ] {
            assert_eq!(own_path(foreign), "/", "{foreign:?}");
        }
    }
}
