//! A lead forward and backward through its sections, long ones in blocks side by side.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::cascade::{Cascade, State, TILE, Tile, load, new_tile, store};
use crate::Float;
use crate::simd::{LaneKernel, Lanes};

/// A block of a long lead is at least this many times its warm-up: that is thrown away, and 4 lanes are 4 times one.
pub(crate) const WORTHWHILE: usize = 4;

/// What every pass shares.
#[derive(Clone, Copy)]
pub(crate) struct Engine<'a> {
    pub cascade: &'a Cascade,
    pub stop: &'a AtomicBool,
}

/// Blocks that a long lead is cut into: the lanes of [`Lanes`]. Other blocks are other roundings, so the same on every
/// processor.
const LANES: usize = 4;

/// One lead forward and backward; runs to whether all stayed finite.
pub(crate) struct ZeroPhase<'a, T> {
    pub engine: Engine<'a>,
    pub edge: usize,
    pub warm_up: usize,
    pub x: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Float> LaneKernel for ZeroPhase<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run<V: Lanes, const FUSED: bool>(self) -> bool {
        let Self { engine, edge, warm_up, x, out } = self;
        let n = x.len();
        let block = n / LANES;
        let lanes = if block >= WORTHWHILE * warm_up && block > TILE { LANES } else { 0 };
        // an odd extension goes on with the slope of the end: no step, and so hardly anything for a filter to ring at
        let (first, last) = (x[0].to_f64(), x[n - 1].to_f64());
        let mut before: Vec<f64> = (1..=edge).rev().map(|i| 2.0 * first - x[i].to_f64()).collect();
        let mut after: Vec<f64> = (2..=edge + 1).map(|i| 2.0 * last - x[n - i].to_f64()).collect();
        let mut tile = new_tile::<1>();

        let mut state = engine.cascade.at_rest_on([before[0]]);
        in_place::<f64, FUSED, false>(engine, &mut state, &mut tile, &mut before);
        let split = lanes * block;
        let mut finite = true;
        if lanes > 0 {
            finite &= blocks::<T, V, FUSED, false>(engine, &mut state, warm_up, Some(x), &mut out[..split]);
        }
        // what is left over is shorter than a lane each: it goes by itself, after the last block
        out[split..].copy_from_slice(&x[split..]);
        in_place::<T, FUSED, false>(engine, &mut state, &mut tile, &mut out[split..]);
        in_place::<f64, FUSED, false>(engine, &mut state, &mut tile, &mut after);
        finite &= state.is_finite();

        let mut state = engine.cascade.at_rest_on([after[edge - 1]]);
        in_place::<f64, FUSED, true>(engine, &mut state, &mut tile, &mut after);
        if lanes > 0 {
            let rest = n - split;
            finite &= blocks::<T, V, FUSED, true>(engine, &mut state, warm_up, None, &mut out[rest..]);
            in_place::<T, FUSED, true>(engine, &mut state, &mut tile, &mut out[..rest]);
        } else {
            in_place::<T, FUSED, true>(engine, &mut state, &mut tile, out);
        }
        finite && state.is_finite()
    }
}

