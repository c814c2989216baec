//! As many numbers side by side as a register holds: four, or eight with AVX-512.

/// Eight `f64` in memory, on a cache line of their own: a load across two lines costs double.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub struct Eight(pub [f64; 8]);

/// Some of the numbers of an [`Eight`]: as many as a register holds.
pub trait Wide: Copy {
    /// How many.
    const WIDTH: usize;

    /// The same value in each lane.
    fn splat(value: f64) -> Self;

    /// Those from a place on.
    fn load(from: &Eight, at: usize) -> Self;

    /// To a place.
    fn store(self, to: &mut Eight, at: usize);

    /// As many `f32` as there are lanes.
    type Singles: Copy;

    /// The first of a slice; of one that is too short, nothing.
    fn doubles(from: &[f64]) -> Self;

    /// To the first of a slice; to one that is too short, nothing.
    fn put_doubles(self, to: &mut [f64]);

    /// As [`Self::doubles`].
    fn singles(from: &[f32]) -> Self::Singles;

    /// As [`Self::put_doubles`].
    fn put_singles(from: Self::Singles, to: &mut [f32]);

    /// Exactly.
    fn widen(from: Self::Singles) -> Self;

    /// Rounded.
    fn narrow(self) -> Self::Singles;

    /// As [`Self::turn`].
    #[must_use]
    fn turn_singles(rows: [Self::Singles; 8]) -> [Self::Singles; 8];

    /// Rows to columns, of as many rows as there are lanes: the first ones.
    #[must_use]
    fn turn(rows: [Self; 8]) -> [Self; 8];

    /// Lane by lane.
    #[must_use]
    fn plus(self, other: Self) -> Self;

    /// Lane by lane.
    #[must_use]
    fn times(self, other: Self) -> Self;

    /// `self * a + b` lane by lane, rounded as [`super::multiply_add`] of the level rounds.
    #[must_use]
    fn times_plus(self, a: Self, b: Self) -> Self;
}

/// Eight lanes in one register.
///
/// Only [`super::dispatch_lanes`] may name it, once it has asked the processor for AVX-512: as for [`super::lanes::Avx`].
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub struct Zmm(std::arch::x86_64::__m512d);

#[cfg(target_arch = "x86_64")]
impl Wide for Zmm {
    const WIDTH: usize = 8;

