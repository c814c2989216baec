//! The usual height of what stands out around a moment: of the maxima of blocks, the median and the largest.

use std::ops::Range;

use crate::simd;

/// Blocks that the local level looks at before and after its own: 12 s in all, so that a pause is no lower level; less
/// ahead, since a stream waits for it.
pub(crate) const BLOCKS: (usize, usize) = (5, 3);

/// Blocks whose maxima make a level.
const NEAR: usize = BLOCKS.0 + BLOCKS.1 + 1;

/// Per block, the median and the largest of the maxima of the blocks around.
pub(crate) fn levels(value: &[f32], block: usize) -> Vec<(f32, f32)> {
    let maxima: Vec<f32> = value.chunks(block).map(|b| simd::dispatch(Largest(b))).collect();
    (0..maxima.len())
        .map(|i| {
            let mut all = [u32::MAX; NEAR];
            let source = &maxima[around(i, maxima.len())];
            // numbers that are not negative stand in the order of their bits
            for (own, value) in all.iter_mut().zip(source) {
                *own = value.to_bits();
            }
            sort(&mut all);
            // the median: an artefact lifts one block, not the level
            (f32::from_bits(all[source.len() / 2]), f32::from_bits(all[source.len() - 1]))
        })
        .collect()
}

/// Sorts nine numbers by a network of comparisons (Floyd 1964): none is a branch to be guessed.
fn sort(values: &mut [u32; NEAR]) {
    const PAIRS: [usize; 50] = [
        0, 1, 3, 4, 6, 7, 1, 2, 4, 5, 7, 8, 0, 1, 3, 4, 6, 7, 0, 3, 3, 6, 0, 3, 1, 4, 4, 7, 1, 4, 2, 5, 5, 8, 2, 5, 1,
        3, 5, 7, 2, 6, 4, 6, 2, 4, 2, 3, 5, 6,
    ];
    for &[a, b] in PAIRS.as_chunks::<2>().0 {
        (values[a], values[b]) = (values[a].min(values[b]), values[a].max(values[b]));
    }
}

/// The largest of values that are not negative.
struct Largest<'a>(&'a [f32]);

impl simd::Kernel for Largest<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> f32 {
        let (chunks, rest) = self.0.as_chunks::<16>();
        // `f32::max` looks for NaN first, which has no lanes
        let larger = |a: f32, b: f32| if a > b { a } else { b };
        let mut most = [0.0_f32; 16];
        for chunk in chunks {
            for (m, &v) in most.iter_mut().zip(chunk) {
                *m = larger(*m, v);
            }
        }
        most.iter().chain(rest).copied().fold(0.0, larger)
    }
}

/// Blocks whose maxima make the level of one.
pub(crate) fn around(i: usize, blocks: usize) -> Range<usize> {
    i.saturating_sub(BLOCKS.0)..(i + BLOCKS.1 + 1).min(blocks)
}

/// The [`levels`] from a block on.
pub(crate) fn levels_from(value: &[f32], block: usize, first: usize) -> impl Iterator<Item = (f32, f32)> {
    let before = BLOCKS.0.min(first);
    levels(&value[(first - before) * block..], block).into_iter().skip(before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_network_of_comparisons_sorts(values in any::<[u32; super::NEAR]>()) {
            let (mut sorted, mut wanted) = (values, values);
            super::sort(&mut sorted);
            wanted.sort_unstable();
            prop_assert_eq!(sorted, wanted);
        }
    }
}
