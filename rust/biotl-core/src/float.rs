//! The two sample types of the kernels.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

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
}

macro_rules! float {
    ($type:ident, $transpose:path) => {
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
        }
    };
}

float!(f32, crate::simd::transpose_f32);
float!(f64, crate::simd::transpose);
