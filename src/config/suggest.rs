//! Finds the word that somebody probably meant.

/// Returns the candidate nearest to `word`, if one is near enough to be a slip of the hand: about one edit for every
/// three letters, or a beginning of at least four letters.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = normal(word);
    let limit = 1 + word.chars().count() / 3;
    candidates
        .into_iter()
        .map(|candidate| {
            let target = normal(candidate);
            // "idle" means `idle_timeout`, although eight letters are missing.
            let is_beginning = word.len() >= 4 && target.starts_with(&word);
            (
                if is_beginning {
                    1
                } else {
                    distance(&word, &target)
                },
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and the kind of dash are not worth an edit.
fn normal(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

/// The number of letters to insert, delete, replace or swap with their neighbour to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // rows[i][j] is the distance between the first i letters of `a` and the first j of `b`.
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits_and_swaps() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("root", "root"), 0);
        assert_eq!(distance("tokne", "token"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn nearest_is_the_closest_or_nothing() {
        let keys = ["token", "token_file", "proxy", "idle_timeout"];
        assert_eq!(nearest("tokn", keys), Some("token"));
        assert_eq!(nearest("tokenfile", keys), Some("token_file"));
        assert_eq!(nearest("Idle-Timeout", keys), Some("idle_timeout"));
        assert_eq!(nearest("idle", keys), Some("idle_timeout"));
        assert_eq!(nearest("zzz", keys), None);
        assert_eq!(
            nearest("x", ["y"]),
            None,
            "one letter replaced by another is not a slip"
        );
    }
}
