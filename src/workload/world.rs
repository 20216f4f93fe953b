//! The world: launches cohorts, keeps what they plan by step, and writes phases.
//!
//! Enters: the configuration. Leaves: one phase after another, in the caller's buffer. Always true: what is held is
//! what is under way: a unit's place is taken again once its last scan was written.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::expected::{CommandIntent, Expected};
use super::freight::freight_cohort;
use super::messages::{Messages, Placed};
use super::numbers::Numbers;
use super::parcels::parcel_cohort;
use super::plain::{READY_STEPS, plain_cohort};
use super::plan::{Habits, Plan, PlannedCommand, Planner};
use super::rng::{Rng, mix};
use super::scans::{PlannedScan, Unit, What, write_scan};
use super::{Activity, Keying, Stories, Weather, WorldConfig};
use crate::model::{DAY_MS, MINUTE_MS, SECOND_MS, Timestamp, partition_of};

/// A part of the world, closed by a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Counted from 0.
    pub number: u32,
    /// What is in it.
    pub kind: PhaseKind,
    /// No timestamp in it is earlier. The tick before is not later.
    pub start: Timestamp,
    /// The tick that closes it, for every partition. All timestamps in it are earlier.
    pub tick: Timestamp,
}

/// What a phase holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseKind {
    /// Calm: commands only.
    Commands,
    /// Calm: scans only.
    Scans,
    /// Stormy: both, by timestamp.
    Mixed,
    /// Nothing: time passes, and the world ends.
    Settle,
}

/// A seeded world. See the module.
#[derive(Debug)]
pub struct World {
    config: WorldConfig,
    habits: Habits,
    /// Steps in which cohorts are launched.
    launch_steps: u64,
    numbers: Numbers,
    units: Units,
    commands: BTreeMap<i64, Vec<PlannedCommand>>,
    scans: BTreeMap<i64, Vec<PlannedScan>>,
    cohorts: u64,
    planned: u64,
    planned_foreign: u64,
    /// The step to load next; none when all are written.
    next_step: Option<i64>,
    today: Today,
    phases: u32,
    last_tick: Timestamp,
    settled: bool,
    packer: Packer,
    expected: Expected,
}

/// The step that is being written.
#[derive(Debug, Default)]
struct Today {
    commands: Vec<PlannedCommand>,
    scans: Vec<PlannedScan>,
    slices: VecDeque<Slice>,
}

#[derive(Debug)]
struct Slice {
    kind: PhaseKind,
    commands: Range<usize>,
    scans: Range<usize>,
    start: Timestamp,
    tick: Timestamp,
}

impl World {
    /// The world of a configuration, before anything happened. Panics when the configuration makes no sense: no
    /// partition, an empty batch, no time between ticks.
    pub fn new(config: WorldConfig) -> World {
        assert!(
            config.partitions > 0 && config.batch > 0 && config.tick_minutes > 0,
            "a world needs them: {config:?}"
        );
        // Small worlds have coarse steps and little time, so that a phase holds something.
        let small = config.scans < 10_000;
        let step_s = if small { 12 * 3600 } else { 8 * 3600 };
        let launch_days = (config.scans / 2000).clamp(14, 60);
        let facility_scans = match (config.stories, config.activity) {
            (Stories::Plain { boxes }, _) => {
                let scans_per_box = config.scans / boxes.max(1);
                let facilities = i64::try_from(scans_per_box).unwrap_or(i64::MAX).clamp(6, 200) - 5;
                (facilities, facilities)
            }
            (Stories::All, Activity::Real) => (6, 9),
            (Stories::All, Activity::Hot) => {
                let most = i64::try_from(config.scans / 40).unwrap_or(i64::MAX).clamp(9, 55);
                (most * 2 / 3, most)
            }
        };
        let scans_per_box = 6 + u64::try_from(facility_scans.1).expect("positive");
        let boxes_max = (config.scans / (scans_per_box * 6)).clamp(2, 200);
        let habits = Habits {
            start_s: config.start.0.div_euclid(SECOND_MS),
            step_s,
            facility_scans,
            repeats_per_mille: if config.activity == Activity::Real { 52 } else { 120 },
            disguised_per_mille: if config.stories == Stories::All { 12 } else { 0 },
            boxes_max: i64::try_from(boxes_max).expect("small"),
            accounts: 3 + config.scans / 5000,
        };
        World {
            launch_steps: match config.stories {
                Stories::All => launch_days * 86_400 / u64::try_from(step_s).expect("positive"),
                // All at once, so that every command comes before every scan.
                Stories::Plain { .. } => 1,
            },
            habits,
            numbers: Numbers::new(config.seed),
            units: Units::default(),
            commands: BTreeMap::new(),
            scans: BTreeMap::new(),
            cohorts: 0,
            planned: 0,
            planned_foreign: 0,
            next_step: (config.scans > 0).then_some(0),
            today: Today::default(),
            phases: 0,
            last_tick: config.start,
            settled: false,
            packer: Packer::new(&config),
            expected: Expected::default(),
            config,
        }
    }

