//! Signal files: blocks of bytes in, rows of samples out, with the checks that the header allows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::format::{Format, pair_212};
use super::header::Signal;
use crate::{Error, Result};

/// Samples decoded at a time: a block and its codes stay in the second-level cache.
const BLOCK: usize = 24 * 1024;

/// What a row of output holds: physical values or ADC codes.
pub trait Value: Copy + Send {
    /// What stands in a gap.
    fn gap(format: Format) -> Self;
    /// One value a code.
    fn convert(codes: &[i32], signal: &Signal, out: &mut [Self]);
}

impl Value for i32 {
    fn gap(format: Format) -> Self {
        format.invalid()
    }

    fn convert(codes: &[i32], _signal: &Signal, out: &mut [Self]) {
        out.copy_from_slice(codes);
    }
}

impl Value for f32 {
    fn gap(_format: Format) -> Self {
        Self::NAN
    }

    /// `(code - baseline) / gain` as wfdb rounds it: each step in float64, each result kept as float32.
    fn convert(codes: &[i32], signal: &Signal, out: &mut [Self]) {
        let (invalid, baseline, gain) = (signal.format.invalid(), signal.baseline as Self, signal.gain as Self);
        // Where both are exact in float32, the float32 operations round to the same bits: float64 has more than
        // twice the digits plus two (Figueroa 1995). The bounds keep the quotient a normal number.
        if f64::from(baseline) == f64::from(signal.baseline)
            && f64::from(gain) == signal.gain
            && (1e-6..1e12).contains(&gain.abs())
        {
            for (value, &code) in out.iter_mut().zip(codes) {
                let physical = (code as Self - baseline) / gain;
                *value = if code == invalid { Self::NAN } else { physical };
            }
        } else {
            for (value, &code) in out.iter_mut().zip(codes) {
                let above = (f64::from(code as Self) - f64::from(signal.baseline)) as Self;
                *value = if code == invalid { Self::NAN } else { (f64::from(above) / signal.gain) as Self };
            }
        }
    }
}

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
    let path = folder.join(&first.file);
    let got = size(&path)?;
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

/// Frames that the file of these signals holds, for a header that does not say.
///
/// # Errors
///
/// A file that is missing or no regular file.
pub fn count_frames(folder: &Path, signals: &[Signal]) -> Result<u64> {
    let Some(first) = signals.first().filter(|signal| signal.format != Format::Null) else { return Ok(0) };
    let bytes = size(&folder.join(&first.file))?.saturating_sub(first.offset);
    Ok(frame_samples(signals).map_or(0, |per_frame| first.format.samples(bytes) / per_frame))
}

fn frame_samples(signals: &[Signal]) -> Option<u64> {
    signals.iter().try_fold(0_u64, |sum, signal| sum.checked_add(signal.per_frame as u64))
}

fn size(path: &Path) -> Result<u64> {
    let about = std::fs::metadata(path).map_err(|error| Error::file(path, "file", error, "a readable signal file"))?;
    if about.is_file() { Ok(about.len()) } else { Err(Error::file(path, "file", "no regular file", "a signal file")) }
}

/// Read `frames` frames of the signals of one file into their rows. [`check_size`] has seen it.
///
/// # Errors
///
/// A file that cannot be read, and with `verify` a checksum or an initial value that the samples contradict.
pub fn read<T: Value>(folder: &Path, rows: &mut [Row<T>], frames: usize, verify: bool) -> Result<()> {
    let signals: Vec<&Signal> = rows.iter().map(|row| row.signal).collect();
    let Some(first) = signals.first().copied() else { return Ok(()) };
    if first.format == Format::Null {
        rows.iter_mut()
            .filter_map(|row| row.out.as_mut().zip(Some(row.signal)))
            .for_each(|(o, s)| o.fill(T::gap(s.format)));
        return Ok(());
    }
    let path = folder.join(&first.file);
    let refuse = |error: std::io::Error| Error::file(&path, "bytes", error, "a readable signal file");
    let mut file = File::open(&path).map_err(refuse)?;
    file.seek(SeekFrom::Start(first.offset)).map_err(refuse)?;

    let per_frame: usize = signals.iter().map(|signal| signal.per_frame).sum();
    // groups of 2 and 3 samples start on a byte again after 6 frames, whatever a frame holds
    let block = (BLOCK / per_frame).next_multiple_of(6).clamp(6, frames.next_multiple_of(6).max(6));
    let n_bytes = |frames: usize| first.format.bytes((frames * per_frame) as u64).unwrap_or(0) as usize;
    let mut bytes = vec![0; n_bytes(block)];
    let mut codes = vec![0; block * per_frame];
    let mut lane = Vec::new();
    let mut tallies: Vec<Tally> = signals
        .iter()
        .map(|signal| Tally { sum: 0, gaps: 0, first: None, last: signal.initial.unwrap_or(0) })
        .collect();
    for start in (0..frames).step_by(block) {
        let n = block.min(frames - start);
        let bytes = &mut bytes[..n_bytes(n)];
        file.read_exact(bytes).map_err(refuse)?;
        let codes = &mut codes[..n * per_frame];
        let planar = first.format == Format::F212 && rows.len() == 2 && per_frame == 2;
        if planar {
            let (left, right) = codes.split_at_mut(n);
            for ((left, right), group) in left.iter_mut().zip(right).zip(bytes.as_chunks().0) {
                [*left, *right] = pair_212(*group);
            }
        } else {
            first.format.decode(bytes, codes);
        }
        let mut offset = 0;
        for (index, (row, tally)) in rows.iter_mut().zip(&mut tallies).enumerate() {
            let width = row.signal.per_frame;
            let samples = if planar {
                &mut codes[index * n..(index + 1) * n]
            } else if per_frame == width {
                &mut codes[..]
            } else {
                lane.clear();
                if width == 1 {
                    lane.extend(codes[offset..].iter().step_by(per_frame));
                } else {
                    lane.extend(codes.chunks_exact(per_frame).flat_map(|frame| &frame[offset..offset + width]));
                }
                &mut lane[..]
            };
            tally.take(row.signal, samples);
            row.put(samples, start, frames);
            offset += width;
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
        for &mut sample in samples {
            self.sum = self.sum.wrapping_add(sample.cast_unsigned());
            self.gaps = self.gaps.wrapping_add(u32::from(sample == invalid));
        }
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
        let samples = if native { samples } else { average(samples, width, self.signal.format.invalid()) };
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

/// Replace each frame by the mean of its valid samples, towards zero as wfdb does.
fn average(samples: &mut [i32], width: usize, invalid: i32) -> &mut [i32] {
    let frames = samples.len() / width;
    for frame in 0..frames {
        let (mut sum, mut n) = (0_i64, 0_i64);
        for &sample in samples[frame * width..(frame + 1) * width].iter().filter(|&&sample| sample != invalid) {
            sum += i64::from(sample);
            n += 1;
        }
        samples[frame] = if n == 0 { invalid } else { (sum / n) as i32 };
    }
    &mut samples[..frames]
}
