//! Documents of shipments: what changed since consumers saw it last, once each.
//!
//! Enters: the shipments that changed, with what they are now. Leaves: command results in the order of their commands, then
//! shipments, plan lines and problems. Always true: no visible change, no message; versions of a shipment are contiguous; a
//! line that leaves a plan is tombstoned, and so is everything of a shipment that is retired.

use std::collections::{BTreeMap, VecDeque};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use super::derive::{Days, Derived, derive};
use super::facts::{Shipment, Unit};
use super::{Pending, PendingAnswer, ShipmentStation, flush_due, keep_answers, keep_head};
use crate::fold::View;
use crate::model::{
    BoxCounts, BoxDoc, Cause, CommandResult, EventTime, Flag, FlagSet, Milestone, MilestoneDoc, PlanLine,
    ProblemDoc, ProblemKind, ShipmentDoc, ShipmentId, Source, Timestamp, Topic, stable_hash,
};
use crate::stations::hop::{Sources, UnitNo};
use crate::stations::{Documents, Rules};

/// The largest page of a shipment document, in boxes.
const PAGE_BOXES_MAX: usize = 1_000;

/// About what a document takes, without boxes and per box; only a guess for its buffer.
const HEAD_BYTES: usize = 1 << 10;
const BOX_BYTES: usize = 512;

/// How many sources of milestones a partition remembers; the oldest go first.
const MILESTONE_SOURCES_MAX: usize = 1 << 16;

/// Topic, key and value (none: a tombstone) of what a shipment says.
type Records = Vec<(Topic, String, Option<Vec<u8>>)>;

/// Which scan told of a milestone, per unit and milestone of a shipment.
type ShipmentSources = BTreeMap<(UnitNo, Milestone), (EventTime, Source)>;

/// Which scans told of milestones: a bounded side table of this process, never part of the state.
#[derive(Debug)]
pub(crate) struct MilestoneSources {
    by_shipment: HashMap<ShipmentId, ShipmentSources, FixedState>,
    order: VecDeque<(ShipmentId, UnitNo, Milestone)>,
}

impl MilestoneSources {
    pub(crate) fn new(secret: u64) -> MilestoneSources {
        let by_shipment = HashMap::with_hasher(FixedState::with_seed(secret));
        MilestoneSources { by_shipment, order: VecDeque::new() }
    }

    pub(crate) fn note(&mut self, id: &ShipmentId, no: UnitNo, before: &View, now: &View, sources: &Sources) {
        for milestone in Milestone::ALL {
            let Some(at) = now.at(milestone).filter(|at| before.at(milestone) != Some(*at)) else { continue };
            let Some((_, source)) = sources.iter().rev().find(|(time, _)| *time == at) else { continue };
            let of_shipment = match self.by_shipment.get_mut(id) {
                Some(known) => known,
                None => self.by_shipment.entry(id.clone()).or_default(),
            };
            if of_shipment.insert((no, milestone), (at, *source)).is_none() {
                self.order.push_back((id.clone(), no, milestone));
                self.forget_oldest();
            }
        }
    }

    fn forget_oldest(&mut self) {
        if self.order.len() <= MILESTONE_SOURCES_MAX {
            return;
        }
        let (id, no, milestone) = self.order.pop_front().expect("longer than the bound");
        if let Some(known) = self.by_shipment.get_mut(&id) {
            known.remove(&(no, milestone));
            if known.is_empty() {
                self.by_shipment.remove(&id);
            }
        }
    }

    fn of(&self, id: &ShipmentId) -> Option<&ShipmentSources> {
        self.by_shipment.get(id)
    }
}

fn fingerprint(bytes: &[u8]) -> u128 {
    u128::from(stable_hash(&[b"a", bytes])) << 64 | u128::from(stable_hash(&[b"b", bytes]))
}

fn flag_names(flags: FlagSet) -> Vec<&'static str> {
    flags.iter().map(Flag::name).collect()
}

impl ShipmentStation {
    /// Writes what changed since the last publishing.
    pub fn publish(&mut self, rules: &Rules, stream_time: Timestamp, out: &mut Documents<'_>) {
        let pending = std::mem::take(&mut self.pending);
        // Results carry the version that the shipment gets in this very publishing, and come before it.
        let mut documents = Vec::with_capacity(pending.len());
        let mut retired = Vec::new();
        for (id, Pending { derived, cause, sources, at_once }) in &pending {
            let derived = derived.as_ref().expect("settled before it is published");
            if derived.retired {
                documents.push(tombstones(&self.shipments[id]));
                retired.push(id);
                continue;
            }
            documents.push(self.publish_shipment(rules, stream_time, id, derived, *cause, sources, *at_once));
            let flush = flush_due(&self.shipments[id], rules);
            self.queue(id, flush);
        }
        for answer in std::mem::take(&mut self.answers) {
            self.publish_answer(answer, out);
        }
        for id in retired {
            self.retire(id);
        }
        for records in documents {
            for (topic, key, value) in records {
                out.document(topic, key.as_bytes(), value.as_deref());
            }
        }
    }

