//! Sections over eight signals side by side, a signal a lane, in direct form I as [`super::cascade`].
//!
//! Signals are turned so that the lanes of one moment share a register. On the way back in time they lie so already: the
//! way there leaves them as [`Turned`].

use std::ops::Range;

use super::cascade::{Cascade, GROUP, Row, State, silence};
use crate::Float;
use crate::simd::{Eight, Wide};

/// Last two samples of eight lanes before each group of sections and after each of its sections.
pub(super) struct States(Vec<[Eight; 2]>);

/// Eight signals of one length; what is in them may lie turned: of each square block of lanes and samples the rows are
/// columns. How large a block is, the width of the register says.
pub(super) type Turned<'a, T> = [&'a mut [T]; 8];

impl States {
    /// No lane has met a sample that is not finite, nor overflowed.
    pub fn are_finite(&self) -> bool {
        self.values().all(|v| v.is_finite())
    }

    /// Each lane's to the lane before, the first's to the last.
    pub fn rotate(&mut self) {
        for past in self.0.iter_mut().flatten() {
            past.0.rotate_left(1);
        }
    }

    /// That of one lane.
    pub fn lane(&self, lane: usize) -> State {
        State::new(self.0.iter().map(|past| past.map(|v| v.0[lane])).collect())
    }

    #[inline(always)]
    fn values(&self) -> impl Iterator<Item = &f64> {
        self.0.iter().flatten().flat_map(|v| &v.0)
    }
}

impl Cascade {
    /// The states of a cascade that has seen these values for ever.
    pub(super) fn all_at_rest_on(&self, values: Eight) -> States {
        let mut level = Eight(values.0.map(|v| v * self.gain));
        let mut past = Vec::new();
        for group in self.rows.chunks(GROUP) {
            past.push([level; 2]);
            for row in group {
                level = Eight(level.0.map(|v| v * row.level()));
                past.push([level; 2]);
            }
        }
        States(past)
    }

    /// Filters a tile of eight lanes in place, backward in time if `REVERSE`.
    #[inline(always)]
    pub(super) fn run_all<W: Wide, const REVERSE: bool>(&self, states: &mut States, tile: &mut [Eight]) {
        silence(states.0.iter_mut().flatten().flat_map(|v| &mut v.0));
        if states.values().all(|v| *v == 0.0) {
            silence(tile.iter_mut().flat_map(|v| &mut v.0));
        }
        let gains = std::iter::once(self.gain).chain(std::iter::repeat(1.0));
        for ((group, past), gain) in self.rows.chunks(GROUP).zip(states.0.chunks_mut(GROUP + 1)).zip(gains) {
            match (group.len(), self.unit) {
                (1, true) => run_tile::<W, 1, REVERSE, true>(group, past, tile, gain),
                (2, true) => run_tile::<W, 2, REVERSE, true>(group, past, tile, gain),
                (3, true) => run_tile::<W, 3, REVERSE, true>(group, past, tile, gain),
                (_, true) => run_tile::<W, 4, REVERSE, true>(group, past, tile, gain),
                (1, false) => run_tile::<W, 1, REVERSE, false>(group, past, tile, gain),
                (2, false) => run_tile::<W, 2, REVERSE, false>(group, past, tile, gain),
                (3, false) => run_tile::<W, 3, REVERSE, false>(group, past, tile, gain),
                (_, false) => run_tile::<W, 4, REVERSE, false>(group, past, tile, gain),
            }
        }
    }

