//! Growth: the scans a second of the scan station with few boxes and with many.
//!
//! Enters: stations of rising size, filled as for B5. Leaves: how many times as many scans a second the smallest reads as the
//! largest, and a plot. Always true: all stations stand side by side and are read in turn, round by round; the feeds differ
//! only in which boxes they are about, drawn evenly over all that are there; each comes to as many changes as were made.

use serde_json::json;

use super::measure::{figure, machine, median, ns_each, per_second, timed, without_room};
use super::plot::Plot;
use super::station::{CHANGES_ONE_IN, Ours, feed};
use super::{Bar, Budget, Line, Options, Sizes};

const BAR: Bar = Bar::at_most(Budget::Growth, "scan station, few boxes against many", 2.5, "x");

/// What a box of the station takes, about, with what is free in growing tables.
const BOX_BYTES: u64 = 150;

/// A station, and the seconds that each round took.
struct Station {
    boxes: u64,
    station: Ours,
    took: Vec<f64>,
}

pub(super) fn lines(options: &Options, plots: &mut Vec<Plot>) -> Vec<Line> {
    let sizes = &options.sizes;
    let (rounds, scans) = (sizes.rounds.min(5), sizes.growth_scans);
    let mut stations: Vec<Station> = Vec::new();
    for &boxes in sizes.growth_boxes {
        if let Some(missing) = without_room(boxes * BOX_BYTES) {
            if stations.len() < 2 {
                return vec![BAR.missing(missing)];
            }
            break;
        }
        stations.push(Station { boxes, station: Ours::filled(boxes), took: Vec::new() });
    }
    for round in 0..rounds {
        // Each round begins with another one.
        stations.rotate_left(1);
        for Station { boxes, station, took } in &mut stations {
            let feed = feed(options.seed, round as u64, scans, *boxes);
            let (told, seconds) = timed(|| station.read(&feed));
            assert_eq!(told, scans / CHANGES_ONE_IN, "boxes that changed");
            took.push(seconds);
        }
    }
    stations.sort_by_key(|station| station.boxes);
    for Station { station, .. } in &stations {
        station.assert_complete(scans * rounds as u64);
    }
    let (few, many) = (&stations[0], &stations[stations.len() - 1]);
    let ratios: Vec<f64> = few.took.iter().zip(&many.took).map(|(few, many)| many / few).collect();
    let of_size = |Station { boxes, took, .. }: &Station| {
        let took = median(took);
        json!({
            "boxes": boxes, "scans_per_s": per_second(scans, took), "ns_per_scan": ns_each(took, scans),
        })
    };
    let mut detail = json!({
        "by_size": stations.iter().map(of_size).collect::<Vec<_>>(),
        "scans": scans,
        "rounds": rounds,
        "machine": machine(),
    });
    let full = Sizes::FULL.growth_boxes;
    if few.boxes > full[0] || many.boxes < full[full.len() - 1] {
        detail["smaller_than_the_budget"] = json!({ "boxes": full });
    }
    let points = |Station { boxes, took, .. }: &Station| (figure(*boxes), per_second(scans, median(took)));
    plots.push(
        Plot::lines("boxes", "Scans by the number of boxes (scan station, one core)", "boxes", "scans/s")
            .with("dockside", stations.iter().map(points).collect()),
    );
    vec![BAR.measured(median(&ratios), detail)]
}
