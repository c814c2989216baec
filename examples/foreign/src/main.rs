//! Ask a model that takes raw samples, without biotl and without Python.
//!
//! `ORT_DYLIB_PATH=libonnxruntime.so cargo run --release -- MODEL.onnx ECG=ecg.f32 PPG=ppg.f32`
//!
//! A file written by `biotl export --preprocess graph`, and of each of its channels the raw samples, float32,
//! little-endian, at the rate and in the unit that the model names (`io.biotl.inputs` in its metadata).

use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;
use std::{env, error::Error, fs};

fn samples(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args().skip(1);
    let model = words.next().ok_or("ask MODEL.onnx CHANNEL=FILE.f32 ...")?;
    let mut session = Session::builder()?.with_intra_threads(1)?.commit_from_file(model)?;
    let labels = session.metadata()?.custom("io.biotl.labels")?.ok_or("no labels")?;
    // a JSON list of names: every second piece between quotes
    let labels: Vec<&str> = labels.split('"').skip(1).step_by(2).collect();
    let mut feed: Vec<(String, SessionInputValue)> = Vec::new();
    for word in words {
        let (name, path) = word.split_once('=').ok_or("wanted CHANNEL=FILE.f32")?;
        let x = samples(path)?;
        feed.push((name.to_owned(), Tensor::from_array(([1, x.len()], x))?.into()));
    }
    let found = session.run(feed)?;
    let (_, answer) = found["answer"].try_extract_tensor::<i64>()?;
    let (shape, probability) = found["probability"].try_extract_tensor::<f32>()?;
    let classes = usize::try_from(shape[2])?;
    for (window, (best, p)) in answer.iter().zip(probability.chunks(classes)).enumerate() {
        let label = usize::try_from(*best).map_or("none", |best| labels[best]);
        let p: Vec<String> = p.iter().map(|of| format!("{of:.5}")).collect();
        println!("{window} {label} {}", p.join(" "));
    }
    Ok(())
}