    /// What was written so far, and planned.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// Writes the next phase into `out`, which is cleared first. None: the world has ended.
    pub fn next_phase(&mut self, out: &mut Messages) -> Option<Phase> {
        out.clear();
        while self.today.slices.is_empty() {
            let Some(step) = self.next_step else {
                return self.settle();
            };
            self.load(step);
        }
        let slice = self.today.slices.pop_front().expect("there is one");
        self.packer.pack(&self.config, &self.today, &slice, &mut self.units, out, &mut self.expected);
        Some(self.close(slice.kind, slice.start, slice.tick))
    }

    /// How many units were under way at once, at most.
    #[cfg(test)]
    pub(crate) fn units_held(&self) -> usize {
        self.units.slots.len()
    }

    fn settle(&mut self) -> Option<Phase> {
        if self.settled {
            return None;
        }
        self.settled = true;
        let start = self.last_tick;
        let tick = start.plus_ms(i64::from(self.config.settle_days.max(1)) * DAY_MS);
        Some(self.close(PhaseKind::Settle, start, tick))
    }

    fn close(&mut self, kind: PhaseKind, start: Timestamp, tick: Timestamp) -> Phase {
        let number = self.phases;
        self.phases += 1;
        self.last_tick = tick;
        Phase { number, kind, start, tick }
    }

    /// Launches what starts in a step, and takes what is planned for it.
    fn load(&mut self, step: i64) {
        let launching = u64::try_from(step).expect("steps count from 0");
        if launching < self.launch_steps {
            let share =
                u128::from(self.config.scans) * u128::from(launching + 1) / u128::from(self.launch_steps);
            let target = u64::try_from(share).expect("at most the scans");
            while self.planned < target {
                self.launch(step);
            }
        }
        let mut commands = self.commands.remove(&step).unwrap_or_default();
        let mut scans = self.scans.remove(&step).unwrap_or_default();
        // Stable: equal times keep the order of planning.
        commands.sort_by_key(|command| command.at_s);
        scans.sort_by_key(|scan| scan.at_s);
        self.next_step = if launching + 1 < self.launch_steps {
            Some(step + 1)
        } else {
            let next = |first: Option<&i64>| first.copied().unwrap_or(i64::MAX);
            let next = next(self.commands.keys().next()).min(next(self.scans.keys().next()));
            (next < i64::MAX).then_some(next)
        };
        let slices = self.packer.slices(&self.config, &self.habits, step, &commands, &scans);
        self.today = Today { commands, scans, slices };
    }

    /// Plans a shipment (or more), and with it its share of foreign parcels and unreadable scans.
    fn launch(&mut self, step: i64) {
        let before = self.planned;
        let plain = self.config.stories != Stories::All;
        self.cohort(step, |planner| {
            if plain {
                plain_cohort(planner);
            } else if planner.rng.chance(150) {
                freight_cohort(planner);
            } else {
                parcel_cohort(planner);
            }
        });
        // A plain world has no scan at all before its last command.
        let strangers_step = if plain { step + READY_STEPS } else { step };
        while self.planned_foreign * 20 < self.planned && self.planned < self.config.scans {
            self.planned_foreign += self.cohort(strangers_step, |planner| planner.foreign_parcel());
        }
        if plain {
            return;
        }
        let added = self.planned - before;
        self.cohort(step, |planner| {
            let bad = added / 1000 + u64::from(planner.rng.below(1000) < added % 1000);
            for _ in 0..bad {
                planner.bad_scan();
            }
        });
    }

