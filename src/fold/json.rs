//! Progress as readable JSON, for the dead letter of a number that nobody ever registered.
//!
//! Enters: progress. Leaves: all of it, in a fixed order. Always true: equal progress gives equal text.

use serde_json::{Value, json};

use super::progress::Progress;
use crate::model::{Flag, ScanId};

impl Progress {
    /// Everything that is known, for people to read.
    pub fn to_json(&self) -> Value {
        let mut milestones = Vec::new();
        self.each_span(|milestone, place, span| {
            milestones.push(json!({
                "milestone": milestone.name(),
                "place": place,
                "first": span.first.to_string(),
                "last": span.last.to_string(),
            }));
        });
        let mut sightings = Vec::new();
        self.each_sighting(|seen| {
            sightings.push(json!({
                "milestone": seen.milestone.name(),
                "place": seen.place,
                "at": seen.at.to_string(),
                "scan": hex(seen.id),
                "retracted": seen.retracted,
            }));
        });
        let flags = Flag::ALL.into_iter().filter_map(|flag| {
            let span = self.flag(flag)?;
            let (first, last) = (span.first.to_string(), span.last.to_string());
            Some(json!({ "flag": flag.name(), "first": first, "last": last }))
        });
        let eta = self.eta().map(|(at, eta)| json!({ "at": at.to_string(), "eta": eta.to_string() }));
        let appointment = self.appointment().map(|told| {
            let (start, end) = (told.start.to_string(), told.end.to_string());
            json!({ "at": told.at.to_string(), "start": start, "end": end })
        });
        json!({
            "floor": self.floor().map(|floor| floor.to_string()),
            "milestones": milestones,
            "sightings": sightings,
            "flags": flags.collect::<Vec<_>>(),
            "eta": eta,
            "appointment": appointment,
            "retracted": self.retracted().iter().map(|id| hex(*id)).collect::<Vec<_>>(),
        })
    }
}

fn hex(id: ScanId) -> String {
    format!("{:016x}", id.0)
}