    /// The document of a shipment as it is now: its pages, each as `shipments` has it; none if it is not known.
    pub fn describe(&self, rules: &Rules, id: &ShipmentId) -> Vec<serde_json::Value> {
        let Some(shipment) = self.shipments.get(id) else { return Vec::new() };
        let derived = derive(shipment, &rules.settings, &rules.fcs, &mut Days::default());
        let version = shipment.head.published.version;
        let pages = shipment_pages(rules, shipment, &derived, &self.sources, version);
        pages.iter().map(|page| serde_json::from_slice(page).expect("a document is JSON")).collect()
    }

    fn publish_answer(&mut self, pending: PendingAnswer, out: &mut Documents<'_>) {
        let (id, answer) = match &pending {
            PendingAnswer::Passing { shipment, answer } => (shipment, &**answer),
            PendingAnswer::Kept { shipment, command_id } => {
                let known = self.shipments.get_mut(shipment).expect("it keeps its answers");
                let version = known.head.published.version;
                let at = known.answers.iter().rposition(|answer| answer.command_id == *command_id);
                let at = at.expect("an answer is kept until it is given");
                if known.answers[at].version.is_none() {
                    keep_answers(&mut self.undo, self.epoch, known);
                    known.answers[at].version = Some(version);
                }
                (shipment, &self.shipments[shipment].answers[at])
            }
        };
        let result = CommandResult {
            command_id: answer.command_id.as_str(),
            shipment_id: id.as_str(),
            kind: answer.kind,
            outcome: answer.outcome,
            errors: &answer.errors,
            warnings: &answer.warnings,
            version: answer.version.expect("just filled"),
        };
        out.document(Topic::CommandResults, id.as_str().as_bytes(), Some(&json(&result)));
    }

    #[expect(clippy::too_many_arguments, reason = "one caller; the pending change taken apart")]
    fn publish_shipment(
        &mut self,
        rules: &Rules,
        stream_time: Timestamp,
        id: &ShipmentId,
        derived: &Derived,
        cause: Cause,
        sources: &[Source],
        at_once: bool,
    ) -> Records {
        let shipment = self.shipments.get_mut(id).expect("a pending shipment is known");
        keep_head(&mut self.undo, self.epoch, shipment);
        let mut records = Vec::new();

        let problems = problem_documents(shipment, derived);
        let problems_changed = problems.iter().map(|(kind, _, hash)| (*kind, *hash)).ne(shipment
            .head
            .published
            .problems
            .iter()
            .copied());
        let status_changed = shipment.head.published.status != Some(derived.status);
        if at_once || status_changed || problems_changed || flush_due(shipment, rules) <= stream_time {
            shipment.head.dirty_since = None;
            shipment.head.published.status = Some(derived.status);
            let version = shipment.head.published.version + 1;
            let fingerprint = shipment_fingerprint(shipment, derived);
            if fingerprint != shipment.head.published.document {
                let pages = shipment_pages(rules, shipment, derived, &self.sources, version);
                let page_count = u32::try_from(pages.len()).expect("at most 5 pages");
                for (number, value) in (1..).zip(pages) {
                    records.push((Topic::Shipments, page_key(id, number), Some(value)));
                }
                for number in page_count + 1..=shipment.head.published.pages {
                    records.push((Topic::Shipments, page_key(id, number), None));
                }
                let published = &mut shipment.head.published;
                (published.version, published.document, published.pages) = (version, fingerprint, page_count);
            }
        }

        let plan_fc = derived.on_plan.then(|| shipment.head.fc.clone());
        if let Some(old) = &shipment.head.published.plan_fc
            && plan_fc.as_ref() != Some(old)
        {
            records.push((Topic::ReceivingPlan, format!("{old}|{id}"), None));
            shipment.head.published.plan = 0;
        }
        if let Some(fc) = &plan_fc {
            let mut line = plan_line(rules, shipment, derived);
            let fingerprint = fingerprint(&json(&line));
            if fingerprint != shipment.head.published.plan {
                line.version = shipment.head.published.plan_version + 1;
                line.cause = cause;
                line.caused_by = sources.iter().map(Source::to_string).collect();
                records.push((Topic::ReceivingPlan, format!("{fc}|{id}"), Some(json(&line))));
                shipment.head.published.plan_version += 1;
                shipment.head.published.plan = fingerprint;
            }
        }
        shipment.head.published.plan_fc = plan_fc;

        for (kind, _) in &shipment.head.published.problems {
            if !problems.iter().any(|(present, _, _)| present == kind) {
                records.push((Topic::Problems, format!("{id}:{}", kind.name()), None));
            }
        }
        let mut published = SmallVec::new();
        for (kind, value, hash) in problems {
            if !shipment.head.published.problems.contains(&(kind, hash)) {
                records.push((Topic::Problems, format!("{id}:{}", kind.name()), Some(value)));
            }
            published.push((kind, hash));
        }
        shipment.head.published.problems = published;
        records
    }
}

