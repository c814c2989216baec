//! The engine under every recursive filter: second-order sections run over tiles of samples, one signal a lane.
//!
//! Direct form I, so that a state is the last two samples before and after each section: the chain from one sample to the
//! next is one multiplication long, and a signal at rest has a state that can be written down. Sums run in `f64`.

use super::design::Section;
use crate::Float;
use crate::simd::{Lanes, multiply_add};

/// Samples of each lane that are in the first-level cache at a time.
pub const TILE: usize = 512;

/// One tile of samples, the lanes of a sample side by side; aligned, since a load across two cache lines costs double.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Tile<const N: usize>(pub [[f64; N]; TILE]);

/// Silence.
#[must_use]
pub fn new_tile<const N: usize>() -> Tile<N> {
    Tile([[0.0; N]; TILE])
}

/// Lays leads side by side.
#[inline(always)]
pub fn load<T: Float, const N: usize>(tile: &mut Tile<N>, x: [&[T]; N]) {
    let len = x[0].len();
    let x = x.map(|x| &x[..len]);
    for (i, to) in tile.0[..len].iter_mut().enumerate() {
        *to = std::array::from_fn(|k| x[k][i].to_f64());
    }
}

/// Takes lanes apart.
#[inline(always)]
pub fn store<T: Float, const N: usize>(tile: &Tile<N>, out: [&mut [T]; N]) {
    let len = out[0].len();
    let out = out.map(|out| &mut out[..len]);
    for (i, from) in tile.0[..len].iter().enumerate() {
        for k in 0..N {
            out[k][i] = T::from_f64(from[k]);
        }
    }
}

/// Sections that run fused; their coefficients and states then fit the registers.
const GROUP: usize = 4;

/// Below this a state is silence: what is left of it would only slow the processor down as subnormal numbers.
const SILENCE: f64 = 1e-250;

/// A section whose leading coefficients are both one.
#[derive(Debug, Clone, Copy)]
struct Row {
    b1: f64,
    b2: f64,
    minus_a1: f64,
    minus_a2: f64,
}

/// Sections prepared for running.
#[derive(Debug, Clone)]
pub struct Cascade {
    gain: f64,
    rows: Vec<Row>,
    /// All `b2` are one to rounding: zeros on the unit circle, as nearly all filters here have them.
    unit: bool,
}

/// Last two samples before each group of sections and after each of its sections, one signal a lane.
#[derive(Debug, Clone)]
pub struct State<const N: usize> {
    past: Vec<[[f64; N]; 2]>,
    silent: bool,
}

impl Cascade {
    /// Prepares sections; their gain is taken out in front.
    #[must_use]
    pub fn new(sections: &[Section]) -> Self {
        let row = |s: &Section| Row { b1: s.b[1] / s.b[0], b2: s.b[2] / s.b[0], minus_a1: -s.a[0], minus_a2: -s.a[1] };
        let rows: Vec<Row> = sections.iter().map(row).collect();
        Self {
            gain: sections.iter().map(|s| s.b[0]).product(),
            unit: rows.iter().all(|r| (r.b2 - 1.0).abs() <= 4.0 * f64::EPSILON),
            rows,
        }
    }

    /// The state of a cascade that has seen each lane's value for ever (`scipy.signal.sosfilt_zi`).
    #[must_use]
    pub fn at_rest_on<const N: usize>(&self, values: [f64; N]) -> State<N> {
        let mut level = values.map(|v| v * self.gain);
        let mut past = Vec::with_capacity(self.rows.len() + self.rows.len().div_ceil(GROUP));
        for group in self.rows.chunks(GROUP) {
            past.push([level; 2]);
            for r in group {
                let gain = (1.0 + r.b1 + r.b2) / (1.0 - r.minus_a1 - r.minus_a2);
                level = level.map(|v| v * gain);
                past.push([level; 2]);
            }
        }
        State { past, silent: false }
    }

