//! What the database keeps of logins, on SQLite and on PostgreSQL alike.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use concord_quota_api::auth::Principal;
use concord_quota_api::store::Store;
use concord_quota_api::store::attempts::Attempt;
use concord_quota_api::store::devices::{Grant, Poll};
use concord_quota_api::store::seal::Seal;
use concord_quota_api::store::sessions::{Kind, NewSession};
use concord_quota_api::store::signing_keys::SigningKey;
use jiff::{SignedDuration, Timestamp};
use support::database::stores;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

const fn key(number: u8) -> [u8; 32] {
    [number; 32]
}

fn person(subject: &str) -> Principal {
    Principal {
        provider: "demo".to_owned(),
        issuer: "https://id.example".to_owned(),
        subject: subject.to_owned(),
        groups: vec!["a group".to_owned()],
        name: Some("Näme".to_owned()),
        email: None,
        assurance: Vec::new(),
        authentication: None,
    }
}

async fn open(store: &Store, id: u8, kind: Kind, principal: &Principal, sid: Option<&str>, expires: i64) {
    let session = NewSession { id: key(id), kind, principal, sid, created: at(0), expires: at(expires) };
    store.sessions().open(&session).await.unwrap();
}

async fn is_open(store: &Store, id: u8, second: i64) -> bool {
    store.sessions().of_browser(key(id), at(second), at(second - 1000)).await.unwrap().is_some()
}

#[tokio::test]
async fn a_login_under_way_is_good_for_one_browser_one_state_and_once() {
    for (name, store) in stores().await {
        let attempt = Attempt {
            provider: "demo".to_owned(),
            nonce: "n".to_owned(),
            verifier: "v".to_owned(),
            return_to: "/jobs".to_owned(),
        };
        let attempts = store.attempts();
        attempts.begin(key(1), key(2), &attempt, at(0), at(600)).await.unwrap();
        assert_eq!(attempts.take(key(1), key(9), at(1)).await.unwrap(), None, "{name}: another state");
        assert_eq!(attempts.take(key(9), key(2), at(1)).await.unwrap(), None, "{name}: another browser");
        assert_eq!(attempts.take(key(1), key(2), at(600)).await.unwrap(), None, "{name}: too late");
        // Two requests at once: one gets it.
        let (one, two) = (store.attempts(), store.attempts());
        let both = tokio::join!(one.take(key(1), key(2), at(1)), two.take(key(1), key(2), at(1)));
        let got: Vec<Attempt> = [both.0.unwrap(), both.1.unwrap()].into_iter().flatten().collect();
        assert_eq!(got, [attempt], "{name}");
    }
}

#[tokio::test]
async fn a_session_ends_at_its_time_when_idle_and_when_it_is_ended() {
    for (name, store) in stores().await {
        let principal = person("s");
        open(&store, 1, Kind::Browser, &principal, None, 900).await;
        let sessions = store.sessions();
        let read = sessions.of_browser(key(1), at(10), at(-990)).await.unwrap().unwrap();
        assert_eq!((read.principal, read.expires), (principal.clone(), at(900)), "{name}");
        assert!(is_open(&store, 1, 899).await && !is_open(&store, 1, 900).await, "{name}: the end");
        // The last use above is known to the minute at worst.
        assert!(sessions.of_browser(key(1), at(850), at(849)).await.unwrap().is_some(), "{name}: in use");
        assert!(sessions.of_browser(key(1), at(860), at(899)).await.unwrap().is_none(), "{name}: idle");
        let listed = sessions.list(&principal, at(10)).await.unwrap();
        assert!(!sessions.end_own(&person("t"), &listed[0].handle).await.unwrap(), "{name}: somebody else's");
        assert!(sessions.end_own(&principal, &listed[0].handle).await.unwrap(), "{name}");
        assert!(!is_open(&store, 1, 10).await, "{name}");
        assert_eq!(sessions.count().await.unwrap(), 0, "{name}");
    }
}