    /// Plans a cohort that starts in `step`. Returns how many scans it adds.
    fn cohort(&mut self, step: i64, fill: impl FnOnce(&mut Planner<'_>)) -> u64 {
        let mut planner = Planner {
            rng: Rng::of(self.config.seed, self.cohorts),
            habits: &self.habits,
            numbers: &mut self.numbers,
            expected: &mut self.expected,
            base_s: step * self.habits.step_s,
            last_step: step - 1,
            plan: Plan::default(),
        };
        fill(&mut planner);
        self.cohorts += 1;
        let Plan { commands, units, mut scans } = planner.plan;
        let room = usize::try_from(self.config.scans - self.planned).unwrap_or(usize::MAX);
        if scans.len() > room {
            // The feeds fall silent: what would be written last is missing.
            scans.sort_by_key(|scan| scan.at_s);
            scans.truncate(room);
        }
        let added = scans.len() as u64;
        self.planned += added;
        for command in commands {
            let at_step = i64::from(command.at_s).div_euclid(self.habits.step_s);
            assert!(at_step >= step, "a command before its cohort");
            self.commands.entry(at_step).or_default().push(command);
        }
        let places = self.units.take_in(units, &scans);
        for mut scan in scans {
            scan.unit = places[scan.unit as usize];
            let at_step = i64::from(scan.at_s).div_euclid(self.habits.step_s);
            assert!(at_step >= step, "a scan before its cohort");
            self.scans.entry(at_step).or_default().push(scan);
        }
        added
    }
}

/// The units that still have scans to be written.
#[derive(Debug, Default)]
struct Units {
    slots: Vec<Unit>,
    free: Vec<u32>,
}

impl Units {
    /// Takes a cohort's units in. Returns their places; those without scans have none that counts.
    fn take_in(&mut self, mut units: Vec<Unit>, scans: &[PlannedScan]) -> Vec<u32> {
        for scan in scans {
            units[scan.unit as usize].pending += 1;
        }
        let mut place = |unit: Unit| {
            if unit.pending == 0 {
                return u32::MAX;
            }
            if let Some(free) = self.free.pop() {
                self.slots[free as usize] = unit;
                return free;
            }
            self.slots.push(unit);
            u32::try_from(self.slots.len() - 1).expect("fewer than 4 billion units under way")
        };
        units.into_iter().map(&mut place).collect()
    }

    fn get(&self, place: u32) -> &Unit {
        &self.slots[place as usize]
    }

    /// One scan of the unit was written.
    fn wrote(&mut self, place: u32) {
        let unit = &mut self.slots[place as usize];
        unit.pending -= 1;
        if unit.pending == 0 {
            self.free.push(place);
        }
    }
}

/// Turns what is planned into messages.
#[derive(Debug)]
struct Packer {
    /// Scans that wait for their batch, by partition (or all together).
    groups: Vec<Vec<usize>>,
    written: u64,
    last: Timestamp,
}

impl Packer {
    fn new(config: &WorldConfig) -> Packer {
        let groups = if config.keying == Keying::Keyed { config.partitions as usize } else { 1 };
        Packer { groups: vec![Vec::new(); groups], written: 0, last: Timestamp::MIN }
    }

    /// The slices of a step that hold something.
    fn slices(
        &self,
        config: &WorldConfig,
        habits: &Habits,
        step: i64,
        commands: &[PlannedCommand],
        scans: &[PlannedScan],
    ) -> VecDeque<Slice> {
        let step_ms = habits.step_s * SECOND_MS;
        let start_ms = habits.start_s * SECOND_MS + step * step_ms;
        let at = |offset_ms: i64| Timestamp(start_ms + offset_ms);
        let mut slices = VecDeque::new();
        let mut add = |kind, commands: Range<usize>, scans: Range<usize>, from_ms, to_ms| {
            if !commands.is_empty() || !scans.is_empty() {
                slices.push_back(Slice { kind, commands, scans, start: at(from_ms), tick: at(to_ms) });
            }
        };
        match config.weather {
            Weather::Calm => {
                add(PhaseKind::Commands, 0..commands.len(), 0..0, 0, step_ms / 4);
                add(PhaseKind::Scans, 0..0, 0..scans.len(), step_ms / 4, step_ms);
            }
            Weather::Stormy => {
                let tick_ms = (i64::from(config.tick_minutes) * MINUTE_MS).min(step_ms);
                let (mut command, mut scan, mut from_ms) = (0, 0, 0);
                while from_ms < step_ms {
                    let to_ms = (from_ms + tick_ms).min(step_ms);
                    let before = |at_s: u32| i64::from(at_s) * SECOND_MS < step * step_ms + to_ms;
                    let commands_to = command + commands[command..].partition_point(|c| before(c.at_s));
                    let scans_to = scan + scans[scan..].partition_point(|s| before(s.at_s));
                    add(PhaseKind::Mixed, command..commands_to, scan..scans_to, from_ms, to_ms);
                    (command, scan, from_ms) = (commands_to, scans_to, to_ms);
                }
            }
        }
        slices
    }

    /// Writes a slice.
    fn pack(
        &mut self,
        config: &WorldConfig,
        today: &Today,
        slice: &Slice,
        units: &mut Units,
        out: &mut Messages,
        expected: &mut Expected,
    ) {
        self.last = slice.start;
        let clock = Clock::of(config, slice);
        let mut page = Page { config, scans: &today.scans, clock, units, out, expected };
        let mut commands = today.commands[slice.commands.clone()].iter().peekable();
        for scan in slice.scans.clone() {
            let at_s = today.scans[scan].at_s;
            while let Some(command) = commands.next_if(|command| command.at_s <= at_s) {
                self.command(&mut page, command);
            }
            self.scan(&mut page, scan);
        }
        for command in commands {
            self.command(&mut page, command);
        }
        for group in 0..self.groups.len() {
            self.flush(&mut page, group);
        }
    }

