//! How a signal goes on beyond its ends.

/// How a signal goes on beyond its ends, as in `scipy.signal.upfirdn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Zeros.
    Zero,
    /// The nearest sample.
    Edge,
    /// Mirrored, the last sample twice.
    Symmetric,
    /// Mirrored at the last sample.
    Reflect,
    /// From the other end on.
    Wrap,
    /// On the straight line through the first and the last sample.
    Line,
}

impl Beyond {
    /// Sample of a signal of `n` that stands for sample `at`, none for a zero.
    pub(super) fn stands(self, at: isize, n: usize) -> Option<usize> {
        let (size, inside) = (n as isize, (0..n as isize).contains(&at));
        let place = match self {
            _ if inside => at,
            _ if n == 0 => return None,
            Self::Zero | Self::Line => return None,
            Self::Edge => at.clamp(0, size - 1),
            Self::Wrap => at.rem_euclid(size),
            Self::Symmetric => (at.rem_euclid(2 * size)).min((-1 - at).rem_euclid(2 * size)),
            Self::Reflect if n == 1 => 0,
            Self::Reflect => at.rem_euclid(2 * size - 2).min((-at).rem_euclid(2 * size - 2)),
        };
        Some(place as usize)
    }
}
