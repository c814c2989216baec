//! Discrete wavelet transform with orthogonal wavelets (Mallat 1989; Daubechies 1988), coefficient for coefficient that
//! of `PyWavelets`, and the removal of baseline wander with it.

mod filters;

use rayon::prelude::*;

use crate::{Error, Float, Result};
use filters::SCALING;

/// More levels than a signal of 2^62 samples has.
const MAX_LEVEL: usize = 62;

/// How a signal goes on beyond its ends, by the names of `PyWavelets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Half-sample mirror: `c b a | a b c | c b a`.
    Symmetric,
    /// Whole-sample mirror: `c b | a b c | b a`.
    Reflect,
    /// Half-sample mirror with the sign turned.
    Antisymmetric,
    /// Whole-sample mirror through the end point.
    Antireflect,
    /// Zeros.
    Zero,
    /// The end value held.
    Constant,
    /// The straight line through the last two samples.
    Smooth,
    /// The signal over and over.
    Periodic,
    /// The same, with half as many coefficients as samples; an odd signal is first lengthened by its last value.
    Periodization,
}

impl Mode {
    /// The mode of a name.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no such mode.
    pub fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "symmetric" => Self::Symmetric,
            "reflect" => Self::Reflect,
            "antisymmetric" => Self::Antisymmetric,
            "antireflect" => Self::Antireflect,
            "zero" => Self::Zero,
            "constant" => Self::Constant,
            "smooth" => Self::Smooth,
            "periodic" => Self::Periodic,
            "periodization" => Self::Periodization,
            _ => {
                return Err(Error::parameter(
                    "mode",
                    name,
                    "symmetric, reflect, antisymmetric, antireflect, zero, constant, smooth, periodic or periodization",
                ));
            }
        })
    }

    /// Sample `index` of the extended signal; `x` is not empty.
    fn extend<T: Float>(self, x: &[T], index: isize) -> T {
        let n = x.len() as isize;
        if (0..n).contains(&index) {
            return x[index as usize];
        }
        let at = |i: isize| x[i as usize];
        let last = n - 1;
        match self {
            Self::Zero => T::default(),
            Self::Constant => at(index.clamp(0, last)),
            Self::Periodic => at(index.rem_euclid(n)),
            Self::Periodization => at(index.rem_euclid(n + n % 2).min(last)),
            Self::Symmetric | Self::Antisymmetric => {
                let place = index.rem_euclid(2 * n);
                if place < n {
                    at(place)
                } else if self == Self::Symmetric {
                    at(2 * n - 1 - place)
                } else {
                    -at(2 * n - 1 - place)
                }
            }
            _ if n == 1 => at(0),
            Self::Smooth if index < 0 => at(0) + T::from_f64(index as f64) * (at(1) - at(0)),
            Self::Smooth => at(last) + T::from_f64((index - last) as f64) * (at(last) - at(last - 1)),
            Self::Reflect | Self::Antireflect => {
                let place = index.rem_euclid(2 * last);
                let mirrored = at(place.min(2 * last - place));
                if self == Self::Reflect {
                    return mirrored;
                }
                let inside = if place <= last { mirrored } else { at(last) + at(last) - mirrored };
                let rise = at(last) - at(0);
                inside + T::from_f64(index.div_euclid(2 * last) as f64) * (rise + rise)
            }
        }
    }
}

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

    fn low<T: Float>(self) -> Vec<T> {
        self.0.iter().map(|&tap| T::from_f64(tap)).collect()
    }

    /// The quadrature mirror of the scaling filter.
    fn high<T: Float>(self) -> Vec<T> {
        let signs = [1.0, -1.0].into_iter().cycle();
        self.0.iter().rev().zip(signs).map(|(&tap, sign)| T::from_f64(sign * tap)).collect()
    }

    /// Coefficients of one level of `n` samples.
    #[must_use]
    pub fn coefficients(self, n: usize, mode: Mode) -> usize {
        if mode == Mode::Periodization { n.div_ceil(2) } else { (n + self.0.len() - 1) / 2 }
    }
}

/// Filters and halves: output `k` is the correlation of the taps with the signal from sample `2 k + 2 - taps` on.
fn analyse<T: Float>(x: &[T], taps: &[T], mode: Mode, out: &mut [T]) {
    let width = taps.len();
    let shift = if mode == Mode::Periodization { width / 2 - 1 } else { width - 2 };
    for (k, y) in out.iter_mut().enumerate() {
        *y = if 2 * k >= shift && 2 * k - shift + width <= x.len() {
            dot(taps, &x[2 * k - shift..])
        } else {
            let start = 2 * k as isize - shift as isize;
            taps.iter().zip(start..).fold(T::default(), |sum, (&tap, i)| sum + tap * mode.extend(x, i))
        };
    }
}

fn dot<T: Float>(taps: &[T], x: &[T]) -> T {
    taps.iter().zip(x).fold(T::default(), |sum, (&tap, &value)| sum + tap * value)
}

/// Doubles and filters: adds what the coefficients contribute to each pair of samples.
fn synthesise<T: Float>(coefficients: &[T], taps: &[T], out: &mut [T]) {
    let (even, odd): (Vec<T>, Vec<T>) = taps.rchunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    for (pair, window) in out.chunks_mut(2).zip(coefficients.windows(even.len())) {
        pair[0] += dot(&even, window);
        if let Some(second) = pair.get_mut(1) {
            *second += dot(&odd, window);
        }
    }
}

