//! Recursive filters as second-order sections, designed step by step as `SciPy` does, so that sections agree to rounding.
//!
//! Analogue prototype, frequency transform, bilinear transform, then poles paired with their nearest zeros.

use std::f64::consts::PI;

use num_complex::Complex64;

use crate::{Error, Result};

/// One second-order section, `a[0]` of the usual three being 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Section {
    /// Numerator coefficients.
    pub b: [f64; 3],
    /// Denominator coefficients of the two past outputs.
    pub a: [f64; 2],
}

/// The prototype: maximally flat, or flat above a stop band of a given depth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Butterworth (1930): maximally flat magnitude, -3 dB at the edges.
    Butterworth,
    /// Chebyshev type II: equal ripple in the stop band, which begins at the edges.
    ChebyshevII {
        /// Attenuation of the stop band, dB.
        attenuation_db: f64,
    },
}

/// What passes; edges in Hz.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Band {
    /// Everything below the edge passes.
    Low(f64),
    /// Everything above the edge passes.
    High(f64),
    /// Everything between the edges passes.
    Pass(f64, f64),
    /// Everything outside the edges passes.
    Stop(f64, f64),
}

/// Zeros, poles and gain.
struct Zpk {
    z: Vec<Complex64>,
    p: Vec<Complex64>,
    k: f64,
}

/// Designs a filter; `order` is that of the prototype, as in `scipy.signal.butter` and `cheby2`.
///
/// # Errors
/// [`Error::Parameter`] for a rate, an edge, an order or an attenuation outside its range.
pub fn design(order: usize, kind: Kind, band: Band, fs: f64) -> Result<Vec<Section>> {
    check_rate(fs)?;
    if order == 0 || order > 64 {
        return Err(Error::parameter("order", order, "1 to 64"));
    }
    let lowpass = match kind {
        Kind::Butterworth => butterworth(order),
        Kind::ChebyshevII { attenuation_db } => chebyshev2(order, attenuation_db)?,
    };
    // the bilinear transform at a rate of 2, its edges bent beforehand
    let warp = |name, freq: f64| check_edge(name, freq, fs).map(|()| 4.0 * (PI * freq / fs).tan());
    let warp_both = |low: f64, high: f64| {
        if low >= high {
            return Err(Error::parameter("low", low, format!("below high = {high} Hz")));
        }
        let (low, high) = (warp("low", low)?, warp("high", high)?);
        Ok((high - low, (low * high).sqrt()))
    };
    let analogue = match band {
        Band::Low(cutoff) => to_lowpass(&lowpass, warp("cutoff", cutoff)?),
        Band::High(cutoff) => to_highpass(&lowpass, warp("cutoff", cutoff)?),
        Band::Pass(low, high) => warp_both(low, high).map(|(width, centre)| to_bandpass(&lowpass, width, centre))?,
        Band::Stop(low, high) => warp_both(low, high).map(|(width, centre)| to_bandstop(&lowpass, width, centre))?,
    };
    let sections = sections(bilinear(&analogue));
    if sections.iter().flat_map(|s| s.b.iter().chain(&s.a)).all(|c| c.is_finite()) {
        Ok(sections)
    } else {
        Err(Error::parameter("order", order, "an order whose coefficients are finite at this band"))
    }
}

/// A second-order notch at `freq` whose -3 dB width is `freq / q`, as `scipy.signal.iirnotch`
/// (Orfanidis, Introduction to Signal Processing, 1996, 11.3).
///
/// # Errors
/// [`Error::Parameter`] for a rate, a frequency or a quality outside its range.
pub fn notch(freq: f64, q: f64, fs: f64) -> Result<Vec<Section>> {
    check_rate(fs)?;
    check_edge("freq", freq, fs)?;
    if !(q > 0.0 && q.is_finite()) {
        return Err(Error::parameter("q", q, "a positive number"));
    }
    // in half rates, as SciPy counts, so that rounding is the same
    let centre = 2.0 * freq / fs;
    let gain = 1.0 / (1.0 + (centre / q * PI / 2.0).tan());
    let cos = (centre * PI).cos();
    if gain <= 0.0 {
        return Err(Error::parameter("q", q, format!("a width freq / q below half of fs = {fs} Hz")));
    }
    Ok(vec![Section { b: [gain, gain * (-2.0 * cos), gain], a: [-2.0 * gain * cos, 2.0 * gain - 1.0] }])
}

fn check_rate(fs: f64) -> Result<()> {
    if fs > 0.0 && fs.is_finite() { Ok(()) } else { Err(Error::parameter("fs", fs, "a positive rate in Hz")) }
}

fn check_edge(name: &'static str, freq: f64, fs: f64) -> Result<()> {
    if freq > 0.0 && freq < fs / 2.0 {
        return Ok(());
    }
    Err(Error::parameter(name, freq, format!("above 0 and below half of fs = {fs} Hz")))
}

