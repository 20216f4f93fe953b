//! Lookups: what is known of one number or of one shipment.
//!
//! Enters: a number as people write it, or a shipment's ID. Leaves: JSON from the worker that owns it, here or elsewhere.
//! Always true: only committed state shows; an answer says how long the log has not been heard of; at most so many
//! lookups are under way.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{FORWARDED, forward};
use super::{Site, answer, refusal};
use crate::edge::desk::{Answer, Subject};
use crate::model::{CarrierId, NumberKey, Partition, ShipmentId, TrackingNumber, partition_of};

/// How long a worker may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The query of a tracking lookup.
#[derive(Debug, Deserialize)]
pub(super) struct Carrier {
    carrier: Option<String>,
}

pub(super) async fn tracking(
    State(site): State<Arc<Site>>,
    Path(raw): Path<String>,
    Query(Carrier { carrier }): Query<Carrier>,
    request: Parts,
) -> Response {
    let catalogue = &site.told.rules.catalogue;
    let carrier = match carrier.filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => match catalogue.carrier(&name) {
            Some(carrier) => Some(carrier),
            None => {
                return bad("UNKNOWN_CARRIER", "there is no such carrier: `dockside carriers` lists them");
            }
        },
    };
    let check = catalogue.check(carrier, &raw);
    let Some(number) = settled(&site, carrier, &raw, check.canonical, check.candidates.len()) else {
        let why = match check.candidates.len() {
            0 | 1 => check.reason.unwrap_or_else(|| "it is no number".to_owned()),
            _ => "carriers read it differently: name one with ?carrier=".to_owned(),
        };
        return bad("BAD_NUMBER", &why);
    };
    let key = |carrier| NumberKey { number: number.clone(), carrier };
    let keys = match carrier {
        Some(carrier) => vec![key(carrier)],
        None => catalogue.ids().map(key).collect(),
    };
    let about = json!({ "input": raw, "canonical": number, "candidates": check.candidates });
    let place = Place { key: number.as_str(), name: "numbers", about };
    site.look_up(place, Subject::Numbers(keys), &request).await
}

/// The number that the text means. Without a carrier: what its candidates agree about, else the text as it is.
fn settled(
    site: &Site,
    carrier: Option<CarrierId>,
    raw: &str,
    canonical: Option<TrackingNumber>,
    candidates: usize,
) -> Option<TrackingNumber> {
    let catalogue = &site.told.rules.catalogue;
    match (canonical, carrier) {
        (Some(number), _) => Some(number),
        (None, Some(carrier)) => catalogue.canonical(carrier, raw),
        (None, None) if candidates > 1 => None,
        (None, None) => catalogue.canonical(CarrierId::OTHER, raw),
    }
}

pub(super) async fn shipment(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    request: Parts,
) -> Response {
    let Some(id) = ShipmentId::parse(&id) else {
        return bad(
            "BAD_SHIPMENT_ID",
            "a shipment's ID has 1 to 64 characters, none of them a control character",
        );
    };
    let place = Place { key: id.as_str(), name: "pages", about: json!({ "shipment_id": id }) };
    site.look_up(place, Subject::Shipment(id.clone()), &request).await
}

fn bad(code: &str, why: &str) -> Response {
    refusal(StatusCode::BAD_REQUEST, code, why)
}

fn busy(why: &str) -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "BUSY", why)
}

/// Where a subject is, and how its answer begins.
struct Place<'a> {
    /// What decides its partition.
    key: &'a str,
    /// What the list of known values is called.
    name: &'static str,
    about: Value,
}

impl Site {
    async fn look_up(&self, place: Place<'_>, subject: Subject, request: &Parts) -> Response {
        let Ok(_permit) = self.lookups.try_acquire() else { return busy("too many lookups at a time") };
        let partition = Partition(partition_of(place.key.as_bytes(), self.told.partitions));
        let Some(desk) = self.told.desks.iter().find(|desk| desk.owns(partition)) else {
            return self.pass_on(partition, request).await;
        };
        let patience_us = u64::try_from(PATIENCE.as_micros()).expect("a few seconds");
        let Some(answer) = desk.ask(partition, subject, patience_us) else {
            return busy("too many questions wait for the worker");
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Err(_) => busy("the worker is in the middle of an epoch"),
            Ok(Err(_)) => busy("the worker has ended"),
            Ok(Ok(Answer::Elsewhere)) => self.pass_on(partition, request).await,
            Ok(Ok(Answer::Unknown)) => refusal(
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                "nothing is known of it: no command and no scan named it",
            ),
            Ok(Ok(Answer::Known(values))) => self.known(place, values),
        }
    }

    fn known(&self, place: Place<'_>, values: Vec<Value>) -> Response {
        let mut body = place.about;
        body[place.name] = Value::Array(values);
        body["age_ms"] = Value::from(self.silent_us() / 1000);
        answer(StatusCode::OK, &body)
    }

    async fn pass_on(&self, partition: Partition, request: &Parts) -> Response {
        let moving = |why: &str| refusal(StatusCode::SERVICE_UNAVAILABLE, "NO_OWNER", why);
        if request.headers.contains_key(&FORWARDED) {
            return moving("it was passed on to this instance, which does not own it: partitions are moving");
        }
        match self.told.outlook.owner(partition) {
            None => moving(
                "no instance says that it owns it: partitions are moving, or http.advertise is not set",
            ),
            Some(owner) if Some(&owner) == self.advertised.as_ref() => {
                moving("its partition is being taken up")
            }
            Some(owner) => forward(&owner, request).await,
        }
    }
}
