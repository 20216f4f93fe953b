//! What the benches share: a case is measured by criterion, or run once when nobody asked for figures.
//!
//! Enters: the command line, and routines that say how long the part took that counts. Leaves: criterion's reports. Always
//! true: without `--bench` (that is under `cargo test`) every case runs exactly once, so its assertions hold or it fails.

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput};

/// Runs the cases of one bench.
pub(crate) struct Bench {
    /// None: each case once, unmeasured.
    criterion: Option<Criterion>,
}

impl Bench {
    /// Reads the command line. `samples` are taken of each case, within about `seconds`.
    pub(crate) fn from_args(samples: usize, seconds: u64) -> Bench {
        let measured = std::env::args().any(|arg| arg == "--bench");
        let criterion = measured.then(|| {
            Criterion::default()
                .sample_size(samples)
                .warm_up_time(Duration::from_secs(1))
                .measurement_time(Duration::from_secs(seconds))
                .configure_from_args()
        });
        Bench { criterion }
    }

    /// Whether this is about figures, and so about full sizes.
    pub(crate) fn is_measured(&self) -> bool {
        self.criterion.is_some()
    }

    /// Measures `routine`, which returns how long the part took that counts.
    pub(crate) fn case(
        &mut self,
        group: &str,
        name: &str,
        throughput: Throughput,
        mut routine: impl FnMut() -> Duration,
    ) {
        let Some(criterion) = &mut self.criterion else {
            routine();
            return;
        };
        let mut group = criterion.benchmark_group(group);
        group.throughput(throughput);
        group.sampling_mode(SamplingMode::Flat);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| (0..iterations).map(|_| routine()).sum());
        });
        group.finish();
    }

    /// Ends the reports.
    pub(crate) fn finish(self) {
        if let Some(criterion) = self.criterion {
            criterion.final_summary();
        }
    }
}

/// How long `work` takes, and what it returns.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn stopwatch<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed())
}
