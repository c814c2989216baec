//! How a signal goes on beyond its ends.

use crate::{Error, Float, Result};

/// How a signal goes on beyond its ends, by the names of `PyWavelets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Half-sample mirror: `c b a | a b c | c b a`.
    Symmetric,
    /// Whole-sample mirror: `c b | a b c | b a`.
    Reflect,
    /// Half-sample mirror with the sign turned.
    Antisymmetric,
    /// Whole-sample mirror through the end point.
    Antireflect,
    /// Zeros.
    Zero,
    /// The end value held.
    Constant,
    /// The straight line through the last two samples.
    Smooth,
    /// The signal over and over.
    Periodic,
    /// The same, with half as many coefficients as samples; an odd signal is first lengthened by its last value.
    Periodization,
}

impl Mode {
    /// The mode of a name.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no such mode.
    pub fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "symmetric" => Self::Symmetric,
            "reflect" => Self::Reflect,
            "antisymmetric" => Self::Antisymmetric,
            "antireflect" => Self::Antireflect,
            "zero" => Self::Zero,
            "constant" => Self::Constant,
            "smooth" => Self::Smooth,
            "periodic" => Self::Periodic,
            "periodization" => Self::Periodization,
            _ => {
                return Err(Error::parameter(
                    "mode",
                    name,
                    "symmetric, reflect, antisymmetric, antireflect, zero, constant, smooth, periodic or periodization",
                ));
            }
        })
    }

    /// Sample `index` of the extended signal; `x` is not empty.
    pub(super) fn extend<T: Float>(self, x: &[T], index: isize) -> T {
        let n = x.len() as isize;
        if (0..n).contains(&index) {
            return x[index as usize];
        }
        let at = |i: isize| x[i as usize];
        let last = n - 1;
        match self {
            Self::Zero => T::default(),
            Self::Constant => at(index.clamp(0, last)),
            Self::Periodic => at(index.rem_euclid(n)),
            Self::Periodization => at(index.rem_euclid(n + n % 2).min(last)),
            Self::Symmetric | Self::Antisymmetric => {
                let place = index.rem_euclid(2 * n);
                if place < n {
                    at(place)
                } else if self == Self::Symmetric {
                    at(2 * n - 1 - place)
                } else {
                    -at(2 * n - 1 - place)
                }
            }
            _ if n == 1 => at(0),
            Self::Smooth if index < 0 => at(0) + T::from_f64(index as f64) * (at(1) - at(0)),
            Self::Smooth => at(last) + T::from_f64((index - last) as f64) * (at(last) - at(last - 1)),
            Self::Reflect | Self::Antireflect => {
                let place = index.rem_euclid(2 * last);
                let mirrored = at(place.min(2 * last - place));
                if self == Self::Reflect {
                    return mirrored;
                }
                let inside = if place <= last { mirrored } else { at(last) + at(last) - mirrored };
                let rise = at(last) - at(0);
                inside + T::from_f64(index.div_euclid(2 * last) as f64) * (rise + rise)
            }
        }
    }
}
