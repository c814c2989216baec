//! A rhythm found together with its tempo: of the events of a signal, the chain that is strongest and most even.
//!
//! Ellis (2007) tracks musical beats by dynamic programming around one tempo; here the tempo is part of the state, as in
//! the bar-pointer models of Whiteley et al. (2006), so that it may drift and need not be known beforehand. What the
//! autocorrelation of the signal says about it counts at every event.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Tempi, evenly spaced in their logarithm.
const TEMPI: usize = 32;
/// Shortest and longest period, in seconds.
const PERIOD_S: (f64, f64) = (0.28, 1.9);
/// Shortest and longest interval between two events of the chain, and how far back a chain is looked for, in seconds.
const GAP_S: (f64, f64, f64) = (0.25, 2.0, 4.0);
/// Length of the stretch that the autocorrelation is taken over, and from one to the next, in seconds.
const LIKE_S: (f64, f64) = (8.0, 1.0);
/// Rate that the autocorrelation needs, in Hz.
const LIKE_HZ: f64 = 30.0;
/// What an interval costs that is `e` times the period, or the period divided by `e`.
const UNEVEN: f32 = 6.0;
/// What a period costs that grows by a factor of `e` from one event to the next, or shrinks so.
const DRIFT: f32 = 100.0;
/// Steps of tempo from one event to the next.
const STEPS: usize = 3;
/// What a pause costs.
const PAUSE: f32 = 4.0;
/// What an autocorrelation of 1 at the period is worth; a negative one costs nothing.
const LIKE: f32 = 0.5;

/// One event of the chain.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Which of the events given.
    pub index: usize,
    /// Period that the chain has there, in samples.
    pub period: f32,
}

/// What led to an event at a tempo: how many events before, and at which tempo; none before for 0.
#[derive(Clone, Copy, Default)]
struct Step {
    back: u16,
    tempo: u16,
}

/// The strongest and most even chain of events `(sample, strength)`, ascending, of a signal; none once `stop` is up.
pub fn chain(signal: &[f32], events: &[(usize, f32)], fs: f64, stop: &AtomicBool) -> Vec<Event> {
    let spacing = (PERIOD_S.1 / PERIOD_S.0).ln() / (TEMPI - 1) as f64;
    let periods: [f32; TEMPI] = std::array::from_fn(|k| (PERIOD_S.0 * (k as f64 * spacing).exp() * fs) as f32);
    let logs = periods.map(f32::ln);
    let drift: [f32; STEPS + 1] = std::array::from_fn(|k| DRIFT * ((k as f64 * spacing).powi(2)) as f32);
    let likeness = likeness(signal, &periods, fs, stop);
    let second = |at: usize| ((at as f64 / fs / LIKE_S.1) as usize).min(likeness.len() - 1);
    let (shortest, longest, pause) = ((GAP_S.0 * fs) as f32, (GAP_S.1 * fs) as f32, (GAP_S.2 * fs) as f32);
    let mut total: Vec<[f32; TEMPI]> = Vec::with_capacity(events.len());
    let mut steps: Vec<[Step; TEMPI]> = Vec::with_capacity(events.len());
    let mut best: Vec<(usize, f32)> = Vec::with_capacity(events.len());
    for (n, &(at, strength)) in events.iter().enumerate() {
        if stop.load(Relaxed) {
            return Vec::new();
        }
        // The best way to arrive before the tempo drifts, and whence: over a pause from the best tempo there was.
        let mut arrive = ([f32::MIN; TEMPI], [Step::default(); TEMPI]);
        let mut earlier = None;
        for m in (0..n).rev() {
            let gap = (at - events[m].0) as f32;
            if gap > pause {
                earlier = Some(m);
                break;
            }
            if gap < shortest {
                continue;
            }
            let log = gap.ln();
            for k in 0..TEMPI {
                let (sum, tempo) = if gap <= longest {
                    (total[m][k] - UNEVEN * (log - logs[k]).powi(2), k)
                } else {
                    (best[m].1 - PAUSE, best[m].0)
                };
                if sum > arrive.0[k] {
                    (arrive.0[k], arrive.1[k]) = (sum, Step { back: (n - m) as u16, tempo: tempo as u16 });
                }
            }
        }
        let afresh = earlier.map_or((0.0, Step::default()), |m| {
            (best[m].1 - PAUSE, Step { back: (n - m) as u16, tempo: best[m].0 as u16 })
        });
        let like = &likeness[second(at)];
        let (mut sums, mut came) = ([0.0; TEMPI], [Step::default(); TEMPI]);
        for k in 0..TEMPI {
            let (mut sum, mut step) = afresh;
            for from in k.saturating_sub(STEPS)..(k + STEPS + 1).min(TEMPI) {
                let arrived = arrive.0[from] - drift[from.abs_diff(k)];
                if arrived > sum {
                    (sum, step) = (arrived, arrive.1[from]);
                }
            }
            sums[k] = sum + strength + LIKE * like[k];
            came[k] = step;
        }
        let top = (0..TEMPI).max_by(|&a, &b| sums[a].total_cmp(&sums[b])).unwrap_or(0);
        best.push((top, sums[top]));
        total.push(sums);
        steps.push(came);
    }
    let mut next = (0..events.len()).max_by(|&a, &b| best[a].1.total_cmp(&best[b].1)).map(|n| (n, best[n].0));
    let mut found = Vec::new();
    while let Some((n, k)) = next {
        found.push(Event { index: n, period: periods[k] });
        let Step { back, tempo } = steps[n][k];
        next = (back > 0).then(|| (n - back as usize, tempo as usize));
    }
    found.reverse();
    found
}

