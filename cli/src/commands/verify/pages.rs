//! Asks a pool's portal for what its public pages show.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use concord_audit::pages::Pages;
use jiff::Timestamp;
use reqwest::{Client, Url};
use serde::de::DeserializeOwned;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer: awards of ten thousand projects take some 5 MB.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// Spans that can be asked for, with their length in hours.
const SPANS: [(&str, i64); 5] = [("hour", 1), ("day", 24), ("week", 168), ("month", 744), ("year", 8_784)];

/// What the pages show; sums of the shortest span that has all from `from` until `until`, or of a year.
///
/// # Errors
/// When the portal does not answer as one.
pub async fn ask(address: &str, from: Timestamp, until: Timestamp) -> Result<Pages> {
    let base = Url::parse(&format!("{}/", address.trim_end_matches('/')))
        .context("--pages: the address of the portal")?;
    let client = Client::builder().timeout(ANSWER_TIMEOUT).build().context("no HTTP client")?;
    let hours = until.duration_since(from).as_hours() + 1;
    let span = SPANS.iter().find(|(_, length)| *length >= hours).map_or("year", |(span, _)| span);
    // To the minute: a span begins with one of its periods.
    let from = from.strftime("%Y-%m-%dT%H:%MZ");
    Ok(Pages {
        treaty: get(&client, &base, "api/v1/treaty").await?,
        now: get(&client, &base, "api/v1/use").await?,
        promises: get(&client, &base, &format!("api/v1/use/promises?span={span}&from={from}")).await?,
        awards: get(&client, &base, "api/v1/awards").await?,
    })
}

async fn get<T: DeserializeOwned>(client: &Client, base: &Url, path: &str) -> Result<T> {
    let url = base.join(path)?;
    let answer = client.get(url.clone()).send().await.and_then(reqwest::Response::error_for_status);
    let mut answer = answer.with_context(|| format!("the pages at {url} cannot be read"))?;
    let mut bytes = Vec::new();
    while let Some(part) =
        answer.chunk().await.with_context(|| format!("the pages at {url} cannot be read"))?
    {
        bytes.extend_from_slice(&part);
        ensure!(bytes.len() <= ANSWER_BYTES_MAX, "{url} answers with more than {ANSWER_BYTES_MAX} bytes");
    }
    serde_json::from_slice(&bytes).with_context(|| format!("{url} does not answer as the pages of a pool"))
}
