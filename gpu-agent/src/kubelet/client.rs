//! A client of the kubelet's pod-resources service, over its unix socket.

use std::path::PathBuf;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::proto::{
    AllocatableResourcesRequest, AllocatableResourcesResponse, ContainerDevices, ListPodResourcesRequest,
    ListPodResourcesResponse, PodResources,
};

/// What the kubelet's own client allows.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A kubelet that is busy answers within seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The client. Its connection is made with the first call, and made again by the path of the socket when it breaks: a
/// kubelet that starts again makes another socket there.
#[derive(Clone)]
pub struct Client {
    grpc: Grpc<Channel>,
}

impl Client {
    /// For the socket in a directory. The directory is what must be mounted, not the socket.
    ///
    /// # Errors
    /// Never in practice: the address is a constant.
    pub fn new(socket: PathBuf) -> Result<Self, tonic::transport::Error> {
        let connector = tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        // gRPC wants an address; the connector decides where it goes.
        let endpoint = Endpoint::try_from("http://localhost")?.timeout(TIMEOUT).connect_timeout(TIMEOUT);
        let channel = endpoint.connect_with_connector_lazy(connector);
        Ok(Self { grpc: Grpc::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX) })
    }

    /// All pods that the kubelet holds, some of which may have ended.
    ///
    /// # Errors
    /// What the kubelet or the connection says; `ResourceExhausted` above 100 calls in a second, of all clients together.
    pub async fn list(&mut self) -> Result<Vec<PodResources>, Status> {
        let path = PathAndQuery::from_static("/v1.PodResourcesLister/List");
        let answer: ListPodResourcesResponse = self.call(path, ListPodResourcesRequest {}).await?;
        Ok(answer.pod_resources)
    }

    /// All devices that the kubelet may hand out.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn allocatable(&mut self) -> Result<Vec<ContainerDevices>, Status> {
        let path = PathAndQuery::from_static("/v1.PodResourcesLister/GetAllocatableResources");
        let answer: AllocatableResourcesResponse = self.call(path, AllocatableResourcesRequest {}).await?;
        Ok(answer.devices)
    }

    async fn call<Q, A>(&mut self, path: PathAndQuery, question: Q) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        self.grpc.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        Ok(self.grpc.unary(Request::new(question), path, codec).await?.into_inner())
    }
}

/// An error with its causes, which tonic hides.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Label of a failure; closed.
#[must_use]
pub const fn label(code: Code) -> &'static str {
    match code {
        Code::ResourceExhausted => "resource_exhausted",
        Code::Unavailable => "unavailable",
        Code::DeadlineExceeded | Code::Cancelled => "timeout",
        Code::Unimplemented => "unimplemented",
        Code::PermissionDenied | Code::Unauthenticated => "refused",
        _ => "other",
    }
}
