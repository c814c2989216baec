//! The R wave of a complex whose S wave is the larger: where both are close and R stands clear of what is before it, R is
//! what annotators mark.

/// How long before the S wave the R wave is looked for, in seconds: what is further would leave experts who mark S by
/// 50 ms, what is nearer is one with S at 150 Hz.
const FROM_S: f64 = 0.045;
const TO_S: f64 = 0.008;
/// How long before the R wave the line lies that it rises from, in seconds: Q is short, and the P wave is over.
const LINE_S: (f64, f64) = (0.06, 0.024);
/// Least rise against the fall to S. On DS1 and LUDB 1-70 a fifth moves more peaks away from the expert's mark by 50 ms
/// than to it (P waves, slurs), and 0.35 leaves a third more of lead II at S.
const SHARE: f32 = 0.3;

/// Place of the R wave before an S wave at `s`, in samples at `fs` Hz, or none that stands clear.
pub(super) fn before(low: &[f32], s: usize, fs: f64) -> Option<f64> {
    let samples = |seconds: f64| (seconds * fs).round() as usize;
    let (from, to) = (s.checked_sub(samples(FROM_S))?, (s + 1).checked_sub(samples(TO_S).max(1))?);
    let bottom = *low.get(s)?;
    let r = (from.max(1)..to).max_by(|&i, &j| low[i].total_cmp(&low[j]))?;
    let line = low.get(r.checked_sub(samples(LINE_S.0))?..r - samples(LINE_S.1))?;
    let line = line.iter().sum::<f32>() / line.len() as f32;
    let (a, b, c) = (low[r - 1], low[r], low[r + 1]);
    // what still falls from further back is no wave of its own
    if a > b || b - line <= SHARE * (b - bottom) {
        return None;
    }
    let curve = a - 2.0 * b + c;
    Some(r as f64 + f64::from(if curve < 0.0 { (0.5 * (a - c) / curve).clamp(-0.5, 0.5) } else { 0.0 }))
}

#[cfg(test)]
mod tests {
    use super::before;

    /// A complex at 200 Hz: a wave of 6 ms at sample 50, and S of depth 1 and 10 ms 35 ms after it.
    fn complex(r: f32) -> Vec<f32> {
        let bump = |t: f32, width: f32| (-(t / width).powi(2) / 2.0).exp();
        (0..100).map(|i| 0.005 * (i as f32 - 50.0)).map(|t| r * bump(t, 0.006) - bump(t - 0.035, 0.01)).collect()
    }

    #[test]
    fn an_r_wave_half_as_high_is_found_and_one_lost_in_the_line_is_not() {
        let found = before(&complex(0.5), 57, 200.0).unwrap();
        assert!((found - 50.0).abs() < 0.5, "{found}");
        assert_eq!(before(&complex(0.05), 57, 200.0), None);
        assert_eq!(before(&complex(0.0), 57, 200.0), None);
    }

    #[test]
    fn at_the_edge_of_a_recording_there_is_none() {
        for s in 0..18 {
            assert_eq!(before(&complex(0.5)[40..], s, 200.0), None);
        }
    }
}
