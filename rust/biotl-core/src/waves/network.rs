//! A small convolutional network over the rows of many beats, sixteen at a time.
//!
//! It answers with places: each time is the mean of the times of the points, weighted by what the convolutions see near
//! each and by what the whole row says of it, so that a wave that comes earlier is found earlier, learnt there or not.

use std::f32::consts::{LN_2, LOG2_E};

use super::rows::Row;
use crate::{Result, simd};

/// Beats at a time.
const LANES: usize = 16;
/// Outputs at a time: their sums stay in registers.
const BLOCK: usize = 4;
/// Outputs and taps of the two convolutions, the first of which skips every second point.
const FILTERS: [(usize, usize); 2] = [(16, 7), (24, 5)];
/// Units of the layer behind them.
const HIDDEN: usize = 48;
/// Three times, three logarithms of their mean error, one log-odds.
pub const OUTPUTS: usize = 7;
/// Of these, the times.
const TIMES: usize = 3;

type Lanes = [f32; LANES];

/// A convolution, or with one point and one tap a fully connected layer.
struct Layer {
    inputs: usize,
    taps: usize,
    stride: usize,
    /// For each block of outputs, for each input, for each tap.
    weights: Vec<[f32; BLOCK]>,
    bias: Vec<[f32; BLOCK]>,
}

/// Two convolutions, two fully connected layers, and what the second convolution says of its own points.
pub struct Network {
    /// What it looks at.
    pub row: Row,
    mean: Vec<f32>,
    scale: Vec<f32>,
    layers: [Layer; 5],
}

impl Network {
    /// Read a network tensor by tensor, each of a name and a shape: mean and scale of every input, then of each layer the
    /// weights by output, input and tap, and the bias.
    ///
    /// # Errors
    /// Whatever `take` returns.
    pub fn read(row: Row, mut take: impl FnMut(&str, &[usize]) -> Result<Vec<f32>>) -> Result<Self> {
        let mean = take("mean", &[row.width()])?;
        let scale = take("scale", &[row.width()])?;
        let [(one, wide), (two, narrow)] = FILTERS;
        let places = row.points.div_ceil(2);
        let flat = two * places + row.context;
        let layers = [
            Layer::read("one", [one, row.streams, wide], 2, &mut take)?,
            Layer::read("two", [two, one, narrow], 1, &mut take)?,
            Layer::read("three", [HIDDEN, flat, 1], 1, &mut take)?,
            Layer::read("four", [OUTPUTS - TIMES + TIMES * places, HIDDEN, 1], 1, &mut take)?,
            Layer::read("five", [TIMES, two, 1], 1, &mut take)?,
        ];
        Ok(Self { row, mean, scale, layers })
    }

    /// The answers of the network to rows.
    #[must_use]
    pub fn run(&self, rows: &[f32]) -> Vec<[f32; OUTPUTS]> {
        simd::dispatch(Answer { network: self, rows })
    }
}

impl Layer {
    fn read(
        name: &str,
        shape: [usize; 3],
        stride: usize,
        take: &mut impl FnMut(&str, &[usize]) -> Result<Vec<f32>>,
    ) -> Result<Self> {
        let [outputs, inputs, taps] = shape;
        let own = take(&format!("{name}.weight"), &shape)?;
        let bias = take(&format!("{name}.bias"), &[outputs])?;
        // the outputs of the last block that are no outputs stay zero, and nobody reads them
        let blocks = outputs.div_ceil(BLOCK);
        let mut weights = vec![[0.0; BLOCK]; blocks * inputs * taps];
        for (output, own) in own.chunks_exact(inputs * taps).enumerate() {
            for (n, &w) in own.iter().enumerate() {
                weights[output / BLOCK * inputs * taps + n][output % BLOCK] = w;
            }
        }
        let mut blocked = vec![[0.0; BLOCK]; blocks];
        blocked.as_flattened_mut()[..outputs].copy_from_slice(&bias);
        Ok(Self { inputs, taps, stride, weights, bias: blocked })
    }

