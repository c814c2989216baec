//! Second-order sections run over leads: causal, or forward and backward for zero phase.

use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use crate::design::Section;
use crate::{Error, Float, Result};

/// The two delays of each section, transposed direct form II.
pub type State = Vec<[f64; 2]>;

/// Runs `kernel(input, output)` over the leads of an array, in parallel.
///
/// # Errors
/// Whatever `kernel` returns first, in order of leads.
pub fn each_lead<T: Float, U: Float>(
    x: &ArrayView2<T>,
    mut out: ArrayViewMut2<U>,
    kernel: impl Fn(&[T], &mut [U]) -> Result<()> + Sync,
) -> Result<()> {
    let run = |(lead, mut out): (ndarray::ArrayView1<T>, ndarray::ArrayViewMut1<U>)| match (
        lead.as_slice(),
        out.as_slice_mut(),
    ) {
        (Some(lead), Some(out)) => kernel(lead, out),
        _ => Err(Error::parameter("x", "strided leads", "contiguous leads")),
    };
    let leads: Vec<_> = x.axis_iter(Axis(0)).zip(out.axis_iter_mut(Axis(0))).collect();
    leads.into_par_iter().map(run).collect::<Vec<_>>().into_iter().collect()
}

/// Filters one lead once, from a state at rest (`scipy.signal.sosfilt`).
///
/// # Errors
/// [`Error::NotFinite`] with the first sample at fault.
pub fn sosfilt<T: Float>(sections: &[Section], x: &[T], out: &mut [T]) -> Result<()> {
    let mut state = vec![[0.0; 2]; sections.len()];
    for (y, &v) in out.iter_mut().zip(x) {
        *y = T::from_f64(step(sections, &mut state, v.to_f64()));
    }
    check(&state, x)
}

/// Filters one lead forward and backward (`scipy.signal.sosfiltfilt`): odd extension at both ends, states begun at rest on the
/// first sample of each pass.
///
/// # Errors
/// [`Error::TooShort`] if the lead does not exceed the extension, [`Error::NotFinite`] with the first sample at fault.
pub fn sosfiltfilt<T: Float>(sections: &[Section], x: &[T], out: &mut [T]) -> Result<()> {
    let (edge, n) = (padding(sections), x.len());
    if n == 0 {
        return Ok(());
    }
    if n <= edge {
        return Err(Error::TooShort { got: n, wanted: edge + 1 });
    }
    let (first, last) = (x[0].to_f64(), x[n - 1].to_f64());
    let before = (1..=edge).rev().map(|i| 2.0 * first - x[i].to_f64());
    let after = (2..=edge + 1).map(|i| 2.0 * last - x[n - i].to_f64());
    let mut padded: Vec<f64> = before.chain(x.iter().map(|v| v.to_f64())).chain(after).collect();
    let mut state = at_rest_on(sections, padded[0]);
    for v in &mut padded {
        *v = step(sections, &mut state, *v);
    }
    check(&state, x)?;
    let mut state = at_rest_on(sections, padded[padded.len() - 1]);
    for v in padded.iter_mut().rev() {
        *v = step(sections, &mut state, *v);
    }
    for (y, &v) in out.iter_mut().zip(&padded[edge..]) {
        *y = T::from_f64(v);
    }
    check(&state, x)
}

/// Samples that `SciPy` extends each end by: three times the number of taps.
#[must_use]
pub fn padding(sections: &[Section]) -> usize {
    let zeros = sections.iter().filter(|s| s.b[2] == 0.0).count();
    let poles = sections.iter().filter(|s| s.a[1] == 0.0).count();
    3 * (2 * sections.len() + 1 - zeros.min(poles))
}

/// Samples after which less than a thousandth of the impulse response (sum of magnitudes) is left.
#[must_use]
pub fn reach(sections: &[Section]) -> usize {
    let mut state = vec![[0.0; 2]; sections.len()];
    let (mut response, mut total): (Vec<f64>, f64) = (Vec::new(), 0.0);
    loop {
        let impulse = f64::from(u8::from(response.is_empty()));
        response.push(step(sections, &mut state, impulse).abs());
        total += response[response.len() - 1];
        // the states bound what is still to come; a filter that rings for 2^24 samples covers every signal
        if state.iter().flatten().all(|z| z.abs() < 1e-7 * total) || response.len() == 1 << 24 {
            break;
        }
    }
    let mut left = 0.0;
    let tail = response.iter().rev().take_while(|h| {
        left += **h;
        left < 1e-3 * total
    });
    response.len() - tail.count()
}

#[inline]
fn step(sections: &[Section], state: &mut [[f64; 2]], mut v: f64) -> f64 {
    for (s, z) in sections.iter().zip(state) {
        let y = s.b[0] * v + z[0];
        z[0] = s.b[1] * v - s.a[0] * y + z[1];
        z[1] = s.b[2] * v - s.a[1] * y;
        v = y;
    }
    v
}

/// The states of a cascade that has always seen `value` (`scipy.signal.sosfilt_zi`).
fn at_rest_on(sections: &[Section], value: f64) -> State {
    let mut scale = value;
    let rest = |s: &Section| {
        let b_sum: f64 = s.b.iter().sum();
        let gain = b_sum / (1.0 + s.a[0] + s.a[1]);
        let z1 = s.b[2] - s.a[1] * gain;
        let state = [(s.b[1] - s.a[0] * gain + z1) * scale, z1 * scale];
        scale *= gain;
        state
    };
    sections.iter().map(rest).collect()
}

/// A sample that is not finite stays in the states for ever, so a look at them finds it.
fn check<T: Float>(state: &[[f64; 2]], x: &[T]) -> Result<()> {
    if state.iter().flatten().all(|z| z.is_finite()) {
        return Ok(());
    }
    match x.iter().position(|v| !v.to_f64().is_finite()) {
        Some(index) => Err(Error::NotFinite { index, value: x[index].to_f64() }),
        None => Err(Error::parameter("x", "samples whose filtered values overflow", "smaller samples")),
    }
}
