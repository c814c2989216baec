//! Which way the pulses of a photoplethysmogram point, stretch by stretch.
//!
//! Blood rushes in faster than it runs off, so slopes are skewed; and a crest is narrower than what lies between crests,
//! so heights are. The first fails where a high-pass makes pulses narrow with an undershoot that falls faster than it
//! rose, the second where pulses are rounded; their sum holds for both. Every value counts by at most a little more
//! than the usual largest, and the sign changes only where several stretches on end ask for it.

/// Length of a stretch, and of the blocks in it whose median of the largest values bounds all, in seconds.
const STRETCH_S: f64 = 8.0;
const BLOCK_S: f64 = 1.5;
/// Values count up to this many times that median.
const BOUND: f32 = 1.5;
/// Weight of the skewness of heights beside that of slopes.
const HEIGHT: f32 = 1.5;
/// Evidence of one stretch counts up to this, and a change of sign costs this.
const MOST: f32 = 1.5;
const CHANGE: f32 = 6.0;
/// Most sensors that are recorded count upwards: evidence as weak as that of a shaken stretch does not speak against it.
const UPRIGHT: f32 = 0.6;

/// The sign of each sample, 1 or -1; `prior` is evidence from before that pulses point up.
pub fn signs(slope: &[f32], height: &[f32], fs: f64, prior: f32) -> Vec<f32> {
    let stretch = ((STRETCH_S * fs) as usize).max(1);
    let block = ((BLOCK_S * fs) as usize).max(1);
    // a remainder belongs to the stretch before it
    let stretches = (slope.len() / stretch).max(1);
    let span = |n: usize| n * stretch..if n + 1 == stretches { slope.len() } else { (n + 1) * stretch };
    let evidence =
        |n: usize| (skewness(&slope[span(n)], block) + HEIGHT * skewness(&height[span(n)], block)).clamp(-MOST, MOST);
    // the likeliest signs, those of a stretch given the one before
    let mut best = [UPRIGHT + prior, 0.0];
    let mut came = Vec::with_capacity(stretches);
    for n in 0..stretches {
        let stay = [best[0] + CHANGE >= best[1], best[1] + CHANGE >= best[0]];
        let from = [best[0].max(best[1] - CHANGE), best[1].max(best[0] - CHANGE)];
        let e = evidence(n);
        best = [from[0] + e, from[1] - e];
        came.push(stay);
    }
    let mut sign = usize::from(best[1] > best[0]);
    let mut out = vec![1.0; slope.len()];
    for n in (0..stretches).rev() {
        out[span(n)].fill([1.0, -1.0][sign]);
        if !came[n][sign] {
            sign = 1 - sign;
        }
    }
    out
}

/// Third standardised moment about zero of values bounded; 0 for a flat stretch.
fn skewness(values: &[f32], block: usize) -> f32 {
    let mut most: Vec<f32> = values.chunks(block).map(|b| b.iter().fold(0.0, |m: f32, v| m.max(v.abs()))).collect();
    most.sort_unstable_by(f32::total_cmp);
    let bound = most.get(most.len() / 2).map_or(0.0, |&usual| BOUND * usual);
    if bound <= 0.0 {
        return 0.0;
    }
    let (mut square, mut cube) = (0.0, 0.0);
    for v in values {
        let v = (v / bound).clamp(-1.0, 1.0);
        square += v * v;
        cube += v * v * v;
    }
    let n = values.len() as f32;
    (cube / n) / (square / n).powf(1.5).max(f32::MIN_POSITIVE)
}
