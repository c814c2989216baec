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

    /// As many samples as lanes, exactly.
    fn to_wide<W: Wide>(samples: &[Self]) -> W;

    /// As many samples as lanes, each the nearest of this type.
    fn from_wide<W: Wide>(lanes: W, samples: &mut [Self]);
}

macro_rules! float {
    ($type:ident, $transpose:path, $to_lanes:ident, $from_lanes:ident, $to_wide:ident, $from_wide:ident) => {
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

            #[inline(always)]
            fn to_wide<W: Wide>(samples: &[Self]) -> W {
                W::$to_wide(samples)
            }

            #[inline(always)]
            fn from_wide<W: Wide>(lanes: W, samples: &mut [Self]) {
                lanes.$from_wide(samples);
            }
        }
    };
}

float!(f32, crate::simd::transpose_f32, from_floats, to_floats, from_singles, to_singles);
float!(f64, crate::simd::transpose, from_array, to_array, from_doubles, to_doubles);
