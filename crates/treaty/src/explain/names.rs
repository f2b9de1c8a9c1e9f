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
    let most = |name: &str| (1 + name.len() / 4).min(wanted.len() / 2);
    let mut near: Vec<(usize, &str)> = near.filter(|(d, name)| *d <= most(name)).collect();
    near.sort_unstable();
    near.into_iter().take(NEAR_MOST).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::near_names;

    #[test]
    fn the_nearest_come_first() {
        let known = ["climate/train", "climate/train-2", "ocean/train", "ocean/eval", "x"];
        assert_eq!(near_names("train", known), ["climate/train", "ocean/train", "climate/train-2"]);
        assert_eq!(near_names("ocean/evla", known), ["ocean/eval"]);
        assert!(near_names("y", known).is_empty(), "one letter is like any other");
    }
}
