//! k-means: seeding by D² sampling (k-means++, Arthur & Vassilvitskii 2007), Lloyd's iteration (1982), nearest centroid.
//!
//! Nearest is nearest by distances in `f64`, summed in one order: where faster scores leave a doubt, these decide. So the
//! same seed gives the same centroids on every processor and number of threads.

mod nearest;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rayon::prelude::*;

use crate::{Error, Float, Result};
use nearest::{UNDECIDED, nearest, squared_distance};

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
    use super::*;

    #[test]
    fn an_empty_cluster_takes_the_farthest_row() {
        let found = means(&[0.0, 1.0, 9.0], 1, 2, &[0, 0, 0], &[0.0, 0.0]);
        assert_eq!(found, [10.0 / 3.0, 9.0]);
    }
}
