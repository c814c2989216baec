//! Criterion benches of the core, one group a function: `cargo bench`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::atomic::AtomicBool;

use biotl_core::design::{Band, Kind, design};
use biotl_core::resample::Resampler;
use biotl_core::wfdb::Recording;
use biotl_core::{filter, median};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn wfdb(c: &mut Criterion) {
    const SAMPLES: usize = 650_000;
    let stop = AtomicBool::new(false);
    let folder = std::env::temp_dir().join(format!("biotl-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut group = c.benchmark_group("wfdb");
    group.throughput(Throughput::Elements(2 * SAMPLES as u64));
    for (format, bytes) in [(212, 3), (16, 4), (80, 2), (311, 3)] {
        let line = format!("r.dat {format} 200 11 1024\n");
        std::fs::write(folder.join("r.hea"), format!("r 2 360 {SAMPLES}\n{line}{line}")).unwrap();
        let noise = (0..SAMPLES * bytes).map(|i| ((i * i) >> 7) as u8).collect::<Vec<_>>();
        std::fs::write(folder.join("r.dat"), noise).unwrap();
        let mut out = vec![0_f32; 2 * SAMPLES];
        group.bench_function(format!("read {format}"), |b| {
            b.iter(|| {
                let (left, right) = out.split_at_mut(SAMPLES);
                Recording::open(&folder.join("r")).unwrap().read(&mut [left, right], true, &stop).unwrap();
            });
        });
    }
    group.finish();
    std::fs::remove_dir_all(folder).unwrap();
}

/// Half an hour of a lead at 360 Hz, wandering.
fn lead() -> Vec<f64> {
    (0..650_000).map(|i| (f64::from(i) * 0.01).sin() + f64::from(i * 7919 % 1009) * 1e-3).collect()
}

fn filters(c: &mut Criterion) {
    let (x, stop) = (lead(), AtomicBool::new(false));
    let mut out = x.clone();
    let sections = design(4, Kind::Butterworth, Band::Stop(50.0, 60.0), 360.0).unwrap();
    let mut group = c.benchmark_group("filter");
    group.throughput(Throughput::Elements(x.len() as u64));
    group.bench_function("zero phase", |b| b.iter(|| filter::sosfiltfilt(&sections, &x, &stop, &mut out).unwrap()));
    group.bench_function("causal", |b| b.iter(|| filter::sosfilt(&sections, &x, &stop, &mut out).unwrap()));
    group.finish();
}

fn medians(c: &mut Criterion) {
    let (x, stop) = (lead(), AtomicBool::new(false));
    let whole: Vec<i16> = x.iter().map(|v| (v * 200.0) as i16).collect();
    let mut out = x.clone();
    let mut group = c.benchmark_group("median");
    group.throughput(Throughput::Elements(x.len() as u64));
    group.bench_function("f64", |b| b.iter(|| median::remove_median(&x, (73, 217), &stop, &mut out).unwrap()));
    group.bench_function("i16", |b| b.iter(|| median::remove_median(&whole, (73, 217), &stop, &mut out).unwrap()));
    group.finish();
}

fn resample(c: &mut Criterion) {
    let (x, stop) = (lead(), AtomicBool::new(false));
    let resampler = Resampler::new(25, 72).unwrap();
    let mut out = vec![0.0; resampler.len_out(x.len())];
    let mut group = c.benchmark_group("resample");
    group.throughput(Throughput::Elements(x.len() as u64));
    group.bench_function("360 to 125", |b| b.iter(|| resampler.run(&x, &stop, &mut out).unwrap()));
    group.finish();
}

criterion_group!(benches, wfdb, filters, medians, resample);
criterion_main!(benches);
