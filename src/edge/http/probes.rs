//! Probes: should this process be restarted, may it be updated past, has it begun?
//!
//! Enters: what the desks show. Leaves: 200 or 503, with every reason. Always true: a log that cannot be reached makes the
//! process not ready, and never dead: to restart it would help nobody.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::outlook::UNREACHABLE_US;
use super::{Site, answer};
use crate::edge::clock::elapsed_us;
use crate::edge::desk::Phase;
use crate::edge::watchdog::Pulse;

/// Without an assignment for so long, a process stands by: others have all partitions.
const STANDBY_US: u64 = 60_000_000;

pub(super) async fn livez(State(site): State<Arc<Site>>) -> Response {
    tell(&site, "live", site.death())
}

pub(super) async fn startupz(State(site): State<Arc<Site>>) -> Response {
    let reasons = if site.has_started() { vec![] } else { site.unassigned() };
    tell(&site, "started", reasons)
}

pub(super) async fn readyz(State(site): State<Arc<Site>>) -> Response {
    tell(&site, "ready", site.unready())
}

fn tell(site: &Site, what: &str, reasons: Vec<String>) -> Response {
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let partitions: usize = site.told.desks.iter().map(|desk| desk.shown().partitions.len()).sum();
    let restored = site.told.signs.as_ref().map(|signs| signs.restoring().share());
    let body = json!({
        what: reasons.is_empty(),
        "reasons": reasons,
        "partitions": partitions,
        "restored": restored,
        "log_age_ms": site.silent_us() / 1000,
    });
    answer(status, &body)
}

impl Site {
    fn death(&self) -> Vec<String> {
        let desks = (0..).zip(&self.told.desks);
        let dead = desks.filter_map(|(number, desk): (u32, _)| {
            if self.told.ending.is_asked_for() {
                None
            } else if desk.has_ended() {
                Some(format!("worker {number} has ended"))
            } else if Pulse::of(desk.still_us(), self.told.outlook.contact_us()) > Pulse::Alive {
                Some(format!("worker {number} has not turned for {} s", desk.still_us() / 1_000_000))
            } else {
                None
            }
        });
        dead.collect()
    }

    /// Why the workers have not what they need to begin.
    fn unassigned(&self) -> Vec<String> {
        let has = |phase| self.told.desks.iter().any(|desk| desk.phase() == phase);
        if has(Phase::Restoring) {
            return vec!["states are being read back".to_owned()];
        }
        let stands_by = elapsed_us().saturating_sub(self.since_us) > STANDBY_US;
        if has(Phase::Working) || stands_by {
            vec![]
        } else {
            vec!["no partition is assigned yet".to_owned()]
        }
    }

    fn has_started(&self) -> bool {
        let has = self.has_started.load(Ordering::Relaxed) || self.unassigned().is_empty();
        self.has_started.store(has, Ordering::Relaxed);
        has
    }

    /// Why the process is not ready.
    pub(super) fn unready(&self) -> Vec<String> {
        let mut reasons = self.unassigned();
        if self.told.ending.is_asked_for() {
            reasons.push("the end was asked for".to_owned());
        }
        let silent_us = self.silent_us();
        if silent_us > UNREACHABLE_US {
            reasons.push(format!("the log has not answered for {} s", silent_us / 1_000_000));
        }
        reasons.extend(self.death());
        reasons
    }
}
