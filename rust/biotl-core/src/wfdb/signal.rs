//! Signal files: blocks of bytes in, rows of samples out, with the checks that the header allows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::format::Format;
use super::header::Signal;
use super::lanes::Lanes;
use super::locate;
use super::value::Value;
use crate::simd::{Kernel, dispatch};
use crate::{Error, Result};

/// Samples decoded at a time: their codes stay in the first-level cache.
const BLOCK: usize = 4 * 1024;

/// Samples read at a time: their bytes stay in the second-level cache, and a call of the system, which comes back to
/// cold code, is rare.
const CHUNK: usize = 256 * 1024;

/// A signal and the row that takes it: as long as the record (several samples a frame are averaged) or that many times
/// the samples a frame.
pub struct Row<'h, 'o, T> {
    /// The line of the header.
    pub signal: &'h Signal,
    /// Where its samples go; none where only the checks are wanted.
    pub out: Option<&'o mut [T]>,
}

/// The sums that a header can be held to, and the state of a signal between two blocks.
struct Tally {
    sum: u32,
    gaps: u32,
    first: Option<i32>,
    last: i32,
}

/// Bytes on disk that the signals of one file need for `frames` frames; nothing is allocated before this is known.
///
/// # Errors
///
/// A file that is missing, no regular file, or shorter than the header says.
pub fn check_size(folder: &Path, signals: &[Signal], frames: u64) -> Result<u64> {
    let Some(first) = signals.first().filter(|signal| signal.format != Format::Null) else { return Ok(0) };
    let path = locate(folder, &first.file);
    let got = size(&path)?;
    if is_new_matlab(&path) {
        return Err(Error::file(path, "MATLAB version", "5 or later", "4, where samples lie as the header says"));
    }
    let wanted = frame_samples(signals)
        .and_then(|per_frame| frames.checked_mul(per_frame))
        .and_then(|samples| first.format.bytes(samples))
        .and_then(|bytes| bytes.checked_add(first.offset));
    match wanted {
        Some(bytes) if bytes <= got => Ok(bytes),
        Some(bytes) => Err(Error::file(path, "bytes", got, format!("{bytes} for {frames} samples a signal"))),
        None => Err(Error::file(path, "bytes", got, format!("what {frames} samples a signal need, past any file"))),
    }
}

/// Whether a file is of MATLAB's version 5 or later, which holds its samples elsewhere, and compressed perhaps.
fn is_new_matlab(path: &Path) -> bool {
    let mut head = [0; 7];
    path.extension().is_some_and(|suffix| suffix == "mat")
        && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok()
        && (head == *b"MATLAB " || head.starts_with(b"\x89HDF"))
}

/// Frames that the file of these signals holds, for a header that does not say.
///
/// # Errors
///
/// A file that is missing or no regular file.
pub fn count_frames(folder: &Path, signals: &[Signal]) -> Result<u64> {
    let Some(first) = signals.first().filter(|signal| signal.format != Format::Null) else { return Ok(0) };
    let bytes = size(&locate(folder, &first.file))?.saturating_sub(first.offset);
    Ok(frame_samples(signals).map_or(0, |per_frame| first.format.samples(bytes) / per_frame))
}

fn frame_samples(signals: &[Signal]) -> Option<u64> {
    signals.iter().try_fold(0_u64, |sum, signal| sum.checked_add(signal.per_frame as u64))
}

fn size(path: &Path) -> Result<u64> {
    let about = std::fs::metadata(path).map_err(|error| Error::file(path, "file", error, "a readable signal file"))?;
    if about.is_file() { Ok(about.len()) } else { Err(Error::file(path, "file", "no regular file", "a signal file")) }
}

