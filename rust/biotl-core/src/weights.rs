//! Weights of the networks: a safetensors file of named tensors a verb, and beside it the SHA-256 that it must have.
//!
//! `benches/weights.py` writes both. Whatever is not as it was written is refused at the first use, since a network with
//! a wrong number in it answers like any other.

use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// The tensors of a file; those that were asked for are counted.
pub(crate) struct Weights<'a> {
    file: &'static str,
    tensors: SafeTensors<'a>,
    taken: usize,
}

impl<'a> Weights<'a> {
    /// Opens a file, given as its bytes, whose digest `sha256` begins with (as `sha256sum` writes it) and whose networks
    /// learnt on this `revision` of the features.
    ///
    /// # Errors
    /// Another digest, no file of tensors, or another revision.
    pub(crate) fn open(file: &'static str, bytes: &'a [u8], sha256: &str, revision: &str) -> Result<Self> {
        let wanted = sha256.split_whitespace().next().unwrap_or_default();
        let got = digest(bytes);
        if got != wanted {
            return Err(Error::file(file, "sha256", got, wanted));
        }
        let broken = |e| Error::file(file, "header", e, "a whole safetensors file");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
        let got = header.metadata().as_ref().and_then(|about| about.get("revision")).map_or("none", String::as_str);
        if got != revision {
            return Err(Error::file(file, "revision", got, format!("{revision}, that of the features")));
        }
        Ok(Self { file, tensors, taken: 0 })
    }

    /// The numbers of a tensor.
    ///
    /// # Errors
    /// No such tensor, other numbers than `f32`, another shape, or a number that is not finite.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let wrong = |got: String| Error::file(self.file, name, got, format!("finite float32 {shape:?}"));
        let tensor = self.tensors.tensor(name).map_err(|_| wrong("no such tensor".into()))?;
        if (tensor.dtype(), tensor.shape()) != (Dtype::F32, shape) {
            return Err(wrong(format!("{} {:?}", tensor.dtype(), tensor.shape())));
        }
        let values: Vec<f32> =
            tensor.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if let Some(odd) = values.iter().find(|v| !v.is_finite()) {
            return Err(wrong(odd.to_string()));
        }
        self.taken += 1;
        Ok(values)
    }

    /// All that is in the file has been taken.
    ///
    /// # Errors
    /// Tensors that nobody asked for: the file is of another network.
    pub(crate) fn end(self) -> Result<()> {
        let held = self.tensors.len();
        if held == self.taken { Ok(()) } else { Err(Error::file(self.file, "tensors", held, self.taken)) }
    }
}

fn digest(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{TensorView, serialize};

    use super::*;

    const PEAKS: (&[u8], &str) = (include_bytes!("peaks/peaks.safetensors"), include_str!("peaks/peaks.sha256"));

    /// A file of one tensor, and what opening it and taking a tensor of a name and shape comes to.
    fn taken(values: &[f32], name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![values.len()], &data).unwrap();
        let about = [("revision".to_string(), "1".to_string())].into_iter().collect();
        let bytes = serialize([("bias", view)], Some(about)).unwrap();
        let mut weights = Weights::open("test", &bytes, &digest(&bytes), "1")?;
        let values = weights.take(name, shape)?;
        weights.end()?;
        Ok(values)
    }

    fn message<T>(result: Result<T>) -> String {
        result.err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_flipped_bit_is_an_error_wherever_it_is() {
        let (bytes, sha256) = PEAKS;
        Weights::open("peaks", bytes, sha256, "1").unwrap();
        for at in [0, 8, 100, bytes.len() / 2, bytes.len() - 1] {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            let error = message(Weights::open("peaks", &bytes, sha256, "1"));
            assert!(error.starts_with("peaks: sha256: got "), "{at}: {error}");
        }
    }

    #[test]
    fn a_file_cut_short_is_an_error_even_with_its_own_digest() {
        for length in [0, 7, 300, PEAKS.0.len() - 4] {
            let bytes = &PEAKS.0[..length];
            let error = message(Weights::open("peaks", bytes, &digest(bytes), "1"));
            assert!(error.starts_with("peaks: header: got "), "{length}: {error}");
        }
    }

    #[test]
    fn weights_of_other_features_are_stale() {
        let error = message(Weights::open("peaks", PEAKS.0, PEAKS.1, "2"));
        assert_eq!(error, "peaks: revision: got 1, wanted 2, that of the features");
    }

    #[test]
    fn a_tensor_is_there_and_of_its_shape_or_an_error() {
        assert_eq!(taken(&[1.0, 2.0], "bias", &[2]).unwrap(), [1.0, 2.0]);
        let error = message(taken(&[1.0, 2.0], "shift", &[2]));
        assert_eq!(error, "test: shift: got no such tensor, wanted finite float32 [2]");
        let error = message(taken(&[1.0, 2.0], "bias", &[3]));
        assert_eq!(error, "test: bias: got F32 [2], wanted finite float32 [3]");
        assert_eq!(message(taken(&[f32::NAN], "bias", &[1])), "test: bias: got NaN, wanted finite float32 [1]");
    }

    #[test]
    fn a_tensor_that_nobody_wants_is_an_error() {
        let (bytes, sha256) = PEAKS;
        let weights = Weights::open("peaks", bytes, sha256, "1").unwrap();
        assert_eq!(message(weights.end()), "peaks: tensors: got 8, wanted 0");
    }
}
