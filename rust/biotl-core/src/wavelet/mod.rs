//! Discrete wavelet transform with orthogonal wavelets (Mallat 1989; Daubechies 1988), coefficient for coefficient that
//! of `PyWavelets`, and the removal of baseline wander with it.

mod filters;
mod mode;
mod step;

use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use crate::share::least;
use crate::{Error, Float, Result};
use filters::SCALING;
pub use mode::Mode;
use step::{analyse, synthesise};

/// More levels than a signal of 2^62 samples has.
const MAX_LEVEL: usize = 62;

/// An orthogonal wavelet: its scaling filter determines the rest.
#[derive(Debug, Clone, Copy)]
pub struct Wavelet(&'static [f64]);

impl Wavelet {
    /// The wavelet of a name: `db1` to `db10`, `sym4` to `sym8`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no such wavelet.
    pub fn named(name: &str) -> Result<Self> {
        SCALING
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, taps)| Self(taps))
            .ok_or_else(|| Error::parameter("wavelet", name, "db1 to db10 or sym4 to sym8"))
    }

    /// Low-pass and high-pass taps, in the order in which they meet the samples.
    fn taps<T: Float>(self) -> [Vec<T>; 2] {
        let signs = [1.0, -1.0].into_iter().cycle();
        let mirror = self.0.iter().rev().zip(signs).map(|(&tap, sign)| T::from_f64(sign * tap)).collect();
        [self.0.iter().map(|&tap| T::from_f64(tap)).collect(), mirror]
    }

    /// Coefficients of one level of `n` samples.
    #[must_use]
    pub fn coefficients(self, n: usize, mode: Mode) -> usize {
        if mode == Mode::Periodization { n.div_ceil(2) } else { (n + self.0.len() - 1) / 2 }
    }
}

/// Lengths of the approximation and of the details, from coarse to fine, of a signal of `n` samples.
///
/// # Errors
/// [`Error::TooShort`] if there are no samples, [`Error::Parameter`] if `level` is over 62.
pub fn lengths(n: usize, wavelet: Wavelet, mode: Mode, level: usize) -> Result<Vec<usize>> {
    if n == 0 {
        return Err(Error::TooShort { got: 0, wanted: 1 });
    }
    if level > MAX_LEVEL {
        return Err(Error::parameter("level", level, "0 to 62"));
    }
    let down = |n: &usize| Some(wavelet.coefficients(*n, mode));
    let mut lengths: Vec<usize> = std::iter::successors(Some(n), down).skip(1).take(level).collect();
    lengths.push(lengths.last().copied().unwrap_or(n));
    lengths.reverse();
    Ok(lengths)
}

/// Multilevel decomposition of leads of `n` samples, into one array per entry of [`lengths`] of as many rows.
///
/// `stop` ends the work early.
pub fn wavedec<T: Float>(
    x: &[T],
    n: usize,
    (wavelet, mode): (Wavelet, Mode),
    stop: &AtomicBool,
    out: Vec<(&mut [T], usize)>,
) {
    let mut levels: Vec<_> = out.into_iter().map(|(level, length)| level.chunks_exact_mut(length.max(1))).collect();
    let leads: Vec<_> =
        x.chunks_exact(n.max(1)).map(|x| (x, levels.iter_mut().filter_map(Iterator::next).collect())).collect();
    leads.into_par_iter().with_min_len(least(1)).for_each(|(x, out)| decompose(x, (wavelet, mode), stop, out));
}

fn decompose<T: Float>(x: &[T], (wavelet, mode): (Wavelet, Mode), stop: &AtomicBool, mut out: Vec<&mut [T]>) {
    let [low, high] = wavelet.taps();
    let mut finer: Option<Vec<T>> = None;
    while let Some(details) = out.pop() {
        let x = finer.as_deref().unwrap_or(x);
        match &mut out[..] {
            // nothing is left below the approximation, which is the signal itself where no level is asked for
            [] => return details.copy_from_slice(x),
            [approximation] => return analyse(x, mode, stop, [(&low, approximation), (&high, details)]),
            _ => {
                let mut coarser = vec![T::default(); details.len()];
                analyse(x, mode, stop, [(&low, &mut coarser), (&high, details)]);
                finer = Some(coarser);
            }
        }
    }
}

