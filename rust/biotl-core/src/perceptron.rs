//! A network of one hidden layer: small enough to judge every maximum of an envelope.

use crate::simd;

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

    /// The network whose weights stand one after another in the order of the fields; `None` unless there are as many.
    pub fn from_flat(flat: &[f32]) -> Option<Self> {
        let (hidden, rest) = flat.split_at_checked(I * H)?;
        let (&shift, rest) = rest.split_last()?;
        let (bias, output) = rest.split_at_checked(H)?;
        let hidden = hidden.as_chunks::<H>().0.try_into().ok()?;
        Some(Self { hidden, bias: bias.try_into().ok()?, output: output.try_into().ok()?, shift })
    }
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
        for x in self.rows {
            let mut sums = self.net.bias;
            for (&v, weights) in x.iter().zip(&self.net.hidden) {
                for (s, &w) in sums.iter_mut().zip(weights) {
                    *s += v * w;
                }
            }
            let total: f32 = sums.iter().zip(&self.net.output).map(|(&s, &w)| s.max(0.0) * w).sum();
            out.push(self.net.shift + total);
        }
        out
    }
}
