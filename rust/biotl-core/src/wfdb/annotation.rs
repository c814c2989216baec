//! Annotation files in the MIT format: `.atr`, `.q1c`, `.pu0`, as annot(5) of the WFDB Applications Guide describes them.

use std::path::Path;

use crate::{Error, Result};

const NOTE: u8 = 22;
const SKIP: u8 = 59;
const NUM: u8 = 60;
const SUB: u8 = 61;
const CHN: u8 = 62;
const AUX: u8 = 63;

/// The symbol of each code; codes without one are written as their number in brackets.
const SYMBOLS: &[u8; 42] = b" NLRaVFJASEj/Q~ | sT*D\"=pB^t+u?![]en@xf()r";

/// The marks of one annotation file, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marks {
    /// Sample index of each mark.
    pub sample: Vec<i64>,
    /// Code of each mark, 1 to 58.
    pub code: Vec<u8>,
    /// Field `subtyp`.
    pub subtype: Vec<i8>,
    /// Field `chan`.
    pub channel: Vec<u8>,
    /// Field `num`.
    pub number: Vec<i8>,
    /// The marks that carry text, by their index.
    pub aux: Vec<(usize, String)>,
    /// Samples a second that the file itself states.
    pub resolution: Option<f64>,
    /// Symbols that the file itself defines, by their code.
    pub custom: Vec<(u8, String)>,
}

/// A mark whose further fields are still to come.
struct Mark {
    time: i64,
    code: u8,
    subtype: i8,
    aux: String,
}

