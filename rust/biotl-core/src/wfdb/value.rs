//! From ADC codes to what a row of output holds.

use super::format::Format;
use super::header::Signal;
use crate::simd::{Kernel, Scaled, dispatch, scale_12};

/// What a row of output holds: physical values or ADC codes.
pub trait Value: Copy + Send {
    /// What stands in a gap.
    fn gap(format: Format) -> Self;
    /// One value a code.
    fn convert(codes: &[i32], signal: &Signal, out: &mut [Self]);
    /// Frames of two signals in one format straight from their bytes, as many as there is a short cut for; how many these
    /// are, and the sum and the gaps of the codes of each signal.
    #[must_use]
    fn straight(_: &[u8], _: [&Signal; 2], _: [&mut [Self]; 2]) -> (usize, [[u32; 2]; 2]) {
        (0, [[0; 2]; 2])
    }
}

impl Value for i32 {
    fn gap(format: Format) -> Self {
        format.invalid()
    }

    fn convert(codes: &[i32], _signal: &Signal, out: &mut [Self]) {
        out.copy_from_slice(codes);
    }
}

impl Value for f32 {
    fn gap(_format: Format) -> Self {
        Self::NAN
    }

    /// `(code - baseline) / gain` as wfdb rounds it: each step in float64, each result kept as float32.
    fn convert(codes: &[i32], signal: &Signal, out: &mut [Self]) {
        let invalid = signal.format.invalid();
        if let Some((baseline, gain)) = exact(signal) {
            dispatch(Scale { codes, invalid, baseline, gain, out });
        } else {
            for (value, &code) in out.iter_mut().zip(codes) {
                let above = (f64::from(code as Self) - f64::from(signal.baseline)) as Self;
                *value = if code == invalid { Self::NAN } else { (f64::from(above) / signal.gain) as Self };
            }
        }
    }

    fn straight(bytes: &[u8], signals: [&Signal; 2], outs: [&mut [Self]; 2]) -> (usize, [[u32; 2]; 2]) {
        let [Some(first), Some(second)] = signals.map(exact) else { return (0, [[0; 2]; 2]) };
        let [left, right] = outs;
        let row = |(baseline, gain), out| Scaled { baseline, gain, out };
        let rows = [row(first, left), row(second, right)];
        match signals[0].format {
            Format::F212 => scale_12(bytes.as_chunks().0, rows),
            Format::F16 => dispatch(Words { pairs: bytes.as_chunks().0, rows }),
            _ => (0, [[0; 2]; 2]),
        }
    }
}

/// Baseline and gain where both are exact in float32. The float32 operations then round to the bits of float64, which has
/// more than twice the digits plus two (Figueroa 1995). The bounds keep the quotient a normal number.
fn exact(signal: &Signal) -> Option<(f32, f32)> {
    let (baseline, gain) = (signal.baseline as f32, signal.gain as f32);
    let fits = f64::from(baseline) == f64::from(signal.baseline) && f64::from(gain) == signal.gain;
    (fits && (1e-6..1e12).contains(&gain.abs())).then_some((baseline, gain))
}

/// `(code - baseline) / gain` where float32 does.
struct Scale<'a> {
    codes: &'a [i32],
    invalid: i32,
    baseline: f32,
    gain: f32,
    out: &'a mut [f32],
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (value, &code) in self.out.iter_mut().zip(self.codes) {
            let physical = (code as f32 - self.baseline) / self.gain;
            *value = if code == self.invalid { f32::NAN } else { physical };
        }
    }
}

/// Two signals in format 16, from bytes to values in one go.
struct Words<'a> {
    pairs: &'a [[u8; 4]],
    rows: [Scaled<'a>; 2],
}

impl Kernel for Words<'_> {
    type Output = (usize, [[u32; 2]; 2]);

    #[inline(always)]
    fn run<const FMA: bool>(self) -> Self::Output {
        let [left, right] = self.rows;
        let invalid = Format::F16.invalid();
        let mut sums = [[0_u32; 2]; 2];
        for ((pair, a), b) in self.pairs.iter().zip(left.out.iter_mut()).zip(right.out.iter_mut()) {
            let pair = i32::from_le_bytes(*pair);
            let codes = [pair << 16 >> 16, pair >> 16];
            let value = |code: i32, baseline: f32, gain: f32| {
                let physical = (code as f32 - baseline) / gain;
                if code == invalid { f32::NAN } else { physical }
            };
            *a = value(codes[0], left.baseline, left.gain);
            *b = value(codes[1], right.baseline, right.gain);
            for ([sum, gaps], code) in sums.iter_mut().zip(codes) {
                *sum = sum.wrapping_add(code.cast_unsigned());
                *gaps = gaps.wrapping_add(u32::from(code == invalid));
            }
        }
        (self.pairs.len().min(left.out.len()).min(right.out.len()), sums)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_cut_gives_the_bits_of_the_long_way(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            baselines in any::<[i16; 2]>(),
            gain in prop_oneof![Just(200.0), Just(-3.7), Just(409.5)],
            format in prop_oneof![Just(Format::F212), Just(Format::F16)],
        ) {
            let signals = baselines.map(|baseline| Signal {
                file: String::new(),
                format,
                per_frame: 1,
                skew: 0,
                offset: 0,
                gain,
                baseline: baseline.into(),
                units: String::new(),
                initial: None,
                checksum: None,
                name: String::new(),
            });
            let mut plain = vec![0; format.samples(bytes.len() as u64) as usize / 2 * 2];
            format.decode(&bytes, &mut plain);
            let (mut left, mut right) = (vec![0.0; plain.len() / 2], vec![0.0; plain.len() / 2]);
            let [a, b] = &signals;
            let (done, sums) = f32::straight(&bytes, [a, b], [&mut left, &mut right]);
            for (at, (signal, row)) in signals.iter().zip([left, right]).enumerate() {
                let codes: Vec<i32> = plain.iter().skip(at).step_by(2).take(done).copied().collect();
                let mut plain = vec![0.0; done];
                f32::convert(&codes, signal, &mut plain);
                prop_assert!(row.iter().zip(&plain).all(|(a, b)| a.to_bits() == b.to_bits()));
                let sum = codes.iter().fold(0, |sum: u32, code| sum.wrapping_add(code.cast_unsigned()));
                let gaps = codes.iter().filter(|&&code| code == format.invalid()).count();
                prop_assert_eq!(sums[at], [sum, gaps as u32]);
            }
        }
    }
}
