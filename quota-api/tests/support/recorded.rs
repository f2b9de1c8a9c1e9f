//! A small public record, written as an operator writes it.

use std::path::Path;
use std::sync::Arc;

use concord_ledger::beside::publish_key;
use concord_ledger::entry::{Capacity, Entry, Event, Incident, NodeKind};
use concord_ledger::key::LogSigner;
use concord_ledger::log::Log;
use concord_ledger::tiles::Store;
use concord_quota_api::public::record::Record;
use jiff::Timestamp;
use object_store::local::LocalFileSystem;

/// In that folder, which stays.
pub async fn record(folder: &Path) -> Record {
    let record = Record::in_folder(folder).unwrap();
    let store: Store = Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap());
    let (private, _) = LogSigner::generate("pool.example/record");
    let signer = LogSigner::of_text(&private).unwrap();
    let verifier = signer.verifier();
    publish_key(&store, &verifier).await.unwrap();
    let mut log = Log::open(store, signer, &verifier).await.unwrap();
    log.append(&entries()).await.unwrap();
    record
}

fn entries() -> Vec<Entry> {
    let at: Timestamp = "2026-11-28T20:00:00Z".parse().unwrap();
    let nodes = vec![NodeKind { class: None, gpus_per_node: 8, nodes: 185 }];
    let incident = Incident {
        incident: "cooling".to_owned(),
        revision: 1,
        began_at: at,
        ended_at: None,
        title: "Cooling failed in hall 2 <b>".to_owned(),
        what_happened: "A pump stopped.".to_owned(),
        what_was_done: "Sixteen nodes were drained.".to_owned(),
        parties: Vec::new(),
        claims: Vec::new(),
        gpus: Some(128),
    };
    let capacity = |number: i64| {
        let since = Timestamp::from_second(at.as_second() + number).unwrap();
        let id = format!("capacity/{number}");
        Entry::new(id, since, Event::Capacity(Capacity { nodes: nodes.clone(), since }))
    };
    let incident = Entry::new("incident/cooling/1".to_owned(), at, Event::Incident(incident));
    (0..300).map(capacity).chain([incident]).collect()
}
