//! The codings of a signal file, as signal(5) of the WFDB Applications Guide describes them.

/// How the samples of a signal file are packed into bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// No samples at all.
    Null,
    /// 8-bit first differences.
    F8,
    /// 16-bit two's complement, least significant byte first.
    F16,
    /// 24-bit two's complement, least significant byte first.
    F24,
    /// 32-bit two's complement, least significant byte first.
    F32,
    /// 16-bit two's complement, most significant byte first.
    F61,
    /// 8-bit offset binary.
    F80,
    /// 16-bit offset binary, least significant byte first.
    F160,
    /// Two 12-bit samples in three bytes.
    F212,
    /// Three 10-bit samples in four bytes, the third one spread over the spare bits.
    F310,
    /// Three 10-bit samples in four bytes, one after the other.
    F311,
}

impl Format {
    /// The format of a number in a header; what was got and what is wanted where there is none.
    pub(super) fn parse(number: u32) -> Result<Self, (u32, &'static str)> {
        Ok(match number {
            0 => Self::Null,
            8 => Self::F8,
            16 => Self::F16,
            24 => Self::F24,
            32 => Self::F32,
            61 => Self::F61,
            80 => Self::F80,
            160 => Self::F160,
            212 => Self::F212,
            310 => Self::F310,
            311 => Self::F311,
            508 | 516 | 524 => return Err((number, "a format without FLAC coding, or biotl[train] to read it")),
            _ => return Err((number, "one of 8, 16, 24, 32, 61, 80, 160, 212, 310, 311, 508, 516, 524")),
        })
    }

    /// Bytes that hold `samples` samples, `None` past what a file can be.
    #[must_use]
    pub fn bytes(self, samples: u64) -> Option<u64> {
        let (bytes, per) = self.packing();
        // the last, incomplete group ends with the last byte that one of its samples touches
        let rest = match (self, samples % per) {
            (_, 0) => 0,
            (Self::F310, 2) => 4,
            (Self::F311, 2) => 3,
            _ => 2,
        };
        (samples / per).checked_mul(bytes)?.checked_add(rest)
    }

    /// Whole samples in `bytes` bytes.
    #[must_use]
    pub fn samples(self, bytes: u64) -> u64 {
        let (group, per) = self.packing();
        if group == 0 {
            return 0;
        }
        u64::try_from(u128::from(bytes) * u128::from(per) / u128::from(group)).unwrap_or(u64::MAX)
    }

    /// Bytes and samples of the smallest group that starts on a byte.
    fn packing(self) -> (u64, u64) {
        match self {
            Self::Null => (0, 1),
            Self::F8 | Self::F80 => (1, 1),
            Self::F16 | Self::F61 | Self::F160 => (2, 1),
            Self::F24 => (3, 1),
            Self::F32 => (4, 1),
            Self::F212 => (3, 2),
            Self::F310 | Self::F311 => (4, 3),
        }
    }

    /// The code that marks a gap.
    #[must_use]
    pub fn invalid(self) -> i32 {
        match self {
            // format 8 has none; no sum of differences that a recorder writes comes near to this one
            Self::Null | Self::F8 | Self::F32 => i32::MIN,
            Self::F16 | Self::F61 | Self::F160 => -(1 << 15),
            Self::F24 => -(1 << 23),
            Self::F80 => -(1 << 7),
            Self::F212 => -(1 << 11),
            Self::F310 | Self::F311 => -(1 << 9),
        }
    }

    /// Decode as many samples as `codes` holds; bytes that are missing at the end count as zero.
    #[inline(always)]
    pub fn decode(self, bytes: &[u8], codes: &mut [i32]) {
        match self {
            Self::Null => codes.fill(self.invalid()),
            Self::F8 => each(bytes, codes, |[a]: [u8; 1]| [i32::from(a.cast_signed())]),
            Self::F16 => each(bytes, codes, |pair: [u8; 2]| [i32::from(i16::from_le_bytes(pair))]),
            Self::F24 => each(bytes, codes, |[a, b, c]: [u8; 3]| [i32::from_le_bytes([0, a, b, c]) >> 8]),
            Self::F32 => each(bytes, codes, |word: [u8; 4]| [i32::from_le_bytes(word)]),
            Self::F61 => each(bytes, codes, |pair: [u8; 2]| [i32::from(i16::from_be_bytes(pair))]),
            Self::F80 => each(bytes, codes, |[a]: [u8; 1]| [i32::from(a) - (1 << 7)]),
            Self::F160 => each(bytes, codes, |pair: [u8; 2]| [i32::from(u16::from_le_bytes(pair)) - (1 << 15)]),
            Self::F212 => each(bytes, codes, pair_212),
            Self::F310 => each(bytes, codes, |word: [u8; 4]| {
                let low = i32::from(u16::from_le_bytes([word[0], word[1]]));
                let high = i32::from(u16::from_le_bytes([word[2], word[3]]));
                [signed::<10>(low >> 1), signed::<10>(high >> 1), signed::<10>(low >> 11 | high >> 11 << 5)]
            }),
            Self::F311 => each(bytes, codes, |word: [u8; 4]| {
                let word = u32::from_le_bytes(word).cast_signed();
                [signed::<10>(word), signed::<10>(word >> 10), signed::<10>(word >> 20)]
            }),
        }
    }
}

