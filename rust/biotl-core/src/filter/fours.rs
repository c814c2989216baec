//! A group of second-order sections over four lanes, four samples of each at a time, turned in registers.

use super::cascade::Row;
use crate::Float;
use crate::simd::Lanes;

/// One group of sections over four lanes, from `x` or else in place.
#[inline(always)]
pub(super) fn run_some<X: Float, Y: Float, V: Lanes, const REVERSE: bool>(
    rows: &[Row],
    past: &mut [[[f64; 4]; 2]],
    x: Option<[&[X]; 4]>,
    out: [&mut [Y]; 4],
    gain: f64,
) {
    match rows.len() {
        1 => run_fours::<X, Y, V, 1, REVERSE>(rows, past, x, out, gain),
        2 => run_fours::<X, Y, V, 2, REVERSE>(rows, past, x, out, gain),
        3 => run_fours::<X, Y, V, 3, REVERSE>(rows, past, x, out, gain),
        _ => run_fours::<X, Y, V, 4, REVERSE>(rows, past, x, out, gain),
    }
}

#[inline(always)]
fn run_fours<X: Float, Y: Float, V: Lanes, const S: usize, const REVERSE: bool>(
    rows: &[Row],
    past: &mut [[[f64; 4]; 2]],
    x: Option<[&[X]; 4]>,
    out: [&mut [Y]; 4],
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
        let lanes: [V; 4] = match x {
            Some([a, b, c, d]) => [X::to_lanes(a[i]), X::to_lanes(b[i]), X::to_lanes(c[i]), X::to_lanes(d[i])],
            None => [Y::to_lanes(out0[i]), Y::to_lanes(out1[i]), Y::to_lanes(out2[i]), Y::to_lanes(out3[i])],
        };
        let mut columns = V::transpose(lanes);
        for step in 0..4 {
            let column = if REVERSE { 3 - step } else { step };
            let mut v = columns[column].times(gain);
            let mut last = before;
            before = [v, last[0]];
            for s in 0..S {
                let [b1, minus_a2, minus_a1] = taps[s];
                // what needs the output just before comes last: one product is then all that a sample waits for
                let sum = minus_a2.times_plus(y[s][1], b1.times_plus(last[0], last[1]));
                v = minus_a1.times_plus(y[s][0], sum.plus(v));
                last = y[s];
                y[s] = [v, last[0]];
            }
            columns[column] = v;
        }
        let [a, b, c, d] = V::transpose(columns);
        out0[i] = Y::from_lanes(a);
        out1[i] = Y::from_lanes(b);
        out2[i] = Y::from_lanes(c);
        out3[i] = Y::from_lanes(d);
    }
    past[0] = [before[0].to_array(), before[1].to_array()];
    for s in 0..S {
        past[s + 1] = [y[s][0].to_array(), y[s][1].to_array()];
    }
}
