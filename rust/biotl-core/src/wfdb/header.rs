//! The text header of a record: `NAME.hea`, as header(5) of the WFDB Applications Guide describes it.

use std::collections::HashSet;
use std::path::Path;

use super::format::Format;
use crate::{Error, Result};

/// What a header says of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Frames a second.
    pub fs: f64,
    /// Frames in the record; `None` where the header leaves it to the size of the signal file.
    pub samples: Option<u64>,
    /// One entry a signal; empty in the header of a multi-segment record.
    pub signals: Vec<Signal>,
    /// One entry a segment; empty in the header of a single segment.
    pub segments: Vec<Segment>,
    /// Signals that the record line announces.
    pub n_signals: usize,
    /// Comment lines without their `#`.
    pub comments: Vec<String>,
}

/// One signal line: where the samples lie and what they mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Name of the signal file in the folder of the header; `~` for none.
    pub file: String,
    /// Coding of the samples.
    pub format: Format,
    /// Samples a frame.
    pub per_frame: usize,
    /// Frames by which the signal lags in its file.
    pub skew: usize,
    /// Bytes before the first sample.
    pub offset: u64,
    /// ADC units per physical unit.
    pub gain: f64,
    /// ADC code of physical zero.
    pub baseline: i32,
    /// Physical unit.
    pub units: String,
    /// Code of the first sample, where the header gives it.
    pub initial: Option<i32>,
    /// Sum of all codes modulo 65536, where the header gives it.
    pub checksum: Option<i16>,
    /// What the signal is: `MLII`, `PLETH`.
    pub name: String,
}

/// One segment line.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Record name of the segment; `~` for a gap.
    pub name: String,
    /// Frames in the segment; zero in the layout of a variable-layout record.
    pub samples: u64,
}

/// Where a complaint about a header points to.
struct Line<'a> {
    path: &'a Path,
    number: usize,
}

impl Line<'_> {
    fn refuse(&self, field: &str, got: impl ToString, wanted: impl ToString) -> Error {
        Error::file(self.path, format!("line {}, {field}", self.number), got, wanted)
    }

    fn number<T: std::str::FromStr>(&self, field: &str, text: &str, wanted: &str) -> Result<T> {
        text.parse().map_err(|_| self.refuse(field, if text.is_empty() { "nothing" } else { text }, wanted))
    }

    fn file_name<'t>(&self, field: &str, text: &'t str) -> Result<&'t str> {
        // a header that names files elsewhere is not to be followed there; a folder below its own is another matter
        let odd = |part: &str| part.is_empty() || part == ".." || part == "." || part.contains([':', '\0']);
        if text.split(['/', '\\']).any(odd) {
            return Err(self.refuse(field, text, "a name in the folder of the header"));
        }
        Ok(text)
    }
}