    fn command(&mut self, page: &mut Page<'_>, command: &PlannedCommand) {
        let place = self.place(page, command.at_s, command.shipment.as_bytes());
        page.out.push_command(place, &command.value, command.intent);
        page.expected.commands += 1;
        page.expected.bad_commands += u64::from(matches!(command.intent, CommandIntent::Bad(_)));
    }

    fn scan(&mut self, page: &mut Page<'_>, scan: usize) {
        let planned = &page.scans[scan];
        let alone = matches!(planned.what, What::Bad(bad) if bad.stands_alone());
        if page.config.batch == 1 || alone {
            return self.write(page, &[scan]);
        }
        let group = if page.config.keying == Keying::Keyed {
            partition_of(page.units.get(planned.unit).number.as_bytes(), page.config.partitions) as usize
        } else {
            0
        };
        self.groups[group].push(scan);
        if self.groups[group].len() == page.config.batch as usize {
            self.flush(page, group);
        }
    }

    fn flush(&mut self, page: &mut Page<'_>, group: usize) {
        let mut scans = std::mem::take(&mut self.groups[group]);
        if !scans.is_empty() {
            self.write(page, &scans);
        }
        scans.clear();
        self.groups[group] = scans;
    }

    /// Writes one message of scans.
    fn write(&mut self, page: &mut Page<'_>, scans: &[usize]) {
        let (first, last) = (&page.scans[scans[0]], &page.scans[scans[scans.len() - 1]]);
        let number = page.units.get(first.unit).number;
        let place = self.place(page, last.at_s, number.as_bytes());
        let is_array = page.config.batch > 1 && !matches!(first.what, What::Bad(bad) if bad.stands_alone());
        let start_s = page.config.start.0.div_euclid(SECOND_MS);
        let Page { scans: planned, units, out, expected, .. } = page;
        out.push_scans(place, |bytes, intents| {
            for (i, scan) in scans.iter().map(|scan| &planned[*scan]).enumerate() {
                if is_array {
                    bytes.push(if i == 0 { b'[' } else { b',' });
                }
                write_scan(bytes, start_s, units.get(scan.unit), scan);
                units.wrote(scan.unit);
                intents.push(scan.intent);
                expected.wrote_scan(scan.intent);
            }
            if is_array {
                bytes.push(b']');
            }
        });
        expected.scan_messages += 1;
    }

    fn place<'k>(&mut self, page: &Page<'_>, at_s: u32, key: &'k [u8]) -> Placed<'k> {
        self.last = self.last.max(page.clock.timestamp(at_s));
        self.written += 1;
        let partitions = page.config.partitions;
        match page.config.keying {
            Keying::Keyed => {
                let partition = partition_of(key, partitions);
                Placed { timestamp: self.last, partition, key: Some(key) }
            }
            Keying::Unkeyed => {
                let partition = Rng::of(mix(page.config.seed), self.written).below(u64::from(partitions));
                let partition = u32::try_from(partition).expect("below the partitions");
                Placed { timestamp: self.last, partition, key: None }
            }
        }
    }
}

/// What is needed to write a slice.
struct Page<'a> {
    config: &'a WorldConfig,
    scans: &'a [PlannedScan],
    clock: Clock,
    units: &'a mut Units,
    out: &'a mut Messages,
    expected: &'a mut Expected,
}

/// From a planned second to a record's timestamp. In a calm world a step's first quarter is for its commands and the
/// rest for its scans: commands are written a little earlier than planned and scans a little later.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// The planned span, in milliseconds since 1970.
    from_ms: i64,
    origin_ms: i64,
    /// Where it goes, and the quarters it keeps.
    to_ms: i64,
    quarters: i64,
}

impl Clock {
    fn of(config: &WorldConfig, slice: &Slice) -> Clock {
        let origin_ms = config.start.0.div_euclid(SECOND_MS) * SECOND_MS;
        let (start, end) = (slice.start.0, slice.tick.0);
        match slice.kind {
            PhaseKind::Commands => Clock { from_ms: start, origin_ms, to_ms: start, quarters: 1 },
            // A scan phase is the last three quarters of its step.
            PhaseKind::Scans => {
                Clock { from_ms: start - (end - start) / 3, origin_ms, to_ms: start, quarters: 3 }
            }
            PhaseKind::Mixed | PhaseKind::Settle => {
                Clock { from_ms: start, origin_ms, to_ms: start, quarters: 4 }
            }
        }
    }

    fn timestamp(&self, at_s: u32) -> Timestamp {
        let at_ms = self.origin_ms + i64::from(at_s) * SECOND_MS;
        Timestamp(self.to_ms + (at_ms - self.from_ms) * self.quarters / 4)
    }
}
