//! What it costs to keep content: `put`, durable when it returns, beside its two ceilings on the
//! same bytes, SHA-256 alone and a plain write with fsync: `cargo bench --bench artifacts`.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails")]

use std::{
    fs::{self, File},
    hint::black_box,
    io::Write as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use matrix_architect_core::{
    id::{Digest, TenantId},
    traits::ArtifactStore as _,
};
use matrix_architect_store::files::FileArtifacts;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const MIB: usize = 1 << 20;

/// Bytes no compressor makes smaller: xorshift64*.
fn noise(size: usize) -> Bytes {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes()
    });
    words.take(size / 8).flatten().collect()
}

/// A log, as builds print them.
fn text(size: usize) -> Bytes {
    let line =
        |number: usize| format!("[{number:>6}] Compiling crate-{} v1.{number}\n", number % 97);
    (0..).flat_map(|number| line(number).into_bytes()).take(size).collect()
}

struct Bench {
    runtime: Runtime,
    artifacts: FileArtifacts,
    tenant: TenantId,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let open = FileArtifacts::open(folder.path().join("artifacts"));
        let artifacts = runtime.block_on(open).unwrap();
        Self { runtime, artifacts, tenant: TenantId::default(), folder }
    }

    /// Puts new content each time: what was put is forgotten off the clock.
    fn put(&self, content: &Bytes) -> Duration {
        let begun = Instant::now();
        let put = self.artifacts.put(&self.tenant, content);
        let (digest, _) = self.runtime.block_on(put).unwrap();
        let took = begun.elapsed();
        self.runtime.block_on(self.artifacts.delete(&self.tenant, &digest)).unwrap();
        took
    }

    fn get(&self, digest: &Digest, size: usize) -> Bytes {
        self.runtime.block_on(async {
            let stream = self.artifacts.get(&self.tenant, digest, None).await.unwrap();
            stream.collect(size).await.unwrap()
        })
    }

    fn write_and_sync(&self, content: &Bytes) -> Duration {
        let path = self.folder.path().join("plain");
        let begun = Instant::now();
        let mut file = File::create_new(&path).unwrap();
        file.write_all(content).unwrap();
        file.sync_all().unwrap();
        let took = begun.elapsed();
        fs::remove_file(path).unwrap();
        took
    }
}

fn put(criterion: &mut Criterion) {
    let bench = Bench::new();
    let contents = [
        ("put 1 MiB of noise", noise(MIB)),
        ("put 64 MiB of noise", noise(64 * MIB)),
        ("put 64 MiB of text", text(64 * MIB)),
    ];
    for (name, content) in contents {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(content.len() as u64)).sample_size(10);
        group.bench_function("artifact store", |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| bench.put(&content)).sum());
        });
        group.bench_function("ceiling: sha256", |bencher| {
            bencher.iter(|| black_box(Digest::of(&content)));
        });
        group.bench_function("ceiling: write and fsync", |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| bench.write_and_sync(&content)).sum());
        });
        group.finish();
    }
}

fn get(criterion: &mut Criterion) {
    let bench = Bench::new();
    let content = noise(64 * MIB);
    let put = bench.artifacts.put(&bench.tenant, &content);
    let (digest, _) = bench.runtime.block_on(put).unwrap();
    assert_eq!(bench.get(&digest, content.len()), content);
    let mut group = criterion.benchmark_group("get 64 MiB of noise");
    group.throughput(Throughput::Bytes(content.len() as u64)).sample_size(10);
    group.bench_function("artifact store", |bencher| {
        bencher.iter(|| bench.get(&digest, content.len()));
    });
    group.finish();
}

criterion_group!(benches, put, get);
criterion_main!(benches);
