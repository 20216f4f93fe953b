//! Documents of shipments: what changed since consumers saw it last, once each.
//!
//! Enters: the shipments that changed, with what they are now. Leaves: command results in the order of their commands, then
//! shipments, plan lines and problems. Always true: no visible change, no message; versions of a shipment are contiguous; a
//! line that leaves a plan is tombstoned, and so is everything of a shipment that is retired.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{Arguments, Display};
use std::io::Write;
use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::derive::{Days, Derived, derive};
use super::facts::{Shipment, Unit};
use super::{Pending, PendingAnswer, ShipmentStation, flush_due, keep_answers, keep_head};
use crate::fold::View;
use crate::model::{
    BoxCounts, BoxDoc, Cause, CommandResult, EventTime, Flag, FlagSet, Milestone, MilestoneDoc, PlanLine,
    ProblemDoc, ProblemKind, ShipmentDoc, ShipmentId, Source, Timestamp, Topic, WriteJson, json_bytes,
    stable_hash, write_list, write_members,
};
use crate::stations::hop::{Sources, UnitNo};
use crate::stations::{Documents, Rules};

/// The largest page of a shipment document, in boxes.
const PAGE_BOXES_MAX: usize = 1_000;

/// How many sources of milestones a partition remembers; the oldest go first.
const MILESTONE_SOURCES_MAX: usize = 1 << 16;

/// What shipments say, one behind the other in a buffer that stays, until the results of their commands went out.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    bytes: Vec<u8>,
    records: Vec<Draft>,
    /// For what is written to see whether it differs from what consumers hold.
    scratch: Vec<u8>,
}

/// A record: its key ends there, its value (none: a tombstone) behind it.
#[derive(Debug)]
struct Draft {
    topic: Topic,
    key: Range<usize>,
    value: Option<Range<usize>>,
}

impl Drafts {
    fn put(&mut self, topic: Topic, key: Arguments<'_>, value: &impl WriteJson) {
        let key = self.key(key);
        value.write_json(&mut self.bytes);
        let value = Some(key.end..self.bytes.len());
        self.records.push(Draft { topic, key, value });
    }

    fn tombstone(&mut self, topic: Topic, key: Arguments<'_>) {
        let key = self.key(key);
        self.records.push(Draft { topic, key, value: None });
    }

    fn key(&mut self, key: Arguments<'_>) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.write_fmt(key).expect("memory takes it");
        start..self.bytes.len()
    }

    fn pages(&mut self, id: &ShipmentId, numbers: Range<u32>) {
        for number in numbers {
            let key = PageKey { id, number };
            self.tombstone(Topic::Shipments, format_args!("{key}"));
        }
    }

    /// What tells whether a document is another than before.
    fn fingerprint(&mut self, document: &impl WriteJson) -> u128 {
        self.scratch.clear();
        document.write_json(&mut self.scratch);
        fingerprint(&self.scratch)
    }

    /// Hands all on and keeps the memory.
    fn send(&mut self, out: &mut Documents<'_>) {
        for Draft { topic, key, value } in self.records.drain(..) {
            out.document(topic, &self.bytes[key], value.map(|value| &self.bytes[value]));
        }
        self.bytes.clear();
    }
}

/// The key of a page: consumers that know of no pages read the first.
struct PageKey<'a> {
    id: &'a ShipmentId,
    number: u32,
}

impl Display for PageKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.number {
            1 => f.write_str(self.id.as_str()),
            number => write!(f, "{}|{number}", self.id),
        }
    }
}

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

const KNOWN: &str = "a pending shipment is known";

impl ShipmentStation {
    /// Writes what changed since the last publishing.
    pub fn publish(&mut self, rules: &Rules, stream_time: Timestamp, out: &mut Documents<'_>) {
        let pending = std::mem::take(&mut self.pending);
        // Results carry the version that the shipment gets in this very publishing, and come before it.
        let mut drafts = std::mem::take(&mut self.drafts);
        let mut retired = Vec::new();
        for (id, Pending { derived, cause, sources, at_once }) in &pending {
            let derived = derived.as_ref().expect("settled before it is published");
            if derived.retired {
                take_back(self.shipments.get(id).expect(KNOWN), &mut drafts);
                retired.push(id);
                continue;
            }
            self.publish_shipment(rules, stream_time, id, derived, *cause, sources, *at_once, &mut drafts);
            let flush = flush_due(self.shipments.get(id).expect(KNOWN), rules);
            self.queue(id, flush);
        }
        for answer in std::mem::take(&mut self.answers) {
            self.publish_answer(answer, out);
        }
        for id in retired {
            self.retire(id);
        }
        drafts.send(out);
        self.drafts = drafts;
        self.shipments.tidy(rules.settings.open_boxes_max, self.epoch);
    }