/// Samples of the signal whose coefficients have these lengths.
///
/// # Errors
/// [`Error::Parameter`] if there are none, or the lengths of two levels do not follow from one signal.
pub fn signal_length(lengths: &[usize], wavelet: Wavelet, mode: Mode) -> Result<usize> {
    let Some((&coarsest, details)) = lengths.split_first() else {
        return Err(Error::parameter("coeffs", "none", "an approximation and details from coarse to fine"));
    };
    details.iter().try_fold(coarsest, |got, &n| {
        // an odd length was rounded up on the way down, so the way up yields one coefficient too many
        if n == 0 || (got != n && got != n + 1) {
            Err(Error::parameter("coeffs", format!("{n} details beside {got}"), "as many, or one fewer"))
        } else if mode == Mode::Periodization {
            Ok(2 * n)
        } else {
            let width = wavelet.0.len();
            (2 * n + 2).checked_sub(width).filter(|&n| n > 0).ok_or(Error::TooShort { got: n, wanted: width / 2 })
        }
    })
}

/// Leads of [`signal_length`] samples from their coefficients, one array with its row length per level; `stop` ends the
/// work early.
///
/// # Errors
/// [`Error::Parameter`] if the levels have different numbers of rows.
pub fn waverec<T: Float>(
    levels: &[(&[T], usize)],
    n: usize,
    (wavelet, mode): (Wavelet, Mode),
    stop: &AtomicBool,
    out: &mut [T],
) -> Result<()> {
    let rows = out.len() / n.max(1);
    if let Some((values, length)) = levels.iter().find(|(values, length)| values.len() != rows * length) {
        return Err(Error::parameter(
            "coeffs",
            format!("{} rows", values.len() / length.max(&1)),
            format!("{rows} rows"),
        ));
    }
    out.par_chunks_exact_mut(n.max(1)).enumerate().with_min_len(least(1)).for_each(|(row, out)| {
        let levels: Vec<&[T]> = levels.iter().map(|(values, n)| &values[row * n..(row + 1) * n]).collect();
        reconstruct(&levels, (wavelet, mode), stop, out);
    });
    Ok(())
}

fn reconstruct<T: Float>(levels: &[&[T]], (wavelet, mode): (Wavelet, Mode), stop: &AtomicBool, out: &mut [T]) {
    let [low, high] = wavelet.taps::<T>();
    let Some((approximation, details)) = levels.split_first() else { return };
    let Some((finest, coarser_details)) = details.split_last() else { return out.copy_from_slice(approximation) };
    let mut approximation = approximation.to_vec();
    for (i, detail) in coarser_details.iter().enumerate() {
        // the next details say how many of the samples count
        let mut finer = vec![T::default(); details[i + 1].len()];
        synthesise(&[(&approximation, &low), (detail, &high)], mode, None, stop, &mut finer);
        approximation = finer;
    }
    synthesise(&[(&approximation, &low), (finest, &high)], mode, None, stop, out);
}

/// The coarsest level whose approximation, 0 to `fs / 2^(level + 1)`, still covers everything below the cut-off.
///
/// # Errors
/// [`Error::Parameter`] if `cutoff` is not between 0 and a quarter of `fs`, or so low that no level reaches it.
pub fn baseline_level(fs: f64, cutoff: f64) -> Result<usize> {
    let level = (fs / cutoff).log2().floor() - 1.0;
    if cutoff > 0.0 && cutoff <= fs / 4.0 && level <= MAX_LEVEL as f64 {
        Ok(level as usize)
    } else {
        Err(Error::parameter("cutoff", cutoff, format!("above 0 and at most a quarter of fs = {fs} Hz")))
    }
}