    /// Filters the first `len` samples of a tile in place, backward in time if `REVERSE`.
    #[inline(always)]
    pub fn run<const N: usize, const FUSED: bool, const REVERSE: bool>(
        &self,
        state: &mut State<N>,
        tile: &mut Tile<N>,
        len: usize,
    ) {
        if state.silent {
            for v in tile.0[..len].iter_mut().flatten().filter(|v| v.abs() < SILENCE) {
                *v = 0.0;
            }
        }
        let mut at = 0;
        for group in self.rows.chunks(GROUP) {
            let past = &mut state.past[at..=at + group.len()];
            let gain = if at == 0 { self.gain } else { 1.0 };
            at += group.len() + 1;
            match (group.len(), self.unit) {
                (1, true) => run_group::<N, 1, FUSED, REVERSE, true>(group, past, tile, len, gain),
                (2, true) => run_group::<N, 2, FUSED, REVERSE, true>(group, past, tile, len, gain),
                (3, true) => run_group::<N, 3, FUSED, REVERSE, true>(group, past, tile, len, gain),
                (_, true) => run_group::<N, 4, FUSED, REVERSE, true>(group, past, tile, len, gain),
                (1, false) => run_group::<N, 1, FUSED, REVERSE, false>(group, past, tile, len, gain),
                (2, false) => run_group::<N, 2, FUSED, REVERSE, false>(group, past, tile, len, gain),
                (3, false) => run_group::<N, 3, FUSED, REVERSE, false>(group, past, tile, len, gain),
                (_, false) => run_group::<N, 4, FUSED, REVERSE, false>(group, past, tile, len, gain),
            }
        }
    }

    /// Filters a tile's worth of four lanes, from `x` or else in place, without laying them side by side in memory: four samples of
    /// each lane are turned in registers on their way in and out. Returns whether it did, which takes a number of samples
    /// that four divides, one group of sections with `b2` of one, and a state that is not silent; each sample becomes what
    /// [`Self::run`] makes of it.
    #[inline(always)]
    pub fn run_lanes<T: Float, V: Lanes, const REVERSE: bool>(
        &self,
        state: &mut State<4>,
        x: Option<[&[T]; 4]>,
        out: [&mut [T]; 4],
    ) -> bool {
        if state.silent || !self.unit || !out[0].len().is_multiple_of(4) {
            return false;
        }
        let (rows, past) = (self.rows.as_slice(), state.past.as_mut_slice());
        match rows.len() {
            1 => run_fours::<T, V, 1, REVERSE>(rows, past, x, out, self.gain),
            2 => run_fours::<T, V, 2, REVERSE>(rows, past, x, out, self.gain),
            3 => run_fours::<T, V, 3, REVERSE>(rows, past, x, out, self.gain),
            4 => run_fours::<T, V, 4, REVERSE>(rows, past, x, out, self.gain),
            _ => return false,
        }
        true
    }
}

impl<const N: usize> State<N> {
    /// No lane has met a sample that is not finite, nor overflowed: such a state never recovers.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.past.iter().flatten().flatten().all(|v| v.is_finite())
    }

    /// One lane of the state.
    #[must_use]
    pub fn lane(&self, k: usize) -> State<1> {
        State { past: self.past.iter().map(|p| p.map(|v| [v[k]])).collect(), silent: false }
    }

    /// Puts another state into one lane.
    pub fn set_lane(&mut self, k: usize, state: &State<1>) {
        for (to, from) in self.past.iter_mut().zip(&state.past) {
            for (to, from) in to.iter_mut().zip(from) {
                to[k] = from[0];
            }
        }
    }

    /// Ends what has decayed beyond hearing, which would go on as subnormal numbers; call it once a tile.
    #[inline(always)]
    pub fn hush(&mut self) {
        self.silent = true;
        for v in self.past.iter_mut().flatten().flatten() {
            if v.abs() < SILENCE {
                *v = 0.0;
            }
            self.silent &= *v == 0.0;
        }
    }
}

