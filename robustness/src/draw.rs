//! Which examples are judged where all of them would take too long.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use transformations::seed;

/// `count` of the examples with these strata (classes), as many of each as its share (rounded), by a
/// permutation that follows from `seed`: a larger draw holds the smaller ones of each stratum. Ascending.
pub fn stratified(strata: &[usize], count: usize, seed: u64) -> Vec<usize> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, &stratum) in strata.iter().enumerate() {
        members.entry(stratum).or_default().push(index);
    }
    // A place in (0, 1) for each, spread evenly within its stratum: the first `count` are balanced.
    let mut places: Vec<(f64, usize)> = Vec::new();
    for (stratum, mut indices) in members {
        indices.shuffle(&mut seed::generator("draw", &[seed, stratum as u64]));
        let size = indices.len() as f64;
        places
            .extend(indices.iter().enumerate().map(|(i, &index)| ((i as f64 + 0.5) / size, index)));
    }
    places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut drawn: Vec<usize> = places.iter().take(count).map(|&(_, index)| index).collect();
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_share() {
        let strata: Vec<usize> = (0..1000).map(|i| usize::from(i % 10 == 0)).collect();
        let drawn = stratified(&strata, 100, 0);
        let rare = drawn.iter().filter(|&&index| strata[index] == 1).count();
        assert_eq!((drawn.len(), rare), (100, 10));
        assert_eq!(drawn, stratified(&strata, 100, 0));
        assert_ne!(drawn, stratified(&strata, 100, 1));
        let more = stratified(&strata, 200, 0);
        assert!(drawn.iter().all(|index| more.contains(index)));
        assert_eq!(stratified(&strata, 5000, 0).len(), 1000);
    }
}
