//! Four numbers side by side, in a register where the processor has one.

use super::wide::{Eight, Wide};
use super::{multiply_add, transpose, transpose_f32};

/// Four lanes, read from and written to memory of either type: what a [`super::LaneKernel`] computes with.
pub trait Lanes: Wide {
    /// From memory.
    fn from_array(values: [f64; 4]) -> Self;

    /// To memory.
    fn to_array(self) -> [f64; 4];

    /// From memory, exactly.
    fn from_floats(values: [f32; 4]) -> Self;

    /// To memory, rounded.
    fn to_floats(self) -> [f32; 4];

    /// Rows to columns.
    #[must_use]
    fn transpose(rows: [Self; 4]) -> [Self; 4];
}

/// What four lanes do by way of arrays, the same whatever holds them.
macro_rules! by_arrays {
    () => {
        type Singles = [f32; 4];

        #[inline(always)]
        fn doubles(from: &[f64]) -> Self {
            Self::from_array(from.first_chunk().copied().unwrap_or_default())
        }

        #[inline(always)]
        fn put_doubles(self, to: &mut [f64]) {
            if let Some(to) = to.first_chunk_mut() {
                *to = self.to_array();
            }
        }

        #[inline(always)]
        fn singles(from: &[f32]) -> [f32; 4] {
            from.first_chunk().copied().unwrap_or_default()
        }

        #[inline(always)]
        fn put_singles(from: [f32; 4], to: &mut [f32]) {
            if let Some(to) = to.first_chunk_mut() {
                *to = from;
            }
        }

        #[inline(always)]
        fn widen(from: [f32; 4]) -> Self {
            Self::from_floats(from)
        }

        #[inline(always)]
        fn narrow(self) -> [f32; 4] {
            self.to_floats()
        }

        #[inline(always)]
        fn turn_singles([a, b, c, d, rest @ ..]: [[f32; 4]; 8]) -> [[f32; 4]; 8] {
            let ([a, b, c, d], [e, f, g, h]) = (transpose_f32([a, b, c, d]), rest);
            [a, b, c, d, e, f, g, h]
        }

        #[inline(always)]
        fn turn([a, b, c, d, rest @ ..]: [Self; 8]) -> [Self; 8] {
            let ([a, b, c, d], [e, f, g, h]) = (Self::transpose([a, b, c, d]), rest);
            [a, b, c, d, e, f, g, h]
        }
    };
}

/// Lanes that the compiler lays out.
#[derive(Debug, Clone, Copy)]
pub struct Plain<const FMA: bool>([f64; 4]);

impl<const FMA: bool> Wide for Plain<FMA> {
    const WIDTH: usize = 4;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    fn load(from: &Eight, at: usize) -> Self {
        Self(std::array::from_fn(|k| from.0[at + k]))
    }

    #[inline(always)]
    fn store(self, to: &mut Eight, at: usize) {
        to.0[at..at + 4].copy_from_slice(&self.0);
    }

    by_arrays!();

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k] + other.0[k]))
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k] * other.0[k]))
    }

    #[inline(always)]
    fn times_plus(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|k| multiply_add::<FMA, f64>(self.0[k], a.0[k], b.0[k])))
    }
}

impl<const FMA: bool> Lanes for Plain<FMA> {
    #[inline(always)]
    fn from_array(values: [f64; 4]) -> Self {
        Self(values)
    }

    #[inline(always)]
    fn to_array(self) -> [f64; 4] {
        self.0
    }

    #[inline(always)]
    fn from_floats(values: [f32; 4]) -> Self {
        Self(values.map(f64::from))
    }

    #[inline(always)]
    fn to_floats(self) -> [f32; 4] {
        self.0.map(|v| v as f32)
    }

    #[inline(always)]
    fn transpose(rows: [Self; 4]) -> [Self; 4] {
        transpose(rows.map(|row| row.0)).map(Self)
    }
}

/// Lanes in one register.
///
/// Only [`super::dispatch_lanes`] may name it, once it has asked the processor for AVX2 and FMA: whoever runs on this type
/// may use their instructions, and that is the reason of every `unsafe` below.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub struct Avx(std::arch::x86_64::__m256d);

#[cfg(target_arch = "x86_64")]
impl Wide for Avx {
    const WIDTH: usize = 4;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: the type has the features
        Self(unsafe { std::arch::x86_64::_mm256_set1_pd(value) })
    }

    #[inline(always)]
    fn load(from: &Eight, at: usize) -> Self {
        // SAFETY: the type has the features, and the slice has four values
        Self(unsafe { std::arch::x86_64::_mm256_loadu_pd(from.0[at..at + 4].as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut Eight, at: usize) {
        // SAFETY: the type has the features, and the slice has room for four values
        unsafe { std::arch::x86_64::_mm256_storeu_pd(to.0[at..at + 4].as_mut_ptr(), self.0) };
    }

    by_arrays!();

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: the type has the features
        Self(unsafe { std::arch::x86_64::_mm256_add_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        // SAFETY: the type has the features
        Self(unsafe { std::arch::x86_64::_mm256_mul_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn times_plus(self, a: Self, b: Self) -> Self {
        // SAFETY: the type has the features
        Self(unsafe { std::arch::x86_64::_mm256_fmadd_pd(self.0, a.0, b.0) })
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for Avx {
    #[inline(always)]
    fn from_array(values: [f64; 4]) -> Self {
        // SAFETY: the type has the features, and four values are there to read
        Self(unsafe { std::arch::x86_64::_mm256_loadu_pd(values.as_ptr()) })
    }

    #[inline(always)]
    fn to_array(self) -> [f64; 4] {
        let mut values = [0.0; 4];
        // SAFETY: the type has the features, and there is room for four values
        unsafe { std::arch::x86_64::_mm256_storeu_pd(values.as_mut_ptr(), self.0) };
        values
    }

    #[inline(always)]
    fn from_floats(values: [f32; 4]) -> Self {
        use std::arch::x86_64::{_mm_loadu_ps, _mm256_cvtps_pd};

        // SAFETY: the type has the features, and four values are there to read
        Self(unsafe { _mm256_cvtps_pd(_mm_loadu_ps(values.as_ptr())) })
    }

    #[inline(always)]
    fn to_floats(self) -> [f32; 4] {
        use std::arch::x86_64::{_mm_storeu_ps, _mm256_cvtpd_ps};

        let mut values = [0.0; 4];
        // SAFETY: the type has the features, and there is room for four values
        unsafe { _mm_storeu_ps(values.as_mut_ptr(), _mm256_cvtpd_ps(self.0)) };
        values
    }

    #[inline(always)]
    fn transpose(rows: [Self; 4]) -> [Self; 4] {
        use std::arch::x86_64::{_mm256_permute2f128_pd, _mm256_unpackhi_pd, _mm256_unpacklo_pd};

        let [Self(a), Self(b), Self(c), Self(d)] = rows;
        // SAFETY: the type has the features
        unsafe {
            let (ab, cd) = (_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d));
            let (ab_odd, cd_odd) = (_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d));
            [
                Self(_mm256_permute2f128_pd::<0x20>(ab, cd)),
                Self(_mm256_permute2f128_pd::<0x20>(ab_odd, cd_odd)),
                Self(_mm256_permute2f128_pd::<0x31>(ab, cd)),
                Self(_mm256_permute2f128_pd::<0x31>(ab_odd, cd_odd)),
            ]
        }
    }
}
