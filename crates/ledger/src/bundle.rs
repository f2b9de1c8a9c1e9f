//! Entries one after the other, each behind its length: C2SP tlog-tiles' entry bundles, and batches on their way. Pure.

/// Longest entry: its length is said in 16 bits.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Bytes that are no entries behind their lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("entry {entry} is cut off after {bytes} bytes")]
pub struct CutOff {
    /// Number within the bundle.
    pub entry: usize,
    /// Bytes that are there.
    pub bytes: usize,
}

/// Puts entries together; `None` when one is too long.
#[must_use]
pub fn pack<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Some(bytes)
}

/// Takes them apart.
///
/// # Errors
/// When something is missing at the end.
pub fn unpack(mut bytes: &[u8]) -> Result<Vec<&[u8]>, CutOff> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let cut_off = CutOff { entry: entries.len(), bytes: bytes.len() };
        let (length, rest) = bytes.split_first_chunk::<2>().ok_or(cut_off)?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(cut_off)?;
        entries.push(entry);
        bytes = rest;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_together_comes_apart_and_a_cut_is_found() {
        let entries: [&[u8]; 4] = [b"one", b"", b"three", &[7; ENTRY_BYTES_MAX]];
        let bytes = pack(entries).unwrap();
        assert_eq!(unpack(&bytes).unwrap(), entries);
        assert_eq!(unpack(&bytes[..bytes.len() - 1]).unwrap_err().entry, 3);
        assert_eq!(unpack(&[0]).unwrap_err(), CutOff { entry: 0, bytes: 1 });
        assert!(pack([[0; ENTRY_BYTES_MAX + 1].as_slice()]).is_none());
    }
}