impl Header {
    /// Parse the bytes of a header; `path` only names the file in errors.
    ///
    /// # Errors
    ///
    /// The first line that does not follow header(5), with its number and field.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let text = decode(bytes);
        let mut comments = Vec::new();
        let mut lines = Vec::new();
        for (index, line) in text.lines().flat_map(|line| line.split('\r')).map(str::trim).enumerate() {
            if let Some(comment) = line.strip_prefix('#') {
                comments.push(comment.trim_matches([' ', '\t', '#']).to_owned());
            } else if !line.is_empty() {
                lines.push((Line { path, number: index + 1 }, line));
            }
        }
        let mut lines = lines.into_iter();
        let Some((line, text)) = lines.next() else {
            return Err(Error::file(path, "record line", "an empty header", "NAME SIGNALS [RATE [SAMPLES]]"));
        };
        let (mut header, segments) = Self::record_line(&line, text)?;
        header.comments = comments;
        let mut seen = HashSet::new();
        for (line, text) in lines {
            if segments == 0 {
                let signal = Signal::parse(&line, text)?;
                let before = header.signals.last().filter(|before| before.file == signal.file);
                match before {
                    _ if signal.format == Format::Null => {}
                    None if !seen.insert(signal.file.clone()) => {
                        return Err(line.refuse("file", signal.file, "the signals of a file one after the other"));
                    }
                    Some(before) if before.format != signal.format => {
                        let wanted = format!("{:?} as the line above says of the file", before.format);
                        return Err(line.refuse("format", format!("{:?}", signal.format), wanted));
                    }
                    _ => {}
                }
                header.signals.push(signal);
            } else {
                header.segments.push(Segment::parse(&line, text)?);
            }
        }
        let (field, got, wanted) = if segments == 0 {
            ("signal lines", header.signals.len(), header.n_signals)
        } else {
            ("segment lines", header.segments.len(), segments)
        };
        if got == wanted { Ok(header) } else { Err(Error::file(path, field, got, format!("{wanted} as line 1 says"))) }
    }

    /// The record line and the segments that it announces, zero where the record is in one piece.
    fn record_line(line: &Line, text: &str) -> Result<(Self, usize)> {
        let mut fields = text.split_ascii_whitespace();
        let (name, segments) =
            fields.next().unwrap_or_default().rsplit_once('/').map_or(("", None), |(a, b)| (a, Some(b)));
        // `mitdb/100` in 100.hea is a record in a folder, not one of a hundred segments
        let stem = line.path.file_stem().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
        let folder = |text: &str| text.contains(|c: char| !c.is_ascii_digit()) || (text == stem && name != stem);
        let segments = match segments {
            None => 0,
            Some(text) if folder(text) => 0,
            Some(text) => line.number::<std::num::NonZeroUsize>("segments", text, "a count of at least 1")?.get(),
        };
        let n_signals = line.number("signals", fields.next().unwrap_or_default(), "a whole number")?;
        let fs = match fields.next().map(|text| split(text, '/').0) {
            None | Some("") => 250.0,
            Some(text) => line.number("rate", text, "a positive number of Hz")?,
        };
        if !(f64::MIN_POSITIVE..=1e12).contains(&fs) {
            return Err(line.refuse("rate", fs, "a positive number of Hz"));
        }
        let samples = match fields.next() {
            None => None,
            Some(text) => Some(line.number("samples", text, "a whole number")?).filter(|&count| count > 0),
        };
        let (signals, segment_lines, comments) = (Vec::new(), Vec::new(), Vec::new());
        Ok((Self { fs, samples, signals, segments: segment_lines, n_signals, comments }, segments))
    }
}

impl Signal {
    fn parse(line: &Line, text: &str) -> Result<Self> {
        let mut rest = text;
        let mut field = || {
            let (head, tail) = rest.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((rest, ""));
            rest = tail.trim_start();
            head
        };
        let file = line.file_name("file", field())?.to_owned();
        let coding = field();
        let (coding, offset) = split(coding, '+');
        let (coding, skew) = split(coding, ':');
        let (format, per_frame) = split(coding, 'x');
        let format = Format::parse(line.number("format", format, "a format number such as 212")?)
            .map_err(|(got, wanted)| line.refuse("format", got, wanted))?;
        let scale = field();
        let (scale, units) = split(scale, '/');
        let (gain, baseline) = split(scale, '(');
        let gain = match gain {
            "" => 200.0,
            text => match line.number("gain", text, "a number of ADC units")? {
                0.0 => 200.0,
                gain => gain,
            },
        };
        if !f64::is_finite(gain) {
            return Err(line.refuse("gain", gain, "a finite number of ADC units"));
        }
        field(); // the resolution of the ADC says nothing that the format does not
        let zero = optional(line, "ADC zero", field())?.unwrap_or(0);
        let baseline = match baseline {
            None => zero,
            Some(text) => optional(line, "baseline", text.trim_end_matches(')'))?.unwrap_or(zero),
        };
        let initial = optional(line, "initial value", field())?;
        // written by some as unsigned
        let checksum = optional::<i32>(line, "checksum", field())?.map(|sum| sum as i16);
        field(); // block size: only for tapes
        Ok(Self {
            file,
            format,
            per_frame: match optional(line, "samples per frame", per_frame.unwrap_or_default())? {
                Some(0) => return Err(line.refuse("samples per frame", 0, "at least 1")),
                count => count.unwrap_or(1),
            },
            skew: optional(line, "skew", skew.unwrap_or_default())?.unwrap_or(0),
            offset: optional(line, "byte offset", offset.unwrap_or_default())?.unwrap_or(0),
            gain,
            baseline,
            units: units.filter(|units| !units.is_empty()).unwrap_or("mV").to_owned(),
            initial,
            checksum,
            name: rest.trim_end().to_owned(),
        })
    }
}

