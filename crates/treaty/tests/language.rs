//! The language as a text: examples stay valid, nothing makes the reader panic or hang, a valid document survives
//! being written and read again.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use concord_treaty::diagnostic::codes::CODES;
use concord_treaty::diagnostic::{Diagnostic, Severity};
use concord_treaty::document::Document;
use concord_treaty::source::{BYTES_MOST, FAULTS_MOST, QuotaText, read};
use concord_treaty::treaty::Treaty;
use proptest::prelude::*;

/// No text of allowed size takes longer, in a build without optimisation and on a busy machine.
const LONGEST: Duration = Duration::from_secs(5);

fn policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn texts(folder: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(policies().join(folder)).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files.iter().map(|f| fs::read(f).unwrap()).collect()
}

/// What must hold of every text, whatever is in it.
fn examine(bytes: &[u8]) {
    let start = Instant::now();
    let reading = read(bytes);
    assert!(start.elapsed() < LONGEST, "{:?} for {} bytes", start.elapsed(), bytes.len());
    for treaty in &reading.treaties {
        let errors = treaty.diagnostics.iter().any(|d| d.is_error());
        assert_eq!(treaty.treaty.is_none(), errors, "either valid or at fault: {:?}", treaty.diagnostics);
        assert!(treaty.diagnostics.len() <= FAULTS_MOST + 1);
    }
    for quota in &reading.quotas {
        let errors = quota.diagnostics.iter().any(|d| d.is_error());
        assert_eq!(quota.quota.is_none(), errors, "either valid or at fault: {:?}", quota.diagnostics);
        assert!(quota.diagnostics.len() <= FAULTS_MOST + 1);
    }
    let objects = reading.treaties.len() + reading.quotas.len();
    assert!(objects > 0 || !reading.diagnostics.is_empty(), "silence is no answer");
    for diagnostic in reading.all() {
        let related = diagnostic.related.iter().map(|r| r.place);
        for place in related.chain([diagnostic.place]) {
            let place = place.unwrap_or_else(|| panic!("{diagnostic:?} has no place"));
            assert!(place.start_byte <= place.end_byte && place.end_byte <= bytes.len(), "{diagnostic:?}");
            assert!(place.line >= 1 && place.column >= 1);
            let newlines = bytes[..place.start_byte].iter().filter(|b| **b == b'\n').count();
            // A carriage return alone breaks lines for YAML, but not for editors.
            assert!(bytes.contains(&b'\r') || place.line == newlines + 1, "{diagnostic:?}");
        }
        assert!(CODES.iter().any(|c| c.code == diagnostic.code), "{} is not in the table", diagnostic.code);
        assert!(!diagnostic.message.is_empty() && !diagnostic.help.is_empty());
        assert!(diagnostic.message.len() < 1_000, "{}", diagnostic.message);
    }
}

/// What only the simulator keeps is no fault of an example.
fn beside_notes(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    diagnostics.iter().filter(|d| d.severity != Severity::Note).collect()
}

#[test]
fn examples_survive_being_written_and_read_again() {
    let own = vec![fs::read(policies().join("ten-institutes.yaml")).unwrap()];
    for bytes in texts("examples").into_iter().chain(own) {
        examine(&bytes);
        let reading = read(&bytes);
        if let [quota] = reading.quotas.as_slice() {
            a_quota_survives(quota);
            continue;
        }
        let [treaty] = reading.treaties.as_slice() else { panic!("one treaty or quota a file") };
        assert_eq!(beside_notes(&treaty.diagnostics), Vec::<&Diagnostic>::new());
        let document = treaty.document.as_ref().unwrap();
        let written = serde_json::json!({
            "apiVersion": "concord.dev/v1alpha1", "kind": "Treaty", "metadata": {"name": "again"}, "spec": document,
        });
        let yaml = serde_yaml::to_string(&written).unwrap();
        let again = read(yaml.as_bytes());
        assert_eq!(beside_notes(&again.treaties[0].diagnostics), Vec::<&Diagnostic>::new(), "{yaml}");
        assert_eq!(again.treaties[0].document.as_ref(), Some(document));
        let plain: Document = serde_yaml::from_str(&serde_yaml::to_string(document).unwrap()).unwrap();
        assert_eq!(&plain, document);
        assert_eq!(Treaty::validate(&plain).as_ref().ok(), treaty.treaty.as_ref());
    }
}

