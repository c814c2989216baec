//! A network of one hidden layer: small enough to judge every maximum of an envelope.

use crate::weights::Weights;
use crate::{Error, Result, simd};

/// Weights of a network with `I` inputs and `H` hidden units, its inputs' standardisation folded in.
pub struct Perceptron<const I: usize, const H: usize> {
    /// From each input to the hidden units.
    pub hidden: [[f32; H]; I],
    /// Of the hidden units.
    pub bias: [f32; H],
    /// From the hidden units to the output.
    pub output: [f32; H],
    /// Of the output.
    pub shift: f32,
}

impl<const I: usize, const H: usize> Perceptron<I, H> {
    /// The log-odds for each row of inputs.
    pub fn logits(&self, rows: &[[f32; I]]) -> Vec<f32> {
        simd::dispatch(Logits { net: self, rows })
    }

    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // iterators over rows are not unrolled, and then nothing stays in registers
    fn judge<const N: usize>(&self, rows: &[[f32; I]; N], out: &mut Vec<f32>) {
        let mut sums = [self.bias; N];
        for i in 0..I {
            for n in 0..N {
                for h in 0..H {
                    sums[n][h] += rows[n][i] * self.hidden[i][h];
                }
            }
        }
        for n in 0..N {
            for h in 0..H {
                let sum = sums[n][h];
                // `f32::max` looks for NaN first
                sums[n][h] = (if sum > 0.0 { sum } else { 0.0 }) * self.output[h];
            }
        }
        for sums in sums {
            out.push(self.shift + halved(sums));
        }
    }

    /// The network of a name in a file.
    pub fn read(weights: &mut Weights, name: &str) -> Result<Self> {
        let mut flat = weights.take(&format!("{name}.hidden"), &[I, H])?;
        for (part, length) in [("bias", H), ("output", H), ("shift", 1)] {
            flat.extend(weights.take(&format!("{name}.{part}"), &[length])?);
        }
        Self::from_flat(&flat)
    }

    /// The network whose weights stand one after another in the order of the fields.
    ///
    /// # Errors
    /// More weights, or fewer.
    pub fn from_flat(flat: &[f32]) -> Result<Self> {
        let parts = || {
            let (hidden, rest) = flat.split_at_checked(I * H)?;
            let (&shift, rest) = rest.split_last()?;
            let (bias, output) = rest.split_at_checked(H)?;
            let hidden = hidden.as_chunks::<H>().0.try_into().ok()?;
            Some(Self { hidden, bias: bias.try_into().ok()?, output: output.try_into().ok()?, shift })
        };
        let wanted = || format!("{} weights of a network of {I} inputs", (I + 2) * H + 1);
        parts().ok_or_else(|| Error::parameter("local_net", flat.len(), wanted()))
    }
}

/// The sum of values as many as a power of two, half on half: every level rounds alike, and no addition waits for all those
/// before it.
#[inline(always)]
fn halved<const H: usize>(mut values: [f32; H]) -> f32 {
    const { assert!(H.is_power_of_two()) };
    let mut width = H;
    while width > 1 {
        width /= 2;
        for h in 0..width {
            values[h] += values[h + width];
        }
    }
    values[0]
}

struct Logits<'a, const I: usize, const H: usize> {
    net: &'a Perceptron<I, H>,
    rows: &'a [[f32; I]],
}

impl<const I: usize, const H: usize> simd::Kernel for Logits<'_, I, H> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.rows.len());
        // two at a time, so that neither waits for each of its additions; the sums of more would not stay in registers
        let (pairs, rest) = self.rows.as_chunks::<2>();
        for pair in pairs {
            self.net.judge(pair, &mut out);
        }
        for row in rest {
            self.net.judge(std::array::from_ref(row), &mut out);
        }
        out
    }
}
