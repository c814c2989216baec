//! Criterion benches of the core, one group a function: `cargo bench`.
#![allow(missing_docs, clippy::unwrap_used)]

use biotl_core::wfdb::Recording;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn wfdb(c: &mut Criterion) {
    const SAMPLES: usize = 650_000;
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
                Recording::open(&folder.join("r")).unwrap().read(&mut [left, right], true).unwrap();
            });
        });
    }
    group.finish();
    std::fs::remove_dir_all(folder).unwrap();
}

criterion_group!(benches, wfdb);
criterion_main!(benches);
