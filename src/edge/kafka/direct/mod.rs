//! Reading records from brokers directly, without the client: the data plane of a member, if `kafka.fetch` is "direct".
//!
//! Enters: positions of the partitions that are ours. Leaves: batches of records that lie in the bytes that came (or in what
//! they unpack to), ends, and errors, in order per partition. Always true:
//! - membership, committed positions and transactions stay with the client, whose consumer has the partitions, too, but paused;
//! - what the worker sees is what the client would show it: committed records, each once, checked, in order;
//! - there is one thread per broker, with a connection once it leads something of ours, and one of each that asks who leads what;
//!   while an answer is unpacked, the next one is on its way;
//! - dropped, it ends the connections; a thread ends when it notices.
//!
//! The client makes an object of each message, and frees it on another thread; that costs more than reading a scan does. Here a
//! record is a few numbers beside bytes that stay where they are. The board says what is asked for, `wire` carries it,
//! `batches` reads what came.

mod batches;
mod board;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{FetchRequest, FetchResponse, MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use rdkafka::error::RDKafkaErrorCode as Code;

use self::batches::{Aborted, Damage, Slab, Taker};
use self::board::{Arrived, Board, BrokerId, Onward, Place, Refusal, Wish, Wishes};
use self::wire::{ANSWER_BYTES_MAX, Cutter, Failed, Line};
use super::clients::{Bell, tell};
use super::config::KafkaConfig;
use super::names::{TopicNames, kafka_offset, kafka_partition, refused};
use super::patience::Pauses;
use super::signs::Signs;
use crate::edge::process::locked;
use crate::engine::log::{LogError, Positions, RecordBatch};
use crate::model::{Lane, Partition};

/// The most bytes of an answer, unless the properties say it: what is unpacked stays near the processor.
const ANSWER_BYTES: i32 = 1024 * 1024;
/// Between two questions who leads what, at first and at the most.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How long a broker may wait for records while there is more that it cannot be asked for yet.
const SHORT_WAIT_MS: i32 = 5;
/// How long a thread sleeps at most before it looks at the board again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a member reads.
#[derive(Debug)]
pub(super) struct Direct {
    shared: Arc<Shared>,
    /// Of each lane, the records that were taken in part.
    open: [Option<(Partition, Slab)>; Lane::ALL.len()],
    /// Memory of records that were taken; the worker may still look at the last of them.
    read: Option<Bytes>,
    is_begun: bool,
}

/// What there is of a lane.
#[derive(Debug)]
pub(super) enum Got {
    Records(Partition, RecordBatch),
    /// Everything before this offset was read, and there is no more now.
    End(Partition, u64),
    Failed(Code),
}

#[derive(Debug)]
struct Shared {
    board: Mutex<Board>,
    /// The board has changed so that somebody may have something to do.
    changed: Condvar,
    /// Of the worker.
    bell: Arc<Bell>,
    signs: Arc<Signs>,
    terms: Terms,
    /// Whoever waits for a broker is woken by these.
    cutters: Mutex<BTreeMap<Option<BrokerId>, Cutter>>,
}

/// How it is asked.
#[derive(Debug)]
struct Terms {
    names: TopicNames,
    bootstrap: Vec<String>,
    client: String,
    wait_ms: i32,
    bytes_min: i32,
    bytes_max: i32,
    partition_bytes_max: i32,
}

impl Terms {
    fn of(config: &KafkaConfig, name: &str) -> Terms {
        let properties = config.member(name);
        let set = |name: &str| properties.get(name).and_then(|value| value.trim().parse().ok());
        let own = |name: &str| set(name).filter(|_| config.sets(name));
        let bootstrap = config.bootstrap_servers.split(',').map(|server| {
            let server = server.trim();
            let address = server.split_once("://").map_or(server, |(_, address)| address);
            if address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
                address.to_owned()
            } else {
                format!("{address}:9092")
            }
        });
        Terms {
            names: config.names(),
            bootstrap: bootstrap.collect(),
            client: format!("{name}-fetch"),
            // Longer, a broker that has nothing would seem to be silent.
            wait_ms: set("fetch.wait.max.ms").unwrap_or(500).min(1_000),
            bytes_min: set("fetch.min.bytes").unwrap_or(1),
            // Brokers send more, if the first batch is larger.
            bytes_max: own("fetch.max.bytes")
                .unwrap_or(ANSWER_BYTES)
                .min(i32::try_from(ANSWER_BYTES_MAX / 2).expect("less than 2 GiB")),
            partition_bytes_max: own("fetch.message.max.bytes").unwrap_or(ANSWER_BYTES),
        }
    }

