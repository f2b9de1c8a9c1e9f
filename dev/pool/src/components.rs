//! The command line of every part of the control plane. Only arguments; nothing here starts anything.

use std::path::Path;

use serde_json::json;

use crate::{
    certificates::Certificates,
    process::Launch,
    toolchain::{Tool, Toolchain},
};

/// Controllers that a pool of simulated nodes has work for. No volumes, no cloud, no certificate signing.
const CONTROLLERS: [&str; 17] = [
    "clusterrole-aggregation-controller",
    "deployment-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "taint-eviction-controller",
    "ttl-after-finished-controller",
    "validatingadmissionpolicy-status-controller",
];

/// Calls per second that a component may make. The default of 20 to 50 is for sharing a server with a hundred kubelets
/// and would be what a replay of a trace measures.
const QUERIES_PER_SECOND: u32 = 500;
const QUERY_BURST: u32 = 1000;

/// What all components are started with.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The programs.
    pub toolchain: &'a Toolchain,
    /// The certificates.
    pub certificates: &'a Certificates,
    /// The folder of this control plane.
    pub data_dir: &'a Path,
}

impl Setting<'_> {
    fn launch(&self, tool: Tool) -> Launch {
        Launch::new(tool.name(), self.toolchain.path(tool))
    }

    /// etcd with mutual TLS. `durable` is off only in tests: a lost machine then loses the last writes.
    pub fn etcd(&self, port: u16, peer_port: u16, durable: bool) -> Launch {
        let Certificates { etcd_authority, etcd_serving, .. } = self.certificates;
        let mut launch = self.launch(Tool::Etcd);
        for (side, port) in [("client", port), ("peer", peer_port)] {
            let url = format!("https://127.0.0.1:{port}");
            launch = launch.flag(&format!("listen-{side}-urls"), &url);
            launch = match side {
                "client" => launch.flag("advertise-client-urls", &url),
                _ => launch
                    .flag("initial-advertise-peer-urls", &url)
                    .flag("initial-cluster", format!("pool={url}")),
            };
        }
        for prefix in ["", "peer-"] {
            launch = launch
                .flag(&format!("{prefix}cert-file"), etcd_serving.certificate.display())
                .flag(&format!("{prefix}key-file"), etcd_serving.key.display())
                .flag(&format!("{prefix}trusted-ca-file"), etcd_authority.display())
                .flag(&format!("{prefix}client-cert-auth"), true);
        }
        launch = launch
            .flag("name", "pool")
            .flag("data-dir", self.data_dir.join("etcd").display())
            // A replay writes much more than the default of 2 GiB holds between two compactions.
            .flag("quota-backend-bytes", 8_u64 << 30)
            .flag("log-level", "warn");
        if durable { launch } else { launch.arg("--unsafe-no-fsync") }
    }

    /// The API server: RBAC, no anonymous callers, limits high enough that they are not what a replay measures.
    /// With `authentication` it also knows people by the portal's tokens.
    pub fn apiserver(
        &self,
        port: u16,
        etcd_port: u16,
        token_file: &Path,
        authentication: Option<&Path>,
    ) -> Launch {
        let Certificates { authority, serving, etcd_authority, etcd_client, .. } = self.certificates;
        let Certificates { front_proxy_authority, service_account, .. } = self.certificates;
        let issuer = "https://kubernetes.default.svc";
        let launch = self.launch(Tool::KubeApiserver);
        let launch = match authentication {
            Some(file) => launch.flag("authentication-config", file.display()),
            None => launch,
        };
        launch
            .flag("etcd-servers", format!("https://127.0.0.1:{etcd_port}"))
            .flag("etcd-cafile", etcd_authority.display())
            .flag("etcd-certfile", etcd_client.certificate.display())
            .flag("etcd-keyfile", etcd_client.key.display())
            .flag("bind-address", "127.0.0.1")
            .flag("advertise-address", "127.0.0.1")
            .flag("secure-port", port)
            .flag("tls-cert-file", serving.certificate.display())
            .flag("tls-private-key-file", serving.key.display())
            .flag("client-ca-file", authority.display())
            .flag("requestheader-client-ca-file", front_proxy_authority.display())
            .flag("requestheader-allowed-names", "front-proxy")
            .flag("requestheader-username-headers", "X-Remote-User")
            .flag("requestheader-group-headers", "X-Remote-Group")
            .flag("requestheader-extra-headers-prefix", "X-Remote-Extra-")
            .flag("token-auth-file", token_file.display())
            .flag("anonymous-auth", false)
            .flag("authorization-mode", "Node,RBAC")
            // As most clusters have it, so that pod security has to do its work.
            .flag("allow-privileged", "true")
            .flag("enable-admission-plugins", "NodeRestriction")
            .flag("service-account-issuer", issuer)
            .flag("api-audiences", issuer)
            .flag("service-account-key-file", service_account.certificate.display())
            .flag("service-account-signing-key-file", service_account.key.display())
            .flag("service-cluster-ip-range", "10.96.0.0/16")
            // Endpoints on the loopback address are refused, and nothing here resolves the service anyway.
            .flag("endpoint-reconciler-type", "none")
            .flag("max-requests-inflight", 3000)
            .flag("max-mutating-requests-inflight", 1500)
            .flag("profiling", false)
    }

    /// The controllers, each under its own service account as in production.
    pub fn controller_manager(&self, port: u16, kubeconfig: &Path) -> Launch {
        let Certificates { authority, service_account, .. } = self.certificates;
        self.served(Tool::KubeControllerManager, port, kubeconfig)
            .flag("kubeconfig", kubeconfig.display())
            .flag("controllers", CONTROLLERS.join(","))
            .flag("use-service-account-credentials", true)
            .flag("service-account-private-key-file", service_account.key.display())
            .flag("root-ca-file", authority.display())
            .flag("leader-elect", false)
            .flag("kube-api-qps", QUERIES_PER_SECOND)
            .flag("kube-api-burst", QUERY_BURST)
            .flag("concurrent-job-syncs", 20)
            // Simulated nodes renew their leases every 30 s; a loaded machine must not lose them for a missed beat.
            .flag("node-monitor-grace-period", "5m")
            .flag("profiling", false)
    }

    /// The scheduler; its settings are in the file that [`scheduler_configuration`] describes.
    pub fn scheduler(&self, port: u16, kubeconfig: &Path, configuration: &Path) -> Launch {
        self.served(Tool::KubeScheduler, port, kubeconfig).flag("config", configuration.display())
    }

    /// Flags that the controller manager and the scheduler share: health and metrics over TLS, to whom RBAC allows.
    fn served(&self, tool: Tool, port: u16, kubeconfig: &Path) -> Launch {
        let serving = &self.certificates.serving;
        self.launch(tool)
            .flag("bind-address", "127.0.0.1")
            .flag("secure-port", port)
            .flag("tls-cert-file", serving.certificate.display())
            .flag("tls-private-key-file", serving.key.display())
            .flag("authentication-kubeconfig", kubeconfig.display())
            .flag("authorization-kubeconfig", kubeconfig.display())
    }
}