/// Takes back all that consumers hold of a shipment.
fn tombstones(shipment: &Shipment) -> Records {
    let Shipment { id, head, .. } = shipment;
    let pages = (1..=head.published.pages).map(|number| (Topic::Shipments, page_key(id, number)));
    let line = head.published.plan_fc.iter().map(|fc| (Topic::ReceivingPlan, format!("{fc}|{id}")));
    let kinds = head.published.problems.iter().map(|(kind, _)| kind);
    let problems = kinds.map(|kind| (Topic::Problems, format!("{id}:{}", kind.name())));
    pages.chain(line).chain(problems).map(|(topic, key)| (topic, key, None)).collect()
}

fn json(value: &impl Serialize) -> Vec<u8> {
    json_of(HEAD_BYTES, value)
}

fn json_of(capacity: usize, value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(capacity);
    serde_json::to_writer(&mut bytes, value).expect("documents always serialise into memory");
    bytes
}

fn page_key(id: &ShipmentId, number: u32) -> String {
    if number == 1 { id.as_str().to_owned() } else { format!("{id}|{number}") }
}

fn problem_documents(shipment: &Shipment, derived: &Derived) -> Vec<(ProblemKind, Vec<u8>, u128)> {
    let documents = derived.problems.iter().map(|problem| {
        let box_ids = problem.boxes.iter().filter_map(|no| shipment.unit(*no)?.box_id.as_ref());
        let problem_id = format!("{}:{}", shipment.id, problem.kind.name());
        let value = json(&ProblemDoc {
            problem_id: &problem_id,
            shipment_id: shipment.id.as_str(),
            account: shipment.head.account.as_str(),
            fc: shipment.head.fc.as_str(),
            kind: problem.kind,
            defect: problem.kind.is_defect(),
            status: problem.status,
            boxes: box_ids.map(|id| id.as_str()).collect(),
            opened_at: problem.opened_at,
            acknowledged_at: problem.acknowledged_at,
            resolved_at: problem.resolved_at,
        });
        let hash = fingerprint(&value);
        (problem.kind, value, hash)
    });
    documents.collect()
}

/// Over everything that `shipments` shows but the version and the sources.
fn shipment_fingerprint(shipment: &Shipment, derived: &Derived) -> u128 {
    let head = &shipment.head;
    let shown = (
        (&head.account, &head.fc, head.carrier, &head.carrier_name, &head.bill_of_lading),
        (derived.status, derived.status_since, derived.window, derived.expected),
        derived.problems.iter().map(|problem| problem.kind).collect::<SmallVec<[ProblemKind; 4]>>(),
    );
    let mut bytes = postcard::to_extend(&shown, Vec::with_capacity(4096)).expect("it serialises into memory");
    for unit in shipment.boxes.iter().chain(&shipment.freight) {
        let tracking = unit.tracking.as_ref().map(|tracking| (&tracking.number, tracking.validation));
        // Of the view only what is shown: an appointment, for example, is not.
        let view = (unit.view.current(), unit.view.flags(), unit.view.eta());
        let shown = (unit.no, &unit.box_id, unit.units, unit.weight_g, tracking, view);
        bytes = postcard::to_extend(&shown, bytes).expect("it serialises into memory");
        for milestone in Milestone::ALL {
            bytes.extend_from_slice(&unit.view.at(milestone).map_or(0, |at| at.0).to_le_bytes());
        }
    }
    fingerprint(&bytes)
}

