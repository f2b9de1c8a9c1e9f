//! The portal with login, on a real socket, before a stand-in for the cluster.

use std::sync::Arc;

use concord_quota_api::app::Shared;
use concord_quota_api::auth::providers_file::ProviderConfig;
use concord_quota_api::auth::{Lifetimes, Login, Provider, PublicUrl};
use concord_quota_api::store::Store;
use concord_quota_api::{pool::Pool, router::router};
use jiff::SignedDuration;
use tokio::net::TcpListener;

use super::cluster::Cluster;
use super::objects::{claims, treaties};
use super::{app_on, database};

/// What sessions of tests last, unless a test is about that.
pub const LIFETIMES: Lifetimes =
    Lifetimes { session: SignedDuration::from_hours(1), idle: SignedDuration::from_mins(30) };

/// A running portal.
pub struct Site {
    pub origin: String,
    pub app: Shared,
}

/// A socket that is there before the providers, which must know the address.
pub struct Place {
    listener: TcpListener,
    pub origin: String,
}

impl Place {
    pub async fn take() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, origin }
    }

    /// Opens the portal there.
    pub async fn open(self, providers: Vec<ProviderConfig>) -> Site {
        let store = database::sqlite().await;
        self.open_with(providers, store, LIFETIMES).await
    }

    /// The same with another database and other lifetimes.
    pub async fn open_with(self, providers: Vec<ProviderConfig>, store: Store, lifetimes: Lifetimes) -> Site {
        let public = PublicUrl::parse(&self.origin).unwrap();
        let providers = providers.into_iter().map(|config| Provider::new(config, &public).unwrap()).collect();
        let login = Login::new(providers, public, lifetimes);
        let cluster = Cluster::with(&treaties(), &claims());
        let (pool, follow) = Pool::follow(&cluster.client());
        tokio::spawn(follow);
        let app = Arc::new(app_on(pool, Some(login), cluster.client(), store));
        tokio::spawn(axum::serve(self.listener, router(app.clone())).into_future());
        Site { origin: self.origin, app }
    }
}

impl Site {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}