    /// The document of a shipment as it is now: its pages, each as `shipments` has it; none if it is not known.
    pub fn describe(&self, rules: &Rules, id: &ShipmentId) -> Vec<serde_json::Value> {
        let Some(shipment) = self.shipments.see(id) else { return Vec::new() };
        let shipment = &*shipment;
        let derived = derive(shipment, &rules.settings, &rules.fcs, &mut Days::default());
        let version = shipment.head.published.version;
        let problems = problem_ids(shipment, &derived);
        let pages = shipment_pages(rules, shipment, &derived, &self.sources, &problems, version);
        pages.map(|page| serde_json::from_slice(&json_bytes(&page)).expect("a document is JSON")).collect()
    }

    fn publish_answer(&mut self, pending: PendingAnswer, out: &mut Documents<'_>) {
        let (id, answer) = match &pending {
            PendingAnswer::Passing { shipment, answer } => (shipment, &**answer),
            PendingAnswer::Kept { shipment, command_id } => {
                let known = self.shipments.get(shipment).expect("it keeps its answers");
                let version = known.head.published.version;
                let at = known.answers.iter().rposition(|answer| answer.command_id == *command_id);
                let at = at.expect("an answer is kept until it is given");
                if known.answers[at].version.is_none() {
                    keep_answers(&mut self.undo, self.epoch, known);
                    known.answers[at].version = Some(version);
                }
                (shipment, &known.answers[at])
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
        out.document(Topic::CommandResults, id.as_str().as_bytes(), Some(&json_bytes(&result)));
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
        drafts: &mut Drafts,
    ) {
        let shipment = self.shipments.get(id).expect(KNOWN);
        keep_head(&mut self.undo, self.epoch, shipment);

        let problems: SmallVec<[_; 1]> = problem_documents(shipment, derived)
            .map(|problem| (problem.kind, drafts.fingerprint(&problem)))
            .collect();
        let problems_changed = problems != shipment.head.published.problems;
        let status_changed = shipment.head.published.status != Some(derived.status);
        if at_once || status_changed || problems_changed || flush_due(shipment, rules) <= stream_time {
            shipment.head.dirty_since = None;
            shipment.head.published.status = Some(derived.status);
            let version = shipment.head.published.version + 1;
            let fingerprint = shipment_fingerprint(shipment, derived, &mut drafts.scratch);
            if fingerprint != shipment.head.published.document {
                let problems = problem_ids(shipment, derived);
                let pages = shipment_pages(rules, shipment, derived, &self.sources, &problems, version);
                let mut page_count = 0;
                for page in pages {
                    page_count = page.page;
                    let key = PageKey { id, number: page.page };
                    drafts.put(Topic::Shipments, format_args!("{key}"), &page);
                }
                let published = &mut shipment.head.published;
                drafts.pages(id, page_count + 1..published.pages + 1);
                (published.version, published.document, published.pages) = (version, fingerprint, page_count);
            }
        }

        let plan_fc = derived.on_plan.then(|| shipment.head.fc.clone());
        if let Some(old) = &shipment.head.published.plan_fc
            && plan_fc.as_ref() != Some(old)
        {
            drafts.tombstone(Topic::ReceivingPlan, format_args!("{old}|{id}"));
            shipment.head.published.plan = 0;
        }
        if let Some(fc) = &plan_fc {
            let mut line = plan_line(rules, shipment, derived);
            let fingerprint = drafts.fingerprint(&line);
            if fingerprint != shipment.head.published.plan {
                line.version = shipment.head.published.plan_version + 1;
                line.cause = cause;
                line.caused_by = sources.iter().map(Source::to_string).collect();
                drafts.put(Topic::ReceivingPlan, format_args!("{fc}|{id}"), &line);
                shipment.head.published.plan_version += 1;
                shipment.head.published.plan = fingerprint;
            }
        }
        shipment.head.published.plan_fc = plan_fc;

        if problems_changed {
            let before = std::mem::replace(&mut shipment.head.published.problems, problems);
            let problems = &shipment.head.published.problems;
            for (kind, _) in &before {
                if !problems.iter().any(|(present, _)| present == kind) {
                    drafts.tombstone(Topic::Problems, format_args!("{id}:{}", kind.name()));
                }
            }
            for (problem, shown) in problem_documents(shipment, derived).zip(problems) {
                if !before.contains(shown) {
                    drafts.put(Topic::Problems, format_args!("{}", problem.problem_id), &problem);
                }
            }
        }
    }
}

/// Takes back all that consumers hold of a shipment.
fn take_back(shipment: &Shipment, drafts: &mut Drafts) {
    let Shipment { id, head, .. } = shipment;
    drafts.pages(id, 1..head.published.pages + 1);
    if let Some(fc) = &head.published.plan_fc {
        drafts.tombstone(Topic::ReceivingPlan, format_args!("{fc}|{id}"));
    }
    for (kind, _) in &head.published.problems {
        drafts.tombstone(Topic::Problems, format_args!("{id}:{}", kind.name()));
    }
}

fn problem_id(id: &ShipmentId, kind: ProblemKind) -> String {
    format!("{id}:{}", kind.name())
}

/// The IDs of a shipment's problems, in order.
fn problem_ids(shipment: &Shipment, derived: &Derived) -> Vec<String> {
    let mut ids: Vec<String> =
        derived.problems.iter().map(|problem| problem_id(&shipment.id, problem.kind)).collect();
    ids.sort();
    ids
}

fn problem_documents<'a>(
    shipment: &'a Shipment,
    derived: &'a Derived,
) -> impl Iterator<Item = ProblemDoc<'a>> {
    derived.problems.iter().map(|problem| {
        let box_ids = problem.boxes.iter().filter_map(|no| shipment.unit(*no)?.box_id.as_ref());
        ProblemDoc {
            problem_id: Cow::Owned(problem_id(&shipment.id, problem.kind)),
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
        }
    })
}

