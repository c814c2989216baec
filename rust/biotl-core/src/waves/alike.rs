//! Which beats of a lead look alike: what is weak in one of them they say together.

/// Beats to either side that may be alike.
const AROUND: usize = 5;
/// Correlation of the complexes from which two beats look alike: an ectopic beat is not averaged with its neighbours.
const ALIKE: f32 = 0.85;
/// Two RR intervals are of one rhythm when the longer is at most so many times the shorter: the P wave of a beat that comes
/// early is not that of its neighbours, however alike the complexes.
const RHYTHM: f32 = 1.16;

/// For each beat, itself and the beats around that look alike.
pub struct Alike {
    beats: Vec<Vec<usize>>,
    /// Interval before each beat.
    previous: Vec<f32>,
}

impl Alike {
    /// Compare each complex, of zero mean and unit norm, with those around.
    #[must_use]
    pub fn new(shapes: &[&[f32]], previous: Vec<f32>) -> Self {
        let beats = (0..shapes.len())
            .map(|i| {
                let near = i.saturating_sub(AROUND)..(i + AROUND + 1).min(shapes.len());
                near.filter(|&j| j == i || dot(shapes[j], shapes[i]) > ALIKE).collect()
            })
            .collect();
        Self { beats, previous }
    }

    /// How many beats look like one, itself included.
    #[must_use]
    pub fn number(&self, i: usize) -> f32 {
        self.beats[i].len() as f32
    }

    /// Mean over the beats that look like one, point by point.
    pub fn average<'a, const N: usize>(&self, i: usize, of: impl Fn(usize) -> &'a [f32; N]) -> [f32; N] {
        let mut total = [0.0; N];
        for &j in &self.beats[i] {
            for (t, v) in total.iter_mut().zip(of(j)) {
                *t += v;
            }
        }
        total.map(|t| t / self.number(i))
    }

    /// Mean of a value over the beats that look alike.
    #[must_use]
    pub fn smooth(&self, values: &[f32]) -> Vec<f32> {
        (0..self.beats.len()).map(|i| mean_of(values, self.beats[i].iter())).collect()
    }

    /// Mean of a value over the beats that look alike and came after as long an interval.
    #[must_use]
    pub fn agree(&self, values: &[f32]) -> Vec<f32> {
        let same = |i: usize, j: usize| {
            let (own, other) = (self.previous[i], self.previous[j]);
            own.max(other) <= RHYTHM * own.min(other)
        };
        (0..self.beats.len()).map(|i| mean_of(values, self.beats[i].iter().filter(|&&j| same(i, j)))).collect()
    }
}

/// Mean of the values of some beats; a beat is always among those that look like it.
fn mean_of<'a>(values: &[f32], beats: impl Iterator<Item = &'a usize>) -> f32 {
    let (total, number) = beats.fold((0.0_f32, 0.0_f32), |(total, n), &j| (total + values[j], n + 1.0));
    total / number
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn beats_agree_with_those_of_their_shape_and_rhythm(
            gaps in prop::collection::vec(prop::sample::select(vec![100_u16, 110, 150, 200]), 1..24),
            upside_down in prop::collection::vec(any::<bool>(), 24),
            values in prop::collection::vec(-5.0_f32..5.0, 24),
        ) {
            let shapes: Vec<&[f32]> =
                upside_down[..gaps.len()].iter().map(|&down| if down { &[-1.0, 0.0][..] } else { &[1.0, 0.0] }).collect();
            let alike = Alike::new(&shapes, gaps.iter().map(|&gap| f32::from(gap) / 250.0).collect());
            for (i, got) in alike.agree(&values[..gaps.len()]).into_iter().enumerate() {
                let same = |&j: &usize| upside_down[i] == upside_down[j] && {
                    let (short, long) = (gaps[i].min(gaps[j]), gaps[i].max(gaps[j]));
                    u32::from(long) * 100 <= u32::from(short) * 116
                };
                let like: Vec<f32> =
                    (i.saturating_sub(5)..(i + 6).min(gaps.len())).filter(same).map(|j| values[j]).collect();
                prop_assert!((got - like.iter().sum::<f32>() / like.len() as f32).abs() < 1e-5);
            }
        }
    }
}
