//! The exact running median, nearest sample beyond the edges.

use crate::{Error, Float, Result};

/// Median of the `size` samples about each sample (`scipy.ndimage.median_filter`, mode "nearest").
///
/// # Errors
/// [`Error::Parameter`] if `size` is even or zero, [`Error::NotFinite`] with the first sample at fault.
pub fn median_filter<T: Float>(x: &[T], size: usize, out: &mut [T]) -> Result<()> {
    if size.is_multiple_of(2) {
        return Err(Error::parameter("size", size, "an odd number of samples"));
    }
    if let Some(index) = x.iter().position(|v| !v.to_f64().is_finite()) {
        return Err(Error::NotFinite { index, value: x[index].to_f64() });
    }
    let (Some(&first), Some(&last)) = (x.first(), x.last()) else { return Ok(()) };
    let half = size / 2;
    let at = |i: usize| if i < half { first } else { *x.get(i - half).unwrap_or(&last) };
    let order = |u: &T, v: &T| u.to_f64().total_cmp(&v.to_f64());
    let mut window: Vec<T> = (0..size).map(at).collect();
    window.sort_by(order);
    for (i, y) in out.iter_mut().enumerate() {
        *y = window[half];
        let (gone, come) = (at(i), at(i + size));
        let from = window.partition_point(|v| order(v, &gone).is_lt());
        window.remove(from);
        let to = window.partition_point(|v| order(v, &come).is_lt());
        window.insert(to, come);
    }
    Ok(())
}

/// A signal less its running median over `short` and then `long` samples.
///
/// # Errors
/// As [`median_filter`].
pub fn remove_median<T: Float>(x: &[T], short: usize, long: usize, out: &mut [T]) -> Result<()> {
    let mut first = vec![T::default(); x.len()];
    median_filter(x, short, &mut first)?;
    median_filter(&first, long, out)?;
    for (y, &v) in out.iter_mut().zip(x) {
        *y = v - *y;
    }
    Ok(())
}