impl Segment {
    fn parse(line: &Line, text: &str) -> Result<Self> {
        let mut fields = text.split_ascii_whitespace();
        let name = line.file_name("segment name", fields.next().unwrap_or_default())?.to_owned();
        let samples = line.number("segment samples", fields.next().unwrap_or_default(), "a whole number")?;
        Ok(Self { name, samples })
    }
}

fn optional<T: std::str::FromStr>(line: &Line, field: &str, text: &str) -> Result<Option<T>> {
    if text.is_empty() { Ok(None) } else { line.number(field, text, "a whole number in range").map(Some) }
}

fn split(text: &str, by: char) -> (&str, Option<&str>) {
    text.split_once(by).map_or((text, None), |(head, tail)| (head, Some(tail)))
}

/// Headers are ASCII by the standard and UTF-8 or Latin-1 in the wild, mostly for the sign of micro.
fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|&byte| byte as char).collect(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Header> {
        Header::parse(text.as_bytes(), Path::new("x.hea"))
    }

    #[test]
    fn a_header_with_its_oddities_is_read() {
        let header = parse(
            "\u{feff}sel100 2 250/360(7) 225000 8:26:04\r\nsel100.dat 212x4:3+24 200(-5)/mmHg 11 1024 -19 46117 0 ABP left \r\nb.dat 16\r\n# age 69 #\r\n",
        )
        .unwrap();
        assert_eq!((header.fs, header.samples), (250.0, Some(225_000)));
        assert_eq!(header.comments, ["age 69"]);
        let first = &header.signals[0];
        assert_eq!((first.per_frame, first.skew, first.offset, first.baseline), (4, 3, 24, -5));
        assert_eq!((first.units.as_str(), first.name.as_str()), ("mmHg", "ABP left"));
        assert_eq!((first.initial, first.checksum), (Some(-19), Some(-19419)));
        let second = &header.signals[1];
        assert_eq!((second.gain, second.baseline, second.units.as_str()), (200.0, 0, "mV"));
        assert_eq!((second.initial, second.checksum, second.name.as_str()), (None, None, ""));
    }

    #[test]
    fn a_missing_baseline_is_the_zero_of_the_adc_and_a_missing_rate_250() {
        let header = parse("a 1\na.dat 212 0 11 1024").unwrap();
        assert_eq!((header.fs, header.samples), (250.0, None));
        assert_eq!((header.signals[0].gain, header.signals[0].baseline), (200.0, 1024));
    }

    #[test]
    fn every_refusal_names_line_and_field() {
        for (text, wanted) in [
            ("", "x.hea: record line: got an empty header, wanted NAME SIGNALS [RATE [SAMPLES]]"),
            ("a", "x.hea: line 1, signals: got nothing, wanted a whole number"),
            ("a 1 -360", "x.hea: line 1, rate: got -360, wanted a positive number of Hz"),
            ("a 2 360 10\na.dat 16", "x.hea: signal lines: got 1, wanted 2 as line 1 says"),
            ("a/0 1", "x.hea: line 1, segments: got 0, wanted a count of at least 1"),
            ("a/99999999999 1", "x.hea: segment lines: got 0, wanted 99999999999 as line 1 says"),
            ("a 1\n../b.dat 16", "x.hea: line 2, file: got ../b.dat, wanted a name in the folder of the header"),
            ("a 1\na.dat 16x0", "x.hea: line 2, samples per frame: got 0, wanted at least 1"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), wanted);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Header::parse(&bytes, Path::new("x.hea"));
        }

        #[test]
        fn no_text_like_a_header_panics(text in "[a-z~/]{1,3} [0-9/]{0,4}( [-0-9/().x:+ea#\u{b5}]{0,9}){0,3}(\r?\n[a.~]{1,4} [0-9x:+]{1,9}( [-0-9/(). ]{0,9}){0,9}){0,3}") {
            let _ = parse(&text);
        }
    }
}
