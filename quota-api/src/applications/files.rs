//! Files beside an application: accepted by their content, kept in the store, given to the applicant and to reviewers only,
//! and always as a download, so that no file is ever shown as a page of this server.

use axum::extract::{Multipart, Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};

use super::view;
use crate::app::Shared;
use crate::auth::secret::{Secret, hex};
use crate::error::Error;
use crate::frame::Person;
use crate::may::Deed;
use crate::store::drafts::{ATTACHMENTS_MAX, StoredAttachment};

/// Largest file.
const FILE_BYTES_MAX: usize = 5 * 1024 * 1024;
/// A file, and the frame of a form around it.
pub const UPLOAD_BYTES_MAX: usize = FILE_BYTES_MAX + 64 * 1024;
/// 80 random bits: what is named by it also asks who wants it.
const ID_CHARS: usize = 20;
/// Longest name; the rest is cut off.
const NAME_CHARS_MAX: usize = 100;

/// Puts a file beside a draft.
pub async fn add(
    State(app): State<Shared>,
    Person(person): Person,
    Path(id): Path<String>,
    mut form: Multipart,
) -> Result<Redirect, Error> {
    let owner = person.user_name();
    let draft =
        app.store.draft(&id, &owner).await?.filter(|d| d.application.is_none()).ok_or(Error::NotFound)?;
    let bad = |text: String| Error::BadRequest(text);
    let unreadable = |_| bad("The file could not be read; it may be too large (at most 5 MB).".to_owned());
    let Some(field) = form.next_field().await.map_err(unreadable)? else {
        return Err(bad("No file was sent; choose one first.".to_owned()));
    };
    let name = clean_name(field.file_name().unwrap_or_default());
    let content = field.bytes().await.map_err(unreadable)?;
    if content.is_empty() || content.len() > FILE_BYTES_MAX {
        return Err(bad("The file is empty or larger than 5 MB; choose another.".to_owned()));
    }
    let media_type = media_type(&content).ok_or_else(|| {
        bad("Only PDF, PNG, JPEG and plain text are accepted; save the file as one of these.".to_owned())
    })?;
    let file = StoredAttachment {
        id: random_id()?,
        name,
        media_type: media_type.to_owned(),
        sha256: hex(digest(&SHA256, &content).as_ref()),
        bytes: i64::try_from(content.len()).unwrap_or(i64::MAX),
    };
    if !app.store.add_attachment(&draft.id, &file, &content, Timestamp::now()).await? {
        return Err(bad(format!("There are {ATTACHMENTS_MAX} files already; remove one first.")));
    }
    Ok(Redirect::to(&format!("/apply/drafts/{}#files", draft.id)))
}

/// Takes one away again.
pub async fn delete(
    State(app): State<Shared>,
    Person(person): Person,
    Path((id, file)): Path<(String, String)>,
) -> Result<Redirect, Error> {
    let draft = app.store.draft(&id, &person.user_name()).await?;
    let draft = draft.filter(|d| d.application.is_none()).ok_or(Error::NotFound)?;
    app.store.drop_attachment(&draft.id, &file).await?;
    Ok(Redirect::to(&format!("/apply/drafts/{}#files", draft.id)))
}

/// A file of one's own draft.
pub async fn of_draft(
    State(app): State<Shared>,
    Person(person): Person,
    Path((id, file)): Path<(String, String)>,
) -> Result<Response, Error> {
    let draft = app.store.draft(&id, &person.user_name()).await?.ok_or(Error::NotFound)?;
    download(&app, &draft.id, &file).await
}

/// A file of an application: for who applied, and for reviewers.
pub async fn of_application(
    State(app): State<Shared>,
    Person(person): Person,
    Path((name, file)): Path<(String, String)>,
) -> Result<Response, Error> {
    let application = view::find(&app, &name)?;
    let own = application.spec.applicant_user == person.user_name();
    if !own && !app.rights.may(&app.acting, &person, Deed::Review).await {
        return Err(Error::NotFound);
    }
    let draft = app.store.draft_of_application(&name).await?.ok_or(Error::NotFound)?;
    download(&app, &draft.id, &file).await
}

async fn download(app: &Shared, draft: &str, file: &str) -> Result<Response, Error> {
    let (file, content) = app.store.attachment(draft, file).await?.ok_or(Error::NotFound)?;
    // The name holds only letters, digits and a few signs: see `clean_name`.
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", file.name))
        .map_err(|_| Error::Internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_str(&file.media_type).map_err(|_| Error::Internal)?),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((headers, content).into_response())
}

/// What a content is, by its first bytes; what the browser says of it is not believed.
fn media_type(content: &[u8]) -> Option<&'static str> {
    if content.starts_with(b"%PDF-") {
        Some("application/pdf")
    } else if content.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if content.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else {
        let text = std::str::from_utf8(content).ok()?;
        let plain = !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
        plain.then_some("text/plain; charset=utf-8")
    }
}

/// A name that is safe in a header and on every disk.
fn clean_name(given: &str) -> String {
    let base = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let name: String = base.chars().take(NAME_CHARS_MAX).map(safe).collect();
    let name = name.trim_start_matches('.').to_owned();
    if name.is_empty() { "file".to_owned() } else { name }
}

/// Random name of a draft or file.
pub fn random_id() -> Result<String, Error> {
    Ok(Secret::random()?.text().chars().take(ID_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_and_breaks_no_header() {
        assert_eq!(clean_name("../../etc/passwd"), "passwd");
        assert_eq!(clean_name("C:\\plan v2.pdf"), "plan_v2.pdf");
        assert_eq!(clean_name("a\"; x=\r\nSet-Cookie: b"), "a___x___Set-Cookie__b");
        assert_eq!(clean_name(".htaccess"), "htaccess");
        assert_eq!(clean_name(""), "file");
        assert_eq!(clean_name(&"é".repeat(300)).len(), NAME_CHARS_MAX);
    }

    #[test]
    fn the_content_decides_what_a_file_is() {
        assert_eq!(media_type(b"%PDF-1.7 ..."), Some("application/pdf"));
        assert_eq!(media_type("plain text é".as_bytes()), Some("text/plain; charset=utf-8"));
        // Shown as text only, and only as a download.
        assert_eq!(media_type(b"<script>alert(1)</script>"), Some("text/plain; charset=utf-8"));
        assert_eq!(media_type(b"MZ\x90\x00"), None);
        assert_eq!(media_type(b"\x00\x01"), None);
    }
}
