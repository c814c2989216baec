//! Run-time choice of the instruction set: the only module with `unsafe`.
//!
//! A [`Kernel`] is plain Rust over slices, compiled once for each instruction set; the widest that the processor has
//! runs. `BIOTL_SIMD=portable` (or `avx2`) holds it back, to compare.

#![allow(unsafe_code)]

mod lanes;
mod twelve;
mod wide;

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use lanes::Avx;
pub use lanes::{Lanes, Plain};
pub use twelve::Scaled;
#[cfg(target_arch = "x86_64")]
use twelve::shuffles;
#[cfg(target_arch = "x86_64")]
use wide::Zmm;
pub use wide::{Eight, Wide};

use crate::Float;

/// Instruction sets, from narrow to wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the target has: SSE2 or NEON.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

/// A loop to be compiled for each instruction set.
///
/// `run` and what it calls in its loops must be `#[inline(always)]`: only what is inlined is compiled for the wider set.
/// Threads are started outside, since what they run is not inlined.
pub trait Kernel {
    /// What it returns.
    type Output;

    /// Does the work; `FMA` says that a fused multiply-add is one instruction.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// A loop over [`Lanes`], to be compiled for each instruction set as a [`Kernel`] is.
pub trait LaneKernel {
    /// What it returns.
    type Output;

    /// Does the work; `FMA` as for a [`Kernel`], `W` the widest register.
    fn run<V: Lanes, W: Wide, const FMA: bool>(self) -> Self::Output;
}

/// Runs a kernel on the best lanes at hand. A lane does not know how many lie beside it: the results of AVX-512 are those
/// of AVX2 to the bit.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn dispatch_lanes<K: LaneKernel>(kernel: K) -> K::Output {
    #[target_feature(enable = "avx2,fma")]
    fn avx2<K: LaneKernel>(kernel: K) -> K::Output {
        kernel.run::<Avx, Avx, true>()
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
    fn avx512<K: LaneKernel>(kernel: K) -> K::Output {
        kernel.run::<Avx, Zmm, true>()
    }

    match level() {
        Level::Portable => kernel.run::<Plain<false>, Plain<false>, false>(),
        // SAFETY: `level` has asked the processor for the features
        Level::Avx2 => unsafe { avx2(kernel) },
        // SAFETY: as above
        Level::Avx512 => unsafe { avx512(kernel) },
    }
}

/// Runs a kernel on the best lanes at hand.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub fn dispatch_lanes<K: LaneKernel>(kernel: K) -> K::Output {
    if cfg!(target_arch = "aarch64") {
        kernel.run::<Plain<true>, Plain<true>, true>()
    } else {
        kernel.run::<Plain<false>, Plain<false>, false>()
    }
}

/// The level in use.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let most = match std::env::var("BIOTL_SIMD").as_deref() {
            Ok("portable") => Level::Portable,
            Ok("avx2") => Level::Avx2,
            _ => Level::Avx512,
        };
        detect().min(most)
    })
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return Level::Portable;
    }
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    if wide { Level::Avx512 } else { Level::Avx2 }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Portable
}

/// Runs a kernel on the widest instruction set at hand.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[target_feature(enable = "avx2,fma")]
    fn avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<true>()
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
    fn avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<true>()
    }

    match level() {
        Level::Portable => kernel.run::<false>(),
        // SAFETY: `level` has asked the processor for the features
        Level::Avx2 => unsafe { avx2(kernel) },
        // SAFETY: as above
        Level::Avx512 => unsafe { avx512(kernel) },
    }
}

/// Runs a kernel on the widest instruction set at hand.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    // the baseline of aarch64 has a fused multiply-add
    if cfg!(target_arch = "aarch64") { kernel.run::<true>() } else { kernel.run::<false>() }
}

/// `a * b + c`, fused where that is one instruction.
#[inline(always)]
pub fn multiply_add<const FMA: bool, T: Float>(a: T, b: T, c: T) -> T {
    if FMA { a.fused(b, c) } else { a * b + c }
}

/// Asks for values that will be read soon, so that they come from memory while others are computed on.
#[inline(always)]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks((64 / size_of::<T>().max(1)).max(1)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        // SAFETY: SSE is part of the target, and a prefetch neither reads nor faults as far as the program can tell
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Unpacks the two numbers of 12 bits in each group of three bytes. Returns how many groups are done; the rest is the
/// caller's.
pub fn unpack_12(groups: &[[u8; 3]], rows: [&mut [i32]; 2]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if level() >= Level::Avx2 {
        // SAFETY: `level` has asked the processor for the features
        return unsafe { shuffles::codes(groups, rows) };
    }
    let _ = (groups, rows);
    0
}

/// As [`unpack_12`], on to values, NaN for the lowest number; and for each row the sum of its numbers, which may wrap, and
/// how many are the lowest. All in one go, since values meet memory that is slower than the work on them.
#[must_use]
pub fn scale_12(groups: &[[u8; 3]], rows: [Scaled; 2]) -> (usize, [[u32; 2]; 2]) {
    #[cfg(target_arch = "x86_64")]
    if level() >= Level::Avx2 {
        // SAFETY: `level` has asked the processor for the features
        return unsafe { shuffles::values(groups, rows) };
    }
    let _ = (groups, rows);
    (0, [[0; 2]; 2])
}

/// Rows to columns.
#[inline(always)]
pub fn transpose<T: Float>(rows: [[T; 4]; 4]) -> [[T; 4]; 4] {
    std::array::from_fn(|i| std::array::from_fn(|j| rows[j][i]))
}

/// Rows to columns by shuffles, which the compiler does not find by itself.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[must_use]
pub fn transpose_f32(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
    use std::arch::x86_64::{__m128, _mm_movehl_ps, _mm_movelh_ps, _mm_unpackhi_ps, _mm_unpacklo_ps};

    // SAFETY: four floats and a register of four floats have the same size and all bit patterns are valid; SSE is part
    // of the target
    unsafe {
        let [a, b, c, d] = rows.map(|row| std::mem::transmute::<[f32; 4], __m128>(row));
        let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
        let (ab_high, cd_high) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
        [_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab), _mm_movelh_ps(ab_high, cd_high), _mm_movehl_ps(cd_high, ab_high)]
            .map(|row| std::mem::transmute::<__m128, [f32; 4]>(row))
    }
}

/// Rows to columns.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
#[must_use]
pub fn transpose_f32(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
    transpose(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum<'a>(&'a [f64]);

    impl Kernel for Sum<'_> {
        type Output = f64;

        #[inline(always)]
        fn run<const FMA: bool>(self) -> f64 {
            self.0.iter().fold(0.0, |sum, &x| multiply_add::<FMA, f64>(x, x, sum))
        }
    }

    #[test]
    fn shuffles_transpose() {
        let rows: [[f32; 4]; 4] = std::array::from_fn(|i| std::array::from_fn(|j| (4 * i + j) as f32));
        assert_eq!(transpose_f32(rows), transpose(rows));
    }

    #[test]
    fn every_level_gives_the_same_result() {
        let x: Vec<f64> = (0..1000).map(|i| f64::from(i) * 0.1).collect();
        let portable = Sum(&x).run::<false>();
        assert!((dispatch(Sum(&x)) - portable).abs() < 1e-12 * portable);
    }
}