/// `-order + 1, -order + 3, ..., order - 1`
fn odd_steps(order: usize) -> impl Iterator<Item = f64> {
    (0..order).map(move |i| 2.0 * i as f64 - (order as f64 - 1.0))
}

fn product(values: &[Complex64]) -> Complex64 {
    values.iter().product()
}

fn product_of_negatives(values: &[Complex64]) -> Complex64 {
    values.iter().map(|v| -v).product()
}

fn butterworth(order: usize) -> Zpk {
    let p = odd_steps(order).map(|m| -Complex64::from_polar(1.0, PI * m / (2.0 * order as f64))).collect();
    Zpk { z: Vec::new(), p, k: 1.0 }
}

fn chebyshev2(order: usize, attenuation_db: f64) -> Result<Zpk> {
    if !(attenuation_db > 0.0 && attenuation_db.is_finite()) {
        return Err(Error::parameter("rs", attenuation_db, "a positive attenuation in dB"));
    }
    let n = order as f64;
    let mu = (10f64.powf(0.1 * attenuation_db) - 1.0).sqrt().asinh() / n;
    let z: Vec<_> =
        odd_steps(order).filter(|&m| m != 0.0).map(|m| Complex64::new(0.0, 1.0 / (m * PI / (2.0 * n)).sin())).collect();
    let p: Vec<_> = odd_steps(order).map(|m| -1.0 / Complex64::new(mu, PI * m / (2.0 * n)).sinh()).collect();
    let k = (product_of_negatives(&p) / product_of_negatives(&z)).re;
    Ok(Zpk { z, p, k })
}

fn to_lowpass(f: &Zpk, edge: f64) -> Zpk {
    let k = f.k * edge.powi((f.p.len() - f.z.len()) as i32);
    let scaled = |values: &[Complex64]| values.iter().map(|v| v * edge).collect();
    Zpk { z: scaled(&f.z), p: scaled(&f.p), k }
}

fn to_highpass(f: &Zpk, edge: f64) -> Zpk {
    let k = f.k * (product_of_negatives(&f.z) / product_of_negatives(&f.p)).re;
    let inverted = |values: &[Complex64]| values.iter().map(|v| edge / v).collect::<Vec<_>>();
    let mut z = inverted(&f.z);
    z.resize(f.p.len(), Complex64::ZERO);
    Zpk { z, p: inverted(&f.p), k }
}

/// Each root moves to both sides of the centre.
fn doubled(values: &[Complex64], centre: f64) -> Vec<Complex64> {
    let root = |v: &Complex64| (v * v - centre * centre).sqrt();
    values.iter().map(|v| v + root(v)).chain(values.iter().map(|v| v - root(v))).collect()
}

fn to_bandpass(f: &Zpk, width: f64, centre: f64) -> Zpk {
    let degree = f.p.len() - f.z.len();
    let scaled = |values: &[Complex64]| values.iter().map(|v| v * (width / 2.0)).collect::<Vec<_>>();
    let mut z = doubled(&scaled(&f.z), centre);
    z.resize(z.len() + degree, Complex64::ZERO);
    Zpk { z, p: doubled(&scaled(&f.p), centre), k: f.k * width.powi(degree as i32) }
}

fn to_bandstop(f: &Zpk, width: f64, centre: f64) -> Zpk {
    let degree = f.p.len() - f.z.len();
    let k = f.k * (product_of_negatives(&f.z) / product_of_negatives(&f.p)).re;
    let inverted = |values: &[Complex64]| values.iter().map(|v| (width / 2.0) / v).collect::<Vec<_>>();
    let mut z = doubled(&inverted(&f.z), centre);
    z.extend(vec![Complex64::new(0.0, centre); degree]);
    z.extend(vec![Complex64::new(0.0, -centre); degree]);
    Zpk { z, p: doubled(&inverted(&f.p), centre), k }
}

fn bilinear(f: &Zpk) -> Zpk {
    let from = |values: &[Complex64]| values.iter().map(|v| 4.0 - v).collect::<Vec<_>>();
    let k = f.k * (product(&from(&f.z)) / product(&from(&f.p))).re;
    let map = |values: &[Complex64]| values.iter().map(|v| (4.0 + v) / (4.0 - v)).collect::<Vec<_>>();
    let mut z = map(&f.z);
    z.resize(f.p.len(), Complex64::new(-1.0, 0.0));
    Zpk { z, p: map(&f.p), k }
}

