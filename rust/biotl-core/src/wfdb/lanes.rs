//! A block of a signal file, decoded and split into one lane a signal.

use super::format::{Format, pair_212};
use crate::simd::{Kernel, dispatch, unpack_12};

/// The codes of one block.
pub(super) struct Lanes {
    format: Format,
    /// Samples a frame of the whole file.
    per_frame: usize,
    /// Decoded lane after lane, not frame after frame.
    planar: bool,
    frames: usize,
    codes: Vec<i32>,
    lane: Vec<i32>,
}

impl Lanes {
    /// Room for blocks of up to `frames` frames of a file with these many samples a frame for each signal.
    pub(super) fn new(format: Format, widths: &[usize], frames: usize) -> Self {
        let per_frame = widths.iter().sum();
        let single = widths.len() > 1 && widths.iter().all(|&n| n == 1);
        let planar = single && (format == Format::F16 || format == Format::F212 && widths.len() == 2);
        Self { format, per_frame, planar, frames: 0, codes: vec![0; frames * per_frame], lane: Vec::new() }
    }

    /// Decode a block of `frames` frames.
    pub(super) fn decode(&mut self, bytes: &[u8], frames: usize) {
        self.frames = frames;
        let codes = &mut self.codes[..frames * self.per_frame];
        match self.format {
            Format::F212 if self.planar => {
                let ((left, right), groups) = (codes.split_at_mut(frames), bytes.as_chunks().0);
                let done = unpack_12(groups, [&mut *left, &mut *right]);
                dispatch(Pairs { groups: &groups[done..], left: &mut left[done..], right: &mut right[done..] });
            }
            Format::F16 if self.planar => dispatch(Columns { bytes, per_frame: self.per_frame, codes }),
            format => dispatch(Decode { format, bytes, codes }),
        }
    }

    /// The codes of the signal that takes `width` samples of each frame from `offset` on.
    pub(super) fn lane(&mut self, offset: usize, width: usize) -> &mut [i32] {
        let codes = &mut self.codes[..self.frames * self.per_frame];
        if self.planar {
            return &mut codes[offset * self.frames..][..self.frames];
        }
        if width == self.per_frame {
            return codes;
        }
        self.lane.clear();
        match (width, self.per_frame) {
            (1, 2) => self.lane.extend(codes.as_chunks::<2>().0.iter().map(|frame| frame[offset & 1])),
            (1, step) => self.lane.extend(codes[offset..].iter().step_by(step)),
            (_, step) => self.lane.extend(codes.chunks_exact(step).flat_map(|frame| &frame[offset..offset + width])),
        }
        &mut self.lane
    }
}

/// Any format, frame after frame.
struct Decode<'a> {
    format: Format,
    bytes: &'a [u8],
    codes: &'a mut [i32],
}

impl Kernel for Decode<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        self.format.decode(self.bytes, self.codes);
    }
}

/// Format 212 with two signals, straight to one lane a signal.
struct Pairs<'a> {
    groups: &'a [[u8; 3]],
    left: &'a mut [i32],
    right: &'a mut [i32],
}

impl Kernel for Pairs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for ((left, right), group) in self.left.iter_mut().zip(self.right).zip(self.groups) {
            [*left, *right] = pair_212(*group);
        }
    }
}

/// Format 16 with one sample a frame of each signal, straight to one lane a signal.
struct Columns<'a> {
    bytes: &'a [u8],
    per_frame: usize,
    codes: &'a mut [i32],
}

impl Kernel for Columns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (samples, pairs) = (self.bytes.as_chunks::<2>().0, self.bytes.as_chunks::<4>().0);
        for (at, lane) in self.codes.chunks_exact_mut(self.codes.len() / self.per_frame).enumerate() {
            if self.per_frame == 2 {
                // the second one is above the first, which a shift lifts to its place
                let lift = if at == 0 { 16 } else { 0 };
                lane.iter_mut().zip(pairs).for_each(|(code, pair)| *code = i32::from_le_bytes(*pair) << lift >> 16);
            } else {
                let column = samples[at..].iter().step_by(self.per_frame);
                lane.iter_mut().zip(column).for_each(|(code, pair)| *code = i32::from(i16::from_le_bytes(*pair)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lanes_hold_what_each_sample_is_by_itself(
            frames in 1usize..70,
            per_frame in 1usize..5,
            two in any::<bool>(),
            bytes in prop::collection::vec(any::<u8>(), 70 * 5 * 2),
        ) {
            let (format, per_frame) = if two { (Format::F212, 2) } else { (Format::F16, per_frame) };
            let bytes = &bytes[..format.bytes((frames * per_frame) as u64).unwrap() as usize];
            let mut plain = vec![0; frames * per_frame];
            format.decode(bytes, &mut plain);
            let mut lanes = Lanes::new(format, &vec![1; per_frame], frames);
            lanes.decode(bytes, frames);
            for at in 0..per_frame {
                let column: Vec<i32> = plain.iter().skip(at).step_by(per_frame).copied().collect();
                prop_assert_eq!(&*lanes.lane(at, 1), &column[..]);
            }
        }
    }
}
