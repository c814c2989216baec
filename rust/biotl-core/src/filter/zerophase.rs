//! A lead forward and backward through its sections; a long one is cut into eight blocks that run side by side.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::cascade::{Cascade, State, TILE};
use super::eight::{self, Turned, take, tiles};
use crate::Float;
use crate::simd::{Eight, LaneKernel, Lanes, Wide};

/// Blocks of a long lead: on every processor the same, since other blocks are other roundings.
const BLOCKS: usize = 8;
/// Samples of each block between two looks at whether to stop.
const STRETCH: usize = 8192;

/// One lead forward and backward; runs to whether all stayed finite.
pub(crate) struct ZeroPhase<'a, T> {
    pub cascade: &'a Cascade,
    pub stop: &'a AtomicBool,
    /// Samples that either end is extended by.
    pub edge: usize,
    /// Samples after which a wrong state is forgotten, if ever.
    pub warm_up: Option<usize>,
    pub x: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Float> LaneKernel for ZeroPhase<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run<V: Lanes, W: Wide, const FUSED: bool>(self) -> bool {
        match Blocks::new(&self) {
            Some(blocks) => blocks.run::<W, FUSED>(self.cascade, self.stop, self.out),
            None => self.alone::<FUSED>(),
        }
    }
}

impl<T: Float> ZeroPhase<'_, T> {
    /// The samples before and after the lead: an odd extension goes on with the slope of the end, no step, and so hardly
    /// anything for a filter to ring at.
    fn ends(&self) -> [Vec<f64>; 2] {
        let (x, n) = (self.x, self.x.len());
        let (first, last) = (x[0].to_f64(), x[n - 1].to_f64());
        let before = (1..=self.edge).rev().map(|i| 2.0 * first - x[i].to_f64()).collect();
        let after = (2..=self.edge + 1).map(|i| 2.0 * last - x[n - i].to_f64()).collect();
        [before, after]
    }

    /// In one piece.
    #[inline(always)]
    fn alone<const FUSED: bool>(self) -> bool {
        let [mut before, mut after] = self.ends();
        let Self { cascade, stop, edge, x, out, .. } = self;
        out.copy_from_slice(x);
        let mut state = cascade.at_rest_on(before[0]);
        in_place::<f64, FUSED, false>(cascade, stop, &mut state, &mut before);
        in_place::<T, FUSED, false>(cascade, stop, &mut state, out);
        in_place::<f64, FUSED, false>(cascade, stop, &mut state, &mut after);
        let finite = state.is_finite();

        let mut state = cascade.at_rest_on(after[edge - 1]);
        in_place::<f64, FUSED, true>(cascade, stop, &mut state, &mut after);
        in_place::<T, FUSED, true>(cascade, stop, &mut state, out);
        finite && state.is_finite()
    }
}

#[inline(always)]
fn in_place<T: Float, const FUSED: bool, const REVERSE: bool>(
    cascade: &Cascade,
    stop: &AtomicBool,
    state: &mut State,
    x: &mut [T],
) {
    let mut tile = [0.0; TILE];
    for (start, len) in tiles::<TILE, REVERSE>(x.len()).take_while(|_| !stop.load(Relaxed)) {
        let (x, tile) = (&mut x[start..][..len], &mut tile[..len]);
        for (to, from) in tile.iter_mut().zip(&*x) {
            *to = from.to_f64();
        }
        state.hush();
        cascade.run::<FUSED, REVERSE>(state, tile);
        for (to, from) in x.iter_mut().zip(&*tile) {
            *to = T::from_f64(*from);
        }
    }
}

/// A lead as eight blocks of one length, and what is left over. Each block begins early enough to have forgotten that it
/// began at rest, forward before its samples, backward behind them: every lane has the same to do.
struct Blocks<'a, T> {
    x: &'a [T],
    length: usize,
    warm_up: usize,
    /// What is before the first: a constant, on which a filter at rest stays so, and the extension.
    before: Vec<T>,
    /// What is behind the last: what is left over, and the extension.
    after: Vec<T>,
}