    #[inline(always)]
    fn run<const FMA: bool>(&self, x: &[Lanes], y: &mut Vec<Lanes>) {
        let points = x.len() / self.inputs;
        let (out, reach) = (points.div_ceil(self.stride), self.taps / 2);
        y.clear();
        y.resize(self.bias.len() * BLOCK * out, [0.0; LANES]);
        let blocks = self.weights.chunks_exact(self.inputs * self.taps).zip(&self.bias);
        for ((weights, bias), y) in blocks.zip(y.chunks_exact_mut(BLOCK * out)) {
            for p in 0..out {
                let centre = p * self.stride;
                let (first, last) = (reach.saturating_sub(centre), self.taps.min(points + reach - centre));
                // the sums of a point stay in registers while all inputs and taps go by: in memory each would be met as often
                let mut sums = [[0.0; LANES]; BLOCK];
                for b in 0..BLOCK {
                    sums[b] = [bias[b]; LANES];
                }
                for (weights, x) in weights.chunks_exact(self.taps).zip(x.chunks_exact(points)) {
                    for (w, v) in weights[first..last].iter().zip(&x[centre + first - reach..]) {
                        for b in 0..BLOCK {
                            for lane in 0..LANES {
                                sums[b][lane] = fused::<FMA>(w[b], v[lane], sums[b][lane]);
                            }
                        }
                    }
                }
                for b in 0..BLOCK {
                    y[b * out + p] = sums[b];
                }
            }
        }
    }
}

struct Answer<'a> {
    network: &'a Network,
    rows: &'a [f32],
}

impl simd::Kernel for Answer<'_> {
    type Output = Vec<[f32; OUTPUTS]>;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> Self::Output {
        let Network { row, mean, scale, layers: [one, two, three, four, five] } = self.network;
        let mut answers = vec![[0.0; OUTPUTS]; self.rows.len() / row.width()];
        let (mut x, mut y, mut near) = (vec![[0.0; LANES]; row.width()], Vec::new(), Vec::new());
        let (signal, places) = (row.streams * row.points, row.points.div_ceil(2));
        // the first convolution skips every second point: places are two pitches apart
        let times: Vec<f32> = (0..places).map(|p| (row.from_s + 2.0 * p as f64 * row.pitch_s) as f32).collect();
        for (rows, answers) in self.rows.chunks(LANES * row.width()).zip(answers.chunks_mut(LANES)) {
            x.resize(row.width(), [0.0; LANES]);
            for (lane, values) in rows.chunks_exact(row.width()).enumerate() {
                for (n, v) in values.iter().enumerate() {
                    x[n][lane] = (v - mean[n]) * scale[n];
                }
            }
            let context = x.split_off(signal);
            one.run::<FMA>(&x, &mut y);
            rectify(&mut y);
            two.run::<FMA>(&y, &mut x);
            rectify(&mut x);
            five.run::<FMA>(&x, &mut near);
            x.extend(context);
            three.run::<FMA>(&x, &mut y);
            rectify(&mut y);
            four.run::<FMA>(&y, &mut x);
            let (rest, far) = x.split_at(OUTPUTS - TIMES);
            let evidence = near.chunks_exact(places).zip(far.chunks_exact(places));
            let mut found = [[0.0; LANES]; TIMES];
            for (found, (near, far)) in found.iter_mut().zip(evidence) {
                *found = expected(near, far, &times);
            }
            for (lane, answer) in answers.iter_mut().enumerate() {
                for (a, x) in answer.iter_mut().zip(found.iter().chain(rest)) {
                    *a = x[lane];
                }
            }
        }
        answers
    }
}

/// Mean of times weighted by the exponentials of two kinds of evidence for them, added.
#[inline(always)]
fn expected(near: &[Lanes], far: &[Lanes], times: &[f32]) -> Lanes {
    let (mut highest, mut total, mut moment) = ([f32::MIN; LANES], [0.0; LANES], [0.0; LANES]);
    for (near, far) in near.iter().zip(far) {
        for lane in 0..LANES {
            // the largest taken off, no exponential overflows and one of them is 1
            highest[lane] = highest[lane].max(near[lane] + far[lane]);
        }
    }
    for ((near, far), time) in near.iter().zip(far).zip(times) {
        for lane in 0..LANES {
            let weight = exp(near[lane] + far[lane] - highest[lane]);
            total[lane] += weight;
            moment[lane] += weight * time;
        }
    }
    std::array::from_fn(|lane| moment[lane] / total[lane])
}

