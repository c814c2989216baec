//! From ADC codes to what a row of output holds.

use super::format::Format;
use super::header::Signal;
use crate::simd::{Kernel, dispatch};

/// What a row of output holds: physical values or ADC codes.
pub trait Value: Copy + Send {
    /// What stands in a gap.
    fn gap(format: Format) -> Self;
    /// One value a code.
    fn convert(codes: &[i32], signal: &Signal, out: &mut [Self]);
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
        let (invalid, baseline, gain) = (signal.format.invalid(), signal.baseline as Self, signal.gain as Self);
        // Where both are exact in float32, the float32 operations round to the same bits: float64 has more than
        // twice the digits plus two (Figueroa 1995). The bounds keep the quotient a normal number.
        if f64::from(baseline) == f64::from(signal.baseline)
            && f64::from(gain) == signal.gain
            && (1e-6..1e12).contains(&gain.abs())
        {
            dispatch(Scale { codes, invalid, baseline, gain, out });
        } else {
            for (value, &code) in out.iter_mut().zip(codes) {
                let above = (f64::from(code as Self) - f64::from(signal.baseline)) as Self;
                *value = if code == invalid { Self::NAN } else { (f64::from(above) / signal.gain) as Self };
            }
        }
    }
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