    fn request(&self, wishes: &Wishes) -> FetchRequest {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for wish in &wishes.list {
            let (lane, partition) = wish.place;
            let name = self.names.of(lane.topic());
            let wanted = FetchPartition::default()
                .with_partition(kafka_partition(partition))
                .with_current_leader_epoch(wish.leader_epoch)
                .with_fetch_offset(kafka_offset(wish.next))
                .with_last_fetched_epoch(wish.last_epoch)
                .with_log_start_offset(-1)
                .with_partition_max_bytes(self.partition_bytes_max);
            match topics.last_mut() {
                Some(topic) if *topic.topic.0 == *name => topic.partitions.push(wanted),
                _ => topics
                    .push(FetchTopic::default().with_topic(topic_name(name)).with_partitions(vec![wanted])),
            }
        }
        FetchRequest::default()
            .with_max_wait_ms(if wishes.is_short { self.wait_ms.min(SHORT_WAIT_MS) } else { self.wait_ms })
            .with_min_bytes(self.bytes_min)
            .with_max_bytes(self.bytes_max)
            // Committed records only, and what was aborted.
            .with_isolation_level(1)
            // Without a session: all that is wanted is named each time.
            .with_session_id(0)
            .with_session_epoch(-1)
            .with_topics(topics)
    }

    fn question(&self) -> MetadataRequest {
        let topics = Lane::ALL.map(|lane| {
            MetadataRequestTopic::default().with_name(Some(topic_name(self.names.of(lane.topic()))))
        });
        MetadataRequest::default().with_topics(Some(topics.into())).with_allow_auto_topic_creation(false)
    }

    fn lane(&self, topic: &str) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| self.names.of(lane.topic()) == topic)
    }
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

impl Direct {
    /// Reads nothing yet. The bell rings when something has come.
    pub(super) fn new(config: &KafkaConfig, name: &str, bell: &Arc<Bell>, signs: &Arc<Signs>) -> Direct {
        let shared = Shared {
            board: Mutex::default(),
            changed: Condvar::new(),
            bell: Arc::clone(bell),
            signs: Arc::clone(signs),
            terms: Terms::of(config, name),
            cutters: Mutex::default(),
        };
        Direct { shared: Arc::new(shared), open: Default::default(), read: None, is_begun: false }
    }

    /// From now on these partitions are ours, and no others.
    pub(super) fn assign(&mut self, positions: &Positions) {
        self.open = Default::default();
        self.shared.with(|board| board.assign(positions));
        if !std::mem::replace(&mut self.is_begun, true) {
            spawn("kafka-leaders", &self.shared, scout);
        }
    }

    /// Nothing is ours any more.
    pub(super) fn clear(&mut self) {
        self.open = Default::default();
        self.shared.at(Board::clear);
    }

    /// Reads on from these positions.
    pub(super) fn seek(&mut self, positions: &Positions) {
        for lane in Lane::ALL {
            self.open[lane.index()].take_if(|(partition, _)| positions.contains_key(&(lane, *partition)));
        }
        self.shared.with(|board| board.seek(positions));
    }

    /// The next thing of that lane, without waiting: at most `max` records, and none before what `wanted` says of their
    /// partition.
    pub(super) fn take(
        &mut self,
        lane: Lane,
        max: usize,
        wanted: impl Fn(Partition) -> u64,
    ) -> Result<Option<Got>, LogError> {
        loop {
            if let Some((partition, slab)) = &mut self.open[lane.index()] {
                let partition = *partition;
                let batch = slab
                    .take(max, wanted(partition))
                    .map_err(|damage| unreadable(&self.shared.terms.names, (lane, partition), damage))?;
                if let Some((_, slab)) = self.open[lane.index()].take_if(|(_, slab)| slab.is_taken()) {
                    self.give_back(slab);
                }
                if !batch.is_empty() {
                    return Ok(Some(Got::Records(partition, batch)));
                }
                continue;
            }
            let (taken, has_room_again) = self.shared.at(|board| {
                let was_full = !board.has_room(lane);
                (board.take(lane), was_full && board.has_room(lane))
            });
            if has_room_again {
                self.shared.changed.notify_all();
            }
            let Some((partition, arrived)) = taken? else { return Ok(None) };
            match arrived {
                Arrived::Records(slab) => self.open[lane.index()] = Some((partition, slab)),
                Arrived::End(next) => return Ok(Some(Got::End(partition, next))),
                Arrived::Failed(code) => return Ok(Some(Got::Failed(code))),
            }
        }
    }
}

