//! Resampling as samples come in.

use std::sync::atomic::AtomicBool;

use super::{Beyond, Outputs, Resampler};
use crate::filter::check;
use crate::simd::dispatch_lanes;
use crate::{Float, Result};

/// A lead resampled in parts of any length: to the bit what one long part gives, its ends held beyond it.
#[derive(Debug, Clone)]
pub struct Stream<T> {
    resampler: Resampler,
    /// Samples that outputs to come still need, from sample `origin` on.
    past: Vec<T>,
    origin: usize,
    /// Outputs so far.
    written: usize,
}

impl<T: Float> Stream<T> {
    /// A stream before its first sample.
    #[must_use]
    pub fn new(resampler: Resampler) -> Self {
        Self { resampler, past: Vec::new(), origin: 0, written: 0 }
    }

    /// Takes the next part and returns the outputs that no later sample can change.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`] with the first sample at fault, counted from the start of this part; the stream is then
    /// as it was before.
    pub fn push(&mut self, x: &[T]) -> Result<Vec<T>> {
        check(x.iter().all(|v| v.finite()), x)?;
        self.past.extend_from_slice(x);
        let seen = (self.origin + self.past.len()) as isize;
        let last = |j: usize| self.resampler.start(j) + self.resampler.length as isize;
        // the first output that reaches beyond what was seen; starts grow with j
        let mut ready = self.written.max((self.origin * self.resampler.up) / self.resampler.down);
        let mut reach = self.resampler.len_out(self.origin + self.past.len());
        while ready < reach {
            let middle = usize::midpoint(ready, reach);
            if last(middle) <= seen { ready = middle + 1 } else { reach = middle }
        }
        Ok(self.advance(ready))
    }

    /// Ends the stream: the remaining outputs, the last sample beyond the end.
    pub fn finish(&mut self) -> Vec<T> {
        self.advance(self.resampler.len_out(self.origin + self.past.len()))
    }

    fn advance(&mut self, until: usize) -> Vec<T> {
        let mut out = vec![T::default(); until.saturating_sub(self.written)];
        if self.resampler.up == self.resampler.down {
            let from = self.written - self.origin;
            out.copy_from_slice(&self.past[from..from + until - self.written]);
        } else {
            dispatch_lanes(Outputs {
                resampler: &self.resampler,
                x: &self.past,
                // the first sample is held while outputs begin before it, the last until the end
                beyond: Beyond::Edge,
                origin: self.origin as isize,
                first: self.written,
                stop: &AtomicBool::new(false),
                out: &mut out,
            });
        }
        self.written += out.len();
        let needed = usize::try_from(self.resampler.start(self.written)).unwrap_or(0);
        let gone = needed.saturating_sub(self.origin).min(self.past.len());
        self.past.drain(..gone);
        self.origin += gone;
        out
    }
}
