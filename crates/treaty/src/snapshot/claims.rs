//! The claims of a snapshot, counted: an engine keeps what they ask without copying a hundred thousand names.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Claim;

/// Claims that several may keep. It reads and is changed like a `Vec`; whoever changes it while another keeps it too
/// changes a copy.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Claims(Arc<Vec<Claim>>);

impl Deref for Claims {
    type Target = Vec<Claim>;

    fn deref(&self) -> &Vec<Claim> {
        &self.0
    }
}

impl DerefMut for Claims {
    fn deref_mut(&mut self) -> &mut Vec<Claim> {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Vec<Claim>> for Claims {
    fn from(claims: Vec<Claim>) -> Self {
        Self(Arc::new(claims))
    }
}

impl FromIterator<Claim> for Claims {
    fn from_iter<I: IntoIterator<Item = Claim>>(claims: I) -> Self {
        Vec::from_iter(claims).into()
    }
}

impl<'c> IntoIterator for &'c Claims {
    type Item = &'c Claim;
    type IntoIter = std::slice::Iter<'c, Claim>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'c> IntoIterator for &'c mut Claims {
    type Item = &'c mut Claim;
    type IntoIter = std::slice::IterMut<'c, Claim>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl IntoIterator for Claims {
    type Item = Claim;
    type IntoIter = std::vec::IntoIter<Claim>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}