/// Read `frames` frames of the signals of one file into their rows. [`check_size`] has seen it. `stop` ends the work
/// early.
///
/// # Errors
///
/// A file that cannot be read, and with `verify` a checksum or an initial value that the samples contradict.
pub fn read<T: Value>(
    folder: &Path,
    rows: &mut [Row<T>],
    frames: usize,
    verify: bool,
    stop: &AtomicBool,
) -> Result<()> {
    let signals: Vec<&Signal> = rows.iter().map(|row| row.signal).collect();
    let Some(first) = signals.first().copied() else { return Ok(()) };
    if first.format == Format::Null {
        rows.iter_mut()
            .filter_map(|row| row.out.as_mut().zip(Some(row.signal)))
            .for_each(|(o, s)| o.fill(T::gap(s.format)));
        return Ok(());
    }
    let path = locate(folder, &first.file);
    let refuse = |error: std::io::Error| Error::file(&path, "bytes", error, "a readable signal file");
    let mut file = File::open(&path).map_err(refuse)?;
    file.seek(SeekFrom::Start(first.offset)).map_err(refuse)?;

    let widths: Vec<usize> = signals.iter().map(|signal| signal.per_frame).collect();
    let per_frame: usize = widths.iter().sum();
    // groups of 2 and 3 samples start on a byte again after 6 frames, whatever a frame holds
    let block = (BLOCK / per_frame).next_multiple_of(6).max(6);
    let chunk = (CHUNK / per_frame).next_multiple_of(block).max(block);
    let n_bytes = |frames: usize| first.format.bytes((frames * per_frame) as u64).unwrap_or(0) as usize;
    let mut bytes = vec![0; n_bytes(chunk.min(frames))];
    let mut lanes = Lanes::new(first.format, &widths, block.min(frames));
    let mut tallies: Vec<Tally> = signals
        .iter()
        .map(|signal| Tally { sum: 0, gaps: 0, first: None, last: signal.initial.unwrap_or(0) })
        .collect();
    for before in (0..frames).step_by(chunk) {
        if stop.load(Relaxed) {
            return Ok(());
        }
        let n = chunk.min(frames - before);
        file.read_exact(&mut bytes[..n_bytes(n)]).map_err(refuse)?;
        let done = straight(rows, &mut tallies, &bytes[..n_bytes(n)], before);
        for start in (done..n).step_by(block) {
            let stop = n.min(start + block);
            lanes.decode(&bytes[n_bytes(start)..n_bytes(stop)], stop - start);
            let mut offset = 0;
            for (row, tally) in rows.iter_mut().zip(&mut tallies) {
                let samples = lanes.lane(offset, row.signal.per_frame);
                tally.take(row.signal, samples);
                row.put(samples, before + start, frames);
                offset += row.signal.per_frame;
            }
        }
    }
    for (row, tally) in rows.iter_mut().zip(&tallies) {
        row.end(frames);
        if verify {
            tally.check(row.signal, &path)?;
        }
    }
    Ok(())
}

/// Take frames of two signals straight from bytes to values, where nothing else is to be done to them: output that comes
/// from memory as it is written to leaves time for the rest. How many from frame `before` on have been taken.
fn straight<T: Value>(rows: &mut [Row<T>], tallies: &mut [Tally], bytes: &[u8], before: usize) -> usize {
    let [left, right] = rows else { return 0 };
    let signals = [left.signal, right.signal];
    let (Some(a), Some(b)) = (left.out.as_deref_mut(), right.out.as_deref_mut()) else { return 0 };
    if signals.iter().any(|signal| signal.per_frame != 1 || signal.skew != 0) {
        return 0;
    }
    let (done, sums) = T::straight(bytes, signals, [&mut a[before..], &mut b[before..]]);
    if done > 0 {
        let mut firsts = [0; 2];
        signals[0].format.decode(bytes, &mut firsts);
        for ((tally, [sum, gaps]), first) in tallies.iter_mut().zip(sums).zip(firsts) {
            tally.first = tally.first.or(Some(first));
            tally.add(sum, gaps);
        }
    }
    done
}