/// Writes to `out` one lead without what db4 holds below `cutoff`: the approximation of [`baseline_level`]; `stop` ends
/// the work early.
///
/// # Errors
/// [`Error::Parameter`] as for [`baseline_level`], [`Error::NotFinite`] with the first sample at fault.
pub fn remove_baseline<T: Float>(x: &[T], fs: f64, cutoff: f64, stop: &AtomicBool, out: &mut [T]) -> Result<()> {
    let level = baseline_level(fs, cutoff)?;
    if x.is_empty() {
        return Ok(());
    }
    let wavelet = Wavelet::named("db4")?;
    let [low, _] = wavelet.taps();
    // x without its approximation is x minus the approximation alone: the details are never needed
    let mut approximations: Vec<Vec<T>> = Vec::with_capacity(level);
    for _ in 0..level {
        let finer = approximations.last().map_or(x, |finer| finer);
        let mut half = vec![T::default(); wavelet.coefficients(finer.len(), Mode::Symmetric)];
        analyse(finer, Mode::Symmetric, stop, [(&low, &mut half)]);
        approximations.push(half);
    }
    // every sample has a part in the coarsest approximation, so a bad one shows there
    if !approximations.last().is_none_or(|coarsest| coarsest.iter().all(|value| value.finite())) {
        return Err(x.iter().position(|value| !value.finite()).map_or_else(
            || Error::parameter("x", "samples whose filtered values overflow", "smaller samples"),
            |index| Error::NotFinite { index, value: x[index].to_f64() },
        ));
    }
    while let Some(coarser) = approximations.pop() {
        let (from, out) = approximations.last_mut().map_or((Some(x), &mut *out), |finer| (None, finer));
        synthesise(&[(&coarser, &low)], Mode::Symmetric, from, stop, out);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODES: [Mode; 9] = [
        Mode::Symmetric,
        Mode::Reflect,
        Mode::Antisymmetric,
        Mode::Antireflect,
        Mode::Zero,
        Mode::Constant,
        Mode::Smooth,
        Mode::Periodic,
        Mode::Periodization,
    ];

    proptest! {
        #[test]
        fn what_is_taken_apart_comes_together_again(
            x in prop::collection::vec(-1e3_f64..1e3, 1..700),
            wavelet in 0..SCALING.len(),
            mode in 0..MODES.len(),
            level in 0_usize..4,
        ) {
            let (wavelet, mode) = (Wavelet(SCALING[wavelet].1), MODES[mode]);
            let lengths = lengths(x.len(), wavelet, mode, level).unwrap();
            let mut levels: Vec<Vec<f64>> = lengths.iter().map(|&n| vec![0.0; n]).collect();
            let out = levels.iter_mut().zip(&lengths).map(|(level, &n)| (&mut level[..], n)).collect();
            wavedec(&x, x.len(), (wavelet, mode), &AtomicBool::new(false), out);
            let mut back = vec![0.0; signal_length(&lengths, wavelet, mode).unwrap()];
            let levels: Vec<(&[f64], usize)> = levels.iter().map(|level| (&level[..], level.len())).collect();
            waverec(&levels, back.len(), (wavelet, mode), &AtomicBool::new(false), &mut back).unwrap();
            prop_assert!(back.len() - x.len() <= 1);
            let scale = levels.iter().flat_map(|(level, _)| *level).fold(1e3_f64, |most, v| most.max(v.abs()));
            for (a, b) in x.iter().zip(&back) {
                prop_assert!((a - b).abs() <= 1e-10 * scale, "{a} {b}");
            }
        }
    }

    #[test]
    fn the_level_covers_the_cut_off() {
        assert_eq!(baseline_level(360.0, 0.5).unwrap(), 8);
        assert_eq!(baseline_level(360.0, 0.35).unwrap(), 9);
        assert!(baseline_level(360.0, f64::NAN).is_err());
        assert!(baseline_level(f64::INFINITY, 0.5).is_err());
    }
}