    type Singles = std::arch::x86_64::__m256;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: the type has the features
        Self(unsafe { std::arch::x86_64::_mm512_set1_pd(value) })
    }

    #[inline(always)]
    fn load(from: &Eight, _: usize) -> Self {
        // SAFETY: the type has the features, and eight values are there to read
        Self(unsafe { std::arch::x86_64::_mm512_loadu_pd(from.0.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut Eight, _: usize) {
        // SAFETY: the type has the features, and there is room for eight values
        unsafe { std::arch::x86_64::_mm512_storeu_pd(to.0.as_mut_ptr(), self.0) };
    }

    #[inline(always)]
    fn doubles(from: &[f64]) -> Self {
        let Some(from) = from.first_chunk::<8>() else { return Self::splat(0.0) };
        // SAFETY: the type has the features, and eight values are there to read
        Self(unsafe { std::arch::x86_64::_mm512_loadu_pd(from.as_ptr()) })
    }

    #[inline(always)]
    fn put_doubles(self, to: &mut [f64]) {
        if let Some(to) = to.first_chunk_mut::<8>() {
            // SAFETY: the type has the features, and there is room for eight values
            unsafe { std::arch::x86_64::_mm512_storeu_pd(to.as_mut_ptr(), self.0) };
        }
    }

    #[inline(always)]
    fn singles(from: &[f32]) -> Self::Singles {
        use std::arch::x86_64::{_mm256_loadu_ps, _mm256_setzero_ps};

        // SAFETY: the type has the features
        let Some(from) = from.first_chunk::<8>() else { return unsafe { _mm256_setzero_ps() } };
        // SAFETY: as above, and eight values are there to read
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn put_singles(from: Self::Singles, to: &mut [f32]) {
        if let Some(to) = to.first_chunk_mut::<8>() {
            // SAFETY: the type has the features, and there is room for eight values
            unsafe { std::arch::x86_64::_mm256_storeu_ps(to.as_mut_ptr(), from) };
        }
    }

    #[inline(always)]
    fn widen(from: Self::Singles) -> Self {
        // SAFETY: the type has the features
        Self(unsafe { std::arch::x86_64::_mm512_cvtps_pd(from) })
    }

    #[inline(always)]
    fn narrow(self) -> Self::Singles {
        // SAFETY: the type has the features
        unsafe { std::arch::x86_64::_mm512_cvtpd_ps(self.0) }
    }

    #[inline(always)]
    fn turn_singles(rows: [Self::Singles; 8]) -> [Self::Singles; 8] {
        use std::arch::x86_64::{_mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps};

        let [a, b, c, d, e, f, g, h] = rows;
        // SAFETY: the type has the features
        unsafe {
            let (ab, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (cd, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            let (ef, ef_high) = (_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f));
            let (gh, gh_high) = (_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h));
            let (p0, p1) = (_mm256_shuffle_ps::<0x44>(ab, cd), _mm256_shuffle_ps::<0xee>(ab, cd));
            let (p2, p3) = (_mm256_shuffle_ps::<0x44>(ab_high, cd_high), _mm256_shuffle_ps::<0xee>(ab_high, cd_high));
            let (q0, q1) = (_mm256_shuffle_ps::<0x44>(ef, gh), _mm256_shuffle_ps::<0xee>(ef, gh));
            let (q2, q3) = (_mm256_shuffle_ps::<0x44>(ef_high, gh_high), _mm256_shuffle_ps::<0xee>(ef_high, gh_high));
            [
                _mm256_permute2f128_ps::<0x20>(p0, q0),
                _mm256_permute2f128_ps::<0x20>(p1, q1),
                _mm256_permute2f128_ps::<0x20>(p2, q2),
                _mm256_permute2f128_ps::<0x20>(p3, q3),
                _mm256_permute2f128_ps::<0x31>(p0, q0),
                _mm256_permute2f128_ps::<0x31>(p1, q1),
                _mm256_permute2f128_ps::<0x31>(p2, q2),
                _mm256_permute2f128_ps::<0x31>(p3, q3),
            ]
        }
    }

    #[inline(always)]
    fn turn(rows: [Self; 8]) -> [Self; 8] {
        use std::arch::x86_64::{_mm512_shuffle_f64x2, _mm512_unpackhi_pd, _mm512_unpacklo_pd};

        // no closure: it would be compiled for the narrowest instruction set
        let [Self(a), Self(b), Self(c), Self(d), Self(e), Self(f), Self(g), Self(h)] = rows;
        // SAFETY: the type has the features
        unsafe {
            let (ab, cd) = (_mm512_unpacklo_pd(a, b), _mm512_unpacklo_pd(c, d));
            let (ef, gh) = (_mm512_unpacklo_pd(e, f), _mm512_unpacklo_pd(g, h));
            let (ab_odd, cd_odd) = (_mm512_unpackhi_pd(a, b), _mm512_unpackhi_pd(c, d));
            let (ef_odd, gh_odd) = (_mm512_unpackhi_pd(e, f), _mm512_unpackhi_pd(g, h));
            let (low, low_odd) = (_mm512_shuffle_f64x2::<0x88>(ab, cd), _mm512_shuffle_f64x2::<0x88>(ab_odd, cd_odd));
            let (mid, mid_odd) = (_mm512_shuffle_f64x2::<0xdd>(ab, cd), _mm512_shuffle_f64x2::<0xdd>(ab_odd, cd_odd));
            let (up, up_odd) = (_mm512_shuffle_f64x2::<0x88>(ef, gh), _mm512_shuffle_f64x2::<0x88>(ef_odd, gh_odd));
            let (top, top_odd) = (_mm512_shuffle_f64x2::<0xdd>(ef, gh), _mm512_shuffle_f64x2::<0xdd>(ef_odd, gh_odd));
            [
                Self(_mm512_shuffle_f64x2::<0x88>(low, up)),
                Self(_mm512_shuffle_f64x2::<0x88>(low_odd, up_odd)),
                Self(_mm512_shuffle_f64x2::<0x88>(mid, top)),
                Self(_mm512_shuffle_f64x2::<0x88>(mid_odd, top_odd)),
                Self(_mm512_shuffle_f64x2::<0xdd>(low, up)),
                Self(_mm512_shuffle_f64x2::<0xdd>(low_odd, up_odd)),
                Self(_mm512_shuffle_f64x2::<0xdd>(mid, top)),
                Self(_mm512_shuffle_f64x2::<0xdd>(mid_odd, top_odd)),
            ]
        }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: the type has the features
        Self(unsafe { std::arch::x86_64::_mm512_add_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        // SAFETY: the type has the features
        Self(unsafe { std::arch::x86_64::_mm512_mul_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn times_plus(self, a: Self, b: Self) -> Self {
        // SAFETY: the type has the features
        Self(unsafe { std::arch::x86_64::_mm512_fmadd_pd(self.0, a.0, b.0) })
    }
}