impl Direct {
    /// The memory of the slab before that one is used again, if nobody keeps any of it.
    fn give_back(&mut self, slab: Slab) {
        if let Some(memory) = self.read.replace(slab.into_memory()).filter(Bytes::is_unique) {
            self.shared.at(|board| board.give_back(memory.into()));
        }
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        self.shared.with(Board::close);
        for cutter in locked(&self.shared.cutters).values() {
            cutter.cut();
        }
    }
}

fn unreadable(names: &TopicNames, (lane, partition): Place, damage: Damage) -> LogError {
    let what = format!("read {}-{} directly", names.of(lane.topic()), kafka_partition(partition));
    refused(what, format!("a batch cannot be read: {damage}"))
}

fn spawn(name: &str, shared: &Arc<Shared>, work: impl FnOnce(&Arc<Shared>) + Send + 'static) {
    let shared = Arc::clone(shared);
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(move || work(&shared)).expect("a thread begins or the process ends");
}

impl Shared {
    /// Changes the board so that others may have something to do.
    fn with<T>(&self, change: impl FnOnce(&mut Board) -> T) -> T {
        let changed = self.at(change);
        self.changed.notify_all();
        changed
    }

    /// Looks at the board, or changes it.
    fn at<T>(&self, look: impl FnOnce(&mut Board) -> T) -> T {
        let mut board = locked(&self.board);
        let before = board.bytes();
        let seen = look(&mut board);
        self.signs.fetching().waits(before, board.bytes());
        seen
    }

