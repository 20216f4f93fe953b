//! Time, CPU time and memory, as figures.
//!
//! Enters: work. Leaves: how long it took, medians, ratios. Always true: what is compared runs in turn, round by round, and
//! each round changes who begins; a figure has about four digits that mean something.

use serde_json::{Value, json};

use crate::edge::clock::elapsed_us;

/// What `work` returns, and the seconds that it took.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begun = elapsed_us();
    let done = work();
    (done, seconds(elapsed_us() - begun))
}

/// Microseconds as seconds; never zero, so that it can be divided by.
#[expect(clippy::cast_precision_loss, reason = "a duration for a ratio")]
pub(super) fn seconds(us: u64) -> f64 {
    us.max(1) as f64 / 1e6
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "a count for a ratio")]
pub(super) fn figure(count: u64) -> f64 {
    count as f64
}

/// The middle one; of an even number, the larger of both.
pub(super) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// To four digits.
pub(super) fn rounded(figure: f64) -> f64 {
    if figure == 0.0 || !figure.is_finite() {
        return figure;
    }
    let digits = 3.0 - figure.abs().log10().floor();
    let scale = 10_f64.powf(digits.clamp(0.0, 9.0));
    (figure * scale).round() / scale
}

/// The seconds that two sides took in each round.
#[derive(Debug, Default)]
pub(super) struct Duel {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Duel {
    /// Lets both sides run in turn, `rounds` times; each returns its seconds.
    pub(super) fn run(rounds: usize, mut ours: impl FnMut() -> f64, mut theirs: impl FnMut() -> f64) -> Duel {
        let mut duel = Duel::default();
        for round in 0..rounds {
            if round % 2 == 0 {
                duel.ours.push(ours());
                duel.theirs.push(theirs());
            } else {
                duel.theirs.push(theirs());
                duel.ours.push(ours());
            }
        }
        duel
    }

    /// How many times as long the others took: the median of the rounds.
    pub(super) fn ratio(&self) -> f64 {
        let ratios: Vec<f64> =
            self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| theirs / ours).collect();
        median(&ratios)
    }

    /// Our seconds.
    pub(super) fn ours(&self) -> f64 {
        median(&self.ours)
    }

    /// Theirs.
    pub(super) fn theirs(&self) -> f64 {
        median(&self.theirs)
    }
}

/// Nanoseconds for each of `count`.
pub(super) fn ns_each(seconds: f64, count: u64) -> f64 {
    rounded(seconds * 1e9 / figure(count))
}

/// How many a second.
pub(super) fn per_second(count: u64, seconds: f64) -> f64 {
    (figure(count) / seconds).round()
}

/// What every detail says about this machine and program.
pub(super) fn machine() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    // No global allocator is set: Rust takes the system's.
    json!({ "cores": cores, "allocator": "system" })
}

/// Ticks of CPU time in a second: `USER_HZ`, which Linux shows as 100 to every program.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds of this process so far, all threads, user and system; none where the system does not tell.
pub(super) fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may hold anything but ends with the last parenthesis; user and system time are fields 14, 15.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// Memory that could be had without swapping; none where the system does not tell.
pub(super) fn available_bytes() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Says what is missing if so much memory cannot be had.
pub(super) fn without_room(needed_bytes: u64) -> Option<String> {
    let available = available_bytes()?;
    (available < needed_bytes).then(|| {
        let gib = |bytes: u64| rounded(figure(bytes) / figure(1 << 30));
        format!("{} GiB of memory; {} GiB are available", gib(needed_bytes), gib(available))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits() {
        for (figure, wanted) in
            [(0.0, 0.0), (1.0, 1.0), (123_456.7, 123_457.0), (5.432_19, 5.432), (0.012_345_6, 0.012_35)]
        {
            assert!((rounded(figure) - wanted).abs() < 1e-9, "{figure}: {}", rounded(figure));
        }
    }

    #[test]
    fn a_duel_is_decided_by_its_middle_round() {
        let mut theirs = [2.0, 30.0, 3.0].into_iter();
        let duel = Duel::run(3, || 1.0, || theirs.next().expect("three rounds"));
        assert!((duel.ratio() - 3.0).abs() < 1e-9 && (duel.ours() - 1.0).abs() < 1e-9);
    }
}
