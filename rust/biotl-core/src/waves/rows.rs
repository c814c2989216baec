//! Rows of values about each beat, which a network reads.

use crate::{Error, Result};

/// What a row holds: several streams of points, and values that have no place in them.
#[derive(Clone, Copy)]
pub struct Row {
    /// Streams, one after another.
    pub streams: usize,
    /// Points of each.
    pub points: usize,
    /// Values behind them.
    pub context: usize,
    /// Time of the first point, in seconds.
    pub from_s: f64,
    /// Time from a point to the next, in seconds.
    pub pitch_s: f64,
}

impl Row {
    /// Values of a row.
    #[must_use]
    pub const fn width(self) -> usize {
        self.streams * self.points + self.context
    }
}

/// Rows for a network, which counts what it puts into each: a feature too many would shift all that follow.
pub struct Rows {
    width: usize,
    values: Vec<f32>,
}

impl Rows {
    /// Room for some rows, none of them there yet.
    #[must_use]
    pub fn new(row: Row, beats: usize) -> Self {
        Self { width: row.width(), values: Vec::with_capacity(row.width() * beats) }
    }

    /// One row, in parts.
    ///
    /// # Errors
    /// More values than the network looks at, or fewer.
    pub fn push(&mut self, parts: &[&[f32]]) -> Result<()> {
        let got: usize = parts.iter().map(|part| part.len()).sum();
        if got != self.width {
            return Err(Error::parameter("features", got, format!("{} of a beat", self.width)));
        }
        for part in parts {
            self.values.extend_from_slice(part);
        }
        Ok(())
    }

    /// The values, row by row.
    #[must_use]
    pub fn values(self) -> Vec<f32> {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_too_many_or_too_few_features_is_refused() {
        let mut rows = Rows::new(Row { streams: 2, points: 2, context: 1, from_s: 0.0, pitch_s: 0.1 }, 2);
        rows.push(&[&[1.0, 2.0], &[3.0, 4.0], &[5.0]]).unwrap();
        for parts in [&[&[1.0; 4][..]][..], &[&[1.0; 4], &[1.0; 2]], &[]] {
            assert!(rows.push(parts).unwrap_err().to_string().ends_with("wanted 5 of a beat"));
        }
        assert_eq!(rows.values(), [1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}
