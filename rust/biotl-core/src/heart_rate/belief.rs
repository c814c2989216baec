//! A belief over rates, and one whether there is a pulse at all, from frame to frame.

use super::COUNT;
use super::frame::Evidence;

/// What the evidence of a frame counts, and of the first, which overlaps with none before.
const COUNTS: (f64, f64) = (2.5, 10.0);
const PULSE_COUNTS: (f64, f64) = (1.0, 2.0);
/// A rate changes by so much in a second, in beats per minute, and to any other with this probability.
const STEP: f64 = 1.5;
const JUMP: f64 = 0.005;
/// Probability in a second that a pulse is lost, and found.
const CHANGE: (f64, f64) = (0.01, 0.03);

/// What was heard of a frame: the likelihoods of rates and of no pulse and a pulse, and the beliefs after it.
#[derive(Clone, Debug)]
struct Heard {
    rates: Vec<f64>,
    pulse: [f64; 2],
    belief: Vec<f64>,
    pulse_belief: [f64; 2],
}

/// Beliefs, with the frames that are still to be looked back at.
#[derive(Clone, Debug)]
pub struct Belief {
    /// Sum over all rates of what leads to each.
    norm: Vec<f64>,
    heard: Vec<Heard>,
    last: Option<(Vec<f64>, [f64; 2])>,
}

impl Belief {
    pub fn new() -> Self {
        let norm = spread(&[1.0; COUNT]);
        Self { norm, heard: Vec::new(), last: None }
    }

    /// Takes the next frame.
    pub fn hear(&mut self, evidence: &Evidence) {
        let first = self.last.is_none();
        let (count, pulse_count) = if first { (COUNTS.1, PULSE_COUNTS.1) } else { (COUNTS.0, PULSE_COUNTS.0) };
        let rates: Vec<f64> = evidence.rates.iter().map(|log| (count * log).exp()).collect();
        let odds = (pulse_count * evidence.pulse).exp();
        let pulse = [1.0 / (1.0 + odds), odds / (1.0 + odds)];
        let (mut belief, mut pulse_belief) = self.last.take().map_or_else(
            || (vec![1.0 / COUNT as f64; COUNT], [0.5; 2]),
            |(rates, pulse)| (self.forward(&rates), turn(pulse, true)),
        );
        belief.iter_mut().zip(&rates).for_each(|(b, l)| *b *= l);
        pulse_belief.iter_mut().zip(pulse).for_each(|(b, l)| *b *= l);
        normalise(&mut belief);
        normalise(&mut pulse_belief);
        self.last = Some((belief.clone(), pulse_belief));
        self.heard.push(Heard { rates, pulse, belief, pulse_belief });
    }

    /// The beliefs in the first `count` frames still held, each by so many frames `ahead`, or all; they are let go.
    pub fn look_back(&mut self, count: usize, ahead: Option<usize>) -> Vec<(Vec<f64>, f64)> {
        let mut said = Vec::with_capacity(count);
        let frames = self.heard.len();
        let mut later: (Vec<f64>, [f64; 2]) = (vec![1.0; COUNT], [1.0; 2]);
        for n in (0..count).rev() {
            let last = ahead.map_or(frames - 1, |ahead| (n + ahead).min(frames - 1));
            // all that follows was looked at for the frame after this one
            let first = if ahead.is_none() && n + 1 < count { n + 1 } else { last };
            if ahead.is_some() {
                later = (vec![1.0; COUNT], [1.0; 2]);
            }
            for heard in self.heard[n + 1..=first.max(n)].iter().rev() {
                later = self.backward(heard, &later);
            }
            let own = &self.heard[n];
            let mut rates: Vec<f64> = own.belief.iter().zip(&later.0).map(|(a, b)| a * b).collect();
            let mut pulse = [own.pulse_belief[0] * later.1[0], own.pulse_belief[1] * later.1[1]];
            normalise(&mut rates);
            normalise(&mut pulse);
            said.push((rates, pulse[1]));
        }
        said.reverse();
        self.heard.drain(..count);
        said
    }

    fn forward(&self, rates: &[f64]) -> Vec<f64> {
        let share: Vec<f64> = rates.iter().zip(&self.norm).map(|(b, norm)| b / norm).collect();
        spread(&share).into_iter().map(|b| (1.0 - JUMP) * b + JUMP / COUNT as f64).collect()
    }

    fn backward(&self, heard: &Heard, later: &(Vec<f64>, [f64; 2])) -> (Vec<f64>, [f64; 2]) {
        let ahead: Vec<f64> = heard.rates.iter().zip(&later.0).map(|(l, b)| l * b).collect();
        let mean = ahead.iter().sum::<f64>() / COUNT as f64;
        let near = spread(&ahead);
        let step = near.iter().zip(&self.norm).map(|(b, norm)| (1.0 - JUMP) * b / norm + JUMP * mean);
        let mut rates: Vec<f64> = step.collect();
        let mut pulse = turn([heard.pulse[0] * later.1[0], heard.pulse[1] * later.1[1]], false);
        normalise(&mut rates);
        normalise(&mut pulse);
        (rates, pulse)
    }
}

/// Each value with those around it, less by a factor of e every `STEP`: Laplace's distribution, in two passes.
fn spread(values: &[f64]) -> Vec<f64> {
    let fade = (-1.0 / STEP).exp();
    let (mut out, mut sum) = (vec![0.0; values.len()], 0.0);
    for (out, v) in out.iter_mut().zip(values) {
        sum = fade * sum + v;
        *out = sum;
    }
    sum = 0.0;
    for (out, v) in out.iter_mut().zip(values).rev() {
        *out += sum;
        sum = fade * (sum + v);
    }
    out
}

/// No pulse and a pulse a second on, or back.
fn turn([none, pulse]: [f64; 2], forward: bool) -> [f64; 2] {
    let (lost, found) = CHANGE;
    if forward {
        [(1.0 - found) * none + lost * pulse, found * none + (1.0 - lost) * pulse]
    } else {
        [(1.0 - found) * none + found * pulse, lost * none + (1.0 - lost) * pulse]
    }
}

fn normalise(values: &mut [f64]) {
    let sum = values.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    for v in values {
        *v /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_keeps_all_probability() {
        let belief = Belief::new();
        let mut one = vec![0.0; COUNT];
        for k in [0, 7, COUNT - 1] {
            one[k] = 1.0;
            let next = belief.forward(&one);
            assert!((next.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert!((0..COUNT).all(|other| next[other] <= next[k]));
            one[k] = 0.0;
        }
        assert!((turn([0.3, 0.7], true).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