/// Filters the equal blocks of a lead side by side, each begun early enough to have forgotten that it began at rest;
/// `state` leads into the first block and comes out of the last. Without `x`, `out` is filtered in place. Returns whether
/// every block stayed finite.
#[inline(always)]
fn blocks<T: Float, V: Lanes, const FUSED: bool, const REVERSE: bool>(
    engine: Engine,
    state: &mut State<1>,
    warm_up: usize,
    x: Option<&[T]>,
    out: &mut [T],
) -> bool {
    let block = out.len() / LANES;
    let first = if REVERSE { LANES - 1 } else { 0 };
    let mut spare = Spare { tile: new_tile(), between: [[0.0; TILE]; LANES], out: [[T::default(); TILE]; LANES] };
    let mut states = {
        let source = x.unwrap_or(out);
        // the first block needs no warm-up; it runs along on samples of its own
        let lead_in: [&[T]; LANES] = std::array::from_fn(|k| {
            let edge = if REVERSE { (k + 1) * block } else { k * block };
            match (REVERSE, k == first) {
                (false, true) => &source[..warm_up],
                (false, false) | (true, true) => &source[edge - warm_up..edge],
                (true, false) => &source[edge..edge + warm_up],
            }
        });
        let at = if REVERSE { warm_up - 1 } else { 0 };
        let mut states = engine.cascade.at_rest_on(lead_in.map(|lane| lane[at].to_f64()));
        for (start, len) in engine.tiles::<REVERSE>(warm_up) {
            spare.step::<V, FUSED, REVERSE>(
                engine.cascade,
                &mut states,
                Some(lead_in.map(|x| &x[start..][..len])),
                None,
            );
        }
        states
    };
    states.set_lane(first, state);
    let mut parts = out.chunks_exact_mut(block);
    let mut parts: [&mut [T]; LANES] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    for (start, len) in engine.tiles::<REVERSE>(block) {
        let from = x.map(|x| std::array::from_fn(|k| &x[k * block + start..][..len]));
        let to = parts.each_mut().map(|part| &mut part[start..][..len]);
        spare.step::<V, FUSED, REVERSE>(engine.cascade, &mut states, from, Some(to));
    }
    // the lane that runs into the end of the lead has the state that the rest goes on from
    *state = states.lane(LANES - 1 - first);
    states.is_finite()
}

/// Room for a tile of lanes side by side, for what passes between two groups of sections, and for results that nobody wants.
struct Spare<T> {
    tile: Tile<LANES>,
    between: [[f64; TILE]; LANES],
    out: [[T; TILE]; LANES],
}

impl<T: Float> Spare<T> {
    /// Filters one tile of lanes, from `x` or else in place; without `out` only the state goes on.
    #[inline(always)]
    fn step<V: Lanes, const FUSED: bool, const REVERSE: bool>(
        &mut self,
        cascade: &Cascade,
        state: &mut State<LANES>,
        x: Option<[&[T]; LANES]>,
        out: Option<[&mut [T]; LANES]>,
    ) {
        let len = x.as_ref().map_or(TILE, |x| x[0].len());
        let mut out = out.unwrap_or(self.out.each_mut().map(|out| &mut out[..len]));
        state.hush();
        let lanes = out.each_mut().map(|out| &mut **out);
        if !cascade.run_lanes::<T, V, REVERSE>(state, x, lanes, &mut self.between) {
            let len = out[0].len();
            load(&mut self.tile, x.unwrap_or(out.each_ref().map(|out| &**out)));
            cascade.run::<LANES, FUSED, REVERSE>(state, &mut self.tile, len);
            store(&self.tile, out);
        }
    }
}

impl Engine<'_> {
    /// Start and length of each tile of `n` samples, in the order of filtering, until told to stop.
    #[inline(always)]
    fn tiles<const REVERSE: bool>(&self, n: usize) -> impl Iterator<Item = (usize, usize)> {
        let count = n.div_ceil(TILE);
        let tile = move |i: usize| {
            let start = if REVERSE { count - 1 - i } else { i } * TILE;
            (start, TILE.min(n - start))
        };
        (0..count).map(tile).take_while(|_| !self.stop.load(Relaxed))
    }
}

#[inline(always)]
fn in_place<T: Float, const FUSED: bool, const REVERSE: bool>(
    engine: Engine,
    state: &mut State<1>,
    tile: &mut Tile<1>,
    x: &mut [T],
) {
    for (start, len) in engine.tiles::<REVERSE>(x.len()) {
        let x = &mut x[start..][..len];
        load(tile, [x]);
        state.hush();
        engine.cascade.run::<1, FUSED, REVERSE>(state, tile, len);
        store(tile, [x]);
    }
}
