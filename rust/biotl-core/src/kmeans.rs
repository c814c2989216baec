//! k-means: seeding by D² sampling (k-means++, Arthur & Vassilvitskii 2007), Lloyd's iteration (1982), nearest centroid.
//!
//! Nearest is nearest by distances in `f64`, summed in one order: where faster scores leave a doubt, these decide. So the
//! same seed gives the same centroids on every processor and number of threads.

use std::array::from_fn;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rayon::prelude::*;

use crate::simd::{self, Kernel, multiply_add};
use crate::{Error, Float, Result};

/// Rows of one unit of work: its sums are added in order, whichever thread made them.
const BLOCK: usize = 4096;

/// What a fit found.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters<T> {
    /// One centroid after another.
    pub centroids: Vec<T>,
    /// Sum of squared distances of all rows to their nearest centroid.
    pub inertia: f64,
}

/// Nearest centroid of each row of `length` values of `x`, ties to the lowest index, into `labels`; `stop` ends the
/// work early.
///
/// # Errors
/// [`Error::Parameter`] if there is no centroid, the lengths do not fit together, or a value is not finite.
pub fn assign<T: Float>(x: &[T], centroids: &[T], length: usize, stop: &AtomicBool, labels: &mut [i64]) -> Result<()> {
    let fit = length > 0 && centroids.len().is_multiple_of(length) && x.len() == labels.len() * length;
    if centroids.is_empty() || !fit {
        let got = format!("{} values for {} rows, {} centroid values", x.len(), labels.len(), centroids.len());
        return Err(Error::parameter("centroids", got, format!("at least one centroid, rows of {length} values")));
    }
    if centroids.iter().any(|value| !value.finite()) {
        return Err(Error::parameter("centroids", "NaN or infinity", "finite values"));
    }
    nearest(x, centroids, length, stop, labels);
    decided(x, length, labels)
}

/// Refuses what is near to nothing: rows that are not finite, or whose distances are not.
fn decided<T: Float>(x: &[T], length: usize, labels: &[i64]) -> Result<()> {
    if labels.contains(&UNDECIDED) {
        finite(x, length)?;
        return Err(Error::parameter("X", "values whose squared distances overflow", "smaller values"));
    }
    Ok(())
}

fn finite<T: Float>(x: &[T], length: usize) -> Result<()> {
    let bad = x.iter().position(|value| !value.finite());
    bad.map_or(Ok(()), |at| {
        let got = format!("{} as value {} of row {}", x[at].to_f64(), at % length, at / length);
        Err(Error::parameter("X", got, "finite values; try nan_policy=\"interpolate\" or \"mask\""))
    })
}

/// Labels of all rows; once `stop` is up, 0 for those that are left.
fn nearest<T: Float>(x: &[T], centroids: &[T], length: usize, stop: &AtomicBool, labels: &mut [i64]) {
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
    x.par_chunks(length * BLOCK).zip(labels.par_chunks_mut(BLOCK)).for_each(|(x, labels)| {
        if stop.load(Relaxed) {
            return labels.fill(0);
        }
        // as many rows at a time as fill two registers of 32 bytes
        if size_of::<T>() == 4 {
            simd::dispatch(Search::<T, GROUP, 16> { x, book: &book, labels });
        } else {
            simd::dispatch(Search::<T, GROUP, 8> { x, book: &book, labels });
        }
        for (row, label) in x.chunks_exact(length).zip(labels).filter(|(_, label)| **label == UNDECIDED) {
            *label = nearest_one(row, centroids).map_or(UNDECIDED, |(k, _)| k as i64);
        }
    });
}

/// The label of a row whose two best scores lie too close together to tell, or that is not finite.
const UNDECIDED: i64 = -1;

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

/// Scores |c|²/2 - x·c of `LANES` rows at a time against each centroid, and the place of the least.
struct Search<'a, T, const GROUP: usize, const LANES: usize> {
    x: &'a [T],
    book: &'a Book<T, GROUP>,
    labels: &'a mut [i64],
}