/// One of each conjugate pair, then the real values made exactly real; both in ascending order.
fn pairs_and_reals(mut values: Vec<Complex64>) -> Vec<Complex64> {
    let tolerance = 100.0 * f64::EPSILON;
    values.sort_by(|u, v| u.re.total_cmp(&v.re).then(u.im.abs().total_cmp(&v.im.abs())));
    let (reals, complex): (Vec<_>, Vec<_>) = values.into_iter().partition(|v| v.im.abs() <= tolerance * v.norm());
    let mut above: Vec<_> = complex.iter().copied().filter(|v| v.im > 0.0).collect();
    let mut below: Vec<_> = complex.into_iter().filter(|v| v.im < 0.0).collect();
    for half in [&mut above, &mut below] {
        for run in half.chunk_by_mut(|u, v| v.re - u.re <= tolerance * u.norm()) {
            run.sort_by(|u, v| u.im.abs().total_cmp(&v.im.abs()));
        }
    }
    let middle = above.iter().zip(&below).map(|(u, v)| (u + v.conj()) / 2.0);
    middle.chain(reals.iter().map(|v| Complex64::new(v.re, 0.0))).collect()
}

/// Removes the value for which `cost` is least; the first one of equals.
fn take_least(values: &mut Vec<Complex64>, cost: impl Fn(&Complex64) -> f64) -> Option<Complex64> {
    let (index, _) = values.iter().map(cost).enumerate().min_by(|u, v| u.1.total_cmp(&v.1))?;
    Some(values.remove(index))
}

/// Poles by nearness to the unit circle, the nearest last, each with its nearest zero (`scipy.signal.zpk2sos`, "nearest").
fn sections(f: Zpk) -> Vec<Section> {
    let (mut z, mut p) = (f.z, f.p);
    if p.len() % 2 == 1 {
        z.push(Complex64::ZERO);
        p.push(Complex64::ZERO);
    }
    let count = p.len() / 2;
    let (mut z, mut p) = (pairs_and_reals(z), pairs_and_reals(p));
    let from_circle = |v: &Complex64| (1.0 - v.norm()).abs();
    let real = |v: &Complex64| v.im == 0.0;
    let or_zero = |v: Option<Complex64>| v.unwrap_or(Complex64::ZERO);
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        let p1 = or_zero(take_least(&mut p, from_circle));
        let nearest = |wanted: Option<bool>| {
            move |v: &Complex64| if wanted.is_none_or(|w| w == real(v)) { (p1 - v).norm() } else { f64::INFINITY }
        };
        let reals = |values: &[Complex64]| values.iter().filter(|v| real(v)).count();
        let last_real = p.len() + 1 == z.len() && !real(&p1) && reals(&p) == 1 && reals(&z) == 1;
        let p2 = if real(&p1) {
            or_zero(take_least(&mut p, |v| if real(v) { from_circle(v) } else { f64::INFINITY }))
        } else {
            p1.conj()
        };
        let z1 = or_zero(take_least(&mut z, nearest(last_real.then_some(false))));
        let z2 = if real(&z1) { or_zero(take_least(&mut z, nearest(Some(true)))) } else { z1.conj() };
        out.push(Section { b: [1.0, -(z1 + z2).re, (z1 * z2).re], a: [-(p1 + p2).re, (p1 * p2).re] });
    }
    out.reverse();
    if let Some(first) = out.first_mut() {
        first.b = first.b.map(|b| b * f.k);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Magnitude of the cascade at `freq`.
    fn magnitude(sections: &[Section], freq: f64, fs: f64) -> f64 {
        let w = Complex64::from_polar(1.0, -2.0 * PI * freq / fs);
        sections
            .iter()
            .map(|s| ((s.b[0] + w * (s.b[1] + w * s.b[2])) / (1.0 + w * (s.a[0] + w * s.a[1]))).norm())
            .product()
    }

    #[test]
    fn a_butterworth_is_three_decibels_down_at_its_edges() {
        for order in 1..12 {
            for band in [Band::Low(40.0), Band::High(40.0), Band::Pass(5.0, 40.0), Band::Stop(12.0, 40.0)] {
                let sections = design(order, Kind::Butterworth, band, 360.0).unwrap();
                assert!((magnitude(&sections, 40.0, 360.0) - 0.5f64.sqrt()).abs() < 1e-9, "{order} {band:?}");
            }
        }
    }

    #[test]
    fn a_chebyshev_of_the_second_kind_begins_its_stop_band_at_its_edges() {
        for order in 1..12 {
            let kind = Kind::ChebyshevII { attenuation_db: 30.0 };
            let sections = design(order, kind, Band::Stop(48.0, 62.0), 360.0).unwrap();
            for freq in [48.0, 62.0] {
                assert!((magnitude(&sections, freq, 360.0) - 10f64.powf(-1.5)).abs() < 1e-9, "{order}");
            }
        }
    }

    #[test]
    fn an_edge_above_half_the_rate_is_refused_with_the_numbers() {
        let error = design(4, Kind::Butterworth, Band::Stop(50.0, 190.0), 360.0).unwrap_err();
        assert_eq!(error.to_string(), "high: got 190, wanted above 0 and below half of fs = 360 Hz");
    }
}