fn a_quota_survives(quota: &QuotaText) {
    assert_eq!(quota.diagnostics, []);
    let document = quota.document.as_ref().unwrap();
    let written = serde_json::json!({
        "apiVersion": "concord.dev/v1alpha1", "kind": "MemberQuota", "metadata": {"name": quota.name}, "spec": document,
    });
    let again = read(serde_yaml::to_string(&written).unwrap().as_bytes());
    assert_eq!(again.quotas[0].diagnostics, []);
    assert_eq!(again.quotas[0].document.as_ref(), Some(document));
    assert_eq!(again.quotas[0].quota, quota.quota);
}

#[test]
fn broken_files_are_answered_in_time() {
    texts("broken").iter().for_each(|bytes| examine(bytes));
}

#[test]
fn large_texts_are_answered_in_time() {
    let quota =
        "apiVersion: concord.dev/v1alpha1\nkind: MemberQuota\nmetadata: {name: x}\nspec:\n  institutions:\n";
    let head = "apiVersion: concord.dev/v1alpha1\nkind: Treaty\nmetadata: {name: x}\nspec:\n  title: t\n  reclaim: {noticeSeconds: 1}\n  members:\n";
    let filled_after = |head: &str, line: &dyn Fn(usize) -> String| {
        let mut text = head.to_owned();
        for i in 0.. {
            let next = line(i);
            if text.len() + next.len() > BYTES_MOST {
                return text;
            }
            text.push_str(&next);
        }
        unreachable!("the loop ends when the text is full")
    };
    let filled = |line: &dyn Fn(usize) -> String| filled_after(head, line);
    for text in [
        filled(&|i| format!("    - {{name: m{i}, guarantee: {{gpus: 8}}}}\n")),
        filled(&|i| format!("    - {{nam{i}: m, guarante: {{gpu: 8}}}}\n")),
        filled(&|_| "    - {name: m, guarantee: {gpus: 8}}\n".to_owned()),
        filled(&|_| "    - x\n".to_owned()),
        filled(&|_| "    -\n".to_owned()),
        filled(&|i| format!("   f{i}: 1\n")),
        filled(&|_| "[".to_owned()),
        filled(&|_| "{a: ".to_owned()),
        filled(&|_| "- ".to_owned()),
        filled(&|_| "? ".to_owned()),
        filled(&|_| "a: ".to_owned()),
        filled(&|_| "\"".to_owned()),
        filled(&|_| "'".to_owned()),
        filled(&|_| "x".to_owned()),
        filled(&|_| " ".to_owned()),
        filled(&|_| "\n".to_owned()),
        filled(&|_| "#".to_owned()),
        filled(&|_| "---\n".to_owned()),
        filled(&|_| "--- {kind: Treaty, apiVersion: concord.dev/v1alpha1}\n".to_owned()),
        filled(&|_| "&a *a ".to_owned()),
        filled(&|_| "!t ".to_owned()),
        filled(&|_| "|\n".to_owned()),
        filled_after(quota, &|i| format!("    - {{name: m{i}, ceiling: {{gpus: 8}}}}\n")),
        filled_after(quota, &|i| format!("    - {{nam{i}: m, ceilin: {{gpu: 8}}}}\n")),
        filled_after(&format!("{quota}    - name: a\n      projects:\n"), &|_| {
            "      - {name: m}\n".to_owned()
        }),
        "a".repeat(BYTES_MOST + 1),
        "\u{202e}".repeat(BYTES_MOST / 3),
    ] {
        examine(text.as_bytes());
    }
}

#[test]
fn a_treaty_of_500_members_is_read_quickly() {
    let members: String =
        (0..500).map(|i| format!("    - {{name: m{i}, guarantee: {{gpus: 8}}}}\n")).collect();
    let text = format!(
        "apiVersion: concord.dev/v1alpha1\nkind: Treaty\nmetadata: {{name: x}}\nspec:\n  title: t\n  reclaim: {{noticeSeconds: 1}}\n  members:\n{members}"
    );
    examine(text.as_bytes());
    let reading = read(text.as_bytes());
    assert_eq!(reading.treaties[0].treaty.as_ref().unwrap().members().len(), 500);
    let one_more = format!("{text}    - {{name: last, guarantee: {{gpus: 8}}}}\n");
    assert_eq!(read(one_more.as_bytes()).treaties[0].diagnostics[0].code, "TR001");
}