/// `e^x` of what is not positive to 2e-7 of it, in lanes: a power of two by its exponent, the rest by its series.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Beyond it a number of single precision has no fraction, so that adding it rounds.
    const WHOLE: f32 = 12_582_912.0;
    const SERIES: [f32; 6] = [1.540_353e-4, 1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 0.240_226_5, LN_2];
    let power = (x * LOG2_E).max(-126.0);
    let rounded = power + WHOLE;
    let rest = power - (rounded - WHOLE);
    let series = SERIES.iter().fold(0.0, |sum, c| (sum + c) * rest) + 1.0;
    let exponent = rounded.to_bits().wrapping_sub(WHOLE.to_bits()).wrapping_add(127);
    series * f32::from_bits(exponent << 23)
}

/// `a * b + c` rounded once, as the instruction does it where there is one, so that a wave is where it is on every
/// processor: the product is exact in double precision, and a sum that is rounded to odd there can be rounded again
/// (Boldo and Melquiond 2008).
#[inline(always)]
fn fused<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA {
        return a.mul_add(b, c);
    }
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    let taken = sum - product;
    let error = (product - (sum - taken)) + (c - taken);
    let bits = sum.to_bits();
    let odd = if (error > 0.0) == (sum > 0.0) { bits + 1 } else { bits.wrapping_sub(1) };
    f64::from_bits(if error != 0.0 && bits & 1 == 0 { odd } else { bits }) as f32
}

#[inline(always)]
fn rectify(x: &mut [Lanes]) {
    for lanes in x {
        for v in lanes {
            // `f32::max` looks for NaN first, which has no lanes
            *v = if *v > 0.0 { *v } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_quick_exponential_is_right_to_2e_7(x in -87.0_f32..=0.0) {
            prop_assert!((exp(x) / x.exp() - 1.0).abs() < 2e-7 * (1.0 - x).max(1.0), "{} {}", exp(x), x.exp());
        }

        #[test]
        fn without_the_instruction_it_is_rounded_once_too(
            a in -1e6_f32..1e6, b in -1e6_f32..1e6, c in -1e6_f32..1e6, shift in -60..10
        ) {
            let c = c * 2.0_f32.powi(shift);
            prop_assert_eq!(fused::<false>(a, b, c), a.mul_add(b, c));
            prop_assert_eq!(fused::<false>(a, b, -a * b), a.mul_add(b, -a * b));
        }
    }

    /// Numbers between -0.5 and 0.5 that look random.
    fn numbers(seed: u32) -> impl Iterator<Item = f32> {
        (seed..).map(|n| (n.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5)
    }

    /// Tensors of such numbers, one after another.
    fn random(seed: u32) -> impl FnMut(&str, &[usize]) -> Result<Vec<f32>> {
        let mut numbers = numbers(seed);
        move |_, shape| Ok(numbers.by_ref().take(shape.iter().product()).collect())
    }

    #[test]
    fn a_layer_is_a_convolution_with_zeros_beyond_the_ends() {
        let (inputs, outputs, taps, points) = (3, 6, 5, 11);
        for stride in [1, 2] {
            let layer = Layer::read("", [outputs, inputs, taps], stride, &mut random(7)).unwrap();
            let weights: Vec<f32> = numbers(7).take(outputs * inputs * taps + outputs).collect();
            let x: Vec<Lanes> = numbers(99).take(inputs * points).map(|v| [v; LANES]).collect();
            let mut y = Vec::new();
            layer.run::<false>(&x, &mut y);
            for output in 0..outputs {
                for (p, centre) in (0..points).step_by(stride).enumerate() {
                    let mut expected = weights[outputs * inputs * taps + output];
                    for input in 0..inputs {
                        for tap in 0..taps {
                            let at = centre + tap;
                            if (2..points + 2).contains(&at) {
                                expected +=
                                    weights[(output * inputs + input) * taps + tap] * x[input * points + at - 2][0];
                            }
                        }
                    }
                    assert!((y[output * points.div_ceil(stride) + p][LANES - 1] - expected).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn a_row_is_answered_alike_alone_and_among_others() {
        let row = Row { streams: 2, points: 9, context: 3, from_s: -0.2, pitch_s: 0.01 };
        let network = Network::read(row, random(1)).unwrap();
        let rows: Vec<f32> = numbers(5000).take(37 * row.width()).collect();
        let together = network.run(&rows);
        assert_eq!(together.len(), 37);
        for (row, answer) in rows.chunks_exact(row.width()).zip(&together) {
            assert_eq!(network.run(row)[0], *answer);
        }
    }
}
