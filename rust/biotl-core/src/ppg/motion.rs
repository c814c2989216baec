//! Motion taken off a pulse wave: what a linear filter of the accelerometer explains of it, stretch by stretch.
//!
//! An arm that swings moves blood and sensor in step with the acceleration, mostly a little later. Over stretches of
//! 8 s, half overlapping, ridge regression predicts the slope of the pulse wave from each axis at lags around zero; the
//! ridge keeps it from explaining pulses that merely happen to be near the cadence.

/// Length of the stretches, in seconds.
const STRETCH_S: f64 = 8.0;
/// From one lag to the next, in seconds.
const LAG_S: f64 = 0.032;
/// First lag and the one after the last: motion leads what it does to the pulse wave by up to 0.3 s.
const LAGS: std::ops::Range<i64> = -3..10;
/// Weight of the ridge against the mean power of the lagged axes.
const RIDGE: f64 = 0.3;

/// The pulse slope less what the slopes of the axes explain of it; all of one length.
pub fn without(slope: &[f32], axes: &[Vec<f32>], fs: f64) -> Vec<f32> {
    let length = ((STRETCH_S * fs) as usize).clamp(1, slope.len().max(1));
    let lags: Vec<i64> = LAGS.map(|k| (k as f64 * LAG_S * fs).round() as i64).collect();
    let last_start = slope.len() - length.min(slope.len());
    let mut out = vec![0.0; slope.len()];
    let mut shares = vec![0.0_f32; slope.len()];
    let mut start = 0;
    loop {
        let left = residual(slope, axes, &lags, start..start + length.min(slope.len()));
        let edge = start == 0 || start == last_start;
        for (i, v) in left.into_iter().enumerate() {
            // A triangle, so that one stretch fades into the next; a floor, so that every sample belongs to some.
            let share = if edge { 1.0 } else { (i + 1).min(length - i) as f32 / length as f32 };
            out[start + i] += share * v;
            shares[start + i] += share;
        }
        if start >= last_start {
            break;
        }
        start = (start + (length / 2).max(1)).min(last_start);
    }
    for (v, share) in out.iter_mut().zip(shares) {
        *v /= share;
    }
    out
}

/// What is left of one stretch.
fn residual(slope: &[f32], axes: &[Vec<f32>], lags: &[i64], span: std::ops::Range<usize>) -> Vec<f32> {
    let y = &slope[span.clone()];
    let last = slope.len() as i64 - 1;
    let columns: Vec<Vec<f32>> = axes
        .iter()
        .flat_map(|axis| {
            let at = |i: usize, lag: i64| axis[(i as i64 - lag).clamp(0, last) as usize];
            let span = span.clone();
            lags.iter().map(move |&lag| span.clone().map(|i| at(i, lag)).collect())
        })
        .collect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let n = columns.len();
    let mut gram = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            gram[i][j] = dot(&columns[i], &columns[j]);
        }
    }
    let power = (0..n).map(|i| gram[i][i]).sum::<f64>() / n.max(1) as f64;
    if power <= 0.0 {
        return y.to_vec();
    }
    for (i, row) in gram.iter_mut().enumerate() {
        row[i] += RIDGE * power;
    }
    let weights = solve(gram, columns.iter().map(|c| dot(c, y)).collect());
    let mut left = y.to_vec();
    for (column, w) in columns.iter().zip(weights) {
        for (v, &c) in left.iter_mut().zip(column) {
            *v -= w as f32 * c;
        }
    }
    left
}

/// The solution of a symmetric positive definite system, of which the lower half is given, by Cholesky.
pub fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let sum = a[i][j] - (0..j).map(|k| a[i][k] * a[j][k]).sum::<f64>();
            a[i][j] = if i == j { sum.max(f64::MIN_POSITIVE).sqrt() } else { sum / a[j][j] };
        }
    }
    for i in 0..n {
        b[i] = (b[i] - (0..i).map(|k| a[i][k] * b[k]).sum::<f64>()) / a[i][i];
    }
    for i in (0..n).rev() {
        b[i] = (b[i] - (i + 1..n).map(|k| a[k][i] * b[k]).sum::<f64>()) / a[i][i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::{solve, without};

    #[test]
    fn a_known_system_is_solved() {
        let x = solve(vec![vec![4.0, 0.0], vec![2.0, 3.0]], vec![2.0, 5.0]);
        assert!((x[0] + 0.5).abs() < 1e-12 && (x[1] - 2.0).abs() < 1e-12);
    }

    #[test]
    fn motion_goes_and_pulses_stay() {
        let fs = 60.0;
        let time = |i: usize| i as f64 / fs;
        let wave = |i: usize, hz: f64| (2.0 * std::f64::consts::PI * hz * time(i)).sin() as f32;
        let pulse: Vec<f32> = (0..1200).map(|i| wave(i, 1.7)).collect();
        let shaken: Vec<f32> = (0..1200).map(|i| pulse[i] + 3.0 * wave(i.saturating_sub(6), 2.6)).collect();
        let axes = vec![(0..1200).map(|i| wave(i, 2.6)).collect(), vec![0.0; 1200]];
        let power = |x: &[f32]| x.iter().map(|v| v * v).sum::<f32>();
        let off = |x: &[f32]| power(&x.iter().zip(&pulse).map(|(a, b)| a - b).collect::<Vec<_>>()) / power(&pulse);
        assert!(off(&shaken) > 8.0);
        assert!(off(&without(&shaken, &axes, fs)) < 0.1, "{}", off(&without(&shaken, &axes, fs)));
        assert!(off(&without(&pulse, &[vec![0.0; 1200]], fs)) < 1e-12);
        assert!(without(&[], &[vec![]], fs).is_empty());
    }
}
