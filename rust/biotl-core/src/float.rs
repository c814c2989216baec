//! The two sample types of the kernels.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::simd::{Lanes, Wide};

/// `f32` or `f64`: a kernel written over this keeps the type of its input.
pub trait Float:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Div<Output = Self>
    + Mul<Output = Self>
    + MulAssign
    + Neg<Output = Self>
    + Sub<Output = Self>
    + SubAssign
    + 'static
{
    /// Distance from one to the next larger value.
    const EPSILON: f64;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;

    /// The same value, exactly.
    fn to_f64(self) -> f64;

    /// `self * a + b`, rounded once; slow where the processor has no such instruction.
    #[must_use]
    fn fused(self, a: Self, b: Self) -> Self;

    /// Neither NaN nor infinite.
    fn finite(self) -> bool;

    /// Rows to columns.
    #[must_use]
    fn transpose(rows: [[Self; 4]; 4]) -> [[Self; 4]; 4];

    /// Four samples, exactly.
    fn to_lanes<V: Lanes>(samples: [Self; 4]) -> V;

    /// Four samples, each the nearest of this type.
    fn from_lanes<V: Lanes>(lanes: V) -> [Self; 4];

    /// As many samples as lanes, in a register of this type: half as wide for `f32`, and so are its shuffles.
    type Row<W: Wide>: Copy;

    /// The first samples of a slice; of one that is too short, nothing.
    fn row<W: Wide>(samples: &[Self]) -> Self::Row<W>;

    /// To the first samples of a slice; to one that is too short, nothing.
    fn put<W: Wide>(row: Self::Row<W>, samples: &mut [Self]);

    /// Rows to columns, of as many rows as there are lanes: the first ones.
    #[must_use]
    fn turn<W: Wide>(rows: [Self::Row<W>; 8]) -> [Self::Row<W>; 8];

    /// Exactly.
    fn widen<W: Wide>(row: Self::Row<W>) -> W;

    /// Each the nearest of this type.
    fn narrow<W: Wide>(lanes: W) -> Self::Row<W>;
}

macro_rules! float {
    ($type:ident, $transpose:path, $to_lanes:ident, $from_lanes:ident, $($wide:tt)*) => {
        impl Float for $type {
            const EPSILON: f64 = $type::EPSILON as f64;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $type
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn fused(self, a: Self, b: Self) -> Self {
                self.mul_add(a, b)
            }

            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }

            #[inline(always)]
            fn transpose(rows: [[Self; 4]; 4]) -> [[Self; 4]; 4] {
                $transpose(rows)
            }

            #[inline(always)]
            fn to_lanes<V: Lanes>(samples: [Self; 4]) -> V {
                V::$to_lanes(samples)
            }

            #[inline(always)]
            fn from_lanes<V: Lanes>(lanes: V) -> [Self; 4] {
                lanes.$from_lanes()
            }

            $($wide)*
        }
    };
}

float! {
    f32, crate::simd::transpose_f32, from_floats, to_floats,
    type Row<W: Wide> = W::Singles;

    #[inline(always)]
    fn row<W: Wide>(samples: &[Self]) -> Self::Row<W> {
        W::singles(samples)
    }

    #[inline(always)]
    fn put<W: Wide>(row: Self::Row<W>, samples: &mut [Self]) {
        W::put_singles(row, samples);
    }

    #[inline(always)]
    fn turn<W: Wide>(rows: [Self::Row<W>; 8]) -> [Self::Row<W>; 8] {
        W::turn_singles(rows)
    }

    #[inline(always)]
    fn widen<W: Wide>(row: Self::Row<W>) -> W {
        W::widen(row)
    }

    #[inline(always)]
    fn narrow<W: Wide>(lanes: W) -> Self::Row<W> {
        lanes.narrow()
    }
}

float! {
    f64, crate::simd::transpose, from_array, to_array,
    type Row<W: Wide> = W;

    #[inline(always)]
    fn row<W: Wide>(samples: &[Self]) -> W {
        W::doubles(samples)
    }

    #[inline(always)]
    fn put<W: Wide>(row: W, samples: &mut [Self]) {
        row.put_doubles(samples);
    }

    #[inline(always)]
    fn turn<W: Wide>(rows: [W; 8]) -> [W; 8] {
        W::turn(rows)
    }

    #[inline(always)]
    fn widen<W: Wide>(row: W) -> W {
        row
    }

    #[inline(always)]
    fn narrow<W: Wide>(lanes: W) -> W {
        lanes
    }
}
