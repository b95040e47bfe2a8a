//! "Perhaps you meant": the most similar of some names.

/// The name most like `wanted`, unless its similarity is below `score_min` (0 to 1).
///
/// Names that share a run of three characters with `wanted` are considered, or else of two; among
/// them the smallest edit distance, in proportion to the longer name, wins. Both ends of a name count
/// as a character.
pub(crate) fn closest<'n>(
    names: impl Iterator<Item = &'n str> + Clone,
    wanted: &str,
    score_min: f64,
) -> Option<(&'n str, f64)> {
    let wanted = normal(wanted);
    [3, 2].into_iter().find_map(|size| {
        let wanted_grams = grams(&wanted, size);
        names
            .clone()
            .filter_map(|name| {
                let candidate = normal(name);
                let shared = grams(&candidate, size).iter().any(|gram| wanted_grams.contains(gram));
                let score = if shared { similarity(&candidate, &wanted) } else { 0.0 };
                (score >= score_min && score > 0.0).then_some((name, score))
            })
            .max_by(|one, two| one.1.total_cmp(&two.1).then_with(|| two.0.cmp(one.0)))
    })
}

fn normal(name: &str) -> Vec<char> {
    name.chars().flat_map(char::to_lowercase).collect()
}

fn grams(name: &[char], size: usize) -> Vec<Vec<char>> {
    let kept = name.iter().copied().filter(|found| found.is_alphanumeric() || matches!(found, ',' | ' '));
    let bounded = ['-'].into_iter().chain(kept).chain(['-']).collect::<Vec<_>>();
    bounded.windows(size).map(<[char]>::to_vec).collect()
}

/// One minus the Levenshtein distance over the longer length.
fn similarity(one: &[char], two: &[char]) -> f64 {
    let longest = one.len().max(two.len());
    if longest == 0 {
        return 1.0;
    }
    let mut row = (0..=two.len()).collect::<Vec<_>>();
    for (index, left) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right) in two.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    1.0 - row[two.len()] as f64 / longest as f64
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn the_nearest_name_wins_above_the_bound() {
        let names = ["artists", "concerts", "tickets"];
        let check = |wanted: &str| closest(names.into_iter(), wanted, 0.75).map(|(name, _)| name);
        assert_eq!(check("artist"), Some("artists"));
        assert_eq!(check("Concert"), Some("concerts"));
        assert_eq!(check("zebra"), None);
        assert_eq!(check(""), None);
    }
}
