//! WFDB recordings: headers, signal files, multi-segment records and annotations.

pub mod annotation;
pub mod format;
pub mod header;
mod lanes;
mod segments;
pub mod signal;
pub mod value;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use self::format::Format;
use self::header::{Header, Signal};
use self::signal::Row;
use self::value::Value;
use crate::{Error, Result};

/// Output values that one byte on disk may stand for: gaps of multi-segment records take room that no file holds, and
/// a header that lies about them must not take all memory.
const VALUES_PER_BYTE: u64 = 100;

/// Output values that stretches without any signal may take beyond that: a monitor that was off for a night, 18 hours of
/// four channels at 250 Hz, in 256 MiB.
const VALUES_OF_GAPS: u64 = 1 << 26;

/// A recording that is open for reading: its headers are parsed and its signal files are known to be long enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Frames a second.
    pub fs: f64,
    /// Frames in the record.
    pub samples: usize,
    /// What each row of the output holds.
    pub channels: Vec<Channel>,
    /// Comments of the header, without their `#`.
    pub comments: Vec<String>,
    folder: PathBuf,
    pieces: Vec<Piece>,
}

/// One channel of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Name, such as `MLII`; `signal 3` where the header gives none.
    pub name: String,
    /// Physical unit.
    pub units: String,
    /// Samples a frame.
    pub per_frame: usize,
}

/// A stretch of frames with the signals that it has, each beside the index of its channel.
#[derive(Debug, Clone, PartialEq)]
struct Piece {
    start: usize,
    samples: usize,
    signals: Vec<(usize, Signal)>,
}

impl Recording {
    /// Parse the headers of a record and check the size of its files; `path` has no extension.
    ///
    /// # Errors
    ///
    /// A file that is missing or too short, or a header that contradicts itself, its segments or its files.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let (header, hea, mut bytes) = read_header(path)?;
        let mut recording = Self {
            fs: header.fs,
            samples: 0,
            channels: Vec::new(),
            comments: header.comments.clone(),
            folder,
            pieces: Vec::new(),
        };
        let frames = if header.segments.is_empty() {
            let frames = recording.frames(&header)?;
            recording.channels = header.signals.iter().enumerate().map(Channel::of).collect();
            bytes = bytes.saturating_add(recording.check_files(&header, frames)?);
            let signals = header.signals.into_iter().enumerate().collect();
            recording.pieces.push(Piece { start: 0, samples: frames as usize, signals });
            frames
        } else {
            recording.open_segments(&header, &hea, &mut bytes)?
        };
        let per_frame =
            recording.channels.iter().fold(0_u64, |sum, channel| sum.saturating_add(channel.per_frame as u64));
        let values = per_frame.saturating_mul(frames);
        let gaps = recording.pieces.iter().filter(|piece| piece.is_gap()).map(|piece| piece.samples as u64);
        let gaps = gaps.fold(0, u64::saturating_add).saturating_mul(per_frame);
        if values.saturating_sub(gaps.min(VALUES_OF_GAPS)) > bytes.saturating_mul(VALUES_PER_BYTE) {
            let wanted =
                format!("at most {VALUES_PER_BYTE} for each of the {bytes} bytes on disk and {VALUES_OF_GAPS} in gaps");
            return Err(Error::file(hea, "samples", values, wanted));
        }
        recording.samples = frames as usize;
        Ok(recording)
    }

    /// Read each channel into its row, as long as [`Recording::samples`] (frames of several samples are averaged) or
    /// that many times the channel's samples a frame. Gaps become NaN, or the invalid code. `stop` ends the work early.
    ///
    /// # Errors
    ///
    /// Rows that do not fit, a file that cannot be read, and with `verify` a checksum or an initial value that the
    /// samples contradict.
    pub fn read<T: Value>(&self, rows: &mut [&mut [T]], verify: bool, stop: &AtomicBool) -> Result<()> {
        let fits = |row: &&mut [T], channel: &Channel| {
            row.len() == self.samples || row.len() == self.samples * channel.per_frame
        };
        if rows.len() != self.channels.len() || !rows.iter().zip(&self.channels).all(|(row, c)| fits(row, c)) {
            let wanted = format!("{} of {} samples", self.channels.len(), self.samples);
            return Err(Error::parameter("rows", rows.len(), wanted));
        }
        for piece in &self.pieces {
            let mut outs: Vec<Option<&mut [T]>> = rows
                .iter_mut()
                .map(|row| {
                    let width = row.len() / self.samples.max(1);
                    Some(&mut row[piece.start * width..(piece.start + piece.samples) * width])
                })
                .collect();
            for file in piece.signals.chunk_by(|(_, a), (_, b)| a.file == b.file) {
                let out = |&(channel, ref signal)| Row { signal, out: outs.get_mut(channel).and_then(Option::take) };
                signal::read(&self.folder, &mut file.iter().map(out).collect::<Vec<_>>(), piece.samples, verify, stop)?;
            }
            outs.into_iter().flatten().for_each(|out| out.fill(T::gap(Format::Null)));
        }
        Ok(())
    }

    /// Frames of a record in one piece: as the header says, or as its first file holds.
    fn frames(&self, header: &Header) -> Result<u64> {
        match (header.samples, by_file(&header.signals).next()) {
            (Some(frames), _) => Ok(frames),
            (None, Some(file)) => signal::count_frames(&self.folder, file),
            (None, None) => Ok(0),
        }
    }

    /// Bytes on disk that the signals of a header need; each file is held to the frames that it must have.
    fn check_files(&self, header: &Header, frames: u64) -> Result<u64> {
        by_file(&header.signals)
            .try_fold(0_u64, |sum, file| Ok(sum.saturating_add(signal::check_size(&self.folder, file, frames)?)))
    }
}

impl Piece {
    fn is_gap(&self) -> bool {
        self.signals.iter().all(|(_, signal)| signal.format == Format::Null)
    }
}

impl Channel {
    fn of((index, signal): (usize, &Signal)) -> Self {
        let name = if signal.name.is_empty() { format!("signal {index}") } else { signal.name.clone() };
        Self { name, units: signal.units.clone(), per_frame: signal.per_frame }
    }
}

fn by_file(signals: &[Signal]) -> impl Iterator<Item = &[Signal]> {
    signals.chunk_by(|a, b| a.file == b.file)
}

/// Where a file lies that a header names: as it says, or beside the header if it was written in a folder since left.
fn locate(folder: &Path, name: &str) -> PathBuf {
    let there = folder.join(name);
    match name.rsplit_once(['/', '\\']) {
        Some((_, base)) if !there.exists() => folder.join(base),
        _ => there,
    }
}

fn read_header(path: &Path) -> Result<(Header, PathBuf, u64)> {
    let mut name = OsString::from(path);
    name.push(".hea");
    let hea = PathBuf::from(name);
    let bytes = std::fs::read(&hea).map_err(|error| Error::file(&hea, "header", error, "a readable header"))?;
    Ok((Header::parse(&bytes, &hea)?, hea, bytes.len() as u64))
}
