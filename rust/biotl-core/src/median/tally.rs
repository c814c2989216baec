//! Windows as histograms with a median pointer (Huang, Yang, Tang 1979).

/// How often each code is in the window, and a bit for each code that is.
#[derive(Default)]
pub struct Tally {
    counts: Vec<u32>,
    words: Vec<u64>,
}

impl Tally {
    /// Makes room for codes below `bins`.
    pub fn fit(&mut self, bins: usize) {
        if self.counts.len() < bins {
            self.counts.resize(bins, 0);
            self.words.resize(bins.div_ceil(64), 0);
        }
    }

    /// Medians of all windows of `size` codes; `STEP` walks from code to code, else from occupied code to occupied code.
    pub fn medians<const STEP: bool>(&mut self, codes: &mut Vec<u32>, size: usize, out: &mut Vec<u32>) {
        let (counts, words) = (self.counts.as_mut_slice(), self.words.as_mut_slice());
        for &code in &codes[..size] {
            enter::<STEP>(counts, words, code);
        }
        // the median is the code with at most half the window below it and more than half up to it
        let half = size as u32 / 2;
        let mut median = codes[size / 2];
        let mut below = codes[..size].iter().map(|&code| u32::from(code < median)).sum::<u32>();
        // the last window gives way to itself
        codes.push(codes[codes.len() - size]);
        out.resize(codes.len() - size, 0);
        for ((&gone, &come), out) in codes.iter().zip(&codes[size..]).zip(out.iter_mut()) {
            while below > half {
                median = if STEP { median - 1 } else { next_below(words, median) };
                below -= counts[median as usize];
            }
            while below + counts[median as usize] <= half {
                below += counts[median as usize];
                median = if STEP { median + 1 } else { next_above(words, median) };
            }
            *out = median;
            if gone != come {
                leave::<STEP>(counts, words, gone);
                enter::<STEP>(counts, words, come);
                below = below.wrapping_add(u32::from(come < median)).wrapping_sub(u32::from(gone < median));
            }
        }
        for &code in &codes[codes.len() - 1 - size..codes.len() - 1] {
            leave::<STEP>(counts, words, code);
        }
    }
}

#[inline(always)]
fn enter<const STEP: bool>(counts: &mut [u32], words: &mut [u64], code: u32) {
    counts[code as usize] += 1;
    if !STEP {
        words[code as usize / 64] |= 1 << (code % 64);
    }
}

#[inline(always)]
fn leave<const STEP: bool>(counts: &mut [u32], words: &mut [u64], code: u32) {
    counts[code as usize] -= 1;
    if !STEP {
        words[code as usize / 64] &= !(u64::from(counts[code as usize] == 0) << (code % 64));
    }
}

/// The next code in the window above `code`; there must be one.
#[inline(always)]
fn next_above(words: &[u64], code: u32) -> u32 {
    let mut at = code / 64;
    let mut word = words[at as usize] & (u64::MAX << (code % 64) << 1);
    while word == 0 {
        at += 1;
        word = words[at as usize];
    }
    at * 64 + word.trailing_zeros()
}

/// The next code in the window below `code`; there must be one.
#[inline(always)]
fn next_below(words: &[u64], code: u32) -> u32 {
    let mut at = code / 64;
    let mut word = words[at as usize] & ((1 << (code % 64)) - 1);
    while word == 0 {
        at -= 1;
        word = words[at as usize];
    }
    at * 64 + 63 - word.leading_zeros()
}

/// How often each code of 16 bits is in the window: such a code needs no check.
pub struct Small(Box<[u32; 1 << 16]>);

impl Small {
    /// An empty window.
    #[expect(
        clippy::large_stack_arrays,
        reason = "a quarter of a megabyte, once a lead; a slice would bring the checks back"
    )]
    pub fn new() -> Self {
        Self(Box::new([0; 1 << 16]))
    }

    /// Medians of all windows of `size` codes, from code to code.
    pub fn medians(&mut self, codes: &mut Vec<u16>, size: usize, out: &mut Vec<u16>) {
        let counts = &mut *self.0;
        for &code in &codes[..size] {
            counts[usize::from(code)] += 1;
        }
        // as in `Tally`, whose comments hold here
        let half = size as u32 / 2;
        let mut median = codes[size / 2];
        let mut below = codes[..size].iter().map(|&code| u32::from(code < median)).sum::<u32>();
        codes.push(codes[codes.len() - size]);
        out.resize(codes.len() - size, 0);
        for ((&gone, &come), out) in codes.iter().zip(&codes[size..]).zip(out.iter_mut()) {
            while below > half {
                median = median.wrapping_sub(1);
                below -= counts[usize::from(median)];
            }
            let mut here = counts[usize::from(median)];
            while below + here <= half {
                below += here;
                median = median.wrapping_add(1);
                here = counts[usize::from(median)];
            }
            *out = median;
            counts[usize::from(gone)] -= 1;
            counts[usize::from(come)] += 1;
            below = below.wrapping_add(u32::from(come < median)).wrapping_sub(u32::from(gone < median));
        }
        for &code in &codes[codes.len() - 1 - size..codes.len() - 1] {
            counts[usize::from(code)] -= 1;
        }
    }
}