impl<'a, T: Float> Blocks<'a, T> {
    /// Of a lead that is long enough.
    fn new(lead: &ZeroPhase<'a, T>) -> Option<Self> {
        let (x, edge, length) = (lead.x, lead.edge, lead.x.len() / BLOCKS / 8 * 8);
        let (body, left) = x.split_at(BLOCKS * length);
        let warm_up = lead.warm_up?.max(edge + left.len()).next_multiple_of(8);
        if length < warm_up {
            return None;
        }
        let [before, after] = lead.ends().map(|end| end.into_iter().map(T::from_f64).collect::<Vec<_>>());
        let constant = std::iter::repeat_n(before[0], warm_up - edge);
        let before = constant.chain(before.iter().copied()).collect();
        let after = left.iter().copied().chain(after).collect();
        Some(Self { x: body, length, warm_up, before, after })
    }

    #[inline(always)]
    fn run<W: Wide, const FUSED: bool>(&self, cascade: &Cascade, stop: &AtomicBool, out: &mut [T]) -> bool {
        let Self { x, length, warm_up, .. } = *self;
        let lead_in: [&[T]; BLOCKS] = std::array::from_fn(|k| match k {
            0 => &self.before,
            _ => &x[k * length - warm_up..k * length],
        });
        let mut states = cascade.all_at_rest_on(Eight(lead_in.map(|lane| lane[0].to_f64())));
        let mut heard = [[T::default(); eight::TILE]; BLOCKS];
        let mut heard = heard.each_mut().map(|lane| &mut lane[..]);
        for (at, len) in tiles::<{ eight::TILE }, false>(warm_up) {
            cascade.run_turned::<T, W, false>(&mut states, lead_in.map(|lane| &lane[at..][..len]), &mut heard, 0..len);
        }
        let (body, left) = out.split_at_mut(x.len());
        let lanes: [&[T]; BLOCKS] = std::array::from_fn(|k| &x[k * length..][..length]);
        let mut parts = body.chunks_exact_mut(length);
        let mut parts: [&mut [T]; BLOCKS] = std::array::from_fn(|_| parts.next().unwrap_or_default());
        for (at, len) in tiles::<STRETCH, false>(length).take_while(|_| !stop.load(Relaxed)) {
            cascade.run_turned::<T, W, false>(&mut states, lanes, &mut parts, at..at + len);
        }
        let mut finite = states.are_finite();

        let after = self.behind::<FUSED>(cascade, stop, states.lane(BLOCKS - 1), left, &mut finite);
        let mut tile = [Eight::default(); eight::TILE];
        lead_out::<T, W>(&parts, &after, warm_up - 8, &mut tile[..8]);
        let mut states = cascade.all_at_rest_on(tile[7]);
        for (at, len) in tiles::<{ eight::TILE }, true>(warm_up) {
            lead_out::<T, W>(&parts, &after, at, &mut tile[..len]);
            cascade.run_all::<W, true>(&mut states, &mut tile[..len]);
        }
        states.rotate();
        for (at, len) in tiles::<STRETCH, true>(length).take_while(|_| !stop.load(Relaxed)) {
            cascade.run_turned::<T, W, true>(&mut states, lanes, &mut parts, at..at + len);
        }
        finite && states.are_finite()
    }

    /// What is behind the last block by itself, from the state that it ends in: filtered forward, and returned; and
    /// backward too, where it belongs to the lead.
    #[inline(always)]
    fn behind<const FUSED: bool>(
        &self,
        cascade: &Cascade,
        stop: &AtomicBool,
        mut state: State,
        left: &mut [T],
        finite: &mut bool,
    ) -> Vec<f64> {
        let mut own: Vec<f64> = self.after.iter().map(|v| v.to_f64()).collect();
        in_place::<f64, FUSED, false>(cascade, stop, &mut state, &mut own);
        *finite &= state.is_finite();
        let forward = own.clone();
        let mut state = cascade.at_rest_on(own[own.len() - 1]);
        in_place::<f64, FUSED, true>(cascade, stop, &mut state, &mut own);
        *finite &= state.is_finite();
        for (to, from) in left.iter_mut().zip(own) {
            *to = T::from_f64(from);
        }
        forward
    }
}

/// What comes behind the blocks, from a place on: behind each what the next begins with, in the lane of the next; behind the
/// last, in the lane of the first, what is left over, where the lead stands still at the end of its extension.
#[inline(always)]
fn lead_out<T: Float, W: Wide>(parts: &Turned<T>, after: &[f64], at: usize, tile: &mut [Eight]) {
    take::<T, W>(parts, at, tile);
    for (i, moment) in tile.iter_mut().enumerate() {
        moment.0[0] = after[(at + i).min(after.len() - 1)];
    }
}
