//! How fast public pages are with 100,000 claims in the store; a measurement, so it is not run with the others:
//!
//! ```text
//! cargo test --release -p concord-quota-api --test pages load -- --ignored --nocapture    (needs wrk: apt-get install wrk)
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use concord_api::{ClaimBasis, ClaimPhase, GpuClaim};
use concord_quota_api::limits::{Limits, Rates};
use concord_quota_api::{pool::Pool, router::router};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use crate::support::cluster::Cluster;
use crate::support::load::{memory, wrk};
use crate::support::objects::{Answered, claim};
use crate::support::scene;

const CLAIMS: i64 = 100_000;

fn crowd(now: Timestamp) -> Vec<GpuClaim> {
    let one = |place: i64| {
        let member = format!("cluster{:02}", place % 10 + 1);
        let mut claim = claim(&member, &format!("claim-{place}"), 1 + place % 8);
        claim.spec.project = format!("{member}-lab");
        claim.spec.submitted_at = MicroTime(now - Duration::from_secs(place.unsigned_abs() % 90_000));
        match place % 5 {
            0 => claim.holding(ClaimBasis::Guaranteed, ClaimPhase::Admitted),
            1 => claim.holding(ClaimBasis::Borrowed, ClaimPhase::Admitted),
            _ => claim.in_state(ClaimPhase::Queued),
        }
    };
    (0..CLAIMS).map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn pages_with_100_000_claims() {
    let now = Timestamp::now();
    let cluster = Cluster::with(&[scene::treaty()], &crowd(now)).holding("projects", &scene::projects());
    println!("before the first list: {}", memory("VmRSS"));
    let (pool, follow) = Pool::follow(&cluster.client());
    tokio::spawn(follow);
    let mut app = crate::support::app(pool, None, cluster.client()).await;
    // One client asks for all: the limit on one client is not what is measured.
    app.limits = Limits::new(Rates { by_second: 1e9, burst: 1e9, trusted_proxies: Vec::new() });
    let app = Arc::new(app);
    scene::remember(&app.store, now).await;
    while !app.pool.is_live() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("with {CLAIMS} claims, and the lists of the tests' API server: {}", memory("VmRSS"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    for path in ["/", "/api/v1/use", "/api/v1/use/groups", "/use/history?span=week", "/treaty"] {
        println!("{path}\n{}", wrk(format!("{origin}{path}"), Vec::new()).await);
    }
    println!("after: {}, at most {}", memory("VmRSS"), memory("VmHWM"));
}