#[tokio::test]
async fn a_provider_ends_one_session_or_all_of_a_person_at_that_provider() {
    for (name, store) in stores().await {
        let (one, other) = (person("s"), person("t"));
        let elsewhere = Principal { issuer: "https://other.example".to_owned(), ..person("s") };
        for (id, who, sid) in [(1, &one, "a"), (2, &one, "b"), (3, &other, "c"), (4, &elsewhere, "a")] {
            open(&store, id, Kind::Browser, who, Some(sid), 900).await;
        }
        let issuer = "https://id.example";
        let end = async |subject, sid| store.sessions().end_of(issuer, subject, sid).await.unwrap();
        assert_eq!(end(Some("t"), Some("a")).await, 0, "{name}: both must fit");
        assert_eq!(end(None, Some("a")).await, 1, "{name}: by session");
        assert_eq!(end(Some("s"), None).await, 1, "{name}: by person");
        assert_eq!(end(None, None).await, 0, "{name}: by nothing");
        let still = [is_open(&store, 3, 1).await, is_open(&store, 4, 1).await];
        assert_eq!(still, [true, true], "{name}: other people, other providers");
        let first = async |now, until| store.sessions().is_first(key(7), at(now), at(until)).await.unwrap();
        assert_eq!(
            (first(0, 100).await, first(99, 199).await, first(100, 200).await),
            (true, false, true),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_renewal_secret_is_good_for_once_and_ends_the_session_the_second_time() {
    for (name, store) in stores().await {
        open(&store, 1, Kind::Kubectl, &person("s"), None, 900).await;
        assert!(!is_open(&store, 1, 1).await, "{name}: kubectl's session is no browser's");
        let renew =
            async |old, new, second| store.sessions().renew(key(old), key(new), at(second)).await.unwrap();
        assert!(renew(9, 8, 1).await.is_none(), "{name}: a guess");
        assert!(renew(1, 2, 1).await.is_some() && renew(2, 3, 2).await.is_some(), "{name}");
        assert!(renew(2, 4, 3).await.is_none() && renew(3, 5, 4).await.is_none(), "{name}: it came twice");
        open(&store, 6, Kind::Kubectl, &person("s"), None, 900).await;
        assert!(renew(6, 7, 900).await.is_none(), "{name}: too late");
    }
}

#[tokio::test]
async fn a_device_code_is_decided_once_and_granted_once() {
    for (name, store) in stores().await {
        let devices = store.devices();
        assert!(devices.ask(key(1), "BBBBBBBB", at(0), at(600)).await.unwrap(), "{name}");
        assert!(
            !devices.ask(key(2), "BBBBBBBB", at(0), at(600)).await.unwrap(),
            "{name}: a code is one machine's"
        );
        assert!(matches!(devices.poll(key(1), at(5), 3000).await.unwrap(), Poll::Waiting), "{name}");
        assert!(matches!(devices.poll(key(1), at(6), 3000).await.unwrap(), Poll::TooSoon), "{name}");
        assert!(matches!(devices.poll(key(9), at(6), 3000).await.unwrap(), Poll::Gone), "{name}");
        assert!(devices.waiting("BBBBBBBB", at(600)).await.unwrap().is_none(), "{name}: too late");
        let grant = Grant { principal: person("s"), sid: Some("a".to_owned()), until: at(900) };
        assert!(devices.decide("BBBBBBBB", Some(&grant), at(10)).await.unwrap(), "{name}");
        assert!(!devices.decide("BBBBBBBB", None, at(10)).await.unwrap(), "{name}: decided");
        let Poll::Granted(got) = devices.poll(key(1), at(11), 3000).await.unwrap() else { panic!("{name}") };
        assert_eq!((got.principal, got.sid, got.until), (grant.principal, grant.sid, grant.until), "{name}");
        assert!(matches!(devices.poll(key(1), at(20), 3000).await.unwrap(), Poll::Gone), "{name}: told once");
    }
}

#[tokio::test]
async fn the_oldest_login_is_forgotten_and_not_the_newest_when_there_are_too_many() {
    for (name, store) in stores().await {
        // One statement makes what a crowd would.
        let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) INSERT INTO login_attempts (binding, provider, state, nonce, verifier, return_to, expires_ms) SELECT CAST(i AS TEXT), 'p', 's', 'n', 'v', '/', $1 + i FROM n";
        sqlx::query(many).bind(at(600).as_millisecond()).execute(store.pool()).await.unwrap();
        let attempt = Attempt {
            provider: "demo".to_owned(),
            nonce: "n".to_owned(),
            verifier: "v".to_owned(),
            return_to: "/".to_owned(),
        };
        let expires = at(600).checked_add(SignedDuration::from_mins(5)).unwrap();
        store.attempts().begin(key(1), key(2), &attempt, at(0), expires).await.unwrap();
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM login_attempts").fetch_one(store.pool()).await.unwrap();
        assert_eq!(count, 10_000, "{name}");
        assert!(
            store.attempts().take(key(1), key(2), at(1)).await.unwrap().is_some(),
            "{name}: the newest is there"
        );
        let oldest: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM login_attempts WHERE binding = '1'")
            .fetch_one(store.pool())
            .await
            .unwrap();
        assert_eq!(oldest, 0, "{name}");
    }
}

#[tokio::test]
async fn keys_that_sign_are_sealed_in_the_database_for_all_replicas() {
    for (database, store) in stores().await {
        let seal = |digit: &str| Seal::of_hex(&digit.repeat(64)).ok().unwrap();
        let (one, other) = (store.clone().sealed_by(seal("7")), store.clone().sealed_by(seal("7")));
        let key =
            SigningKey { id: "k".to_owned(), private: b"a private key".to_vec(), created: Timestamp::now() };
        one.signing_keys().add(&key, Timestamp::MIN).await.unwrap();
        let read = other.signing_keys().since(Timestamp::MIN).await.unwrap();
        assert_eq!((read.len(), read[0].private.as_slice()), (1, b"a private key".as_slice()), "{database}");
        for wrong in [store.clone(), store.clone().sealed_by(seal("8"))] {
            let told = wrong.signing_keys().since(Timestamp::MIN).await.err().unwrap().to_string();
            assert!(told.contains("signing key k") && told.contains("--seal-key-file"), "{told}");
        }
    }
}
