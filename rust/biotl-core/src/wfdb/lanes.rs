//! A block of a signal file, decoded and split into one lane a signal.

use super::format::{Format, pair_212};
use crate::simd::{Kernel, dispatch};

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
        let planar = format == Format::F212 && widths == [1, 1];
        Self { format, per_frame, planar, frames: 0, codes: vec![0; frames * per_frame], lane: Vec::new() }
    }

    /// Decode a block of `frames` frames.
    pub(super) fn decode(&mut self, bytes: &[u8], frames: usize) {
        self.frames = frames;
        let codes = &mut self.codes[..frames * self.per_frame];
        if self.planar {
            let (left, right) = codes.split_at_mut(frames);
            dispatch(Pairs { bytes: bytes.as_chunks().0, left, right });
        } else {
            dispatch(Decode { format: self.format, bytes, codes });
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
    bytes: &'a [[u8; 3]],
    left: &'a mut [i32],
    right: &'a mut [i32],
}

impl Kernel for Pairs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for ((left, right), group) in self.left.iter_mut().zip(self.right).zip(self.bytes) {
            [*left, *right] = pair_212(*group);
        }
    }
}
