//! Names like a mistyped one.

/// Names that are shown.
const NEAR_MOST: usize = 3;

/// The most similar of the known names, the nearest first: those that end in the wanted name, then those that differ
/// in a few letters.
#[must_use]
pub fn near_names<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str>) -> Vec<&'k str> {
    let wanted = wanted.to_ascii_lowercase();
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let distance = |name: &str| {
        let name = name.to_ascii_lowercase();
        if last(&name) == last(&wanted) {
            return 0;
        }
        strsim::damerau_levenshtein(&wanted, &name)
            .min(strsim::damerau_levenshtein(&last(&wanted), &last(&name)))
    };
    let near = known.into_iter().map(|name| (distance(name), name));
    let mut near: Vec<(usize, &str)> = near.filter(|(d, name)| *d <= 1 + name.len() / 4).collect();
    near.sort_unstable();
    near.into_iter().take(NEAR_MOST).map(|(_, name)| name).collect()
}
