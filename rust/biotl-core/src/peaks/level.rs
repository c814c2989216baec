//! The usual height of what stands out around a moment: of the maxima of blocks, the median and the largest.

use std::ops::Range;

use crate::simd;

/// Blocks that the local level looks at before and after its own: 12 s in all, so that a pause is no lower level; less
/// ahead, since a stream waits for it.
pub(crate) const BLOCKS: (usize, usize) = (5, 3);

/// Per block, the median and the largest of the maxima of the blocks around.
pub(crate) fn levels(value: &[f32], block: usize) -> Vec<(f32, f32)> {
    let maxima: Vec<f32> = value.chunks(block).map(|b| simd::dispatch(Largest(b))).collect();
    (0..maxima.len())
        .map(|i| {
            let mut near = [0.0; BLOCKS.0 + BLOCKS.1 + 1];
            let source = &maxima[around(i, maxima.len())];
            let near = &mut near[..source.len()];
            near.copy_from_slice(source);
            near.sort_unstable_by(f32::total_cmp);
            // the median: an artefact lifts one block, not the level
            (near[near.len() / 2], near[near.len() - 1])
        })
        .collect()
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
