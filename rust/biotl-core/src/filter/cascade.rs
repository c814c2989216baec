//! The engine under every recursive filter: second-order sections run over tiles of samples, one signal a lane.
//!
//! Direct form I, so that a state is the last two samples before and after each section: the chain from one sample to the
//! next is one multiplication long, and a signal at rest has a state that can be written down. Sums run in `f64`.

use super::design::Section;
use super::fours::run_some;
use crate::Float;
use crate::simd::{Lanes, multiply_add};

/// Samples of each lane that are in the first-level cache at a time: 16 KiB of four lanes, half of the smallest.
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

/// Sections that run fused; their coefficients and states then fit the registers: five each, and AVX-512 has 32.
const GROUP: usize = 4;

/// Below this a state is silence: what is left of it would only slow the processor down as subnormal numbers.
const SILENCE: f64 = 1e-250;

/// A section whose leading coefficients are both one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub b1: f64,
    pub b2: f64,
    pub minus_a1: f64,
    pub minus_a2: f64,
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
            // taken out in front, it saves every section a product
            gain: sections.iter().map(|s| s.b[0]).product(),
            // the bilinear transform puts zeros there to a few roundings; one product less a section
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
                // the answer to a constant: numerator and denominator at z = 1
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
    /// that four divides, two groups of sections at most with `b2` of one, and a state that is not silent; each sample
    /// becomes what [`Self::run`] makes of it.
    #[inline(always)]
    pub fn run_lanes<T: Float, V: Lanes, const REVERSE: bool>(
        &self,
        state: &mut State<4>,
        x: Option<[&[T]; 4]>,
        mut out: [&mut [T]; 4],
        between: &mut [[f64; TILE]; 4],
    ) -> bool {
        let len = out[0].len();
        if state.silent || !self.unit || !len.is_multiple_of(4) || len > TILE {
            return false;
        }
        let (rows, past) = (self.rows.as_slice(), state.past.as_mut_slice());
        match rows.len() {
            1..=GROUP => run_some::<T, T, V, REVERSE>(rows, past, x, out, self.gain),
            5..=8 => {
                let (rows, more) = rows.split_at(GROUP);
                let (past, past_more) = past.split_at_mut(GROUP + 1);
                let from = x.unwrap_or(out.each_mut().map(|lane| &**lane));
                let to = between.each_mut().map(|lane| &mut lane[..len]);
                run_some::<T, f64, V, REVERSE>(rows, past, Some(from), to, self.gain);
                let from = between.each_ref().map(|lane| &lane[..len]);
                run_some::<f64, T, V, REVERSE>(more, past_more, Some(from), out, 1.0);
            }
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
            // subnormal numbers cost a hundred cycles each, and a decaying state passes through all of them
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
