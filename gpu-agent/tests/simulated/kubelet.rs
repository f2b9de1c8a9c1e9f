//! The kubelet's pod-resources service as a server over a unix socket, with the messages of the published proto. What it
//! answers is set by the test.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use concord_gpu_agent::kubelet::proto::{
    AllocatableResourcesRequest, AllocatableResourcesResponse, ContainerDevices, ContainerResources,
    ListPodResourcesRequest, ListPodResourcesResponse, PodResources,
};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// What is answered now.
#[derive(Clone, Default)]
pub struct Answers {
    pub pods: Vec<PodResources>,
    pub devices: Vec<ContainerDevices>,
    /// Refuse with this instead.
    pub refuse: Option<Status>,
}

/// A running server; dropping it ends it and leaves a dead socket, as a killed kubelet does.
pub struct Kubelet {
    pub answers: Arc<Mutex<Answers>>,
    pub socket: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Kubelet {
    pub fn start(socket: &Path, answers: Arc<Mutex<Answers>>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // A new kubelet makes its socket anew.
        let _ = std::fs::remove_file(socket);
        let listener = runtime.block_on(async { UnixListener::bind(socket) }).unwrap();
        let service = Lister { answers: Arc::clone(&answers) };
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(UnixListenerStream::new(listener)),
        );
        Self { answers, socket: socket.to_owned(), runtime }
    }

    /// Ends it and starts another on the same path.
    pub fn restart(self) -> Self {
        let Self { answers, socket, runtime } = self;
        runtime.shutdown_background();
        Self::start(&socket, answers)
    }

    /// Says who holds what: namespace, pod and device ids.
    pub fn hold(&self, holders: &[(&str, &str, &[&str])]) {
        let pod = |(namespace, name, ids): &(&str, &str, &[&str])| PodResources {
            name: (*name).to_owned(),
            namespace: (*namespace).to_owned(),
            containers: vec![ContainerResources {
                name: "main".to_owned(),
                devices: vec![devices(ids)],
                dynamic_resources: vec![],
            }],
        };
        self.answers.lock().unwrap().pods = holders.iter().map(pod).collect();
    }
}

/// Devices of the usual resource.
pub fn devices(ids: &[&str]) -> ContainerDevices {
    let device_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    ContainerDevices { resource_name: "nvidia.com/gpu".to_owned(), device_ids }
}

#[derive(Clone)]
struct Lister {
    answers: Arc<Mutex<Answers>>,
}

impl NamedService for Lister {
    const NAME: &'static str = "v1.PodResourcesLister";
}

impl Service<http::Request<Body>> for Lister {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answers = self.answers.lock().unwrap().clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/v1.PodResourcesLister/List" => {
                    let codec: ProstCodec<ListPodResourcesResponse, ListPodResourcesRequest> =
                        ProstCodec::default();
                    Grpc::new(codec).unary(List(answers), request).await
                }
                "/v1.PodResourcesLister/GetAllocatableResources" => {
                    let codec: ProstCodec<AllocatableResourcesResponse, AllocatableResourcesRequest> =
                        ProstCodec::default();
                    Grpc::new(codec).unary(Allocatable(answers), request).await
                }
                _ => Status::unimplemented("no such call").into_http(),
            })
        })
    }
}

struct List(Answers);

impl UnaryService<ListPodResourcesRequest> for List {
    type Response = ListPodResourcesResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, _: Request<ListPodResourcesRequest>) -> Self::Future {
        let Answers { pods, refuse, .. } = self.0.clone();
        let answer = Response::new(ListPodResourcesResponse { pod_resources: pods });
        Box::pin(async move { refuse.map_or(Ok(answer), Err) })
    }
}

struct Allocatable(Answers);

impl UnaryService<AllocatableResourcesRequest> for Allocatable {
    type Response = AllocatableResourcesResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, _: Request<AllocatableResourcesRequest>) -> Self::Future {
        let Answers { devices, refuse, .. } = self.0.clone();
        let answer = Response::new(AllocatableResourcesResponse { devices });
        Box::pin(async move { refuse.map_or(Ok(answer), Err) })
    }
}