/// Over everything that `shipments` shows but the version and the sources.
fn shipment_fingerprint(shipment: &Shipment, derived: &Derived, scratch: &mut Vec<u8>) -> u128 {
    let head = &shipment.head;
    let shown = (
        (&head.account, &head.fc, head.carrier, &head.carrier_name, &head.bill_of_lading),
        (derived.status, derived.status_since, derived.window, derived.expected),
        derived.problems.iter().map(|problem| problem.kind).collect::<SmallVec<[ProblemKind; 4]>>(),
    );
    let mut bytes = std::mem::take(scratch);
    bytes.clear();
    bytes = postcard::to_extend(&shown, bytes).expect("it serialises into memory");
    for unit in shipment.units() {
        let tracking = unit.tracking.as_ref().map(|tracking| (&tracking.number, tracking.validation));
        // Of the view only what is shown: an appointment, for example, is not.
        let view = (unit.view.current(), unit.view.flags(), unit.view.eta());
        let shown = (unit.no, &unit.box_id, unit.units, unit.weight_g, tracking, view);
        bytes = postcard::to_extend(&shown, bytes).expect("it serialises into memory");
        for milestone in Milestone::ALL {
            bytes.extend_from_slice(&unit.view.at(milestone).map_or(0, |at| at.0).to_le_bytes());
        }
    }
    let fingerprint = fingerprint(&bytes);
    *scratch = bytes;
    fingerprint
}

/// The pages of a shipment's document, in order.
fn shipment_pages<'a>(
    rules: &'a Rules,
    shipment: &'a Shipment,
    derived: &Derived,
    sources: &'a MilestoneSources,
    problems: &'a [String],
    version: u64,
) -> impl Iterator<Item = ShipmentDoc<'a, PageBoxes<'a>>> {
    let &Derived { status, status_since, window, expected, .. } = derived;
    let head = &shipment.head;
    let freight = shipment.freight.as_ref();
    let sources = sources.of(&shipment.id);
    let page_count = shipment.boxes.len().div_ceil(PAGE_BOXES_MAX).max(1);
    (0..page_count).map(move |page| {
        let first = page * PAGE_BOXES_MAX;
        let last = (first + PAGE_BOXES_MAX).min(shipment.boxes.len());
        ShipmentDoc {
            shipment_id: shipment.id.as_str(),
            account: head.account.as_str(),
            fc: head.fc.as_str(),
            mode: head.mode,
            partnered: head.partnered,
            carrier: rules.catalogue.code(head.carrier),
            carrier_name: head.carrier_name.as_deref(),
            status,
            created_at: head.created_at,
            status_since,
            freight_bill: freight.and_then(|pro| Some(pro.tracking.as_ref()?.number.as_str())),
            bill_of_lading: head.bill_of_lading.as_deref(),
            milestone: freight.and_then(|pro| pro.view.current()).map(Milestone::name),
            window,
            expected,
            version,
            page: u32::try_from(page + 1).expect("at most 5 pages"),
            pages: u32::try_from(page_count).expect("at most 5 pages"),
            boxes: PageBoxes { shipment, units: &shipment.boxes[first..last], sources },
            problems: problems.to_vec(),
        }
    })
}

/// The boxes of a page: each is written as soon as it is made.
struct PageBoxes<'a> {
    shipment: &'a Shipment,
    units: &'a [Unit],
    sources: Option<&'a ShipmentSources>,
}

impl WriteJson for PageBoxes<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        write_list(self.units.iter().map(|unit| self.document(unit)), out);
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

impl WriteJson for ShownMilestones<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        let shown = Milestone::ALL.into_iter().filter_map(|milestone| {
            let at = self.view.at(milestone)?;
            let told = self.sources.and_then(|known| known.get(&(self.no, milestone)));
            let source = told.filter(|(time, _)| *time == at).map(|(_, source)| *source);
            Some((milestone.name(), MilestoneDoc { at: at.timestamp(), source }))
        });
        write_members(shown, out);
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