    /// Waits until there is what to look for on the board; none: it was closed.
    fn wait_for<T>(&self, mut look: impl FnMut(&mut Board) -> Option<T>) -> Option<T> {
        let mut board = locked(&self.board);
        loop {
            if board.is_closed() {
                return None;
            }
            if let Some(found) = look(&mut board) {
                return Some(found);
            }
            // Pauses end without anybody saying so.
            board = self.changed.wait_timeout(board, LOOK_AGAIN).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sleeps, unless it is closed meanwhile; whether it was not.
    fn sleep(&self, span: Duration) -> bool {
        let board = locked(&self.board);
        let sleeping = self.changed.wait_timeout_while(board, span, |board| !board.is_closed());
        !sleeping.unwrap_or_else(PoisonError::into_inner).0.is_closed()
    }

    fn fail(&self, error: LogError) {
        self.at(|board| board.fail(error));
        self.bell.ring();
    }

    /// A connection that ends when the member does.
    fn connect(&self, whose: Option<BrokerId>, address: &str) -> Result<Line, Failed> {
        let line = Line::open(address, &self.terms.client)?;
        let cutter = line.cutter()?;
        // Closing cuts after it has said so.
        let mut cutters = locked(&self.cutters);
        if self.at(|board| board.is_closed()) {
            return Err(Failed::Away("it is not needed any more".to_owned()));
        }
        cutters.insert(whose, cutter);
        self.signs.fetching().connected();
        Ok(line)
    }
}

/// Asks who leads what, whenever that is in doubt.
fn scout(shared: &Arc<Shared>) {
    let mut line = None;
    let mut turn = 0_usize;
    let mut pauses = Pauses::between(ASK_AGAIN);
    while shared.wait_for(|board| board.wants_map().then_some(())).is_some() {
        match ask(shared, &mut line, &mut turn) {
            Ok((is_news, unknown)) => {
                for broker in unknown {
                    spawn("kafka-fetch", shared, move |shared| courier(shared, broker));
                }
                if !is_news {
                    // Another broker may know more.
                    line = None;
                }
                if !shared.at(|board| board.is_leaderless()) {
                    pauses.reset();
                }
            }
            Err(Failed::Refused(error)) => {
                shared.fail(error);
                return;
            }
            Err(Failed::Away(why)) => {
                tell(&format!("cannot ask who leads the partitions: {why}"));
                line = None;
                shared.at(Board::doubt_map);
            }
        }
        if !shared.sleep(pauses.take()) {
            return;
        }
    }
}

/// Asks one broker, the next one if the last is gone. Whether there was news, and the brokers that are new.
fn ask(
    shared: &Shared,
    line: &mut Option<Line>,
    turn: &mut usize,
) -> Result<(bool, BTreeSet<BrokerId>), Failed> {
    let line = match line {
        Some(line) => line,
        None => {
            let mut known = shared.at(|board| board.addresses());
            known.extend_from_slice(&shared.terms.bootstrap);
            let address = &known[*turn % known.len()];
            *turn += 1;
            let opened = shared.connect(None, address).map_err(|failed| match failed {
                Failed::Away(why) => Failed::Away(format!("{address}: {why}")),
                refused @ Failed::Refused(_) => refused,
            })?;
            line.insert(opened)
        }
    };
    let map = line.metadata(&shared.terms.question())?;
    let mut leaders = BTreeMap::new();
    for topic in &map.topics {
        let Some(lane) = topic.name.as_ref().and_then(|name| shared.terms.lane(name)) else { continue };
        for partition in topic.partitions.iter().filter(|partition| partition.leader_id.0 >= 0) {
            if let Ok(number) = u32::try_from(partition.partition_index) {
                leaders.insert((lane, Partition(number)), (partition.leader_id.0, partition.leader_epoch));
            }
        }
    }
    let address = |host: &str, port: i32| match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let addresses = map.brokers.iter().map(|broker| (broker.node_id.0, address(&broker.host, broker.port)));
    let addresses = addresses.collect();
    Ok(shared.with(|board| board.learn(addresses, leaders)))
}

/// Reads from one broker what it leads, for as long as the member is there.
fn courier(shared: &Arc<Shared>, broker: BrokerId) {
    let wishes = |board: &mut Board| {
        let wishes = board.wishes(broker)?;
        Some((board.address(broker)?.to_owned(), wishes))
    };
    while let Some((address, wishes)) = shared.wait_for(wishes) {
        let connected = shared.connect(Some(broker), &address);
        let ended = connected.and_then(|mut line| exchange(shared, broker, &mut line, wishes));
        match ended {
            Ok(()) => return,
            Err(Failed::Refused(error)) => {
                shared.fail(error);
                return;
            }
            Err(Failed::Away(why)) => {
                shared.with(|board| board.is_away(broker));
                if !shared.at(|board| board.is_closed()) {
                    tell(&format!("reading from {address}: {why}"));
                }
            }
        }
    }
}

/// Asks and unpacks in turn, until the connection ends; or until the member does.
fn exchange(shared: &Shared, broker: BrokerId, line: &mut Line, wishes: Wishes) -> Result<(), Failed> {
    line.fetch(&shared.terms.request(&wishes))?;
    let mut asked = Some(wishes);
    loop {
        let wishes = match asked.take() {
            Some(wishes) => wishes,
            None => {
                let Some(wishes) = shared.wait_for(|board| board.wishes(broker)) else { return Ok(()) };
                line.fetch(&shared.terms.request(&wishes))?;
                wishes
            }
        };
        // A broker that stops may have been replaced before it is given up.
        let (response, memory) = line.fetched(&|| shared.with(Board::doubt_map))?;
        shared.signs.fetching().answered(memory.len());
        if response.error_code != 0 {
            return Err(Failed::Away(format!("it answered with error {}", response.error_code)));
        }
        let throttled = Duration::from_millis(u64::try_from(response.throttle_time_ms).unwrap_or_default());
        let answers = judged(shared, broker, &wishes.list, response)?;
        let mut asking = Ok(());
        if throttled.is_zero() {
            asked = shared.at(|board| board.wishes(broker));
            if let Some(wishes) = &asked {
                asking = line.fetch(&shared.terms.request(wishes));
            }
        }
        // Whatever became of the next request: these partitions go on behind what is here.
        for answer in answers {
            hand_over(shared, answer)?;
        }
        asking?;
        line.give_back(memory);
        if !throttled.is_zero() && !shared.sleep(throttled) {
            return Ok(());
        }
    }
}

/// What came of a wish, and counts.
struct Answer {
    wish: Wish,
    records: Bytes,
    aborted: Aborted,
    onward: Onward,
}

/// Notes where the partitions go on, so that the next request can be made.
fn judged(
    shared: &Shared,
    broker: BrokerId,
    wishes: &[Wish],
    response: FetchResponse,
) -> Result<Vec<Answer>, Failed> {
    let mut answers = Vec::new();
    let mut board = locked(&shared.board);
    board.is_back(broker);
    let mut is_news = false;
    for topic in response.responses {
        let Some(lane) = shared.terms.lane(&topic.topic) else { continue };
        for data in topic.partitions {
            let Ok(number) = u32::try_from(data.partition_index) else { continue };
            let place = (lane, Partition(number));
            let Some(wish) = wishes.iter().find(|wish| wish.place == place) else { continue };
            match verdict(&data, wish.next) {
                Ok(reached) => {
                    let end = if data.last_stable_offset < 0 {
                        data.high_watermark
                    } else {
                        data.last_stable_offset
                    };
                    let onward = board.reached(wish, broker, reached, u64::try_from(end).unwrap_or_default());
                    answers.extend(onward.map(|onward| {
                        Answer {
                            wish: *wish,
                            records: data.records.unwrap_or_default(),
                            aborted: Aborted::new(
                                data.aborted_transactions
                                    .iter()
                                    .flatten()
                                    .map(|transaction| (transaction.producer_id.0, transaction.first_offset)),
                            ),
                            onward,
                        }
                    }));
                }
                Err(refusal) => {
                    tracing::debug!(target: "kafka", "fetching {place:?}: error {} ({refusal:?})", data.error_code);
                    is_news = true;
                    board
                        .refused(wish, broker, refusal)
                        .map_err(|damage| Failed::Refused(unreadable(&shared.terms.names, place, damage)))?;
                }
            }
        }
    }
    drop(board);
    if is_news {
        shared.changed.notify_all();
        shared.bell.ring();
    }
    Ok(answers)
}

/// What a broker says of a partition that was asked for from `next` on: where it goes on, or why not.
fn verdict(data: &PartitionData, next: u64) -> Result<Option<batches::Reached>, Refusal> {
    let records = data.records.as_deref().unwrap_or_default();
    match data.error_code {
        0 if data.diverging_epoch.end_offset >= 0 => Err(Refusal::Code(Code::LogTruncation)),
        0 if data.preferred_read_replica.0 >= 0 && records.is_empty() => {
            tell(
                "a broker sends us to a follower, which only the client goes to: set kafka.fetch to \"client\"",
            );
            Err(Refusal::Elsewhere)
        }
        0 => batches::reached(records, next).map_err(Refusal::Damaged),
        1 => Err(Refusal::Code(Code::OffsetOutOfRange)),
        2 => Err(Refusal::Damaged(Damage::Checksum)),
        29 => Err(Refusal::Code(Code::TopicAuthorizationFailed)),
        code => {
            // Unknown topic, leader, replica, epoch or topic ID, a disk: these pass when brokers agree again.
            if ![3, 5, 6, 9, 56, 74, 75, 76, 78, 100].contains(&code) {
                tell(&format!("a broker refuses to send records with error {code}; asking again"));
            }
            Err(Refusal::Elsewhere)
        }
    }
}

/// Takes what comes of a wish.
struct Granted<'a> {
    shared: &'a Shared,
    wish: Wish,
}

impl Taker for Granted<'_> {
    fn memory(&mut self) -> Vec<u8> {
        self.shared.at(Board::spare)
    }

    fn slab(&mut self, slab: Slab) {
        if self.shared.at(|board| board.arrived(&self.wish, Arrived::Records(slab))) {
            self.shared.bell.ring();
        }
    }
}

/// Unpacks an answer for the worker.
fn hand_over(shared: &Shared, answer: Answer) -> Result<(), Failed> {
    let Answer { wish, records, mut aborted, onward } = answer;
    let unpacked = batches::unpack(&records, &mut aborted, &mut Granted { shared, wish });
    drop(records);
    match unpacked {
        Ok(()) => {
            if shared.at(|board| board.unpacked(&wish, onward)) {
                shared.bell.ring();
            }
            Ok(())
        }
        Err((at, damage)) => {
            shared.signs.fetching().damaged();
            tell(&format!(
                "a batch of {:?} at {at} cannot be read: {damage}; asking for it again",
                wish.place
            ));
            let judged = shared.with(|board| board.damaged(&wish, at, damage));
            judged.map_err(|damage| Failed::Refused(unreadable(&shared.terms.names, wish.place, damage)))
        }
    }
}
