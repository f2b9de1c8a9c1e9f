//! Texts that nobody would write: every text of policies/ with bytes flipped, cut, doubled and spliced into others.
//! What must hold of each answer is in [`Examined::examine`].
//!
//! The same cases every time. More of them, and others:
//! `CONCORD_MUTATIONS=1000000 CONCORD_MUTATIONS_SEED=7 cargo test --release -p concord-treaty --test mutations`
//! A failure prints the seed and the case; `CONCORD_MUTATIONS_SEED=7 CONCORD_MUTATIONS_FIRST=<case>` begins there.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

#[path = "support/examined.rs"]
mod examined;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use concord_treaty::source::read;
use examined::Examined;

/// Mutations double texts; beyond this they are cut.
const BYTES_MOST: usize = 64 << 10;

/// What is put into texts: where YAML, UTF-8 or a number has an edge.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\r",
    b"\r\n",
    b"\t",
    b"\x7f",
    b"\x80",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xff\xfe",
    "\u{85}".as_bytes(),
    "\u{a0}".as_bytes(),
    "\u{301}".as_bytes(),
    "\u{200b}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{1f469}\u{200d}\u{1f680}".as_bytes(),
    "ßİ𝟙".as_bytes(),
    b"\"\\u0000\"",
    b"\"\\x41\\",
    b"'",
    b"\"",
    b"- ",
    b"? ",
    b": ",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"#",
    b"&a ",
    b"*a",
    b"!!int ",
    b"<<: ",
    b"|\n",
    b">-\n",
    b"---\n",
    b"...\n",
    b"%YAML 1.2\n",
    b"null",
    b"~",
    b"{}",
    b"[]",
    b"0",
    b"-0",
    b"-1",
    b"1e9",
    b"0x7f",
    b"010",
    b"1_000",
    b".5",
    b".inf",
    b"9223372036854775808",
    b"18446744073709551616",
    b"\"100\"",
    b"\"0.0000001\"",
    b"\"33.333\"",
    b"2024-02-29",
    b"9999-12-31",
    b"0000-00-00",
    b"Europe/Oslo",
    b"no",
];

/// Numbers that look random and are the same everywhere (splitmix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % (limit.max(1) as u64)).unwrap()
    }

    /// A part of a text, mostly short.
    fn part(&mut self, text: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(text.len() + 1);
        let most = if self.below(4) == 0 { text.len() } else { 40 };
        start..(start + self.below(most + 1)).min(text.len())
    }

    /// Whole lines.
    fn lines(&mut self, text: &[u8]) -> std::ops::Range<usize> {
        let part = self.part(text);
        let start = text[..part.start].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let end =
            text[part.end..].iter().position(|b| *b == b'\n').map_or(text.len(), |at| part.end + at + 1);
        start..end
    }

    fn mutate(&mut self, text: &mut Vec<u8>, all: &[Vec<u8>]) {
        match self.below(12) {
            0 if !text.is_empty() => {
                let at = self.below(text.len());
                text[at] ^= 1 << self.below(8);
            }
            1 if !text.is_empty() => {
                let at = self.below(text.len());
                text[at] = u8::try_from(self.below(256)).unwrap();
            }
            2 => drop(text.drain(self.part(text))),
            3 => drop(text.drain(self.lines(text))),
            4 => text.truncate(self.below(text.len() + 1)),
            5 => {
                let (part, times) = (self.part(text), 1 << self.below(8));
                let doubled = text[part.clone()].repeat(times);
                text.splice(part.end..part.end, doubled);
            }
            6 => {
                let lines = self.lines(text);
                let (doubled, at) = (text[lines].to_vec(), self.lines(text).start);
                text.splice(at..at, doubled);
            }
            7 => {
                let other = &all[self.below(all.len())];
                let lines = self.lines(other);
                text.splice(self.lines(text), other[lines].iter().copied());
            }
            8 => {
                let other = &all[self.below(all.len())];
                let part = self.part(other);
                text.splice(self.part(text), other[part].iter().copied());
            }
            9 => {
                // A word between separators.
                let at = self.below(text.len() + 1);
                let ends = |b: &u8| b" \n{}[],:\"".contains(b);
                let start = text[..at].iter().rposition(ends).map_or(0, |i| i + 1);
                let end = text[at..].iter().position(ends).map_or(text.len(), |i| at + i);
                text.splice(start..end.max(start), PIECES[self.below(PIECES.len())].iter().copied());
            }
            _ => {
                let at = self.below(text.len() + 1);
                text.splice(at..at, PIECES[self.below(PIECES.len())].iter().copied());
            }
        }
        text.truncate(BYTES_MOST);
    }
}

fn texts(folders: &[&str]) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies").join(folder);
        files.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    let texts = files.iter().map(|file| std::fs::read(file).unwrap());
    texts.filter(|text| text.len() <= BYTES_MOST).collect()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

#[test]
fn a_mutated_text_gets_an_answer() {
    let (sound, broken) = (texts(&["", "examples"]), texts(&["broken"]));
    assert!(sound.len() >= 8 && broken.len() >= 60, "texts are missing");
    let all = [sound.clone(), broken].concat();
    let (cases, seed) =
        (number("CONCORD_MUTATIONS").unwrap_or(1_500), number("CONCORD_MUTATIONS_SEED").unwrap_or(1));
    let first = number("CONCORD_MUTATIONS_FIRST").unwrap_or(0);
    let mut valid = 0;
    for case in first..first + cases {
        let mut draw = Draw(seed.rotate_left(32) ^ case);
        let texts = if draw.below(4) > 0 { &sound } else { &all };
        let mut text = texts[draw.below(texts.len())].clone();
        let most = 1 + draw.below(6);
        for _ in 0..1 + draw.below(most) {
            draw.mutate(&mut text, &all);
        }
        let examined = catch_unwind(AssertUnwindSafe(|| Examined::examine(&text)));
        assert!(examined.is_ok(), "seed {seed}, case {case}: {}", text.escape_ascii());
        valid += u64::from(read(&text).treaties.iter().any(|t| t.treaty.is_some()));
    }
    println!("seed {seed}: {cases} cases from {first} on, {valid} with a valid treaty");
    // Mutations that only ever break texts at once would test no clause.
    assert!(
        cases < 1_000 || valid * 100 >= cases && valid * 100 <= cases * 60,
        "{valid} of {cases} are valid"
    );
}
