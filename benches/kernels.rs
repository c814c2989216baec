//! Criterion benches of the core, one group a function: `cargo bench`.
use criterion::{criterion_group, criterion_main};

criterion_group!(benches,);
criterion_main!(benches);
