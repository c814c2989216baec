//! The nearest centroid of each row: scores of many rows at a time against groups of centroids, and distances where the
//! scores leave a doubt.

use std::array::from_fn;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rayon::prelude::*;

use super::BLOCK;
use crate::Float;
use crate::share::least;
use crate::simd::{self, Kernel, multiply_add};

/// Labels of all rows; once `stop` is up, 0 for those that are left.
pub(super) fn nearest<T: Float>(x: &[T], centroids: &[T], length: usize, stop: &AtomicBool, labels: &mut [i64]) {
    let k = centroids.len() / length;
    // as few centroids as possible are added to fill the last group
    match [6, 5, 4].into_iter().min_by_key(|&group| k.next_multiple_of(group)) {
        Some(6) => nearest_by::<T, 6>(x, centroids, length, stop, labels),
        Some(5) => nearest_by::<T, 5>(x, centroids, length, stop, labels),
        _ => nearest_by::<T, 4>(x, centroids, length, stop, labels),
    }
}

fn nearest_by<T: Float, const GROUP: usize>(
    x: &[T],
    centroids: &[T],
    length: usize,
    stop: &AtomicBool,
    labels: &mut [i64],
) {
    let book = Book::<T, GROUP>::new(centroids, length);
    x.par_chunks(length * BLOCK).zip(labels.par_chunks_mut(BLOCK)).with_min_len(least(1)).for_each(|(x, labels)| {
        if stop.load(Relaxed) {
            return labels.fill(0);
        }
        // as many rows at a time as fill two registers of 32 bytes
        if size_of::<T>() == 4 {
            simd::dispatch(Search::<T, GROUP, 16> { x, centroids, book: &book, labels });
        } else {
            simd::dispatch(Search::<T, GROUP, 8> { x, centroids, book: &book, labels });
        }
    });
}

/// The label of a row that is not finite, or whose distances are not.
pub(super) const UNDECIDED: i64 = -1;

/// Centroids in groups that are scored together; the last group is filled up with centroids infinitely far away.
struct Book<T, const GROUP: usize> {
    length: usize,
    /// Value `i` of each centroid of a group with its sign turned, group after group.
    values: Vec<[T; GROUP]>,
    /// Half the squared norm of each centroid.
    offsets: Vec<[T; GROUP]>,
    /// Relative error of a score, against the sizes of what it sums up; infinite where that cannot be told.
    error: T,
}

impl<T: Float, const GROUP: usize> Book<T, GROUP> {
    fn new(centroids: &[T], length: usize) -> Self {
        let norms: Vec<f64> =
            centroids.chunks_exact(length).map(|c| c.iter().map(|v| v.to_f64().powi(2)).sum()).collect();
        let groups = norms.len().div_ceil(GROUP);
        let mut values = vec![[T::default(); GROUP]; groups * length];
        let mut offsets = vec![[T::from_f64(f64::INFINITY); GROUP]; groups];
        for (k, (centroid, norm)) in centroids.chunks_exact(length).zip(&norms).enumerate() {
            let (group, place) = (k / GROUP, k % GROUP);
            offsets[group][place] = T::from_f64(0.5 * norm);
            for (value, &c) in values[group * length..].iter_mut().zip(centroid) {
                value[place] = -c;
            }
        }
        let error = (length + 4) as f64 * T::EPSILON / 2.0;
        let told = error < 0.01 && norms.iter().all(|&norm| T::from_f64(0.5 * norm).finite());
        Self { length, values, offsets, error: T::from_f64(if told { error } else { f64::INFINITY }) }
    }
}

/// Scores |c|²/2 - x·c of `LANES` rows at a time against each centroid, and the place of the least; where others lie too
/// close to it to tell, the distances to those decide.
struct Search<'a, T, const GROUP: usize, const LANES: usize> {
    x: &'a [T],
    centroids: &'a [T],
    book: &'a Book<T, GROUP>,
    labels: &'a mut [i64],
}

