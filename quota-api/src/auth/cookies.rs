//! The two cookies: their names, their guards, and how they are read back.

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::SignedDuration;

use super::secret::{Hash, Secret, hash};
use crate::error::Error;

/// How cookies are made.
#[derive(Debug, Clone, Copy)]
pub struct Cookies {
    secure: bool,
}

impl Cookies {
    /// `secure` when our pages are on https. Then the `__Host-` prefix keeps other hosts of the domain from setting ours.
    #[must_use]
    pub const fn new(secure: bool) -> Self {
        Self { secure }
    }

    /// True when cookies travel over https only.
    #[must_use]
    pub const fn are_secure(self) -> bool {
        self.secure
    }

    const fn session_name(self) -> &'static str {
        if self.secure { "__Host-concord-session" } else { "concord-session" }
    }

    const fn login_name(self) -> &'static str {
        if self.secure { "__Host-concord-login" } else { "concord-login" }
    }

    pub(super) fn session(self, headers: &HeaderMap) -> Option<Hash> {
        read(headers, self.session_name())
    }

    pub(super) fn login(self, headers: &HeaderMap) -> Option<Hash> {
        read(headers, self.login_name())
    }

    pub(super) fn set_session(self, id: &Secret, lifetime: SignedDuration) -> Result<HeaderValue, Error> {
        self.set(self.session_name(), id, lifetime)
    }

    pub(super) fn set_login(self, binding: &Secret, lifetime: SignedDuration) -> Result<HeaderValue, Error> {
        self.set(self.login_name(), binding, lifetime)
    }

    pub(super) const fn clear_session(self) -> HeaderValue {
        HeaderValue::from_static(if self.secure {
            "__Host-concord-session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0; Secure"
        } else {
            "concord-session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
        })
    }

    pub(super) const fn clear_login(self) -> HeaderValue {
        HeaderValue::from_static(if self.secure {
            "__Host-concord-login=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0; Secure"
        } else {
            "concord-login=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
        })
    }

    /// `Lax`, not `Strict`: the browser comes back from the provider's site and must bring the login's cookie.
    fn set(self, name: &str, secret: &Secret, lifetime: SignedDuration) -> Result<HeaderValue, Error> {
        let (text, seconds) = (secret.text(), lifetime.as_secs());
        let secure = if self.secure { "; Secure" } else { "" };
        let cookie = format!("{name}={text}; HttpOnly; SameSite=Lax; Path=/; Max-Age={seconds}{secure}");
        let mut value = HeaderValue::try_from(cookie).map_err(|_| Error::Internal)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// The first cookie of that name; HTTP/2 clients may send several `Cookie` headers.
fn read(headers: &HeaderMap, name: &str) -> Option<Hash> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, value)| *found == name && !value.is_empty()).map(|(_, value)| hash(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_makes_cookies_secure_and_bound_to_the_host() {
        let secret = Secret::random().unwrap();
        let text = |secure| {
            let cookie = Cookies::new(secure).set_session(&secret, SignedDuration::from_hours(8)).unwrap();
            cookie.to_str().unwrap().replace(secret.text(), "ID")
        };
        assert_eq!(
            text(true),
            "__Host-concord-session=ID; HttpOnly; SameSite=Lax; Path=/; Max-Age=28800; Secure"
        );
        assert_eq!(text(false), "concord-session=ID; HttpOnly; SameSite=Lax; Path=/; Max-Age=28800");
    }

    #[test]
    fn a_cookie_is_found_among_others_and_only_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("x=1; xconcord-session=2"));
        assert_eq!(Cookies::new(false).session(&headers), None);
        headers.append(header::COOKIE, HeaderValue::from_static("a=b;concord-session=3"));
        assert_eq!(Cookies::new(false).session(&headers), Some(hash("3")));
        assert_eq!(
            Cookies::new(true).session(&headers),
            None,
            "a cookie without the prefix is not ours on https"
        );
    }

    #[test]
    fn two_secrets_differ_and_are_long() {
        let (a, b) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert!(a.text() != b.text() && a.text().len() == 64);
    }
}