    /// Filters some samples of eight signals: forward from `x` into `out` turned; or else backward in `out`,
    /// which lies turned before and straight after. Their number is one that eight divides.
    #[inline(always)]
    pub(super) fn run_turned<T: Float, W: Wide, const REVERSE: bool>(
        &self,
        states: &mut States,
        x: [&[T]; 8],
        out: &mut Turned<T>,
        range: Range<usize>,
    ) {
        silence(states.0.iter_mut().flatten().flat_map(|v| &mut v.0));
        let heard = states.values().any(|v| *v != 0.0);
        match self.rows.len() {
            1 if self.unit && heard => run_group::<T, W, 1, REVERSE>(self, &mut states.0, x, out, range),
            2 if self.unit && heard => run_group::<T, W, 2, REVERSE>(self, &mut states.0, x, out, range),
            3 if self.unit && heard => run_group::<T, W, 3, REVERSE>(self, &mut states.0, x, out, range),
            4 if self.unit && heard => run_group::<T, W, 4, REVERSE>(self, &mut states.0, x, out, range),
            _ => {
                let mut tile = [Eight::default(); TILE];
                for (start, len) in tiles::<TILE, REVERSE>(range.len()) {
                    let (tile, start) = (&mut tile[..len], range.start + start);
                    if REVERSE {
                        take::<T, W>(out, start, tile);
                    } else {
                        lay::<T, W>(x.map(|x| &x[start..]), tile);
                    }
                    self.run_all::<W, REVERSE>(states, tile);
                    put::<T, W, REVERSE>(tile, out, start);
                }
            }
        }
    }
}

/// Samples of eight lanes at a time that are copied on their way: half of the smallest first-level cache.
pub(super) const TILE: usize = 256;

/// Start and length of each tile of `n` samples, in the order of filtering.
#[inline(always)]
pub(super) fn tiles<const SIZE: usize, const REVERSE: bool>(n: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = n.div_ceil(SIZE);
    let tile = move |i: usize| {
        let start = if REVERSE { count - 1 - i } else { i } * SIZE;
        (start, SIZE.min(n - start))
    };
    (0..count).map(tile)
}

/// The sections of a group in registers: coefficients, the two samples before it, and the two after each section.
struct Group<W, const S: usize, const UNIT: bool> {
    taps: [[W; 4]; S],
    before: [W; 2],
    after: [[W; 2]; S],
}

// loops rather than closures over lanes: those would be compiled for the narrowest instruction set
impl<W: Wide, const S: usize, const UNIT: bool> Group<W, S, UNIT> {
    #[inline(always)]
    fn new(rows: &[Row], past: &[[Eight; 2]], at: usize) -> Self {
        let zero = W::splat(0.0);
        let (mut taps, mut after) = ([[zero; 4]; S], [[zero; 2]; S]);
        for s in 0..S {
            let Row { b1, b2, minus_a1, minus_a2 } = rows[s];
            taps[s] = [W::splat(b1), W::splat(b2), W::splat(minus_a1), W::splat(minus_a2)];
            after[s] = [W::load(&past[s + 1][0], at), W::load(&past[s + 1][1], at)];
        }
        Self { taps, before: [W::load(&past[0][0], at), W::load(&past[0][1], at)], after }
    }

    #[inline(always)]
    fn step(&mut self, x: W) -> W {
        let (mut v, mut last) = (x, self.before);
        self.before = [v, last[0]];
        for s in 0..S {
            let [b1, b2, minus_a1, minus_a2] = self.taps[s];
            let own = self.after[s];
            let tail = if UNIT { last[1] } else { last[1].times(b2) };
            // what needs the output just before comes last: one product is then all that a sample waits for
            let sum = minus_a2.times_plus(own[1], b1.times_plus(last[0], tail));
            v = minus_a1.times_plus(own[0], sum.plus(v));
            last = own;
            self.after[s] = [v, own[0]];
        }
        v
    }

    #[inline(always)]
    fn keep(&self, past: &mut [[Eight; 2]], at: usize) {
        for (past, values) in past.iter_mut().zip(std::iter::once(&self.before).chain(&self.after)) {
            values[0].store(&mut past[0], at);
            values[1].store(&mut past[1], at);
        }
    }
}