/// Autocorrelation at each period, for each second; of samples taken together, which is enough of a smooth signal.
fn likeness(signal: &[f32], periods: &[f32; TEMPI], fs: f64, stop: &AtomicBool) -> Vec<[f32; TEMPI]> {
    let group = ((fs / LIKE_HZ).round() as usize).max(2);
    let low: Vec<f32> = signal.chunks_exact(group).map(|part| part.iter().sum()).collect();
    let fs = fs / group as f64;
    let (length, hop) = (LIKE_S.0 * fs, LIKE_S.1 * fs);
    let seconds = (low.len() as f64 / hop).ceil().max(1.0) as usize;
    (0..seconds)
        .take_while(|_| !stop.load(Relaxed))
        .map(|n| {
            let middle = (n as f64 + 0.5) * hop;
            let from = ((middle - length / 2.0).max(0.0) as usize).min(low.len().saturating_sub(length as usize));
            let around = &low[from..(from + length as usize).min(low.len())];
            let mean = around.iter().sum::<f32>() / around.len().max(1) as f32;
            let level: Vec<f32> = around.iter().map(|v| v - mean).collect();
            let product = |lag: usize| {
                let late = level.get(lag..).unwrap_or(&[]);
                let sum: f32 = level.iter().zip(late).map(|(a, b)| a * b).sum();
                sum / late.len().max(level.len() / 4).max(1) as f32
            };
            let power = product(0);
            let lag = |k: usize| periods[k] / group as f32;
            let products: Vec<f32> = (lag(0) as usize..=lag(TEMPI - 1) as usize + 1).map(product).collect();
            std::array::from_fn(|k| {
                let place = lag(k) - lag(0).floor();
                let (i, part) = (place as usize, place.fract());
                let value = products[i] * (1.0 - part) + products[i + 1] * part;
                if power > 0.0 { (value / power).max(0.0) } else { 0.0 }
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static GO: AtomicBool = AtomicBool::new(false);

    #[test]
    fn the_even_events_are_chosen_among_stronger_ones_out_of_step() {
        let mut events: Vec<(usize, f32)> = (0..40).map(|i| (20 + 50 * i, 0.7)).collect();
        events.extend([(210, 0.9), (700, 0.9), (1300, 0.9)].iter().copied());
        events.sort_unstable_by_key(|e| e.0);
        let found = chain(&vec![0.0; 2100], &events, 60.0, &GO);
        assert_eq!(found.len(), 40);
        assert!(found.iter().all(|e| events[e.index].0 % 50 == 20));
        assert!((found[20].period / 50.0 - 1.0).abs() < 0.1);
    }

    #[test]
    fn a_pause_ends_nothing() {
        let events: Vec<(usize, f32)> = (0..20).map(|i| (50 * i + if i < 10 { 0 } else { 600 }, 0.7)).collect();
        assert_eq!(chain(&vec![0.0; 1700], &events, 60.0, &GO).len(), 20);
        assert!(chain(&[], &[], 60.0, &GO).is_empty());
    }
}