impl Marks {
    /// Read an annotation file.
    ///
    /// # Errors
    ///
    /// A file that is missing or that [`Marks::parse`] refuses.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)
            .map_err(|error| Error::file(path, "annotations", error, "a readable annotation file"))?;
        Self::parse(&bytes, path)
    }

    /// Parse the bytes of an annotation file; `path` only names the file in errors.
    ///
    /// # Errors
    ///
    /// A file that ends before its end marker, and a time before the start of the record.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let mut words = bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_le_bytes(pair));
        let end = || Error::file(path, "annotations", "the end of the file", "an end marker: the file is cut short");
        let mut marks = Self::default();
        let mut current: Option<Mark> = None;
        let (mut time, mut channel, mut number, mut defining) = (0_i64, 0, 0, false);
        loop {
            let word = words.next().ok_or_else(end)?;
            let (code, low) = ((word >> 10) as u8, word & 0x3ff);
            match (code, &mut current) {
                (SKIP, _) => {
                    // a long of the PDP-11: the high word comes first
                    let (high, low) = words.next().zip(words.next()).ok_or_else(end)?;
                    time += i64::from((u32::from(high) << 16 | u32::from(low)).cast_signed());
                }
                (NUM, _) => number = low as i8,
                (CHN, _) => channel = low as u8,
                (SUB, Some(mark)) => mark.subtype = low as i8,
                (AUX, mark) => {
                    let n = usize::from(low & 0xff);
                    let text: Vec<u8> = words.by_ref().take(n.div_ceil(2)).flat_map(u16::to_le_bytes).take(n).collect();
                    if text.len() < n {
                        return Err(end());
                    }
                    if let Some(mark) = mark {
                        mark.aux = text.iter().map(|&byte| byte as char).collect();
                    }
                }
                (SUB, None) => {}
                _ => {
                    if let Some(mark) = current.take() {
                        marks.keep(&mark, channel, number, &mut defining);
                    }
                    if word == 0 {
                        return Ok(marks);
                    }
                    time += i64::from(low);
                    if time < 0 {
                        let field = format!("time of annotation {}", marks.code.len());
                        return Err(Error::file(path, field, time, "a sample of the record, 0 or later"));
                    }
                    current = Some(Mark { time, code, subtype: 0, aux: String::new() });
                }
            }
        }
    }

    /// Append a mark, unless it is none: code 0, or a note at the very start that states something about the file.
    fn keep(&mut self, mark: &Mark, channel: u8, number: i8, defining: &mut bool) {
        if mark.code == 0 || (mark.code == NOTE && mark.time == 0 && self.define(&mark.aux, defining)) {
            return;
        }
        let text = mark.aux.trim_end_matches('\0');
        if !text.is_empty() {
            self.aux.push((self.code.len(), text.to_owned()));
        }
        self.sample.push(mark.time);
        self.code.push(mark.code);
        self.subtype.push(mark.subtype);
        self.channel.push(channel);
        self.number.push(number);
    }

    /// Take up what a note states about the file; false where it is a plain note.
    fn define(&mut self, text: &str, defining: &mut bool) -> bool {
        let text = text.trim_end_matches(['\0', ' ']);
        if let Some(rate) = text.strip_prefix("## time resolution: ") {
            self.resolution = rate.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
            self.resolution.is_some()
        } else if text == "## annotation type definitions" || text == "## end of definitions" {
            *defining = text == "## annotation type definitions";
            true
        } else if *defining {
            let mut fields = text.splitn(3, ' ');
            if let (Some(Ok(code)), Some(symbol)) = (fields.next().map(str::parse), fields.next()) {
                self.custom.push((code, symbol.to_owned()));
            }
            true
        } else {
            false
        }
    }

    /// The symbols as one grid of Unicode code points, and its width: `NumPy`'s layout of fixed-width strings.
    #[must_use]
    pub fn symbols(&self) -> (usize, Vec<u32>) {
        let names: Vec<Vec<u32>> = (0..=u8::MAX >> 2).map(|code| self.symbol(code)).collect();
        let width = self.code.iter().map(|&code| names[usize::from(code)].len()).max().unwrap_or(1);
        let mut grid = Vec::with_capacity(self.code.len() * width);
        for &code in &self.code {
            let name = &names[usize::from(code)];
            grid.extend(name.iter().copied().chain(std::iter::repeat_n(0, width - name.len())));
        }
        (width, grid)
    }

    fn symbol(&self, code: u8) -> Vec<u32> {
        if let Some((_, name)) = self.custom.iter().rfind(|(own, _)| *own == code) {
            return name.chars().map(u32::from).collect();
        }
        match SYMBOLS.get(usize::from(code)) {
            Some(&symbol) if symbol != b' ' => vec![u32::from(symbol)],
            _ => format!("[{code}]").chars().map(u32::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word(code: u8, low: u16) -> [u8; 2] {
        (u16::from(code) << 10 | low).to_le_bytes()
    }

    fn parse(words: &[[u8; 2]]) -> Result<Marks> {
        Marks::parse(words.as_flattened(), Path::new("x.atr"))
    }

    #[test]
    fn every_kind_of_word_is_understood() {
        let marks = parse(&[
            word(28, 18),
            word(AUX, 3),
            *b"(N",
            [0, 0],
            word(1, 59),
            word(SUB, 0xff),
            word(CHN, 200),
            word(NUM, 2),
            word(SKIP, 0),
            [1, 0],
            [0, 0],
            word(5, 1),
            word(47, 3),
            [0, 0],
        ])
        .unwrap();
        assert_eq!(marks.sample, [18, 77, 65_536 + 78, 65_536 + 81]);
        assert_eq!(marks.aux, [(0, "(N".to_owned())]);
        assert_eq!(
            (marks.subtype, marks.channel, marks.number),
            (vec![0, -1, 0, 0], vec![0, 200, 200, 200], vec![0, 2, 2, 2])
        );
    }

    #[test]
    fn a_code_without_a_symbol_is_its_number_in_brackets() {
        let (width, grid) = parse(&[word(1, 1), word(47, 1), [0, 0]]).unwrap().symbols();
        assert_eq!((width, grid), (4, "N\0\0\0[47]".chars().map(u32::from).collect()));
    }

    #[test]
    fn a_file_that_is_cut_short_is_refused() {
        for words in
            [&[word(1, 18)][..], &[word(1, 1), word(SKIP, 0), [1, 0]], &[word(1, 1), word(AUX, 9), [65, 66]], &[]]
        {
            assert!(parse(words).unwrap_err().to_string().ends_with("wanted an end marker: the file is cut short"));
        }
    }

    #[test]
    fn a_time_before_the_record_is_refused() {
        let error = parse(&[word(SKIP, 0), [0xff, 0xff], [0, 0], word(1, 0), [0, 0]]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "x.atr: time of annotation 0: got -65536, wanted a sample of the record, 0 or later"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            if let Ok(marks) = Marks::parse(&bytes, Path::new("x.atr")) {
                prop_assert_eq!(marks.symbols().1.len(), marks.symbols().0 * marks.code.len());
            }
        }
    }
}