#[inline(always)]
fn run_group<const N: usize, const S: usize, const FUSED: bool, const REVERSE: bool, const UNIT: bool>(
    rows: &[Row],
    past: &mut [[[f64; N]; 2]],
    tile: &mut Tile<N>,
    len: usize,
    gain: f64,
) {
    let len = len.min(TILE);
    let rows: [Row; S] = std::array::from_fn(|s| rows[s]);
    let mut x = past[0];
    let mut y: [[[f64; N]; 2]; S] = std::array::from_fn(|s| past[s + 1]);
    for i in 0..len {
        let i = if REVERSE { len - 1 - i } else { i };
        let mut v = tile.0[i].map(|v| v * gain);
        let mut before = x;
        x = [v, x[0]];
        for (r, y) in rows.iter().zip(&mut y) {
            v = std::array::from_fn(|k| {
                let tail = if UNIT { before[1][k] } else { before[1][k] * r.b2 };
                let sum = multiply_add::<FUSED, f64>(r.b1, before[0][k], tail);
                let sum = multiply_add::<FUSED, f64>(r.minus_a2, y[1][k], sum);
                multiply_add::<FUSED, f64>(r.minus_a1, y[0][k], sum + v[k])
            });
            before = *y;
            *y = [v, y[0]];
        }
        tile.0[i] = v;
    }
    past[0] = x;
    past[1..=S].copy_from_slice(&y);
}

#[inline(always)]
fn run_fours<T: Float, V: Lanes, const S: usize, const REVERSE: bool>(
    rows: &[Row],
    past: &mut [[[f64; 4]; 2]],
    x: Option<[&[T]; 4]>,
    out: [&mut [T]; 4],
    gain: f64,
) {
    // closures over lanes would be compiled for the narrowest instruction set: loops instead
    let gain = V::splat(gain);
    let zero = V::splat(0.0);
    let mut taps = [[zero; 3]; S];
    let mut y = [[zero; 2]; S];
    for s in 0..S {
        taps[s] = [V::splat(rows[s].b1), V::splat(rows[s].minus_a2), V::splat(rows[s].minus_a1)];
        y[s] = [V::from_array(past[s + 1][0]), V::from_array(past[s + 1][1])];
    }
    let mut before = [V::from_array(past[0][0]), V::from_array(past[0][1])];
    let fours = out[0].len() / 4;
    let x = x.map(|x| x.map(|x| &x.as_chunks::<4>().0[..fours]));
    let [out0, out1, out2, out3] = out.map(|out| &mut out.as_chunks_mut::<4>().0[..fours]);
    for i in 0..fours {
        let i = if REVERSE { fours - 1 - i } else { i };
        if i >= fours {
            break; // never: it saves the check of each lane
        }
        let [a, b, c, d] = match x {
            Some([x0, x1, x2, x3]) => [x0[i], x1[i], x2[i], x3[i]],
            None => [out0[i], out1[i], out2[i], out3[i]],
        };
        let rows = [T::to_lanes::<V>(a), T::to_lanes::<V>(b), T::to_lanes::<V>(c), T::to_lanes::<V>(d)];
        let mut columns = V::transpose(rows);
        for step in 0..4 {
            let column = if REVERSE { 3 - step } else { step };
            let mut v = columns[column].times(gain);
            let mut last = before;
            before = [v, last[0]];
            for s in 0..S {
                let [b1, minus_a2, minus_a1] = taps[s];
                let sum = minus_a2.times_plus(y[s][1], b1.times_plus(last[0], last[1]));
                v = minus_a1.times_plus(y[s][0], sum.plus(v));
                last = y[s];
                y[s] = [v, last[0]];
            }
            columns[column] = v;
        }
        let [a, b, c, d] = V::transpose(columns);
        out0[i] = T::from_lanes(a);
        out1[i] = T::from_lanes(b);
        out2[i] = T::from_lanes(c);
        out3[i] = T::from_lanes(d);
    }
    past[0] = [before[0].to_array(), before[1].to_array()];
    for s in 0..S {
        past[s + 1] = [y[s][0].to_array(), y[s][1].to_array()];
    }
}
