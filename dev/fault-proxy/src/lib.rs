//! A proxy between a client and a Kubernetes API server that does to requests what networks and busy servers do: it
//! answers in the server's place, loses answers, cuts connections, waits, and ends watches. For tests.
//!
//! ```text
//! client ──plain HTTP──▶ Proxy ──TLS, as the identity of a kubeconfig──▶ API server
//!                          │
//!                        rule(&Request) -> Act      one function, called for each request in turn
//! ```

mod act;
mod body;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request as Incoming, State};
use axum::response::Response;
use http::StatusCode;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

pub use act::{Act, Request, refusal};
pub use body::WatchEnd;

/// Largest request that is passed on, in bytes; the API server takes 3 MiB.
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Watches that are told to end at the same time.
const WATCH_ENDS_KEPT: usize = 16;

type Rule = Box<dyn FnMut(&Request) -> Act + Send>;

/// A running proxy; it ends with its value.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    upstream: Client,
    rule: Mutex<Rule>,
    watch_ends: broadcast::Sender<WatchEnd>,
    watches_stall: watch::Sender<bool>,
    injected: AtomicU64,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and passes everything on to where `upstream` leads, as its identity.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(upstream: Client) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            rule: Mutex::new(Box::new(|_| Act::Pass)),
            watch_ends: broadcast::channel(WATCH_ENDS_KEPT).0,
            watches_stall: watch::Sender::new(false),
            injected: AtomicU64::new(0),
        });
        let app = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        // Ends only with the task.
        let task = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        Ok(Self { address, shared, task })
    }

    /// Where clients find it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks `rule` about every request from now on.
    pub fn set_rule(&self, rule: impl FnMut(&Request) -> Act + Send + 'static) {
        *self.shared.rule.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(rule);
    }

    /// Passes everything on again.
    pub fn pass_everything(&self) {
        self.set_rule(|_| Act::Pass);
        self.shared.watches_stall.send_replace(false);
    }

    /// Holds back what watches have to tell, until everything is passed on again.
    pub fn stall_watches(&self) {
        self.shared.watches_stall.send_replace(true);
    }

    /// Ends all watches that are open.
    pub fn end_watches(&self, how: WatchEnd) {
        if let Ok(watches) = self.shared.watch_ends.send(how) {
            self.shared.injected.fetch_add(u64::try_from(watches).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// How often it did anything else than to pass on, since it was started.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.shared.injected.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(State(shared): State<Arc<Shared>>, incoming: Incoming) -> Response {
    let request = Request::of(&incoming);
    let act = (shared.rule.lock().unwrap_or_else(PoisonError::into_inner))(&request);
    if !matches!(act, Act::Pass) {
        shared.injected.fetch_add(1, Ordering::Relaxed);
    }
    match act {
        Act::Pass => shared.forward(incoming, request.is_watch()).await,
        Act::Delay(time) => {
            tokio::time::sleep(time).await;
            shared.forward(incoming, request.is_watch()).await
        }
        Act::Late(time) => {
            let answer = shared.forward(incoming, request.is_watch()).await;
            tokio::time::sleep(time).await;
            answer
        }
        Act::Answer(answer) => answer,
        Act::Cut => body::cut(),
        Act::Lose(afterwards) => {
            drop(shared.forward(incoming, false).await);
            afterwards();
            body::cut()
        }
    }
}

impl Shared {
    /// What the API server answers; when it cannot be reached the connection is cut, as it would be without a proxy.
    async fn forward(&self, incoming: Incoming, is_watch: bool) -> Response {
        let (mut parts, body) = incoming.into_parts();
        // The client adds its own; two would contradict each other.
        parts.headers.remove(http::header::HOST);
        parts.headers.remove(http::header::AUTHORIZATION);
        let Ok(body) = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await else {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", None);
        };
        let request = http::Request::from_parts(parts, kube::client::Body::from(body));
        let Ok(answer) = self.upstream.send(request).await else { return body::cut() };
        let (parts, body) = answer.into_parts();
        let body = Body::new(body);
        let (ends, stall) = (self.watch_ends.subscribe(), self.watches_stall.subscribe());
        let body = if is_watch && parts.status.is_success() { body::watch(body, ends, stall) } else { body };
        Response::from_parts(parts, body)
    }
}
