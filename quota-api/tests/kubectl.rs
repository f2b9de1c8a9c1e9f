//! kubectl logs in at the portal and acts as the person, with groups, before a real API server that knows the portal's tokens.
//! And the other way in: what the portal may do as a person, and what not.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum_server::tls_rustls::RustlsConfig;
use concord_api::names::QUOTA_API_USER;
use concord_pool::{ControlPlane, Identity, Options, Tool, people, setup};
use concord_quota_api::app::Shared;
use concord_quota_api::auth::{ClusterAddress, Login, Principal, Provider, PublicUrl};
use concord_quota_api::may::Deed;
use concord_quota_api::pool::Pool;
use concord_quota_api::router::{for_api_server, router};
use concord_quota_api::store::signing_keys::SigningKey;
use concord_quota_api::tokens;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, api::ListParams};
use reqwest::StatusCode;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use support::browser::Browser;
use support::people::person;
use support::provider::{OTHER, OpenIdProvider, USER, free_port};
use support::site::{LIFETIMES, Site};
use support::{app_on, database};

const PORTAL: &str = "quota-api";
const CLIENT: (&str, &str) = ("client_id", "concord-kube");
const DEVICE: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");

/// A real API server, the portal before it, and a provider with people.
struct World {
    plane: ControlPlane,
    site: Site,
    provider: OpenIdProvider,
    issuer: String,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token_port = free_port();
        let issuer = format!("https://127.0.0.1:{token_port}");
        let mut options = Options::bare(folder.path().join("plane"));
        options.token_issuer = Some(issuer.clone());
        options.identities = vec![Identity::new(PORTAL).user(QUOTA_API_USER).group("system:serviceaccounts")];
        let plane = ControlPlane::start(options).await.unwrap();
        let admin = plane.client(Identity::ADMIN).await.unwrap();
        setup::install(&admin, &concord_pool::pool::chart()).await.unwrap();
        people::bind_roles(&admin, "alpha").await.unwrap();

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let portal = origin.clone();
        let provider = tokio::task::spawn_blocking(move || OpenIdProvider::start(&portal)).await.unwrap();
        let public = PublicUrl::parse(&origin).unwrap();
        let mut login =
            Login::new(vec![Provider::new(provider.config(), &public).unwrap()], public, LIFETIMES);
        login.token_issuer.clone_from(&issuer);
        let certificates = plane.certificates().unwrap();
        let ca_pem = Some(std::fs::read(&certificates.authority).unwrap());
        login.cluster = Some(ClusterAddress { server: plane.server(), ca_pem });
        let client = plane.client(PORTAL).await.unwrap();
        let (pool, follow) = Pool::follow(&client);
        tokio::spawn(follow);
        let app: Shared = Arc::new(app_on(pool, Some(login), client, database::sqlite().await));
        tokio::spawn(axum::serve(listener, router(app.clone())).into_future());
        let serving = &certificates.serving;
        let tls = RustlsConfig::from_pem_file(&serving.certificate, &serving.key).await.unwrap();
        let address = format!("127.0.0.1:{token_port}").parse().unwrap();
        tokio::spawn(
            axum_server::bind_rustls::<std::net::SocketAddr>(address, tls)
                .serve(for_api_server(app.clone()).into_make_service()),
        );
        Self { plane, site: Site { origin, app }, provider, issuer, folder }
    }

    /// Lets a group read and write the `ConfigMap`s of a namespace.
    async fn allow_config_maps(&self, group: &str) {
        let admin = self.plane.client(Identity::ADMIN).await.unwrap();
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "config-maps"},
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}],
        });
        setup::apply(&admin, &role).await.unwrap();
        setup::bind_group(&admin, "config-maps", "config-maps", group).await.unwrap();
    }

    /// Status and body of a question to the token endpoint.
    async fn token(&self, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([CLIENT]).collect();
        let answer = reqwest::Client::new().post(self.site.url("/token")).form(&fields).send().await.unwrap();
        let status = answer.status();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    async fn ask(&self) -> Value {
        let request = reqwest::Client::new().post(self.site.url("/device_authorization")).form(&[CLIENT]);
        let answer = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// What kubectl says with a token, and whether it succeeded. The API server looks for a new issuer's keys every ten seconds
    /// or so, and so long this waits for the first answer.
    async fn kubectl(&self, token: &str, arguments: &[&str]) -> (String, bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let (text, ok) = self.kubectl_once(&["--token", token], arguments);
            let unknown = ["must be logged in", "Unauthorized", "provide credentials"];
            if ok || !unknown.iter().any(|told| text.contains(told)) || Instant::now() > deadline {
                return (text, ok);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    fn kubectl_once(&self, first: &[&str], arguments: &[&str]) -> (String, bool) {
        let authority = self.plane.certificates().unwrap().authority;
        let output = Command::new(self.plane.toolchain().path(Tool::Kubectl))
            .args(["--kubeconfig", "/dev/null", "--server", &self.plane.server(), "--certificate-authority"])
            .arg(authority)
            .args(first)
            .args(arguments)
            .output()
            .unwrap();
        (
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
            output.status.success(),
        )
    }
}

/// The code as the page shows it, allowed or refused by the person in that browser.
async fn answer_code(world: &World, browser: &Browser, code: &str, answer: &str) -> String {
    let confirm = browser.post(&world.site, "/device", &[("user_code", code)]).await;
    let html = confirm.text().await.unwrap();
    assert!(html.contains("May this kubectl act as you?") && html.contains(code), "{html}");
    let done = browser.post(&world.site, "/device", &[("user_code", code), ("answer", answer)]).await;
    done.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_acts_as_the_person_who_typed_its_code() {
    let world = World::start().await;
    world.allow_config_maps("demo:applicants").await;
    let asked = world.ask().await;
    let (device, code) = (asked["device_code"].as_str().unwrap(), asked["user_code"].as_str().unwrap());
    assert_eq!(asked["verification_uri_complete"], format!("{}/device?user_code={code}", world.site.origin));

    // Before anybody has decided, and sooner than agreed.
    let poll = [DEVICE, ("device_code", device)];
    assert_eq!(world.token(&poll).await.1["error"], "authorization_pending");
    assert_eq!(world.token(&poll).await.1["error"], "slow_down");

    let browser = Browser::new();
    assert_eq!(browser.page(&world.site, "/device").await.0, StatusCode::UNAUTHORIZED);
    browser.log_in(&world.site, &world.provider, USER).await;
    let (_, html) = browser.page(&world.site, &format!("/device?user_code={code}")).await;
    assert!(
        html.contains(&format!("value=\"{code}\"")) && !html.contains("May this kubectl"),
        "a link alone only fills the field: {html}"
    );
    assert!(answer_code(&world, &browser, code, "allow").await.contains("kubectl is let in."));

    let (status, given) = world.token(&poll).await;
    assert_eq!(status, StatusCode::OK, "{given}");
    let token = given["access_token"].as_str().unwrap();
    assert_eq!(world.token(&poll).await.1["error"], "expired_token", "a code is good for once");

    let (who, ok) = world.kubectl(token, &["auth", "whoami", "-o", "json"]).await;
    assert!(ok, "{who}");
    let who: Value = serde_json::from_str(&who).unwrap();
    assert_eq!(who["status"]["userInfo"]["username"], "demo:applicant-academic");
    let groups = who["status"]["userInfo"]["groups"].as_array().unwrap();
    assert!(
        groups.contains(&json!("demo:applicants")) && groups.contains(&json!("system:authenticated")),
        "{groups:?}"
    );
    let (made, ok) = world.kubectl(token, &["create", "configmap", "made-by-kubectl"]).await;
    assert!(ok, "the group's right: {made}");
    let (refused, ok) = world.kubectl(token, &["get", "secrets"]).await;
    assert!(!ok && refused.contains("demo:applicant-academic\" cannot list"), "{refused}");

    renewals(&world, &given).await;
    forgeries(&world).await;
    rotation(&world).await;
    guesses(&world).await;
}

/// A token is renewed until the session ends; a renewal secret that comes twice ends it.
async fn renewals(world: &World, given: &Value) {
    let first = given["refresh_token"].as_str().unwrap();
    let with = |secret: &str| {
        [
            ("grant_type".to_owned(), "refresh_token".to_owned()),
            ("refresh_token".to_owned(), secret.to_owned()),
        ]
    };
    let renew = async |secret: &str| {
        let fields = with(secret);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        world.token(&fields).await
    };
    let (status, second) = renew(first).await;
    assert_eq!(status, StatusCode::OK, "{second}");
    assert_eq!(renew("guessed").await.1["error"], "invalid_grant");
    let second = second["refresh_token"].as_str().unwrap().to_owned();
    let (_, third) = renew(&second).await;
    assert_eq!(renew(&second).await.1["error"], "invalid_grant", "stolen or robbed");
    let third = third["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(renew(&third).await.1["error"], "invalid_grant", "the session has ended");
    // A renewal secret is no cookie.
    let pair = format!("concord-session={third}");
    assert_eq!(support::browser::with_cookie(&world.site, "/me", &pair).await, StatusCode::UNAUTHORIZED);

    // The provider's logout ends kubectl's session too.
    let asked = world.ask().await;
    let browser = Browser::new();
    browser.log_in(&world.site, &world.provider, OTHER).await;
    answer_code(world, &browser, asked["user_code"].as_str().unwrap(), "allow").await;
    let (_, given) = world.token(&[DEVICE, ("device_code", asked["device_code"].as_str().unwrap())]).await;
    world.provider.operate(&format!("logout?subject={}", OTHER.0)).await;
    assert_eq!(renew(given["refresh_token"].as_str().unwrap()).await.1["error"], "invalid_grant");
}

/// What even this server could not make the API server believe.
async fn forgeries(world: &World) {
    let store = &world.site.app.store;
    let now = Timestamp::now();
    let person = |provider: &str, groups: &[&str]| Principal {
        provider: provider.to_owned(),
        ..person("kube-controller-manager", groups)
    };
    let whoami = ["auth", "whoami"];
    let honest = tokens::issue(store, &world.issuer, &person("demo", &["x"]), now).await.unwrap();
    let (text, ok) = world.kubectl(&honest, &whoami).await;
    assert!(ok, "the control: {text}");
    let hours_ago = now.checked_sub(jiff::SignedDuration::from_hours(2)).unwrap();
    let refused = [
        (
            "a part of the cluster",
            tokens::issue(store, &world.issuer, &person("system", &[]), now).await.unwrap(),
        ),
        (
            "another issuer",
            tokens::issue(store, "https://evil.example", &person("demo", &[]), now).await.unwrap(),
        ),
        (
            "an expired token",
            tokens::issue(store, &world.issuer, &person("demo", &[]), hours_ago).await.unwrap(),
        ),
        ("a changed signature", format!("{}AAAA", &honest[..honest.len() - 4])),
    ];
    for (case, token) in refused {
        let (text, ok) = world.kubectl_once(&["--token", &token], &whoami);
        assert!(!ok && (text.contains("Unauthorized") || text.contains("logged in")), "{case}: {text}");
    }
}

/// A new key is understood at once, and what the old one signed still is.
async fn rotation(world: &World) {
    let store = &world.site.app.store;
    let someone = person("someone", &[]);
    let old = tokens::issue(store, &world.issuer, &someone, Timestamp::now()).await.unwrap();
    let private =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let key =
        SigningKey { id: "next".to_owned(), private: private.as_ref().to_vec(), created: Timestamp::now() };
    store.signing_keys().add(&key, Timestamp::MIN).await.unwrap();
    let new = tokens::issue(store, &world.issuer, &someone, Timestamp::now()).await.unwrap();
    assert_ne!(old.split('.').next(), new.split('.').next(), "the same key signs");
    for (case, token) in [("new", &new), ("old", &old)] {
        let (text, ok) = world.kubectl(token, &["auth", "whoami"]).await;
        assert!(ok && text.contains("demo:someone"), "{case}: {text}");
    }
}

/// Codes cannot be guessed: after ten that do not exist a session may type no more.
async fn guesses(world: &World) {
    let browser = Browser::new();
    browser.log_in(&world.site, &world.provider, USER).await;
    let asked = world.ask().await;
    let code = asked["user_code"].as_str().unwrap();
    let refused = answer_code(world, &browser, code, "refuse").await;
    assert!(refused.contains("kubectl was refused."), "{refused}");
    let poll = [DEVICE, ("device_code", asked["device_code"].as_str().unwrap())];
    assert_eq!(world.token(&poll).await.1["error"], "access_denied");
    for guess in 0..10 {
        let answer = browser.post(&world.site, "/device", &[("user_code", "BBBB-BBBB")]).await;
        assert!(answer.text().await.unwrap().contains("No kubectl waits with this code."), "{guess}");
    }
    let next = world.ask().await;
    let right =
        browser.post(&world.site, "/device", &[("user_code", next["user_code"].as_str().unwrap())]).await;
    assert_eq!(right.status(), StatusCode::TOO_MANY_REQUESTS, "the eleventh is right and too late");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kubeconfig_of_the_portal_works_with_kubectl_as_it_is() {
    let world = World::start().await;
    world.allow_config_maps("demo:applicants").await;
    let browser = Browser::new();
    browser.log_in(&world.site, &world.provider, USER).await;
    let (status, text) = browser.page(&world.site, "/me/kubeconfig").await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let kubeconfig = world.folder.path().join("kubeconfig.yaml");
    std::fs::write(&kubeconfig, text).unwrap();
    let kubectl = |arguments: &[&str]| {
        let mut command = Command::new(world.plane.toolchain().path(Tool::Kubectl));
        let path = format!("{}:{}", concord().parent().unwrap().display(), std::env::var("PATH").unwrap());
        command
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .args(arguments)
            .env("PATH", path)
            .env("XDG_CACHE_HOME", world.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(world.folder.path().join("terminal")).unwrap());
        command
    };
    let terminal = || std::fs::read_to_string(world.folder.path().join("terminal")).unwrap_or_default();
    let running = kubectl(&["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let code = loop {
        if let Some(code) = terminal().split("this code: ").nth(1) {
            break code.trim().to_owned();
        }
        assert!(Instant::now() < deadline, "no code: {}", terminal());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    answer_code(&world, &browser, &code, "allow").await;
    let output = tokio::task::spawn_blocking(move || running.wait_with_output().unwrap()).await.unwrap();
    // The API server may not yet have found the issuer; the token is kept, so nobody is asked again.
    let mut who = String::from_utf8(output.stdout).unwrap();
    while who != "demo:applicant-academic" {
        assert!(Instant::now() < deadline, "{who}{}", terminal());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let output =
            kubectl(&["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]).output().unwrap();
        who = String::from_utf8(output.stdout).unwrap();
        assert!(!terminal().contains("this code:"), "asked again: {}", terminal());
    }
    let kept = world.folder.path().join("concord/login");
    let file = std::fs::read_dir(kept).unwrap().next().unwrap().unwrap().path();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    // A token that has run out is renewed without a person.
    let text = std::fs::read_to_string(&file).unwrap();
    let mut old: Value = serde_json::from_str(&text).unwrap();
    old["expires"] = json!(Timestamp::now());
    std::fs::write(&file, old.to_string()).unwrap();
    let output = kubectl(&["create", "configmap", "renewed"]).output().unwrap();
    assert!(output.status.success(), "{}", terminal());
    assert_ne!(std::fs::read_to_string(&file).unwrap(), text, "a new token is kept");
}

/// The program beside this test's; `make test` builds it.
fn concord() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.parent().and_then(Path::parent).unwrap().join("concord");
    assert!(program.is_file(), "no program at {}; build it: cargo build -p concord-cli", program.display());
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn the_portal_acts_as_people_and_as_nothing_else() {
    let world = World::start().await;
    world.allow_config_maps("demo:applicants").await;
    let app = &world.site.app;
    let (applicant, reviewer) = (person("a", &["applicants"]), person("r", &["reviewers"]));
    for (who, expected) in [(&applicant, false), (&reviewer, true)] {
        let may = app.rights.may(&app.acting, who, Deed::Review).await;
        assert_eq!(may, expected, "{}", who.subject);
    }
    // As a person, what the person may; by itself, nothing of that.
    let as_applicant: Api<ConfigMap> = Api::namespaced(app.acting.as_person(&applicant).unwrap(), "default");
    as_applicant.list(&ListParams::default()).await.unwrap();
    let as_reviewer: Api<ConfigMap> = Api::namespaced(app.acting.as_person(&reviewer).unwrap(), "default");
    assert!(as_reviewer.list(&ListParams::default()).await.is_err());
    let own = world.plane.client(PORTAL).await.unwrap();
    assert!(Api::<ConfigMap>::namespaced(own.clone(), "default").list(&ListParams::default()).await.is_err());

    // A person who may do everything: the portal still touches no Secret in that name.
    let admin = world.plane.client(Identity::ADMIN).await.unwrap();
    setup::bind(&admin, "demo-root", "cluster-admin", "demo:root").await.unwrap();
    let root = person("root", &[]);
    let as_root = app.acting.as_person(&root).unwrap();
    Api::<ConfigMap>::namespaced(as_root.clone(), "default").list(&ListParams::default()).await.unwrap();
    let secrets = Api::<Secret>::all(as_root).list(&ListParams::default()).await;
    assert!(matches!(&secrets, Err(kube::Error::Api(status)) if status.is_forbidden()), "{secrets:?}");

    // Not as the operator, a node or an administrator of the cluster.
    for (user, groups) in [
        ("system:serviceaccount:concord-system:concord-operator", vec![]),
        ("system:node:node-1", vec!["system:nodes"]),
        ("demo:a", vec!["system:masters"]),
    ] {
        let mut request =
            http::Request::get("/api/v1/namespaces/default/configmaps").header("impersonate-user", user);
        for group in &groups {
            request = request.header("impersonate-group", *group);
        }
        let answer = own.request_text(request.body(Vec::new()).unwrap()).await;
        assert!(
            matches!(&answer, Err(kube::Error::Api(status)) if status.is_forbidden()),
            "{user} {groups:?}: {answer:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_members_admins_write_its_quota_and_no_others() {
    let world = World::start().await;
    let admin = person("member-admin", &["member-admins"]);
    let token = tokens::issue(&world.site.app.store, &world.issuer, &admin, Timestamp::now()).await.unwrap();
    let apply = async |member: &str, ceiling: u32| {
        let quota = json!({"apiVersion": "concord.dev/v1alpha1", "kind": "MemberQuota", "metadata": {"name": member},
            "spec": {"institutions": [{"name": "institute", "ceiling": {"gpus": ceiling}}]}});
        let file = world.folder.path().join("quota.json");
        std::fs::write(&file, quota.to_string()).unwrap();
        world.kubectl(&token, &["apply", "--server-side", "-f", &file.to_string_lossy()]).await
    };
    for ceiling in [4, 6] {
        let (text, ok) = apply("alpha", ceiling).await;
        assert!(ok, "{text}");
    }
    let (text, ok) = apply("beta", 4).await;
    assert!(!ok && text.contains("orbidden"), "{text}");
    let (text, ok) = world.kubectl(&token, &["get", "memberquotas"]).await;
    assert!(ok && text.contains("alpha"), "{text}");
}
