//! Heart rate of a photoplethysmogram, second by second, motion or not.
//!
//! Each frame of 8 s says how likely each rate is (`frame`); a belief carries that from frame to frame, looking ahead
//! as far as it may (`belief`). The state is 8 s of each channel at 25 Hz and the frames that are still looked ahead
//! from.

mod belief;
mod frame;

use crate::resample::{Resampler, Stream};
use crate::{Error, Result};
use belief::Belief;
use frame::{Evidence, FRAME, HOP, Spectra};

/// Rate that channels are brought to, in Hz.
pub const FS: f64 = 25.0;
/// First and last rate, in beats per minute, one apart.
pub const RATES: (usize, usize) = (30, 220);
const COUNT: usize = RATES.1 - RATES.0 + 1;
/// Rates that are one and the same to a confidence, and that a rate is averaged over, in beats per minute to either side.
const SAME: usize = 5;
const AVERAGED: usize = 6;
/// Probability outside of an interval, at either end.
const TAIL: f64 = 0.05;
/// A rate is given from this confidence on.
const ANSWER: f64 = 0.2;
/// Half widths of an interval against the belief's, which knows one frame as many that overlap, and least of it in beats
/// per minute; with an accelerometer, and without, where a cadence may be taken for the pulse.
const WIDTH: (f64, f64) = (0.5, 1.5);
const LEAST: (f64, f64) = (0.5, 5.0);

/// What is said of one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Middle of the frame, in seconds since the start.
    pub time: f64,
    /// Beats per minute; NaN where nothing is known.
    pub rate: f64,
    /// Interval of 90 %; NaN where the rate is.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Probability that the frame holds a pulse whose rate is within 5 of `rate`.
    pub confidence: f64,
    /// The same of the rate that the signal shows as it is.
    pub plain: f64,
}

/// A photoplethysmogram and the axes beside it, in parts of any length.
#[derive(Clone, Debug)]
pub struct HeartRate {
    resamplers: Vec<Stream<f64>>,
    /// What frames to come need of each channel.
    held: Vec<Vec<f64>>,
    spectra: Spectra,
    belief: Belief,
    /// Evidence of the frames that are looked ahead from.
    waiting: Vec<Evidence>,
    /// Frames that were spoken of.
    said: usize,
    ahead: Option<usize>,
}

impl HeartRate {
    /// Channels at `down / up` times 25 Hz, one and `axes`; `ahead` frames of a second are waited for, all for none.
    ///
    /// # Errors
    /// A ratio that the resampler refuses.
    pub fn new(up: usize, down: usize, axes: usize, ahead: Option<usize>) -> Result<Self> {
        let resampler = Resampler::new(up, down)?;
        Ok(Self {
            resamplers: vec![Stream::new(resampler); axes + 1],
            held: vec![Vec::new(); axes + 1],
            spectra: Spectra::new(),
            belief: Belief::new(),
            waiting: Vec::new(),
            said: 0,
            ahead,
        })
    }

    /// Takes the next samples of each channel, the photoplethysmogram first; returns the rows that are now sure.
    ///
    /// # Errors
    /// Channels of different lengths, or a sample that is not finite; nothing was taken then.
    pub fn push(&mut self, channels: &[&[f64]]) -> Result<Vec<Row>> {
        let lengths = || channels.iter().map(|channel| channel.len());
        if channels.len() != self.held.len() || lengths().min() != lengths().max() {
            let got = format!("{} of {:?} samples", channels.len(), lengths().collect::<Vec<_>>());
            return Err(Error::parameter("channels", got, format!("{} of one length", self.held.len())));
        }
        for channel in channels {
            crate::filter::check(channel.iter().all(|v| v.is_finite()), channel)?;
        }
        for ((resampler, held), channel) in self.resamplers.iter_mut().zip(&mut self.held).zip(channels) {
            held.extend(resampler.push(channel)?);
        }
        Ok(self.advance(false))
    }

    /// Ends the signal; returns the remaining rows.
    pub fn finish(&mut self) -> Vec<Row> {
        for (resampler, held) in self.resamplers.iter_mut().zip(&mut self.held) {
            held.extend(resampler.finish());
        }
        self.advance(true)
    }

    fn advance(&mut self, end: bool) -> Vec<Row> {
        let mut start = 0;
        while start + FRAME <= self.held[0].len() {
            let part = |channel: &Vec<f64>| channel[start..start + FRAME].to_vec();
            let axes: Vec<Vec<f64>> = self.held[1..].iter().map(part).collect();
            let evidence = self.spectra.evidence(&part(&self.held[0]), &axes);
            self.belief.hear(&evidence);
            self.waiting.push(evidence);
            start += HOP;
        }
        for held in &mut self.held {
            held.drain(..start);
        }
        let sure = if end {
            self.waiting.len()
        } else {
            self.ahead.map_or(0, |ahead| self.waiting.len().saturating_sub(ahead))
        };
        let beliefs = self.belief.look_back(sure, self.ahead);
        let still = self.held.len() > 1;
        let rows = self.waiting.drain(..sure).zip(beliefs).enumerate().map(|(n, (evidence, (rates, pulse)))| {
            let time = (self.said + n) as f64 * HOP as f64 / FS + FRAME as f64 / FS / 2.0;
            row(time, &evidence, &rates, pulse, still)
        });
        let rows: Vec<Row> = rows.collect();
        self.said += rows.len();
        rows
    }
}