impl<T: Float, const GROUP: usize, const LANES: usize> Kernel for Search<'_, T, GROUP, LANES> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Book { length, ref values, ref offsets, error } = *self.book;
        let infinity = T::from_f64(f64::INFINITY);
        let mut turned = vec![[T::default(); LANES]; length];
        let mut scores = vec![[[infinity; LANES]; GROUP]; offsets.len()];
        // values of the next rows to ask for with each group
        let some = (length * LANES).div_ceil(offsets.len());
        for (block, labels) in self.labels.chunks_mut(LANES).enumerate() {
            let (rows, next) = self.x[block * length * LANES..].split_at(labels.len() * length);
            turn(rows, length, &mut turned);
            let norm = squares::<FMA, T, LANES>(&turned);
            let (mut least, mut second, mut index) = ([infinity; LANES], [infinity; LANES], [T::default(); LANES]);
            for (group, (values, offsets)) in values.chunks_exact(length).zip(offsets).enumerate() {
                simd::prefetch(next.get(group * some..(group + 1) * some).unwrap_or_default());
                let found = score::<FMA, T, GROUP, LANES>(&turned, values, offsets);
                for (g, score) in found.iter().enumerate() {
                    let k = T::from_f64((group * GROUP + g) as f64);
                    for lane in 0..LANES {
                        let s = score[lane];
                        let behind = if s > least[lane] { s } else { least[lane] };
                        second[lane] = if behind < second[lane] { behind } else { second[lane] };
                        // two choices by one comparison would have the compiler pack its outcome into bytes
                        let less = if s < least[lane] { s } else { least[lane] };
                        index[lane] = if less == least[lane] { index[lane] } else { k };
                        least[lane] = less;
                    }
                }
                scores[group] = found;
            }
            let slack = slack(error, &norm, &least);
            for (lane, (label, row)) in labels.iter_mut().zip(rows.chunks_exact(length)).enumerate() {
                // what is not finite, or overflows, compares as false
                let clear = |score: T| score - least[lane] > slack[lane];
                *label = if clear(second[lane]) {
                    index[lane].to_f64() as i64
                } else {
                    let near = scores.as_flattened().iter().map(|score| !clear(score[lane]));
                    nearest_of(row, self.centroids, near).map_or(UNDECIDED, |k| k as i64)
                };
            }
        }
    }
}

/// By how much a score must lie above the least for its centroid to be the farther one.
///
/// A score is off by no more than e (|c|²/2 + |c||x|), e being its relative error. A centroid that is as near as the one
/// of the least score, at the distance d, has |c| <= |x| + d, so the scores of two of them are off by no more than
/// e (5 |x|² + 3 d²) together. And d² is twice the least score plus |x|², but for an error that is below 8 e of it and
/// of |x|²: with e < 0.01, the constants below are on the safe side.
#[inline(always)]
fn slack<T: Float, const LANES: usize>(error: T, norm: &[T; LANES], least: &[T; LANES]) -> [T; LANES] {
    let (of_norm, of_distance) = (T::from_f64(5.5) * error, T::from_f64(3.5) * error);
    let mut slack = *norm;
    for lane in 0..LANES {
        let squared = least[lane] + least[lane] + norm[lane];
        let squared = if squared < T::default() { T::default() } else { squared };
        slack[lane] = of_norm * norm[lane] + of_distance * squared;
    }
    slack
}

/// Rows to lanes; lanes without a row of their own repeat the last one.
#[inline(always)]
fn turn<T: Float, const LANES: usize>(rows: &[T], length: usize, turned: &mut [[T; LANES]]) {
    let last = rows.len() / length - 1;
    let row = |lane: usize| &rows[lane.min(last) * length..][..length];
    for lane in (0..LANES).step_by(4) {
        let four: [&[T]; 4] = from_fn(|i| row(lane + i));
        let chunks = four.map(|row| row.as_chunks::<4>().0);
        let (whole, rest) = turned.as_chunks_mut::<4>();
        for (i, places) in whole.iter_mut().enumerate() {
            let columns = T::transpose(from_fn(|j| chunks[j][i]));
            for (place, column) in places.iter_mut().zip(columns) {
                place[lane..lane + 4].copy_from_slice(&column);
            }
        }
        let first = length - rest.len();
        for (i, place) in rest.iter_mut().enumerate() {
            place[lane..lane + 4].copy_from_slice(&four.map(|row| row[first + i]));
        }
    }
}

