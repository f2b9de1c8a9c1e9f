//! Answers that end before their end.

use std::io;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::{StreamExt, stream};
use tokio::sync::{broadcast, watch};

/// How watches end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEnd {
    /// The server says that the version from which it was to go on is too old.
    Gone,
    /// The connection is cut.
    Cut,
}

/// The event by which a watch says 410.
const GONE: &[u8] = br#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"injected by a test: too old resource version","reason":"Expired","code":410}}
"#;

/// An answer that begins and is cut.
pub(crate) fn cut() -> Response {
    let broken = stream::iter([Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))]);
    Response::new(Body::from_stream(broken))
}

struct Watch {
    frames: axum::body::BodyDataStream,
    ends: broadcast::Receiver<WatchEnd>,
    stall: watch::Receiver<bool>,
    /// Asked to end, but amid an event.
    pending: Option<WatchEnd>,
    between_events: bool,
    over: bool,
}

/// The same body until watches are told to end, and not while they stall.
pub(crate) fn watch(body: Body, ends: broadcast::Receiver<WatchEnd>, stall: watch::Receiver<bool>) -> Body {
    let frames = body.into_data_stream();
    let watch = Watch { frames, ends, stall, pending: None, between_events: true, over: false };
    Body::from_stream(stream::unfold(watch, |mut watch| async move {
        let item = watch.next().await?;
        Some((item, watch))
    }))
}

impl Watch {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if self.over {
                return None;
            }
            match self.pending {
                Some(WatchEnd::Cut) => {
                    self.over = true;
                    return Some(Err(io::Error::from(io::ErrorKind::ConnectionReset)));
                }
                Some(WatchEnd::Gone) if self.between_events => {
                    self.over = true;
                    return Some(Ok(Bytes::from_static(GONE)));
                }
                _ => {}
            }
            tokio::select! {
                end = self.ends.recv(), if self.pending.is_none() => match end {
                    Ok(end) => self.pending = Some(end),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => self.over = true,
                },
                frame = async {
                    // Fails only when the proxy ends.
                    let _moves = self.stall.wait_for(|stalls| !*stalls).await.is_ok();
                    self.frames.next().await
                } => {
                    let frame = frame?.map_err(io::Error::other);
                    if let Ok(bytes) = &frame {
                        self.between_events = bytes.last() == Some(&b'\n');
                    }
                    return Some(frame);
                }
            }
        }
    }
}