/// Sum of the codes and count of the gaps.
struct Sums<'a> {
    codes: &'a [i32],
    invalid: i32,
}

impl Kernel for Sums<'_> {
    type Output = (u32, u32);

    #[inline(always)]
    fn run<const FMA: bool>(self) -> (u32, u32) {
        self.codes.iter().fold((0, 0), |(sum, gaps): (u32, u32), &code| {
            (sum.wrapping_add(code.cast_unsigned()), gaps.wrapping_add(u32::from(code == self.invalid)))
        })
    }
}

impl Tally {
    /// Turn differences into codes where the format holds differences, and sum up.
    fn take(&mut self, signal: &Signal, samples: &mut [i32]) {
        if signal.format == Format::F8 {
            for sample in samples.iter_mut() {
                self.last = self.last.wrapping_add(*sample);
                *sample = self.last;
            }
        }
        self.first = self.first.or(samples.first().copied());
        let invalid = signal.format.invalid();
        let (sum, gaps) = dispatch(Sums { codes: samples, invalid });
        self.add(sum, gaps);
    }

    fn add(&mut self, sum: u32, gaps: u32) {
        self.sum = self.sum.wrapping_add(sum);
        self.gaps = self.gaps.wrapping_add(gaps);
    }

    fn check(&self, signal: &Signal, path: &Path) -> Result<()> {
        // recorders sum the code of a gap as they store it or as the library's own -32768
        let library = self.gaps.wrapping_mul(signal.format.invalid().wrapping_add(32768).cast_unsigned());
        let sums = [self.sum as i16, self.sum.wrapping_sub(library) as i16];
        let field = |what: &str| format!("{what} of signal {:?}", signal.name);
        if let Some(wanted) = signal.checksum.filter(|wanted| !sums.contains(wanted)) {
            let wanted = format!("{wanted} as the header says");
            return Err(Error::file(path, field("checksum"), sums[0], wanted));
        }
        match (signal.initial, self.first) {
            // differences start from the initial value, so the first sample is another one
            (Some(wanted), Some(got)) if got != wanted && signal.format != Format::F8 && self.gaps == 0 => {
                Err(Error::file(path, field("initial value"), got, format!("{wanted} as the header says")))
            }
            _ => Ok(()),
        }
    }
}

impl<T: Value> Row<'_, '_, T> {
    /// Place the samples of the block that starts at frame `start`, skew taken out.
    fn put(&mut self, samples: &mut [i32], start: usize, frames: usize) {
        let (width, skew) = (self.signal.per_frame, self.signal.skew);
        let Some(out) = self.out.as_deref_mut() else { return };
        let native = out.len() == frames.saturating_mul(width);
        let samples = if native { samples } else { average(samples, width) };
        let width = if native { width } else { 1 };
        let (from, skip) = (start.saturating_sub(skew) * width, skew.saturating_sub(start).saturating_mul(width));
        if let Some(samples) = samples.get(skip..).filter(|samples| !samples.is_empty()) {
            T::convert(samples, self.signal, &mut out[from..from + samples.len()]);
        }
    }

    /// Mark what skew moved past the end of the file.
    fn end(&mut self, frames: usize) {
        if let Some(out) = self.out.as_deref_mut() {
            let gone = out.len() / frames.max(1) * self.signal.skew.min(frames);
            let kept = out.len() - gone;
            out[kept..].fill(T::gap(self.signal.format));
        }
    }
}

/// Replace each frame by the mean of its samples, towards zero, as wfdb does: the lowest code of a format marks a gap
/// and stands for a signal at the rail as well, so only a frame that is nothing else is a gap.
fn average(samples: &mut [i32], width: usize) -> &mut [i32] {
    let frames = samples.len() / width;
    for frame in 0..frames {
        let sum: i64 = samples[frame * width..(frame + 1) * width].iter().copied().map(i64::from).sum();
        samples[frame] = (sum / width as i64) as i32;
    }
    &mut samples[..frames]
}
