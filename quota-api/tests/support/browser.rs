//! One person's browser: keeps cookies by host, follows redirects only when told to, and fills the providers' forms.

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, StatusCode, Url};

use super::provider::OpenIdProvider;
use super::site::Site;

/// A browser without a screen.
pub struct Browser(pub Client);

impl Browser {
    pub fn new() -> Self {
        Self(
            Client::builder().cookie_store(true).redirect(reqwest::redirect::Policy::none()).build().unwrap(),
        )
    }

    pub async fn get(&self, url: &str) -> Response {
        self.0.get(url).send().await.unwrap()
    }

    /// Status and text of one of our pages.
    pub async fn page(&self, site: &Site, path: &str) -> (StatusCode, String) {
        let response = self.get(&site.url(path)).await;
        (response.status(), response.text().await.unwrap())
    }

    /// Posts a form as a page of ours would.
    pub async fn post(&self, site: &Site, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.0.post(site.url(path)).header("sec-fetch-site", "same-origin");
        request.form(fields).send().await.unwrap()
    }

    /// Goes from /login through the provider's pages; the address at our server to which the provider then points.
    pub async fn log_in_at(&self, site: &Site, provider: &OpenIdProvider, user: (&str, &str)) -> Url {
        self.log_in_from(site, &format!("/login?provider={}", provider.name), user).await
    }

    /// The same from another link to the login.
    pub async fn log_in_from(&self, site: &Site, path: &str, user: (&str, &str)) -> Url {
        let mut response = self.get(&site.url(path)).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{path}");
        for _ in 0..20 {
            if response.status().is_redirection() {
                let next = location(&response);
                if next.as_str().starts_with(&site.origin) {
                    return next;
                }
                response = self.get(next.as_str()).await;
            } else {
                response = self.submit(response, user).await;
            }
        }
        panic!("the provider never came to an end");
    }

    /// Fills the one form of a provider's page: user name and password where it asks for them, everything else as it stands.
    async fn submit(&self, page: Response, user: (&str, &str)) -> Response {
        let url = page.url().clone();
        let html = page.text().await.unwrap();
        let action = attribute(&html, "action").unwrap_or_else(|| panic!("no form at {url}: {html}"));
        let action = url.join(&action).unwrap();
        let mut fields = Vec::new();
        for input in html.split("<input").skip(1) {
            let tag = input.split('>').next().unwrap();
            let Some(name) = attribute(tag, "name") else { continue };
            let value = match name.as_str() {
                "username" | "login" => user.0.to_owned(),
                "password" => user.1.to_owned(),
                _ => attribute(tag, "value").unwrap_or_default(),
            };
            fields.push((name, value));
        }
        self.0.post(action).form(&fields).send().await.unwrap()
    }

    /// Logs in, and gives what the answer was.
    pub async fn log_in(&self, site: &Site, provider: &OpenIdProvider, user: (&str, &str)) -> Response {
        let callback = self.log_in_at(site, provider, user).await;
        self.get(callback.as_str()).await
    }
}

/// Where an answer points.
pub fn location(response: &Response) -> Url {
    response.url().join(response.headers()[LOCATION].to_str().unwrap()).unwrap()
}

/// The first value of an attribute.
pub fn attribute(html: &str, name: &str) -> Option<String> {
    let start = html.find(&format!("{name}=\""))? + name.len() + 2;
    Some(html[start..start + html[start..].find('"')?].replace("&amp;", "&"))
}

/// Parameter of an address.
pub fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
}

/// The same address with another value.
pub fn with_parameter(url: &Url, name: &str, value: &str) -> String {
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let mut changed = url.clone();
    changed
        .query_pairs_mut()
        .clear()
        .extend_pairs(pairs.iter().map(|(n, v)| (n, if n == name { value } else { v })));
    changed.to_string()
}

/// A cookie that an answer sets, whole.
pub fn cookie(response: &Response, name: &str) -> String {
    let all: Vec<&str> = response.headers().get_all(SET_COOKIE).iter().map(|c| c.to_str().unwrap()).collect();
    let found = all
        .iter()
        .find(|c| c.starts_with(&format!("{name}=")))
        .unwrap_or_else(|| panic!("no {name} in {all:?}"));
    (*found).to_owned()
}

/// What is asked with a session's cookie alone, as a thief would.
pub async fn with_cookie(site: &Site, path: &str, pair: &str) -> StatusCode {
    Client::new().get(site.url(path)).header(COOKIE, pair).send().await.unwrap().status()
}
