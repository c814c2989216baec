//! The engine under every recursive filter: second-order sections over one signal, tile by tile.
//!
//! Direct form I, so that a state is the last two samples before and after each section: the chain from one sample to the
//! next is one multiplication long, and a signal at rest has a state that can be written down. Sums run in `f64`.

use super::design::Section;
use crate::simd::multiply_add;

/// Samples that are filtered at a time, within the first-level cache; between two tiles a state may be hushed.
pub const TILE: usize = 512;

/// Sections that run fused; their coefficients and states then fit the registers: five each, and AVX-512 has 32.
pub(super) const GROUP: usize = 4;

/// Below this a state is silence: what is left of it would only slow the processor down as subnormal numbers.
pub(super) const SILENCE: f64 = 1e-250;

/// A section whose leading coefficients are both one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub b1: f64,
    pub b2: f64,
    pub minus_a1: f64,
    pub minus_a2: f64,
}

impl Row {
    /// The answer to a constant: numerator and denominator at z = 1.
    pub fn level(&self) -> f64 {
        (1.0 + self.b1 + self.b2) / (1.0 - self.minus_a1 - self.minus_a2)
    }
}

/// Sections prepared for running.
#[derive(Debug, Clone)]
pub struct Cascade {
    pub(super) gain: f64,
    pub(super) rows: Vec<Row>,
    /// All `b2` are one to rounding: zeros on the unit circle, as nearly all filters here have them.
    pub(super) unit: bool,
}

/// Last two samples before each group of sections and after each of its sections.
#[derive(Debug, Clone)]
pub struct State {
    past: Vec<[f64; 2]>,
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

    /// The state of a cascade that has seen a value for ever (`scipy.signal.sosfilt_zi`).
    #[must_use]
    pub fn at_rest_on(&self, value: f64) -> State {
        let mut level = value * self.gain;
        let mut past = Vec::with_capacity(self.rows.len() + self.rows.len().div_ceil(GROUP));
        for group in self.rows.chunks(GROUP) {
            past.push([level; 2]);
            for r in group {
                level *= r.level();
                past.push([level; 2]);
            }
        }
        State::new(past)
    }

    /// Filters a tile in place, backward in time if `REVERSE`.
    #[inline(always)]
    pub fn run<const FUSED: bool, const REVERSE: bool>(&self, state: &mut State, tile: &mut [f64]) {
        if state.silent {
            silence(tile.iter_mut());
        }
        let mut at = 0;
        for group in self.rows.chunks(GROUP) {
            let past = &mut state.past[at..=at + group.len()];
            let gain = if at == 0 { self.gain } else { 1.0 };
            at += group.len() + 1;
            match (group.len(), self.unit) {
                (1, true) => run_group::<1, FUSED, REVERSE, true>(group, past, tile, gain),
                (2, true) => run_group::<2, FUSED, REVERSE, true>(group, past, tile, gain),
                (3, true) => run_group::<3, FUSED, REVERSE, true>(group, past, tile, gain),
                (_, true) => run_group::<4, FUSED, REVERSE, true>(group, past, tile, gain),
                (1, false) => run_group::<1, FUSED, REVERSE, false>(group, past, tile, gain),
                (2, false) => run_group::<2, FUSED, REVERSE, false>(group, past, tile, gain),
                (3, false) => run_group::<3, FUSED, REVERSE, false>(group, past, tile, gain),
                (_, false) => run_group::<4, FUSED, REVERSE, false>(group, past, tile, gain),
            }
        }
    }
}

impl State {
    /// Of the last two samples before each group of sections and after each of its sections.
    pub(super) fn new(past: Vec<[f64; 2]>) -> Self {
        Self { past, silent: false }
    }

    /// It has met no sample that is not finite, nor overflowed: such a state never recovers.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.past.iter().flatten().all(|v| v.is_finite())
    }

    /// Ends what has decayed beyond hearing, which would go on as subnormal numbers; call it once a tile.
    #[inline(always)]
    pub fn hush(&mut self) {
        silence(self.past.iter_mut().flatten());
        // subnormal numbers cost a hundred cycles each, and a decaying state passes through all of them
        self.silent = self.past.iter().flatten().all(|v| *v == 0.0);
    }
}

/// Makes zeros of what cannot be heard.
#[inline(always)]
pub(super) fn silence<'a>(values: impl Iterator<Item = &'a mut f64>) {
    for v in values.filter(|v| v.abs() < SILENCE) {
        *v = 0.0;
    }
}

#[inline(always)]
fn run_group<const S: usize, const FUSED: bool, const REVERSE: bool, const UNIT: bool>(
    rows: &[Row],
    past: &mut [[f64; 2]],
    tile: &mut [f64],
    gain: f64,
) {
    let rows: [Row; S] = std::array::from_fn(|s| rows[s]);
    let mut x = past[0];
    let mut y: [[f64; 2]; S] = std::array::from_fn(|s| past[s + 1]);
    for i in 0..tile.len() {
        let i = if REVERSE { tile.len() - 1 - i } else { i };
        let mut v = tile[i] * gain;
        let mut before = x;
        x = [v, x[0]];
        for (r, y) in rows.iter().zip(&mut y) {
            let tail = if UNIT { before[1] } else { before[1] * r.b2 };
            let sum = multiply_add::<FUSED, f64>(r.b1, before[0], tail);
            // what needs the output just before comes last: one product is then all that a sample waits for
            let sum = multiply_add::<FUSED, f64>(r.minus_a2, y[1], sum);
            v = multiply_add::<FUSED, f64>(r.minus_a1, y[0], sum + v);
            before = *y;
            *y = [v, y[0]];
        }
        tile[i] = v;
    }
    past[0] = x;
    past[1..=S].copy_from_slice(&y);
}