/// The two samples of a group of format 212.
#[inline(always)]
pub(super) fn pair_212([a, b, c]: [u8; 3]) -> [i32; 2] {
    let (a, b, c) = (i32::from(a), i32::from(b), i32::from(c));
    [signed::<12>(a | b << 8), signed::<12>(c | b >> 4 << 8)]
}

/// Sign-extend the lowest `BITS` bits.
#[inline(always)]
fn signed<const BITS: u32>(value: i32) -> i32 {
    value << (32 - BITS) >> (32 - BITS)
}

#[inline(always)]
fn each<const B: usize, const S: usize>(bytes: &[u8], codes: &mut [i32], decode: impl Fn([u8; B]) -> [i32; S]) {
    let (groups, rest) = codes.as_chunks_mut::<S>();
    let (words, tail) = bytes.as_chunks::<B>();
    for (group, word) in groups.iter_mut().zip(words) {
        *group = decode(*word);
    }
    let mut last = [0; B];
    let tail = words.get(groups.len()).map_or(tail, |word| word.as_slice());
    last[..tail.len()].copy_from_slice(tail);
    let decoded = decode(last);
    let n_rest = rest.len();
    rest.copy_from_slice(&decoded[..n_rest]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [u32; 10] = [8, 16, 24, 32, 61, 80, 160, 212, 310, 311];

    fn decode(number: u32, bytes: &[u8], n: usize) -> Vec<i32> {
        let mut codes = vec![0; n];
        Format::parse(number).unwrap().decode(bytes, &mut codes);
        codes
    }

    #[test]
    fn each_format_decodes_its_extremes() {
        assert_eq!(decode(8, &[0x80, 0x7f], 2), [-128, 127]);
        assert_eq!(decode(16, &[0, 0x80, 0xff, 0x7f], 2), [-32768, 32767]);
        assert_eq!(decode(24, &[0, 0, 0x80, 0xff, 0xff, 0x7f], 2), [-8_388_608, 8_388_607]);
        assert_eq!(decode(32, &[0, 0, 0, 0x80], 1), [i32::MIN]);
        assert_eq!(decode(61, &[0x80, 0, 0x7f, 0xff], 2), [-32768, 32767]);
        assert_eq!(decode(80, &[0, 255], 2), [-128, 127]);
        assert_eq!(decode(160, &[0, 0, 255, 255], 2), [-32768, 32767]);
        assert_eq!(decode(212, &[0x00, 0x78, 0xff], 2), [-2048, 2047]);
        assert_eq!(decode(310, &[0xfe, 0x83, 0x00, 0x7c], 3), [511, -512, 496]);
        assert_eq!(decode(311, &[0xff, 0x01, 0x08, 0x20], 3), [511, -512, -512]);
    }

    #[test]
    fn an_incomplete_last_group_takes_only_the_bytes_that_it_needs() {
        assert_eq!([1, 2, 3].map(|n| Format::F212.bytes(n).unwrap()), [2, 3, 5]);
        assert_eq!([1, 2, 3, 4].map(|n| Format::F310.bytes(n).unwrap()), [2, 4, 4, 6]);
        assert_eq!([1, 2, 3, 4].map(|n| Format::F311.bytes(n).unwrap()), [2, 3, 4, 6]);
        assert_eq!(decode(212, &[0xff, 0x07], 1), [2047]);
        assert_eq!(decode(311, &[0xff, 0x01, 0x08], 2), [511, -512]);
    }

    #[test]
    fn an_absurd_count_needs_no_number_of_bytes() {
        assert_eq!(Format::F32.bytes(u64::MAX), None);
        assert_eq!(Format::F80.samples(u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_codes_in_range(which in 0..ALL.len(), bytes: Vec<u8>, n in 0usize..40) {
            let format = Format::parse(ALL[which]).unwrap();
            for code in decode(ALL[which], &bytes, n.min(format.samples(bytes.len() as u64) as usize)) {
                prop_assert!(code >= format.invalid());
            }
        }

        #[test]
        fn the_count_of_samples_undoes_the_count_of_bytes(which in 0..ALL.len(), n in 0u64..1_000_000) {
            let format = Format::parse(ALL[which]).unwrap();
            let back = format.samples(format.bytes(n).unwrap());
            prop_assert!(back == n || (format == Format::F310 && back == n + 1));
        }
    }
}