impl<T: Float, const GROUP: usize, const LANES: usize> Kernel for Search<'_, T, GROUP, LANES> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let length = self.book.length;
        let infinity = T::from_f64(f64::INFINITY);
        let mut turned = vec![[T::default(); LANES]; length];
        for (rows, labels) in self.x.chunks(length * LANES).zip(self.labels.chunks_mut(LANES)) {
            turn(rows, length, &mut turned);
            let norm = squares::<FMA, T, LANES>(&turned);
            let (mut least, mut second, mut index) = ([infinity; LANES], [infinity; LANES], [T::default(); LANES]);
            for (group, (values, offsets)) in self.book.values.chunks_exact(length).zip(&self.book.offsets).enumerate()
            {
                let scores = score::<FMA, T, GROUP, LANES>(&turned, values, offsets);
                for (g, score) in scores.iter().enumerate() {
                    let k = T::from_f64((group * GROUP + g) as f64);
                    for lane in 0..LANES {
                        let s = score[lane];
                        let behind = if s > least[lane] { s } else { least[lane] };
                        second[lane] = if behind < second[lane] { behind } else { second[lane] };
                        index[lane] = if s < least[lane] { k } else { index[lane] };
                        least[lane] = if s < least[lane] { s } else { least[lane] };
                    }
                }
            }
            let slack = slack(self.book.error, &norm, &least);
            for (lane, label) in labels.iter_mut().enumerate() {
                // what is not finite, or overflows, compares as false
                let clear = second[lane] - least[lane] > slack[lane];
                *label = if clear { index[lane].to_f64() as i64 } else { UNDECIDED };
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

/// The nearest centroid and its squared distance, if that is finite.
fn nearest_one<T: Float>(row: &[T], centroids: &[T]) -> Option<(usize, f64)> {
    let distances = centroids.chunks_exact(row.len()).map(|centroid| squared_distance(row, centroid));
    distances.enumerate().fold(None, |best, (k, distance)| match best {
        Some((_, least)) if distance >= least => best,
        _ if distance.is_finite() => Some((k, distance)),
        _ => best,
    })
}

/// Summed in eight strands, on every processor alike, so that it need not wait for each addition.
fn squared_distance<T: Float>(a: &[T], b: &[T]) -> f64 {
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

/// Clusters the rows of `length` values of `x` into `k`, at most `iterations` times over; `stop` ends the work early.
///
/// A cluster that loses its last row takes over the row that lies farthest from its centroid.
///
/// # Errors
/// [`Error::Parameter`] if `k` is 0 or above the number of rows, a row is empty, or a value is not finite.
pub fn fit<T: Float>(
    x: &[T],
    length: usize,
    k: usize,
    seed: u64,
    iterations: usize,
    stop: &AtomicBool,
) -> Result<Clusters<T>> {
    let rows = x.len().checked_div(length).unwrap_or(0);
    if k == 0 || k > rows || rows * length != x.len() {
        return Err(Error::parameter("k", k, format!("1 to the {rows} rows of {length} values")));
    }
    finite(x, length)?;
    let mut random = Random(seed);
    let mut best: Option<Clusters<T>> = None;
    for _ in 0..STARTS {
        let seeds = seed_centroids(x, length, k, &mut random, stop);
        let found = lloyd(x, length, seeds, iterations.min(TRIAL), stop)?;
        if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
            best = Some(found);
        }
    }
    lloyd(x, length, best.map_or_else(Vec::new, |best| best.centroids), iterations, stop)
}

/// Seedings tried: one alone ends several per cent above the best now and then.
const STARTS: usize = 4;
/// Iterations after which the tightest start is chosen.
const TRIAL: usize = 10;

/// Lloyd's iteration until no row changes its cluster.
fn lloyd<T: Float>(
    x: &[T],
    length: usize,
    mut centroids: Vec<T>,
    iterations: usize,
    stop: &AtomicBool,
) -> Result<Clusters<T>> {
    let (rows, k) = (x.len() / length, centroids.len() / length);
    let (mut labels, mut before) = (vec![UNDECIDED; rows], vec![UNDECIDED; rows]);
    for _ in 0..iterations {
        nearest(x, &centroids, length, stop, &mut labels);
        decided(x, length, &labels)?;
        if labels == before || stop.load(Relaxed) {
            break;
        }
        centroids = means(x, length, k, &labels, &centroids);
        std::mem::swap(&mut labels, &mut before);
    }
    nearest(x, &centroids, length, stop, &mut labels);
    decided(x, length, &labels)?;
    let inertia = distances(x, &centroids, length, &labels).iter().sum();
    Ok(Clusters { centroids, inertia })
}

/// Squared distance of each row to the centroid of its label.
fn distances<T: Float>(x: &[T], centroids: &[T], length: usize, labels: &[i64]) -> Vec<f64> {
    x.par_chunks_exact(length)
        .zip(labels)
        .with_min_len(BLOCK)
        .map(|(row, &label)| squared_distance(row, &centroids[label as usize * length..][..length]))
        .collect()
}

/// Greedy k-means++: of a few rows drawn by D², the one that lowers the sum of distances most.
fn seed_centroids<T: Float>(x: &[T], length: usize, k: usize, random: &mut Random, stop: &AtomicBool) -> Vec<T> {
    let rows = x.len() / length;
    let row = |i: usize| &x[i * length..(i + 1) * length];
    let trials = 2 + (k as f64).ln() as usize;
    let mut centroids = row(((random.unit() * rows as f64) as usize).min(rows - 1)).to_vec();
    let mut closest = distances(x, &centroids, length, &vec![0; rows]);
    for _ in 1..k {
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for _ in 0..trials {
            if stop.load(Relaxed) {
                centroids.resize(k * length, T::default());
                return centroids;
            }
            let drawn = draw(&closest, random.unit());
            let after: Vec<f64> = closest
                .par_iter()
                .zip(x.par_chunks_exact(length))
                .with_min_len(BLOCK)
                .map(|(&closest, candidate)| closest.min(squared_distance(candidate, row(drawn))))
                .collect();
            let sum: f64 = after.iter().sum();
            if best.as_ref().is_none_or(|(least, ..)| sum < *least) {
                best = Some((sum, drawn, after));
            }
        }
        if let Some((_, drawn, after)) = best {
            centroids.extend_from_slice(row(drawn));
            closest = after;
        }
    }
    centroids
}

/// The index at which the running sum of `weights` passes the share `unit` of its total.
fn draw(weights: &[f64], unit: f64) -> usize {
    let wanted = unit * weights.iter().sum::<f64>();
    let mut sum = 0.0;
    let passes = |&weight: &f64| {
        sum += weight;
        sum > wanted
    };
    weights.iter().position(passes).unwrap_or(weights.len() - 1)
}

/// Mean of the rows of each label.
fn means<T: Float>(x: &[T], length: usize, k: usize, labels: &[i64], centroids: &[T]) -> Vec<T> {
    let blocks: Vec<(Vec<f64>, Vec<usize>)> = x
        .par_chunks(length * BLOCK)
        .zip(labels.par_chunks(BLOCK))
        .map(|(x, labels)| {
            let (mut sums, mut counts) = (vec![0.0; k * length], vec![0; k]);
            for (row, &label) in x.chunks_exact(length).zip(labels) {
                let label = label as usize;
                counts[label] += 1;
                for (sum, value) in sums[label * length..].iter_mut().zip(row) {
                    *sum += value.to_f64();
                }
            }
            (sums, counts)
        })
        .collect();
    let (mut sums, mut counts) = (vec![0.0; k * length], vec![0_usize; k]);
    for (block_sums, block_counts) in blocks {
        sums.iter_mut().zip(block_sums).for_each(|(sum, value)| *sum += value);
        counts.iter_mut().zip(block_counts).for_each(|(count, value)| *count += value);
    }
    let mut far = counts.contains(&0).then(|| distances(x, centroids, length, labels));
    for (label, count) in counts.iter_mut().enumerate() {
        let sum = &mut sums[label * length..(label + 1) * length];
        if *count > 0 {
            continue;
        }
        let Some(far) = far.as_mut() else { continue };
        let farthest = (0..far.len()).fold(0, |best, i| if far[i] > far[best] { i } else { best });
        far[farthest] = 0.0; // the next empty cluster takes another row
        sum.iter_mut().zip(&x[farthest * length..]).for_each(|(sum, value)| *sum = value.to_f64());
        *count = 1;
    }
    sums.chunks_exact(length)
        .zip(counts)
        .flat_map(|(sum, count)| sum.iter().map(move |value| T::from_f64(value / count as f64)))
        .collect()
}

/// `SplitMix64` (Steele, Lea & Flood 2014): one word of state, the same numbers on every platform.
struct Random(u64);

impl Random {
    /// A number from 0 to below 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
                prop_assert_eq!(nearest_one(row, &centroids).map(|(k, _)| k as i64), Some(label));
            }
        }
    }

    #[test]
    fn an_empty_cluster_takes_the_farthest_row() {
        let found = means(&[0.0, 1.0, 9.0], 1, 2, &[0, 0, 0], &[0.0, 0.0]);
        assert_eq!(found, [10.0 / 3.0, 9.0]);
    }
}