/// Squared norm of each lane.
#[inline(always)]
fn squares<const FMA: bool, T: Float, const LANES: usize>(turned: &[[T; LANES]]) -> [T; LANES] {
    // strands, so that none waits for the addition before it
    let mut strands = [[T::default(); LANES]; 4];
    for some in turned.chunks(4) {
        for (x, strand) in some.iter().zip(&mut strands) {
            for lane in 0..LANES {
                strand[lane] = multiply_add::<FMA, T>(x[lane], x[lane], strand[lane]);
            }
        }
    }
    let [mut sum, rest @ ..] = strands;
    for strand in rest {
        for lane in 0..LANES {
            sum[lane] += strand[lane];
        }
    }
    sum
}

/// Scores of one group. Loops, not closures: what is not inlined here would be compiled without the wider set.
#[inline(always)]
fn score<const FMA: bool, T: Float, const GROUP: usize, const LANES: usize>(
    turned: &[[T; LANES]],
    values: &[[T; GROUP]],
    offsets: &[T; GROUP],
) -> [[T; LANES]; GROUP] {
    let mut scores = [[T::default(); LANES]; GROUP];
    for g in 0..GROUP {
        scores[g] = [offsets[g]; LANES];
    }
    for (x, c) in turned.iter().zip(values) {
        for g in 0..GROUP {
            for lane in 0..LANES {
                scores[g][lane] = multiply_add::<FMA, T>(c[g], x[lane], scores[g][lane]);
            }
        }
    }
    scores
}

/// The nearest of the centroids that are `near`, if its squared distance is finite.
#[inline(always)]
fn nearest_of<T: Float>(row: &[T], centroids: &[T], near: impl Iterator<Item = bool>) -> Option<usize> {
    let (mut best, mut least) = (None, f64::INFINITY);
    for ((k, centroid), near) in centroids.chunks_exact(row.len()).enumerate().zip(near) {
        if near {
            let distance = squared_distance(row, centroid);
            if distance < least {
                (best, least) = (Some(k), distance);
            }
        }
    }
    best
}

/// Summed in eight strands, on every processor alike, so that it need not wait for each addition.
#[inline(always)]
pub(super) fn squared_distance<T: Float>(a: &[T], b: &[T]) -> f64 {
    let mut strands = [0.0; 8];
    let mut add = |a: &[T], b: &[T]| {
        for ((strand, a), b) in strands.iter_mut().zip(a).zip(b) {
            let difference = a.to_f64() - b.to_f64();
            *strand += difference * difference;
        }
    };
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    a.iter().zip(b).for_each(|(a, b)| add(a, b));
    add(a_rest, b_rest);
    strands.iter().sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::assign;
    use super::*;

    proptest! {
        #[test]
        fn labels_are_those_of_brute_force(
            values in prop::collection::vec(-3_i8..4, 1..900),
            length in 1_usize..12,
            k in 1_usize..30,
        ) {
            // small integers make many ties
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let x = &values[..values.len() / length * length];
            let centroids: Vec<f32> = values.iter().copied().cycle().skip(7).take(k * length).collect();
            let mut labels = vec![0; x.len() / length];
            assign(x, &centroids, length, &AtomicBool::new(false), &mut labels).unwrap();
            for (row, &label) in x.chunks_exact(length).zip(&labels) {
                let nearest = nearest_of(row, &centroids, std::iter::repeat(true));
                prop_assert_eq!(nearest.map(|k| k as i64), Some(label));
            }
        }
    }
}
