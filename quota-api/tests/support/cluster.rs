//! The two list and watch calls of an API server, as a service behind a real `kube::Client`; it can be cut off.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use futures::StreamExt;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Holds what the API server holds.
#[derive(Clone)]
pub struct Cluster {
    treaties: Arc<Value>,
    claims: Arc<Value>,
    /// Lists of other kinds, by plural name.
    others: HashMap<&'static str, Value>,
    up: Arc<watch::Sender<bool>>,
}

impl Cluster {
    /// With these objects.
    pub fn with(treaties: &[concord_api::Treaty], claims: &[concord_api::GpuClaim]) -> Self {
        let list = |kind: &str, items: Value| json!({"apiVersion": "concord.dev/v1alpha1", "kind": kind, "metadata": {"resourceVersion": "100"}, "items": items});
        Self {
            treaties: Arc::new(list("TreatyList", json!(treaties))),
            claims: Arc::new(list("GpuClaimList", json!(claims))),
            others: HashMap::new(),
            up: Arc::new(watch::channel(true).0),
        }
    }

    /// And with these objects of another kind.
    pub fn holding<K: serde::Serialize>(mut self, plural: &'static str, objects: &[K]) -> Self {
        self.others.insert(plural, json!(objects));
        self
    }

    /// Answers nothing but errors from now on, and breaks open watches; or works again.
    pub fn set_up(&self, up: bool) {
        self.up.send_replace(up);
    }

    /// A client of it.
    pub fn client(&self) -> kube::Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let cluster = cluster.clone();
            async move { Ok::<_, Infallible>(cluster.answer(&request)) }
        });
        kube::Client::new(service, "default")
    }

    fn answer(&self, request: &Request<kube::client::Body>) -> Response<Body> {
        let mut up = self.up.subscribe();
        if !*up.borrow_and_update() {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "reason": "InternalError", "message": "cut off"});
            return Response::builder().status(500).body(Body::from(status.to_string())).unwrap();
        }
        let query = request.uri().query().unwrap_or_default();
        if query.contains("watch=true") {
            let broken = async move {
                let _ = up.changed().await;
                Err::<Vec<u8>, _>(std::io::Error::other("cut off"))
            };
            return Response::new(Body::from_stream(futures::stream::once(broken).boxed()));
        }
        let list = match request.uri().path() {
            "/apis/concord.dev/v1alpha1/treaties" => &self.treaties,
            "/apis/concord.dev/v1alpha1/gpuclaims" => &self.claims,
            // Everything else that is watched is empty.
            path => {
                let kind = match path.rsplit('/').next() {
                    Some("projects") => "ProjectList",
                    Some("applications") => "ApplicationList",
                    Some("memberquotas") => "MemberQuotaList",
                    Some("gpunodes") => "GpuNodeList",
                    Some("amendments") => "AmendmentList",
                    Some("incidents") => "IncidentList",
                    Some("nodes") => "NodeList",
                    _ => panic!("nobody should ask for {path}"),
                };
                let version = if kind == "NodeList" { "v1" } else { "concord.dev/v1alpha1" };
                let plural = path.rsplit('/').next().unwrap_or_default();
                let items = self.others.get(plural).cloned().unwrap_or(json!([]));
                let empty = json!({"apiVersion": version, "kind": kind, "metadata": {"resourceVersion": "100"}, "items": items});
                return Response::new(Body::from(empty.to_string()));
            }
        };
        Response::new(Body::from(list.to_string()))
    }
}