/// How the API server knows people by the tokens of an issuer, which it reaches by https with a certificate of that authority.
/// Names and groups come with the prefix of the person's identity provider; nobody comes as a part of the cluster.
pub fn authentication_configuration(issuer: &str, authority_pem: &str) -> serde_json::Value {
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": { "url": issuer, "certificateAuthority": authority_pem, "audiences": ["concord-kube"] },
            "claimValidationRules": [{
                "expression": "claims.exp - claims.iat <= 900",
                "message": "a token is good for a quarter of an hour at most",
            }],
            "claimMappings": {
                "username": { "claim": "sub", "prefix": "" },
                "groups": { "claim": "groups", "prefix": "" },
            },
            "userValidationRules": [
                {
                    "expression": "user.username.contains(':') && !user.username.startsWith('system:')",
                    "message": "a person's name has the prefix of an identity provider",
                },
                {
                    "expression": "user.groups.all(group, group.contains(':') && !group.startsWith('system:'))",
                    "message": "a group's name has the prefix of an identity provider",
                },
            ],
        }],
    })
}

/// The scheduler's configuration document.
pub fn scheduler_configuration(kubeconfig: &Path) -> serde_json::Value {
    json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": { "kubeconfig": kubeconfig, "qps": QUERIES_PER_SECOND, "burst": QUERY_BURST },
        "leaderElection": { "leaderElect": false },
        "enableProfiling": false,
        // All of them: the operator has chosen the nodes, so hardly any are feasible and a sample could miss them.
        "percentageOfNodesToScore": 100,
        // A pod that comes before its predecessor's GPUs are free tries again soon.
        "podInitialBackoffSeconds": 1,
        "podMaxBackoffSeconds": 4,
    })
}
