//! Where browsers reach this server, and which addresses may carry secrets.

use openidconnect::url::Url;

/// An origin, such as `https://quota.example.org`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// Checks it.
    ///
    /// # Errors
    /// With a sentence for whoever wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("{text} is no URL: {error}"))?;
        check_transport(&url)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(format!(
                "{text} must be an origin without a path, such as https://quota.example.org"
            ));
        }
        Ok(Self(url))
    }

    /// Scheme, host and port, without a slash at the end.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Whether browsers come by https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Address of a page; `path` begins with a slash.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// Where a provider sends browsers back to. Each has an address of its own, so that a provider cannot pass off another
    /// one's answer as its own, even if neither knows RFC 9207.
    #[must_use]
    pub fn callback(&self, provider: &str) -> String {
        self.at(&format!("/callback/{provider}"))
    }
}

/// Passwords and codes cross this connection: https, or a provider on the same machine for trying things out.
pub(super) fn check_transport(url: &Url) -> Result<(), String> {
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        _ => Err(format!("{url} must begin with https:// (http:// is for localhost only)")),
    }
}

/// The address after a login or a choice, only if it is a page of ours: a path that no browser reads as another host.
#[must_use]
pub fn own_path(text: &str) -> Option<&str> {
    const CHARS_MAX: usize = 512;
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let own = text.len() <= CHARS_MAX
        && path.starts_with('/')
        && !path.contains("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        // Those would begin or end a login again.
        && !["/login", "/callback", "/logout"].iter().any(|first| path.starts_with(first));
    own.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_one_machine_only_and_a_path_is_refused() {
        assert!(PublicUrl::parse("https://quota.example.org").is_ok());
        assert!(PublicUrl::parse("http://127.0.0.1:8081").is_ok());
        let error = PublicUrl::parse("http://q.example.org").unwrap_err();
        assert!(error.contains("must begin with https://"), "{error}");
        let error = PublicUrl::parse("https://q.example.org/concord").unwrap_err();
        assert!(error.contains("without a path"), "{error}");
    }

    #[test]
    fn only_paths_of_our_own_are_returned_to() {
        for good in ["/", "/jobs?state=queued&x=//y", "/me#sessions", "/a/b-c_d.e~f"] {
            assert_eq!(own_path(good), Some(good));
        }
        let evil = [
            "",
            "jobs",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a//b",
            "/\t/evil.example",
            "/ /evil.example",
            "/%0d%0a\r\nSet-Cookie: a=b",
            "javascript:alert(1)",
            "/é",
            "/login?return=/login",
            "/logout",
            "/callback/demo?code=x",
            " /jobs",
        ];
        for evil in evil {
            assert_eq!(own_path(evil), None, "{evil:?}");
        }
        assert_eq!(own_path(&format!("/{}", "x".repeat(600))), None);
    }
}