fn shipment_pages(
    rules: &Rules,
    shipment: &Shipment,
    derived: &Derived,
    sources: &MilestoneSources,
    version: u64,
) -> Vec<Vec<u8>> {
    let head = &shipment.head;
    let mut problems: Vec<String> =
        derived.problems.iter().map(|p| format!("{}:{}", shipment.id, p.kind.name())).collect();
    problems.sort();
    let sources = sources.of(&shipment.id);
    let page_count = shipment.boxes.len().div_ceil(PAGE_BOXES_MAX).max(1);
    let pages = (0..page_count).map(|page| {
        let first = page * PAGE_BOXES_MAX;
        let last = (first + PAGE_BOXES_MAX).min(shipment.boxes.len());
        let units = &shipment.boxes[first..last];
        let capacity = HEAD_BYTES + BOX_BYTES * units.len();
        json_of(
            capacity,
            &ShipmentDoc {
                shipment_id: shipment.id.as_str(),
                account: head.account.as_str(),
                fc: head.fc.as_str(),
                mode: head.mode,
                partnered: head.partnered,
                carrier: rules.catalogue.code(head.carrier),
                carrier_name: head.carrier_name.as_deref(),
                status: derived.status,
                created_at: head.created_at,
                status_since: derived.status_since,
                freight_bill: shipment
                    .freight
                    .as_ref()
                    .and_then(|pro| Some(pro.tracking.as_ref()?.number.as_str())),
                bill_of_lading: head.bill_of_lading.as_deref(),
                milestone: shipment.freight.as_ref().and_then(|pro| pro.view.current()).map(Milestone::name),
                window: derived.window,
                expected: derived.expected,
                version,
                page: u32::try_from(page + 1).expect("at most 5 pages"),
                pages: u32::try_from(page_count).expect("at most 5 pages"),
                boxes: PageBoxes { shipment, units, sources },
                problems: problems.clone(),
            },
        )
    });
    pages.collect()
}

/// The boxes of a page: each is written as soon as it is made.
struct PageBoxes<'a> {
    shipment: &'a Shipment,
    units: &'a [Unit],
    sources: Option<&'a ShipmentSources>,
}

impl Serialize for PageBoxes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.units.iter().map(|unit| self.document(unit)))
    }
}

impl<'a> PageBoxes<'a> {
    fn document(&self, unit: &'a Unit) -> BoxDoc<'a, ShownMilestones<'a>> {
        let view = self.shipment.shown(unit);
        let no = if self.shipment.freight.is_some() { UnitNo::FREIGHT } else { unit.no };
        BoxDoc {
            box_id: unit.box_id.as_ref().expect("a box has an ID").as_str(),
            units: unit.units,
            weight_g: unit.weight_g,
            tracking_id: unit.tracking.as_ref().map(|tracking| tracking.number.as_str()),
            validation: unit.tracking.as_ref().map(|tracking| tracking.validation),
            milestone: view.current().map(Milestone::name),
            milestones: ShownMilestones { view, no, sources: self.sources },
            flags: flag_names(view.flags()),
            eta: view.eta().map(EventTime::timestamp),
        }
    }
}

/// The milestones of a unit, in order, with the scans that told of them.
struct ShownMilestones<'a> {
    view: &'a View,
    no: UnitNo,
    sources: Option<&'a ShipmentSources>,
}

impl Serialize for ShownMilestones<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for milestone in Milestone::ALL {
            let Some(at) = self.view.at(milestone) else { continue };
            let told = self.sources.and_then(|known| known.get(&(self.no, milestone)));
            let source = told.filter(|(time, _)| *time == at).map(|(_, source)| *source);
            map.serialize_entry(milestone.name(), &MilestoneDoc { at: at.timestamp(), source })?;
        }
        map.end()
    }
}

fn plan_line<'a>(rules: &'a Rules, shipment: &'a Shipment, derived: &Derived) -> PlanLine<'a> {
    let head = &shipment.head;
    let mut boxes = BoxCounts {
        total: u32::try_from(shipment.boxes.len()).expect("at most 5,000"),
        ..BoxCounts::default()
    };
    let (mut units, mut weight_g) = (0, 0);
    let mut flags = FlagSet::EMPTY;
    for unit in &shipment.boxes {
        let view = shipment.shown(unit);
        *boxes.by_milestone.entry(view.current().map_or("NONE", Milestone::name)).or_default() += 1;
        boxes.tracked += u32::from(match &shipment.freight {
            Some(pro) => pro.tracking.is_some(),
            None => unit.tracking.is_some(),
        });
        if !view.withdrawn() {
            units += u64::from(unit.units);
            weight_g += u64::from(unit.weight_g);
        }
        flags = flags.union(view.flags());
    }
    if let Some(pro) = &shipment.freight {
        flags = flags.union(pro.view.flags());
    }
    PlanLine {
        fc: head.fc.as_str(),
        shipment_id: shipment.id.as_str(),
        version: 0,
        cause: Cause::Timer,
        mode: head.mode,
        carrier: rules.catalogue.code(head.carrier),
        carrier_name: head.carrier_name.as_deref(),
        partnered: head.partnered,
        status: derived.status,
        milestone: shipment.freight.as_ref().and_then(|pro| pro.view.current()).map(Milestone::name),
        boxes,
        pallets: head.pallets,
        units,
        weight_g,
        expected: derived.expected,
        window: derived.window,
        need_by: head.need_by,
        flags: flag_names(flags),
        occurred_at: Some(derived.occurred_at),
        caused_by: Vec::new(),
    }
}
