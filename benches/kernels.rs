//! Criterion benches of the core, one group a function: `cargo bench`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::atomic::AtomicBool;

use biotl_core::filter::design::{Band, Kind, design};
use biotl_core::resample::{Beyond, Resampler};
use biotl_core::wavelet::{self, Mode, Wavelet};
use biotl_core::wfdb::Recording;
use biotl_core::{filter, kmeans, median, peaks, ppg, segment, waves, windows};
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
    group.bench_function("360 to 125", |b| b.iter(|| resampler.run(&x, Beyond::Edge, &stop, &mut out).unwrap()));
    group.finish();
}

fn wavelets(c: &mut Criterion) {
    let (x, stop) = (lead(), AtomicBool::new(false));
    let mut out = x.clone();
    let design = (Wavelet::named("db4").unwrap(), Mode::Symmetric);
    let lengths = wavelet::lengths(x.len(), design.0, design.1, 9).unwrap();
    let mut levels: Vec<Vec<f64>> = lengths.iter().map(|&n| vec![0.0; n]).collect();
    let mut group = c.benchmark_group("wavelet");
    group.throughput(Throughput::Elements(x.len() as u64));
    group.bench_function("remove_baseline", |b| {
        b.iter(|| wavelet::remove_baseline(&x, 360.0, 0.5, &stop, &mut out).unwrap());
    });
    group.bench_function("wavedec", |b| {
        b.iter(|| {
            let out = levels.iter_mut().zip(&lengths).map(|(level, &n)| (&mut level[..], n)).collect();
            wavelet::wavedec(&x, x.len(), design, &stop, out);
        });
    });
    let coeffs: Vec<(&[f64], usize)> = levels.iter().map(|level| (&level[..], level.len())).collect();
    group.bench_function("waverec", |b| {
        b.iter(|| wavelet::waverec(&coeffs, x.len(), design, &stop, &mut out).unwrap());
    });
    group.finish();
}

fn segment(c: &mut Criterion) {
    let x = lead();
    let peaks: Vec<i64> = (200..649_000).step_by(286).collect();
    let found = segment::segment(x.len(), &peaks, 360.0).unwrap();
    let mut out = vec![0.0; found.start.len() * 64];
    let mut group = c.benchmark_group("segment");
    group.throughput(Throughput::Elements(peaks.len() as u64));
    group.bench_function("fixed", |b| b.iter(|| segment::segment(x.len(), &peaks, 360.0).unwrap()));
    group.bench_function("resample to 64", |b| {
        b.iter(|| segment::resample(&x, &found.start, &found.stop, 64, &mut out).unwrap());
    });
    group.finish();
}

fn clusters(c: &mut Criterion) {
    const ROWS: usize = 20_000;
    let stop = AtomicBool::new(false);
    let mut group = c.benchmark_group("kmeans");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (length, k) in [(36, 19), (64, 25), (64, 70)] {
        let x: Vec<f32> = lead().iter().cycle().take(ROWS * length).map(|&value| value as f32).collect();
        let centroids: Vec<f32> = x.chunks_exact(length).step_by(ROWS / k).take(k).flatten().copied().collect();
        let mut labels = vec![0; ROWS];
        group.bench_function(format!("assign {length} values to {k}"), |b| {
            b.iter(|| kmeans::assign(&x, &centroids, length, &stop, &mut labels).unwrap());
        });
        if k == 19 {
            group.sample_size(10).bench_function(format!("fit {length} values to {k}"), |b| {
                b.iter(|| kmeans::fit(&x, length, k, 0, 300, &stop).unwrap());
            });
        }
    }
    group.finish();
}

fn zscores(c: &mut Criterion) {
    let stop = AtomicBool::new(false);
    let x: Vec<f32> = lead().iter().map(|&value| value as f32).collect();
    let mut group = c.benchmark_group("windows");
    for (size, hop) in [(512, 256), (512, 64), (3600, 1800)] {
        let mut out = vec![0.0; windows::count(x.len(), size, hop).unwrap() * size];
        group.throughput(Throughput::Elements(out.len() as u64));
        group.bench_function(format!("z-score of {size} every {hop}"), |b| {
            b.iter(|| windows::zscore_windows(&x, x.len(), (size, hop), 1e-6, false, &stop, &mut out).unwrap());
        });
    }
    group.finish();
}

fn beats(c: &mut Criterion) {
    let stop = AtomicBool::new(false);
    let complex = |i: usize| 1.5 - 0.25 * (i % 300).abs_diff(150).min(6) as f64;
    let ecg: Vec<f64> = lead().iter().enumerate().map(|(i, v)| 0.1 * v + complex(i)).collect();
    let pulse: Vec<f64> = (0..650_000).map(|i| (f64::from(i) * 0.02).sin()).collect();
    let rpeaks: Vec<i64> = (0..2166).map(|beat| 300 * beat + 150).collect();
    let mut group = c.benchmark_group("beats");
    group.throughput(Throughput::Elements(ecg.len() as u64));
    group.bench_function("rpeaks", |b| b.iter(|| peaks::rpeaks(&[&ecg], 360.0, &stop).unwrap()));
    group.bench_function("delineate", |b| b.iter(|| waves::delineate(&ecg, &rpeaks, 360.0, &stop).unwrap()));
    group.bench_function("ppg_peaks", |b| {
        b.iter(|| ppg::ppg_peaks(&pulse, &[], 360.0, ppg::Polarity::Shape(0.0), &stop).unwrap());
    });
    group.finish();
}

criterion_group!(benches, wfdb, filters, medians, resample, wavelets, segment, clusters, zscores, beats);
criterion_main!(benches);