#[inline(always)]
fn run_tile<W: Wide, const S: usize, const REVERSE: bool, const UNIT: bool>(
    rows: &[Row],
    past: &mut [[Eight; 2]],
    tile: &mut [Eight],
    gain: f64,
) {
    let gain = W::splat(gain);
    for at in (0..8).step_by(W::WIDTH) {
        let mut group = Group::<W, S, UNIT>::new(rows, past, at);
        let mut moments = tile.iter_mut();
        while let Some(moment) = if REVERSE { moments.next_back() } else { moments.next() } {
            group.step(W::load(moment, at).times(gain)).store(moment, at);
        }
        group.keep(past, at);
    }
}

#[inline(always)]
fn run_group<T: Float, W: Wide, const S: usize, const REVERSE: bool>(
    cascade: &Cascade,
    past: &mut [[Eight; 2]],
    x: [&[T]; 8],
    out: &mut Turned<T>,
    range: Range<usize>,
) {
    let (gain, blocks) = (W::splat(cascade.gain), range.len() / W::WIDTH);
    for at in (0..8).step_by(W::WIDTH) {
        let mut group = Group::<W, S, true>::new(&cascade.rows, past, at);
        for block in 0..blocks {
            let start = range.start + W::WIDTH * if REVERSE { blocks - 1 - block } else { block };
            let mut moments = [T::narrow(gain); 8];
            for k in 0..W::WIDTH {
                moments[k] = T::row::<W>(if REVERSE { &out[at + k][start..] } else { &x[at + k][start..] });
            }
            if !REVERSE {
                moments = T::turn::<W>(moments);
            }
            for k in 0..W::WIDTH {
                let k = if REVERSE { W::WIDTH - 1 - k } else { k };
                moments[k] = T::narrow(group.step(T::widen::<W>(moments[k]).times(gain)));
            }
            if REVERSE {
                moments = T::turn::<W>(moments);
            }
            for k in 0..W::WIDTH {
                T::put::<W>(moments[k], &mut out[at + k][start..]);
            }
        }
        group.keep(past, at);
    }
}

/// Lays eight lanes of samples side by side.
#[inline(always)]
fn lay<T: Float, W: Wide>(lanes: [&[T]; 8], tile: &mut [Eight]) {
    for at in (0..8).step_by(W::WIDTH) {
        for (block, to) in tile.chunks_exact_mut(W::WIDTH).enumerate() {
            let mut moments = [T::narrow(W::splat(0.0)); 8];
            for k in 0..W::WIDTH {
                moments[k] = T::row::<W>(&lanes[at + k][block * W::WIDTH..]);
            }
            let moments = T::turn::<W>(moments);
            for (to, moment) in to.iter_mut().zip(moments) {
                T::widen::<W>(moment).store(to, at);
            }
        }
    }
}

/// Takes a tile from signals that lie turned.
#[inline(always)]
pub(super) fn take<T: Float, W: Wide>(signals: &Turned<T>, start: usize, tile: &mut [Eight]) {
    for at in (0..8).step_by(W::WIDTH) {
        for (block, to) in tile.chunks_exact_mut(W::WIDTH).enumerate() {
            for (k, to) in to.iter_mut().enumerate() {
                T::widen::<W>(T::row::<W>(&signals[at + k][start + block * W::WIDTH..])).store(to, at);
            }
        }
    }
}

/// Puts a tile into signals: turned, or else straight.
#[inline(always)]
fn put<T: Float, W: Wide, const STRAIGHT: bool>(tile: &[Eight], signals: &mut Turned<T>, start: usize) {
    for at in (0..8).step_by(W::WIDTH) {
        for (block, from) in tile.chunks_exact(W::WIDTH).enumerate() {
            let mut moments = [T::narrow(W::splat(0.0)); 8];
            for (moment, from) in moments.iter_mut().zip(from) {
                *moment = T::narrow(W::load(from, at));
            }
            if STRAIGHT {
                moments = T::turn::<W>(moments);
            }
            for k in 0..W::WIDTH {
                T::put::<W>(moments[k], &mut signals[at + k][start + block * W::WIDTH..]);
            }
        }
    }
}