/// One level back: approximation and details (either may be absent, which is zeros) to samples.
fn join<T: Float>(parts: [(Option<&[T]>, &[T]); 2], mode: Mode) -> Vec<T> {
    let width = parts[0].1.len();
    let Some(n) = parts.iter().find_map(|(part, _)| part.map(<[T]>::len)) else { return Vec::new() };
    if mode != Mode::Periodization {
        let mut out = vec![T::default(); 2 * n + 2 - width];
        for (part, taps) in parts {
            if let Some(part) = part {
                synthesise(part, taps, &mut out);
            }
        }
        return out;
    }
    // the circle is cut open `width / 2 - 1` samples before its start, at the pair that holds this sample
    let before = (width / 2).div_euclid(2);
    let mut out = vec![T::default(); 2 * (n + before) + 2];
    for (part, taps) in parts {
        if let Some(part) = part {
            let circle: Vec<T> = (0..n + before + width / 2)
                .map(|i| part[(i as isize - before as isize).rem_euclid(n as isize) as usize])
                .collect();
            synthesise(&circle, taps, &mut out);
        }
    }
    let first = 2 * before + 1 - width / 2;
    out[first..first + 2 * n].to_vec()
}

/// Rows of one length, one after another.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    /// The values, row after row.
    pub values: Vec<T>,
    /// Length of a row.
    pub length: usize,
}

fn each_row<T: Float>(x: &[T], length: usize, out: usize, work: impl Fn(&[T], &mut [T]) + Sync) -> Rows<T> {
    let mut values = vec![T::default(); x.len() / length * out];
    values.par_chunks_exact_mut(out).zip(x.par_chunks_exact(length)).for_each(|(y, x)| work(x, y));
    Rows { values, length: out }
}

/// Multilevel decomposition of each row of `length` samples: approximation first, then details from coarse to fine.
///
/// # Errors
/// [`Error::TooShort`] if a row is empty, [`Error::Parameter`] if `level` is over 62.
pub fn wavedec<T: Float>(x: &[T], length: usize, wavelet: Wavelet, mode: Mode, level: usize) -> Result<Vec<Rows<T>>> {
    if length == 0 {
        return Err(Error::TooShort { got: 0, wanted: 1 });
    }
    if level > MAX_LEVEL {
        return Err(Error::parameter("level", level, "0 to 62"));
    }
    let (low, high) = (wavelet.low(), wavelet.high());
    let mut approximation = Rows { values: x.to_vec(), length };
    let mut details = Vec::with_capacity(level + 1);
    for _ in 0..level {
        let (x, n) = (&approximation.values, approximation.length);
        let out = wavelet.coefficients(n, mode);
        details.push(each_row(x, n, out, |x, y| analyse(x, &high, mode, y)));
        approximation = each_row(x, n, out, |x, y| analyse(x, &low, mode, y));
    }
    details.push(approximation);
    details.reverse();
    Ok(details)
}

/// Rows from their coefficients, in the order of [`wavedec`].
///
/// # Errors
/// [`Error::Parameter`] if the coefficients are none, or the lengths of two levels do not follow from one signal.
pub fn waverec<T: Float>(coefficients: &[(&[T], usize)], wavelet: Wavelet, mode: Mode) -> Result<Rows<T>> {
    let Some(((values, length), details)) = coefficients.split_first() else {
        return Err(Error::parameter("coeffs", "none", "an approximation and details from coarse to fine"));
    };
    let (low, high) = (wavelet.low::<T>(), wavelet.high::<T>());
    let mut approximation = Rows { values: values.to_vec(), length: *length };
    for &(detail, n) in details {
        // an odd length was rounded up on the way down, so the way up yields one coefficient too many
        let got = approximation.length;
        if n == 0 || (got != n && got != n + 1) || approximation.values.len() / got != detail.len() / n {
            return Err(Error::parameter("coeffs", format!("{n} details beside {got}"), "as many, or one fewer"));
        }
        if mode != Mode::Periodization && n < wavelet.0.len() / 2 {
            return Err(Error::TooShort { got: n, wanted: wavelet.0.len() / 2 });
        }
        let rows: Vec<Vec<T>> = (approximation.values.par_chunks_exact(got), detail.par_chunks_exact(n))
            .into_par_iter()
            .map(|(a, d)| join([(Some(&a[..n]), &low), (Some(d), &high)], mode))
            .collect();
        let length = rows.first().map_or(0, Vec::len);
        approximation = Rows { values: rows.concat(), length };
    }
    Ok(approximation)
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

/// Writes to `out` each row of `length` samples without what db4 holds below `cutoff`: the approximation of [`baseline_level`].
///
/// # Errors
/// [`Error::Parameter`] as for [`baseline_level`], [`Error::TooShort`] if a row is empty.
pub fn remove_baseline<T: Float>(x: &[T], length: usize, fs: f64, cutoff: f64, out: &mut [T]) -> Result<()> {
    let level = baseline_level(fs, cutoff)?;
    if length == 0 {
        return Err(Error::TooShort { got: 0, wanted: 1 });
    }
    let wavelet = Wavelet::named("db4")?;
    let (low, mode) = (wavelet.low(), Mode::Symmetric);
    out.par_chunks_exact_mut(length).zip(x.par_chunks_exact(length)).for_each(|(out, row)| {
        // x without its approximation is x minus the approximation alone: the details are never needed
        let mut lengths = vec![row.len()];
        let mut baseline = row.to_vec();
        for _ in 0..level {
            let mut half = vec![T::default(); wavelet.coefficients(baseline.len(), mode)];
            analyse(&baseline, &low, mode, &mut half);
            lengths.push(half.len());
            baseline = half;
        }
        for &n in lengths.iter().rev().skip(1) {
            baseline = join([(Some(&baseline), &low), (None, &low)], mode);
            baseline.truncate(n);
        }
        for ((y, &value), &wander) in out.iter_mut().zip(row).zip(&baseline) {
            *y = value - wander;
        }
    });
    Ok(())
}
