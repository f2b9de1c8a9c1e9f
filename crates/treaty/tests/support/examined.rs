//! What must hold of the answer to any text, however broken.

use std::time::Duration;

use concord_treaty::diagnostic::{Diagnostic, Place};
use concord_treaty::source::{FAULTS_MOST, Reading, read};
use rustix::time::{ClockId, clock_gettime};

/// CPU time that a text may take, in a build without optimisation of dependencies: so much, and so much more a byte.
const LONGEST: Duration = Duration::from_millis(500);
const LONGEST_A_BYTE: Duration = Duration::from_micros(5);

/// A text and what was answered.
pub struct Examined<'a> {
    bytes: &'a [u8],
    reading: Reading,
}

impl<'a> Examined<'a> {
    pub fn examine(bytes: &'a [u8]) {
        let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
        let start = cpu();
        let reading = read(bytes);
        let took = cpu() - start;
        let longest = LONGEST + LONGEST_A_BYTE * u32::try_from(bytes.len()).unwrap();
        assert!(took <= longest, "{took:?} for {} bytes", bytes.len());
        assert_eq!(format!("{:?}", read(bytes)), format!("{reading:?}"), "the same text, the same answer");
        let examined = Self { bytes, reading };
        examined.is_an_answer();
        examined.reading.all().for_each(|diagnostic| examined.points_into_the_text(diagnostic));
    }

    fn is_an_answer(&self) {
        let Reading { treaties, quotas, diagnostics } = &self.reading;
        let answers = treaties.len() + quotas.len() + diagnostics.len();
        assert!(answers > 0, "silence is no answer");
        assert!(answers <= self.bytes.len() + 1, "more answers than bytes");
        for treaty in treaties {
            assert_eq!(treaty.treaty.is_some(), treaty.count().errors == 0, "either valid or at fault");
            assert!(treaty.treaty.is_none() || treaty.document.is_some());
            assert!(treaty.diagnostics.len() <= FAULTS_MOST + 1);
        }
    }

    fn points_into_the_text(&self, diagnostic: &Diagnostic) {
        assert!(diagnostic.message.len() < 1_000 && !diagnostic.help.is_empty(), "{diagnostic:?}");
        let related = diagnostic.related.iter().map(|r| r.place);
        for place in related.chain([diagnostic.place]) {
            let place = place.unwrap_or_else(|| panic!("{diagnostic:?} has no place"));
            let Place { line, column, start_byte, end_byte } = place;
            assert!(line >= 1 && column >= 1, "{diagnostic:?}");
            assert!(start_byte <= end_byte && end_byte <= self.bytes.len(), "{diagnostic:?}");
            assert!(!self.bytes[start_byte..end_byte].contains(&b'\n'), "on one line: {diagnostic:?}");
            if let Ok(text) = std::str::from_utf8(self.bytes) {
                assert!(
                    text.is_char_boundary(start_byte) && text.is_char_boundary(end_byte),
                    "{diagnostic:?}"
                );
            }
        }
    }
}
