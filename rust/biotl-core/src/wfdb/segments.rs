//! Records of several segments: fixed layout (the same signals throughout) and variable layout (signals come and go).

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::format::Format;
use super::header::{Header, Signal};
use super::{Channel, Piece, Recording, locate, read_header};
use crate::{Error, Result};

impl Recording {
    /// Open every segment of `header` and lay it on the time line; the frames of the whole, and in `bytes` the bytes on
    /// disk that the segments need.
    pub(super) fn open_segments(&mut self, header: &Header, hea: &Path, bytes: &mut u64) -> Result<u64> {
        let variable = header.segments.first().is_some_and(|first| first.samples == 0);
        if variable {
            let (layout, _, _) = self.segment(header, hea, &header.segments[0].name)?;
            self.channels = layout.signals.iter().enumerate().map(Channel::of).collect();
        }
        let mut known: Vec<bool> = vec![false; self.channels.len()];
        let mut seen = HashSet::new();
        let mut start = 0_u64;
        for segment in &header.segments[usize::from(variable)..] {
            let mut piece = Piece { start: start as usize, samples: segment.samples as usize, signals: Vec::new() };
            start = start.saturating_add(segment.samples);
            if segment.name != "~" {
                let (inner, inner_hea, n_header) = self.segment(header, hea, &segment.name)?;
                let samples = inner.samples.unwrap_or(segment.samples);
                if samples != segment.samples {
                    let wanted = format!("{} as {} says", segment.samples, hea.display());
                    return Err(Error::file(inner_hea, "samples", samples, wanted));
                }
                let n_signals = self.check_files(&inner, samples)?;
                // a segment may come again, and its bytes then hold no more than before
                if seen.insert(segment.name.as_str()) {
                    *bytes = bytes.saturating_add(n_header).saturating_add(n_signals);
                }
                if !variable && self.channels.is_empty() {
                    self.channels = inner.signals.iter().enumerate().map(Channel::of).collect();
                    known = vec![true; self.channels.len()];
                }
                piece.signals = self.place(inner, &inner_hea, variable, &mut known)?;
            }
            if piece.samples > 0 {
                self.pieces.push(piece);
            }
        }
        if header.n_signals != self.channels.len() {
            return Err(Error::file(
                hea,
                "signals",
                header.n_signals,
                format!("{} as in the segments", self.channels.len()),
            ));
        }
        match header.samples {
            Some(samples) if samples != start => {
                Err(Error::file(hea, "samples", samples, format!("{start}, the sum of the segments")))
            }
            _ => Ok(start),
        }
    }

    /// The header of one segment.
    fn segment(&self, header: &Header, hea: &Path, name: &str) -> Result<(Header, std::path::PathBuf, u64)> {
        let opened = read_header(&locate(&self.folder, &format!("{name}.hea")).with_extension(""))?;
        if !opened.0.segments.is_empty() {
            return Err(Error::file(&opened.1, "segments", opened.0.segments.len(), "a segment in one piece"));
        }
        if opened.0.fs != header.fs {
            let wanted = format!("{} Hz as {} says", header.fs, hea.display());
            return Err(Error::file(&opened.1, "rate", opened.0.fs, wanted));
        }
        Ok(opened)
    }

    /// The signals of a segment beside the channels that they belong to: by position in a fixed layout, by name in a
    /// variable one, where signals of one name keep their order. `known` marks the channels whose unit a segment has given; a layout does not know the units.
    fn place(
        &mut self,
        header: Header,
        hea: &Path,
        variable: bool,
        known: &mut [bool],
    ) -> Result<Vec<(usize, Signal)>> {
        if !variable && header.signals.len() != self.channels.len() {
            let wanted = format!("{} as in the first segment", self.channels.len());
            return Err(Error::file(hea, "signals", header.signals.len(), wanted));
        }
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, channel) in self.channels.iter().enumerate().rev() {
            by_name.entry(&channel.name).or_default().push(index);
        }
        let names: Vec<String> = header.signals.iter().enumerate().map(|pair| Channel::of(pair).name).collect();
        let found: Vec<Option<usize>> = names.iter().map(|name| by_name.get_mut(name.as_str())?.pop()).collect();
        let mut placed = Vec::with_capacity(header.signals.len());
        for (index, ((signal, name), found)) in header.signals.into_iter().zip(names).zip(found).enumerate() {
            let at = if variable { found } else { Some(index) };
            let Some((at, channel)) = at.and_then(|at| Some((at, self.channels.get_mut(at)?))) else {
                return Err(Error::file(hea, "signal name", name, "a name in the layout of the record"));
            };
            if signal.format == Format::Null {
                placed.push((at, signal)); // no samples, so no unit either
                continue;
            }
            if !std::mem::replace(&mut known[at], true) {
                channel.units.clone_from(&signal.units);
            }
            for (field, got, wanted) in [
                ("signal name", &name, &channel.name),
                ("units", &signal.units, &channel.units),
                ("samples per frame", &signal.per_frame.to_string(), &channel.per_frame.to_string()),
            ] {
                if got != wanted {
                    return Err(Error::file(hea, field, got, format!("{wanted} as in the segments before")));
                }
            }
            placed.push((at, signal));
        }
        Ok(placed)
    }
}
