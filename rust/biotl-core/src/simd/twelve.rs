//! The numbers of WFDB's format 212, two of 12 bits with sign in three bytes: by shuffles where the processor has them.

/// A row of values and how codes become them: `(code - baseline) / gain`.
pub struct Scaled<'a> {
    /// The code of nothing.
    pub baseline: f32,
    /// Codes a unit.
    pub gain: f32,
    /// The values.
    pub out: &'a mut [f32],
}

/// What the compiler does not find by itself.
#[cfg(target_arch = "x86_64")]
pub mod shuffles {
    use std::arch::x86_64::{
        __m256i, _mm_loadu_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_blendv_ps, _mm256_castsi256_ps,
        _mm256_cmpeq_epi32, _mm256_cvtepi32_ps, _mm256_div_ps, _mm256_madd_epi16, _mm256_set_m128i, _mm256_set1_epi32,
        _mm256_set1_ps, _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi32,
        _mm256_srai_epi32, _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_epi32, _mm256_sub_ps,
    };

    use super::Scaled;

    /// The first and the second numbers of eight groups; a register takes 28 bytes for the sake of 24.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn unpack(groups: &[[u8; 3]]) -> [__m256i; 2] {
        // bytes 0 and 1 of each group on top of 32 bits; byte 2 below, and byte 1 on top
        let firsts = _mm256_setr_epi8(
            -1, -1, 0, 1, -1, -1, 3, 4, -1, -1, 6, 7, -1, -1, 9, 10, -1, -1, 0, 1, -1, -1, 3, 4, -1, -1, 6, 7, -1, -1,
            9, 10,
        );
        let seconds = _mm256_setr_epi8(
            2, -1, -1, 1, 5, -1, -1, 4, 8, -1, -1, 7, 11, -1, -1, 10, 2, -1, -1, 1, 5, -1, -1, 4, 8, -1, -1, 7, 11, -1,
            -1, 10,
        );
        // byte 2 times 16, and the upper half of byte 1, which is there 16 times as much already
        let (mask, factors) = (_mm256_set1_epi32(0xff | 0xf << 28), _mm256_set1_epi32(16 | 1 << 16));
        let bytes = groups.as_flattened();
        // SAFETY: each slice has the 16 bytes
        let (low, high) =
            unsafe { (_mm_loadu_si128(bytes[..16].as_ptr().cast()), _mm_loadu_si128(bytes[12..28].as_ptr().cast())) };
        let groups = _mm256_set_m128i(high, low);
        let first = _mm256_slli_epi32::<4>(_mm256_shuffle_epi8(groups, firsts));
        let second = _mm256_and_si256(_mm256_shuffle_epi8(groups, seconds), mask);
        [_mm256_srai_epi32::<20>(first), _mm256_srai_epi32::<4>(_mm256_madd_epi16(second, factors))]
    }

    #[target_feature(enable = "avx2")]
    pub fn codes(groups: &[[u8; 3]], rows: [&mut [i32]; 2]) -> usize {
        let [left, right] = rows.map(|row| row.as_chunks_mut::<8>().0);
        let windows = groups.windows(10).step_by(8);
        let done = windows.len().min(left.len()).min(right.len());
        for ((groups, left), right) in windows.zip(left).zip(right) {
            for (codes, out) in unpack(groups).into_iter().zip([left, right]) {
                // SAFETY: there is room for eight numbers
                unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), codes) };
            }
        }
        8 * done
    }

    #[target_feature(enable = "avx2")]
    pub fn values(groups: &[[u8; 3]], rows: [Scaled; 2]) -> (usize, [[u32; 2]; 2]) {
        let how = [&rows[0], &rows[1]].map(|row| (_mm256_set1_ps(row.baseline), _mm256_set1_ps(row.gain)));
        let (lowest, gap) = (_mm256_set1_epi32(-1 << 11), _mm256_set1_ps(f32::NAN));
        let [left, right] = rows.map(|row| row.out.as_chunks_mut::<8>().0);
        let windows = groups.windows(10).step_by(8);
        let done = windows.len().min(left.len()).min(right.len());
        let mut tallies = [[_mm256_setzero_si256(); 2]; 2];
        for ((groups, left), right) in windows.zip(left).zip(right) {
            let rows = how.iter().zip(&mut tallies).zip([left, right]);
            for (codes, (((baseline, gain), [sum, gaps]), out)) in unpack(groups).into_iter().zip(rows) {
                let value = _mm256_div_ps(_mm256_sub_ps(_mm256_cvtepi32_ps(codes), *baseline), *gain);
                let none = _mm256_cmpeq_epi32(codes, lowest);
                let value = _mm256_blendv_ps(value, gap, _mm256_castsi256_ps(none));
                // SAFETY: there is room for eight numbers
                unsafe { _mm256_storeu_ps(out.as_mut_ptr(), value) };
                (*sum, *gaps) = (_mm256_add_epi32(*sum, codes), _mm256_sub_epi32(*gaps, none));
            }
        }
        let total = |tally| {
            let mut lanes = [0_u32; 8];
            // SAFETY: there is room for eight numbers
            unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), tally) };
            lanes.into_iter().fold(0, u32::wrapping_add)
        };
        (8 * done, tallies.map(|tally| tally.map(total)))
    }
}