/// A way to spoil a text.
#[derive(Debug, Clone)]
enum Spoil {
    Byte(prop::sample::Index, u8),
    Delete(prop::sample::Index, usize),
    Insert(prop::sample::Index, &'static str),
    SwapLines(prop::sample::Index, prop::sample::Index),
    DoubleLine(prop::sample::Index),
    Replace(prop::sample::Index, &'static str),
}

const TOKENS: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    ":",
    ": ",
    "- ",
    "? ",
    ",",
    "\n",
    "  ",
    "\t",
    "\"",
    "'",
    "#",
    "|",
    ">",
    "&a ",
    "*a",
    "!t ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "<<: ",
    "null",
    "~",
    "no",
    "true",
    ".nan",
    ".inf",
    "0x10",
    "1e9",
    "-1",
    "99999999999999999999",
    "\"12.5\"",
    "2027-02-30",
    "residual: true",
    "proportional: true",
    "gpus: 8",
    "byClass: {a: {gpus: 1}}",
    "\u{202e}",
    "\u{feff}",
    "\u{0}",
    "é",
    "members",
    "name: north",
    "kind: Pod\n",
    "votes: []",
    "windows: [{}]",
    "budget: {}",
    "kind: MemberQuota\n",
    "institutions: []",
];

fn spoil() -> impl Strategy<Value = Spoil> {
    let at = any::<prop::sample::Index>;
    let token = || prop::sample::select(TOKENS);
    prop_oneof![
        2 => (at(), any::<u8>()).prop_map(|(i, b)| Spoil::Byte(i, b)),
        2 => (at(), 1..40_usize).prop_map(|(i, n)| Spoil::Delete(i, n)),
        4 => (at(), token()).prop_map(|(i, t)| Spoil::Insert(i, t)),
        2 => (at(), at()).prop_map(|(a, b)| Spoil::SwapLines(a, b)),
        1 => at().prop_map(Spoil::DoubleLine),
        4 => (at(), token()).prop_map(|(i, t)| Spoil::Replace(i, t)),
    ]
}

fn spoilt(mut text: Vec<u8>, spoil: &Spoil) -> Vec<u8> {
    if text.is_empty() {
        return text;
    }
    let lines = |text: &[u8]| text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    match spoil {
        Spoil::Byte(at, byte) => {
            let at = at.index(text.len());
            text[at] = *byte;
        }
        Spoil::Delete(at, length) => {
            let at = at.index(text.len());
            text.drain(at..(at + length).min(text.len()));
        }
        Spoil::Insert(at, token) => {
            let at = at.index(text.len());
            text.splice(at..at, token.bytes());
        }
        Spoil::SwapLines(a, b) => {
            let mut all = lines(&text);
            let (a, b) = (a.index(all.len()), b.index(all.len()));
            all.swap(a, b);
            text = all.concat();
        }
        Spoil::DoubleLine(at) => {
            let mut all = lines(&text);
            let at = at.index(all.len());
            all.insert(at, all[at].clone());
            text = all.concat();
        }
        Spoil::Replace(at, token) => {
            // A word between separators, as an author would mistype it.
            let at = at.index(text.len());
            let ends = |b: &u8| b" \n{}[],:\"".contains(b);
            let start = text[..at].iter().rposition(ends).map_or(0, |i| i + 1);
            let end = text[at..].iter().position(ends).map_or(text.len(), |i| at + i);
            text.splice(start.min(end)..end, token.bytes());
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_spoilt_text_is_valid_or_gets_an_answer(
        which in any::<prop::sample::Index>(), spoils in prop::collection::vec(spoil(), 1..6),
    ) {
        let texts = texts("examples");
        let text = spoils.iter().fold(which.get(&texts).clone(), spoilt);
        examine(&text);
    }
}
