//! Limits that keep one client from taking the server away from the others: requests by client and time, requests at once,
//! length of an address. Bodies are limited where they are read.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::app::Shared;
use crate::error::Error;

/// Longest address: the longest of ours is a tenth of it.
const ADDRESS_BYTES_MAX: usize = 4_096;
/// Requests in work at once. With 100 KB each they take 50 MB.
const AT_ONCE: usize = 512;
/// Clients remembered: 100 bytes each, 5 MB.
const CLIENTS_MAX: usize = 50_000;
/// Who asks for these are machines of those who run the server.
const EXEMPT: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// A network, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr =
            address.parse().map_err(|_| format!("{text:?} is no address and no network"))?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .map_or(Ok(whole), str::parse)
            .map_err(|_| format!("{text:?}: the part after / is no number"))?;
        if prefix > whole {
            return Err(format!("{text:?}: the part after / is above {whole}"));
        }
        Ok(Self { address, prefix })
    }
}

impl Network {
    /// Whether the address is in it.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let shift = |width: u8| width - self.prefix;
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u32::from(own) ^ u32::from(other)).checked_shr(u32::from(shift(32))).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (u128::from(own) ^ u128::from(other)).checked_shr(u32::from(shift(128))).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// How much a client may ask.
#[derive(Debug, Clone)]
pub struct Rates {
    /// Requests by second in the long run.
    pub by_second: f64,
    /// Requests at once before that counts.
    pub burst: f64,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

impl Default for Rates {
    fn default() -> Self {
        Self { by_second: 20.0, burst: 200.0, trusted_proxies: Vec::new() }
    }
}

/// The limits and their state.
pub struct Limits {
    rates: Rates,
    clients: Mutex<HashMap<IpAddr, Bucket>>,
    at_once: Arc<Semaphore>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(Rates::default())
    }
}

impl Limits {
    /// Limits with nobody counted yet.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Self { rates, clients: Mutex::default(), at_once: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Takes one token of the client. `Err`: seconds until there is one.
    fn take(&self, client: IpAddr, now: Instant) -> Result<(), u64> {
        let Rates { by_second, burst, .. } = self.rates;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS_MAX && !clients.contains_key(&client) {
            // A full bucket is the same as none.
            clients.retain(|_, bucket| bucket.tokens(now, by_second, burst) < burst);
            if clients.len() >= CLIENTS_MAX {
                return Err(1);
            }
        }
        let bucket = clients.entry(client).or_insert(Bucket { tokens: burst, filled: now });
        let tokens = bucket.tokens(now, by_second, burst);
        if tokens >= 1.0 {
            *bucket = Bucket { tokens: tokens - 1.0, filled: now };
            return Ok(());
        }
        *bucket = Bucket { tokens, filled: now };
        // At most a second at the default rate; a number of seconds is what the header takes.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let wait = ((1.0 - tokens) / by_second).ceil().clamp(1.0, 3_600.0) as u64;
        Err(wait)
    }

    /// Who asks: the peer, or whom trusted proxies name. Each proxy adds the address from which it was asked at the end, so
    /// the last one that is no proxy of ours is the client; what stands before it anybody can have written.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted =
            |address: IpAddr| self.rates.trusted_proxies.iter().any(|network| network.holds(address));
        if !trusted(peer) {
            return group(peer);
        }
        let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
        let named: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        let mut client = peer;
        for address in named.iter().rev() {
            let Ok(address) = address.parse::<IpAddr>() else { break };
            client = address;
            if !trusted(address) {
                break;
            }
        }
        group(client)
    }
}

impl Bucket {
    fn tokens(&self, now: Instant, by_second: f64, burst: f64) -> f64 {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        passed.mul_add(by_second, self.tokens).min(burst)
    }
}

/// A household has a whole network of IPv6 addresses.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        address => address,
    }
}

/// Refuses what is too much, before any work is done for it.
pub async fn guard(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if EXEMPT.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let refused = |limit: &str, error: Error, wait_seconds: u64| {
        app.metrics.refused.with_label_values(&[limit]).inc();
        let mut response = error.into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_seconds));
        response
    };
    let length = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if length > ADDRESS_BYTES_MAX {
        return refused("address", Error::AddressTooLong, 3_600);
    }
    // Without a peer nobody is there to be counted: a test that asks the router itself.
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let client = app.limits.client(peer.ip(), request.headers());
        if let Err(wait) = app.limits.take(client, Instant::now()) {
            return refused("rate", Error::TooManyRequests, wait);
        }
    }
    let Ok(_permit) = app.limits.at_once.clone().try_acquire_owned() else {
        return refused("at-once", Error::Busy, 1);
    };
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn limits(proxies: &[&str]) -> Limits {
        let trusted_proxies = proxies.iter().map(|network| network.parse().unwrap()).collect();
        Limits::new(Rates { by_second: 2.0, burst: 3.0, trusted_proxies })
    }

    #[test]
    fn a_client_has_a_burst_and_then_a_rate_and_others_are_not_touched() {
        let (limits, start) = (limits(&[]), Instant::now());
        let one = address("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(limits.take(one, start), Ok(()));
        }
        assert_eq!(limits.take(one, start), Err(1));
        assert_eq!(limits.take(address("192.0.2.2"), start), Ok(()));
        assert_eq!(limits.take(one, start + Duration::from_millis(499)), Err(1));
        assert_eq!(limits.take(one, start + Duration::from_millis(500)), Ok(()));
    }

    #[test]
    fn only_trusted_proxies_may_name_the_client() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("198.51.100.9, 203.0.113.7, 10.0.0.3"));
        let of = |limits: &Limits, peer: &str| limits.client(address(peer), &headers).to_string();
        assert_eq!(of(&limits(&[]), "10.0.0.2"), "10.0.0.2", "nobody is trusted");
        assert_eq!(of(&limits(&["10.0.0.0/8"]), "192.0.2.1"), "192.0.2.1", "the peer is no proxy");
        assert_eq!(
            of(&limits(&["10.0.0.0/8"]), "10.0.0.2"),
            "203.0.113.7",
            "what stands before is not believed"
        );
        assert_eq!(of(&limits(&["10.0.0.2"]), "10.0.0.2"), "10.0.0.3");
    }

    #[test]
    fn networks_hold_what_they_should() {
        let holds = |network: &str, other: &str| network.parse::<Network>().unwrap().holds(address(other));
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "192.0.2.1") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1") && holds("127.0.0.1", "::ffff:127.0.0.1"));
        for wrong in ["10.0.0.0/33", "x", "10.0.0.0/x", ""] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        assert_eq!(group(address("2001:db8:1:2:3:4:5:6")).to_string(), "2001:db8:1:2::");
    }

    #[test]
    fn the_table_of_clients_is_bounded() {
        let (limits, start) = (limits(&[]), Instant::now());
        for client in 0..=u32::try_from(CLIENTS_MAX).unwrap() {
            let _ = limits.take(IpAddr::V4(client.into()), start);
        }
        assert_eq!(limits.clients.lock().unwrap().len(), CLIENTS_MAX);
        // Their buckets are full again.
        assert_eq!(limits.take(address("192.0.2.1"), start + Duration::from_secs(2)), Ok(()));
        assert_eq!(limits.clients.lock().unwrap().len(), 1);
    }
}