/// What a belief over rates, and in a pulse, says.
fn row(time: f64, evidence: &Evidence, rates: &[f64], pulse: f64, motion: bool) -> Row {
    let mass = |middle: usize| rates[middle.saturating_sub(SAME)..(middle + SAME + 1).min(COUNT)].iter().sum::<f64>();
    let middle = (0..COUNT).max_by(|&a, &b| mass(a).total_cmp(&mass(b))).unwrap_or(0);
    let around = middle.saturating_sub(AVERAGED)..(middle + AVERAGED + 1).min(COUNT);
    let weight = rates[around.clone()].iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mean = around.clone().map(|k| rates[k] * k as f64).sum::<f64>() / weight;
    let place = 0.5 * mean + 0.5 * evidence.peak(around).unwrap_or(mean);
    let near = |place: f64| {
        let near = rates.iter().enumerate().filter(|&(k, _)| (k as f64 - place).abs() <= SAME as f64).map(|(_, p)| p);
        near.sum::<f64>().min(1.0) * pulse
    };
    let confidence = near(place);
    let (width, least) = if motion { (WIDTH.0, LEAST.0) } else { (WIDTH.1, LEAST.1) };
    let low = (place - quantile(rates, TAIL)).max(0.0) * width + least;
    let high = (quantile(rates, 1.0 - TAIL) - place).max(0.0) * width + least;
    let known = |v: f64| if confidence >= ANSWER { RATES.0 as f64 + v } else { f64::NAN };
    Row {
        time,
        rate: known(place),
        low: known(place - low),
        high: known(place + high),
        confidence,
        plain: near(evidence.raw as f64),
    }
}

/// Place that so much of the probability lies below.
fn quantile(rates: &[f64], share: f64) -> f64 {
    let (mut below, mut k) = (0.0, 0);
    while k + 1 < rates.len() && below + rates[k] < share {
        below += rates[k];
        k += 1;
    }
    k as f64 - 0.5 + ((share - below) / rates[k].max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::PI;

    fn pulses(bpm: f64, seconds: usize) -> Vec<f64> {
        let phase = |i: usize| i as f64 / FS * bpm / 60.0 * 2.0 * PI;
        (0..seconds * 25).map(|i| phase(i).sin() + 0.4 * (2.0 * phase(i) + 0.5).sin()).collect()
    }

    fn whole(channels: &[&[f64]], ahead: Option<usize>) -> Vec<Row> {
        let mut stream = HeartRate::new(1, 1, channels.len() - 1, ahead).unwrap();
        let mut rows = stream.push(channels).unwrap();
        rows.extend(stream.finish());
        rows
    }

    #[test]
    fn a_steady_pulse_is_named_once_a_second() {
        for bpm in [42.0, 75.0, 131.0, 190.0] {
            for ahead in [Some(0), Some(8), None] {
                let rows = whole(&[&pulses(bpm, 30)], ahead);
                assert_eq!(rows.len(), 23);
                for (n, row) in rows.iter().enumerate() {
                    assert_eq!(row.time, 4.0 + n as f64);
                    assert!((row.rate - bpm).abs() < 1.5 && row.low <= bpm && bpm <= row.high, "{bpm} {row:?}");
                    assert!(row.confidence > 0.5, "{bpm} {row:?}");
                }
            }
        }
    }

    #[test]
    fn a_cadence_in_the_accelerometer_is_not_the_pulse() {
        let (pulse, swing) = (pulses(96.0, 40), pulses(150.0, 40));
        let mixed: Vec<f64> = pulse.iter().zip(&swing).map(|(p, s)| p + 3.0 * s).collect();
        let rows = whole(&[&mixed, &swing, &vec![0.0; swing.len()]], None);
        assert!(rows.iter().all(|row| (row.rate - 96.0).abs() < 3.0), "{rows:?}");
    }

    #[test]
    fn too_little_a_flat_line_and_silence_give_no_rate() {
        assert!(whole(&[&[1.0; 199]], None).is_empty());
        assert!(whole(&[&[1.0; 400]], Some(0)).iter().all(|row| row.rate.is_nan() && row.confidence < 0.2));
        assert!(whole(&[&[]], None).is_empty());
    }

    proptest! {
        #[test]
        fn a_stream_of_any_parts_says_the_same(
            x in prop::collection::vec(-1.0..1.0, 0..900),
            cuts in prop::collection::vec(0usize..200, 0..8),
            ahead in prop::option::of(0usize..10),
        ) {
            let axis: Vec<f64> = x.iter().rev().copied().collect();
            let wanted = whole(&[&x, &axis], ahead);
            let mut stream = HeartRate::new(1, 1, 1, ahead).unwrap();
            let (mut from, mut rows) = (0, Vec::new());
            for cut in cuts {
                let to = (from + cut).min(x.len());
                rows.extend(stream.push(&[&x[from..to], &axis[from..to]]).unwrap());
                from = to;
            }
            rows.extend(stream.push(&[&x[from..], &axis[from..]]).unwrap());
            rows.extend(stream.finish());
            prop_assert_eq!(rows.len(), wanted.len());
            for (row, want) in rows.iter().zip(&wanted) {
                prop_assert_eq!(row.confidence.to_bits(), want.confidence.to_bits());
                prop_assert_eq!(row.rate.to_bits(), want.rate.to_bits());
                prop_assert!((0.0..=1.0).contains(&row.confidence));
                prop_assert!(row.rate.is_nan() || row.low <= row.rate && row.rate <= row.high);
            }
        }
    }
}
