//! A network of one hidden layer: small enough to judge every maximum of an envelope.

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
    /// The log-odds for one row of inputs.
    pub fn logit(&self, x: &[f32; I]) -> f32 {
        let mut sums = self.bias;
        for (&v, weights) in x.iter().zip(&self.hidden) {
            for (s, &w) in sums.iter_mut().zip(weights) {
                *s += v * w;
            }
        }
        self.shift + sums.iter().zip(&self.output).map(|(&s, &w)| s.max(0.0) * w).sum::<f32>()
    }
}
